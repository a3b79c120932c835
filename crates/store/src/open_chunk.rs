//! The chunk that is being filled.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use stdx::UnixMillis;

use crate::block::{BLOCK_HEADER_BYTES, BlockAt, BlockHeader, BlockKind, Codec, Home, RowEntry};
use crate::chunk::{BLOCK_OVERHEAD_BYTES, CHUNK_HEADER_BYTES, ChunkHeader, close_with_trailer};
use crate::id::{LogId, Position, TableId};
use crate::limits::{BLOCK_BYTES_GATHERED_MAX, CHUNK_ALIGN};
use crate::logs::LogRow;
use crate::mutant::{self, Mutant};
use crate::queue::Waiter;
use crate::spare::{self, Spare};

/// An open chunk's memory grows by this.
const GROWTH_BYTES: usize = 1 << 20;

/// What a chunk changes beside the records in it, once it is durable.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) rows: Vec<(TableId, RowEntry)>,
    /// A log's new row; `None` once it is forgotten.
    pub(crate) logs: Vec<(LogId, Option<LogRow>)>,
}

/// A chunk on its way to the lane.
#[derive(Debug)]
pub(crate) struct SealedChunk {
    pub(crate) home: Home,
    pub(crate) bytes: Bytes,
    pub(crate) blocks: Vec<BlockAt>,
    pub(crate) arrival: UnixMillis,
    pub(crate) effects: Effects,
    pub(crate) waiters: Vec<Waiter>,
}

/// A block whose place is fixed and whose header is not: arrival is known when the chunk is sealed,
/// so that no record arrives before it was sent or after it was acknowledged.
#[derive(Debug)]
struct Copied {
    at: usize,
    header: BlockHeader,
    body_crc: u32,
}

/// A run that will be one block.
#[derive(Debug)]
struct Gathered {
    log: LogId,
    kind: BlockKind,
    first: Position,
    count: u32,
    bytes: usize,
    parts: Vec<Bytes>,
}

/// The chunk that is being filled.
#[derive(Debug, Default)]
pub(crate) struct OpenChunk {
    buffer: Vec<u8>,
    copied: Vec<Copied>,
    gathered: Vec<Gathered>,
    gathering: HashMap<LogId, usize>,
    gathered_bytes: usize,
    /// What the last chunk took: this one will need as much, and growing costs a copy.
    expected_bytes: usize,
    spare: Arc<Spare>,
    pub(crate) effects: Effects,
    pub(crate) waiters: Vec<Waiter>,
}

/// What a chunk is sealed with.
pub(crate) struct Seal {
    pub(crate) home: Home,
    pub(crate) nonce: u64,
    pub(crate) epoch: u32,
    pub(crate) arrival: UnixMillis,
}

impl OpenChunk {
    /// An empty chunk in memory from `spare`.
    pub(crate) fn new(spare: Arc<Spare>) -> Self {
        OpenChunk { spare, ..OpenChunk::default() }
    }

    /// Takes what there is and leaves an empty chunk.
    pub(crate) fn take(&mut self) -> OpenChunk {
        let fresh = OpenChunk::new(Arc::clone(&self.spare));
        std::mem::replace(self, fresh)
    }

    /// Lets go of memory that waits for more: nothing has come for a while.
    pub(crate) fn rest(&mut self) {
        if self.is_empty() {
            (self.buffer, self.expected_bytes) = (Vec::new(), 0);
            self.spare.clear();
        }
    }

    /// Whether there is nothing to make durable.
    pub(crate) fn is_empty(&self) -> bool {
        self.copied.is_empty() && self.gathered.is_empty()
    }

    /// An upper bound of what the sealed chunk will take.
    pub(crate) fn bytes(&self) -> usize {
        let blocks = self.copied.len() + self.gathered.len();
        self.buffer.len() + self.gathered_bytes + blocks * BLOCK_OVERHEAD_BYTES
    }

    /// Adds a run of a log's records, which begins where the log's last one ended.
    pub(crate) fn push_records(&mut self, log: LogId, first: Position, count: u32, body: &Bytes) {
        if body.len() > BLOCK_BYTES_GATHERED_MAX {
            if let Some(index) = self.gathering.remove(&log) {
                self.copy_gathered(index);
            }
            self.copy(log, BlockKind::Records, first, count, &[body]);
        } else {
            self.gather(log, BlockKind::Records, first, count, body.clone());
        }
    }

    /// Adds a row.
    pub(crate) fn push_row(&mut self, table: TableId, row: RowEntry) {
        let mut body = Vec::new();
        row.encode(&mut body);
        let first = Position(row.version);
        self.gather(LogId::table(table.0), BlockKind::Rows, first, 1, body.into());
        self.effects.rows.push((table, row));
    }

    fn gather(&mut self, log: LogId, kind: BlockKind, first: Position, count: u32, body: Bytes) {
        self.gathered_bytes += body.len();
        let index = *self.gathering.entry(log).or_insert_with(|| {
            let run = Gathered { log, kind, first, count: 0, bytes: 0, parts: Vec::new() };
            self.gathered.push(run);
            self.gathered.len() - 1
        });
        let run = &mut self.gathered[index];
        run.count += count;
        run.bytes += body.len();
        if mutant::is_on(Mutant::ReorderInChunk) {
            run.parts.insert(0, body);
        } else {
            run.parts.push(body);
        }
    }

    fn copy_gathered(&mut self, index: usize) {
        let run = &mut self.gathered[index];
        let (log, kind, first, count) = (run.log, run.kind, run.first, run.count);
        let parts = std::mem::take(&mut run.parts);
        self.gathered_bytes -= std::mem::take(&mut run.bytes);
        let parts: Vec<&Bytes> = parts.iter().collect();
        self.copy(log, kind, first, count, &parts);
    }

    fn copy(&mut self, log: LogId, kind: BlockKind, first: Position, count: u32, parts: &[&Bytes]) {
        if self.buffer.is_empty() {
            self.make_room(CHUNK_HEADER_BYTES);
            self.buffer.resize(CHUNK_HEADER_BYTES, 0);
        }
        let at = self.buffer.len();
        self.make_room(BLOCK_HEADER_BYTES + parts.iter().map(|part| part.len()).sum::<usize>());
        self.buffer.resize(at + BLOCK_HEADER_BYTES, 0);
        parts.iter().for_each(|part| self.buffer.extend_from_slice(part));
        let body = &self.buffer[at + BLOCK_HEADER_BYTES..];
        let header = BlockHeader {
            log,
            kind,
            codec: Codec::None,
            first,
            count,
            arrival_min: UnixMillis(0),
            arrival_max: UnixMillis(0),
            body_bytes: body.len() as u32,
            crc: 0,
        };
        self.copied.push(Copied { at, header, body_crc: crc32c::crc32c(body) });
    }

    /// Grows the buffer, in steps so large that a full chunk takes few, each of which is a copy.
    fn make_room(&mut self, bytes: usize) {
        if self.buffer.capacity() == 0 {
            self.buffer = self.spare.take(self.expected_bytes);
        }
        let wanted = self.buffer.len() + bytes;
        if wanted > self.buffer.capacity() {
            let capacity = wanted.next_multiple_of(GROWTH_BYTES);
            self.buffer.reserve_exact(capacity - self.buffer.len());
        }
    }

    /// Finishes the chunk and leaves an empty one.
    pub(crate) fn seal(&mut self, seal: &Seal) -> SealedChunk {
        let gathered = self.bytes() - self.buffer.len();
        self.make_room(gathered + BLOCK_OVERHEAD_BYTES + CHUNK_ALIGN);
        for index in 0..self.gathered.len() {
            if !self.gathered[index].parts.is_empty() {
                self.copy_gathered(index);
            }
        }
        let mut chunk = self.take();
        let mut bytes = chunk.buffer;
        if bytes.is_empty() {
            bytes.resize(CHUNK_HEADER_BYTES, 0);
        }
        let blocks: Vec<BlockAt> = chunk
            .copied
            .drain(..)
            .map(|copied| {
                let Copied { at, mut header, body_crc } = copied;
                header.arrival_min = seal.arrival;
                header.arrival_max = seal.arrival;
                let encoded = header.seal(seal.home, body_crc);
                bytes[at..at + BLOCK_HEADER_BYTES].copy_from_slice(&encoded);
                BlockAt { at: at as u64, header }
            })
            .collect();
        let trailer = close_with_trailer(seal.home, &blocks, 0, &mut bytes);
        let header = ChunkHeader {
            home: seal.home,
            nonce: seal.nonce,
            epoch: seal.epoch,
            blocks: trailer.blocks,
            bytes_total: trailer.bytes_total as u32,
            footer_at: trailer.footer_at as u32,
            arrival: seal.arrival,
        };
        bytes[..CHUNK_HEADER_BYTES].copy_from_slice(&header.encode());
        self.expected_bytes = bytes.capacity();
        if !spare::fits(bytes.capacity(), bytes.len()) {
            // The chunk stays in memory, and keeps no more of it than it needs.
            let mut exact = self.spare.take(bytes.len());
            exact.extend_from_slice(&bytes);
            self.buffer = std::mem::replace(&mut bytes, exact);
            self.buffer.clear();
        }
        SealedChunk {
            home: seal.home,
            bytes: bytes.into(),
            blocks,
            arrival: seal.arrival,
            effects: chunk.effects,
            waiters: chunk.waiters,
        }
    }
}
