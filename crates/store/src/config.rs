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
        let (mut common, mut own) = (Vec::new(), Vec::new());
        for (name, value) in environment {
            if let Some(option) = name.strip_prefix("LEVADA_BUCKET_") {
                own.push((format!("aws_{}", option.to_lowercase()), value));
            } else if name.starts_with("AWS_") {
                common.push((name.to_lowercase(), value));
            }
        }
        if own.iter().any(|(name, _)| name.starts_with("aws_endpoint")) {
            common.retain(|(name, _)| !name.starts_with("aws_endpoint_url"));
        }
        common.append(&mut own);
        BucketLocation { url: url.into(), options: common }
    }
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
    /// Unflushed bytes beyond which writes wait.
    pub tail_bytes_max: u64,
    /// All tables together, at most.
    pub table_bytes_max: u64,
    /// Data held in memory without a folder, at most.
    pub memory_bytes_max: u64,
    /// While a put to a bucket is on its way, the next one begins once this much waits for it.
    pub bucket_ahead_bytes: usize,
    /// How long objects that nobody needs stay in a bucket.
    pub bucket_grace: Duration,
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

    fn with(data: DataLocation) -> Self {
        Config {
            data,
            ring_file_bytes: limits::RING_FILE_BYTES,
            ring_bytes_max: limits::RING_BYTES_MAX,
            flush_bytes: limits::FLUSH_BYTES,
            flush_after: limits::FLUSH_AFTER,
            tail_bytes_max: limits::TAIL_BYTES_MAX,
            table_bytes_max: limits::TABLE_BYTES_MAX,
            memory_bytes_max: limits::MEMORY_LANE_BYTES_MAX,
            bucket_ahead_bytes: limits::BUCKET_AHEAD_BYTES,
            bucket_grace: limits::BUCKET_GRACE,
        }
    }
}
