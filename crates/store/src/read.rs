//! Reads: recent blocks from memory or the ring, older ones from segments.

use std::io;
use std::sync::Arc;

use stdx::UnixMillis;

use crate::block::{self, BlockAt};
use crate::cache::ReadMark;
use crate::core::Core;
use crate::error::ReadError;
use crate::flush::quarantine;
use crate::id::{LogId, Position};
use crate::limits::{READ_AHEAD_BYTES_MAX, READ_BYTES_MAX};
use crate::logs::LogEntry;
use crate::manifest::Quarantine;
use crate::request::{ReadBudget, ReadFrom, ReadPage, StoredRecord};
use crate::segment::{self, Directory, DirectoryError, Segment};
use crate::source::{BlockError, BlockSource};

/// A read as it goes.
struct Reading<'a> {
    core: &'a Core,
    log: LogId,
    cursor: Position,
    /// Records before this are passed over.
    since: UnixMillis,
    budget: ReadBudget,
    bytes: usize,
    records: Vec<StoredRecord>,
    /// The segment's block that the last records came from, or that the next will.
    spot: Option<Spot>,
    /// Whether it goes on where another ended.
    sequential: bool,
    /// Up to where in the present segment the disk has been told what will be asked for.
    expected_until: u64,
}

/// A block of a segment. Holding it keeps the segment's file.
#[derive(Clone)]
struct Spot {
    segment: Arc<Segment>,
    directory: Directory,
    index: usize,
}

impl Spot {
    fn block(&self) -> &BlockAt {
        &self.directory[self.index]
    }

    /// The block of the same log after this one, if there is one in this segment.
    fn next(&self) -> Option<&BlockAt> {
        let log = self.block().header.log;
        self.directory.get(self.index + 1).filter(|next| next.header.log == log)
    }
}

/// What is known of a log when a read begins.
struct Known {
    next: Position,
    end: Option<Position>,
    trimmed_below: Position,
}

impl Core {
    /// Reads a log's durable records; `None` if that takes the disk and `disk` says not to.
    pub(crate) fn read_page(
        &self,
        log: LogId,
        from: ReadFrom,
        budget: ReadBudget,
        disk: bool,
    ) -> Result<Option<ReadPage>, ReadError> {
        let entry = self.logs.get(log).ok_or(ReadError::UnknownLog(log))?;
        let mut known = {
            let state = entry.state();
            Known { next: state.next, end: state.end, trimmed_below: state.trimmed_below }
        };
        let (asked, since) = match from {
            ReadFrom::Position(position) => (position, UnixMillis(0)),
            ReadFrom::Time(time) => (known.trimmed_below, time),
        };
        let budget = ReadBudget {
            records_max: budget.records_max.max(1),
            bytes_max: budget.bytes_max.min(READ_BYTES_MAX),
        };
        let cursor = asked.max(known.trimmed_below);
        let mut reading = Reading {
            core: self,
            log,
            cursor,
            since,
            budget,
            bytes: 0,
            records: Vec::new(),
            spot: None,
            sequential: false,
            expected_until: 0,
        };
        if since > UnixMillis(0) && !reading.seek_time(&entry, disk)? {
            return Ok(None);
        }
        let at_tail = match reading.run(&entry, &mut known, disk)? {
            Ended::Tail => true,
            Ended::Budget => false,
            Ended::NeedsDisk if reading.records.is_empty() => return Ok(None),
            Ended::NeedsDisk => false,
        };
        let next = if at_tail { reading.cursor.max(known.next) } else { reading.cursor };
        reading.leave_mark();
        self.compactor.note_traffic(reading.bytes as u64);
        let past_end = known.end.is_some_and(|end| next >= end);
        Ok(Some(ReadPage {
            records: reading.records,
            next,
            at_tail: at_tail || next >= known.next,
            closed_end: past_end,
            trimmed: asked < known.trimmed_below,
        }))
    }
}

enum Ended {
    Tail,
    Budget,
    NeedsDisk,
}

/// Where the next block is.
enum Next {
    Block(BlockSource),
    None,
    NeedsDisk,
}

impl Reading<'_> {
    fn run(&mut self, entry: &LogEntry, known: &mut Known, disk: bool) -> Result<Ended, ReadError> {
        loop {
            let source = match self.locate(entry, disk)? {
                Next::Block(source) => Some(source),
                Next::None => None,
                Next::NeedsDisk => return Ok(Ended::NeedsDisk),
            };
            if let Err(damage) = self.check_gap(source.as_ref(), known) {
                // What was read before the gap is answered first; the next read meets it again.
                if !self.records.is_empty() {
                    return Ok(Ended::Budget);
                }
                if self.core.logs.get(self.log).is_none() {
                    return Err(ReadError::UnknownLog(self.log));
                }
                // It may have been trimmed, and given back, since this read began.
                let trimmed_below = entry.state().trimmed_below;
                if trimmed_below == known.trimmed_below {
                    return Err(damage);
                }
                known.trimmed_below = trimmed_below;
                self.cursor = self.cursor.max(trimmed_below);
                continue;
            }
            let Some(source) = source else { return Ok(Ended::Tail) };
            if !disk && source.in_file().is_some() {
                return Ok(Ended::NeedsDisk);
            }
            if self.take(&source)? {
                return Ok(Ended::Budget);
            }
        }
    }

    /// The first block that reaches above the cursor. Recent ones are looked at first: a flush shows
    /// the segment before it takes blocks out of them.
    fn locate(&mut self, entry: &LogEntry, disk: bool) -> Result<Next, ReadError> {
        let recent = {
            let state = entry.state();
            if self.cursor >= state.next {
                return Ok(Next::None);
            }
            let index =
                state.recent.partition_point(|recent| recent.at().header.end() <= self.cursor);
            let covered = index > 0;
            let found = state.recent.get(index).map(|recent| {
                let source = BlockSource::of_chunk(&recent.chunk, recent.block);
                let starts = source.header.first <= self.cursor;
                (source, covered || starts)
            });
            if found.is_none() && covered {
                return Ok(Next::None);
            }
            found
        };
        if let Some((source, true)) = recent {
            self.spot = None;
            return Ok(Next::Block(source));
        }
        let recent = recent.map(|(source, _)| source);
        let segments = self.core.folder.as_ref().map(|folder| folder.segments.list());
        let Some(list) = segments.filter(|list| !list.is_empty()) else {
            return Ok(recent.map_or(Next::None, Next::Block));
        };
        if !disk {
            return Ok(Next::NeedsDisk);
        }
        self.spot = match self.next_spot(&list)? {
            Some(spot) => Some(spot),
            None => self.search(&list, segment::find)?,
        };
        if let Some(spot) = &self.spot {
            let source = spot.segment.source(spot.block());
            return source.map(Next::Block).map_err(|error| io_error(&error));
        }
        // A block may have been flushed since the recent ones were looked at.
        Ok(match recent {
            Some(recent) => Next::Block(recent),
            None => self.recent_now(entry),
        })
    }

    /// The block after the last one, or where another read of this cursor ended, if the cursor is in
    /// it. Positions are unique, so there is then no other.
    fn next_spot(&mut self, list: &[Arc<Segment>]) -> Result<Option<Spot>, ReadError> {
        let last = match self.spot.take() {
            Some(spot) => Some(spot),
            None => match self.core.read_cache.take_mark(self.log, self.cursor) {
                Some(mark) => self.marked_spot(list, mark)?,
                None => None,
            },
        };
        let Some(mut spot) = last else { return Ok(None) };
        if spot.block().header.end() <= self.cursor {
            if spot.next().is_none() {
                return Ok(None);
            }
            spot.index += 1;
        }
        let header = &spot.block().header;
        let covers = header.first <= self.cursor && self.cursor < header.end();
        Ok(covers.then_some(spot))
    }

    fn marked_spot(
        &mut self,
        list: &[Arc<Segment>],
        mark: ReadMark,
    ) -> Result<Option<Spot>, ReadError> {
        self.sequential = true;
        let segment = list.iter().find(|segment| segment.state.number == mark.segment);
        let Some(segment) = segment else { return Ok(None) };
        let directory = self.directory(segment)?;
        let own = directory.get(mark.index).is_some_and(|block| block.header.log == self.log);
        let spot = || Spot { segment: Arc::clone(segment), directory, index: mark.index };
        Ok(own.then(spot))
    }

    /// The lowest of the blocks that `find` finds in the segments' directories. A log's blocks may lie
    /// in any order of segments; that in which the cursor lies ends the search.
    fn search(
        &self,
        list: &[Arc<Segment>],
        find: impl Fn(&[BlockAt], LogId, Position) -> Option<usize>,
    ) -> Result<Option<Spot>, ReadError> {
        let mut lowest: Option<Spot> = None;
        for segment in list {
            let directory = self.directory(segment)?;
            let Some(index) = find(&directory, self.log, self.cursor) else { continue };
            let first = directory[index].header.first;
            if lowest.as_ref().is_none_or(|lowest| first < lowest.block().header.first) {
                lowest = Some(Spot { segment: Arc::clone(segment), directory, index });
            }
            if first <= self.cursor {
                break;
            }
        }
        Ok(lowest)
    }

    /// Tells the disk what this read and, if readers go on like this, the next one will ask for.
    fn expect(&mut self, source: &BlockSource) {
        let Some(spot) = &self.spot else { return };
        if !self.core.read_cache.lacks(source) {
            return;
        }
        let header = &spot.block().header;
        let record_bytes = u64::from(header.body_bytes) / u64::from(header.count);
        let left = (self.budget.records_max - self.records.len()) as u64;
        // One record is always answered, however large: it may have used up more than there was.
        let bytes_left = self.budget.bytes_max.saturating_sub(self.bytes) as u64;
        let left = left.saturating_mul(record_bytes).min(bytes_left);
        let wanted = if self.sequential { left.saturating_mul(2) } else { left };
        let start = spot.block().at;
        let limit = start + wanted.min(READ_AHEAD_BYTES_MAX);
        let own = spot.directory[spot.index..].iter();
        let own = own.take_while(|block| block.header.log == self.log && block.at < limit);
        let end = own.last().map_or(start, |block| block.at + block.header.bytes_total() as u64);
        let from = start.max(self.expected_until);
        // One block alone is asked for at once.
        if end > from
            && end > start + spot.block().header.bytes_total() as u64
            && let Ok(file) = spot.segment.file()
        {
            file.expect_read(from, end - from);
            self.expected_until = end;
        }
    }

    /// Leaves where the next read goes on.
    fn leave_mark(&self) {
        if let Some(spot) = &self.spot {
            let mark = ReadMark { segment: spot.segment.state.number, index: spot.index };
            self.core.read_cache.put_mark(self.log, self.cursor, mark);
        }
    }

    fn recent_now(&self, entry: &LogEntry) -> Next {
        let state = entry.state();
        let mut above = state.recent.iter().filter(|recent| recent.at().header.end() > self.cursor);
        match above.next() {
            Some(recent) => Next::Block(BlockSource::of_chunk(&recent.chunk, recent.block)),
            None => Next::None,
        }
    }

    fn directory(&self, segment: &Segment) -> Result<Directory, ReadError> {
        let folder = self.core.folder.as_ref().expect("only folders have segments");
        folder.segments.directory(segment).map_err(|error| match error {
            DirectoryError::Io(error) => io_error(&error),
            DirectoryError::Damaged => ReadError::Damaged {
                log: self.log,
                from: self.cursor,
                resume: self.cursor,
                place: format!("the directory of segment {}", segment.state.number),
            },
        })
    }

    /// Moves the cursor to the first block with a record that is new enough; whether it could.
    fn seek_time(&mut self, entry: &LogEntry, disk: bool) -> Result<bool, ReadError> {
        let (recent, before_recent) = {
            let state = entry.state();
            let index =
                state.recent.partition_point(|recent| recent.at().header.arrival_max < self.since);
            let first = state.recent.get(index).map(|recent| recent.at().header.first);
            (first.unwrap_or(state.next), index == 0)
        };
        let segments = self.core.folder.as_ref().map(|folder| folder.segments.list());
        let may_be_older = before_recent && segments.as_ref().is_some_and(|list| !list.is_empty());
        if may_be_older {
            if !disk {
                return Ok(false);
            }
            let list = segments.iter().flat_map(|list| list.iter());
            let young = list.filter(|segment| segment.state.arrival_max >= self.since);
            let young: Vec<Arc<Segment>> = young.cloned().collect();
            let since = self.since;
            let found = self.search(&young, |directory, log, cursor| {
                let index = segment::find_time(directory, log, since)?;
                // What is trimmed lies below the cursor.
                Some(index.max(segment::find(directory, log, cursor)?))
            })?;
            if let Some(spot) = found {
                self.cursor = self.cursor.max(spot.block().header.first);
                return Ok(true);
            }
        }
        self.cursor = self.cursor.max(recent);
        Ok(true)
    }

    /// Whether acknowledged records are missing between the cursor and the next block. Within an
    /// epoch a log's positions have no holes, so a hole is damage.
    fn check_gap(&self, next: Option<&BlockSource>, known: &Known) -> Result<(), ReadError> {
        let first = next.map(|source| source.header.first);
        let same_epoch = |first: Position| first.epoch() == self.cursor.epoch();
        let damage = |from: Position, resume: Position, place: String| {
            Err(ReadError::Damaged { log: self.log, from, resume, place })
        };
        let (accepted, reported): (Vec<_>, Vec<_>) =
            self.core.condition.quarantined().into_iter().partition(|place| place.accepted);
        for place in reported {
            let touches = match place.log {
                Some(log) => log == self.log && place.end > self.cursor,
                None => self.may_be_lost(&place, known),
            };
            let before_next = first.is_none_or(|first| match place.log {
                Some(_) => place.first < first,
                None => place.epoch < first.epoch(),
            });
            if touches && before_next {
                return damage(self.cursor.max(place.first), place.end, place.name());
            }
        }
        let missing = "records are missing";
        match first {
            Some(first) => {
                let start = Position::new(first.epoch(), 0);
                let expected = if same_epoch(first) { self.cursor } else { start };
                let expected = self.after_accepted(&accepted, expected);
                if first > expected && expected >= known.trimmed_below && first > self.cursor {
                    return damage(expected, first, missing.to_owned());
                }
                Ok(())
            }
            None => match known.end {
                Some(end)
                    if self.after_accepted(&accepted, self.cursor) < end && same_epoch(end) =>
                {
                    damage(self.cursor, end, missing.to_owned())
                }
                _ => Ok(()),
            },
        }
    }

    /// The first position from `from` on whose loss nobody has taken note of.
    fn after_accepted(&self, accepted: &[Quarantine], from: Position) -> Position {
        let ends = |place: &Quarantine| match place.log {
            Some(log) if log == self.log && place.first <= from && from < place.end => {
                Some(place.end)
            }
            None if place.epoch == from.epoch() => Some(Position::new(place.epoch + 1, 0)),
            _ => None,
        };
        match accepted.iter().filter_map(ends).max() {
            Some(end) => self.after_accepted(accepted, end),
            None => from,
        }
    }

    /// Whether a chunk that is lost altogether may have held records of this log above the cursor.
    fn may_be_lost(&self, place: &Quarantine, known: &Known) -> bool {
        let ended_before = known.end.is_some_and(|end| end <= place.first || end <= self.cursor);
        self.cursor < place.end && self.log.epoch() <= place.epoch && !ended_before
    }

    /// Takes records of a block; whether the budget is used up.
    fn take(&mut self, source: &BlockSource) -> Result<bool, ReadError> {
        let end = source.header.end();
        self.expect(source);
        let body = match self.core.read_cache.load(source, self.core.sabotage.verifies()) {
            Ok(body) => body,
            Err(BlockError::Io(error)) => return Err(io_error(&error)),
            Err(BlockError::Damaged) => {
                let place = quarantine(source);
                if self.core.condition.is_accepted(&place) {
                    self.cursor = self.cursor.max(end);
                    return Ok(false);
                }
                let damage = ReadError::Damaged {
                    log: self.log,
                    from: self.cursor.max(source.header.first),
                    resume: end,
                    place: place.name(),
                };
                self.core.condition.quarantine(place);
                return if self.records.is_empty() { Err(damage) } else { Ok(true) };
            }
        };
        let wanted = self.budget.records_max - self.records.len();
        self.records.reserve(wanted.min(source.header.count as usize));
        for record in block::records(&source.header, &body).flatten() {
            if record.position < self.cursor || record.arrival < self.since {
                continue;
            }
            let over = self.bytes + record.payload.len() > self.budget.bytes_max;
            if self.records.len() >= self.budget.records_max || over && !self.records.is_empty() {
                return Ok(true);
            }
            self.bytes += record.payload.len();
            self.cursor = record.position.next_lower_bound();
            self.records.push(record);
        }
        self.cursor = self.cursor.max(end);
        Ok(self.records.len() >= self.budget.records_max)
    }
}

fn io_error(error: &io::Error) -> ReadError {
    ReadError::Io(error.to_string())
}
