//! Buckets: made, listed, and removed when they are empty.

use store::{Commit, CommitError, Expect, RowWrite, Versioned};

use crate::Bucket;
use crate::error::BucketError;
use crate::limits::BUCKETS_MAX;
use crate::name::{ObjectName, is_bucket_name, prefix_of};
use crate::rows::{BucketRow, Named};
use crate::tables::{Buckets, Objects};

/// A bucket as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketInfo {
    /// Its name.
    pub name: String,
    /// When it was created, in milliseconds since 1970.
    pub created_ms: u64,
    /// In which region.
    pub region: String,
}

impl Bucket {
    /// Makes a bucket.
    ///
    /// # Errors
    /// [`BucketError::InvalidBucketName`], [`BucketError::BucketExists`], [`BucketError::TooManyBuckets`],
    /// and those of a commit.
    pub async fn create_bucket(
        &self,
        account: &str,
        bucket: &str,
        region: &str,
    ) -> Result<(), BucketError> {
        if !is_bucket_name(bucket) {
            return Err(BucketError::InvalidBucketName(bucket.to_owned()));
        }
        let key = (account.to_owned(), bucket.to_owned());
        let table = self.0.store.table::<Buckets>();
        if table.get(&key)?.is_some() {
            return Err(BucketError::BucketExists);
        }
        let mut own = account.as_bytes().to_vec();
        own.push(0);
        if table.scan_prefix(&own)?.len() >= BUCKETS_MAX {
            return Err(BucketError::TooManyBuckets);
        }
        let created_ms = self.0.clock.wall().0;
        let row = Named::bare(BucketRow { created_ms, region: region.to_owned() });
        let rows = vec![RowWrite::put::<Buckets>(&key, &row, Expect::Absent)];
        match self.0.store.commit(Commit { rows, ..Commit::default() }).await {
            Err(CommitError::Conflict { .. }) => Err(BucketError::BucketExists),
            committed => Ok(committed.map(drop)?),
        }
    }

    /// The account's buckets, by name.
    ///
    /// # Errors
    /// [`BucketError::Damaged`].
    pub fn list_buckets(&self, account: &str) -> Result<Vec<BucketInfo>, BucketError> {
        let mut own = account.as_bytes().to_vec();
        own.push(0);
        let rows = self.0.store.table::<Buckets>().scan_prefix(&own)?;
        Ok(rows.into_iter().map(|((_, name), row)| info(name, row)).collect())
    }

    /// A bucket.
    ///
    /// # Errors
    /// [`BucketError::NoSuchBucket`], [`BucketError::Damaged`].
    pub fn head_bucket(&self, account: &str, bucket: &str) -> Result<BucketInfo, BucketError> {
        Ok(info(bucket.to_owned(), self.bucket_row(account, bucket)?))
    }

    pub(crate) fn bucket_row(
        &self,
        account: &str,
        bucket: &str,
    ) -> Result<Versioned<Named<BucketRow>>, BucketError> {
        let key = (account.to_owned(), bucket.to_owned());
        self.0.store.table::<Buckets>().get(&key)?.ok_or(BucketError::NoSuchBucket)
    }

    /// Removes a bucket without objects, and its unfinished uploads with it.
    ///
    /// # Errors
    /// [`BucketError::NoSuchBucket`], [`BucketError::BucketNotEmpty`], and those of a commit.
    pub async fn delete_bucket(&self, account: &str, bucket: &str) -> Result<(), BucketError> {
        let _nothing_comes_in = self.0.removal.write().await;
        let row = self.bucket_row(account, bucket)?;
        let prefix = prefix_of(account, bucket);
        let first = self.0.store.table::<Objects>().scan_from(&prefix, 1)?.pop();
        if first.is_some_and(|(key, _)| key.account == account && key.bucket == bucket) {
            return Err(BucketError::BucketNotEmpty);
        }
        for upload in self.list_uploads(account, bucket, "")? {
            let name = ObjectName::new(account, bucket, &upload.key)?;
            self.abort_upload(name, upload.id).await?;
        }
        let key = (account.to_owned(), bucket.to_owned());
        let rows = vec![RowWrite::delete::<Buckets>(&key, Expect::Version(row.version))];
        match self.0.store.commit(Commit { rows, ..Commit::default() }).await {
            Err(CommitError::Conflict { .. }) => Err(BucketError::NoSuchBucket),
            committed => Ok(committed.map(drop)?),
        }
    }
}

fn info(name: String, row: Versioned<Named<BucketRow>>) -> BucketInfo {
    let BucketRow { created_ms, region } = row.row.fields;
    BucketInfo { name, created_ms, region }
}
