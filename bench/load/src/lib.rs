//! A bounded load generator for the loopback interface.
//!
//! Requests are signed before a phase starts and sent again and again, so that the generator costs
//! little beside the server it measures; every answer is checked. A phase ends by itself.

pub mod connection;
pub mod histogram;
pub mod phase;
pub mod push;
pub mod reads;
pub mod records;
pub mod report;
pub mod server;
pub mod stream;
pub mod target;

/// A phase, warm-up included, lasts at most this long: signatures are good for five minutes, and
/// the machine belongs to others too.
pub const PHASE_SECONDS_MAX: u64 = 60;
