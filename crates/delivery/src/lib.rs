//! Data Firehose: records buffered, transformed, converted and delivered, each exactly once. The design
//! is in `docs/delivery.md`.

mod attempt;
mod budget;
pub mod buffer;
mod catalog;
mod compress;
mod conversion;
mod deaggregate;
mod decompress;
mod destination;
mod engine;
mod error;
pub mod failed;
mod frame;
mod intake;
pub mod jq;
mod kpl;
pub mod lambda;
pub mod limits;
mod line;
mod lookup;
mod meters;
mod name;
mod object;
mod outside;
mod owner;
mod owners;
mod partition;
mod plans;
mod prefix;
mod process;
mod put;
mod reading;
mod recover;
mod rows;
mod settings;
mod settle;
mod stage;
mod staged;
mod status;
mod stream;
mod tables;
mod time_pattern;
mod traffic;
mod transitions;
mod work;

pub use catalog::{Catalog, CatalogError, TableName, Tables};
pub use compress::{Compression, Compressor};
pub use conversion::Conversion;
pub use deaggregate::{Parts, SubRecords};
pub use destination::{Destination, Function, Target, Unserved, time_zone};
pub use engine::{Config, Delivery, NewDeliveryStream, NewSource};
pub use error::Error;
pub use intake::stream_of_arn;
pub use kpl::{UserRecord, user_records};
pub use meters::DeliveryMeters;
pub use name::DeliveryStreamName;
pub use outside::{Answer, Functions, InvokeError, Invoked, NewObject, ObjectStore, Put, PutError};
pub use partition::{PartitionKeys, Partitioner};
pub use prefix::{ErrorOutput, Evaluation, Prefix, PrefixError};
pub use process::{Processing, ProcessingError, ProcessorSettings, appended_delimiter};
pub use rows::{
    Content, DeliveryStreamRow, EncryptionRow, Part, PlanRow, PlannedTable, Role, Secrets, Source,
    SourceRow, Status, Tags,
};
pub use settings::{DESTINATION_ID, EncryptionKey, EncryptionStatus, NewDestination};
pub use status::{DeliveryStatus, PlanStatus};
pub use stream::{DeliveryStream, DeliveryStreamState};
pub use time_pattern::{TimePattern, TimePatternError};
