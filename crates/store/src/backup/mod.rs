//! Backups: a data folder at one moment, beside earlier ones, in another folder or in a bucket.
//!
//! Segments never change, so each is copied once. What only the ring has is copied as chunks. Nothing is
//! asked of a running server and nothing stops: `save` has the argument why that is enough.

mod blobs;
mod point;
mod restore;
mod save;
mod vault;

#[cfg(test)]
pub(crate) mod backup_tests;

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::config::BucketLocation;
use crate::error::OpenError;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use point::Point;
pub use restore::{Restored, restore, verify_backup};
pub use save::{BackedUp, BackupOptions, back_up};

/// Where backups are.
#[derive(Clone, Debug)]
pub enum BackupPlace {
    /// In this folder.
    Folder(PathBuf),
    /// In this bucket, below its prefix.
    Bucket(BucketLocation),
}

/// Why there is no backup, or nothing restored. Its text is for the operator; so is
/// [`BackupError::help`].
#[derive(Debug)]
pub enum BackupError {
    /// The data folder, or the bucket, cannot be opened.
    Open(OpenError),
    /// The place has files, and none of a backup.
    Foreign(PathBuf),
    /// A newer version made it.
    Newer(String),
    /// Another backup is being made there.
    Busy(PathBuf),
    /// It has no such point, or none at all.
    NoPoint(PathBuf),
    /// What is to be restored is not what was backed up.
    Damaged(Vec<String>),
    /// The folder to restore into has something in it.
    NotEmpty(PathBuf),
    /// The data folder changes faster than it can be read.
    Restless,
    /// The operating system, or the bucket, refused.
    Io {
        /// What was being done.
        doing: String,
        /// Its answer.
        source: io::Error,
    },
}

impl BackupError {
    /// What the operator can do.
    pub fn help(&self) -> &'static str {
        match self {
            BackupError::Open(error) => error.help(),
            BackupError::Foreign(_) => "choose an empty place, or one that `levada backup` made",
            BackupError::Newer(_) => "run the version that made it, or a later one",
            BackupError::Busy(_) => "wait until the other one has ended",
            BackupError::NoPoint(_) => {
                "make one with `levada backup`, or name another with --point"
            }
            BackupError::Damaged(_) => {
                "restore an earlier point with --point, or from another copy"
            }
            BackupError::NotEmpty(_) => "name an empty or a new folder with --data",
            BackupError::Restless => "try again when the server is less busy",
            BackupError::Io { .. } => "check that both places are reachable and have room",
        }
    }
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BackupError::Open(error) => error.fmt(f),
            BackupError::Foreign(place) => {
                write!(f, "{} holds files that are no backup", place.display())
            }
            BackupError::Newer(format) => {
                write!(
                    f,
                    "the backup has format {format:?}, which is newer than this version reads"
                )
            }
            BackupError::Busy(place) => {
                write!(f, "another backup into {} is being made", place.display())
            }
            BackupError::NoPoint(place) => {
                write!(f, "there is no such backup in {}", place.display())
            }
            BackupError::Damaged(names) => write!(f, "the backup is damaged: {}", names.join("; ")),
            BackupError::NotEmpty(folder) => {
                write!(f, "the folder {} is not empty", folder.display())
            }
            BackupError::Restless => write!(f, "the folder changes faster than it can be read"),
            BackupError::Io { doing, source } => write!(f, "cannot {doing}: {source}"),
        }
    }
}

impl std::error::Error for BackupError {}

impl From<OpenError> for BackupError {
    fn from(error: OpenError) -> Self {
        BackupError::Open(error)
    }
}

fn doing(what: impl Into<String>) -> impl FnOnce(io::Error) -> BackupError {
    let doing = what.into();
    move |source| BackupError::Io { doing, source }
}
