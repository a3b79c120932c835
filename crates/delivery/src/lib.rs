//! Data Firehose: records buffered, transformed, converted and delivered, each exactly once. The design
//! is in `docs/delivery.md`.

pub mod buffer;
mod compress;
mod deaggregate;
mod engine;
mod error;
pub mod failed;
mod kpl;
pub mod lambda;
pub mod limits;
mod name;
mod outside;
mod prefix;
mod put;
mod rows;
mod settings;
mod stream;
mod tables;
mod time_pattern;
mod transitions;

pub use compress::{Compression, Compressor};
pub use deaggregate::{Parts, SubRecords};
pub use engine::{Config, Delivery, NewDeliveryStream, NewSource};
pub use error::Error;
pub use kpl::{UserRecord, user_records};
pub use name::DeliveryStreamName;
pub use outside::{Answer, Functions, InvokeError, Invoked, NewObject, ObjectStore, Put, PutError};
pub use prefix::{ErrorOutput, Evaluation, Prefix, PrefixError};
pub use rows::{DeliveryStreamRow, EncryptionRow, Secrets, Source, Status, Tags};
pub use settings::{DESTINATION_ID, EncryptionKey, EncryptionStatus, NewDestination};
pub use stream::{DeliveryStream, DeliveryStreamState};
pub use time_pattern::{TimePattern, TimePatternError};
