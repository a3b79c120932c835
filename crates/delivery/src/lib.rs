//! Data Firehose: records buffered, transformed, converted and delivered, each exactly once. The design
//! is in `docs/delivery.md`.

pub mod buffer;
mod compress;
mod deaggregate;
pub mod failed;
mod kpl;
pub mod lambda;
pub mod limits;
mod prefix;
mod time_pattern;

pub use compress::{Compression, Compressor};
pub use deaggregate::{Parts, SubRecords};
pub use kpl::{UserRecord, user_records};
pub use prefix::{ErrorOutput, Evaluation, Prefix, PrefixError};
pub use time_pattern::{TimePattern, TimePatternError};
