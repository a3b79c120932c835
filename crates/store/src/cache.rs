//! What reads keep in memory: verified blocks, and where sequential readers are.

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::block::{BLOCK_HEADER_BYTES, Home};
use crate::id::{LogId, Position};
use crate::limits::{READ_MARKS_MAX, SEGMENT_BLOCK_BYTES};
use crate::source::{BlockError, BlockSource};

/// A block's file, and where its body lies in it.
type BlockPlace = (Home, u64);

/// What a block weighs: its body, and what keeping it costs.
#[derive(Clone, Debug)]
struct BlockWeight;

impl Weighter<BlockPlace, Bytes> for BlockWeight {
    fn weight(&self, _: &BlockPlace, body: &Bytes) -> u64 {
        (BLOCK_HEADER_BYTES + body.len()) as u64
    }
}

/// Where a reader's last cold read ended: its next one begins there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadMark {
    /// The segment and the block in it to look at first.
    pub(crate) segment: u64,
    pub(crate) index: usize,
}

/// Verified blocks and the marks of readers, each within its budget.
#[derive(Debug)]
pub(crate) struct ReadCache {
    blocks: Cache<BlockPlace, Bytes, BlockWeight>,
    marks: Cache<(LogId, Position), ReadMark>,
}

impl ReadCache {
    pub(crate) fn new(block_bytes_max: u64) -> Self {
        let count = block_bytes_max as usize / SEGMENT_BLOCK_BYTES;
        ReadCache {
            blocks: Cache::with_weighter(count, block_bytes_max, BlockWeight),
            marks: Cache::new(READ_MARKS_MAX),
        }
    }

    /// A block's body, from memory if it is there. Readers of one block at a time wait for the first.
    pub(crate) fn load(&self, source: &BlockSource, verify: bool) -> Result<Bytes, BlockError> {
        match source.in_file() {
            None => source.load(verify),
            Some(at) => self.blocks.get_or_insert_with(&(source.home, at), || source.load(verify)),
        }
    }

    /// Whether loading a block needs the disk.
    pub(crate) fn lacks(&self, source: &BlockSource) -> bool {
        source.in_file().is_some_and(|at| self.blocks.peek(&(source.home, at)).is_none())
    }

    /// Where the reader that has read up to `cursor` is.
    pub(crate) fn take_mark(&self, log: LogId, cursor: Position) -> Option<ReadMark> {
        self.marks.remove(&(log, cursor)).map(|(_, mark)| mark)
    }

    pub(crate) fn put_mark(&self, log: LogId, cursor: Position, mark: ReadMark) {
        self.marks.insert((log, cursor), mark);
    }

    /// What the blocks take.
    #[cfg(test)]
    pub(crate) fn block_bytes(&self) -> u64 {
        self.blocks.weight()
    }
}
