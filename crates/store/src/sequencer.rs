//! The sequencer: numbers entries, decides commits, fills the open chunk.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use stdx::UnixMillis;

use crate::block::{Home, ROW_PREFIX_BYTES, RowEntry};
use crate::chunk::BLOCK_OVERHEAD_BYTES;
use crate::error::StoreError;
use crate::id::{LogId, Position, TableId};
use crate::limits::{CHUNK_BYTES_SOFT, ROW_KEY_BYTES_MAX, ROW_OVERHEAD_BYTES, ROW_VALUE_BYTES_MAX};
use crate::logs::{LogRow, Logs};
use crate::manifest::LaneState;
use crate::mutant::{self, Mutant};
use crate::open_chunk::{OpenChunk, Seal, SealedChunk};
use crate::queue::{Request, Waiter};
use crate::request::{AppendOutcome, Commit, CommitError, Committed, Expect, LogAppend, LogEnd};
use crate::spare::Spare;
use crate::table::Tables;

/// What one row of the table of logs takes in a chunk.
const LOG_ROW_COST_BYTES: usize = ROW_PREFIX_BYTES + 8 + 17;
/// The number of the table of logs.
pub(crate) const LOGS_TABLE: TableId = TableId(0);

/// What an append adds to a chunk, at most.
pub(crate) fn append_bytes(batch: &[LogAppend]) -> usize {
    batch.iter().map(|append| append.records.body().len() + BLOCK_OVERHEAD_BYTES).sum()
}

/// What a commit adds to a chunk, at most.
pub(crate) fn commit_bytes(commit: &Commit) -> usize {
    let rows = commit.rows.iter().map(|row| {
        let value = row.value.as_ref().map_or(0, Bytes::len);
        ROW_PREFIX_BYTES + row.key.len() + value + BLOCK_OVERHEAD_BYTES
    });
    let logs = commit.opens.len() + commit.closes.len() + commit.forgets.len() + commit.trims.len();
    rows.sum::<usize>()
        + logs * LOG_ROW_COST_BYTES
        + BLOCK_OVERHEAD_BYTES
        + append_bytes(&commit.records)
}

/// A log as the sequencer knows it, ahead of what is durable.
#[derive(Clone, Copy, Debug)]
struct SequencedLog {
    next: Position,
    row: LogRow,
}

/// A row written by a chunk that is not durable yet.
#[derive(Debug)]
struct OverlayRow {
    chunk: u64,
    /// `None` for a deletion.
    version: Option<u64>,
    bytes: u64,
}

/// Sequences one lane.
#[derive(Debug)]
pub(crate) struct Sequencer {
    lane: LaneState,
    number_next: u64,
    logs: HashMap<LogId, SequencedLog>,
    table_next: HashMap<u8, Position>,
    overlay: HashMap<(TableId, Bytes), OverlayRow>,
    table_bytes: u64,
    table_bytes_max: u64,
    arrival_last: UnixMillis,
    /// The highest counter given to a record in this lane's epoch.
    counter_max: u64,
    tables: Arc<Tables>,
    open: OpenChunk,
    backlog: VecDeque<Request>,
    /// The chunks that the lane is writing, in order.
    in_flight: VecDeque<u64>,
    /// Answers that rest on a chunk in flight, by number, and nothing later.
    resting: VecDeque<(u64, Waiter)>,
}

impl Sequencer {
    /// Sequences `lane` over the durable state.
    pub(crate) fn new(
        lane: LaneState,
        logs: &Logs,
        tables: Arc<Tables>,
        arrival_last: UnixMillis,
        table_bytes_max: u64,
        spare: Arc<Spare>,
    ) -> Self {
        let mut sequencer = Sequencer {
            lane,
            number_next: 1,
            logs: HashMap::new(),
            table_next: HashMap::new(),
            overlay: HashMap::new(),
            table_bytes: 0,
            table_bytes_max,
            arrival_last,
            counter_max: 0,
            tables,
            open: OpenChunk::new(spare),
            backlog: VecDeque::new(),
            in_flight: VecDeque::new(),
            resting: VecDeque::new(),
        };
        sequencer.load(logs);
        sequencer
    }

    /// Goes back to what is durable.
    fn load(&mut self, logs: &Logs) {
        if mutant::is_on(Mutant::KeepOverlay) && !self.overlay.is_empty() {
            return;
        }
        self.overlay.clear();
        self.logs.clear();
        for (log, entry) in logs.all() {
            let state = entry.state();
            self.logs.insert(log, SequencedLog { next: state.next, row: state.row() });
        }
        let all = self.tables.all();
        let bytes = all.iter().map(|(_, rows)| {
            rows.read(|rows| rows.iter().map(|(key, row)| row_bytes(key, &row.value)).sum::<u64>())
        });
        self.table_bytes = bytes.sum::<u64>() + self.logs.len() as u64 * log_row_bytes();
    }

    /// Starts over on a new lane after the last one failed.
    pub(crate) fn restart(&mut self, lane: LaneState, logs: &Logs) {
        assert!(self.open.is_empty(), "nothing is numbered between two lanes");
        self.lane = lane;
        self.number_next = 1;
        self.counter_max = 0;
        self.table_next.clear();
        self.load(logs);
    }

    /// Fails everybody who rests on what will not become durable, and goes back to what is.
    pub(crate) fn abandon(&mut self, logs: &Logs, error: &StoreError) {
        let open = self.open.take();
        let resting = self.resting.drain(..).map(|(_, waiter)| waiter);
        resting.chain(open.waiters).for_each(|waiter| waiter.fail(error.clone()));
        if let Some(&number) = self.in_flight.front() {
            self.number_next = number;
        }
        self.in_flight.clear();
        self.load(logs);
    }

    /// Whether some log has so few positions left in this epoch that the lane should end.
    pub(crate) fn is_used_up(&self, counters_max: u64) -> bool {
        self.counter_max >= counters_max
    }

    /// Whether nothing has been numbered since the last chunk was taken.
    pub(crate) fn is_between_chunks(&self) -> bool {
        self.open.is_empty()
    }

    /// The number of the next chunk.
    pub(crate) fn number_next(&self) -> u64 {
        self.number_next
    }

    pub(crate) fn lane(&self) -> &LaneState {
        &self.lane
    }

    /// What the tables take, about, with what keeping them costs.
    pub(crate) fn table_bytes(&self) -> u64 {
        self.table_bytes
    }

    /// Requests taken from the queue that did not fit into the open chunk.
    pub(crate) fn backlog(&mut self) -> &mut VecDeque<Request> {
        &mut self.backlog
    }

    /// Whether there is anything to sequence or to seal.
    pub(crate) fn has_work(&self) -> bool {
        !self.backlog.is_empty() || !self.open.is_empty()
    }

    /// Sequences from the backlog until the open chunk is full; whether anything is left.
    pub(crate) fn fill(&mut self, chunk_bytes_max: usize) -> bool {
        while let Some(request) = self.backlog.front() {
            let bytes = self.open.bytes();
            let full = bytes >= CHUNK_BYTES_SOFT || bytes + request.bytes() > chunk_bytes_max;
            if full && !self.open.is_empty() {
                return true;
            }
            if let Some(request) = self.backlog.pop_front() {
                self.step(request);
            }
        }
        false
    }

    fn step(&mut self, request: Request) {
        let waiter = match request {
            Request::Append { batch, reply, .. } => {
                let outcomes = batch.iter().map(|append| self.append(append)).collect();
                Waiter::Append { outcomes, reply }
            }
            Request::Commit { commit, reply, .. } => {
                let result = self.commit(*commit);
                Waiter::Commit { result, reply }
            }
        };
        if mutant::is_on(Mutant::RefuseEarly) && waiter.is_refusal() {
            waiter.answer(self.arrival_last);
        } else if !self.open.is_empty() {
            self.open.waiters.push(waiter);
        } else if let Some(&last) = self.in_flight.back() {
            self.resting.push_back((last, waiter));
        } else {
            waiter.answer(self.arrival_last);
        }
    }

    fn append(&mut self, append: &LogAppend) -> AppendOutcome {
        let Some(log) = self.logs.get_mut(&append.log) else { return AppendOutcome::UnknownLog };
        if log.row.end.is_some() && !mutant::is_on(Mutant::AppendAfterClose) {
            return AppendOutcome::Closed;
        }
        let first = in_epoch(log.next, self.lane.epoch);
        let count = append.records.count();
        if count > 0 {
            log.next = first.plus(u64::from(count));
            self.counter_max = self.counter_max.max(log.next.counter());
            self.open.push_records(append.log, first, count, append.records.body());
        }
        AppendOutcome::Appended { first, arrival: UnixMillis(0) }
    }

    fn commit(&mut self, commit: Commit) -> Result<Committed, CommitError> {
        if mutant::is_on(Mutant::HalfCommit) {
            let _outcomes = commit.records.iter().map(|append| self.append(append)).count();
        }
        self.check_rows(&commit)?;
        self.check_logs(&commit)?;
        for &id in &commit.opens {
            let next = Position::new(self.lane.epoch, 0);
            let log = SequencedLog { next, row: LogRow::default() };
            if let Entry::Vacant(free) = self.logs.entry(id) {
                free.insert(log);
                self.table_bytes += log_row_bytes();
            }
        }
        let appended = commit.records.iter().map(|append| self.append(append)).collect();
        let closed = commit.closes.iter().filter_map(|&log| self.close(log)).collect();
        for (log, below) in &commit.trims {
            if let Some(log) = self.logs.get_mut(log) {
                log.row.trimmed_below = log.row.trimmed_below.max(*below);
            }
        }
        let mut touched = HashSet::new();
        let trimmed = commit.trims.iter().map(|(log, _)| log);
        for &log in commit.opens.iter().chain(&commit.closes).chain(trimmed).chain(&commit.forgets)
        {
            if touched.insert(log) {
                let forgotten = commit.forgets.contains(&log);
                self.write_log_row(log, forgotten);
            }
        }
        let versions =
            commit.rows.into_iter().map(|row| self.write_row(row.table, row.key, row.value));
        let versions = versions.collect();
        Ok(Committed { versions, closed, appended, arrival: UnixMillis(0) })
    }

    fn check_rows(&self, commit: &Commit) -> Result<(), CommitError> {
        let mut bytes = self.table_bytes + commit.opens.len() as u64 * log_row_bytes();
        let mut grows = !commit.opens.is_empty();
        for (index, row) in commit.rows.iter().enumerate() {
            let value_bytes = row.value.as_ref().map_or(0, Bytes::len);
            if row.key.len() > ROW_KEY_BYTES_MAX || value_bytes > ROW_VALUE_BYTES_MAX {
                return Err(CommitError::TooLarge);
            }
            let (version, old_bytes) = self.present(row.table, &row.key);
            let met = match row.expect {
                Expect::Any => true,
                Expect::Absent => version.is_none(),
                Expect::Version(expected) => version == Some(expected),
            };
            if !met {
                return Err(CommitError::Conflict { row: index });
            }
            let new_bytes = row.value.as_ref().map_or(0, |value| row_bytes(&row.key, value));
            grows |= new_bytes > old_bytes;
            bytes = (bytes + new_bytes).saturating_sub(old_bytes);
        }
        if grows && bytes > self.table_bytes_max { Err(CommitError::TablesFull) } else { Ok(()) }
    }

    fn check_logs(&self, commit: &Commit) -> Result<(), CommitError> {
        let opened = |log: &LogId| commit.opens.contains(log);
        for log in &commit.opens {
            if log.is_table() {
                return Err(CommitError::UnknownLog(*log));
            }
            if self.logs.get(log).is_some_and(|log| log.row.end.is_some()) {
                return Err(CommitError::LogClosed(*log));
            }
        }
        for LogAppend { log, .. } in &commit.records {
            match self.logs.get(log) {
                Some(known) if known.row.end.is_some() => {
                    return Err(CommitError::LogClosed(*log));
                }
                None if !opened(log) => return Err(CommitError::UnknownLog(*log)),
                _ => {}
            }
        }
        let unknown = |log: &&LogId| !self.logs.contains_key(log) && !opened(log);
        match commit.closes.iter().find(unknown) {
            Some(log) => Err(CommitError::UnknownLog(*log)),
            None => Ok(()),
        }
    }

    /// A row's version and size, ahead of what is durable.
    fn present(&self, table: TableId, key: &Bytes) -> (Option<u64>, u64) {
        if let Some(row) = self.overlay.get(&(table, key.clone())) {
            return (row.version, row.bytes);
        }
        self.tables.rows(table).read(|rows| match rows.get(key) {
            Some(row) => (Some(row.version), row_bytes(key, &row.value)),
            None => (None, 0),
        })
    }

    fn close(&mut self, log: LogId) -> Option<LogEnd> {
        let epoch = self.lane.epoch;
        let known = self.logs.get_mut(&log)?;
        let end = *known.row.end.get_or_insert(in_epoch(known.next, epoch));
        Some(LogEnd { log, end })
    }

    fn write_log_row(&mut self, log: LogId, forgotten: bool) {
        let row = if forgotten {
            if self.logs.remove(&log).is_some() {
                self.table_bytes = self.table_bytes.saturating_sub(log_row_bytes());
            }
            None
        } else {
            self.logs.get(&log).map(|log| log.row)
        };
        if row.is_none() && !forgotten {
            return;
        }
        let version = self.next_version(LOGS_TABLE);
        let value = row.as_ref().map(LogRow::encode);
        self.open.push_row(LOGS_TABLE, RowEntry { version, key: LogRow::key(log), value });
        self.open.effects.logs.push((log, row));
    }

    fn write_row(&mut self, table: TableId, key: Bytes, value: Option<Bytes>) -> u64 {
        let (_, old_bytes) = self.present(table, &key);
        let bytes = value.as_ref().map_or(0, |value| row_bytes(&key, value));
        self.table_bytes = (self.table_bytes + bytes).saturating_sub(old_bytes);
        let version = self.next_version(table);
        let row = OverlayRow {
            chunk: self.number_next,
            version: value.is_some().then_some(version),
            bytes,
        };
        self.overlay.insert((table, key.clone()), row);
        self.open.push_row(table, RowEntry { version, key, value });
        version
    }

    fn next_version(&mut self, table: TableId) -> u64 {
        let first = Position::new(self.lane.epoch, 0);
        let next = self.table_next.entry(table.0).or_insert(first);
        let version = next.0;
        *next = next.next_lower_bound();
        version
    }

    /// Takes the open chunk for the lane to write; `None` if there is nothing in it.
    pub(crate) fn seal(&mut self, now: UnixMillis) -> Option<SealedChunk> {
        (!self.open.is_empty()).then(|| self.seal_even_empty(now))
    }

    /// Takes the open chunk for the lane to write.
    pub(crate) fn seal_even_empty(&mut self, now: UnixMillis) -> SealedChunk {
        let falls = mutant::is_on(Mutant::ArrivalFalls);
        self.arrival_last = if falls { now } else { self.arrival_last.max(now) };
        if mutant::is_on(Mutant::DropOverlay) {
            self.overlay.clear();
        }
        let number = self.number_next;
        self.number_next += 1;
        self.in_flight.push_back(number);
        self.open.seal(&Seal {
            home: Home { lane: self.lane.lane, number },
            nonce: self.lane.nonce,
            epoch: self.lane.epoch,
            arrival: self.arrival_last,
        })
    }

    /// Nothing has come for a while: lets go of memory that waits for more.
    pub(crate) fn rest(&mut self) {
        self.open.rest();
    }

    /// Bytes that wait in the open chunk, about.
    pub(crate) fn open_bytes(&self) -> usize {
        self.open.bytes()
    }

    /// The first chunk in flight is durable and published.
    pub(crate) fn settle(&mut self) {
        let Some(durable) = self.in_flight.pop_front() else { return };
        if !self.overlay.is_empty() {
            self.overlay.retain(|_, row| row.chunk > durable);
        }
        while let Some((rests_on, _)) = self.resting.front()
            && *rests_on <= durable
            && let Some((_, waiter)) = self.resting.pop_front()
        {
            waiter.answer(self.arrival_last);
        }
    }
}

fn in_epoch(next: Position, epoch: u32) -> Position {
    if next.epoch() == epoch { next } else { Position::new(epoch, 0) }
}

fn row_bytes(key: &Bytes, value: &Bytes) -> u64 {
    (key.len() + value.len()) as u64 + ROW_OVERHEAD_BYTES
}

fn log_row_bytes() -> u64 {
    LOG_ROW_COST_BYTES as u64 + ROW_OVERHEAD_BYTES
}
