//! Every limit of deliveries, with its source.

use std::time::Duration;

/// How often an optimistic change is tried again after losing a race.
pub const CHANGE_TRIES_MAX: usize = 32;
/// How long a change that lost a race waits for the winner's state, each time.
pub const NEW_STATE_WAIT: Duration = Duration::from_secs(5);

/// Delivery streams of an account in a region (API reference, CreateDeliveryStream).
pub const STREAMS_MAX: usize = 5_000;
/// Tags of a delivery stream (API reference, TagDeliveryStream).
pub const TAGS_MAX: usize = 50;
/// How often encryption may be switched on or off in a day (API reference,
/// StartDeliveryStreamEncryption).
pub const ENCRYPTION_CHANGES_MAX: usize = 25;
/// How long a switch takes to be effective, at most (API reference, StartDeliveryStreamEncryption).
pub const ENCRYPTION_CHANGE_LASTS_MAX: Duration = Duration::from_secs(5);
/// What a daily quota looks back on.
pub const QUOTA_WINDOW: Duration = Duration::from_hours(24);

/// Bytes that one block of a `snappy-java` stream holds (snappy-java's default block size).
pub const XERIAL_BLOCK_BYTES: usize = 32 * 1024;
/// Bytes that one block of a Hadoop Snappy stream holds (Hadoop's default buffer of 256 KiB, less the
/// room that its compressor keeps for incompressible data).
pub const HADOOP_BLOCK_BYTES: usize = 256 * 1024 - (256 * 1024 / 6 + 32);
/// Records that one record may hold to be taken apart (API reference, RecordDeAggregation).
pub const SUB_RECORDS_MAX: usize = 500;
/// Bytes of a function's answer, as of the event that it is sent (developer guide, "Data transformation";
/// Lambda's quota of a synchronous invocation: 6 MB).
pub const FUNCTION_ANSWER_BYTES_MAX: usize = 6 * 1024 * 1024;
/// How long a function may take (developer guide, "Data transformation": five minutes).
pub const FUNCTION_WAIT: Duration = Duration::from_secs(300);
