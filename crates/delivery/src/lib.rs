//! Data Firehose: records buffered, transformed, converted and delivered, each exactly once.

mod prefix;
mod time_pattern;

pub use prefix::{ErrorOutput, Evaluation, Prefix, PrefixError};
pub use time_pattern::{TimePattern, TimePatternError};
