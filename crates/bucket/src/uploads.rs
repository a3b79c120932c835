//! Objects that come in parts.

use md5::{Digest, Md5};
use stdx::task;
use store::{BlobList, Commit, CommitError, Expect, RowWrite, Versioned};

use crate::Bucket;
use crate::error::BucketError;
use crate::limits::{COMMIT_TRIES_MAX, PART_BYTES_MIN, PARTS_MAX, UPLOADS_MAX};
use crate::name::{ObjectName, prefix_of};
use crate::objects::{Attributes, Condition, Object, ObjectSink, hex};
use crate::rows::{Named, ObjectFields, PartFields, UploadFields};
use crate::tables::{Parts, UPLOAD_ID_BYTES, Uploads};

/// An unfinished upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadInfo {
    /// The object's key.
    pub key: String,
    /// Its id.
    pub id: String,
    /// When it was begun, in milliseconds since 1970.
    pub initiated_ms: u64,
}

/// An uploaded part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartInfo {
    /// Its number.
    pub number: u16,
    /// Its bytes.
    pub bytes: u64,
    /// Its entity tag, without quotes.
    pub etag: String,
    /// When it was uploaded, in milliseconds since 1970.
    pub modified_ms: u64,
}

/// A part as whoever completes an upload names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletedPart {
    /// Its number.
    pub number: u16,
    /// Its entity tag, without quotes.
    pub etag: String,
}

type PartRow = ((String, u16), Versioned<Named<PartFields>>);

impl Bucket {
    /// Begins an upload; answers its id.
    ///
    /// # Errors
    /// [`BucketError::NoSuchBucket`], [`BucketError::TooManyUploads`], those of [`Attributes`] and of a
    /// commit.
    pub async fn create_upload(
        &self,
        name: ObjectName,
        attributes: Attributes,
    ) -> Result<String, BucketError> {
        attributes.check()?;
        let _the_bucket_stays = self.0.removal.read().await;
        self.bucket_row(&name.account, &name.bucket)?;
        let table = self.0.store.table::<Uploads>();
        let mut own = name.account.as_bytes().to_vec();
        own.push(0);
        if table.len() >= UPLOADS_MAX && table.scan_prefix(&own)?.len() >= UPLOADS_MAX {
            return Err(BucketError::TooManyUploads);
        }
        let id = hex(&self.0.entropy.array::<{ UPLOAD_ID_BYTES / 2 }>());
        let initiated_ms = self.0.clock.wall().0;
        let row = Named::bare(UploadFields { initiated_ms, attributes });
        let rows = vec![RowWrite::put::<Uploads>(&(name, id.clone()), &row, Expect::Absent)];
        self.0.store.commit(Commit { rows, ..Commit::default() }).await?;
        Ok(id)
    }

    fn upload_row(
        &self,
        key: &(ObjectName, String),
    ) -> Result<Versioned<Named<UploadFields>>, BucketError> {
        self.bucket_row(&key.0.account, &key.0.bucket)?;
        // An id of another length could be a part of another object's name.
        if key.1.len() != UPLOAD_ID_BYTES {
            return Err(BucketError::NoSuchUpload);
        }
        self.0.store.table::<Uploads>().get(key)?.ok_or(BucketError::NoSuchUpload)
    }

    /// Whether a part could be uploaded as things are: asked before a large body comes.
    ///
    /// # Errors
    /// [`BucketError::NoSuchUpload`], [`BucketError::PartNumber`].
    pub fn precheck_part(
        &self,
        name: &ObjectName,
        upload: &str,
        number: i64,
    ) -> Result<u16, BucketError> {
        self.upload_row(&(name.clone(), upload.to_owned()))?;
        let number = u16::try_from(number).map_err(|_| BucketError::PartNumber(number))?;
        let is_one = (1..=PARTS_MAX).contains(&number);
        is_one.then_some(number).ok_or(BucketError::PartNumber(number.into()))
    }

    /// Makes what came a part, in place of one of its number that was there; answers its entity tag.
    ///
    /// # Errors
    /// [`BucketError::NoSuchUpload`], and those of a blob and of a commit.
    pub async fn commit_part(
        &self,
        name: ObjectName,
        upload: String,
        number: u16,
        sink: ObjectSink,
    ) -> Result<PartInfo, BucketError> {
        let own = self.clone();
        let done = task::spawn(async move {
            let (blob, etag) = sink.finish().await?;
            let fields = PartFields { etag, modified_ms: own.0.clock.wall().0 };
            let row = Named { blobs: BlobList(vec![blob]), fields };
            let key = (name, upload);
            let named = own.name_part(&key, number, &row).await;
            match &named {
                Ok(replaced) => own.0.store.blobs().delete(replaced.0.clone()).await,
                // As with objects: a start will see to it.
                Err(BucketError::Unavailable(_)) => {}
                Err(_) => own.0.store.blobs().delete(vec![blob]).await,
            }
            named.map(|_| part_info(number, row))
        });
        done.await.map_err(|error| BucketError::Unavailable(error.to_string()))?
    }

    async fn name_part(
        &self,
        key: &(ObjectName, String),
        number: u16,
        row: &Named<PartFields>,
    ) -> Result<BlobList, BucketError> {
        let part = (key.1.clone(), number);
        for _ in 0..COMMIT_TRIES_MAX {
            let _the_upload_stays = self.0.ending.read().await;
            self.upload_row(key)?;
            let before = self.0.store.table::<Parts>().get(&part)?;
            let expect =
                before.as_ref().map_or(Expect::Absent, |before| Expect::Version(before.version));
            let rows = vec![RowWrite::put::<Parts>(&part, row, expect)];
            match self.0.store.commit(Commit { rows, ..Commit::default() }).await {
                Ok(_) => return Ok(before.map(|before| before.row.blobs).unwrap_or_default()),
                Err(CommitError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(BucketError::Contended)
    }

    fn part_rows(&self, upload: &str) -> Result<Vec<PartRow>, BucketError> {
        Ok(self.0.store.table::<Parts>().scan_prefix(upload.as_bytes())?)
    }

    /// The parts of an upload, by number.
    ///
    /// # Errors
    /// [`BucketError::NoSuchUpload`].
    pub fn list_parts(
        &self,
        name: &ObjectName,
        upload: &str,
    ) -> Result<Vec<PartInfo>, BucketError> {
        self.upload_row(&(name.clone(), upload.to_owned()))?;
        let rows = self.part_rows(upload)?.into_iter();
        Ok(rows.map(|((_, number), row)| part_info(number, row.row)).collect())
    }

    /// The unfinished uploads of a bucket whose keys begin so, by key and id.
    ///
    /// # Errors
    /// [`BucketError::NoSuchBucket`].
    pub fn list_uploads(
        &self,
        account: &str,
        bucket: &str,
        prefix: &str,
    ) -> Result<Vec<UploadInfo>, BucketError> {
        self.bucket_row(account, bucket)?;
        let start = [&prefix_of(account, bucket)[..], prefix.as_bytes()].concat();
        let rows = self.0.store.table::<Uploads>().scan_prefix(&start)?;
        let infos = rows.into_iter().map(|((name, id), row)| UploadInfo {
            key: name.key,
            id,
            initiated_ms: row.row.fields.initiated_ms,
        });
        Ok(infos.filter(|info| info.key.starts_with(prefix)).collect())
    }

    /// Makes the parts an object, without copying them; the parts that are not named go.
    ///
    /// # Errors
    /// [`BucketError::NoSuchUpload`], [`BucketError::InvalidPart`], [`BucketError::InvalidPartOrder`],
    /// [`BucketError::PartTooSmall`], [`BucketError::PreconditionFailed`], and those of a commit.
    pub async fn complete_upload(
        &self,
        name: ObjectName,
        upload: String,
        parts: Vec<CompletedPart>,
        condition: Condition,
    ) -> Result<Object, BucketError> {
        let own = self.clone();
        let done = task::spawn(async move { own.complete(name, upload, &parts, &condition).await });
        done.await.map_err(|error| BucketError::Unavailable(error.to_string()))?
    }

    async fn complete(
        &self,
        name: ObjectName,
        upload: String,
        parts: &[CompletedPart],
        condition: &Condition,
    ) -> Result<Object, BucketError> {
        let _no_part_comes_in = self.0.ending.write().await;
        let key = (name, upload);
        let row = self.upload_row(&key)?;
        let rows = self.part_rows(&key.1)?;
        let (blobs, etag) = joined(&rows, parts)?;
        let modified_ms = self.0.clock.wall().0;
        let attributes = row.row.fields.attributes;
        let fields = ObjectFields { etag, modified_ms, attributes, checksum: None };
        let mut others = vec![RowWrite::delete::<Uploads>(&key, Expect::Version(row.version))];
        let gone = rows
            .iter()
            .map(|(part, row)| RowWrite::delete::<Parts>(part, Expect::Version(row.version)));
        others.extend(gone);
        let unused = rows.iter().flat_map(|(_, row)| &row.row.blobs.0);
        let unused = unused.filter(|blob| !blobs.0.contains(blob)).copied().collect();
        let object = self.name_object(key.0, Named { blobs, fields }, condition, others).await?;
        self.0.store.blobs().delete(unused).await;
        Ok(object)
    }

    /// Gives an upload up, and its parts.
    ///
    /// # Errors
    /// [`BucketError::NoSuchUpload`], and those of a commit.
    pub async fn abort_upload(&self, name: ObjectName, upload: String) -> Result<(), BucketError> {
        let _no_part_comes_in = self.0.ending.write().await;
        let key = (name, upload);
        let row = self.upload_row(&key)?;
        let parts = self.part_rows(&key.1)?;
        let mut rows = vec![RowWrite::delete::<Uploads>(&key, Expect::Version(row.version))];
        let own = parts.iter();
        rows.extend(
            own.map(|(part, row)| RowWrite::delete::<Parts>(part, Expect::Version(row.version))),
        );
        self.0.store.commit(Commit { rows, ..Commit::default() }).await?;
        let blobs = parts.into_iter().flat_map(|(_, row)| row.row.blobs.0);
        self.0.store.blobs().delete(blobs.collect()).await;
        Ok(())
    }
}

fn part_info(number: u16, row: Named<PartFields>) -> PartInfo {
    let PartFields { etag, modified_ms } = row.fields;
    PartInfo { number, bytes: row.blobs.bytes(), etag, modified_ms }
}

/// The blobs of the named parts, and the object's entity tag: the MD5 of the parts' MD5s, and how many.
fn joined(rows: &[PartRow], parts: &[CompletedPart]) -> Result<(BlobList, String), BucketError> {
    if parts.windows(2).any(|pair| pair[0].number >= pair[1].number) {
        return Err(BucketError::InvalidPartOrder);
    }
    let (mut blobs, mut md5) = (BlobList::default(), Md5::new());
    for (index, part) in parts.iter().enumerate() {
        let found = rows.binary_search_by_key(&part.number, |((_, number), _)| *number);
        let found = found
            .ok()
            .map(|index| &rows[index])
            .filter(|(_, row)| row.row.fields.etag == part.etag);
        let (_, row) = found.ok_or(BucketError::InvalidPart(part.number))?;
        let bytes = row.row.blobs.bytes();
        if bytes < PART_BYTES_MIN && index + 1 < parts.len() {
            return Err(BucketError::PartTooSmall { part: part.number, bytes });
        }
        blobs.0.extend(&row.row.blobs.0);
        md5.update(unhex(&part.etag));
    }
    if parts.is_empty() {
        return Err(BucketError::InvalidPart(1));
    }
    Ok((blobs, format!("{}-{}", hex(&md5.finalize()), parts.len())))
}

fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks_exact(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.filter_map(byte).collect()
}
