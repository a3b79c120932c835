//! What can go wrong, as facts.

use store::{BlobError, CommitError, RowError, StoreError};

/// Why the bucket does not do what it is asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BucketError {
    /// The account has no such bucket.
    #[error("there is no bucket of this name")]
    NoSuchBucket,
    /// The bucket has no such object.
    #[error("there is no object of this name")]
    NoSuchKey,
    /// There is no such upload (any more), or not of this object.
    #[error("there is no such upload")]
    NoSuchUpload,
    /// No bucket may be called so.
    #[error("a bucket may not be called {0:?}")]
    InvalidBucketName(String),
    /// The account has it already.
    #[error("the account has a bucket of this name")]
    BucketExists,
    /// It has objects or uploads.
    #[error("the bucket is not empty")]
    BucketNotEmpty,
    /// The account has as many as it may.
    #[error("the account has as many buckets as it may")]
    TooManyBuckets,
    /// The account has as many as it may.
    #[error("the account has as many unfinished uploads as it may")]
    TooManyUploads,
    /// A key is empty or longer than it may be.
    #[error("a key has {0} bytes")]
    KeyLength(usize),
    /// User metadata is larger than it may be.
    #[error("the metadata has {0} bytes")]
    MetadataTooLarge(usize),
    /// The other attributes are.
    #[error("the attributes have {0} bytes")]
    AttributesTooLarge(usize),
    /// An object or a part is larger than it may be.
    #[error("it has more bytes than are taken at once")]
    TooLarge,
    /// A part that is not the last is smaller than it may be.
    #[error("part {part} has {bytes} bytes")]
    PartTooSmall {
        /// Its number.
        part: u16,
        /// Its bytes.
        bytes: u64,
    },
    /// A part is named that was not uploaded, or has another entity tag.
    #[error("part {0} is not what was uploaded")]
    InvalidPart(u16),
    /// Parts are not named in ascending order.
    #[error("the parts are not in order")]
    InvalidPartOrder,
    /// A part's number is none.
    #[error("{0} is not the number of a part")]
    PartNumber(i64),
    /// What was demanded of the object that is there, or is not, does not hold.
    #[error("the condition does not hold")]
    PreconditionFailed,
    /// Others change the same thing all the time.
    #[error("others change it all the time")]
    Contended,
    /// The rows of all objects take all the memory that they may.
    #[error("the tables are full: no more objects fit into memory")]
    IndexFull,
    /// There is no room for the body.
    #[error("the disk is full")]
    DiskFull,
    /// What was stored cannot be verified; it is not served.
    #[error("the object is damaged: {0}")]
    Damaged(String),
    /// It cannot be done now.
    #[error("it cannot be done now: {0}")]
    Unavailable(String),
}

impl From<BlobError> for BucketError {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::DiskFull => BucketError::DiskFull,
            BlobError::Missing(_) | BlobError::Damaged(_) => {
                BucketError::Damaged(error.to_string())
            }
            BlobError::Io(_) => BucketError::Unavailable(error.to_string()),
        }
    }
}

impl From<RowError> for BucketError {
    fn from(error: RowError) -> Self {
        BucketError::Damaged(error.to_string())
    }
}

impl From<CommitError> for BucketError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict { .. } => BucketError::Contended,
            CommitError::TooLarge | CommitError::Store(StoreError::TooLarge) => {
                BucketError::TooLarge
            }
            CommitError::TablesFull => BucketError::IndexFull,
            CommitError::Store(StoreError::DiskFull) => BucketError::DiskFull,
            CommitError::Store(StoreError::Damaged(what)) => BucketError::Damaged(what),
            error => BucketError::Unavailable(error.to_string()),
        }
    }
}
