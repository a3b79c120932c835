//! The embedded bucket: the objects that deliveries leave, on the server's own port, durable like
//! everything else.
//!
//! [`Bucket`] is the engine: buckets, objects and multipart uploads as rows that name blobs
//! (`store::Blobs`). A body is durable before the row that names it is committed, and a conditional put is
//! one commit, so that of many that race for a name exactly one wins.

mod buckets;
mod deletion;
mod error;
pub mod limits;
mod listing;
mod name;
mod objects;
mod rows;
mod tables;
mod uploads;
mod wire;

#[cfg(test)]
mod engine_tests;

use std::sync::Arc;

use stdx::{Clock, Entropy};
use store::Store;
use tokio::sync::RwLock;

pub use buckets::BucketInfo;
pub use error::BucketError;
pub use listing::{Listing, ListingEntry, ListingQuery};
pub use name::{ObjectName, is_bucket_name};
pub use objects::{Attributes, Condition, Object, ObjectSink, Put};
pub use rows::Checksum;
pub use uploads::{CompletedPart, PartInfo, UploadInfo};
pub use wire::{Caller, S3Service, Served, WireError};

/// The embedded bucket; clones share it.
#[derive(Clone)]
pub struct Bucket(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    entropy: Entropy,
    /// Held to read by whoever commits an object or an upload, and to write by whoever removes a bucket: no
    /// object comes into a bucket that is found empty.
    removal: RwLock<()>,
    /// The same for parts, and whoever ends an upload.
    ending: RwLock<()>,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Bucket").field(&self.0.store).finish()
    }
}

impl Bucket {
    /// The embedded bucket of a store.
    pub fn new(store: Store, clock: Clock, entropy: Entropy) -> Self {
        Bucket(Arc::new(Inner {
            store,
            clock,
            entropy,
            removal: RwLock::default(),
            ending: RwLock::default(),
        }))
    }
}
