//! The floor: the cheapest program that still does every step of a durable, signed PutRecords.
//!
//! Receive HTTP/1.1, hash the body, verify the signature with a cached key, read the JSON, decode
//! base64 into the log's buffer, hash partition keys, checksum, group-commit to a recycled file
//! with `fdatasync`, and answer every record's sequence number and shard. Nothing else: no index, no
//! reads, no recovery. What Levada costs beyond this is what Levada adds.
//!
//! Two programs share these steps: `floor` on hyper and tokio, `lean-floor` on one epoll loop.

pub mod answer;
pub mod chunk;
pub mod commit;
pub mod records;
pub mod ring;
pub mod scan;
pub mod start;
pub mod verify;

/// The shards that partition keys are spread over.
pub const SHARDS: usize = 4;

/// An open chunk that has grown to this is closed: larger groups gain nothing.
pub const CHUNK_BYTES_SOFT: usize = 4 * 1024 * 1024;
