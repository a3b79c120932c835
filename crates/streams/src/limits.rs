//! Every bound of Data Streams, with its source.
//!
//! *Structure* (sizes, counts, shapes) always holds. *Rates and quotas* hold only under
//! `--limits aws`.

use std::time::Duration;

/// Records in one PutRecords request (API reference, PutRecords).
pub const PUT_RECORDS_COUNT_MAX: usize = 500;
/// Data and partition keys of one PutRecords request together (API reference, PutRecords).
pub const PUT_RECORDS_BYTES_MAX: usize = 10 * 1024 * 1024;
/// A record's data and partition key together, unless the stream says otherwise (developer guide,
/// quotas).
pub const RECORD_KIB_DEFAULT: u32 = 1024;
/// Records in one GetRecords answer (API reference, GetRecords).
pub const GET_RECORDS_COUNT_MAX: usize = 10_000;
/// Bytes in one GetRecords answer (API reference, GetRecords).
pub const GET_RECORDS_BYTES_MAX: usize = 10 * 1024 * 1024;
/// How long a shard iterator lives (API reference, GetShardIterator).
pub const ITERATOR_LIFE: Duration = Duration::from_secs(300);
/// How long a NextToken lives (API reference, ListShards).
pub const TOKEN_LIFE: Duration = Duration::from_secs(300);
/// How long one subscription lives (API reference, SubscribeToShard).
pub const SUBSCRIPTION_LIFE: Duration = Duration::from_secs(300);
/// For this long a subscription cannot be taken over (API reference, SubscribeToShard).
pub const SUBSCRIPTION_EXCLUSIVE: Duration = Duration::from_secs(5);
/// An idle subscription sends an empty event this often; AWS about every 5 s.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(5);
/// Payload read for one event; a single larger record still travels alone.
pub const EVENT_BYTES_MAX: usize = 1024 * 1024;
/// Records in one event.
pub const EVENT_RECORDS_MAX: usize = 5_000;
/// Consumers of one stream (developer guide, quotas: 20 standard).
pub const CONSUMERS_PER_STREAM_MAX: usize = 20;
/// Consumers of one stream that may be CREATING (API reference, RegisterStreamConsumer).
pub const CONSUMERS_CREATING_MAX: usize = 5;
/// Shards of one stream that may be open (API reference, UpdateShardCount).
pub const OPEN_SHARDS_PER_STREAM_MAX: u32 = 10_000;
/// Open provisioned shards of an account and region under `--limits aws` (developer guide, quotas).
pub const SHARDS_PER_ACCOUNT_MAX: u32 = 500;
/// Shards of an on-demand or unspecified new stream (facts/streams.md § 2.4).
pub const SHARDS_DEFAULT: u32 = 4;
/// How long records live unless changed (developer guide, retention).
pub const RETENTION_HOURS_DEFAULT: u32 = 24;
/// Initial shards are dated this long before their stream (facts/streams.md § 2.4).
pub const INITIAL_SHARD_AGE: Duration = Duration::from_secs(2);
/// How often expired records and shards are trimmed.
pub const TRIM_EVERY: Duration = Duration::from_secs(60);
/// How long a put waits for the map that follows a closed shard, each time round.
pub const NEW_MAP_WAIT: Duration = Duration::from_secs(5);
/// How many reshards a single put may run into before it reports an internal failure.
pub const REROUTES_MAX: usize = 16;
/// How often an optimistic control-plane change is tried again after losing a race.
pub const CHANGE_TRIES_MAX: usize = 32;
/// Tags of one stream (developer guide, tagging).
pub const TAGS_PER_RESOURCE_MAX: usize = 50;
