//! AWS shapes in, engine calls, AWS shapes out: one `Serve` implementation per operation.
//!
//! **Invariant:** nothing here decides anything that outlives a call. What a stream is, the engine
//! knows; what the caller is told, `faults.rs` says.

pub mod elsewhere;
pub mod firehose;
pub mod injection;
pub mod kinesis;
pub mod monitoring;
pub mod operator;
pub mod sts;

use std::sync::Arc;

use streams::World;
use wire::Call;

/// The caller's own world.
fn world_of(call: &Call) -> World {
    World { account: Arc::clone(&call.account), region: Arc::clone(&call.region) }
}
