//! The logs as everybody may see them: durable state only.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bytes::Bytes;
use stdx::UnixMillis;
use tokio::sync::Notify;

use crate::block::{BlockAt, Home};
use crate::codec::{Fields, Layout};
use crate::id::{LogId, Position};
use crate::lane::Place;
use crate::spare::Spare;

/// Bytes of a row of the table of logs.
const LOG_ROW_BYTES: usize = 17;

/// A recent durable chunk: one that has not been flushed, or that is kept in memory after that.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) home: Home,
    pub(crate) bytes_total: u64,
    pub(crate) blocks: Vec<BlockAt>,
    /// Where it lies in the ring, until it is flushed.
    places: Mutex<Vec<Place>>,
    /// Its bytes, while they are kept.
    pub(crate) memory: Option<Bytes>,
    /// What counts the bytes of all chunks in memory.
    pub(crate) held: Option<Arc<AtomicU64>>,
    /// Where its memory goes when nobody needs it any more.
    spare: Option<Arc<Spare>>,
}

impl Chunk {
    pub(crate) fn new(
        home: Home,
        bytes_total: u64,
        blocks: Vec<BlockAt>,
        place: Option<Place>,
        memory: Option<Bytes>,
        held: Option<Arc<AtomicU64>>,
    ) -> Self {
        Chunk {
            home,
            bytes_total,
            blocks,
            places: Mutex::new(place.into_iter().collect()),
            memory,
            held,
            spare: None,
        }
    }

    /// It lies in other places, too, which are kept with it.
    pub(crate) fn also_at(&self, copies: Vec<Place>) {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).extend(copies);
    }

    /// The same, whose memory goes to `spare` when nobody needs it any more.
    pub(crate) fn recycled(self, spare: &Arc<Spare>) -> Self {
        let mut chunk = self;
        chunk.spare = Some(Arc::clone(spare));
        chunk
    }

    /// Where it lies in the ring.
    pub(crate) fn place(&self) -> Option<Place> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).first().cloned()
    }

    /// It has been flushed: the ring may use its file again.
    pub(crate) fn leave_ring(&self) {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What keeping it takes.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let own = self.memory.as_ref().map_or(0, Bytes::len);
        (own + self.blocks.len() * (size_of::<BlockAt>() + size_of::<Recent>())) as u64
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        if let Some(held) = &self.held {
            held.fetch_sub(self.bytes_total, Ordering::Relaxed);
        }
        if let (Some(spare), Some(memory)) = (&self.spare, self.memory.take()) {
            spare.give(memory);
        }
    }
}

/// A block of a recent chunk.
#[derive(Clone, Debug)]
pub(crate) struct Recent {
    pub(crate) chunk: Arc<Chunk>,
    pub(crate) block: usize,
}

impl Recent {
    pub(crate) fn at(&self) -> &BlockAt {
        &self.chunk.blocks[self.block]
    }
}

/// One log's durable state.
#[derive(Debug)]
pub(crate) struct LogEntry {
    state: Mutex<LogState>,
    moves: AtomicU64,
    wake: Notify,
    /// Its retention class, as far as anybody has told.
    class: AtomicU8,
}

/// What [`LogEntry`] guards.
#[derive(Debug)]
pub(crate) struct LogState {
    /// Everything durable lies below this.
    pub(crate) next: Position,
    pub(crate) end: Option<Position>,
    pub(crate) trimmed_below: Position,
    pub(crate) last_arrival: Option<UnixMillis>,
    /// Its blocks in recent chunks, in order.
    pub(crate) recent: VecDeque<Recent>,
}

impl LogEntry {
    pub(crate) fn new(row: LogRow, next: Position) -> Self {
        LogEntry {
            state: Mutex::new(LogState {
                next: row.end.unwrap_or(next),
                end: row.end,
                trimmed_below: row.trimmed_below,
                last_arrival: None,
                recent: VecDeque::new(),
            }),
            moves: AtomicU64::new(0),
            wake: Notify::new(),
            class: AtomicU8::new(1),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, LogState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn class(&self) -> u8 {
        self.class.load(Ordering::Relaxed)
    }

    pub(crate) fn set_class(&self, class: u8) {
        self.class.store(class, Ordering::Relaxed);
    }

    /// Rises whenever the tail moves or the log closes.
    pub(crate) fn moves(&self) -> u64 {
        self.moves.load(Ordering::Acquire)
    }

    pub(crate) fn wake(&self) -> &Notify {
        &self.wake
    }

    /// Tells the followers, after the state has changed.
    pub(crate) fn moved(&self) {
        self.moves.fetch_add(1, Ordering::AcqRel);
        self.wake.notify_waiters();
    }
}

impl LogState {
    /// Adds a durable block.
    pub(crate) fn push(&mut self, recent: Recent) {
        let header = &recent.at().header;
        self.next = self.next.max(header.end());
        self.last_arrival = self.last_arrival.max(Some(header.arrival_max));
        self.recent.push_back(recent);
    }

    /// Gives up what lies below, and the chunks that only it held.
    pub(crate) fn trim(&mut self, below: Position) {
        self.trimmed_below = self.trimmed_below.max(below);
        while let Some(front) = self.recent.front()
            && front.at().header.end() <= self.trimmed_below
        {
            self.recent.pop_front();
        }
    }

    pub(crate) fn row(&self) -> LogRow {
        LogRow { end: self.end, trimmed_below: self.trimmed_below }
    }
}

/// All logs by id.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    entries: RwLock<HashMap<LogId, Arc<LogEntry>>>,
}

impl Logs {
    pub(crate) fn get(&self, log: LogId) -> Option<Arc<LogEntry>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.get(&log).map(Arc::clone)
    }

    pub(crate) fn insert(&self, log: LogId, entry: LogEntry) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.entry(log).or_insert_with(|| Arc::new(entry));
    }

    pub(crate) fn remove(&self, log: LogId) -> Option<Arc<LogEntry>> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner).remove(&log)
    }

    pub(crate) fn all(&self) -> Vec<(LogId, Arc<LogEntry>)> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.iter().map(|(&log, entry)| (log, Arc::clone(entry))).collect()
    }
}

/// A row of table 0, the table of logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogRow {
    /// Above its last entry, once the log is closed.
    pub(crate) end: Option<Position>,
    pub(crate) trimmed_below: Position,
}

impl LogRow {
    pub(crate) fn key(log: LogId) -> Bytes {
        Bytes::copy_from_slice(&log.0.to_be_bytes())
    }

    pub(crate) fn log_of(key: &[u8]) -> Option<LogId> {
        Some(LogId(u64::from_be_bytes(key.try_into().ok()?)))
    }

    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = vec![0; LOG_ROW_BYTES];
        let state = if self.end.is_some() { 2 } else { 1 };
        let end = self.end.unwrap_or_default();
        let _full = Layout::new(&mut bytes).u8(state).u64(end.0).u64(self.trimmed_below.0);
        bytes.into()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<LogRow> {
        let mut fields = Fields(bytes);
        let state = fields.u8()?;
        let (end, trimmed_below) = (Position(fields.u64()?), Position(fields.u64()?));
        let end = match state {
            1 => None,
            2 => Some(end),
            _ => return None,
        };
        fields.0.is_empty().then_some(LogRow { end, trimmed_below })
    }
}
