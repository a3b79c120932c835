//! The seam between the store and the disk: everything that can be lost, torn or refused.
#![allow(clippy::disallowed_methods)]

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::fs::{Advice, FlockOperation, OFlags, fadvise};

use crate::limits::{CHUNK_ALIGN, LOCK_POLL};
use crate::mutant::{self, Mutant};

/// Readable and writable by the owner only: the folder holds keys and other people's data.
const MODE_PRIVATE: u32 = 0o600;

/// Writes past the page cache.
const O_DIRECT: i32 = OFlags::DIRECT.bits() as i32;

/// A data folder. Names are relative, with `/` between the parts.
pub(crate) trait Disk: Send + Sync + Debug {
    /// Makes a folder, if it is not there.
    fn make_folder(&self, name: &str) -> io::Result<()>;
    /// The names in a folder (`""` is the data folder itself), in no order.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;
    /// Makes an empty file; an error if the name is taken.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Makes an empty file that will be written once, from front to back, in large pieces.
    fn create_for_streaming(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.create(name)
    }
    /// Makes an empty file that will be written once, from front to back, and of which as little as
    /// possible should wait in memory.
    fn create_in_parts(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.create(name)
    }
    /// Opens a file for reading and writing.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Gives a file a second name; an error if that is taken.
    fn link(&self, from: &str, to: &str) -> io::Result<()>;
    /// Renames a file over whatever has the new name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a name.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_folder(&self, folder: &str) -> io::Result<()>;
    /// Claims the folder for this process by locking `name`, until the lock is dropped; `None` if
    /// another process has it.
    fn lock(&self, name: &str) -> io::Result<Option<Box<dyn Send + Sync>>>;
    /// The same, waiting so long for a process that is about to let it go.
    fn lock_within(
        &self,
        name: &str,
        _limit: Duration,
    ) -> io::Result<Option<Box<dyn Send + Sync>>> {
        self.lock(name)
    }
    /// Makes a small file whole and durably; an error if the name is taken.
    fn put_new(&self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// Bytes that may still be written, if anybody knows.
    fn free_bytes(&self) -> Option<u64> {
        None
    }
    /// What people call this folder or the file in it.
    fn path(&self, name: &str) -> PathBuf;
}

/// An open file.
pub(crate) trait DiskFile: Send + Sync + Debug {
    /// Writes all of `bytes` at `at`.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;
    /// Fills `bytes` from `at`; an error if the file ends before.
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()>;
    /// Appends `count` bytes from `at` to `into`; an error if the file ends before.
    fn read_onto(&self, into: &mut Vec<u8>, count: usize, at: u64) -> io::Result<()> {
        let start = into.len();
        into.resize(start + count, 0);
        self.read_at(&mut into[start..], at)
    }
    /// Says that these bytes will be asked for soon.
    fn expect_read(&self, _at: u64, _bytes: u64) {}
    /// Makes everything written durable.
    fn sync(&self) -> io::Result<()>;
    /// Sets the length; new bytes are zero.
    fn set_length(&self, bytes: u64) -> io::Result<()>;
    /// The length in bytes.
    fn length(&self) -> io::Result<u64>;
}

/// The operating system's.
#[derive(Debug)]
pub(crate) struct RealDisk {
    folder: PathBuf,
}

impl RealDisk {
    /// The folder, made with its parents if it is not there.
    pub(crate) fn new(folder: &Path) -> io::Result<Self> {
        if !folder.is_dir() {
            fs::create_dir_all(folder)?;
            if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                File::open(parent)?.sync_all()?;
            }
        }
        Ok(RealDisk { folder: folder.to_owned() })
    }
}

impl Disk for RealDisk {
    fn make_folder(&self, name: &str) -> io::Result<()> {
        fs::create_dir_all(self.folder.join(name))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let names = fs::read_dir(self.folder.join(folder))?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        names.collect()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(MODE_PRIVATE);
        Ok(Arc::new(RealFile(options.open(self.folder.join(name))?)))
    }

    fn create_for_streaming(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.create(name)?;
        let mut options = OpenOptions::new();
        options.write(true).custom_flags(O_DIRECT);
        match options.open(self.folder.join(name)) {
            Ok(direct) => Ok(Arc::new(StreamedFile { file, direct })),
            // Some file systems have no such thing.
            Err(_) => Ok(file),
        }
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(self.folder.join(name))?;
        Ok(Arc::new(RealFile(file)))
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        fs::hard_link(self.folder.join(from), self.folder.join(to))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.folder.join(from), self.folder.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.folder.join(name))
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        File::open(self.folder.join(folder))?.sync_all()
    }

    fn lock(&self, name: &str) -> io::Result<Option<Box<dyn Send + Sync>>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(MODE_PRIVATE);
        let file = options.open(self.folder.join(name))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn lock_within(&self, name: &str, limit: Duration) -> io::Result<Option<Box<dyn Send + Sync>>> {
        for _ in 0..limit.as_millis() / LOCK_POLL.as_millis() {
            if let Some(lock) = self.lock(name)? {
                return Ok(Some(lock));
            }
            // A process that has been killed may take a moment to be gone.
            std::thread::sleep(LOCK_POLL);
        }
        self.lock(name)
    }

    fn put_new(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        put_if_absent(self, name, bytes)
    }

    fn free_bytes(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(&self.folder).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.folder.clone() } else { self.folder.join(name) }
    }
}

#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, at)
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        self.0.read_exact_at(bytes, at)
    }

    /// Into memory that has not been zeroed first: a page of records is read in many large pieces.
    fn read_onto(&self, into: &mut Vec<u8>, count: usize, at: u64) -> io::Result<()> {
        let start = into.len();
        into.reserve_exact(count);
        while into.len() < start + count {
            let done = (into.len() - start) as u64;
            match rustix::io::pread(&self.0, spare_capacity(into), at + done) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        into.truncate(start + count);
        Ok(())
    }

    fn expect_read(&self, at: u64, bytes: u64) {
        let _only_a_hint = fadvise(&self.0, at, NonZeroU64::new(bytes), Advice::WillNeed);
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_length(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

/// A file that aligned pieces reach past the page cache: filling the cache with what nobody may
/// ever read costs more than writing it (`docs/performance.md`).
#[derive(Debug)]
struct StreamedFile {
    file: Arc<dyn DiskFile>,
    direct: File,
}

impl DiskFile for StreamedFile {
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let aligned = at.is_multiple_of(CHUNK_ALIGN as u64)
            && bytes.len().is_multiple_of(CHUNK_ALIGN)
            && bytes.as_ptr().align_offset(CHUNK_ALIGN) == 0;
        if aligned {
            match self.direct.write_all_at(bytes, at) {
                // The disk may want more than we know of; the page cache wants nothing.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
                written => return written,
            }
        }
        self.file.write_at(bytes, at)
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        self.file.read_at(bytes, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn set_length(&self, bytes: u64) -> io::Result<()> {
        self.file.set_length(bytes)
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }
}

/// Gives a file a second name in another folder of the same file system.
pub(crate) fn link_across(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    }
}

/// Reads a small file whole; `None` if it is not there.
pub(crate) fn read_small(
    disk: &dyn Disk,
    name: &str,
    bytes_max: usize,
) -> io::Result<Option<Vec<u8>>> {
    let file = match disk.open(name) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = file.length()?;
    if length > bytes_max as u64 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is too large"));
    }
    let mut bytes = vec![0; length as usize];
    file.read_at(&mut bytes, 0)?;
    Ok(Some(bytes))
}

/// Reads a small file of a folder that nobody here has opened.
pub(crate) fn read_foreign(folder: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    match fs::read(folder.join(name)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a small file whole and durably under a name that may be taken, which is then replaced.
pub(crate) fn replace_small(disk: &dyn Disk, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = write_temporary(disk, name, bytes)?;
    disk.rename(&temporary, name)?;
    disk.sync_folder(folder_of(name))
}

/// Writes a small file whole and durably under a free name.
pub(crate) fn put_if_absent(disk: &dyn Disk, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = write_temporary(disk, name, bytes)?;
    disk.link(&temporary, name)?;
    if !mutant::is_on(Mutant::ManifestNameUnsynced) {
        disk.sync_folder(folder_of(name))?;
    }
    let _replaced_next_time = disk.remove(&temporary);
    Ok(())
}

fn write_temporary(disk: &dyn Disk, name: &str, bytes: &[u8]) -> io::Result<String> {
    let temporary = format!("{name}.new");
    match disk.remove(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = disk.create(&temporary)?;
    file.write_at(bytes, 0)?;
    if !mutant::is_on(Mutant::ManifestUnsynced) {
        file.sync()?;
    }
    Ok(temporary)
}

fn folder_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}
