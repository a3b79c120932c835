//! What the standard library leaves to chance: time, randomness and the start of tasks; and rates,
//! which are arithmetic on time.
//!
//! Every other crate reaches these three only through here (`clippy.toml` makes anything else an
//! error), so a test can drive the whole server with a clock and a seed of its own.

pub mod clock;
pub mod entropy;
pub mod rate;
pub mod task;

pub use clock::{Clock, UnixMillis};
pub use entropy::Entropy;
