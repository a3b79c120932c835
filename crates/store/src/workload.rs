//! A scripted workload that is driven step by step, and what must be true of the folder afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use stdx::{Clock, Entropy, UnixMillis};
use tokio::sync::oneshot;

use crate::config::Config;
use crate::core::Core;
use crate::error::{OpenError, ReadError};
use crate::id::{LogId, Position, TableId};
use crate::lane::Sabotage;
use crate::queue::Request;
use crate::recover::open_folder;
use crate::request::{
    AppendOutcome, Commit, CommitError, Committed, Expect, LogAppend, ReadBudget, ReadFrom,
    RowWrite,
};
use crate::sequencer::{append_bytes, commit_bytes};
use crate::sim_disk::SimDisk;
use crate::{RecordBatch, StoreError};

const TABLE: TableId = TableId(9);
pub(crate) const ALL: ReadBudget = ReadBudget { records_max: usize::MAX, bytes_max: usize::MAX };

pub(crate) fn small() -> Config {
    Config {
        ring_file_bytes: 64 * 1024,
        ring_bytes_max: 512 * 1024,
        flush_bytes: u64::MAX,
        flush_after: Duration::MAX,
        compact_fan_in: 2,
        compact_step_bytes: 3000,
        compact_bytes_per_second: u64::MAX,
        compact_dead_bytes_min: 1,
        ..Config::folder("/sim")
    }
}

pub(crate) fn open(disk: &SimDisk, sabotage: Sabotage) -> Result<Core, OpenError> {
    open_with(disk, small(), sabotage)
}

fn open_with(disk: &SimDisk, config: Config, sabotage: Sabotage) -> Result<Core, OpenError> {
    let clock = Clock::manual(UnixMillis(1_700_000_000_000));
    open_folder(Arc::new(disk.clone()), config, clock, Entropy::seeded(disk.ops() as u64), sabotage)
}

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Sent, from this operation of the disk on.
    Sent(usize),
    /// Acknowledged, before this operation of the disk.
    Acknowledged(usize),
    /// Answered with an error, before this operation of the disk.
    Failed(usize),
}

/// One request and what it changes. Records carry its number, so that they say whose they are.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) known: Known,
    sent: usize,
    records: Vec<LogId>,
    rows: Vec<(Bytes, Bytes)>,
    closes: Vec<LogId>,
    /// Where its first record stands, once that is known.
    first: Option<Position>,
}

/// A workload on a disk, and the history it has made.
pub(crate) struct Workload {
    pub(crate) disk: SimDisk,
    pub(crate) core: Option<Core>,
    pub(crate) events: Vec<Event>,
    pub(crate) logs: Vec<LogId>,
    sabotage: Sabotage,
    waiting: Vec<(usize, Answer)>,
}

enum Answer {
    Append(oneshot::Receiver<Result<Vec<AppendOutcome>, StoreError>>),
    Commit(oneshot::Receiver<Result<Committed, CommitError>>),
}

pub(crate) fn payload(number: usize, bytes: usize) -> Vec<u8> {
    let mut payload = (number as u32).to_le_bytes().to_vec();
    payload.resize(bytes.max(4), number as u8);
    payload
}

impl Workload {
    pub(crate) fn new(sabotage: Sabotage) -> Self {
        Workload::made(small(), sabotage)
    }

    /// With limits of its own, until it is opened again.
    pub(crate) fn with(config: Config) -> Self {
        Workload::made(config, Sabotage::None)
    }

    fn made(config: Config, sabotage: Sabotage) -> Self {
        let disk = SimDisk::default();
        let core = Some(open_with(&disk, config, sabotage).unwrap());
        let (events, logs, waiting) = Default::default();
        Workload { disk, core, events, logs, sabotage, waiting }
    }

    /// The same history, going on on another disk.
    pub(crate) fn on(&self, disk: &SimDisk) -> Workload {
        Workload {
            core: Some(open(disk, self.sabotage).unwrap()),
            disk: disk.clone(),
            events: self.events.clone(),
            logs: self.logs.clone(),
            sabotage: self.sabotage,
            waiting: Vec::new(),
        }
    }

    pub(crate) fn core(&self) -> &Core {
        self.core.as_ref().unwrap()
    }

    fn event(
        &mut self,
        records: Vec<LogId>,
        rows: Vec<(Bytes, Bytes)>,
        closes: Vec<LogId>,
    ) -> usize {
        let sent = self.disk.ops();
        let known = Known::Sent(sent);
        self.events.push(Event { known, sent, records, rows, closes, first: None });
        self.events.len() - 1
    }

    /// Compacts until there is nothing to compact.
    pub(crate) fn compact(&self) {
        while self.core().compact_step() == Some(Duration::ZERO) {}
    }

    /// Gives up a log's records before the one of this event.
    pub(crate) fn trim(&mut self, log: usize, event: usize) {
        let log = self.logs[log];
        let own = look(self.core(), &[log]).unwrap().records.remove(&log).unwrap();
        let below = own.iter().find(|(_, number)| *number == event).unwrap().0;
        let commit = Commit { trims: vec![(log, below)], ..Commit::default() };
        let (reply, _) = oneshot::channel();
        let bytes = commit_bytes(&commit);
        self.core().queue.push(Request::Commit { commit: Box::new(commit), bytes, reply });
    }

    /// Sends an append of one record of this size to each of these logs.
    pub(crate) fn append(&mut self, logs: &[usize], bytes: usize) {
        let logs: Vec<LogId> = logs.iter().map(|&log| self.logs[log]).collect();
        let number = self.event(logs.clone(), Vec::new(), Vec::new());
        let record = RecordBatch::single(&payload(number, bytes));
        let batch: Vec<_> = logs.iter().map(|&log| LogAppend::new(log, record.clone())).collect();
        let (reply, answer) = oneshot::channel();
        let bytes = append_bytes(&batch);
        self.core().queue.push(Request::Append { batch, bytes, reply });
        self.waiting.push((number, Answer::Append(answer)));
    }

    /// Sends a commit that opens a log, writes rows, appends and closes.
    pub(crate) fn commit(
        &mut self,
        opens: usize,
        keys: &[&'static str],
        records: &[usize],
        closes: &[usize],
    ) {
        let new: Vec<LogId> = (0..opens)
            .map(|_| LogId(self.core().log_next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)))
            .collect();
        let ids = |logs: &[usize]| logs.iter().map(|&log| self.logs[log]).collect::<Vec<_>>();
        let (records, closes) = (ids(records), ids(closes));
        let number = self.events.len();
        let value = Bytes::from(payload(number, 50));
        let rows: Vec<_> = keys.iter().map(|key| (Bytes::from(*key), value.clone())).collect();
        self.event(records.clone(), rows.clone(), closes.clone());
        self.logs.extend(&new);
        let record = RecordBatch::single(&payload(number, 600));
        let commit = Commit {
            rows: rows
                .into_iter()
                .map(|(key, value)| RowWrite {
                    table: TABLE,
                    key,
                    value: Some(value),
                    expect: Expect::Any,
                })
                .collect(),
            opens: new,
            records: records.into_iter().map(|log| LogAppend::new(log, record.clone())).collect(),
            closes,
            ..Commit::default()
        };
        let (reply, answer) = oneshot::channel();
        let bytes = commit_bytes(&commit);
        self.core().queue.push(Request::Commit { commit: Box::new(commit), bytes, reply });
        self.waiting.push((number, Answer::Commit(answer)));
    }

    /// Lets the lane work, and takes down what it answers.
    pub(crate) fn step(&mut self) {
        while self.core().lane_step() || self.core().has_work() {}
        let at = self.disk.ops();
        for (number, answer) in std::mem::take(&mut self.waiting) {
            let outcomes = match answer {
                Answer::Append(mut answer) => answer.try_recv().unwrap().ok(),
                Answer::Commit(mut answer) => {
                    answer.try_recv().unwrap().ok().map(|done| done.appended)
                }
            };
            let event = &mut self.events[number];
            event.known = match outcomes {
                Some(outcomes) => {
                    if let Some(AppendOutcome::Appended { first, .. }) = outcomes.first() {
                        event.first = Some(*first);
                    }
                    Known::Acknowledged(at)
                }
                None => Known::Failed(at),
            };
        }
    }

    /// Stops without a word and opens the folder again.
    pub(crate) fn reopen(&mut self) {
        self.core = None;
        self.core = Some(open(&self.disk, self.sabotage).unwrap());
    }

    /// What every part of the store is needed for.
    pub(crate) fn run(&mut self) {
        self.commit(2, &["a"], &[], &[]);
        self.step();
        self.append(&[0], 100);
        self.step();
        self.append(&[0, 1], 700);
        self.append(&[1], 3000);
        self.append(&[0], 40);
        self.step();
        self.commit(1, &["a", "b"], &[0], &[1]);
        self.append(&[0], 20);
        self.step();
        self.core().prove_step();
        self.append(&[0, 2], 9000);
        self.step();
        self.core().flush().unwrap();
        self.append(&[2], 300);
        self.step();
        self.reopen();
        self.append(&[0, 2], 1500);
        self.step();
        self.commit(1, &["b", "c"], &[2], &[2]);
        self.step();
        self.disk.fail_sync_after("ring", 1);
        self.append(&[0], 800);
        self.step();
        self.append(&[0, 3], 900);
        self.step();
        self.append(&[3], 1000);
        self.step();
        self.commit(0, &["a", "c"], &[0], &[]);
        self.step();
        self.core().flush().unwrap();
        for _ in 0..9 {
            self.append(&[0, 3], 6000);
            self.step();
        }
        self.core().flush().unwrap();
        self.append(&[0, 3], 500);
        self.step();
    }
}

/// What a folder shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) records: BTreeMap<LogId, Vec<(Position, usize)>>,
    pub(crate) rows: BTreeMap<Bytes, usize>,
    pub(crate) closed: Vec<LogId>,
    pub(crate) damaged: usize,
}

fn number_of(bytes: &[u8]) -> usize {
    u32::from_le_bytes(bytes[..4].try_into().unwrap()) as usize
}

/// Reads everything; an error if a record's bytes are not what was written.
pub(crate) fn look(core: &Core, logs: &[LogId]) -> Result<Shown, String> {
    let mut shown = Shown::default();
    for &log in logs {
        let mut from = Position::ZERO;
        let own = shown.records.entry(log).or_default();
        loop {
            match core.read_page(log, ReadFrom::Position(from), ALL, true) {
                Ok(page) => {
                    let page = page.ok_or("a read did not reach the disk")?;
                    for record in page.records {
                        let number = number_of(&record.payload);
                        if record.payload != payload(number, record.payload.len()) {
                            return Err(format!("wrong bytes at {} of {log}", record.position));
                        }
                        own.push((record.position, number));
                    }
                    if page.closed_end {
                        shown.closed.push(log);
                    }
                    if page.at_tail {
                        break;
                    }
                    from = page.next;
                }
                Err(ReadError::Damaged { resume, .. }) if resume > from => {
                    shown.damaged += 1;
                    from = resume;
                }
                Err(ReadError::UnknownLog(_)) => break,
                Err(error) => return Err(error.to_string()),
            }
        }
    }
    core.tables.rows(TABLE).read(|rows| {
        shown.rows = rows.iter().map(|(key, row)| (key.clone(), number_of(&row.value))).collect();
    });
    Ok(shown)
}

/// Whether a folder that was cut off after `at` operations shows what it must and nothing else.
pub(crate) fn check(events: &[Event], at: usize, shown: &Shown) -> Result<(), String> {
    let last_acknowledged = events
        .iter()
        .rposition(|event| matches!(event.known, Known::Acknowledged(when) if when <= at));
    for (number, event) in events.iter().enumerate() {
        let must = matches!(event.known, Known::Acknowledged(when) if when <= at);
        let failed = matches!(event.known, Known::Failed(when) if when <= at);
        let superseded = last_acknowledged.is_some_and(|last| number < last);
        let may = event.sent <= at && !(failed && superseded);
        let mut present = Vec::new();
        for log in &event.records {
            let found =
                shown.records.get(log).and_then(|own| own.iter().find(|(_, n)| *n == number));
            if let (Some((position, _)), Some(first)) = (found, event.first)
                && event.records.first() == Some(log)
                && *position != first
            {
                return Err(format!("event {number} is at {position}, not at {first}"));
            }
            present.push(found.is_some());
        }
        present.extend(event.closes.iter().map(|log| shown.closed.contains(log)));
        for (key, _) in &event.rows {
            let row = shown.rows.get(key).copied();
            let later = row.is_some_and(|row| row > number);
            if !later {
                present.push(row == Some(number));
            }
        }
        if must && present.contains(&false) {
            return Err(format!("acknowledged event {number} is not all there: {present:?}"));
        }
        if !may && present.contains(&true) {
            return Err(format!("event {number} is there and must not be: {present:?}"));
        }
        if present.contains(&true) && present.contains(&false) {
            return Err(format!("event {number} is torn: {present:?}"));
        }
    }
    for (log, own) in &shown.records {
        if own.windows(2).any(|pair| pair[0].0 >= pair[1].0 || pair[0].1 >= pair[1].1) {
            return Err(format!("{log} is out of order: {own:?}"));
        }
    }
    Ok(())
}
