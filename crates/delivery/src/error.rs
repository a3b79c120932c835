//! What can go wrong, as facts. `api` turns them into AWS's codes and words.

use store::{CommitError, StoreError};

use crate::destination::Unserved;
use crate::name::DeliveryStreamName;

/// Why Data Firehose refuses something.
#[derive(Clone, Debug)]
pub enum Error {
    /// There is no such delivery stream.
    NotFound(DeliveryStreamName),
    /// A delivery stream of this name exists.
    Exists(DeliveryStreamName),
    /// It is not ACTIVE.
    NotActive(DeliveryStreamName),
    /// It takes its records from elsewhere.
    NotDirectPut(DeliveryStreamName),
    /// The account has as many as it may have.
    StreamLimit {
        /// The quota.
        limit: usize,
        /// What there is, by name.
        names: Vec<String>,
    },
    /// The configuration has another version than the caller knows.
    VersionMismatch {
        /// The delivery stream.
        stream: DeliveryStreamName,
        /// The version now.
        current: u64,
        /// The caller's.
        given: String,
    },
    /// It has another destination than the caller names.
    NoSuchDestination {
        /// The delivery stream.
        stream: DeliveryStreamName,
        /// The caller's.
        given: String,
    },
    /// More tags than it may have.
    TagLimit(DeliveryStreamName),
    /// Its encryption is just being switched on or off.
    EncryptionChanging(DeliveryStreamName),
    /// Its encryption has been switched as often as it may be in a day.
    EncryptionLimit(DeliveryStreamName),
    /// Other changes came between too often.
    Contended(DeliveryStreamName),
    /// More of this than `--limits aws` allows.
    Throttled(DeliveryStreamName),
    /// Its backlog is as large as it may be: it takes no more until some of it is delivered.
    BacklogFull(DeliveryStreamName),
    /// Its records would go where nothing is delivered to yet.
    Unserved(DeliveryStreamName, Unserved),
    /// A row cannot be read.
    Corrupt(&'static str),
    /// The store refuses.
    Commit(CommitError),
}

impl From<CommitError> for Error {
    fn from(error: CommitError) -> Self {
        Error::Commit(error)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Error::Commit(CommitError::Store(error))
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

impl std::error::Error for Error {}
