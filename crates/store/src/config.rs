//! How a store is opened.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::bucket::MEMORY_URL;
use crate::limits;

/// A bucket, and how it is reached.
#[derive(Clone)]
pub struct BucketLocation {
    /// `s3://bucket` or `s3://bucket/prefix`.
    pub url: String,
    /// The client's options by name, such as `aws_endpoint`; later ones win.
    pub options: Vec<(String, String)>,
}

impl fmt::Debug for BucketLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The options hold keys.
        f.debug_struct("BucketLocation").field("url", &self.url).finish_non_exhaustive()
    }
}

impl BucketLocation {
    /// The bucket at `url`, with the options in `environment`: `AWS_*` as the official clients know them,
    /// and `LEVADA_BUCKET_*`, which wins. So `LEVADA_BUCKET_ENDPOINT` is the bucket's address even where
    /// `AWS_ENDPOINT_URL` is this server's.
    pub fn new(
        url: impl Into<String>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let options = client_options("LEVADA_BUCKET_", environment);
        BucketLocation { url: url.into(), options }
    }
}

/// The options of an S3 client in `environment`, later ones winning: `AWS_*` as the official clients know
/// them, and what begins with `own_prefix`. Somebody who names an endpoint of its own means no other.
pub fn client_options(
    own_prefix: &str,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Vec<(String, String)> {
    let (mut common, mut own) = (Vec::new(), Vec::new());
    for (name, value) in environment {
        if let Some(option) = name.strip_prefix(own_prefix) {
            own.push((format!("aws_{}", option.to_lowercase()), value));
        } else if name.starts_with("AWS_") {
            common.push((name.to_lowercase(), value));
        }
    }
    if own.iter().any(|(name, _)| name.starts_with("aws_endpoint")) {
        common.retain(|(name, _)| !name.starts_with("aws_endpoint_url"));
    }
    common.append(&mut own);
    common
}

/// Where the data lives.
#[derive(Clone, Debug)]
pub enum DataLocation {
    /// In this folder, made if missing.
    Folder(PathBuf),
    /// In this bucket, below its prefix.
    Bucket(BucketLocation),
    /// In memory, gone with the process.
    InMemory,
}

/// How to open a store: where, and limits that tests make small.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the data lives.
    pub data: DataLocation,
    /// Size of one ring file; at least one largest chunk in production.
    pub ring_file_bytes: u64,
    /// All ring files together, at most.
    pub ring_bytes_max: u64,
    /// Unflushed bytes that start a flush.
    pub flush_bytes: u64,
    /// Age of unflushed data that starts a flush.
    pub flush_after: Duration,
    /// Requests that wait for the lane, together, at most.
    pub queue_bytes_max: u64,
    /// Unflushed bytes beyond which writes wait.
    pub tail_bytes_max: u64,
    /// Flushed chunks that stay in memory for readers near the tail, at most.
    pub kept_bytes_max: u64,
    /// Memory of chunks that waits to be used again, at most.
    pub spare_bytes_max: u64,
    /// All tables together, keys and values and what keeping them costs, at most.
    pub table_bytes_max: u64,
    /// Verified blocks of segments in memory, at most.
    pub block_cache_bytes_max: u64,
    /// Directories of segments in memory, at most.
    pub directory_bytes_max: u64,
    /// Reads that are at the disk, together, at most.
    pub read_bytes_max: u64,
    /// Data held in memory without a folder, at most.
    pub memory_bytes_max: u64,
    /// Segments that a compaction joins into one.
    pub compact_fan_in: usize,
    /// What a compaction reads before it looks whether a flush is due.
    pub compact_step_bytes: u64,
    /// What compactions read in a second, at most, while there are few segments.
    pub compact_bytes_per_second: u64,
    /// Trimmed bytes of a segment below which it is not written again.
    pub compact_dead_bytes_min: u64,
    /// While a put to a bucket is on its way, the next one begins once this much waits for it.
    pub bucket_ahead_bytes: usize,
    /// How long objects that nobody needs stay in a bucket.
    pub bucket_grace: Duration,
    /// What the folder may take, at most.
    pub data_bytes_max: Option<u64>,
    /// Room that is kept for what makes room on a full disk.
    pub reserve_bytes: u64,
}

impl Config {
    /// The usual limits, in this folder.
    pub fn folder(folder: impl Into<PathBuf>) -> Self {
        Config::with(DataLocation::Folder(folder.into()))
    }

    /// The usual limits, in memory.
    pub fn in_memory() -> Self {
        Config::with(DataLocation::InMemory)
    }

    /// The usual limits, in this bucket.
    pub fn bucket(location: BucketLocation) -> Self {
        Config {
            flush_bytes: limits::BUCKET_FLUSH_BYTES,
            flush_after: limits::BUCKET_FLUSH_AFTER,
            ..Config::with(DataLocation::Bucket(location))
        }
    }

    /// The same in a bucket in memory, which is gone with the store: for tests.
    pub fn in_memory_bucket() -> Self {
        Config::bucket(BucketLocation { url: MEMORY_URL.to_owned(), options: Vec::new() })
    }

    /// The same with other shares: `memory_bytes` for everything that a server holds, at least
    /// [`limits::MEMORY_BYTES_MIN`]. Data without a disk gets what is left.
    #[must_use]
    pub fn with_memory(self, memory_bytes: u64) -> Self {
        let share = |share: u64| memory_bytes / limits::SHARES * share;
        let tail_bytes_max = share(limits::TAIL_SHARE);
        Config {
            queue_bytes_max: share(limits::QUEUE_SHARE),
            tail_bytes_max,
            kept_bytes_max: share(limits::KEPT_SHARE),
            spare_bytes_max: share(limits::SPARE_SHARE),
            table_bytes_max: share(limits::TABLE_SHARE),
            block_cache_bytes_max: share(limits::BLOCK_CACHE_SHARE),
            directory_bytes_max: share(limits::DIRECTORY_SHARE),
            read_bytes_max: share(limits::READ_SHARE),
            flush_bytes: self.flush_bytes.min(tail_bytes_max / 2),
            memory_bytes_max: share(
                limits::TAIL_SHARE
                    + limits::KEPT_SHARE
                    + limits::BLOCK_CACHE_SHARE
                    + limits::DIRECTORY_SHARE,
            ),
            ..self
        }
    }

    /// The same in a folder that takes at most `bytes`, at least [`limits::DATA_BYTES_MIN`]. The ring,
    /// and what waits in it, gets its share.
    #[must_use]
    pub fn with_data_max(self, bytes: u64) -> Self {
        let ring_bytes_max = self.ring_bytes_max.min((bytes / 4).max(3 * self.ring_file_bytes));
        let tail_bytes_max = self.tail_bytes_max.min(ring_bytes_max / 3);
        Config {
            ring_bytes_max,
            tail_bytes_max,
            flush_bytes: self.flush_bytes.min(tail_bytes_max / 2),
            data_bytes_max: Some(bytes),
            ..self
        }
    }

    fn with(data: DataLocation) -> Self {
        let config = Config {
            data,
            ring_file_bytes: limits::RING_FILE_BYTES,
            ring_bytes_max: limits::RING_BYTES_MAX,
            flush_bytes: limits::FLUSH_BYTES,
            flush_after: limits::FLUSH_AFTER,
            queue_bytes_max: 0,
            tail_bytes_max: 0,
            kept_bytes_max: 0,
            spare_bytes_max: 0,
            table_bytes_max: 0,
            block_cache_bytes_max: 0,
            directory_bytes_max: 0,
            read_bytes_max: 0,
            memory_bytes_max: 0,
            compact_fan_in: limits::COMPACT_FAN_IN,
            compact_step_bytes: limits::COMPACT_STEP_BYTES,
            compact_bytes_per_second: limits::COMPACT_BYTES_PER_SECOND,
            compact_dead_bytes_min: limits::COMPACT_DEAD_BYTES_MIN,
            bucket_ahead_bytes: limits::BUCKET_AHEAD_BYTES,
            bucket_grace: limits::BUCKET_GRACE,
            data_bytes_max: None,
            reserve_bytes: limits::RESERVE_BYTES,
        };
        let shared = config.with_memory(limits::MEMORY_BYTES_DEFAULT);
        Config { memory_bytes_max: limits::MEMORY_LANE_BYTES_MAX, ..shared }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{CHUNK_BYTES_MAX, COMMIT_BYTES_MAX, MEMORY_BYTES_MIN, READ_BYTES_MAX};

    #[test]
    fn the_shares_leave_something_and_the_least_memory_holds_the_largest_things() {
        let shares = limits::QUEUE_SHARE
            + limits::TAIL_SHARE
            + limits::KEPT_SHARE
            + limits::SPARE_SHARE
            + limits::TABLE_SHARE
            + limits::BLOCK_CACHE_SHARE
            + limits::DIRECTORY_SHARE
            + limits::READ_SHARE
            + limits::BODY_SHARE;
        assert!(shares < limits::SHARES, "{shares}");
        let least = Config::folder("x").with_memory(MEMORY_BYTES_MIN);
        assert!(least.queue_bytes_max > COMMIT_BYTES_MAX as u64);
        assert!(least.read_bytes_max >= READ_BYTES_MAX as u64);
        assert!(least.flush_bytes >= CHUNK_BYTES_MAX as u64);
        assert!(least.tail_bytes_max >= 2 * least.flush_bytes);
    }
}
