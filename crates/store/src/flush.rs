//! Flush: recent chunks into a segment, and their ring files free again.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use stdx::Clock;

use crate::block::{self, BlockKind};
use crate::config::Config;
use crate::core::{Core, FolderState};
use crate::id::{LogId, Position, TableId};
use crate::lane::is_full;
use crate::limits::{RETRY_AFTER, ROW_GROWTH_BYTES_MIN, ROW_GROWTH_MAX, SEGMENT_JOIN_BYTES_MAX};
use crate::logs::Chunk;
use crate::manifest::{self, Manifest, Quarantine, SegmentState};
use crate::merge::{Run, write_row_blocks};
use crate::mutant::{self, Mutant};
use crate::segment::{DirectoryError, Segment, SegmentWriter};
use crate::source::{BlockError, BlockSource};

/// The chunks that are durable in the ring only, in order.
#[derive(Debug, Default)]
pub(crate) struct Unflushed {
    state: Mutex<UnflushedState>,
    bytes: AtomicU64,
}

#[derive(Debug, Default)]
struct UnflushedState {
    chunks: VecDeque<Arc<Chunk>>,
    /// When the oldest one with anything in it became durable, by the monotonic clock.
    since: Option<Duration>,
}

impl Unflushed {
    fn state(&self) -> MutexGuard<'_, UnflushedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of all of them.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    /// Adds a durable chunk; whether the flusher has a reason to look.
    pub(crate) fn push(&self, chunk: &Arc<Chunk>, clock: &Clock, config: &Config) -> bool {
        let mut state = self.state();
        state.chunks.push_back(Arc::clone(chunk));
        let first = state.since.is_none() && !chunk.blocks.is_empty();
        if first {
            state.since = Some(clock.monotonic());
        }
        let before = self.bytes.fetch_add(chunk.bytes_total, Ordering::AcqRel);
        let after = before + chunk.bytes_total;
        first || before < config.flush_bytes && after >= config.flush_bytes
    }

    fn remove_first(&self, count: usize, clock: &Clock) {
        let mut state = self.state();
        let bytes: u64 = state.chunks.drain(..count).map(|chunk| chunk.bytes_total).sum();
        let data = state.chunks.iter().any(|chunk| !chunk.blocks.is_empty());
        state.since = data.then(|| clock.monotonic());
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
    }
}

/// Flushed chunks that readers near the tail still find in memory, oldest first.
#[derive(Debug, Default)]
pub(crate) struct KeptChunks {
    chunks: VecDeque<Arc<Chunk>>,
    bytes: u64,
}

impl KeptChunks {
    /// Takes flushed chunks, and gives back those that there is no room for.
    fn push(&mut self, flushed: &[Arc<Chunk>], bytes_max: u64) -> Vec<Arc<Chunk>> {
        for chunk in flushed {
            self.bytes += chunk.memory_bytes();
            self.chunks.push_back(Arc::clone(chunk));
        }
        let mut gone = Vec::new();
        while let Some(front) = self.chunks.front()
            && (self.bytes > bytes_max || front.memory.is_none())
        {
            self.bytes -= front.memory_bytes();
            gone.extend(self.chunks.pop_front());
        }
        gone
    }
}

/// Wakes the flusher, and those who wait for it.
#[derive(Debug, Default)]
pub(crate) struct FlushSignal {
    state: Mutex<SignalState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct SignalState {
    wanted: bool,
    flushes: u64,
    closing: bool,
}

impl FlushSignal {
    fn state(&self) -> MutexGuard<'_, SignalState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn wake(&self) {
        self.state().wanted = true;
        self.changed.notify_all();
    }

    pub(crate) fn close(&self) {
        self.state().closing = true;
        self.changed.notify_all();
    }

    /// Sleeps until woken or for `limit`; `false` once the store closes.
    pub(crate) fn wait(&self, limit: Option<Duration>) -> bool {
        let state = self.state();
        let asleep = |state: &mut SignalState| !state.wanted && !state.closing;
        let mut state = match limit {
            None => self.changed.wait_while(state, asleep).unwrap_or_else(PoisonError::into_inner),
            Some(limit) => {
                let woken = self.changed.wait_timeout_while(state, limit, asleep);
                woken.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        state.wanted = false;
        !state.closing
    }

    /// Sleeps until a flush has ended, well or not, or for `limit`.
    pub(crate) fn wait_flushed(&self, limit: Duration) {
        let state = self.state();
        let flushes = state.flushes;
        let asleep = |state: &mut SignalState| state.flushes == flushes && !state.closing;
        let _woken = self.changed.wait_timeout_while(state, limit, asleep);
    }

    fn flushed(&self) {
        self.state().flushes += 1;
        self.changed.notify_all();
    }
}

impl Core {
    /// Flushes if it is time, makes a spare ring file if one is wanted, and gives back trimmed
    /// segments; how long until it should be looked at again.
    pub(crate) fn flush_step(&self) -> Option<Duration> {
        let folder = self.folder.as_ref()?;
        let was_full = self.condition.is_disk_full();
        if was_full && !self.make_room(folder) {
            self.flush_signal.flushed();
            return Some(RETRY_AFTER);
        }
        let wants_spare = self.committer().lane.wants_spare();
        if let (true, Some(ring)) = (wants_spare, &folder.ring)
            && let Err(error) = ring.prepare_spare()
        {
            tracing::warn!(%error, "no spare ring file");
        }
        if let Some(bucket) = &folder.bucket {
            bucket.collect_step();
        }
        let due_in = self.flush_due_in();
        if due_in == Some(Duration::ZERO) {
            let flushed = self.flush();
            self.condition.flush_failed.store(flushed.is_err(), Ordering::Release);
            self.flush_signal.flushed();
            if let Err(error) = flushed {
                if is_full(&error) {
                    self.condition.set_disk_full(true);
                }
                tracing::warn!(%error, "a flush has failed and will be tried again");
                return Some(RETRY_AFTER);
            }
            self.condition.set_disk_full(false);
            if let Err(error) = self.delete_trimmed(folder) {
                tracing::warn!(%error, "trimmed segments could not be deleted");
            }
            self.look_at_room();
            self.is_over_budget();
            return self.look_again_in(self.flush_due_in());
        }
        if was_full {
            // Nothing waits, and there was room for the reserve.
            self.condition.set_disk_full(false);
        } else if let Err(error) = folder.reserve.keep(&*folder.disk) {
            tracing::warn!(%error, "no reserve for a full disk");
            if is_full(&error) {
                self.condition.set_disk_full(true);
                return Some(RETRY_AFTER);
            }
        }
        self.look_at_room();
        self.look_again_in(due_in)
    }

    /// When the flusher has something to do, if it is not for a flush.
    fn look_again_in(&self, due_in: Option<Duration>) -> Option<Duration> {
        let bucket = self.folder.as_ref()?.bucket.as_ref();
        due_in.or_else(|| bucket?.collect_in())
    }

    fn flush_due_in(&self) -> Option<Duration> {
        let since = self.unflushed.state().since;
        let bytes = self.unflushed.bytes();
        let ring = self.folder.as_ref().and_then(|folder| folder.ring.as_ref());
        let short_of_room =
            self.condition.is_without_room() || ring.is_some_and(|ring| ring.is_crowded());
        if bytes >= self.config.flush_bytes || (bytes > 0 && short_of_room) {
            return Some(Duration::ZERO);
        }
        let age = self.clock.monotonic().saturating_sub(since?);
        Some(self.config.flush_after.saturating_sub(age))
    }

    /// Flushes everything that is unflushed now.
    pub(crate) fn flush(&self) -> io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let chunks: Vec<Arc<Chunk>> = self.unflushed.state().chunks.iter().cloned().collect();
        if chunks.is_empty() {
            return Ok(());
        }
        let bytes = chunks.iter().map(|chunk| chunk.bytes_total).sum();
        let joined = joinable(&folder.segments.list(), bytes, &self.compactor.inputs());
        let number = folder.next_segment_number();
        let name = crate::segment::name_of(number);
        let plan = Plan { core: self, folder };
        let (segment, all_rows) = plan.write(number, &chunks, &joined).inspect_err(|_| {
            let _partly_written = folder.disk.remove(&name);
        })?;
        if segment.is_none() {
            folder.disk.remove(&name)?;
        }
        self.commit_flush(folder, &chunks, &joined, segment)?;
        if all_rows {
            self.condition.inferred.store(false, Ordering::Relaxed);
        }
        self.unflushed.remove_first(chunks.len(), &self.clock);
        if let Some(bucket) = &folder.bucket {
            bucket.condemn_chunks(chunks.iter().map(|chunk| chunk.home));
        }
        let gone = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.push(&chunks, self.config.kept_bytes_max)
        };
        self.forget_chunks(&gone);
        // Only now does no reader find a chunk that is nowhere but in the ring.
        chunks.iter().for_each(|chunk| chunk.leave_ring());
        Ok(())
    }

    /// Writes all rows into a segment of their own: those of the earlier ones are not needed then.
    pub(crate) fn flush_rows(&self, folder: &FolderState) -> io::Result<()> {
        self.condition.inferred.store(true, Ordering::Relaxed);
        let number = folder.next_segment_number();
        let (segment, _) =
            Plan { core: self, folder }.write(number, &[], &[]).inspect_err(|_| {
                let _partly_written = folder.disk.remove(&crate::segment::name_of(number));
            })?;
        self.commit_flush(folder, &[], &[], segment)
    }

    fn commit_flush(
        &self,
        folder: &FolderState,
        chunks: &[Arc<Chunk>],
        joined: &[Arc<Segment>],
        segment: Option<SegmentState>,
    ) -> io::Result<()> {
        let added = segment.into_iter().collect();
        self.replace_segments(folder, joined, added, |next| {
            for chunk in chunks {
                let lane = next.lanes.iter_mut().find(|lane| lane.lane == chunk.home.lane);
                if let Some(lane) = lane {
                    let extra = u64::from(mutant::is_on(Mutant::FlushOneTooMany));
                    lane.flushed_below = lane.flushed_below.max(chunk.home.number + 1 + extra);
                }
                let arrivals = chunk.blocks.iter().map(|block| block.header.arrival_max);
                next.arrival_max = next.arrival_max.max(arrivals.max().unwrap_or_default());
            }
            next.drop_finished_lanes();
        })
    }

    /// Commits a manifest in which `added` take the place of the last of `gone`, or the end, and which
    /// `change` changes besides; then removes what is gone. Rows count in the order of the segments.
    pub(crate) fn replace_segments(
        &self,
        folder: &FolderState,
        gone: &[Arc<Segment>],
        added: Vec<SegmentState>,
        change: impl FnOnce(&mut Manifest),
    ) -> io::Result<()> {
        if mutant::is_on(Mutant::RemoveBeforeManifest) {
            self.remove_segments(folder, gone);
        }
        let is_gone = |number: u64| gone.iter().any(|segment| segment.state.number == number);
        let mut manifest = folder.manifest();
        let mut next = manifest.clone();
        let place = match next.segments.iter().rposition(|own| is_gone(own.number)) {
            Some(last) => last + 1 - gone.len(),
            None => next.segments.len(),
        };
        next.segments.retain(|own| !is_gone(own.number));
        next.segments.splice(place..place, added.iter().cloned());
        next.quarantined = self.condition.quarantined();
        change(&mut next);
        let committed = manifest::commit(&*folder.disk, &mut next);
        manifest.number = next.number;
        if committed.is_err() && manifest::is_absent(&*folder.disk, next.number) {
            for state in &added {
                let _a_start_removes_it =
                    folder.disk.remove(&crate::segment::name_of(state.number));
            }
        }
        committed?;
        *manifest = next;
        let mut list = folder.segments.list().to_vec();
        list.retain(|own| !is_gone(own.state.number));
        let added = added.into_iter();
        let added = added.map(|state| Arc::new(Segment::new(Arc::clone(&folder.disk), state)));
        list.splice(place..place, added);
        folder.segments.replace(list);
        drop(manifest);
        self.remove_segments(folder, gone);
        Ok(())
    }

    /// Removes segments that the manifest does not name any more. Who reads them still can. One that
    /// cannot be removed now is removed by the next start.
    fn remove_segments(&self, folder: &FolderState, gone: &[Arc<Segment>]) {
        for segment in gone {
            let _kept_open_for_readers = segment.file();
            folder.segments.forget(segment);
            let name = crate::segment::name_of(segment.state.number);
            if let Err(error) = folder.disk.remove(&name) {
                tracing::warn!(%error, name, "a segment that is not needed could not be removed");
            }
        }
    }

    /// Takes flushed blocks out of the logs' recent ones.
    fn forget_chunks(&self, chunks: &[Arc<Chunk>]) {
        let flushed: BTreeSet<_> = chunks.iter().map(|chunk| chunk.home).collect();
        let blocks = chunks.iter().flat_map(|chunk| &chunk.blocks);
        let logs: BTreeSet<LogId> = blocks.map(|block| block.header.log).collect();
        for entry in logs.into_iter().filter_map(|log| self.logs.get(log)) {
            let mut state = entry.state();
            while let Some(front) = state.recent.front()
                && flushed.contains(&front.chunk.home)
            {
                state.recent.pop_front();
            }
        }
    }

    /// Deletes segments of which everything has been trimmed.
    pub(crate) fn delete_trimmed(&self, folder: &FolderState) -> io::Result<()> {
        self.delete_trimmed_but(folder, &self.compactor.inputs())
    }

    /// The same for all but these.
    pub(crate) fn delete_trimmed_but(
        &self,
        folder: &FolderState,
        kept: &BTreeSet<u64>,
    ) -> io::Result<()> {
        let list = folder.segments.list();
        let mut gone = Vec::new();
        for (index, segment) in list.iter().enumerate() {
            if kept.contains(&segment.state.number) {
                continue;
            }
            let superseded = list[index + 1..].iter().any(|later| later.state.all_rows);
            let rows_needed = segment.state.row_blocks > 0 && !superseded;
            let last_all_rows = segment.state.all_rows && !superseded;
            if !rows_needed && !last_all_rows && self.is_trimmed(folder, segment) {
                gone.push(Arc::clone(segment));
            }
        }
        if gone.is_empty() {
            return Ok(());
        }
        self.replace_segments(folder, &gone, Vec::new(), |_| ())
    }

    /// From where on a log's records are kept; `None` once it is forgotten. While rows of the table of
    /// logs are lost, nothing of an unknown log is given up.
    pub(crate) fn kept_from(&self, log: LogId) -> Option<Position> {
        match self.logs.get(log) {
            Some(entry) => Some(entry.state().trimmed_below),
            None => self.condition.has_lost_logs().then_some(Position::ZERO),
        }
    }

    pub(crate) fn is_trimmed(&self, folder: &FolderState, segment: &Segment) -> bool {
        let trimmed = |log: LogId, end: Position| {
            self.kept_from(log).is_none_or(|trimmed_below| trimmed_below >= end)
        };
        let mut blocker = segment.blocker.lock().unwrap_or_else(PoisonError::into_inner);
        if blocker.is_some_and(|(log, end)| !trimmed(log, end)) {
            return false;
        }
        let Ok(directory) = folder.segments.directory_once(segment) else { return false };
        let records = directory.iter().filter(|block| block.header.kind == BlockKind::Records);
        let mut ends = records.map(|block| (block.header.log, block.header.end()));
        *blocker = ends.find(|&(log, end)| !trimmed(log, end));
        blocker.is_none()
    }
}

/// The newest segments, oldest first, that are small enough to be written again with this flush:
/// each at most about as large as everything after it, so that an entry is moved a few times only.
/// Those that a compaction is reading or has written are left to it.
fn joinable(
    segments: &[Arc<Segment>],
    flush_bytes: u64,
    compacting: &BTreeSet<u64>,
) -> Vec<Arc<Segment>> {
    let mut bytes = flush_bytes;
    let mut from = segments.len();
    while let Some(segment) = from.checked_sub(1).map(|index| &segments[index]) {
        let own = segment.state.bytes_total;
        let busy = segment.state.compacted || compacting.contains(&segment.state.number);
        if busy || own > bytes.saturating_mul(2) || own + bytes > SEGMENT_JOIN_BYTES_MAX {
            break;
        }
        bytes += own;
        from -= 1;
    }
    segments[from..].to_vec()
}

/// What one flush writes.
struct Plan<'a> {
    core: &'a Core,
    folder: &'a FolderState,
}

impl Plan<'_> {
    /// Writes the segment; `None` if there is nothing to be in it. And whether it has all rows.
    fn write(
        &self,
        number: u64,
        chunks: &[Arc<Chunk>],
        joined: &[Arc<Segment>],
    ) -> io::Result<(Option<SegmentState>, bool)> {
        let mut writer = SegmentWriter::create(&*self.folder.disk, number)?;
        let all_rows = self.write_rows(&mut writer, chunks, joined)?;
        let class = self.write_records(&mut writer, chunks, joined)?;
        if writer.is_empty() && !all_rows {
            return Ok((None, false));
        }
        Ok((Some(writer.finish(&*self.folder.disk, all_rows, class, false)?), all_rows))
    }

    /// A block's body; `None` if it is damaged, which is remembered.
    fn load(&self, source: &BlockSource) -> io::Result<Option<Bytes>> {
        match source.load(self.core.sabotage.verifies()) {
            Ok(body) => Ok(Some(body)),
            Err(BlockError::Io(error)) => Err(error),
            Err(BlockError::Damaged) => {
                self.core.condition.quarantine(quarantine(source));
                Ok(None)
            }
        }
    }

    /// The blocks of one kind in all sources, oldest source first.
    fn sources(
        &self,
        kind: BlockKind,
        chunks: &[Arc<Chunk>],
        joined: &[Arc<Segment>],
    ) -> io::Result<Vec<BlockSource>> {
        let mut sources = Vec::new();
        for segment in joined {
            let directory =
                self.folder.segments.directory_once(segment).map_err(|error| match error {
                    DirectoryError::Io(error) => error,
                    DirectoryError::Damaged => io::Error::other("a segment's directory is damaged"),
                })?;
            for block in directory.iter().filter(|block| block.header.kind == kind) {
                sources.push(segment.source(block)?);
            }
        }
        for chunk in chunks {
            let blocks = chunk.blocks.iter().enumerate();
            let own = blocks.filter(|(_, block)| block.header.kind == kind);
            sources.extend(own.map(|(index, _)| BlockSource::of_chunk(chunk, index)));
        }
        Ok(sources)
    }

    /// Writes the rows that changed, as they are now, or all rows if enough have changed; which.
    fn write_rows(
        &self,
        writer: &mut SegmentWriter,
        chunks: &[Arc<Chunk>],
        joined: &[Arc<Segment>],
    ) -> io::Result<bool> {
        let sources = self.sources(BlockKind::Rows, chunks, joined)?;
        let changed: u64 = sources.iter().map(|source| u64::from(source.header.body_bytes)).sum();
        let joins_all = joined.iter().any(|segment| segment.state.all_rows);
        let inferred = self.core.condition.inferred.load(Ordering::Relaxed);
        let held_by_rows =
            changed > 0 && self.core.trimmed_but_for_rows(self.folder).next().is_some();
        let all_rows = joins_all
            || held_by_rows
            || inferred
            || changed > 0 && self.rows_have_grown(changed, joined.len());
        let mut keys = BTreeSet::new();
        if !all_rows {
            for source in &sources {
                let Some(body) = self.load(source)? else { continue };
                let table = TableId(source.header.log.0 as u8);
                let rows = block::rows(&source.header, &body).unwrap_or_default();
                keys.extend(rows.into_iter().map(|row| (table, row.key)));
            }
        }
        let rows = if all_rows { self.core.all_rows() } else { self.core.rows_at(keys) };
        write_row_blocks(writer, rows)?;
        Ok(all_rows)
    }

    fn rows_have_grown(&self, changed: u64, joined: usize) -> bool {
        let list = self.folder.segments.list();
        let kept = &list[..list.len() - joined];
        let since = kept.iter().rev().take_while(|segment| !segment.state.all_rows);
        let pending: u64 = since.map(|segment| segment.state.row_bytes).sum();
        let rows = self.core.sequencer().table_bytes();
        changed + pending > (rows * ROW_GROWTH_MAX).max(ROW_GROWTH_BYTES_MIN)
    }

    /// Writes every record that has not been trimmed, by log and position; the retention class of all
    /// of them, if they have one.
    fn write_records(
        &self,
        writer: &mut SegmentWriter,
        chunks: &[Arc<Chunk>],
        joined: &[Arc<Segment>],
    ) -> io::Result<u8> {
        let mut sources = self.sources(BlockKind::Records, chunks, joined)?;
        if !joined.is_empty() && mutant::is_on(Mutant::DropLiveBlock) {
            sources.remove(0);
        }
        sources.sort_by_key(|source| (source.header.log, source.header.first));
        let mut run = Run::plain();
        let mut log: Option<(LogId, Option<Position>)> = None;
        let mut classes = BTreeSet::new();
        for source in &sources {
            let header = &source.header;
            if log.is_none_or(|(known, _)| known != header.log) {
                log = Some((header.log, self.core.kept_from(header.log)));
                classes.insert(self.core.class_of(header.log));
            }
            let trimmed_below = log.and_then(|(_, below)| below);
            let Some(trimmed_below) = trimmed_below else { continue };
            let too_far = mutant::is_on(Mutant::TrimTooFar) && header.first < trimmed_below;
            if header.end() <= trimmed_below || too_far {
                continue;
            }
            let Some(body) = self.load(source)? else { continue };
            run.push(writer, header, &body, trimmed_below)?;
        }
        run.write(writer)?;
        Ok(classes.pop_first().filter(|_| classes.is_empty()).unwrap_or_default())
    }
}

/// What a damaged block is called.
pub(crate) fn quarantine(source: &BlockSource) -> Quarantine {
    let header = &source.header;
    Quarantine {
        lane: source.home.lane,
        chunk: source.home.number,
        epoch: header.first.epoch(),
        log: Some(header.log),
        first: header.first,
        end: header.end(),
        accepted: false,
    }
}
