//! Segments: flushed entries of many logs, sorted by log and position.

use std::io;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use stdx::UnixMillis;

use crate::aligned::AlignedBuffer;
use crate::block::{BLOCK_HEADER_BYTES, BlockAt, BlockHeader, BlockKind, Home};
use crate::chunk::{FOOTER_ENTRY_BYTES, TRAILER_BYTES, Trailer, close_with_trailer};
use crate::codec::Layout;
use crate::disk::{Disk, DiskFile};
use crate::id::{LogId, Position};
use crate::limits::{CHUNK_ALIGN, SEGMENTS_PER_CLASS_MAX};
use crate::manifest::SegmentState;
use crate::mutant::{self, Mutant};
use crate::source::{BlockError, BlockSource};

pub(crate) const SEGMENT_FOLDER: &str = "segments";
/// Bytes of a segment's header.
pub(crate) const SEGMENT_HEADER_BYTES: usize = 32;
const SEGMENT_MAGIC: [u8; 4] = *b"LVSG";
const SEGMENT_VERSION: u16 = 1;
/// A segment is written in pieces of about this size.
const WRITE_BYTES: usize = 1024 * 1024;

pub(crate) fn name_of(number: u64) -> String {
    format!("{SEGMENT_FOLDER}/{number:016x}")
}

/// A segment's header, which only people and tools look at: the manifest says what a file is.
pub(crate) fn encode_header(number: u64) -> [u8; SEGMENT_HEADER_BYTES] {
    let mut bytes = [0; SEGMENT_HEADER_BYTES];
    let fields = Layout::new(&mut bytes).bytes(&SEGMENT_MAGIC).u16(SEGMENT_VERSION).u16(0);
    let _full = fields.u64(number);
    let crc = crc32c::crc32c(&bytes[..SEGMENT_HEADER_BYTES - 4]);
    bytes[SEGMENT_HEADER_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// One segment.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) state: SegmentState,
    disk: Arc<dyn Disk>,
    file: Mutex<Option<Arc<dyn DiskFile>>>,
    /// The log that kept it from being deleted when that was last looked at, and its last position.
    pub(crate) blocker: Mutex<Option<(LogId, Position)>>,
}

impl Segment {
    pub(crate) fn new(disk: Arc<dyn Disk>, state: SegmentState) -> Self {
        let (file, blocker) = Default::default();
        Segment { state, disk, file, blocker }
    }

    /// A segment whose file is open, whatever its name is.
    pub(crate) fn of_file(
        disk: Arc<dyn Disk>,
        file: Arc<dyn DiskFile>,
        state: SegmentState,
    ) -> Self {
        Segment { file: Mutex::new(Some(file)), ..Segment::new(disk, state) }
    }

    pub(crate) fn home(&self) -> Home {
        Home::segment(self.state.number)
    }

    /// The open file.
    pub(crate) fn file(&self) -> io::Result<Arc<dyn DiskFile>> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        match &*file {
            Some(file) => Ok(Arc::clone(file)),
            None => Ok(Arc::clone(file.insert(self.disk.open(&name_of(self.state.number))?))),
        }
    }

    /// The directory from the disk, made anew if it is lost.
    fn load_directory(&self) -> Result<Directory, DirectoryError> {
        let read = match self.read_directory()? {
            Some(directory) => Some(directory),
            None => self.rebuild_directory()?,
        };
        read.map(Arc::new).ok_or(DirectoryError::Damaged)
    }

    /// The directory made anew from the blocks themselves, when it is lost; `None` if they are not all
    /// whole.
    pub(crate) fn rebuild_directory(&self) -> io::Result<Option<Vec<BlockAt>>> {
        let file = self.file()?;
        let mut blocks = Vec::new();
        let mut at = SEGMENT_HEADER_BYTES as u64;
        loop {
            let footer_bytes = (blocks.len() * FOOTER_ENTRY_BYTES + TRAILER_BYTES) as u64;
            if (at + footer_bytes).next_multiple_of(CHUNK_ALIGN as u64) == self.state.bytes_total {
                return Ok(Some(blocks));
            }
            let mut header = [0; BLOCK_HEADER_BYTES];
            file.read_at(&mut header, at)?;
            let Some(header) = BlockHeader::decode(&header) else { return Ok(None) };
            let next = at + header.bytes_total() as u64;
            if next > self.state.bytes_total {
                return Ok(None);
            }
            let source = BlockSource::of_file(&file, self.home(), at, header.clone());
            match source.load(true) {
                Ok(_) => blocks.push(BlockAt { at, header }),
                Err(BlockError::Damaged) => return Ok(None),
                Err(BlockError::Io(error)) => return Err(error),
            }
            at = next;
        }
    }

    /// Reads the directory; `None` if it is not what was written.
    pub(crate) fn read_directory(&self) -> io::Result<Option<Vec<BlockAt>>> {
        let file = self.file()?;
        let mut end = [0; TRAILER_BYTES];
        let Some(end_at) = self.state.bytes_total.checked_sub(TRAILER_BYTES as u64) else {
            return Ok(None);
        };
        file.read_at(&mut end, end_at)?;
        let trailer = Trailer::decode(&end)
            .filter(|trailer| trailer.home == self.home())
            .filter(|trailer| trailer.bytes_total == self.state.bytes_total);
        let Some(trailer) = trailer else { return Ok(None) };
        let mut footer = Vec::new();
        file.read_onto(&mut footer, trailer.footer_bytes(), trailer.footer_at)?;
        Ok(trailer.blocks(&footer))
    }

    pub(crate) fn source(&self, block: &BlockAt) -> io::Result<BlockSource> {
        let file = self.file()?;
        Ok(BlockSource::of_file(&file, self.home(), block.at, block.header.clone()))
    }
}

/// Why a directory cannot be had.
#[derive(Debug)]
pub(crate) enum DirectoryError {
    Damaged,
    Io(io::Error),
}

impl From<io::Error> for DirectoryError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => DirectoryError::Damaged,
            _ => DirectoryError::Io(error),
        }
    }
}

/// A segment's blocks: rows by table and key, then records by log and position.
pub(crate) type Directory = Arc<Vec<BlockAt>>;

/// What a directory weighs in memory.
#[derive(Clone, Debug)]
struct DirectoryWeight;

impl Weighter<u64, Directory> for DirectoryWeight {
    fn weight(&self, _: &u64, directory: &Directory) -> u64 {
        ((directory.len() + 1) * size_of::<BlockAt>()) as u64
    }
}

/// All segments, oldest first, and those of their directories that are in memory.
#[derive(Debug)]
pub(crate) struct Segments {
    list: RwLock<Arc<Vec<Arc<Segment>>>>,
    directories: Cache<u64, Directory, DirectoryWeight>,
}

impl Segments {
    /// None yet, and directories of `directory_bytes_max` bytes together.
    pub(crate) fn new(directory_bytes_max: u64) -> Self {
        let directories =
            Cache::with_weighter(SEGMENTS_PER_CLASS_MAX, directory_bytes_max, DirectoryWeight);
        Segments { list: RwLock::default(), directories }
    }

    pub(crate) fn list(&self) -> Arc<Vec<Arc<Segment>>> {
        Arc::clone(&self.list.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn replace(&self, segments: Vec<Arc<Segment>>) {
        *self.list.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(segments);
    }

    /// A segment's directory, from memory or disk.
    pub(crate) fn directory(&self, segment: &Segment) -> Result<Directory, DirectoryError> {
        self.directories.get_or_insert_with(&segment.state.number, || segment.load_directory())
    }

    /// A directory that is read once, without a place in memory for others.
    pub(crate) fn directory_once(&self, segment: &Segment) -> Result<Directory, DirectoryError> {
        match self.directories.peek(&segment.state.number) {
            Some(directory) => Ok(directory),
            None => segment.load_directory(),
        }
    }

    /// What the directories in memory take.
    #[cfg(test)]
    pub(crate) fn directory_bytes(&self) -> u64 {
        self.directories.weight()
    }

    /// Forgets the directory of a segment that is gone.
    pub(crate) fn forget(&self, segment: &Segment) {
        self.directories.remove(&segment.state.number);
    }
}

/// The first block of `log` that reaches above `from`.
pub(crate) fn find(directory: &[BlockAt], log: LogId, from: Position) -> Option<usize> {
    let below = |block: &BlockAt| (block.header.log, block.header.end()) <= (log, from);
    first_of(directory, log, directory.partition_point(below))
}

/// The first block of `log` with a record that arrived at or after `time`.
pub(crate) fn find_time(directory: &[BlockAt], log: LogId, time: UnixMillis) -> Option<usize> {
    let before = |block: &BlockAt| {
        let late = mutant::is_on(Mutant::WrongTimeIndex) && block.header.arrival_min < time;
        let own = block.header.log == log;
        block.header.log < log || own && (block.header.arrival_max < time || late)
    };
    first_of(directory, log, directory.partition_point(before))
}

fn first_of(directory: &[BlockAt], log: LogId, index: usize) -> Option<usize> {
    directory.get(index).is_some_and(|block| block.header.log == log).then_some(index)
}

/// Writes one segment from front to back.
pub(crate) struct SegmentWriter {
    file: Arc<dyn DiskFile>,
    number: u64,
    written: u64,
    buffer: AlignedBuffer,
    blocks: Vec<BlockAt>,
    row_blocks: u32,
    row_bytes: u64,
}

impl SegmentWriter {
    pub(crate) fn create(disk: &dyn Disk, number: u64) -> io::Result<Self> {
        let mut buffer = AlignedBuffer::new(WRITE_BYTES);
        buffer.fill(&encode_header(number));
        Ok(SegmentWriter {
            file: disk.create_for_streaming(&name_of(number))?,
            number,
            written: 0,
            buffer,
            blocks: Vec::new(),
            row_blocks: 0,
            row_bytes: 0,
        })
    }

    fn at(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Adds a block. Rows come before records, and each in order.
    pub(crate) fn push(&mut self, mut header: BlockHeader, body: &[u8]) -> io::Result<()> {
        let at = self.at();
        header.body_bytes = body.len() as u32;
        let encoded = header.seal(Home::segment(self.number), crc32c::crc32c(body));
        self.append(&encoded)?;
        self.append(body)?;
        if header.kind == BlockKind::Rows {
            self.row_blocks += 1;
            self.row_bytes += (BLOCK_HEADER_BYTES + body.len()) as u64;
        }
        self.blocks.push(BlockAt { at, header });
        Ok(())
    }

    fn append(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let taken = self.buffer.fill(bytes);
            bytes = &bytes[taken..];
            if self.buffer.is_full() {
                self.write_out()?;
            }
        }
        Ok(())
    }

    /// Every piece but the last is full, and the last ends at a whole page: all are aligned.
    fn write_out(&mut self) -> io::Result<()> {
        self.file.write_at(self.buffer.filled(), self.written)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Writes the directory and makes all of it durable; the name too.
    pub(crate) fn finish(
        mut self,
        disk: &dyn Disk,
        all_rows: bool,
        class: u8,
        compacted: bool,
    ) -> io::Result<SegmentState> {
        let home = Home::segment(self.number);
        let footer_at = self.at();
        let mut bytes = Vec::new();
        close_with_trailer(home, &self.blocks, footer_at, &mut bytes);
        self.append(&bytes)?;
        self.write_out()?;
        if !mutant::is_on(Mutant::SegmentUnsynced) {
            self.file.sync()?;
        }
        if !mutant::is_on(Mutant::SegmentNameUnsynced) {
            disk.sync_folder(SEGMENT_FOLDER)?;
        }
        let records = self.blocks.iter().filter(|block| block.header.kind == BlockKind::Records);
        let arrivals = records.clone().map(|block| block.header.arrival_min);
        Ok(SegmentState {
            number: self.number,
            bytes_total: footer_at + bytes.len() as u64,
            row_blocks: self.row_blocks,
            row_bytes: self.row_bytes,
            all_rows,
            class,
            compacted,
            arrival_min: arrivals.min().unwrap_or_default(),
            arrival_max: records.map(|block| block.header.arrival_max).max().unwrap_or_default(),
        })
    }
}
