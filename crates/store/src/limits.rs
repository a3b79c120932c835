//! Every limit of the store, with its reason.

use std::time::Duration;

/// One record, at most: AWS's largest record is 10 MiB and its partition key; the rest is room for
/// an engine's own framing.
pub const RECORD_BYTES_MAX: usize = 10 * 1024 * 1024 + 64 * 1024;

/// One append batch or commit, at most: a commit lives in one chunk, beside what else is in it.
pub const COMMIT_BYTES_MAX: usize = 12 * 1024 * 1024;

/// The key of a row, at most: keys are kept in memory and compared.
pub const ROW_KEY_BYTES_MAX: usize = 4096;

/// The value of a row, at most: larger things are runs of records.
pub const ROW_VALUE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// An open chunk that has grown to this takes no more requests: larger groups gain nothing and
/// make everybody wait.
pub const CHUNK_BYTES_SOFT: usize = 4 * 1024 * 1024;

/// A chunk is never larger than this: it must fit into one ring file.
pub const CHUNK_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Chunks start at and are padded to this: the page size, so that no page that holds an
/// acknowledged byte is written twice.
pub const CHUNK_ALIGN: usize = 4096;

/// An append at least this large is copied into the chunk as its own block while the last chunk
/// syncs; smaller ones are gathered by log.
pub const BLOCK_BYTES_GATHERED_MAX: usize = 32 * 1024;

/// While a sync runs, this much must be waiting before a second thread wakes to encode it.
pub const ENCODE_AHEAD_BYTES: usize = 256 * 1024;

/// Requests, answered by the last chunk or waiting, below which the lane does not wait for more: who is
/// nearly alone is not kept waiting.
pub const GATHER_REQUESTS_MIN: usize = 16;

/// Requests for which it always goes on: a sync is then a tenth of what they cost.
pub const GATHER_REQUESTS_MAX: usize = 32;

/// How long it waits at most: a few syncs of a good disk.
pub const GATHER_MAX: Duration = Duration::from_micros(500);

/// Bytes for which it does not wait: a sync is then the smaller part.
pub const GATHER_BYTES_MAX: usize = ENCODE_AHEAD_BYTES;

/// What a server may hold in memory unless told otherwise: all the shares below and, with the rest,
/// its code, its connections' buffers, a flush and a compaction on their way.
pub const MEMORY_BYTES_DEFAULT: u64 = 1024 * 1024 * 1024;

/// The least it can be told: the shares then still hold a few of the largest chunks.
pub const MEMORY_BYTES_MIN: u64 = 256 * 1024 * 1024;

/// The share of the memory that waits for the lane, in 32nds: beyond it `append` and `commit` wait
/// before they are queued.
pub const QUEUE_SHARE: u64 = 2;

/// The share of unflushed chunks, which is also what a start has to look through.
pub const TAIL_SHARE: u64 = 4;

/// The share of chunks that stay for readers near the tail once they are flushed.
pub const KEPT_SHARE: u64 = 3;

/// The share of chunks' memory that waits to be used again.
pub const SPARE_SHARE: u64 = 1;

/// The share of the tables' rows.
pub const TABLE_SHARE: u64 = 8;

/// The share of verified blocks of segments.
pub const BLOCK_CACHE_SHARE: u64 = 4;

/// The share of the segments' directories.
pub const DIRECTORY_SHARE: u64 = 2;

/// The share of reads that are at the disk.
pub const READ_SHARE: u64 = 2;

/// The share that is left to bodies of requests in flight, which are not the store's.
pub const BODY_SHARE: u64 = 4;

/// What the shares are parts of.
pub const SHARES: u64 = 32;

/// What bodies of requests may take of this memory.
pub const fn body_bytes(memory_bytes: u64) -> usize {
    (memory_bytes / SHARES * BODY_SHARE) as usize
}

/// Readers of flushed data whose places are remembered: an entry is some 50 bytes.
pub const READ_MARKS_MAX: usize = 8192;

/// How far ahead of a sequential reader the disk is told what will be asked for.
pub const READ_AHEAD_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Segments per retention class that compaction leaves, at most: each costs every cold read a look into
/// its directory.
pub const SEGMENTS_PER_CLASS_MAX: usize = 64;

/// Segments per retention class beyond which compaction neither waits for a quieter time nor keeps to
/// its pace: 16 GiB as flushes leave them, whose directories are 5 MiB.
pub const SEGMENTS_PER_CLASS_WAITING_MAX: usize = 4 * SEGMENTS_PER_CLASS_MAX;

/// Positions that a log is given in one epoch, of the 2^39 there are: then the next lane is opened, in
/// the next epoch. A second's worth of records is a millionth of what is left.
pub const EPOCH_POSITIONS: u64 = 1 << 38;

/// The same where no lane follows another without a restart, as in a bucket: writes are then refused.
pub const EPOCH_POSITIONS_LAST: u64 = (1 << 39) - (1 << 32);

/// How long a start waits for the process before it to let the folder go.
pub const LOCK_WAIT_MAX: Duration = Duration::from_secs(3);

/// How often it looks.
pub const LOCK_POLL: Duration = Duration::from_millis(20);

/// One ring file.
pub const RING_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// All ring files together.
pub const RING_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Unflushed bytes that start a flush.
pub const FLUSH_BYTES: u64 = 64 * 1024 * 1024;

/// Age of the oldest unflushed entry that starts a flush.
pub const FLUSH_AFTER: Duration = Duration::from_secs(10);

/// A lane this long without a request commits an empty chunk, which proves the one before it.
pub const IDLE_PROOF_AFTER: Duration = Duration::from_secs(1);

/// How long after a failure the store tries again (a poisoned lane, a full disk).
pub const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What keeping one row in memory costs beside its key and value.
pub const ROW_OVERHEAD_BYTES: u64 = 96;

/// A file that is removed when the disk is full, so that manifests and chunks without records have
/// room: many times what both take until the operator or a trim has made some.
pub const RESERVE_BYTES: u64 = 4 * 1024 * 1024;

/// Of the most that a folder may take, in percent: from here on there is a warning.
pub const DATA_LOW_PERCENT: u64 = 90;

/// Free bytes of the disk below which there is a warning: four flushes.
pub const FREE_BYTES_LOW: u64 = 4 * FLUSH_BYTES;

/// The least that a folder may be limited to: a ring of three files, and as much again in segments.
pub const DATA_BYTES_MIN: u64 = 128 * 1024 * 1024;

/// Data that an in-memory store holds, at most: it has no disk to move it to.
pub const MEMORY_LANE_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// A segment's blocks are filled up to this: small enough to read for one record, large enough that
/// the directory stays small.
pub const SEGMENT_BLOCK_BYTES: usize = 256 * 1024;

/// A block's body, at most, once it is unpacked: none is larger than the chunk it came in.
pub const BLOCK_BYTES_PLAIN_MAX: usize = CHUNK_BYTES_MAX;

/// zstd's level for blocks of compacted segments: a gigabyte in a few seconds, and most of what more
/// effort would save.
pub const PACK_LEVEL: i32 = 1;

/// A block stays packed if that leaves at most this many eighths of it: less saves less than unpacking
/// it costs.
pub const PACKED_IN_EIGHTHS_MAX: usize = 7;

/// Blocks of a log that are not tried after one that did not shrink.
pub const PACK_AGAIN_AFTER: u32 = 15;

/// The retention classes, by the most hours in each: a day (AWS's default), a week (its extended
/// retention), a month, a year.
pub const RETENTION_CLASS_HOURS: [u64; 4] = [24, 7 * 24, 30 * 24, 365 * 24];

/// Segments that a compaction joins into one: an entry is then written again once per eightfold.
pub const COMPACT_FAN_IN: usize = 8;

/// What a compaction reads between two looks at whether a flush is due.
pub const COMPACT_STEP_BYTES: u64 = 1024 * 1024;

/// What compactions read in a second, at most, while there are not too many segments: reads and flushes
/// come first.
pub const COMPACT_BYTES_PER_SECOND: u64 = 64 * 1024 * 1024;

/// Bytes a second, written and read together, above which joining segments waits: whoever writes or
/// reads so much feels it, and such times pass.
pub const COMPACT_TRAFFIC_MAX: u64 = 4 * 1024 * 1024;

/// How often compaction looks how busy the store is.
pub const COMPACT_TRAFFIC_LOOK_EVERY: Duration = Duration::from_secs(1);

/// Trimmed bytes of a segment below which it is not worth writing again.
pub const COMPACT_DEAD_BYTES_MIN: u64 = 1024 * 1024;

/// Room on the disk that a compaction leaves to the ring and to flushes, beside what it writes.
pub const COMPACT_FREE_BYTES_MIN: u64 = RING_BYTES_MAX;

/// How often segments are looked through for what has been trimmed, if anything was.
pub const COMPACT_LOOK_EVERY: Duration = Duration::from_secs(30);

/// How long after a failure a compaction is tried again: it may be a large one.
pub const COMPACT_RETRY_AFTER: Duration = Duration::from_secs(60);

/// A flush joins the segments before it while they are smaller than this, so that quiet days do not
/// leave thousands of files.
pub const SEGMENT_JOIN_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// One read answers with at most this many bytes, whatever its budget (one record always fits).
pub const READ_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A private or published file of the folder, at most: keys and addresses.
pub const PRIVATE_FILE_BYTES_MAX: usize = 64 * 1024;

/// A manifest, at most: beyond it something else is wrong.
pub const MANIFEST_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Quarantined places that health names one by one.
pub const QUARANTINE_NAMES_MAX: usize = 100;

/// Rows changed since all of them were last written, as a multiple of all of them, beyond which a
/// flush writes all again: a start then reads at most about this many times what the tables hold.
pub const ROW_GROWTH_MAX: u64 = 2;

/// Below this many bytes of changed rows that never matters.
pub const ROW_GROWTH_BYTES_MIN: u64 = 1024 * 1024;

/// A blob's block: what a read of one byte reads and checks.
pub const BLOB_BLOCK_BYTES: usize = 64 * 1024;

/// What gathers of a blob before it is written.
pub const BLOB_WRITE_BYTES: usize = 512 * 1024;

/// What one read of a blob gives, at most.
pub const BLOB_READ_BYTES: usize = 512 * 1024;

/// Reads and writes of blobs that are at the disk at once: together with the last two, what they hold.
pub const BLOB_CALLS_MAX: usize = 64;

/// Puts of one lane that are on their way at once: enough for the bandwidth of a store that answers
/// after tens of milliseconds.
pub const BUCKET_LANE_DEPTH: usize = 8;

/// While a put is on its way, the next one begins once this much waits for it: every put costs money,
/// and small ones gain nothing over being gathered until the last is answered.
pub const BUCKET_AHEAD_BYTES: usize = ENCODE_AHEAD_BYTES;

/// Unflushed bytes that start a flush into a bucket: a segment is one put, made in memory.
pub const BUCKET_FLUSH_BYTES: u64 = 32 * 1024 * 1024;

/// Age that does: a flush is three requests.
pub const BUCKET_FLUSH_AFTER: Duration = Duration::from_secs(30);

/// Numbers of segments that a start in a bucket has for itself: no object of one process is ever in the
/// way of another's.
pub const BUCKET_SEGMENT_NUMBERS: u64 = 1 << 24;

/// Objects that nobody needs stay this long, for who may still be reading them.
pub const BUCKET_GRACE: Duration = Duration::from_secs(600);

/// How often a quiet store looks whether some of them are due.
pub const BUCKET_COLLECT_EVERY: Duration = Duration::from_secs(60);

/// One request to a bucket, at most; then its answer is unknown.
pub const BUCKET_REQUEST_MAX: Duration = Duration::from_secs(60);

/// One connection to a bucket, at most.
pub const BUCKET_CONNECT_MAX: Duration = Duration::from_secs(5);

/// The first pause after an answer that did not come; each later one is twice as long,
pub const BUCKET_PAUSE_MIN: Duration = Duration::from_millis(25);

/// up to this.
pub const BUCKET_PAUSE_MAX: Duration = Duration::from_secs(5);

/// Answers in a row that do not come before new writes are refused: those on their way go on waiting.
pub const BUCKET_STALLED_TRIES: u32 = 5;

/// Answers in a row that do not come before a start gives up: about half a minute of pauses.
pub const BUCKET_TRIES_MAX: u32 = 14;

/// How often a read is tried again before it is an error.
pub const BUCKET_READ_RETRIES_MAX: usize = 4;

/// Small reads of a segment fetch this much, for the ones that follow.
pub const BUCKET_WINDOW_BYTES: u64 = 1024 * 1024;

/// What is announced is fetched in one request of at most this.
pub const BUCKET_AHEAD_READ_BYTES: u64 = READ_AHEAD_BYTES_MAX;

/// Fetched pieces that are held, of all segments together: what a compaction reads, and some readers.
pub const BUCKET_WINDOWS_MAX: usize = 12;

/// A segment up to this is one put, as every flush is; a larger one is put in parts,
pub const BUCKET_WHOLE_BYTES_MAX: usize = 48 * 1024 * 1024;

/// of this size: ten thousand parts, which is what S3 takes, are 80 GiB.
pub const BUCKET_PART_BYTES: usize = 8 * 1024 * 1024;

/// Puts of the probe that race for one name. Some stores let the losers wait a second each.
pub const BUCKET_PROBE_RACERS: usize = 4;

/// How long a store that closes waits for puts that are on their way.
pub const BUCKET_CLOSE_MAX: Duration = Duration::from_secs(10);

/// How often a folder is looked at anew because the process that runs on it has moved on meanwhile.
pub const INSPECTION_TRIES_MAX: usize = 50;

/// Segments are copied into a backup in pieces of this size.
pub const BACKUP_COPY_BYTES: usize = 1024 * 1024;

/// Segments of a running server that a backup holds open at once, so that none goes before it is copied:
/// half of the files that a process may usually open.
pub const BACKUP_FILES_OPEN_MAX: usize = 512;

/// The chunks of one backup that no segment has: the whole ring could be one.
pub const BACKUP_LANE_BYTES_MAX: usize = 2 * RING_BYTES_MAX as usize;

/// A restored folder begins this many epochs later: more starts than there can have been since the backup
/// was made, so that no sequence number that a client has seen is given again.
pub const RESTORE_EPOCHS_SKIPPED: u32 = 4096;
