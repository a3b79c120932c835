//! The ring: a folder of files that lanes fill one after the other, used again once flushed.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Disk, DiskFile};
use crate::manifest::parse_number;
use crate::mutant::{self, Mutant};

pub(crate) const RING_FOLDER: &str = "ring";
/// Zeros are written in pieces of this size, so that making a file needs no memory to speak of.
const ZEROS_BYTES: usize = 256 * 1024;

/// One file of the ring.
#[derive(Debug)]
pub(crate) struct RingFile {
    pub(crate) number: u64,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) bytes: u64,
    /// Whether its blocks are allocated: writing into it then changes nothing but data.
    zeroed: AtomicBool,
    /// Whether a write or sync of it failed: it is never used again.
    spoiled: AtomicBool,
}

impl RingFile {
    /// A file that is only read.
    pub(crate) fn held(file: Arc<dyn DiskFile>, bytes: u64) -> Self {
        let (zeroed, spoiled) = Default::default();
        RingFile { number: 0, file, bytes, zeroed, spoiled }
    }

    pub(crate) fn is_zeroed(&self) -> bool {
        self.zeroed.load(Ordering::Relaxed)
    }

    pub(crate) fn spoil(&self) {
        self.spoiled.store(true, Ordering::Relaxed);
    }
}

/// Why there is no next file.
#[derive(Debug)]
pub(crate) enum RingError {
    /// All files hold unflushed data.
    Full,
    /// The disk's answer.
    Io(io::Error),
}

/// All files. Those that hold chunks are kept from being used again by whoever holds them.
#[derive(Debug)]
pub(crate) struct Ring {
    disk: Arc<dyn Disk>,
    file_bytes: u64,
    files_max: usize,
    state: Mutex<RingState>,
}

#[derive(Debug, Default)]
struct RingState {
    files: Vec<Arc<RingFile>>,
    number_next: u64,
}

impl Ring {
    /// The ring of a folder, with the files it has.
    pub(crate) fn open(disk: Arc<dyn Disk>, file_bytes: u64, bytes_max: u64) -> io::Result<Ring> {
        let mut state = RingState { files: Vec::new(), number_next: 1 };
        for name in disk.list(RING_FOLDER)? {
            let Some(number) = parse_number(&name) else { continue };
            let file = disk.open(&format!("{RING_FOLDER}/{name}"))?;
            let bytes = file.length()?;
            let whole = bytes >= file_bytes;
            if !whole {
                file.set_length(file_bytes)?;
            }
            state.number_next = state.number_next.max(number + 1);
            state.files.push(Arc::new(RingFile {
                number,
                file,
                bytes: bytes.max(file_bytes),
                zeroed: AtomicBool::new(whole),
                spoiled: AtomicBool::new(false),
            }));
        }
        state.files.sort_by_key(|file| file.number);
        let files_max = (bytes_max / file_bytes).max(2) as usize;
        Ok(Ring { disk, file_bytes, files_max, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, RingState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every file, for recovery to look through.
    pub(crate) fn files(&self) -> Vec<Arc<RingFile>> {
        self.state().files.clone()
    }

    /// What all files take.
    pub(crate) fn bytes(&self) -> u64 {
        self.state().files.iter().map(|file| file.bytes).sum()
    }

    /// A file that holds nothing needed: an allocated one if there is one, otherwise a new one.
    pub(crate) fn take(&self) -> Result<Arc<RingFile>, RingError> {
        self.take_within(self.files_max)
    }

    /// The same for the one chunk that a start writes again, for which there is always room.
    pub(crate) fn take_for_recovery(&self) -> io::Result<Arc<RingFile>> {
        self.take_within(usize::MAX).map_err(|error| match error {
            RingError::Io(error) => error,
            RingError::Full => io::ErrorKind::StorageFull.into(),
        })
    }

    fn take_within(&self, files_max: usize) -> Result<Arc<RingFile>, RingError> {
        let mut state = self.state();
        self.remove_spoiled(&mut state);
        let unused = |file: &&Arc<RingFile>| {
            Arc::strong_count(file) == 1 || mutant::is_on(Mutant::RecycleEarly)
        };
        let found = state.files.iter().filter(unused).max_by_key(|file| file.is_zeroed());
        if let Some(file) = found {
            return Ok(Arc::clone(file));
        }
        if state.files.len() >= files_max {
            return Err(RingError::Full);
        }
        // A number is tried once: what a failure leaves of it would stand in the way.
        state.number_next += 1;
        let file = self.create(state.number_next - 1).map_err(RingError::Io)?;
        state.files.push(Arc::clone(&file));
        Ok(file)
    }

    /// Whether half of the files there may be hold something needed: a process that starts again and
    /// again takes one each time, and fills none.
    pub(crate) fn is_crowded(&self) -> bool {
        let in_use = self.state().files.iter().filter(|file| Arc::strong_count(file) > 1).count();
        in_use * 2 > self.files_max
    }

    /// Whether an allocated, unused file is at hand.
    pub(crate) fn has_spare(&self) -> bool {
        let state = self.state();
        state.files.iter().any(|file| file.is_zeroed() && Arc::strong_count(file) == 1)
    }

    /// Makes an allocated file, unless there is one or the ring is full.
    pub(crate) fn prepare_spare(&self) -> io::Result<()> {
        let number = {
            let mut state = self.state();
            self.remove_spoiled(&mut state);
            let spare =
                state.files.iter().any(|file| Arc::strong_count(file) == 1 && file.is_zeroed());
            if spare || state.files.len() >= self.files_max {
                return Ok(());
            }
            state.number_next += 1;
            state.number_next - 1
        };
        let file = self.create(number)?;
        if let Err(error) = self.fill(&file) {
            let _taken_in_at_the_next_start = self.disk.remove(&name_of(number));
            return Err(error);
        }
        self.state().files.push(file);
        Ok(())
    }

    fn create(&self, number: u64) -> io::Result<Arc<RingFile>> {
        let created = self.create_whole(number);
        if created.is_err() {
            let _taken_in_at_the_next_start = self.disk.remove(&name_of(number));
        }
        created
    }

    fn create_whole(&self, number: u64) -> io::Result<Arc<RingFile>> {
        let file = self.disk.create(&name_of(number))?;
        file.set_length(self.file_bytes)?;
        file.sync()?;
        if !mutant::is_on(Mutant::RingNameUnsynced) {
            self.disk.sync_folder(RING_FOLDER)?;
        }
        Ok(Arc::new(RingFile {
            number,
            file,
            bytes: self.file_bytes,
            zeroed: AtomicBool::new(false),
            spoiled: AtomicBool::new(false),
        }))
    }

    fn fill(&self, file: &RingFile) -> io::Result<()> {
        let zeros = vec![0; ZEROS_BYTES.min(file.bytes as usize)];
        let mut at = 0;
        while at < file.bytes {
            let count = zeros.len().min((file.bytes - at) as usize);
            file.file.write_at(&zeros[..count], at)?;
            at += count as u64;
        }
        file.file.sync()?;
        file.zeroed.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Removes files that failed, once nobody needs what they hold.
    fn remove_spoiled(&self, state: &mut RingState) {
        state.files.retain(|file| {
            let removable = file.spoiled.load(Ordering::Relaxed) && Arc::strong_count(file) == 1;
            if removable {
                let _tried_again_at_the_next_start = self.disk.remove(&name_of(file.number));
            }
            !removable
        });
    }
}

fn name_of(number: u64) -> String {
    format!("{RING_FOLDER}/{number:016x}")
}
