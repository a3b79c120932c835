//! Data Streams: shards, sequence numbers, iterators, fan-out and resharding, over the log.
//!
//! There is no task per shard. Routing reads a snapshot of the shard map, the order is the store's,
//! and an append that meets a closed shard is routed again to its children.
//!
//! **Invariant:** nothing here sees a header, a status, a codec or an AWS shape.

mod accounts;
mod capacity;
mod catalogue;
mod consumers;
#[cfg(any(test, feature = "fuzzing"))]
pub mod decoders;
mod directory;
mod draft;
mod engine;
mod error;
mod iterate;
pub mod keyspace;
pub mod limits;
mod listing;
mod meters;
mod monitoring;
mod mutant;
mod name;
mod on_demand;
mod policies;
mod put;
pub mod quotas;
mod record;
mod removal;
mod reshard;
mod rows;
mod scaling;
pub mod sequence;
mod settings;
pub mod shard;
#[cfg(test)]
mod simulation;
mod stream;
mod subscribe;
mod tables;
mod tags;
mod traffic;
mod transitions;
mod trimming;

pub use accounts::{Commitment, Usage};
pub use capacity::WarmThroughput;
pub use catalogue::{Catalogue, ShardName, describe_row};
pub use consumers::Consumer;
pub use engine::{Config, NewStream, Streams};
pub use error::{Error, RetentionRule, ScaleRule, ShardUse};
pub use iterate::{Cursor, Page, Record, Start};
pub use keyspace::HashKey;
pub use listing::ShardFilter;
pub use meters::{ConsumerMeters, PutBy, PutOutcome, StreamMeters};
pub use monitoring::{ShardMetric, ShardMetrics};
pub use name::{StreamName, World};
pub use put::{NewRecord, Placed, Throttled};
pub use record::{RecordBody, read as read_record};
pub use rows::StreamRow;
pub use sequence::{GivenNumber, SequenceNumber};
pub use shard::{Shard, ShardMap};
pub use store::{Position, StoreError};
pub use stream::{Mode, Status, Stream, StreamState};
pub use subscribe::{Event, Subscription};
