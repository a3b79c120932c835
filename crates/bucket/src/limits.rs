//! Every limit of the embedded bucket, with its source. S3's are those of its user guide.

/// Buckets of an account (S3's default quota).
pub const BUCKETS_MAX: usize = 10_000;

/// A key, in bytes (S3).
pub const KEY_BYTES_MAX: usize = 1024;

/// User metadata of an object, names and values, in bytes (S3).
pub const METADATA_BYTES_MAX: usize = 2048;

/// Every other text that is kept of an object, such as its content type, together, in bytes (ours: a row
/// is resident; S3 takes 8 KiB of headers in all).
pub const ATTRIBUTE_BYTES_MAX: usize = 4096;

/// An object that is put at once, and a part, in bytes (S3).
pub const PUT_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;

/// A part that is not the last, in bytes, at least (S3).
pub const PART_BYTES_MIN: u64 = 5 * 1024 * 1024;

/// Parts of an upload, and the largest number of one (S3).
pub const PARTS_MAX: u16 = 10_000;

/// Uploads of an account that are neither complete nor aborted (ours: their rows are resident).
pub const UPLOADS_MAX: usize = 10_000;

/// Entries of one listing (S3).
pub const LIST_MAX: usize = 1000;

/// Rows that a listing looks at in one go; fewer where a delimiter lets it jump.
pub const LIST_ROWS: usize = 1000;

/// The same with a delimiter.
pub const LIST_ROWS_DELIMITED: usize = 64;

/// Keys of one DeleteObjects (S3).
pub const DELETE_MAX: usize = 1000;

/// How often a commit is tried anew because somebody else's came first.
pub const COMMIT_TRIES_MAX: usize = 100;
