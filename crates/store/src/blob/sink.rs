//! Blobs for engines.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use stdx::task;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::file::BlobReader;
use super::shelf::BlobWriter;
use super::{Blob, BlobError, BlobId};
use crate::core::Core;
use crate::limits::BLOB_WRITE_BYTES;

/// A store's blobs; clones share them.
#[derive(Clone, Debug)]
pub struct Blobs {
    pub(super) core: Arc<Core>,
    /// What may be at the disk at once.
    calls: Arc<Semaphore>,
}

const CLOSED: &str = "the store is closed";

impl Blobs {
    pub(crate) fn new(core: Arc<Core>, calls: Arc<Semaphore>) -> Self {
        Blobs { core, calls }
    }

    /// Bytes that all of them take, with those on their way.
    pub fn bytes(&self) -> u64 {
        self.core.shelf.bytes()
    }

    /// Begins a blob.
    pub fn write(&self) -> BlobSink {
        let writer = self.core.begin_blob();
        let id = writer.encoder.id();
        let own = Owned { core: Arc::clone(&self.core), writer: Some(writer) };
        BlobSink { blobs: self.clone(), id, own: Some(own) }
    }

    /// A blob of these pieces.
    ///
    /// # Errors
    /// As [`BlobSink::finish`].
    pub async fn put(&self, pieces: &[Bytes]) -> Result<Blob, BlobError> {
        let mut sink = self.write();
        for piece in pieces {
            sink.write(piece).await?;
        }
        sink.finish().await
    }

    /// Keeps these blobs until the pin is dropped, even if they are deleted meanwhile. It says nothing
    /// about whether they are there: look again at the row that names them.
    pub fn pin(&self, blobs: Vec<Blob>) -> BlobPin {
        self.core.shelf.pin(&blobs);
        BlobPin { own: self.clone(), blobs, open: Mutex::default() }
    }

    /// Removes blobs whose row is gone, durably, or has never been; those that are read go with their
    /// last reader. A start removes what could not be removed.
    pub async fn delete(&self, blobs: Vec<Blob>) {
        let free = self.core.shelf.doom(&blobs);
        if !free.is_empty() {
            let remove = move |core: &Core| {
                core.shelf.remove(&free);
                Ok(())
            };
            let _a_start_removes_them = self.at_disk(remove).await;
        }
    }

    async fn at_disk<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Core) -> Result<R, BlobError> + Send + 'static,
    ) -> Result<R, BlobError> {
        if self.core.shelf.is_in_memory() {
            return work(&self.core);
        }
        let permit = Arc::clone(&self.calls).acquire_owned().await;
        let permit = permit.map_err(|_| BlobError::Io(CLOSED.to_owned()))?;
        let core = Arc::clone(&self.core);
        // The thread goes on when nobody waits for it any more, and so does what it takes.
        let done = task::spawn_blocking(move || {
            let _at_the_disk = permit;
            work(&core)
        });
        done.await.map_err(|error| BlobError::Io(error.to_string()))?
    }
}

/// A blob on its way. Dropped before [`BlobSink::finish`], it leaves nothing.
#[derive(Debug)]
pub struct BlobSink {
    blobs: Blobs,
    id: BlobId,
    /// Gone while a thread has it, and after an error.
    own: Option<Owned>,
}

/// A writer, and who cleans up after it, on whatever thread it ends.
#[derive(Debug)]
struct Owned {
    core: Arc<Core>,
    writer: Option<BlobWriter>,
}

impl Drop for Owned {
    fn drop(&mut self) {
        if let Some(writer) = &mut self.writer {
            self.core.abandon_blob(writer);
        }
    }
}

impl BlobSink {
    /// Adds bytes. They are gathered, and written now and then.
    ///
    /// # Errors
    /// See [`BlobError`]; nothing is left then.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        // A piece of any size is gathered in steps, so that memory stays bounded.
        for step in bytes.chunks(BLOB_WRITE_BYTES) {
            let writer = self.own.as_mut().and_then(|own| own.writer.as_mut());
            let writer = writer.ok_or(BlobError::Missing(self.id))?;
            writer.encoder.push(step);
            if writer.encoder.pending_bytes() >= BLOB_WRITE_BYTES {
                self.work(Core::write_blob).await?;
            }
        }
        Ok(())
    }

    /// Makes it durable: from now on a row may name it, and if none does it is to be deleted.
    ///
    /// # Errors
    /// See [`BlobError`]; nothing is left then.
    pub async fn finish(mut self) -> Result<Blob, BlobError> {
        let blob = self.work(Core::finish_blob).await?;
        if let Some(own) = &mut self.own {
            own.writer = None;
        }
        Ok(blob)
    }

    async fn work<R: Send + 'static>(
        &mut self,
        step: fn(&Core, &mut BlobWriter) -> Result<R, BlobError>,
    ) -> Result<R, BlobError> {
        let mut own = self.own.take().ok_or(BlobError::Missing(self.id))?;
        let missing = BlobError::Missing(self.id);
        let worked = self.blobs.at_disk(move |core| {
            let done = step(core, own.writer.as_mut().ok_or(missing)?)?;
            Ok((done, own))
        });
        let (done, own) = worked.await?;
        self.own = Some(own);
        Ok(done)
    }
}

impl Drop for BlobSink {
    fn drop(&mut self) {
        if let Some(own) = self.own.take().filter(|own| own.writer.is_some()) {
            // Removing a file may take a while, and whoever drops this may not be one to wait.
            elsewhere(move || drop(own));
        }
    }
}

/// Does this where one may wait, if there is such a place.
fn elsewhere(work: impl FnOnce() + Send + 'static) {
    match Handle::try_current() {
        Ok(_) => drop(task::spawn_blocking(work)),
        Err(_) => work(),
    }
}

/// Blobs that stay while somebody reads them.
#[derive(Debug)]
pub struct BlobPin {
    own: Blobs,
    blobs: Vec<Blob>,
    /// The one that was read last.
    open: Mutex<Option<BlobReader>>,
}

impl BlobPin {
    /// The bytes of `range` of all the blobs, one after the other: the first of them, at most some
    /// hundred KiB. Empty if the range is.
    ///
    /// # Errors
    /// See [`BlobError`]: what is damaged is not answered.
    pub async fn read(&self, range: Range<u64>) -> Result<Bytes, BlobError> {
        let mut base = 0;
        for &blob in &self.blobs {
            let end = base + blob.bytes;
            if range.start < end && !range.is_empty() {
                let step = BlobReader::step(&(range.start - base..range.end.min(end) - base));
                let last = self.open().take().filter(|open| open.blob() == blob);
                let read = self.own.at_disk(move |core| {
                    let open = last.map_or_else(|| core.shelf.open(blob), Ok)?;
                    Ok((open.read(step)?, open))
                });
                let (bytes, open) = read.await?;
                *self.open() = Some(open);
                return Ok(bytes);
            }
            base = end;
        }
        Ok(Bytes::new())
    }

    fn open(&self) -> MutexGuard<'_, Option<BlobReader>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of all of them.
    pub fn bytes(&self) -> u64 {
        self.blobs.iter().map(|blob| blob.bytes).sum()
    }
}

impl Drop for BlobPin {
    fn drop(&mut self) {
        let gone = self.own.core.shelf.unpin(&self.blobs);
        if !gone.is_empty() {
            let core = Arc::clone(&self.own.core);
            elsewhere(move || core.shelf.remove(&gone));
        }
    }
}
