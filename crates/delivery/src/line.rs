//! A line: one series of objects (or batches for a function), from the logs it reads to what waits to be
//! planned. Pure: it is told what was read, and says what is due.

use std::collections::{BTreeMap, VecDeque};

use stdx::UnixMillis;
use store::{Position, ReadFrom};

use crate::buffer::{Buffer, Event, Held, Hints, Read};
use crate::rows::{Role, SourceRow};

/// Where a line stands in one of its logs.
#[derive(Clone, Debug)]
pub(crate) struct Cursor {
    /// What the log is.
    pub(crate) role: Role,
    /// Where to read on.
    pub(crate) at: ReadFrom,
    /// Everything below is in a plan, in an object or in a staging log: what the row says.
    pub(crate) below: u64,
    /// The row's version, if there is a row.
    pub(crate) version: Option<u64>,
    /// Whether the log was closed and is read to its end.
    pub(crate) ended: bool,
}

impl Cursor {
    /// At the place that a row remembers.
    pub(crate) fn of_row(row: SourceRow, version: u64) -> Self {
        let at = ReadFrom::Position(Position(row.below));
        Cursor { role: row.role, at, below: row.below, version: Some(version), ended: false }
    }

    /// At a place that no row knows yet.
    pub(crate) fn new(role: Role, at: ReadFrom) -> Self {
        let below = match at {
            ReadFrom::Position(position) => position.0,
            ReadFrom::Time(_) => 0,
        };
        Cursor { role, at, below, version: None, ended: false }
    }

    /// The row, once everything below `below` is planned.
    pub(crate) fn row(&self, below: u64) -> SourceRow {
        SourceRow { role: self.role.clone(), below }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// When an object is full.
    pub(crate) hints: Hints,
    /// Its logs.
    pub(crate) cursors: BTreeMap<u64, Cursor>,
    buffer: Buffer,
    /// What is full and not planned.
    full: VecDeque<Held>,
    records: u64,
    bytes: u64,
}

impl Line {
    pub(crate) fn new(hints: Hints) -> Self {
        Line {
            hints,
            cursors: BTreeMap::new(),
            buffer: Buffer::default(),
            full: VecDeque::new(),
            records: 0,
            bytes: 0,
        }
    }

    /// A record was read.
    pub(crate) fn read(&mut self, read: Read, now: UnixMillis) {
        self.records += 1;
        self.bytes += read.bytes;
        self.full.extend(self.buffer.apply(Event::Read(read), self.hints, now));
    }

    /// What there is is to be delivered now.
    pub(crate) fn flush(&mut self, now: UnixMillis) {
        self.full.extend(self.buffer.apply(Event::Flush, self.hints, now));
    }

    /// What is to be planned next, if anything is due.
    pub(crate) fn take(&mut self, now: UnixMillis) -> Option<Held> {
        let tick = |buffer: &mut Buffer| buffer.apply(Event::Tick, self.hints, now);
        let held = self.full.pop_front().or_else(|| tick(&mut self.buffer))?;
        self.records -= held.records;
        self.bytes -= held.bytes;
        Some(held)
    }

    /// When something is due: at once if something is full.
    pub(crate) fn due(&self) -> Option<UnixMillis> {
        match self.full.is_empty() {
            false => Some(UnixMillis(0)),
            true => self.buffer.due(self.hints),
        }
    }

    /// How many full ones wait.
    pub(crate) fn full(&self) -> usize {
        self.full.len()
    }

    /// Records and bytes that are read and not planned.
    pub(crate) fn backlog(&self) -> (u64, u64) {
        (self.records, self.bytes)
    }

    /// When the oldest record that is not planned arrived.
    pub(crate) fn oldest(&self) -> Option<UnixMillis> {
        self.full.iter().chain(self.buffer.held()).map(|held| held.oldest).min()
    }

    /// The lowest position of a log that this line still needs; below it everything is planned.
    pub(crate) fn lowest(&self, log: u64) -> u64 {
        let held = self.full.iter().chain(self.buffer.held());
        let mut parts = held.flat_map(|held| &held.parts);
        let cursor = self.cursors.get(&log);
        match (parts.find(|part| part.log == log), cursor.map(|cursor| cursor.at)) {
            (Some(part), _) => part.from,
            (None, Some(ReadFrom::Position(at))) => at.0,
            (None, Some(ReadFrom::Time(_))) => 0,
            (None, None) => u64::MAX,
        }
    }

    /// Whether it holds records of a log that are not planned.
    pub(crate) fn holds(&self, log: u64) -> bool {
        let held = self.full.iter().chain(self.buffer.held());
        held.flat_map(|held| &held.parts).any(|part| part.log == log)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn line() -> Line {
        let mut line =
            Line::new(Hints { bytes: 10, interval: Duration::from_secs(60), weight: u64::MAX });
        line.cursors.insert(1, Cursor::new(Role::Intake, ReadFrom::Position(Position(5))));
        line
    }

    fn read(line: &mut Line, position: u64, bytes: u64) {
        let arrival = UnixMillis(1000);
        line.read(Read { log: 1, position, bytes, arrival, weight: 0 }, arrival);
        line.cursors.get_mut(&1).expect("its log").at = ReadFrom::Position(Position(position + 1));
    }

    #[test]
    fn full_ones_are_taken_in_order_and_the_rest_when_it_is_due() {
        let mut line = line();
        (5..10).for_each(|position| read(&mut line, position, 5));
        assert_eq!((line.full(), line.backlog()), (2, (5, 25)));
        assert_eq!(line.lowest(1), 5);
        assert_eq!(line.take(UnixMillis(1000)).expect("full").parts[0].from, 5);
        assert_eq!(line.lowest(1), 7);
        assert_eq!(line.take(UnixMillis(1000)).expect("full").parts[0].from, 7);
        assert_eq!(line.due(), Some(UnixMillis(61_000)));
        assert_eq!(line.take(UnixMillis(60_999)), None);
        assert_eq!(line.take(UnixMillis(61_000)).expect("due").records, 1);
        assert_eq!((line.backlog(), line.lowest(1)), ((0, 0), 10));
    }

    #[test]
    fn a_flush_waits_for_nobody() {
        let mut line = line();
        read(&mut line, 5, 1);
        line.flush(UnixMillis(1000));
        assert_eq!(line.due(), Some(UnixMillis(0)));
        assert!(line.take(UnixMillis(1000)).is_some());
    }
}
