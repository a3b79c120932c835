//! Room: what the folder takes, a reserve for what makes room, and what happens without any.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::core::{Core, FolderState};
use crate::disk::Disk;
use crate::lane::is_full;
use crate::limits::{DATA_LOW_PERCENT, FREE_BYTES_LOW, ROW_GROWTH_BYTES_MIN};
use crate::segment::Segment;

pub(crate) const RESERVE_NAME: &str = "reserve";
/// The reserve is written in pieces of this size.
const ZEROS_BYTES: usize = 64 * 1024;

/// A file whose only use is to be removed: manifests, and chunks without records, then have room on a
/// disk that has none.
#[derive(Debug)]
pub(crate) struct Reserve {
    bytes: u64,
    held: AtomicBool,
}

impl Reserve {
    pub(crate) fn new(bytes: u64) -> Self {
        Reserve { bytes, held: AtomicBool::new(false) }
    }

    /// Makes sure that it is there.
    pub(crate) fn keep(&self, disk: &dyn Disk) -> io::Result<()> {
        if self.bytes == 0 || self.held.load(Ordering::Acquire) {
            return Ok(());
        }
        let kept = match disk.open(RESERVE_NAME) {
            Ok(file) => file.length()? == self.bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        if !kept && let Err(error) = self.fill(disk) {
            let _not_there_or_tried_again = disk.remove(RESERVE_NAME);
            return Err(error);
        }
        self.held.store(true, Ordering::Release);
        Ok(())
    }

    fn fill(&self, disk: &dyn Disk) -> io::Result<()> {
        match disk.remove(RESERVE_NAME) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = disk.create(RESERVE_NAME)?;
        let zeros = vec![0; ZEROS_BYTES];
        let mut at = 0;
        while at < self.bytes {
            let count = (self.bytes - at).min(ZEROS_BYTES as u64);
            file.write_at(&zeros[..count as usize], at)?;
            at += count;
        }
        file.sync()
    }

    /// Gives its room to a start that would have less.
    pub(crate) fn help_start(&self, disk: &dyn Disk) {
        if disk.free_bytes().is_some_and(|free| free < self.bytes) {
            let _not_there = disk.remove(RESERVE_NAME);
        }
    }

    /// Gives its room away.
    pub(crate) fn release(&self, disk: &dyn Disk) {
        if self.held.swap(false, Ordering::AcqRel) {
            let _tried_again_when_it_is_made_anew = disk.remove(RESERVE_NAME);
        }
    }
}

impl Core {
    /// The disk has no room: what needs none goes on in the reserve, and the flusher looks for more.
    pub(crate) fn run_out_of_room(&self) {
        self.condition.set_disk_full(true);
        if let Some(folder) = &self.folder {
            folder.reserve.release(&*folder.disk);
        }
        self.flush_signal.wake();
    }

    /// Writes something small that cannot wait: with the reserve's room, if there is no other.
    pub(crate) fn write_small(&self, write: impl Fn() -> io::Result<()>) -> io::Result<()> {
        match write() {
            Err(error) if is_full(&error) => {
                self.run_out_of_room();
                write()
            }
            written => written,
        }
    }

    /// Bytes that the folder takes, and will once everything unflushed is in a segment.
    pub(crate) fn data_bytes(&self) -> u64 {
        let Some(folder) = &self.folder else { return 0 };
        let segments = folder.segments.list();
        let flushed: u64 = segments.iter().map(|segment| segment.state.bytes_total).sum();
        let ring = folder.ring.as_ref().map_or(0, |ring| ring.bytes());
        let coming = self.unflushed.bytes() + self.compactor.writing_bytes();
        flushed + ring + self.shelf.bytes() + self.config.reserve_bytes + coming
    }

    /// Whether the folder may not take so much more, even for a while.
    pub(crate) fn would_take_too_much(&self, bytes: u64) -> bool {
        let taken = || self.data_bytes() + self.config.reserve_bytes + bytes;
        self.config.data_bytes_max.is_some_and(|most| taken() >= most)
    }

    /// Whether records are refused because the folder may not grow any more. Manifests and small files
    /// are not counted one by one: the size of the reserve once more is left for them.
    pub(crate) fn is_over_budget(&self) -> bool {
        let over = self.would_take_too_much(0);
        self.condition.set_data_full(over);
        over
    }

    /// Warns before there is no room.
    pub(crate) fn look_at_room(&self) {
        let Some(folder) = &self.folder else { return };
        let near = |most: u64| self.data_bytes() / DATA_LOW_PERCENT >= most / 100;
        let low = match self.config.data_bytes_max {
            Some(most) if near(most) => true,
            _ => folder.disk.free_bytes().is_some_and(|free| free < FREE_BYTES_LOW),
        };
        self.condition.set_room_low(low);
    }

    /// On a full disk: removes what is trimmed, by means of the reserve, and makes that anew; whether
    /// there is room for it.
    pub(crate) fn make_room(&self, folder: &FolderState) -> bool {
        let mut freed = self.delete_trimmed(folder);
        if freed.as_ref().is_err_and(is_full) {
            folder.reserve.release(&*folder.disk);
            freed = self.delete_trimmed(folder);
        }
        if let Err(error) = freed {
            tracing::warn!(%error, "trimmed segments could not be deleted");
        }
        if folder.reserve.keep(&*folder.disk).is_ok() {
            return true;
        }
        // Trimmed segments may be there for their rows only, which are written anew then.
        if self.trimmed_but_for_rows(folder).next().is_some() {
            folder.reserve.release(&*folder.disk);
            let moved = self.flush_rows(folder).and_then(|()| self.delete_trimmed(folder));
            if let Err(error) = moved {
                tracing::warn!(%error, "the rows of trimmed segments could not be moved");
            }
        }
        folder.reserve.keep(&*folder.disk).is_ok()
    }

    /// Segments of which all records are trimmed, and whose rows are needed.
    pub(crate) fn trimmed_but_for_rows<'a>(
        &'a self,
        folder: &'a FolderState,
    ) -> impl Iterator<Item = Arc<Segment>> + 'a {
        let list = folder.segments.list();
        let needed: Vec<Arc<Segment>> = list
            .iter()
            .enumerate()
            .filter(|(index, _)| !list[index + 1..].iter().any(|later| later.state.all_rows))
            .map(|(_, segment)| Arc::clone(segment))
            .collect();
        let is_worth_it = |own: &Arc<Segment>| {
            let records = own.state.bytes_total - own.state.row_bytes;
            own.state.row_blocks > 0 && records >= ROW_GROWTH_BYTES_MIN
        };
        needed.into_iter().filter(is_worth_it).filter(|own| self.is_trimmed(folder, own))
    }
}
