//! Blobs: finished large things in files (or objects) of their own, named by rows.
//!
//! A blob is written once, from front to back, and exists for others once a row names it: the row is
//! committed after [`BlobSink::finish`]. Rows of the tables 24 to 31 begin with the list of the blobs that
//! they name ([`BlobList`]), so a start, `doctor` and a backup know without their owner which blobs are
//! needed. Every block has a checksum, and every read is verified.

mod file;
mod layout;
mod list;
mod memory;
mod shelf;
mod sink;

#[cfg(test)]
mod blob_tests;

use std::fmt;
use std::io;

pub(crate) use file::examine;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use layout::Trailer as BlobTrailer;
pub(crate) use layout::{BLOB_FOLDER, folder_of, name_of};
pub use list::BlobList;
pub(crate) use shelf::{LiveBlobs, Shelf, list_blobs, live_blobs};
pub use sink::{BlobPin, BlobSink, Blobs};

use crate::lane::is_full;

/// A blob's name, never used twice: as a log's, an epoch (24 bits) and a counter (40 bits).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(pub u64);

impl BlobId {
    /// The epoch in which it was begun.
    pub(crate) const fn epoch(self) -> u32 {
        crate::LogId(self.0).epoch()
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blob {:016x}", self.0)
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A finished blob, as rows name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Blob {
    /// Its name.
    pub id: BlobId,
    /// What was written, in bytes.
    pub bytes: u64,
}

impl Blob {
    /// Bytes of its file.
    pub(crate) fn file_bytes(&self) -> u64 {
        layout::file_bytes(self.bytes)
    }
}

/// Why a blob cannot be written or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// There is no room: on the disk, in what the folder may take, or in memory.
    #[error("there is no room for it")]
    DiskFull,
    /// There is no such blob (any more).
    #[error("{0} does not exist")]
    Missing(BlobId),
    /// It is not what was written.
    #[error("{0} is damaged")]
    Damaged(BlobId),
    /// The disk or the bucket did not do it.
    #[error("the disk did not answer: {0}")]
    Io(String),
}

impl BlobError {
    fn of(id: BlobId, error: &io::Error) -> BlobError {
        match error.kind() {
            _ if is_full(error) => BlobError::DiskFull,
            io::ErrorKind::NotFound => BlobError::Missing(id),
            io::ErrorKind::UnexpectedEof => BlobError::Damaged(id),
            _ => BlobError::Io(error.to_string()),
        }
    }
}
