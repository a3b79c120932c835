//! Objects that go.

use store::{Commit, CommitError, Expect, RowWrite};

use crate::Bucket;
use crate::error::BucketError;
use crate::limits::COMMIT_TRIES_MAX;
use crate::name::ObjectName;
use crate::tables::Objects;

impl Bucket {
    /// Removes objects of one bucket, all in one commit; those that are not there already are.
    ///
    /// # Errors
    /// [`BucketError::NoSuchBucket`], and those of a commit.
    pub async fn delete_objects(
        &self,
        account: &str,
        bucket: &str,
        names: &[ObjectName],
    ) -> Result<(), BucketError> {
        self.bucket_row(account, bucket)?;
        for _ in 0..COMMIT_TRIES_MAX {
            let (mut rows, mut blobs) = (Vec::new(), Vec::new());
            let table = self.0.store.table::<Objects>();
            for name in names {
                if let Some(present) = table.get(name)? {
                    let expect = Expect::Version(present.version);
                    rows.push(RowWrite::delete::<Objects>(name, expect));
                    blobs.extend(present.row.blobs.0);
                }
            }
            // Two that name the same object are one.
            rows.sort_by(|one, other| one.key.cmp(&other.key));
            rows.dedup_by(|one, other| one.key == other.key);
            blobs.sort();
            blobs.dedup();
            if rows.is_empty() {
                return Ok(());
            }
            match self.0.store.commit(Commit { rows, ..Commit::default() }).await {
                Ok(_) => {
                    self.0.store.blobs().delete(blobs).await;
                    return Ok(());
                }
                Err(CommitError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(BucketError::Contended)
    }
}
