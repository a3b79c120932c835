//! Random work against a model so naive that it cannot be wrong.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use stdx::{Entropy, UnixMillis};
use tokio::sync::oneshot;

use crate::bucket::test_bucket::{TestBucket, open_bucket};
use crate::core::Core;
use crate::id::{LogId, Position, TableId};
use crate::lane::Sabotage;
use crate::queue::Request;
use crate::request::{
    AppendOutcome, Commit, CommitError, Committed, Expect, LogAppend, ReadBudget, ReadFrom,
    RowWrite,
};
use crate::sequencer::{append_bytes, commit_bytes};
use crate::sim_disk::SimDisk;
use crate::workload::open;
use crate::{RecordBatch, StoreError};

const TABLE: TableId = TableId(3);
const STEPS: usize = 150;

#[derive(Clone, Debug, Default)]
struct ModelLog {
    records: Vec<(Position, UnixMillis, Vec<u8>)>,
    closed: bool,
    trimmed: usize,
}

#[derive(Debug, Default)]
struct Model {
    logs: BTreeMap<LogId, ModelLog>,
    rows: BTreeMap<Bytes, (u64, Bytes)>,
}

/// Where a run's store lives: what stays when it is dropped.
trait Home {
    fn open(&self) -> Core;
    /// Lets everything that has been sent be answered.
    fn drive(&self, core: &Core);
    /// Whether it is time to flush, so that the lane has room.
    fn is_crowded(&self, core: &Core) -> bool;
}

impl Home for SimDisk {
    fn open(&self) -> Core {
        open(self, Sabotage::None).unwrap()
    }

    fn drive(&self, core: &Core) {
        while core.lane_step() || core.has_work() {}
    }

    fn is_crowded(&self, core: &Core) -> bool {
        let ring = core.folder.as_ref().unwrap().ring.as_ref().unwrap().files();
        ring.iter().filter(|file| std::sync::Arc::strong_count(file) > 2).count() > 5
    }
}

impl Home for TestBucket {
    fn open(&self) -> Core {
        open_bucket(self).unwrap()
    }

    fn drive(&self, core: &Core) {
        self.settle(core);
    }

    fn is_crowded(&self, _: &Core) -> bool {
        false
    }
}

struct Run {
    home: Box<dyn Home>,
    core: Option<Core>,
    model: Model,
    entropy: Entropy,
}

impl Run {
    fn core(&self) -> &Core {
        self.core.as_ref().unwrap()
    }

    fn below(&self, bound: usize) -> usize {
        self.entropy.below(bound as u64) as usize
    }

    fn any_log(&self) -> LogId {
        let known: Vec<LogId> = self.model.logs.keys().copied().collect();
        let unknown = LogId::new(1, 1 << 30);
        *known.get(self.below(known.len() + 1)).unwrap_or(&unknown)
    }

    fn payloads(&self) -> Vec<Vec<u8>> {
        let sizes = [3, 200, 2000, 9000];
        (0..=self.below(3))
            .map(|_| {
                let mut payload = vec![0; self.below(sizes[self.below(4)])];
                self.entropy.fill(&mut payload);
                payload
            })
            .collect()
    }

    fn append(&mut self) {
        let (log, payloads) = (self.any_log(), self.payloads());
        let mut builder = RecordBatch::builder();
        payloads.iter().for_each(|payload| builder.push(&[payload]));
        let batch = vec![LogAppend::new(log, builder.finish())];
        let (reply, mut answer) = oneshot::channel::<Result<_, StoreError>>();
        let bytes = append_bytes(&batch);
        self.core().queue.push(Request::Append { batch, bytes, reply });
        self.home.drive(self.core());
        let outcome = answer.try_recv().unwrap().unwrap()[0];
        match self.model.logs.get_mut(&log) {
            None => assert_eq!(outcome, AppendOutcome::UnknownLog),
            Some(own) if own.closed => assert_eq!(outcome, AppendOutcome::Closed),
            Some(own) => {
                let AppendOutcome::Appended { first, arrival } = outcome else {
                    panic!("{outcome:?}")
                };
                assert!(own.records.last().is_none_or(|last| last.0 < first && last.1 <= arrival));
                let positions = (0..).map(|index| first.plus(index));
                own.records.extend(positions.zip(payloads).map(|(at, own)| (at, arrival, own)));
            }
        }
    }

    fn send(&self, commit: Commit) -> Result<Committed, CommitError> {
        let (reply, mut answer) = oneshot::channel();
        let bytes = commit_bytes(&commit);
        self.core().queue.push(Request::Commit { commit: Box::new(commit), bytes, reply });
        self.home.drive(self.core());
        answer.try_recv().unwrap()
    }

    fn commit(&mut self) {
        let key = Bytes::from(vec![b'a' + self.below(5) as u8]);
        let present = self.model.rows.get(&key).cloned();
        let expect = match self.below(4) {
            0 => Expect::Absent,
            1 => Expect::Version(present.as_ref().map_or(1, |row| row.0)),
            _ => Expect::Any,
        };
        let value = (self.below(4) > 0).then(|| Bytes::from(self.payloads().concat()));
        let opens = (0..self.below(3))
            .map(|_| LogId(self.core().log_next.fetch_add(1, Ordering::Relaxed)))
            .collect::<Vec<_>>();
        let closes = if self.below(3) == 0 { vec![self.any_log()] } else { Vec::new() };
        let row = RowWrite { table: TABLE, key: key.clone(), value: value.clone(), expect };
        let commit = Commit {
            rows: vec![row],
            opens: opens.clone(),
            closes: closes.clone(),
            ..Commit::default()
        };
        let met = match expect {
            Expect::Any => true,
            Expect::Absent => present.is_none(),
            Expect::Version(version) => present.as_ref().is_some_and(|row| row.0 == version),
        };
        let known = closes.iter().all(|log| self.model.logs.contains_key(log));
        match self.send(commit) {
            Err(CommitError::Conflict { row: 0 }) => assert!(!met),
            Err(CommitError::UnknownLog(log)) => assert!(!known && closes.contains(&log)),
            Err(error) => panic!("{error}"),
            Ok(committed) => {
                assert!(met && known);
                let version = committed.versions[0];
                assert!(present.is_none_or(|row| row.0 < version));
                match value {
                    Some(value) => drop(self.model.rows.insert(key, (version, value))),
                    None => drop(self.model.rows.remove(&key)),
                }
                self.model.logs.extend(opens.into_iter().map(|log| (log, ModelLog::default())));
                for end in committed.closed {
                    let own = self.model.logs.get_mut(&end.log).unwrap();
                    assert!(own.records.last().is_none_or(|last| last.0 < end.end));
                    own.closed = true;
                }
            }
        }
    }

    fn trim(&mut self) {
        let log = self.any_log();
        if self.below(5) == 0 {
            self.send(Commit { forgets: vec![log], ..Commit::default() }).unwrap();
            self.model.logs.remove(&log);
            return;
        }
        let Some(own) = self.model.logs.get(&log) else { return };
        let keep_from = self.below(own.records.len() + 1);
        let Some(&(below, ..)) = own.records.get(keep_from) else { return };
        self.send(Commit { trims: vec![(log, below)], ..Commit::default() }).unwrap();
        let own = self.model.logs.get_mut(&log).unwrap();
        own.trimmed = own.trimmed.max(keep_from);
    }

    /// Some log is to be kept for some other time.
    fn retain(&self) {
        if let Some(entry) = self.core().logs.get(self.any_log()) {
            entry.set_class(1 + self.below(4) as u8);
        }
        self.core().clock.advance(Duration::from_secs(60));
    }

    fn step(&mut self) {
        if self.home.is_crowded(self.core()) {
            self.core().flush().unwrap();
        }
        self.core().clock.advance(Duration::from_millis(self.below(3) as u64 * 700));
        match self.below(20) {
            0..10 => self.append(),
            10..15 => self.commit(),
            15 | 16 => self.trim(),
            17 => self.core().flush().unwrap(),
            18 if self.below(3) > 0 => {
                self.retain();
                // Some way, which may be the whole.
                for _ in 0..self.below(6) {
                    self.core().compact_step();
                }
            }
            18 => {
                self.core().delete_trimmed(self.core().folder.as_ref().unwrap()).unwrap();
                self.core().prove_step();
            }
            _ => {
                self.core = None;
                self.core = Some(self.home.open());
            }
        }
    }

    /// Reads to the end, page by page.
    fn read_all(
        &self,
        log: LogId,
        mut from: ReadFrom,
        own: &ModelLog,
    ) -> Vec<(Position, UnixMillis, Vec<u8>)> {
        let mut found = Vec::new();
        loop {
            let budget = ReadBudget { records_max: 1 + self.below(9), bytes_max: 20_000 };
            let page = self.core().read_page(log, from, budget, true).unwrap().unwrap();
            let records = page.records.into_iter();
            found.extend(records.map(|own| (own.position, own.arrival, own.payload.to_vec())));
            if page.at_tail {
                assert_eq!(page.closed_end, own.closed);
                return found;
            }
            from = ReadFrom::Position(page.next);
        }
    }

    fn check(&self) {
        assert!(self.core().condition.health().ready);
        for (log, own) in &self.model.logs {
            let kept = &own.records[own.trimmed..];
            assert_eq!(self.read_all(*log, ReadFrom::Position(Position::ZERO), own), kept, "{log}");
            for _ in 0..3 {
                let Some((at, arrival, _)) = kept.get(self.below(kept.len() + 1)) else { continue };
                for at in [*at, at.next_lower_bound()] {
                    let after = kept.iter().filter(|record| record.0 >= at).cloned();
                    let found = self.read_all(*log, ReadFrom::Position(at), own);
                    assert_eq!(found, after.collect::<Vec<_>>(), "{log} from {at}");
                }
                for time in [arrival.0 - 1, arrival.0, arrival.0 + 1].map(UnixMillis) {
                    let since = kept.iter().filter(|record| record.1 >= time).cloned();
                    let found = self.read_all(*log, ReadFrom::Time(time), own);
                    assert_eq!(found, since.collect::<Vec<_>>(), "{log} since {time:?}");
                }
            }
        }
        self.core().tables.rows(TABLE).read(|rows| {
            let own = rows.iter().map(|(key, row)| (key.clone(), (row.version, row.value.clone())));
            assert_eq!(own.collect::<BTreeMap<_, _>>(), self.model.rows);
        });
    }
}

fn run(home: Box<dyn Home>, seed: u64) {
    let core = Some(home.open());
    let mut run = Run { home, core, model: Model::default(), entropy: Entropy::seeded(seed) };
    for _ in 0..STEPS {
        run.step();
    }
    run.check();
    run.core = None;
    run.core = Some(run.home.open());
    run.check();
}

#[test]
fn random_work_matches_a_naive_model() {
    for seed in 0..40 {
        run(Box::new(SimDisk::default()), seed);
    }
}

/// Answers are lost, requests applied without one or refused for nothing, and the puts of processes that
/// are gone arrive when nobody expects them.
#[test]
fn random_work_over_a_hostile_network_matches_the_model() {
    for seed in 0..40 {
        run(Box::new(TestBucket::hostile(seed)), seed);
    }
}
