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
/// Consumers of one on-demand stream of an account that has committed to a minimum throughput (API
/// reference, RegisterStreamConsumer).
pub const CONSUMERS_PER_ADVANTAGE_STREAM_MAX: usize = 50;
/// Consumers of one stream that may be CREATING (API reference, RegisterStreamConsumer).
pub const CONSUMERS_CREATING_MAX: usize = 5;
/// Shards that one commit takes away, of streams with any number of closed ones: about an eighth of
/// what a commit may hold (`store`'s limits).
pub const SHARDS_PER_COMMIT_MAX: usize = 10_000;
/// After how long a removal that failed is tried again.
pub const REMOVAL_RETRY_AFTER: Duration = Duration::from_secs(5);
/// Shards of one stream that may be open (API reference, UpdateShardCount).
pub const OPEN_SHARDS_PER_STREAM_MAX: u32 = 10_000;
/// Open provisioned shards of an account in one of [`LARGE_REGIONS`], under `--limits aws`
/// (developer guide, quotas).
pub const SHARDS_PER_ACCOUNT_MAX: u32 = 500;
/// As above, in every other region (developer guide, quotas).
pub const SHARDS_PER_ACCOUNT_ELSEWHERE_MAX: u32 = 200;
/// Where AWS allows more (developer guide, quotas).
pub const LARGE_REGIONS: [&str; 3] = ["us-east-1", "us-west-2", "eu-west-1"];
/// On-demand streams of an account in a region, under `--limits aws` (developer guide, quotas).
pub const ON_DEMAND_STREAMS_MAX: u32 = 50;
/// Shards of an on-demand stream outside [`LARGE_REGIONS`], under `--limits aws`: 200 MB/s
/// (developer guide, quotas).
pub const ON_DEMAND_SHARDS_ELSEWHERE_MAX: u32 = 200;
/// Streams of an account in a region that may be CREATING or DELETING when one more is created,
/// under `--limits aws` (API reference, CreateStream).
pub const STREAMS_CHANGING_MAX: usize = 5;
/// UpdateShardCount calls of one stream in [`QUOTA_WINDOW`], under `--limits aws` (API reference).
pub const SCALINGS_PER_DAY_MAX: usize = 10;
/// Changes of one stream's capacity mode in [`QUOTA_WINDOW`], under `--limits aws` (developer
/// guide, capacity modes).
pub const MODE_CHANGES_PER_DAY_MAX: usize = 2;
/// What one shard takes in a second (developer guide, quotas).
pub const SHARD_WRITE_BYTES_PER_SECOND: u64 = 1024 * 1024;
/// How many records one shard takes in a second (developer guide, quotas).
pub const SHARD_WRITE_RECORDS_PER_SECOND: u64 = 1000;
/// What GetRecords may take out of one shard in a second, and SubscribeToShard for each consumer
/// (developer guide, quotas).
pub const SHARD_READ_BYTES_PER_SECOND: u64 = 2 * 1024 * 1024;
/// GetRecords calls of one shard in a second (API reference).
pub const SHARD_READS_PER_SECOND: u64 = 5;
/// GetShardIterator calls of one shard in a second (API reference).
pub const SHARD_ITERATORS_PER_SECOND: u64 = 5;
/// A consumer may subscribe to a shard once in this time (API reference, SubscribeToShard).
pub const SUBSCRIBE_EVERY: Duration = Duration::from_secs(1);
/// How long an on-demand stream's peak counts (developer guide, on-demand mode).
pub const PEAK_LIFE: Duration = Duration::from_hours(24 * 30);
/// Over what time an on-demand stream's throughput is observed (our choice; AWS scales within 15
/// minutes).
pub const OBSERVE_EVERY: Duration = Duration::from_secs(10);
/// The rolling day of daily quotas.
pub const QUOTA_WINDOW: Duration = Duration::from_hours(24);
/// Throughput that can be kept warm: 10 GiB/s (API reference, UpdateStreamWarmThroughput). What is
/// beyond [`OPEN_SHARDS_PER_STREAM_MAX`] shards is carried by that many.
pub const WARM_MIBPS_MAX: u32 = 10 * 1024;
/// Shards of an on-demand or unspecified new stream (facts/streams.md § 2.4).
pub const SHARDS_DEFAULT: u32 = 4;
/// How long records live unless changed (developer guide, retention).
pub const RETENTION_HOURS_DEFAULT: u32 = 24;
/// How long records live at least (API reference, DecreaseStreamRetentionPeriod).
pub const RETENTION_HOURS_MIN: u32 = 24;
/// How long records live at most (API reference, IncreaseStreamRetentionPeriod).
pub const RETENTION_HOURS_MAX: u32 = 8_760;
/// How often a key may be applied to a stream in 24 hours, and how often encryption be stopped
/// (API reference, StartStreamEncryption and StopStreamEncryption).
pub const ENCRYPTION_CHANGES_MAX: usize = 25;
/// How long a minimum throughput billing commitment lasts at least (API reference,
/// MinimumThroughputBillingCommitmentInput).
pub const COMMITMENT_MIN: Duration = Duration::from_secs(24 * 3600);
/// Initial shards are dated this long before their stream (facts/streams.md § 2.4).
pub const INITIAL_SHARD_AGE: Duration = Duration::from_secs(2);
/// Shards that are trimmed in one commit, which takes some 40 bytes for each.
pub const TRIMS_PER_COMMIT_MAX: usize = 1000;

/// How often expired records and shards are trimmed.
pub const TRIM_EVERY: Duration = Duration::from_secs(60);
/// How long a put waits for the map that follows a closed shard, each time round.
pub const NEW_MAP_WAIT: Duration = Duration::from_secs(5);
/// How many reshards a single put may run into before it reports an internal failure.
pub const REROUTES_MAX: usize = 16;
/// How often an optimistic control-plane change is tried again after losing a race.
pub const CHANGE_TRIES_MAX: usize = 32;
/// Tags of one stream or consumer (API reference, TagResource).
pub const TAGS_PER_RESOURCE_MAX: usize = 50;
