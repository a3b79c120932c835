//! Data Firehose: records buffered, transformed, converted and delivered, each exactly once.

mod compress;
mod deaggregate;
mod kpl;
pub mod limits;
mod prefix;
mod time_pattern;

pub use compress::{Compression, Compressor};
pub use deaggregate::{Parts, SubRecords};
pub use kpl::{UserRecord, user_records};
pub use prefix::{ErrorOutput, Evaluation, Prefix, PrefixError};
pub use time_pattern::{TimePattern, TimePatternError};
