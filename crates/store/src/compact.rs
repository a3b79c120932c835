//! Compaction: segments of one retention class joined into fewer, larger, packed ones, and what is
//! trimmed left behind. One at a time, step by step, in the flusher's pauses; numbers and positions
//! never change.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::block::{self, BlockKind, Codec};
use crate::compact_plan::{Policy, RETENTION_CLASSES, pick};
use crate::core::{Core, FolderState};
use crate::id::{LogId, Position, TableId};
use crate::limits::{
    COMPACT_FREE_BYTES_MIN, COMPACT_LOOK_EVERY, COMPACT_RETRY_AFTER, COMPACT_TRAFFIC_LOOK_EVERY,
    COMPACT_TRAFFIC_MAX, READ_AHEAD_BYTES_MAX, SEGMENT_BLOCK_BYTES, SEGMENTS_PER_CLASS_MAX,
    SEGMENTS_PER_CLASS_WAITING_MAX,
};
use crate::manifest::SegmentState;
use crate::merge::{Run, write_row_blocks};
use crate::pack;
use crate::segment::{Directory, DirectoryError, Segment, SegmentWriter};
use crate::source::{BlockError, BlockSource};

/// The compactor between two steps.
#[derive(Debug, Default)]
pub(crate) struct Compactor {
    state: Mutex<CompactorState>,
    /// Whether logs have been trimmed or forgotten since the segments were last looked through.
    trimmed: AtomicBool,
    /// The most that the compaction on its way will have written when it ends.
    writing_bytes: AtomicU64,
    /// Bytes of chunks and of reads since the start.
    traffic: AtomicU64,
}

#[derive(Debug, Default)]
struct CompactorState {
    running: Option<Compaction>,
    /// Nothing is written before this, by the monotonic clock.
    paced_until: Duration,
    /// When the segments were last looked through for what is trimmed.
    looked_at: Option<Duration>,
    traffic: TrafficLook,
    /// The segments that were there when nothing was found to do.
    idle_with: Option<Arc<Vec<Arc<Segment>>>>,
    /// Segments with damage in them: they stay as they are, for whoever looks into it.
    damaged: BTreeSet<u64>,
}

/// How busy the store was when that was last looked at.
#[derive(Debug, Default)]
struct TrafficLook {
    at: Duration,
    bytes: u64,
    is_busy: bool,
}

impl TrafficLook {
    /// Whether the store has better things to do; `bytes` have come and gone by `now`.
    fn is_busy(&mut self, bytes: u64, now: Duration) -> bool {
        let passed = now.saturating_sub(self.at);
        if passed >= COMPACT_TRAFFIC_LOOK_EVERY {
            let most = passed.as_secs_f64() * COMPACT_TRAFFIC_MAX as f64;
            let is_busy = (bytes - self.bytes) as f64 > most;
            *self = TrafficLook { at: now, bytes, is_busy };
        }
        self.is_busy
    }
}

impl Compactor {
    /// Bytes have been written by, or read for, somebody who waits for them.
    pub(crate) fn note_traffic(&self, bytes: u64) {
        self.traffic.fetch_add(bytes, Ordering::Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, CompactorState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs have been trimmed or forgotten; whether that is news.
    pub(crate) fn logs_changed(&self) -> bool {
        !self.trimmed.swap(true, Ordering::AcqRel)
    }

    /// The most that it will have written before what it reads is removed.
    pub(crate) fn writing_bytes(&self) -> u64 {
        self.writing_bytes.load(Ordering::Relaxed)
    }

    /// The segments that it is reading.
    pub(crate) fn inputs(&self) -> BTreeSet<u64> {
        let state = self.state();
        let inputs = state.running.iter().flat_map(|running| &running.inputs);
        inputs.map(|segment| segment.state.number).collect()
    }
}

/// A block of an input, in the order of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct BlockRef {
    log: LogId,
    first: Position,
    input: u32,
    index: u32,
}

/// One compaction on its way.
#[derive(Debug)]
struct Compaction {
    inputs: Vec<Arc<Segment>>,
    directories: Vec<Directory>,
    /// Up to where the disk has been told that each input is going to be read.
    expected: Vec<u64>,
    /// What is still to be written, by retention class, last first.
    left: BTreeMap<u8, Vec<BlockRef>>,
    /// Whether the rows are still to be written: into the first segment.
    rows_left: bool,
    output: Option<Output>,
    done: Vec<SegmentState>,
}

/// A segment that is being written.
struct Output {
    number: u64,
    class: u8,
    all_rows: bool,
    writer: SegmentWriter,
    run: Run,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output").field("number", &self.number).finish_non_exhaustive()
    }
}

/// Why a compaction is given up.
#[derive(Debug)]
enum Halt {
    Io(io::Error),
    /// This segment has damage in it.
    Damaged(u64),
    /// There is too little room for a copy of what is read.
    NoRoom,
}

impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Self {
        Halt::Io(error)
    }
}

impl Core {
    /// Compacts a little, if there is anything to compact; how long until it should be asked again.
    pub(crate) fn compact_step(&self) -> Option<Duration> {
        let folder = self.folder.as_ref()?;
        let mut state = self.compactor.state();
        let now = self.clock.monotonic();
        if state.paced_until > now {
            return Some(state.paced_until - now);
        }
        let waits = self.waits_for_quiet(folder, &mut state, now);
        if state.running.is_none() {
            match self.next_compaction(folder, &mut state, now, waits) {
                Ok(Some(running)) => {
                    let bytes = bytes_of(running.inputs.iter().map(|own| &own.state));
                    if self.would_take_too_much(bytes) {
                        return Some(COMPACT_RETRY_AFTER);
                    }
                    self.compactor.writing_bytes.store(bytes, Ordering::Relaxed);
                    state.running = Some(running);
                }
                Ok(None) if self.condition.is_disk_full() => return Some(COMPACT_RETRY_AFTER),
                Ok(None) if waits => return Some(COMPACT_TRAFFIC_LOOK_EVERY),
                Ok(None) => return self.look_for_trimmed_in(&state, now),
                Err(halt) => return Some(halt_for(&mut state, halt, now)),
            }
        }
        // What gives room back goes on.
        if waits && state.running.as_ref().is_some_and(|running| running.inputs.len() > 1) {
            return Some(COMPACT_TRAFFIC_LOOK_EVERY);
        }
        let mut running = state.running.take()?;
        let stepped = running.step(self, folder);
        if !matches!(stepped, Ok(Some(_))) {
            self.compactor.writing_bytes.store(0, Ordering::Relaxed);
        }
        match stepped {
            Ok(None) => {
                let finished = self.finish_compaction(folder, running);
                finished.map_or_else(
                    |error| Some(halt_for(&mut state, Halt::Io(error), now)),
                    |()| Some(Duration::ZERO),
                )
            }
            Ok(Some(bytes)) => {
                state.running = Some(running);
                let pause = self.pause_after(folder, bytes);
                state.paced_until = now + pause;
                Some(pause)
            }
            Err(halt) => {
                running.abandon(folder);
                Some(halt_for(&mut state, halt, now))
            }
        }
    }

    /// Whether joining segments has time until there is less to do. It has while there are not too many
    /// of them and there is room for what packing them will save.
    fn waits_for_quiet(
        &self,
        folder: &FolderState,
        state: &mut CompactorState,
        now: Duration,
    ) -> bool {
        let bytes = self.compactor.traffic.load(Ordering::Relaxed);
        state.traffic.is_busy(bytes, now)
            && !self.condition.is_without_room()
            && !has_too_many_segments(folder)
    }

    /// What keeps to the pace; nothing does while there are too many segments.
    fn pause_after(&self, folder: &FolderState, bytes: u64) -> Duration {
        if has_too_many_segments(folder) {
            return Duration::ZERO;
        }
        Duration::from_secs_f64(bytes as f64 / self.config.compact_bytes_per_second.max(1) as f64)
    }

    fn look_for_trimmed_in(&self, state: &CompactorState, now: Duration) -> Option<Duration> {
        let trimmed = self.compactor.trimmed.load(Ordering::Acquire);
        let any = self.folder.as_ref().is_some_and(|folder| !folder.segments.list().is_empty());
        let due = state.looked_at.map_or(now, |at| at + COMPACT_LOOK_EVERY);
        (trimmed && any).then(|| due.saturating_sub(now))
    }

    fn policy(&self) -> Policy {
        Policy {
            fan_in: self.config.compact_fan_in,
            per_class_max: SEGMENTS_PER_CLASS_MAX,
            now: self.clock.service(),
        }
    }

    /// The next compaction that pays.
    fn next_compaction(
        &self,
        folder: &FolderState,
        state: &mut CompactorState,
        now: Duration,
        waits: bool,
    ) -> Result<Option<Compaction>, Halt> {
        let looks = self.look_for_trimmed_in(state, now) == Some(Duration::ZERO);
        if looks {
            self.delete_trimmed_but(folder, &BTreeSet::new())?;
        }
        if self.condition.is_disk_full() {
            // It would need room first.
            return Ok(None);
        }
        let list = folder.segments.list();
        let is_known = state.idle_with.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &list));
        if !waits && !is_known {
            let sound: Vec<Arc<Segment>> = list
                .iter()
                .filter(|segment| !state.damaged.contains(&segment.state.number))
                .cloned()
                .collect();
            let states: Vec<&SegmentState> = sound.iter().map(|segment| &segment.state).collect();
            if let Some(picked) = pick(&states, &self.policy()) {
                let inputs = picked.into_iter().map(|index| Arc::clone(&sound[index])).collect();
                return self.begin_compaction(folder, inputs).map(Some);
            }
            state.idle_with = Some(Arc::clone(&list));
        }
        if !looks {
            return Ok(None);
        }
        for segment in folder.segments.list().iter() {
            let number = segment.state.number;
            if !state.damaged.contains(&number) && self.is_mostly_trimmed(folder, segment)? {
                // Whatever else is trimmed is found by the next look, after this one.
                return self.begin_compaction(folder, vec![Arc::clone(segment)]).map(Some);
            }
        }
        self.compactor.trimmed.store(false, Ordering::Release);
        state.looked_at = Some(now);
        Ok(None)
    }

    /// Whether so much of a segment is trimmed that writing the rest again pays.
    fn is_mostly_trimmed(&self, folder: &FolderState, segment: &Segment) -> Result<bool, Halt> {
        let directory = read_directory(folder, segment)?;
        let (mut dead, mut all) = (0, 0);
        let mut last: Option<(LogId, Option<Position>)> = None;
        for block in directory.iter().filter(|block| block.header.kind == BlockKind::Records) {
            let log = block.header.log;
            let kept_from = match last {
                Some((known, kept_from)) if known == log => kept_from,
                _ => self.kept_from(log),
            };
            last = Some((log, kept_from));
            all += block.header.bytes_total() as u64;
            if kept_from.is_none_or(|kept_from| block.header.end() <= kept_from) {
                dead += block.header.bytes_total() as u64;
            }
        }
        let pays = dead >= self.config.compact_dead_bytes_min && dead * 2 >= all;
        Ok(pays && !self.policy().dies_soon(&segment.state))
    }

    /// The retention class of a log.
    pub(crate) fn class_of(&self, log: LogId) -> u8 {
        self.logs.get(log).map_or(1, |entry| entry.class())
    }

    fn begin_compaction(
        &self,
        folder: &FolderState,
        inputs: Vec<Arc<Segment>>,
    ) -> Result<Compaction, Halt> {
        let bytes = bytes_of(inputs.iter().map(|own| &own.state));
        let free = folder.disk.free_bytes().unwrap_or(u64::MAX);
        if free < bytes.saturating_add(COMPACT_FREE_BYTES_MIN) {
            return Err(Halt::NoRoom);
        }
        let mut left: BTreeMap<u8, Vec<BlockRef>> = BTreeMap::new();
        let mut directories = Vec::new();
        let mut last: Option<(LogId, u8)> = None;
        for (input, segment) in (0..).zip(&inputs) {
            let directory = read_directory(folder, segment)?;
            let blocks = directory.iter().enumerate();
            for (index, block) in blocks.filter(|(_, own)| own.header.kind == BlockKind::Records) {
                let (log, first) = (block.header.log, block.header.first);
                let class = match last {
                    Some((known, class)) if known == log => class,
                    _ => self.class_of(log),
                };
                last = Some((log, class));
                let own = BlockRef { log, first, input, index: index as u32 };
                left.entry(class).or_default().push(own);
            }
            directories.push(directory);
        }
        // They are taken from the end.
        left.values_mut().for_each(|own| own.sort_by(|one, other| other.cmp(one)));
        let rows_left = inputs.iter().any(|segment| segment.state.row_blocks > 0);
        let all_rows = inputs.iter().any(|segment| segment.state.all_rows);
        let rows_left = (rows_left || all_rows) && !is_superseded(folder, &inputs);
        if rows_left && left.is_empty() {
            left.insert(0, Vec::new());
        }
        let expected = vec![0; inputs.len()];
        let (output, done) = Default::default();
        Ok(Compaction { inputs, directories, expected, left, rows_left, output, done })
    }

    fn finish_compaction(&self, folder: &FolderState, finished: Compaction) -> io::Result<()> {
        let Compaction { inputs, done, .. } = finished;
        let (before, after) = (bytes_of(inputs.iter().map(|own| &own.state)), bytes_of(&done));
        self.replace_segments(folder, &inputs, done, |_| ())?;
        tracing::debug!(segments = inputs.len(), before, after, "compacted");
        Ok(())
    }
}

/// Whether some class has so many segments that compaction is urgent.
fn has_too_many_segments(folder: &FolderState) -> bool {
    let mut counts = [0; RETENTION_CLASSES as usize + 1];
    for segment in folder.segments.list().iter() {
        counts[usize::from(segment.state.class.min(RETENTION_CLASSES))] += 1;
    }
    counts.into_iter().any(|count| count > SEGMENTS_PER_CLASS_WAITING_MAX)
}

fn bytes_of<'a>(states: impl IntoIterator<Item = &'a SegmentState>) -> u64 {
    states.into_iter().map(|state| state.bytes_total).sum()
}

/// Whether a segment after the last of these has all rows.
fn is_superseded(folder: &FolderState, inputs: &[Arc<Segment>]) -> bool {
    let is_input = |own: &Arc<Segment>| inputs.iter().any(|input| Arc::ptr_eq(input, own));
    let list = folder.segments.list();
    let last = list.iter().rposition(is_input).unwrap_or_default();
    list[last..].iter().any(|later| later.state.all_rows && !is_input(later))
}

fn read_directory(folder: &FolderState, segment: &Segment) -> Result<Directory, Halt> {
    folder.segments.directory_once(segment).map_err(|error| match error {
        DirectoryError::Io(error) => Halt::Io(error),
        DirectoryError::Damaged => Halt::Damaged(segment.state.number),
    })
}

/// Remembers why a compaction was given up; how long to wait.
fn halt_for(state: &mut CompactorState, halt: Halt, now: Duration) -> Duration {
    match halt {
        Halt::Damaged(segment) => {
            tracing::error!(segment, "a segment has damage in it and is not compacted");
            state.damaged.insert(segment);
        }
        Halt::NoRoom => tracing::debug!("there is too little room to compact"),
        Halt::Io(error) => tracing::warn!(%error, "a compaction has failed, to be tried again"),
    }
    state.paced_until = now + COMPACT_RETRY_AFTER;
    COMPACT_RETRY_AFTER
}

impl Compaction {
    /// Writes a piece; how much that was, or `None` once everything is written.
    fn step(&mut self, core: &Core, folder: &FolderState) -> Result<Option<u64>, Halt> {
        let Some(mut output) = self
            .output
            .take()
            .map_or_else(|| self.begin_output(core, folder), |output| Ok(Some(output)))?
        else {
            return Ok(None);
        };
        let mut read = 0;
        while read < core.config.compact_step_bytes {
            let next = self.left.get_mut(&output.class).and_then(Vec::pop);
            let Some(next) = next else {
                self.left.remove(&output.class);
                output.run.write(&mut output.writer)?;
                self.finish_output(folder, output)?;
                return Ok(Some(read));
            };
            match self.copy(core, &mut output, next) {
                Ok(bytes) => read += bytes,
                Err(halt) => {
                    self.output = Some(output);
                    return Err(halt);
                }
            }
        }
        self.output = Some(output);
        Ok(Some(read))
    }

    fn begin_output(&mut self, core: &Core, folder: &FolderState) -> Result<Option<Output>, Halt> {
        let Some((&class, _)) = self.left.last_key_value() else { return Ok(None) };
        let number = folder.next_segment_number();
        let writer = SegmentWriter::create(&*folder.disk, number)?;
        let mut output = Output { number, class, all_rows: false, writer, run: Run::packed() };
        if std::mem::take(&mut self.rows_left) {
            let written = self.write_rows(core, &mut output);
            if let Err(halt) = written {
                self.output = Some(output);
                return Err(halt);
            }
        }
        Ok(Some(output))
    }

    /// Writes the rows that the inputs have, as they are now.
    fn write_rows(&self, core: &Core, output: &mut Output) -> Result<(), Halt> {
        output.all_rows = self.inputs.iter().any(|segment| segment.state.all_rows);
        if output.all_rows {
            write_row_blocks(&mut output.writer, core.all_rows())?;
            return Ok(());
        }
        let mut keys = BTreeSet::new();
        for (segment, directory) in self.inputs.iter().zip(&self.directories) {
            for block in directory.iter().filter(|own| own.header.kind == BlockKind::Rows) {
                let source = segment.source(block)?;
                let body = load(&source, |source| source.load(core.sabotage.verifies()))?;
                let table = TableId(block.header.log.0 as u8);
                let rows = block::rows(&block.header, &body).unwrap_or_default();
                keys.extend(rows.into_iter().map(|row| (table, row.key)));
            }
        }
        write_row_blocks(&mut output.writer, core.rows_at(keys))?;
        Ok(())
    }

    /// Copies what is kept of a block; how much was read.
    fn copy(&mut self, core: &Core, output: &mut Output, own: BlockRef) -> Result<u64, Halt> {
        let input = own.input as usize;
        let (segment, block) = (&self.inputs[input], &self.directories[input][own.index as usize]);
        let kept_from = core.kept_from(own.log).unwrap_or(Position::MAX);
        if block.header.end() <= kept_from {
            return Ok(0);
        }
        if block.at >= self.expected[input] {
            segment.file()?.expect_read(block.at, READ_AHEAD_BYTES_MAX);
            self.expected[input] = block.at + READ_AHEAD_BYTES_MAX;
        }
        let source = segment.source(block)?;
        let verify = core.sabotage.verifies();
        if block.header.codec == Codec::Zstd && kept_from <= block.header.first {
            let stored = load(&source, |source| source.load_stored(verify))?;
            // A large block that is packed already goes on as it is.
            if pack::plain_bytes(&stored).is_some_and(|bytes| bytes > SEGMENT_BLOCK_BYTES / 2) {
                output.run.write(&mut output.writer)?;
                output.writer.push(block.header.clone(), &stored)?;
                return Ok(block.header.bytes_total() as u64);
            }
        }
        let body = load(&source, |source| source.load(verify))?;
        output.run.push(&mut output.writer, &block.header, &body, kept_from)?;
        Ok(block.header.bytes_total() as u64)
    }

    fn finish_output(&mut self, folder: &FolderState, output: Output) -> io::Result<()> {
        let Output { number, class, all_rows, writer, .. } = output;
        let finished = if writer.is_empty() && !all_rows {
            folder.disk.remove(&crate::segment::name_of(number))
        } else {
            writer.finish(&*folder.disk, all_rows, class, true).map(|state| self.done.push(state))
        };
        finished.inspect_err(|_| {
            let _partly_written = folder.disk.remove(&crate::segment::name_of(number));
        })
    }

    /// Removes what has been written.
    fn abandon(self, folder: &FolderState) {
        let done = self.done.iter().map(|state| state.number);
        for number in done.chain(self.output.map(|output| output.number)) {
            let _a_start_removes_it = folder.disk.remove(&crate::segment::name_of(number));
        }
    }
}

fn load(
    source: &BlockSource,
    load: impl FnOnce(&BlockSource) -> Result<bytes::Bytes, BlockError>,
) -> Result<bytes::Bytes, Halt> {
    load(source).map_err(|error| match error {
        BlockError::Io(error) => Halt::Io(error),
        BlockError::Damaged => Halt::Damaged(source.home.number),
    })
}
