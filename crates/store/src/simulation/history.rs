//! What was asked, answered and seen, and whether a log could have behaved like that.
//!
//! The checker looks at every event once, and sorts what it has seen of each log once. It knows
//! nothing of lanes, chunks or segments: only what was promised.
//!
//! | rule | what breaks it |
//! |---|---|
//! | acknowledged ⊆ log | a read that reaches past an acknowledged record and does not show it |
//! | one place each | a record at two positions, or two records at one |
//! | order | a record below one that was acknowledged before it was sent |
//! | reads are prefixes | a read that skips or repeats, or a record that turns up below what was read |
//! | what is shown stays | a record or a row's version that was shown and is not there later |
//! | refused is never | a record or row of a refused request, anywhere, at any time |
//! | unknown is all or nothing | half of a request whose outcome nobody knows; any of it before a restart |
//! | refusals are true | `Closed` by a log that is open later; a conflict with a row that never changed |
//! | the close is last | a record at or above the end, an append that succeeds after the close |
//! | times | arrivals that fall; a read by time that begins too early or too late |

use std::collections::{BTreeMap, HashMap, HashSet};

/// A request's number.
pub(crate) type RequestId = u32;
/// A record: whose it is and which one of its request.
pub(crate) type RecordId = (RequestId, u32);
/// A row's key, with its table.
pub(crate) type RowKey = Vec<u8>;

/// A row to write (`false`: to delete), and the version it must have, if any.
pub(crate) type AskedRow = (RowKey, bool, Option<u64>);

/// What a request asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// Records, by log: how many.
    pub(crate) records: Vec<(u64, u32)>,
    pub(crate) rows: Vec<AskedRow>,
    pub(crate) opens: Vec<u64>,
    pub(crate) closes: Vec<u64>,
    pub(crate) trims: Vec<(u64, u64)>,
    pub(crate) forgets: Vec<u64>,
    /// Whether it happens as a whole or not at all; an append may meet logs that are closed.
    pub(crate) whole: bool,
}

/// What became of one of a request's runs of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    At { first: u64, arrival: u64 },
    Closed,
    Unknown,
}

/// What a request was told.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Done, and durable.
    Done { placed: Vec<Placed>, versions: Vec<u64>, ends: Vec<(u64, u64)> },
    /// Nothing of it will ever be seen.
    Refused,
    /// A row was not what it expected.
    Conflict { row: usize },
    /// A log is closed.
    Closed { log: u64 },
    /// Nobody knows; not before a restart, at any rate.
    InDoubt,
}

/// One record as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) position: u64,
    pub(crate) arrival: u64,
    pub(crate) record: RecordId,
}

/// Where a read began.
#[derive(Clone, Copy, Debug)]
pub(crate) enum From {
    Position(u64),
    Time(u64),
}

/// What a read answered.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) records: Vec<Seen>,
    pub(crate) next: u64,
    pub(crate) at_tail: bool,
    pub(crate) closed_end: bool,
}

/// What happened.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Sent {
        request: RequestId,
        asked: Asked,
    },
    Answered {
        request: RequestId,
        answer: Answer,
    },
    /// A read; `None` if there is no such log.
    Read {
        log: u64,
        from: From,
        page: Option<Page>,
    },
    /// All rows of a table: key, version, and whose.
    Rows {
        rows: Vec<(RowKey, u64, RequestId)>,
    },
    /// The process ended, somehow, and another one began.
    Restarted,
}

/// How a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Waiting,
    Done,
    Refused,
    /// Since this many restarts.
    InDoubt(u32),
}

#[derive(Debug)]
struct Request {
    asked: Asked,
    fate: Fate,
    /// For each of its logs the highest position acknowledged before it was sent.
    floors: HashMap<u64, u64>,
    /// When it was sent, in events.
    sent: usize,
}

#[derive(Debug, Default)]
struct Log {
    by_position: HashMap<u64, Seen>,
    /// Above every acknowledged or shown record.
    acknowledged: u64,
    end: Option<u64>,
    close_sent: bool,
    closed: bool,
    open: bool,
    forget_sent: bool,
    forgotten: bool,
    trim_sent: u64,
    trimmed: u64,
    /// Reads, to be compared with everything ever seen: the trims sent and acknowledged then, too.
    reads: Vec<(From, Page, u64, u64)>,
}

#[derive(Debug, Default)]
struct Row {
    /// Every version ever shown or acknowledged, by whom, and what it expected.
    versions: BTreeMap<u64, (RequestId, Option<u64>)>,
    /// The newest of them, and whether it is a deletion.
    newest: Option<(u64, bool)>,
    /// A version that a conflict has found to be gone.
    conflicted: HashSet<u64>,
    /// Deletions whose outcome is open, by when they were sent.
    deletions_open: Vec<(RequestId, usize)>,
}

/// The checker.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    requests: HashMap<RequestId, Request>,
    records: HashMap<RecordId, (u64, u64)>,
    logs: BTreeMap<u64, Log>,
    rows: BTreeMap<RowKey, Row>,
    shown: HashSet<RequestId>,
    restarts: u32,
    at: usize,
}

type Verdict = Result<(), String>;

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(why()) }
}

/// Whether all rules hold. The history must end with a read of every log from its beginning, and of
/// all rows.
pub(crate) fn check(events: &[Event]) -> Verdict {
    let mut checker = Checker::default();
    for (at, event) in events.iter().enumerate() {
        checker.at = at;
        checker.apply(event).map_err(|why| format!("event {at}, {event:?}: {why}"))?;
    }
    checker.finish()
}

impl Checker {
    fn apply(&mut self, event: &Event) -> Verdict {
        match event {
            Event::Sent { request, asked } => self.send(*request, asked),
            Event::Answered { request, answer } => return self.answer(*request, answer),
            Event::Read { log, from, page } => return self.read(*log, *from, page.as_ref()),
            Event::Rows { rows } => return self.see_rows(rows),
            Event::Restarted => {
                self.restarts += 1;
                for request in self.requests.values_mut() {
                    if request.fate == Fate::Waiting {
                        request.fate = Fate::InDoubt(self.restarts - 1);
                    }
                }
            }
        }
        Ok(())
    }

    fn send(&mut self, request: RequestId, asked: &Asked) {
        let floors = asked.records.iter().map(|(log, _)| {
            let known = self.logs.entry(*log).or_default();
            (*log, known.acknowledged)
        });
        let floors = floors.collect();
        for log in &asked.closes {
            self.logs.entry(*log).or_default().close_sent = true;
        }
        for log in &asked.forgets {
            self.logs.entry(*log).or_default().forget_sent = true;
        }
        for (log, below) in &asked.trims {
            let log = self.logs.entry(*log).or_default();
            log.trim_sent = log.trim_sent.max(*below);
        }
        for (key, put, _) in &asked.rows {
            if !put {
                let row = self.rows.entry(key.clone()).or_default();
                row.deletions_open.push((request, self.at));
            }
        }
        let fate = Fate::Waiting;
        let sent = self.at;
        self.requests.insert(request, Request { asked: asked.clone(), fate, floors, sent });
    }

    fn answer(&mut self, request: RequestId, answer: &Answer) -> Verdict {
        let asked = self.requests[&request].asked.clone();
        let fate = match answer {
            Answer::Done { .. } => Fate::Done,
            Answer::InDoubt => Fate::InDoubt(self.restarts),
            _ => Fate::Refused,
        };
        if let Some(known) = self.requests.get_mut(&request) {
            known.fate = fate;
        }
        match answer {
            Answer::Done { placed, versions, ends } => {
                self.shown.insert(request);
                self.done(request, &asked, placed, versions, ends)
            }
            Answer::Closed { log } => self.saw_closed(*log),
            Answer::Conflict { row } => {
                let (key, _, expected) = &asked.rows[*row];
                let row = self.rows.entry(key.clone()).or_default();
                row.conflicted.extend(expected);
                Ok(())
            }
            Answer::Refused | Answer::InDoubt => Ok(()),
        }
    }

    fn done(
        &mut self,
        request: RequestId,
        asked: &Asked,
        placed: &[Placed],
        versions: &[u64],
        ends: &[(u64, u64)],
    ) -> Verdict {
        for log in &asked.opens {
            self.logs.entry(*log).or_default().open = true;
        }
        let mut index = 0;
        for (&(log, count), placed) in asked.records.iter().zip(placed) {
            match *placed {
                Placed::At { first, arrival } => {
                    let known = self.logs.entry(log).or_default();
                    let sent = self.requests[&request].sent;
                    ensure(!known.closed || asked.closes.contains(&log), || {
                        format!("an append sent at {sent} to {log} succeeds after its close")
                    })?;
                    for offset in 0..count {
                        let record = (request, index + offset);
                        let position = first + u64::from(offset);
                        self.observe(log, Seen { position, arrival, record })?;
                    }
                }
                Placed::Closed => self.saw_closed(log)?,
                Placed::Unknown => {
                    let known = self.logs.entry(log).or_default();
                    ensure(!known.open || known.forget_sent, || format!("{log} was open"))?;
                }
            }
            index += count;
        }
        for &(log, end) in ends {
            let known = self.logs.entry(log).or_default();
            ensure(known.end.is_none_or(|own| own == end), || format!("{log} ends twice"))?;
            (known.end, known.closed) = (Some(end), true);
        }
        for (log, below) in &asked.trims {
            let log = self.logs.entry(*log).or_default();
            log.trimmed = log.trimmed.max(*below);
        }
        for log in &asked.forgets {
            self.logs.entry(*log).or_default().forgotten = true;
        }
        for ((key, put, expected), &version) in asked.rows.iter().zip(versions) {
            self.see_version(key, version, request, !put, *expected)?;
        }
        Ok(())
    }

    fn saw_closed(&mut self, log: u64) -> Verdict {
        let log = self.logs.entry(log).or_default();
        log.closed = true;
        ensure(log.close_sent, || "it was never closed".to_owned())
    }

    /// A record is at a position, durably.
    fn observe(&mut self, log: u64, seen: Seen) -> Verdict {
        let (owner, _) = seen.record;
        let Some(request) = self.requests.get(&owner) else {
            return Err(format!("{seen:?} was never sent"));
        };
        ensure(request.fate != Fate::Refused, || format!("{seen:?} was refused"))?;
        ensure(request.fate != Fate::InDoubt(self.restarts), || {
            format!("{seen:?} is in doubt and shown without a restart")
        })?;
        let Some(&floor) = request.floors.get(&log) else {
            return Err(format!("{seen:?} was sent elsewhere"));
        };
        let place = *self.records.entry(seen.record).or_insert((log, seen.position));
        ensure(place == (log, seen.position), || format!("{seen:?} is also at {place:?}"))?;
        let known = self.logs.entry(log).or_default();
        let fresh = !known.by_position.contains_key(&seen.position);
        let present = *known.by_position.entry(seen.position).or_insert(seen);
        ensure(present == seen, || format!("{seen:?} and {present:?} are at one place"))?;
        if fresh {
            ensure(seen.position >= floor, || {
                format!("{seen:?} is below {floor}, acknowledged before it was sent")
            })?;
            ensure(known.end.is_none_or(|end| seen.position < end), || {
                format!("{seen:?} is beyond the end")
            })?;
        }
        known.acknowledged = known.acknowledged.max(seen.position + 1);
        self.shown.insert(owner);
        Ok(())
    }

    fn read(&mut self, log: u64, from: From, page: Option<&Page>) -> Verdict {
        let known = self.logs.entry(log).or_default();
        let Some(page) = page else {
            return ensure(known.forget_sent || !known.open, || "the log is gone".to_owned());
        };
        ensure(!known.forgotten, || "a forgotten log is there".to_owned())?;
        let (trimmed, trim_sent) = (known.trimmed, known.trim_sent);
        if page.at_tail {
            ensure(page.next >= known.acknowledged, || {
                format!("the tail is below {}, which was acknowledged", known.acknowledged)
            })?;
            ensure(page.closed_end || !known.closed, || "a closed log is open again".to_owned())?;
        }
        if page.closed_end {
            known.closed = true;
            ensure(known.close_sent, || "nobody closed it".to_owned())?;
            ensure(known.end.is_none_or(|end| page.next >= end), || "an early end".to_owned())?;
        }
        for seen in &page.records {
            self.observe(log, *seen)?;
            ensure(seen.position < page.next, || format!("{seen:?} is not below `next`"))?;
            ensure(seen.position >= trimmed, || format!("{seen:?} was trimmed"))?;
        }
        let known = self.logs.entry(log).or_default();
        known.open = true;
        known.reads.push((from, page.clone(), trim_sent, trimmed));
        Ok(())
    }

    fn see_version(
        &mut self,
        key: &RowKey,
        version: u64,
        request: RequestId,
        deletion: bool,
        expected: Option<u64>,
    ) -> Verdict {
        let row = self.rows.entry(key.clone()).or_default();
        let present = *row.versions.entry(version).or_insert((request, expected));
        ensure(present.0 == request, || format!("version {version} is also {}'s", present.0))?;
        row.deletions_open.retain(|(open, _)| *open != request);
        if row.newest.is_none_or(|(newest, _)| newest < version) {
            row.newest = Some((version, deletion));
        }
        Ok(())
    }

    fn see_rows(&mut self, rows: &[(RowKey, u64, RequestId)]) -> Verdict {
        for (key, version, request) in rows {
            let Some(known) = self.requests.get(request) else {
                return Err(format!("row {key:?} was never sent"));
            };
            let own = known.asked.rows.iter().find(|(own, put, _)| own == key && *put);
            let Some((_, _, expected)) = own.cloned() else {
                return Err(format!("row {key:?} is of {request}, which did not write it"));
            };
            let fate = known.fate;
            ensure(fate != Fate::Refused, || format!("row {key:?} of {request} was refused"))?;
            ensure(fate != Fate::InDoubt(self.restarts), || {
                format!("row {key:?} of {request} is in doubt and shown without a restart")
            })?;
            let row = self.rows.entry(key.clone()).or_default();
            ensure(row.newest.is_none_or(|(newest, _)| *version >= newest), || {
                format!("row {key:?} is back at version {version}: {row:?}")
            })?;
            ensure(!row.conflicted.contains(version), || {
                format!("row {key:?} is at version {version}, which a conflict found gone")
            })?;
            self.see_version(key, *version, *request, false, expected)?;
            self.shown.insert(*request);
        }
        let there: HashSet<&RowKey> = rows.iter().map(|(key, ..)| key).collect();
        let requests = &self.requests;
        for (key, row) in self.rows.iter().filter(|(key, _)| !there.contains(key)) {
            let Some((newest, false)) = row.newest else { continue };
            let written = row.versions.get(&newest).map(|(request, _)| *request);
            let since = written.and_then(|written| requests.get(&written)).map(|own| own.sent);
            let may = row.deletions_open.iter().any(|(request, sent)| {
                let fate = requests[request].fate;
                fate != Fate::Refused && since.is_none_or(|since| *sent > since)
            });
            ensure(may, || format!("row {key:?} at {newest} is gone: {row:?}"))?;
        }
        Ok(())
    }

    fn finish(&self) -> Verdict {
        for (name, log) in &self.logs {
            let mut all: Vec<Seen> = log.by_position.values().copied().collect();
            all.sort_unstable_by_key(|seen| seen.position);
            let fall = all.windows(2).find(|pair| pair[0].arrival > pair[1].arrival);
            ensure(fall.is_none(), || format!("log {name}: arrivals fall: {fall:?}"))?;
            for (from, page, trim_sent, trimmed) in &log.reads {
                let read = (from, page, *trim_sent, *trimmed);
                check_read(&all, read).map_err(|why| format!("log {name}, {from:?}: {why}"))?;
            }
        }
        for (key, row) in &self.rows {
            let mut before = None;
            for (version, (request, expected)) in &row.versions {
                ensure(expected.is_none_or(|expected| before == Some(expected)), || {
                    format!("{request} wrote {key:?} at {version} over {before:?}: {expected:?}")
                })?;
                before = Some(*version);
            }
        }
        self.shown.iter().try_for_each(|request| self.check_whole(*request))
    }

    /// Of a request that has been seen at all, everything must have been.
    fn check_whole(&self, id: RequestId) -> Verdict {
        let request = &self.requests[&id];
        let mut index = 0;
        let mut runs = Vec::new();
        for (log, count) in &request.asked.records {
            let places: Vec<_> =
                (index..index + count).map(|own| self.records.get(&(id, own))).collect();
            let there = places.iter().flatten().count() as u32;
            // What a trim or a forgetting has taken cannot be looked for.
            let known = &self.logs[log];
            if !known.forget_sent && known.trim_sent == 0 {
                ensure(there == 0 || there == *count, || {
                    format!("{there} of {count} records of {id} are in {log}")
                })?;
                runs.push(there > 0 || *count == 0);
            }
            let rising = places.windows(2).all(|pair| match (pair[0], pair[1]) {
                (Some((_, one)), Some((_, next))) => one + 1 == *next,
                _ => true,
            });
            ensure(rising, || format!("the records of {id} in {log} are not in order"))?;
            index += count;
        }
        let torn = request.asked.whole && request.fate != Fate::Done && runs.contains(&false);
        ensure(!torn, || format!("request {id} is torn: {runs:?}"))
    }
}

/// Whether a read shows what it must of all records that there ever were, in order.
fn check_read(all: &[Seen], (from, page, trim_sent, trimmed): (&From, &Page, u64, u64)) -> Verdict {
    let wanted = |seen: &Seen| match from {
        From::Position(position) => seen.position >= *position,
        From::Time(time) => seen.arrival >= *time,
    };
    let may_begin = all.partition_point(|seen| !wanted(seen));
    let must_begin = all.partition_point(|seen| !wanted(seen) || seen.position < trim_sent);
    let first = match page.records.first() {
        Some(first) => all.partition_point(|seen| seen.position < first.position),
        None => must_begin.min(all.partition_point(|seen| seen.position < page.next)),
    };
    let kept_from = all.partition_point(|seen| seen.position < trimmed);
    let begins = first >= may_begin.min(must_begin) && first <= must_begin.max(may_begin);
    ensure(begins || page.records.is_empty(), || {
        format!("it begins at {first}, not between {may_begin} and {must_begin}: {page:?}")
    })?;
    ensure(page.records.is_empty() || first >= kept_from, || "it shows trimmed records".into())?;
    let own = all.get(first..first + page.records.len());
    ensure(own == Some(&page.records[..]), || format!("it skips: {page:?}, not {own:?}"))?;
    let left = all[first + page.records.len()..].iter().take_while(|s| s.position < page.next);
    ensure(left.into_iter().all(|seen| seen.position < trim_sent || !wanted(seen)), || {
        format!("it goes on at {} and leaves out records", page.next)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(request: RequestId, records: &[(u64, u32)]) -> Event {
        let asked = Asked { records: records.to_vec(), ..Asked::default() };
        Event::Sent { request, asked }
    }

    fn opened() -> Vec<Event> {
        let asked = Asked { opens: vec![7], whole: true, ..Asked::default() };
        let (placed, versions, ends) = Default::default();
        let answer = Answer::Done { placed, versions, ends };
        vec![Event::Sent { request: 0, asked }, Event::Answered { request: 0, answer }]
    }

    fn done(request: RequestId, first: u64) -> Event {
        let placed = vec![Placed::At { first, arrival: 5 }];
        let (versions, ends) = Default::default();
        Event::Answered { request, answer: Answer::Done { placed, versions, ends } }
    }

    fn read(positions: &[(u64, RecordId)], next: u64) -> Event {
        let seen = |&(position, record)| Seen { position, arrival: 5, record };
        let records = positions.iter().map(seen).collect();
        let page = Page { records, next, at_tail: true, closed_end: false };
        Event::Read { log: 7, from: From::Position(0), page: Some(page) }
    }

    fn verdict(events: &[Event]) -> Result<(), String> {
        check(&[opened(), events.to_vec()].concat())
    }

    #[test]
    fn a_good_history_passes() {
        let seen = [(3, (1, 0)), (4, (1, 1)), (5, (2, 0))];
        let events =
            [sent(1, &[(7, 2)]), sent(2, &[(7, 1)]), done(1, 3), done(2, 5), read(&seen, 6)];
        assert_eq!(verdict(&events), Ok(()));
    }

    #[test]
    fn every_rule_can_be_broken() {
        let (one, two) = (sent(1, &[(7, 2)]), sent(2, &[(7, 1)]));
        let both = [(3, (1, 0)), (4, (1, 1))];
        let refused = Event::Answered { request: 1, answer: Answer::Refused };
        let in_doubt = Event::Answered { request: 1, answer: Answer::InDoubt };
        let closed = Event::Answered { request: 1, answer: Answer::Closed { log: 7 } };
        let bad: &[(&str, Vec<Event>)] = &[
            ("leaves out", vec![one.clone(), done(1, 3), read(&[], 9)]),
            ("the tail is below", vec![one.clone(), done(1, 3), read(&[], 0)]),
            ("is also at", vec![one.clone(), done(1, 3), read(&[(4, (1, 0))], 9)]),
            ("at one place", vec![one.clone(), two.clone(), done(1, 3), done(2, 4)]),
            ("acknowledged before", vec![one.clone(), done(1, 3), two, done(2, 1)]),
            ("leaves out", vec![one.clone(), done(1, 3), read(&both[..1], 9)]),
            ("it skips", vec![one.clone(), done(1, 3), read(&[both[0], both[0]], 9)]),
            ("leaves out", vec![one.clone(), read(&[], 9), done(1, 3), read(&both, 9)]),
            ("was refused", vec![one.clone(), refused, read(&both, 9)]),
            ("without a restart", vec![one.clone(), in_doubt.clone(), read(&both, 9)]),
            ("1 of 2 records", vec![one.clone(), Event::Restarted, read(&both[..1], 9)]),
            ("never closed", vec![one, closed]),
        ];
        for (expected, events) in bad {
            let why = verdict(events).expect_err(expected);
            assert!(why.contains(expected), "{expected}: {why}");
        }
        assert_eq!(
            verdict(&[sent(1, &[(7, 2)]), in_doubt, Event::Restarted, read(&both, 9)]),
            Ok(())
        );
    }
}
