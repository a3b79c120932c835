//! What can go wrong, for engines and for operators.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::id::{LogId, Position};

/// Why the store cannot do something now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The lane is poisoned, closing or reopening: try again.
    #[error("the store cannot write now: {0}")]
    Unavailable(&'static str),
    /// There is no room: try again later.
    #[error("the disk is full")]
    DiskFull,
    /// The request is larger than its limit.
    #[error("the request is larger than the store takes")]
    TooLarge,
    /// Something on disk is not what was written; its place.
    #[error("the data is damaged: {0}")]
    Damaged(String),
}

/// Why a read has no page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// There is no such log.
    #[error("{0} does not exist")]
    UnknownLog(LogId),
    /// Acknowledged records between `from` and `resume` cannot be read. Reading on at `resume` skips
    /// them knowingly.
    #[error("{log} is damaged between {from} and {resume}: {place}")]
    Damaged {
        /// The log.
        log: LogId,
        /// The first position that cannot be read.
        from: Position,
        /// The next one that may be.
        resume: Position,
        /// What is damaged, for people.
        place: String,
    },
    /// The disk did not answer.
    #[error("the disk did not answer: {0}")]
    Io(String),
}

/// A row that this version of the software cannot read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a row of table {table} cannot be decoded: {reason}")]
pub struct RowError {
    /// The table's name.
    pub table: &'static str,
    /// What is wrong.
    pub reason: &'static str,
}

/// Why a data folder cannot be opened. Its text is for the operator; so is [`OpenError::help`].
#[derive(Debug)]
pub enum OpenError {
    /// Another process has it.
    Locked(PathBuf),
    /// A newer version wrote it.
    Newer {
        /// The folder.
        folder: PathBuf,
        /// What its `FORMAT` file says.
        format: String,
    },
    /// The folder has files but none of ours.
    Foreign(PathBuf),
    /// Something without which nothing can be trusted is damaged.
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The operating system refused.
    Io {
        /// What was being done.
        doing: String,
        /// Its answer.
        source: io::Error,
    },
    /// All epochs are used up.
    EpochsUsedUp,
    /// A bucket's address or options make no sense.
    BucketConfig {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A bucket does not keep what everything rests on.
    UnfitBucket {
        /// The bucket.
        url: String,
        /// What it does instead.
        reason: &'static str,
    },
}

impl OpenError {
    /// What the operator can do.
    pub fn help(&self) -> &'static str {
        match self {
            OpenError::Locked(_) => {
                "stop the other process, or give this one a folder of its own with --data"
            }
            OpenError::Newer { .. } => "run the version that wrote it, or a later one",
            OpenError::Foreign(_) => "choose an empty folder, or one that levada made",
            OpenError::Damaged { .. } => "restore the folder from a backup, and check the disk",
            OpenError::Io { .. } => {
                "check that the folder or bucket exists, is writable and has room"
            }
            OpenError::EpochsUsedUp => "move the data to a new folder",
            OpenError::BucketConfig { .. } => {
                "name it as s3://bucket/prefix, with AWS_* or LEVADA_BUCKET_* for address and keys"
            }
            OpenError::UnfitBucket { .. } => {
                "use a store that implements conditional puts, such as S3, Ceph or SeaweedFS 4.17"
            }
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Locked(folder) => {
                write!(f, "the data folder {} is in use by another process", folder.display())
            }
            OpenError::Newer { folder, format } => write!(
                f,
                "the data folder {} has format {format:?}, which is newer than this version reads",
                folder.display()
            ),
            OpenError::Foreign(folder) => {
                write!(f, "the folder {} holds files that are not levada's", folder.display())
            }
            OpenError::Damaged { path, reason } => {
                write!(f, "{} is damaged: {reason}", path.display())
            }
            OpenError::Io { doing, source } => write!(f, "cannot {doing}: {source}"),
            OpenError::BucketConfig { url, reason } => {
                write!(f, "the bucket {url} cannot be used: {reason}")
            }
            OpenError::UnfitBucket { url, reason } => {
                write!(f, "the bucket {url} cannot hold data safely: {reason}")
            }
            OpenError::EpochsUsedUp => write!(f, "the data folder has been started too often"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            OpenError::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
