//! Objects: put, read, copied.

use bytes::Bytes;
use md5::{Digest, Md5};
use stdx::task;
use store::{Blob, BlobList, BlobPin, BlobSink, Commit, CommitError, Expect, RowWrite, Versioned};

pub use crate::rows::Attributes;

use crate::Bucket;
use crate::error::BucketError;
use crate::limits::{ATTRIBUTE_BYTES_MAX, COMMIT_TRIES_MAX, METADATA_BYTES_MAX, PUT_BYTES_MAX};
use crate::name::ObjectName;
use crate::rows::{Checksum, Named, ObjectFields};
use crate::tables::Objects;

/// What must be true of the object that is there for a put to happen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    #[default]
    Any,
    /// There is none (`If-None-Match: *`).
    Absent,
    /// It has this entity tag, without quotes (`If-Match`); [`BucketError::NoSuchKey`] if there is none.
    Tag(String),
}

/// What became of a put that wants to be the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// The object is there, durably, and was not before.
    Stored,
    /// An object of this name was there before, and still is.
    Taken,
}

/// An object as it was when it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its key.
    pub key: String,
    /// Its bytes.
    pub bytes: u64,
    /// Its entity tag, without quotes.
    pub etag: String,
    /// When it was written, in milliseconds since 1970.
    pub modified_ms: u64,
    /// What is kept beside its bytes.
    pub attributes: Attributes,
    /// A checksum of all of it, if its writer gave one.
    pub checksum: Option<Checksum>,
}

impl Object {
    pub(crate) fn of(key: String, row: Named<ObjectFields>) -> Self {
        let bytes = row.blobs.bytes();
        let ObjectFields { etag, modified_ms, attributes, checksum } = row.fields;
        Object { key, bytes, etag, modified_ms, attributes, checksum }
    }
}

impl Attributes {
    /// Whether so much is kept.
    pub(crate) fn check(&self) -> Result<(), BucketError> {
        let metadata = self.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        if metadata > METADATA_BYTES_MAX {
            return Err(BucketError::MetadataTooLarge(metadata));
        }
        let others = [
            &self.content_type,
            &self.content_encoding,
            &self.cache_control,
            &self.content_disposition,
            &self.content_language,
            &self.expires,
        ];
        let others = others.into_iter().flatten().map(String::len).sum();
        if others > ATTRIBUTE_BYTES_MAX {
            return Err(BucketError::AttributesTooLarge(others));
        }
        Ok(())
    }
}

/// Bytes on their way into an object or a part. Dropped, they leave nothing.
pub struct ObjectSink {
    sink: BlobSink,
    md5: Md5,
    bytes: u64,
}

impl ObjectSink {
    /// Adds bytes.
    ///
    /// # Errors
    /// [`BucketError::TooLarge`], and those of a blob.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), BucketError> {
        self.bytes += bytes.len() as u64;
        if self.bytes > PUT_BYTES_MAX {
            return Err(BucketError::TooLarge);
        }
        self.md5.update(bytes);
        Ok(self.sink.write(bytes).await?)
    }

    /// The MD5 of what has come so far.
    pub fn md5(&self) -> [u8; 16] {
        self.md5.clone().finalize().into()
    }

    pub(crate) async fn finish(self) -> Result<(Blob, String), BucketError> {
        let etag = hex(&self.md5.finalize());
        Ok((self.sink.finish().await?, etag))
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

impl Bucket {
    /// Begins a body. Nothing is looked up: whoever commits it does.
    pub fn sink(&self) -> ObjectSink {
        ObjectSink { sink: self.0.store.blobs().write(), md5: Md5::new(), bytes: 0 }
    }

    /// Puts an object; with `if_absent` only if there is none of its name. It is durable when this answers.
    ///
    /// # Errors
    /// [`BucketError::NoSuchBucket`], and those of a blob and of a commit.
    #[allow(clippy::too_many_arguments, reason = "an object has that many parts")]
    pub async fn put_object(
        &self,
        account: &str,
        bucket: &str,
        key: &str,
        body: &[Bytes],
        content_type: &str,
        content_encoding: Option<&str>,
        if_absent: bool,
    ) -> Result<Put, BucketError> {
        let name = ObjectName::new(account, bucket, key)?;
        let condition = if if_absent { Condition::Absent } else { Condition::Any };
        let attributes = Attributes {
            content_type: Some(content_type.to_owned()),
            content_encoding: content_encoding.map(str::to_owned),
            ..Attributes::default()
        };
        if matches!(self.precheck(&name, &condition), Err(BucketError::PreconditionFailed)) {
            return Ok(Put::Taken);
        }
        let mut sink = self.sink();
        for piece in body {
            sink.write(piece).await?;
        }
        match self.commit_object(name, sink, attributes, condition, None).await {
            Ok(_) => Ok(Put::Stored),
            Err(BucketError::PreconditionFailed) => Ok(Put::Taken),
            Err(error) => Err(error),
        }
    }

    /// Whether a put could happen as things are: asked before a large body comes.
    ///
    /// # Errors
    /// [`BucketError::NoSuchBucket`], [`BucketError::PreconditionFailed`], [`BucketError::NoSuchKey`].
    pub fn precheck(&self, name: &ObjectName, condition: &Condition) -> Result<(), BucketError> {
        self.bucket_row(&name.account, &name.bucket)?;
        self.expect(name, condition).map(drop)
    }

    /// Makes what came an object. Whatever becomes of the caller, it is done whole or not at all.
    ///
    /// # Errors
    /// As [`Bucket::precheck`], those of [`Attributes`], of a blob and of a commit.
    pub async fn commit_object(
        &self,
        name: ObjectName,
        sink: ObjectSink,
        attributes: Attributes,
        condition: Condition,
        checksum: Option<Checksum>,
    ) -> Result<Object, BucketError> {
        attributes.check()?;
        let own = self.clone();
        let done = task::spawn(async move {
            let (blob, etag) = sink.finish().await?;
            let blobs = BlobList(vec![blob]);
            let modified_ms = own.0.clock.wall().0;
            let fields = ObjectFields { etag, modified_ms, attributes, checksum };
            own.name_object(name, Named { blobs, fields }, &condition, Vec::new()).await
        });
        done.await.map_err(|error| BucketError::Unavailable(error.to_string()))?
    }

    /// Commits an object's row, whose blobs are durable, and `others` with it; then removes what it
    /// replaced. If it is refused, so are its own blobs, unless others name them still.
    pub(crate) async fn name_object(
        &self,
        name: ObjectName,
        row: Named<ObjectFields>,
        condition: &Condition,
        others: Vec<RowWrite>,
    ) -> Result<Object, BucketError> {
        let is_new = others.is_empty();
        let named = self.try_name(&name, &row, condition, others).await;
        match &named {
            Ok(replaced) => self.0.store.blobs().delete(replaced.clone()).await,
            // Nobody can say whether a start finds the row: it will see to the blobs, too.
            Err(BucketError::Unavailable(_)) => {}
            Err(_) if is_new => self.0.store.blobs().delete(row.blobs.0.clone()).await,
            Err(_) => {}
        }
        named.map(|_| Object::of(name.key, row))
    }

    /// The blobs of the object that was there before.
    async fn try_name(
        &self,
        name: &ObjectName,
        row: &Named<ObjectFields>,
        condition: &Condition,
        others: Vec<RowWrite>,
    ) -> Result<Vec<Blob>, BucketError> {
        for _ in 0..COMMIT_TRIES_MAX {
            let _the_bucket_stays = self.0.removal.read().await;
            self.bucket_row(&name.account, &name.bucket)?;
            let (expect, before) = self.expect(name, condition)?;
            let mut rows = vec![RowWrite::put::<Objects>(name, row, expect)];
            rows.extend(others.iter().cloned());
            match self.0.store.commit(Commit { rows, ..Commit::default() }).await {
                Ok(_) => return Ok(before),
                // Somebody else wrote the object meanwhile: it is looked at again.
                Err(CommitError::Conflict { row: 0 }) => {}
                Err(CommitError::Conflict { .. }) => return Err(BucketError::NoSuchUpload),
                Err(error) => return Err(error.into()),
            }
        }
        Err(BucketError::Contended)
    }

    /// What a commit is to expect of the object that is there, and its blobs.
    fn expect(
        &self,
        name: &ObjectName,
        condition: &Condition,
    ) -> Result<(Expect, Vec<Blob>), BucketError> {
        let present = self.0.store.table::<Objects>().get(name)?;
        match (condition, present) {
            (Condition::Any | Condition::Absent, None) => Ok((Expect::Absent, Vec::new())),
            (Condition::Absent, Some(_)) => Err(BucketError::PreconditionFailed),
            (Condition::Tag(_), None) => Err(BucketError::NoSuchKey),
            (Condition::Tag(tag), Some(row)) if *tag != row.row.fields.etag => {
                Err(BucketError::PreconditionFailed)
            }
            (Condition::Any | Condition::Tag(_), Some(Versioned { version, row })) => {
                Ok((Expect::Version(version), row.blobs.0))
            }
        }
    }

    /// An object.
    ///
    /// # Errors
    /// [`BucketError::NoSuchBucket`], [`BucketError::NoSuchKey`], [`BucketError::Damaged`].
    pub fn head(&self, name: &ObjectName) -> Result<Object, BucketError> {
        Ok(Object::of(name.key.clone(), self.object_row(name)?.row))
    }

    fn object_row(&self, name: &ObjectName) -> Result<Versioned<Named<ObjectFields>>, BucketError> {
        match self.0.store.table::<Objects>().get(name)? {
            Some(row) => Ok(row),
            None => {
                self.bucket_row(&name.account, &name.bucket)?;
                Err(BucketError::NoSuchKey)
            }
        }
    }

    /// An object and its bytes, which stay readable while the pin lives, whatever becomes of the object.
    ///
    /// # Errors
    /// As [`Bucket::head`].
    pub fn get(&self, name: &ObjectName) -> Result<(Object, BlobPin), BucketError> {
        let mut row = self.object_row(name)?;
        loop {
            let pin = self.0.store.blobs().pin(row.row.blobs.0.clone());
            // What was removed before the pin held it is named no more.
            let again = self.object_row(name)?;
            if again.version == row.version {
                return Ok((Object::of(name.key.clone(), row.row), pin));
            }
            row = again;
        }
    }

    /// Copies an object's bytes; `attributes` replace its own.
    ///
    /// # Errors
    /// As [`Bucket::get`] for the source, as [`Bucket::commit_object`] for the copy.
    pub async fn copy_object(
        &self,
        from: &ObjectName,
        to: ObjectName,
        attributes: Option<Attributes>,
        condition: Condition,
    ) -> Result<Object, BucketError> {
        self.precheck(&to, &condition)?;
        let (object, pin) = self.get(from)?;
        let mut sink = self.sink();
        self.pour(&pin, 0..object.bytes, &mut sink).await?;
        let attributes = attributes.unwrap_or(object.attributes);
        self.commit_object(to, sink, attributes, condition, object.checksum).await
    }

    /// Writes a range of what `pin` holds into a sink.
    pub(crate) async fn pour(
        &self,
        pin: &BlobPin,
        mut range: std::ops::Range<u64>,
        sink: &mut ObjectSink,
    ) -> Result<(), BucketError> {
        while !range.is_empty() {
            let piece = pin.read(range.clone()).await?;
            range.start += piece.len() as u64;
            sink.write(&piece).await?;
        }
        Ok(())
    }
}
