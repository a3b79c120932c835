//! Every limit of deliveries, with its source.

use std::time::Duration;

/// How often an optimistic change is tried again after losing a race.
pub const CHANGE_TRIES_MAX: usize = 32;
/// How long a change that lost a race waits for the winner's state, each time.
pub const NEW_STATE_WAIT: Duration = Duration::from_secs(5);

/// Delivery streams of an account in a region (API reference, CreateDeliveryStream).
pub const STREAMS_MAX: usize = 5_000;
/// What may be put to one delivery stream in a second.
#[derive(Clone, Copy, Debug)]
pub struct DirectPutRates {
    /// Bytes of data.
    pub bytes: u64,
    /// Records.
    pub records: u64,
    /// Calls.
    pub requests: u64,
}

/// In the large regions (developer guide, "Quota").
pub const DIRECT_PUT: DirectPutRates =
    DirectPutRates { bytes: 5 * 1024 * 1024, records: 500_000, requests: 2_000 };
/// In the others.
pub const DIRECT_PUT_ELSEWHERE: DirectPutRates =
    DirectPutRates { bytes: 1024 * 1024, records: 100_000, requests: 1_000 };
/// The large regions.
pub const LARGE_REGIONS: [&str; 3] = ["us-east-1", "us-west-2", "eu-west-1"];
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
/// How old what is known of a table may be: a change of the latest version is seen after this. Ours.
pub const TABLE_AGE_MAX: Duration = Duration::from_secs(60);
/// How long a catalog may take to answer. Ours.
pub const TABLE_WAIT: Duration = Duration::from_secs(30);
/// When a catalog that could not be reached is asked again. Ours.
pub const TABLE_RETRY: Duration = Duration::from_secs(5);
/// What converting an object takes of its records' bytes: columns, as much again that is reserved for
/// them, and the file. Ours.
pub const CONVERSION_BYTES_FACTOR: u64 = 3;
/// Tables that are remembered. Ours.
pub const TABLES_MAX: usize = 1_000;
/// Bytes of one document about tables. Ours; the quota of Glue for a table is 400 KB.
pub const TABLE_DOCUMENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Documents about tables in a folder. Ours.
pub const TABLE_DOCUMENTS_MAX: usize = 1_000;
/// Records that one record may hold to be taken apart (API reference, RecordDeAggregation).
pub const SUB_RECORDS_MAX: usize = 500;
/// Bytes of a function's answer, as of the event that it is sent (developer guide, "Data transformation";
/// Lambda's quota of a synchronous invocation: 6 MB).
pub const FUNCTION_ANSWER_BYTES_MAX: usize = 6 * 1024 * 1024;
/// How long a function may take (developer guide, "Data transformation": five minutes).
pub const FUNCTION_WAIT: Duration = Duration::from_secs(300);

/// What a delivery stream holds undelivered, at most: puts beyond it are refused until some of it is
/// delivered (our choice; AWS drops what is a day old, which is more than four days' worth of its
/// default rate).
pub const BACKLOG_BYTES_MAX: u64 = 64 * 1024 * 1024 * 1024;
/// Objects and batches in memory at once, over all delivery streams: two of the largest that a
/// destination may ask for (API reference, BufferingHints). A second share of this size is for what
/// has failed before, so that no broken destination starves the others.
pub const BUILD_BYTES_MAX: usize = 256 * 1024 * 1024;
/// What one read of a log answers, at most, when records are looked at or made into objects.
pub const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Records of one such page, at most.
pub const PAGE_RECORDS_MAX: usize = 20_000;
/// Objects of one delivery stream that are planned and not delivered, at most. Those that are parked
/// do not count.
pub const PLANS_MAX: usize = 32;
/// Objects of one delivery stream that are built and put at once.
pub const PUTS_MAX: usize = 8;
/// How long one put may take before it counts as failed.
pub const PUT_TIMEOUT: Duration = Duration::from_secs(120);
/// The first pause after a put or an invocation that failed; each one after it is twice as long
/// (developer guide, HTTP endpoint delivery retries).
pub const RETRY_FIRST: Duration = Duration::from_secs(1);
/// The longest such pause (the same page).
pub const RETRY_MAX: Duration = Duration::from_secs(120);
/// By how much pauses vary, in percent either way (the same page).
pub const RETRY_JITTER_PERCENT: u64 = 15;
/// After this long AWS gives up (developer guide, S3 delivery failure); here an object is parked.
pub const GIVES_UP_AFTER: Duration = Duration::from_hours(24);
/// How often a parked object is tried all the same.
pub const PARKED_RETRY: Duration = Duration::from_hours(1);
/// How long a delivery stream waits after its store or its source has failed it.
pub const STORE_RETRY: Duration = Duration::from_secs(1);
/// How often a source stream that is missing is looked for.
pub const SOURCE_RETRY: Duration = Duration::from_secs(5);
/// Full objects of one delivery stream that may wait to be planned before a Kinesis stream is read on:
/// what is not read stays in its shards.
pub const UNPLANNED_MAX: usize = 16;
/// Messages to a delivery stream's owner that may wait.
pub const COMMANDS_MAX: usize = 16;
/// How large an object is unless its destination says (API reference, BufferingHints).
pub const SIZE_MIB_DEFAULT: i32 = 5;
/// How long a record waits unless its destination says (API reference, BufferingHints).
pub const INTERVAL_SECONDS_DEFAULT: i32 = 300;
/// Bytes of a query (API reference: a processor parameter's value has at most 5120 characters).
pub const QUERY_BYTES_TEXT_MAX: usize = 4 * 5120;
/// Expressions within one another in a query; ours: enough for people, and for any stack.
pub const QUERY_NESTING_MAX: usize = 128;
/// Steps of a query on one record; ours: about half a second's.
pub const QUERY_STEPS_MAX: u64 = 10_000_000;
/// Bytes that a query allocates for one record, all in all; ours.
pub const QUERY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Calls within one another while a query runs; ours.
pub const QUERY_DEPTH_MAX: u32 = 1_000;
/// Bytes of the thread's stack that a query takes; ours: a third of what a thread has by default.
pub const QUERY_STACK_BYTES_MAX: usize = 640 * 1024;
/// Names that are bound at once while a query runs; ours.
pub const QUERY_ENVIRONMENT_MAX: u32 = 2_000;
/// Arrays and objects within one another in a query's values; ours (jq reads 256, and prints 256).
pub const QUERY_VALUE_DEPTH_MAX: u32 = 1_000;
/// Values within a query's value; ours: more than the largest record holds.
pub const QUERY_VALUE_NODES_MAX: u64 = 4_000_000;
/// Regular expressions that a query keeps compiled; ours.
pub const QUERY_REGEXES_MAX: usize = 16;
/// Bytes of a decompressed record; ours: CloudWatch Logs sends batches of at most 1 MiB, and what else grows
/// by so much is a bomb.
pub const DECOMPRESSED_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Characters of an evaluated prefix (developer guide, "Custom prefixes for Amazon S3 objects").
pub const PREFIX_CHARACTERS_MAX: usize = 512;
/// Batches of one delivery stream that are with its function at once (developer guide, data
/// transformation: five outstanding invocations for each shard).
pub const BATCHES_MAX: usize = 5;
/// How much a function gets at once, and how long a record waits for that, unless its processor says
/// (`facts/firehose.md` § 2.2).
pub const FUNCTION_SIZE_MIB_DEFAULT: f64 = 1.0;
/// See [`FUNCTION_SIZE_MIB_DEFAULT`].
pub const FUNCTION_INTERVAL_SECONDS_DEFAULT: u64 = 60;
/// How often a function that fails is called again, unless its processor says (developer guide, data
/// transformation).
pub const FUNCTION_RETRIES_DEFAULT: u32 = 3;
/// What a record takes in a function's event besides its data in base64: names, ids, and where it came
/// from, with a key of 256 characters.
pub const EVENT_RECORD_BYTES: u64 = 768;
/// What is staged in one commit, at most: room is left for the rows of 500 partitions.
pub const STAGED_BYTES_MAX: usize = 11 * 1024 * 1024;
/// What is looked at at once where no function needs to be asked.
pub const STAGE_BYTES: u64 = 4 * 1024 * 1024;
/// Active partitions of a delivery stream (developer guide, quotas).
pub const PARTITIONS_MAX: usize = 500;
