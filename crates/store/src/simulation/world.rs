//! One run: a seed decides what is asked, when the store's steps run, what the disk does to them and
//! when the process ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::bytes::{owner, payload};
use super::history::{Answer, Asked, AskedRow, Event, From, Page, Placed, RequestId, Seen, check};
use super::machine::{Ending, Machine, Weather};
use crate::core::Core;
use crate::error::{ReadError, StoreError};
use crate::id::{LogId, Position, TableId};
use crate::queue::Request;
use crate::request::{
    AppendOutcome, Commit, CommitError, Committed, Expect, LogAppend, ReadBudget, ReadFrom,
    RowWrite,
};
use crate::sequencer::{append_bytes, commit_bytes};
use crate::{ReadPage, RecordBatch};

const TABLES: [TableId; 2] = [TableId(9), TableId(12)];
/// How many tries to write a store that can has.
const RESUME_TRIES: usize = 4;

enum Waiting {
    Append(oneshot::Receiver<Result<Vec<AppendOutcome>, StoreError>>),
    Commit(oneshot::Receiver<Result<Committed, CommitError>>),
}

/// A store, its disk, and what has happened.
pub(crate) struct World {
    pub(crate) machine: Machine,
    pub(crate) events: Vec<Event>,
    /// Whether requests wait until the lane writes.
    withholds: bool,
    logs: Vec<LogId>,
    /// Positions that have been acknowledged, to trim by.
    pub(super) placed: BTreeMap<LogId, Vec<u64>>,
    /// The newest version known of each row, to expect.
    versions: BTreeMap<Vec<u8>, u64>,
    waiting: Vec<(RequestId, Waiting)>,
    requests: RequestId,
}

impl World {
    pub(super) fn new(seed: u64, weather: Weather) -> World {
        World {
            machine: Machine::new(seed, weather),
            events: Vec::new(),
            withholds: false,
            logs: Vec::new(),
            placed: BTreeMap::new(),
            versions: BTreeMap::new(),
            waiting: Vec::new(),
            requests: 0,
        }
    }

    pub(super) fn core(&self) -> &Arc<Core> {
        self.machine.core()
    }

    pub(super) fn below(&self, bound: usize) -> usize {
        self.machine.below(bound)
    }

    fn send(&mut self, asked: Asked) -> RequestId {
        self.requests += 1;
        self.events.push(Event::Sent { request: self.requests, asked });
        self.requests
    }

    fn any_log(&self) -> LogId {
        // The newest are the likeliest to be open.
        let back = if self.below(3) == 0 { self.logs.len() } else { self.logs.len().min(4) };
        match self.logs.len().checked_sub(1 + self.below(back + 1)) {
            Some(index) => self.logs[index],
            None => LogId::new(1, 1 << 30),
        }
    }

    /// Some logs, each once.
    fn some_logs(&self, most: usize) -> Vec<LogId> {
        let mut logs: Vec<LogId> = (0..self.below(most + 1)).map(|_| self.any_log()).collect();
        logs.sort();
        logs.dedup();
        logs
    }

    /// One to four records for each of these logs, and what is asked with them.
    fn records(&self, logs: &[LogId], small: bool) -> (Vec<LogAppend>, Vec<(u64, u32)>) {
        let request = self.requests + 1;
        let mut index = 0;
        let mut asked = Vec::new();
        let appends = logs.iter().map(|&log| {
            let count = 1 + self.below(4) as u32;
            let mut batch = RecordBatch::builder();
            for _ in 0..count {
                let sizes = if small { [20, 20, 20, 20, 20] } else { [20, 20, 300, 2500, 9000] };
                batch.push(&[&payload(request, index, 8 + self.below(sizes[self.below(5)]))]);
                index += 1;
            }
            asked.push((log.0, count));
            LogAppend::new(log, batch.finish())
        });
        let appends = appends.collect();
        (appends, asked)
    }

    pub(super) fn append(&mut self) {
        let mut logs = self.some_logs(2);
        if logs.is_empty() {
            logs.push(self.any_log());
        }
        let (batch, records) = self.records(&logs, false);
        self.append_batch(batch, records);
    }

    fn append_batch(&mut self, batch: Vec<LogAppend>, records: Vec<(u64, u32)>) {
        let request = self.send(Asked { records, ..Asked::default() });
        let (reply, answer) = oneshot::channel();
        let bytes = append_bytes(&batch);
        self.push(Request::Append { batch, bytes, reply });
        self.waiting.push((request, Waiting::Append(answer)));
    }

    fn row(&self, request: RequestId, index: u32) -> (RowWrite, AskedRow) {
        let table = TABLES[self.below(2)];
        let name = [table.0, b'a' + self.below(4) as u8];
        let known = self.versions.get(&name[..]).copied();
        let expect = match self.below(4) {
            0 => Expect::Absent,
            1 | 2 => known.map_or(Expect::Any, Expect::Version),
            _ => Expect::Any,
        };
        let put = self.below(3) > 0;
        let value = put.then(|| payload(request, index, 8 + self.below(80)).into());
        let expected = match expect {
            Expect::Version(version) => Some(version),
            _ => None,
        };
        let write = RowWrite { table, key: Bytes::copy_from_slice(&name[1..]), value, expect };
        (write, (name.to_vec(), put, expected))
    }

    pub(super) fn commit(&mut self) {
        let opens: Vec<LogId> = (0..self.below(3)).map(|_| self.new_log()).collect();
        let mut targets = self.some_logs(2);
        targets.extend(opens.first().filter(|_| self.below(2) == 0));
        let (records, asked_records) = self.records(&targets, false);
        let closes = if self.below(4) == 0 { vec![self.any_log()] } else { Vec::new() };
        let (mut rows, mut asked_rows) = (Vec::new(), Vec::<AskedRow>::new());
        for index in 0..self.below(3) as u32 {
            let (row, asked) = self.row(self.requests + 1, 1000 + index);
            if !asked_rows.iter().any(|(key, ..)| *key == asked.0) {
                rows.push(row);
                asked_rows.push(asked);
            }
        }
        let trims = self.trim_point().into_iter().filter(|_| self.below(4) == 0).collect();
        self.push_commit(
            Commit { rows, opens, closes, records, trims, ..Commit::default() },
            asked_records,
            asked_rows,
        );
    }

    fn push_commit(&mut self, commit: Commit, records: Vec<(u64, u32)>, rows: Vec<AskedRow>) {
        let ids = |logs: &[LogId]| logs.iter().map(|log| log.0).collect();
        let request = self.send(Asked {
            records,
            rows,
            opens: ids(&commit.opens),
            closes: ids(&commit.closes),
            trims: commit.trims.iter().map(|(log, below)| (log.0, below.0)).collect(),
            forgets: ids(&commit.forgets),
            whole: true,
        });
        let (reply, answer) = oneshot::channel();
        let bytes = commit_bytes(&commit);
        self.push(Request::Commit { commit: Box::new(commit), bytes, reply });
        self.waiting.push((request, Waiting::Commit(answer)));
    }

    fn new_log(&mut self) -> LogId {
        let log = LogId(self.core().log_next.fetch_add(1, Ordering::Relaxed));
        self.logs.push(log);
        log
    }

    fn trim_point(&self) -> Option<(LogId, Position)> {
        let log = self.any_log();
        let placed = self.placed.get(&log)?;
        Some((log, Position(placed[self.below(placed.len())])))
    }

    fn trim(&mut self) {
        if self.below(8) == 0 {
            let commit = Commit { forgets: vec![self.any_log()], ..Commit::default() };
            self.push_commit(commit, Vec::new(), Vec::new());
        } else if let Some(point) = self.trim_point() {
            let commit = Commit { trims: vec![point], ..Commit::default() };
            self.push_commit(commit, Vec::new(), Vec::new());
        }
    }

    /// Lets the lane work once, while requests arrive.
    fn step_lane(&mut self) {
        self.withholds = true;
        for _ in 0..self.below(4) {
            if self.below(2) == 0 { self.append() } else { self.commit() }
        }
        self.withholds = false;
        self.machine.step_lane();
        let late = std::mem::take(&mut self.machine.chaos().late);
        late.into_iter().for_each(|request| self.core().queue.push(request));
    }

    fn push(&self, request: Request) {
        if self.withholds {
            self.machine.chaos().late.push(request);
        } else {
            self.core().queue.push(request);
        }
    }

    /// The process ends while the lane works or a flush runs.
    fn die(&mut self) -> Result<(), String> {
        self.append();
        self.machine.doom();
        self.machine.drive();
        if self.below(3) == 0 {
            self.machine.flush();
        }
        if self.below(2) == 0 {
            return self.restart(Ending::PowerCut);
        }
        self.collect()?;
        self.machine.heal();
        self.restart(Ending::Killed)
    }

    /// A moment, up to four seconds.
    fn moment(&self) -> Duration {
        Duration::from_millis(self.below(4000) as u64)
    }

    /// Takes down what has been answered.
    pub(super) fn collect(&mut self) -> Result<(), String> {
        for (request, mut waiting) in std::mem::take(&mut self.waiting) {
            let answer = match &mut waiting {
                Waiting::Append(answer) => answer.try_recv().map(append_answer),
                Waiting::Commit(answer) => answer.try_recv().map(commit_answer),
            };
            match answer {
                Err(TryRecvError::Empty) => self.waiting.push((request, waiting)),
                Err(TryRecvError::Closed) => return Err("nobody answers".to_owned()),
                Ok(answer) => {
                    let answer = answer?;
                    self.note(request, &answer);
                    self.events.push(Event::Answered { request, answer });
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, request: RequestId, answer: &Answer) {
        let Answer::Done { placed, versions, .. } = answer else { return };
        let sent = self.events.iter().rev().find_map(|event| match event {
            Event::Sent { request: own, asked } if *own == request => Some(asked.clone()),
            _ => None,
        });
        let Some(asked) = sent else { return };
        for ((log, _), placed) in asked.records.iter().zip(placed) {
            if let Placed::At { first, .. } = placed {
                self.placed.entry(LogId(*log)).or_default().push(*first);
            }
        }
        for ((key, ..), version) in asked.rows.into_iter().zip(versions) {
            self.versions.insert(key, *version);
        }
    }

    fn read(&mut self, log: LogId, from: ReadFrom) -> Result<Option<ReadPage>, String> {
        let budget = ReadBudget { records_max: 1 + self.below(12), bytes_max: self.below(30_000) };
        let page = match self.core().read_page(log, from, budget, true) {
            Ok(page) => Some(page.ok_or("a read did not reach the disk")?),
            Err(ReadError::UnknownLog(_)) => None,
            Err(ReadError::Io(_)) => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let seen = |page: &ReadPage| -> Result<Page, String> {
            let records = page.records.iter().map(|record| {
                let record_id = owner(&record.payload).ok_or("wrong bytes")?;
                let (position, arrival) = (record.position.0, record.arrival.0);
                Ok(Seen { position, arrival, record: record_id })
            });
            let records = records.collect::<Result<_, String>>()?;
            let ReadPage { at_tail, closed_end, .. } = *page;
            Ok(Page { records, next: page.next.0, at_tail, closed_end })
        };
        let from = match from {
            ReadFrom::Position(position) => From::Position(position.0),
            ReadFrom::Time(time) => From::Time(time.0),
        };
        let own = page.as_ref().map(seen).transpose()?;
        self.events.push(Event::Read { log: log.0, from, page: own });
        Ok(page)
    }

    fn read_somewhere(&mut self) -> Result<(), String> {
        let log = self.any_log();
        let from = match self.below(3) {
            0 => ReadFrom::Time(self.machine.clock().service().before(self.moment())),
            1 => ReadFrom::Position(Position::ZERO),
            _ => {
                let placed = self.placed.get(&log);
                let from = placed.map_or(0, |placed| placed[self.below(placed.len())]);
                ReadFrom::Position(Position(from))
            }
        };
        self.read(log, from).map(drop)
    }

    fn scan_rows(&mut self) -> Result<(), String> {
        let mut all = Vec::new();
        for table in TABLES {
            let rows = self.core().tables.rows(table);
            let own = rows.read(|rows| {
                let own = rows.iter().map(|(key, row)| {
                    let (request, _) = owner(&row.value).ok_or("wrong bytes in a row")?;
                    let key = [&[table.0][..], key].concat();
                    Ok((key, row.version, request))
                });
                own.collect::<Result<Vec<_>, String>>()
            });
            all.extend(own?);
        }
        self.versions.extend(all.iter().map(|(key, version, _)| (key.clone(), *version)));
        self.events.push(Event::Rows { rows: all });
        Ok(())
    }

    /// Reads all there is.
    pub(crate) fn look(&mut self) -> Result<(), String> {
        for log in self.logs.clone() {
            let mut from = Position::ZERO;
            while let Some(page) = self.read(log, ReadFrom::Position(from))? {
                if page.at_tail {
                    break;
                }
                from = page.next;
            }
        }
        self.scan_rows()
    }

    /// The process ends: by itself, by a kill, or with the machine.
    pub(crate) fn restart(&mut self, how: Ending) -> Result<(), String> {
        self.collect()?;
        if how == Ending::Closed {
            self.machine.drive();
            self.machine.prove();
            self.collect()?;
        }
        self.waiting.clear();
        self.machine.end(how);
        self.events.push(Event::Restarted);
        self.machine.jump_clock();
        self.machine.open()
    }

    /// Whatever the seed says.
    pub(crate) fn step(&mut self) -> Result<(), String> {
        self.machine.relieve();
        match self.below(100) {
            0..24 => self.append(),
            24..38 => self.commit(),
            38..42 => self.trim(),
            42..44 => self.machine.arm(),
            44..58 => self.machine.drive(),
            58..64 => self.step_lane(),
            64..66 => self.die()?,
            66..69 => self.core().encode_step(),
            69..74 => self.machine.flush(),
            74 | 75 => self.machine.compact(),
            76 => self.machine.delete_trimmed(),
            77 => self.machine.prepare_ring(),
            78 => self.machine.prove(),
            79..88 => self.read_somewhere()?,
            88..90 => self.scan_rows()?,
            90..94 => self.machine.clock().advance(Duration::from_millis(self.below(2000) as u64)),
            94 => self.restart(Ending::Killed)?,
            95 => self.restart(Ending::PowerCut)?,
            96 => self.restart(Ending::Closed)?,
            97 => self.machine.heal(),
            _ => self.machine.arm(),
        }
        self.collect()
    }

    /// Nothing goes wrong any more: what can be written can be, what was is there, and stays.
    pub(crate) fn settle(&mut self) -> Result<(), String> {
        self.machine.heal();
        self.machine.drive();
        self.collect()?;
        self.resume()?;
        self.look()?;
        for ending in [Ending::Killed, Ending::PowerCut] {
            self.restart(ending)?;
            self.look()?;
        }
        self.core().flush().map_err(|error| error.to_string())?;
        self.look()?;
        self.machine.core = None;
        check(&self.events)
    }

    /// Without a restart, service goes on.
    fn resume(&mut self) -> Result<(), String> {
        for _ in 0..RESUME_TRIES {
            let log = self.new_log();
            let (records, asked) = self.records(&[log], true);
            let commit = Commit { opens: vec![log], records, ..Commit::default() };
            self.push_commit(commit, asked, Vec::new());
            self.machine.drive();
            self.collect()?;
            if let Some(Event::Answered { answer: Answer::Done { .. }, .. }) = self.events.last() {
                return Ok(());
            }
            self.core().flush_step();
        }
        Err(format!("no service on a healthy disk: {:?}", self.core().condition.health()))
    }
}

fn placed(outcome: &AppendOutcome) -> Placed {
    match outcome {
        AppendOutcome::Appended { first, arrival } => {
            Placed::At { first: first.0, arrival: arrival.0 }
        }
        AppendOutcome::Closed => Placed::Closed,
        AppendOutcome::UnknownLog => Placed::Unknown,
    }
}

fn append_answer(answer: Result<Vec<AppendOutcome>, StoreError>) -> Result<Answer, String> {
    let (versions, ends) = Default::default();
    match answer {
        Ok(outcomes) => {
            Ok(Answer::Done { placed: outcomes.iter().map(placed).collect(), versions, ends })
        }
        Err(error) => store_error(&error),
    }
}

fn store_error(error: &StoreError) -> Result<Answer, String> {
    match error {
        StoreError::DiskFull | StoreError::TooLarge => Ok(Answer::Refused),
        StoreError::Unavailable(_) => Ok(Answer::InDoubt),
        StoreError::Damaged(_) => Err(error.to_string()),
    }
}

fn commit_answer(answer: Result<Committed, CommitError>) -> Result<Answer, String> {
    match answer {
        Ok(done) => Ok(Answer::Done {
            placed: done.appended.iter().map(placed).collect(),
            versions: done.versions,
            ends: done.closed.iter().map(|end| (end.log.0, end.end.0)).collect(),
        }),
        Err(CommitError::Conflict { row }) => Ok(Answer::Conflict { row }),
        Err(CommitError::LogClosed(log)) => Ok(Answer::Closed { log: log.0 }),
        Err(CommitError::Store(error)) => store_error(&error),
        Err(_) => Ok(Answer::Refused),
    }
}

/// A whole run, after `prepare`.
pub(crate) fn run_with(
    seed: u64,
    steps: usize,
    weather: Weather,
    prepare: impl FnOnce(&mut World),
) -> Result<World, String> {
    let mut world = World::new(seed, weather);
    prepare(&mut world);
    let ran = (|| {
        world.machine.open()?;
        (0..steps).try_for_each(|_| world.step())?;
        world.settle()
    })();
    if std::env::var_os("LEVADA_SEED").is_some() {
        world.events.iter().enumerate().for_each(|(at, event)| eprintln!("{at}: {event:?}"));
    }
    ran.map(|()| world).map_err(|why| format!("seed {seed}: {why}"))
}

/// A whole run.
pub(crate) fn run(seed: u64, steps: usize, weather: Weather) -> Result<World, String> {
    run_with(seed, steps, weather, |_| {})
}
