//! Where blobs are kept: their files, who is reading them, and what they take.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::file::{BlobEncoder, BlobReader};
use super::layout::{BLOB_FOLDER, folder_of, folders, name_of, parse_name};
use super::list::{BlobList, names_blobs};
use super::memory::MemoryFile;
use super::{Blob, BlobError, BlobId};
use crate::core::Core;
use crate::disk::{Disk, DiskFile};
use crate::table::Tables;

/// The blobs that rows name. `complete` is false if some row's list cannot be read: then nothing may be
/// taken for unnamed.
#[derive(Debug)]
pub(crate) struct LiveBlobs {
    pub(crate) blobs: Vec<Blob>,
    pub(crate) complete: bool,
}

/// What the rows of the tables that name blobs name.
pub(crate) fn live_blobs(tables: &Tables) -> LiveBlobs {
    let mut live = LiveBlobs { blobs: Vec::new(), complete: true };
    for (_, rows) in tables.all().into_iter().filter(|(table, _)| names_blobs(*table)) {
        rows.read(|rows| {
            for row in rows.values() {
                match BlobList::decode(&row.value) {
                    Some((list, _)) => live.blobs.extend(list.0),
                    None => live.complete = false,
                }
            }
        });
    }
    live
}

/// Every blob's file in the folder, finished or not.
pub(crate) fn list_blobs(disk: &dyn Disk) -> io::Result<Vec<BlobId>> {
    let list = |folder: &str| match disk.list(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        listed => listed,
    };
    let mut found = Vec::new();
    for name in list(BLOB_FOLDER)? {
        if name.contains('/') {
            // A bucket lists what is in folders, too.
            found.extend(parse_name(&name));
            continue;
        }
        let own = list(&format!("{BLOB_FOLDER}/{name}"))?;
        found.extend(own.iter().filter_map(|own| parse_name(&format!("{name}/{own}"))));
    }
    Ok(found)
}

/// Who is reading a blob, and whether it is to go when nobody is.
#[derive(Debug, Default)]
struct Pin {
    readers: usize,
    doomed: bool,
}

/// The blobs of a store.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    /// `None` in memory.
    disk: Option<Arc<dyn Disk>>,
    held: Mutex<HashMap<BlobId, Arc<MemoryFile>>>,
    /// Whether this process has made the folders and their names durable.
    has_folders: Mutex<bool>,
    pins: Mutex<HashMap<BlobId, Pin>>,
    /// Bytes of the files of named blobs and of those on their way.
    bytes: AtomicU64,
    /// What the rows named at the start, until what they did not name is removed; and the first epoch of
    /// this process.
    at_start: Mutex<Option<HashSet<BlobId>>>,
    epoch: u32,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shelf {
    /// `tables` as they were found by a start in `epoch`.
    pub(crate) fn new(disk: Option<Arc<dyn Disk>>, tables: &Tables, epoch: u32) -> Self {
        let live = live_blobs(tables);
        let bytes = live.blobs.iter().map(Blob::file_bytes).sum();
        let at_start = live.complete.then(|| live.blobs.iter().map(|blob| blob.id).collect());
        let (bytes, at_start) = (AtomicU64::new(bytes), Mutex::new(at_start));
        Shelf { disk, bytes, at_start, epoch, ..Shelf::default() }
    }

    /// What all of them take.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn is_in_memory(&self) -> bool {
        self.disk.is_none()
    }

    fn create(&self, id: BlobId) -> io::Result<Arc<dyn DiskFile>> {
        let Some(disk) = &self.disk else {
            let file = Arc::new(MemoryFile::default());
            lock(&self.held).insert(id, Arc::clone(&file));
            return Ok(file);
        };
        {
            let mut has_folders = lock(&self.has_folders);
            if !*has_folders {
                // All at once: each for itself would cost its first blob two more syncs.
                folders().try_for_each(|folder| disk.make_folder(&folder))?;
                disk.sync_folder("")?;
                disk.sync_folder(BLOB_FOLDER)?;
                *has_folders = true;
            }
        }
        disk.create_in_parts(&name_of(id))
    }

    /// A blob's file. Whether it is whole shows when it is read.
    pub(crate) fn open(&self, blob: Blob) -> Result<BlobReader, BlobError> {
        let file: Arc<dyn DiskFile> = match &self.disk {
            Some(disk) => disk.open(&name_of(blob.id)).map_err(|e| BlobError::of(blob.id, &e))?,
            None => {
                let found = lock(&self.held).get(&blob.id).map(Arc::clone);
                found.ok_or(BlobError::Missing(blob.id))?
            }
        };
        Ok(BlobReader::new(file, blob))
    }

    /// Keeps blobs that are deleted meanwhile until [`Shelf::unpin`].
    pub(super) fn pin(&self, blobs: &[Blob]) {
        let mut pins = lock(&self.pins);
        blobs.iter().for_each(|blob| pins.entry(blob.id).or_default().readers += 1);
    }

    /// Lets them go; what is to be removed now.
    pub(super) fn unpin(&self, blobs: &[Blob]) -> Vec<Blob> {
        let mut pins = lock(&self.pins);
        let mut gone = Vec::new();
        for blob in blobs {
            let Some(pin) = pins.get_mut(&blob.id) else { continue };
            pin.readers -= 1;
            if pin.readers == 0 {
                gone.extend(pin.doomed.then_some(*blob));
                pins.remove(&blob.id);
            }
        }
        gone
    }

    /// Those of `blobs` that nobody reads; the others go with their last reader.
    pub(super) fn doom(&self, blobs: &[Blob]) -> Vec<Blob> {
        let mut pins = lock(&self.pins);
        let free = |blob: &&Blob| match pins.get_mut(&blob.id) {
            Some(pin) => {
                pin.doomed = true;
                false
            }
            None => true,
        };
        blobs.iter().filter(free).copied().collect()
    }

    /// Removes files. What cannot be removed is unnamed, and the next start tries again.
    pub(super) fn remove(&self, blobs: &[Blob]) {
        for blob in blobs {
            self.give_back(blob.file_bytes());
            self.remove_file(blob.id);
        }
    }

    fn remove_file(&self, id: BlobId) {
        let Some(disk) = &self.disk else {
            lock(&self.held).remove(&id);
            return;
        };
        match disk.remove(&name_of(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, blob = %id, "a blob could not be removed");
            }
            _ => {}
        }
    }

    fn give_back(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// A blob that is being written, step by step.
#[derive(Debug)]
pub(crate) struct BlobWriter {
    pub(super) encoder: BlobEncoder,
    file: Option<Arc<dyn DiskFile>>,
}

impl Core {
    pub(crate) fn begin_blob(&self) -> BlobWriter {
        let id = BlobId(self.log_next.fetch_add(1, Ordering::Relaxed));
        BlobWriter { encoder: BlobEncoder::new(id), file: None }
    }

    fn has_room_for_blob(&self, bytes: u64) -> bool {
        if self.shelf.is_in_memory() {
            let held = self.memory_held.load(Ordering::Relaxed) + self.shelf.bytes();
            return held + bytes <= self.config.memory_bytes_max;
        }
        !self.condition.is_disk_full() && !self.would_take_too_much(bytes)
    }

    /// Writes what waits. After an error the writer is of no use.
    pub(crate) fn write_blob(&self, writer: &mut BlobWriter) -> Result<(), BlobError> {
        let id = writer.encoder.id();
        let waits = writer.encoder.pending_bytes() as u64;
        if !self.has_room_for_blob(waits) {
            return Err(BlobError::DiskFull);
        }
        let (bytes, at) = writer.encoder.take();
        self.shelf.bytes.fetch_add(waits, Ordering::Relaxed);
        let written = match &writer.file {
            Some(file) => file.write_at(&bytes, at),
            None => {
                self.shelf.create(id).and_then(|file| writer.file.insert(file).write_at(&bytes, at))
            }
        };
        written.map_err(|error| BlobError::of(id, &error))
    }

    /// Writes the end and makes the blob durable: a row may name it.
    pub(crate) fn finish_blob(&self, writer: &mut BlobWriter) -> Result<Blob, BlobError> {
        let blob = writer.encoder.close();
        self.write_blob(writer)?;
        let synced = match (&writer.file, &self.shelf.disk) {
            (Some(file), Some(disk)) => {
                file.sync().and_then(|()| disk.sync_folder(&folder_of(blob.id)))
            }
            (Some(file), None) => file.sync(),
            (None, _) => Ok(()),
        };
        synced.map_err(|error| BlobError::of(blob.id, &error))?;
        Ok(blob)
    }

    /// Takes back what a writer has written.
    pub(crate) fn abandon_blob(&self, writer: &mut BlobWriter) {
        self.shelf.give_back(writer.encoder.at);
        if writer.file.take().is_some() {
            self.shelf.remove_file(writer.encoder.id());
        }
    }

    /// Whether rows that name blobs may have been lost: then a blob that none names may be one of theirs.
    fn may_have_lost_names(&self) -> bool {
        let places = self.condition.quarantined();
        places.iter().any(|own| !own.accepted && own.log.is_none_or(crate::LogId::is_table))
    }

    /// Removes what earlier processes have left behind: files of blobs that no row names.
    pub(crate) fn sweep_blobs(&self) {
        let Some(live) = lock(&self.shelf.at_start).take() else { return };
        let Some(disk) = &self.shelf.disk else { return };
        if self.may_have_lost_names() {
            return;
        }
        let found = match list_blobs(&**disk) {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "blobs that nobody needs could not be listed");
                return;
            }
        };
        let unnamed = |id: &BlobId| id.epoch() < self.shelf.epoch && !live.contains(id);
        let gone: Vec<BlobId> = found.into_iter().filter(unnamed).collect();
        if !gone.is_empty() {
            tracing::info!(count = gone.len(), "blobs that no row names are removed");
        }
        gone.into_iter().for_each(|id| self.shelf.remove_file(id));
    }
}
