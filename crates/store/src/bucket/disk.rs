//! A bucket in the shape of a data folder, for everything that is not the lane: manifests, segments and
//! small private objects. An object is written in memory and put when it is synced.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use stdx::Clock;

use super::collect::Condemned;
use super::objects::chunk_name;
use super::put_once::{PutOnce, Settled};
use super::take_over::{CommitManifest, Committed};
use super::{Bucket, Upload, drive};
use crate::block::Home;
use crate::disk::{Disk, DiskFile};
use crate::lane::Sabotage;
use crate::limits::{
    BUCKET_AHEAD_READ_BYTES, BUCKET_COLLECT_EVERY, BUCKET_PART_BYTES, BUCKET_WHOLE_BYTES_MAX,
    BUCKET_WINDOW_BYTES, BUCKET_WINDOWS_MAX,
};
use crate::manifest::{MANIFEST_FOLDER, parse_number};

/// A bucket as a folder.
pub(crate) struct BucketDisk {
    bucket: Arc<dyn Bucket>,
    clock: Clock,
    grace: Duration,
    /// Whether another process has taken over.
    pub(crate) fenced: Arc<AtomicBool>,
    /// Whether the store closes, and an answer that does not come is given up.
    pub(crate) closing: Arc<AtomicBool>,
    condemned: Mutex<Condemned>,
    windows: Arc<Windows>,
}

impl std::fmt::Debug for BucketDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("BucketDisk").field(&self.bucket).finish()
    }
}

fn fenced_error() -> io::Error {
    io::Error::other("another process has taken the bucket over")
}

impl BucketDisk {
    pub(crate) fn new(bucket: Arc<dyn Bucket>, clock: Clock, grace: Duration) -> Self {
        let (fenced, closing, condemned, windows) = Default::default();
        BucketDisk { bucket, clock, grace, fenced, closing, condemned, windows }
    }

    fn condemned(&self) -> MutexGuard<'_, Condemned> {
        self.condemned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has `names` removed once nobody can be reading them any more.
    pub(crate) fn condemn(&self, names: impl IntoIterator<Item = String>) {
        let due = self.clock.monotonic().saturating_add(self.grace);
        let mut condemned = self.condemned();
        names.into_iter().for_each(|name| condemned.push(due, name));
    }

    /// The same for chunks that are flushed.
    pub(crate) fn condemn_chunks(&self, homes: impl Iterator<Item = Home>) {
        self.condemn(homes.map(|home| chunk_name(home.lane, home.number)));
    }

    /// Removes what is due. What cannot be removed is found again by a later start.
    pub(crate) fn collect_step(&self) {
        if self.fenced.load(Ordering::Acquire) {
            return;
        }
        let due = self.condemned().take_due(self.clock.monotonic());
        if let Err(error) = self.bucket.delete(due) {
            tracing::warn!(%error, "objects that nobody needs could not be removed");
        }
    }

    /// How long until it should be looked again whether something is due.
    pub(crate) fn collect_in(&self) -> Option<Duration> {
        (!self.condemned().is_empty()).then_some(BUCKET_COLLECT_EVERY)
    }

    /// An object to be put whole if it is shorter than `whole_bytes_max`, and in parts otherwise.
    fn stream(&self, name: &str, whole_bytes_max: usize) -> StreamedObject {
        StreamedObject {
            bucket: Arc::clone(&self.bucket),
            fenced: Arc::clone(&self.fenced),
            closing: Arc::clone(&self.closing),
            name: name.to_owned(),
            whole_bytes_max,
            state: Mutex::default(),
        }
    }

    /// Puts an object if there is none, however long that takes. Whoever gives up does not know what is
    /// there, and must not write on as if it knew.
    fn settle(&self, name: &str, bytes: Bytes) -> io::Result<Settled> {
        if self.fenced.load(Ordering::Acquire) {
            return Err(fenced_error());
        }
        let give_up = |_| self.closing.load(Ordering::Acquire);
        let manifest = name.strip_prefix(MANIFEST_FOLDER).and_then(|name| name.strip_prefix('/'));
        let Some(number) = manifest.and_then(parse_number) else {
            let mut put = PutOnce::new(name.to_owned(), bytes, Sabotage::None);
            return drive(&*self.bucket, &mut put, give_up);
        };
        let mut commit = CommitManifest::new(number, bytes, Sabotage::None);
        match drive(&*self.bucket, &mut commit, give_up) {
            Ok(Committed::Newest) => Ok(Settled::Own),
            Ok(Committed::Superseded) => {
                self.fenced.store(true, Ordering::Release);
                Err(fenced_error())
            }
            Err(error) => {
                self.fenced.store(true, Ordering::Release);
                Err(error)
            }
        }
    }
}

impl Disk for BucketDisk {
    fn make_folder(&self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        if folder.is_empty() {
            return self.bucket.root();
        }
        match self.bucket.call(super::Ask::List(folder.to_owned())) {
            super::Answer::Listed(listed) => {
                Ok(listed.into_iter().map(|object| object.name).collect())
            }
            answer => Err(io::Error::other(format!("{answer:?}"))),
        }
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(NewObject {
            name: name.to_owned(),
            fenced: Arc::clone(&self.fenced),
            closing: Arc::clone(&self.closing),
            bucket: Arc::clone(&self.bucket),
            bytes: Mutex::default(),
        }))
    }

    fn create_for_streaming(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(self.stream(name, BUCKET_WHOLE_BYTES_MAX)))
    }

    fn create_in_parts(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(self.stream(name, BUCKET_PART_BYTES)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let length = self.bucket.length(name)?;
        let object = StoredObject {
            bucket: Arc::clone(&self.bucket),
            name: name.to_owned(),
            length,
            window: Arc::default(),
            windows: Arc::clone(&self.windows),
        };
        Ok(Arc::new(object))
    }

    fn link(&self, _: &str, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        if self.fenced.load(Ordering::Acquire) {
            return Err(fenced_error());
        }
        self.condemn([name.to_owned()]);
        Ok(())
    }

    fn sync_folder(&self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, _: &str) -> io::Result<Option<Box<dyn Send + Sync>>> {
        Ok(Some(Box::new(())))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.bucket.address(name).into()
    }

    fn put_new(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        match self.settle(name, Bytes::copy_from_slice(bytes))? {
            Settled::Own => Ok(()),
            Settled::Foreign(_) => Err(io::ErrorKind::AlreadyExists.into()),
        }
    }
}

/// An object that is being written.
#[derive(Debug)]
struct NewObject {
    bucket: Arc<dyn Bucket>,
    name: String,
    fenced: Arc<AtomicBool>,
    closing: Arc<AtomicBool>,
    bytes: Mutex<Vec<u8>>,
}

impl NewObject {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn range(at: u64, bytes: usize, length: usize) -> io::Result<std::ops::Range<usize>> {
    let start = usize::try_from(at).map_err(|_| io::ErrorKind::UnexpectedEof)?;
    let end = start.checked_add(bytes).filter(|&end| end <= length);
    Ok(start..end.ok_or(io::ErrorKind::UnexpectedEof)?)
}

impl DiskFile for NewObject {
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut own = self.bytes();
        let end = at as usize + bytes.len();
        if own.len() < end {
            own.resize(end, 0);
        }
        own[at as usize..end].copy_from_slice(bytes);
        Ok(())
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        let own = self.bytes();
        bytes.copy_from_slice(&own[range(at, bytes.len(), own.len())?]);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        if self.fenced.load(Ordering::Acquire) {
            return Err(fenced_error());
        }
        let bytes = Bytes::from(std::mem::take(&mut *self.bytes()));
        let mut put = PutOnce::new(self.name.clone(), bytes, Sabotage::None);
        match drive(&*self.bucket, &mut put, |_| self.closing.load(Ordering::Acquire))? {
            Settled::Own => Ok(()),
            Settled::Foreign(_) => Err(io::ErrorKind::AlreadyExists.into()),
        }
    }

    fn set_length(&self, bytes: u64) -> io::Result<()> {
        self.bytes().resize(bytes as usize, 0);
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.bytes().len() as u64)
    }
}

/// An object that is written once, from front to back: in parts if it is large, so that it is never in
/// memory as a whole.
#[derive(Debug)]
struct StreamedObject {
    bucket: Arc<dyn Bucket>,
    name: String,
    fenced: Arc<AtomicBool>,
    closing: Arc<AtomicBool>,
    whole_bytes_max: usize,
    state: Mutex<Streamed>,
}

#[derive(Debug, Default)]
struct Streamed {
    /// What is in no part yet, and where it begins.
    bytes: Vec<u8>,
    at: u64,
    upload: Option<Box<dyn Upload>>,
}

impl StreamedObject {
    fn state(&self) -> MutexGuard<'_, Streamed> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put_part(&self, state: &mut Streamed) -> io::Result<()> {
        if self.fenced.load(Ordering::Acquire) {
            return Err(fenced_error());
        }
        let upload = match &mut state.upload {
            Some(upload) => upload,
            None => state.upload.insert(self.bucket.begin_upload(&self.name)?),
        };
        let part = Bytes::from(std::mem::take(&mut state.bytes));
        state.at += part.len() as u64;
        upload.put(part)
    }
}

impl Drop for StreamedObject {
    fn drop(&mut self) {
        if let Some(upload) = &mut self.state().upload {
            upload.abort();
        }
    }
}

impl DiskFile for StreamedObject {
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut state = self.state();
        if at != state.at + state.bytes.len() as u64 {
            return Err(io::ErrorKind::Unsupported.into());
        }
        state.bytes.extend_from_slice(bytes);
        let begun = state.upload.is_some();
        let bytes_max = if begun { BUCKET_PART_BYTES } else { self.whole_bytes_max };
        if state.bytes.len() < bytes_max {
            return Ok(());
        }
        self.put_part(&mut state)
    }

    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.upload.is_none() {
            let whole = NewObject {
                bucket: Arc::clone(&self.bucket),
                name: self.name.clone(),
                fenced: Arc::clone(&self.fenced),
                closing: Arc::clone(&self.closing),
                bytes: Mutex::new(std::mem::take(&mut state.bytes)),
            };
            return whole.sync();
        }
        if !state.bytes.is_empty() {
            self.put_part(&mut state)?;
        }
        match state.upload.take() {
            Some(mut upload) => upload.complete(),
            None => Ok(()),
        }
    }

    fn set_length(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn length(&self) -> io::Result<u64> {
        let state = self.state();
        Ok(state.at + state.bytes.len() as u64)
    }
}

/// A piece of an object: where it begins, and its bytes.
type Window = Arc<Mutex<(u64, Bytes)>>;

/// The pieces that are held of all objects, oldest first: only so many.
#[derive(Debug, Default)]
struct Windows(Mutex<VecDeque<Window>>);

impl Windows {
    fn hold(&self, window: &Window, at: u64, bytes: Bytes) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|other| !Arc::ptr_eq(other, window));
        held.push_back(Arc::clone(window));
        if held.len() > BUCKET_WINDOWS_MAX
            && let Some(oldest) = held.pop_front()
        {
            *oldest.lock().unwrap_or_else(PoisonError::into_inner) = (0, Bytes::new());
        }
        *window.lock().unwrap_or_else(PoisonError::into_inner) = (at, bytes);
    }
}

/// An object that is there. Small reads, and those that were announced, are answered from a piece of it.
#[derive(Debug)]
struct StoredObject {
    bucket: Arc<dyn Bucket>,
    name: String,
    length: u64,
    window: Window,
    windows: Arc<Windows>,
}

impl StoredObject {
    /// What the window has of these bytes.
    fn held(&self, at: u64, bytes: usize) -> Option<Bytes> {
        let window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let from = at.checked_sub(window.0)?;
        Some(window.1.slice(range(from, bytes, window.1.len()).ok()?))
    }
}

impl DiskFile for StoredObject {
    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        range(at, bytes.len(), self.length as usize)?;
        if let Some(held) = self.held(at, bytes.len()) {
            bytes.copy_from_slice(&held);
            return Ok(());
        }
        let wanted = (bytes.len() as u64).max(BUCKET_WINDOW_BYTES).min(self.length - at);
        let small = (bytes.len() as u64) < BUCKET_WINDOW_BYTES / 4;
        let asked = if small { wanted } else { bytes.len() as u64 };
        let found = self.bucket.get_range(&self.name, at, asked)?;
        bytes.copy_from_slice(&found[range(0, bytes.len(), found.len())?]);
        if small {
            self.windows.hold(&self.window, at, found);
        }
        Ok(())
    }

    /// One request instead of many.
    fn expect_read(&self, at: u64, bytes: u64) {
        let bytes = bytes.min(BUCKET_AHEAD_READ_BYTES).min(self.length.saturating_sub(at));
        if bytes == 0 || self.held(at, bytes as usize).is_some() {
            return;
        }
        // Who then reads it asks again, and is told what is wrong.
        if let Ok(found) = self.bucket.get_range(&self.name, at, bytes) {
            self.windows.hold(&self.window, at, found);
        }
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn set_length(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.length)
    }
}

/// Bytes in memory as a file: a chunk's object, which recovery reads like a file of the ring.
#[derive(Debug)]
pub(crate) struct HeldObject(pub(crate) Bytes);

impl DiskFile for HeldObject {
    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        bytes.copy_from_slice(&self.0[range(at, bytes.len(), self.0.len())?]);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn set_length(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;
    use crate::bucket::ObjectBucket;

    /// Bytes that say where they are.
    fn piece(at: u64, bytes: usize) -> Vec<u8> {
        (at..at + bytes as u64).map(|at| (at / 251) as u8).collect()
    }

    #[test]
    fn a_large_object_is_put_in_parts_and_read_in_pieces() {
        let objects = Arc::new(InMemory::new());
        let bucket: Arc<dyn Bucket> = Arc::new(ObjectBucket::memory(objects));
        let disk = BucketDisk::new(bucket, Clock::system(), Duration::ZERO);
        for (name, pieces) in [("segments/small", 1_u64), ("segments/large", 61)] {
            let file = disk.create_for_streaming(name).unwrap();
            let mebi = 1024 * 1024;
            for at in (0..pieces).map(|index| index * mebi) {
                file.write_at(&piece(at, mebi as usize), at).unwrap();
            }
            assert!(disk.open(name).is_err(), "{name} is there before it is synced");
            file.sync().unwrap();
            let stored = disk.open(name).unwrap();
            assert_eq!(stored.length().unwrap(), pieces * mebi);
            stored.expect_read(100, 3 * mebi);
            for at in [0, 100, 500_000, (pieces - 1) * mebi] {
                let mut found = vec![0; 300_000];
                stored.read_at(&mut found, at).unwrap();
                assert!(found == piece(at, 300_000), "{name} at {at}");
            }
        }
        let given_up = disk.create_for_streaming("segments/none").unwrap();
        given_up.write_at(&piece(0, 49 * 1024 * 1024), 0).unwrap();
        drop(given_up);
        assert!(disk.open("segments/none").is_err());
    }

    #[test]
    fn only_so_many_pieces_are_held() {
        let windows = Windows::default();
        let each: Vec<Window> = (0..BUCKET_WINDOWS_MAX + 3).map(|_| Window::default()).collect();
        for _ in 0..2 {
            each.iter().for_each(|window| windows.hold(window, 7, Bytes::from_static(b"x")));
        }
        let held = each.iter().filter(|window| !window.lock().unwrap().1.is_empty()).count();
        assert_eq!(held, BUCKET_WINDOWS_MAX);
    }
}
