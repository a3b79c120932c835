//! A disk without room, and a folder at its limit: nothing is lost, reads and trims go on, and service
//! resumes by itself.

use std::sync::Arc;
use std::time::Duration;

use stdx::{Clock, Entropy, UnixMillis};
use tokio::sync::oneshot;

use crate::RecordBatch;
use crate::config::Config;
use crate::core::Core;
use crate::error::StoreError;
use crate::id::{LogId, Position};
use crate::lane::Sabotage;
use crate::queue::Request;
use crate::recover::open_folder;
use crate::request::{
    AppendOutcome, Commit, CommitError, Committed, LogAppend, ReadBudget, ReadFrom, ReadPage,
};
use crate::sequencer::{append_bytes, commit_bytes};
use crate::sim_disk::SimDisk;

const RECORD_BYTES: usize = 20_000;
const MIB: u64 = 1024 * 1024;

fn config() -> Config {
    Config {
        ring_file_bytes: 64 * 1024,
        ring_bytes_max: 2 * MIB,
        tail_bytes_max: 2 * MIB,
        flush_bytes: 3 * MIB / 2,
        flush_after: Duration::MAX,
        reserve_bytes: 64 * 1024,
        ..Config::folder("/sim")
    }
}

fn open(disk: &SimDisk, config: Config) -> Core {
    let clock = Clock::manual(UnixMillis(1_700_000_000_000));
    let disk = Arc::new(disk.clone());
    let core = open_folder(disk, config, clock, Entropy::seeded(1), Sabotage::None).unwrap();
    core.flush_step();
    core
}

fn drive(core: &Core) {
    while core.lane_step() || core.has_work() {}
}

fn append(core: &Core, log: LogId) -> Result<Vec<AppendOutcome>, StoreError> {
    let batch = vec![LogAppend::new(log, RecordBatch::single(&[7; RECORD_BYTES]))];
    let (reply, mut answer) = oneshot::channel();
    let bytes = append_bytes(&batch);
    core.queue.push(Request::Append { batch, bytes, reply });
    drive(core);
    answer.try_recv().unwrap()
}

fn commit(core: &Core, commit: Commit) -> Result<Committed, CommitError> {
    let (reply, mut answer) = oneshot::channel();
    let bytes = commit_bytes(&commit);
    core.queue.push(Request::Commit { commit: Box::new(commit), bytes, reply });
    drive(core);
    answer.try_recv().unwrap()
}

fn opened(core: &Core) -> LogId {
    let log = LogId::new(1, 77);
    commit(core, Commit { opens: vec![log], ..Commit::default() }).unwrap();
    log
}

fn count(core: &Core, log: LogId) -> usize {
    let mut from = Position::ZERO;
    let mut count = 0;
    loop {
        let budget = ReadBudget { records_max: usize::MAX, bytes_max: usize::MAX };
        let page = core.read_page(log, ReadFrom::Position(from), budget, true).unwrap().unwrap();
        let ReadPage { records, next, at_tail, .. } = page;
        assert!(records.iter().all(|record| record.payload[..] == [7; RECORD_BYTES]));
        count += records.len();
        if at_tail {
            return count;
        }
        from = next;
    }
}

/// Appends until there is no room; how many are there.
fn fill(core: &Core, log: LogId) -> usize {
    for written in 0..2000 {
        if let Err(error) = append(core, log) {
            assert!(matches!(error, StoreError::DiskFull | StoreError::Unavailable(_)), "{error}");
            return written;
        }
        core.flush_step();
    }
    panic!("there is always room");
}

/// Flushes until records are taken again, as the flusher's thread does.
fn resumes(core: &Core, log: LogId) -> bool {
    (0..4).any(|_| {
        core.flush_step();
        append(core, log).is_ok()
    })
}

#[test]
fn on_a_full_disk_trims_and_closes_go_on_and_make_room() {
    let disk = SimDisk::default();
    let core = open(&disk, config());
    let log = opened(&core);
    disk.set_room(6 * MIB);
    let written = fill(&core, log);
    assert!(written > 100, "{written}");
    assert!(core.condition.health().disk_full);
    // Refused for as long as nothing changes, and at once.
    assert!(!resumes(&core, log));
    assert_eq!(append(&core, log).unwrap_err(), StoreError::DiskFull);
    assert_eq!(count(&core, log), written);
    // Closing needs room for a row, and has it.
    let (spare, below) = (LogId::new(1, 78), core.logs.get(log).unwrap().state().next);
    for _ in 0..5 {
        commit(&core, Commit { opens: vec![spare], ..Commit::default() }).unwrap();
    }
    commit(&core, Commit { closes: vec![spare], ..Commit::default() }).unwrap();
    commit(&core, Commit { trims: vec![(log, below)], ..Commit::default() }).unwrap();
    assert!(resumes(&core, log), "{:?}", core.condition.health());
    assert!(core.condition.health().ready);
    assert_eq!(count(&core, log), 1);
    // And again, the whole way round.
    assert!(fill(&core, log) > 50);
}

#[test]
fn service_resumes_when_somebody_else_makes_room() {
    let disk = SimDisk::default();
    let core = open(&disk, config());
    let log = opened(&core);
    disk.set_room(4 * MIB);
    let written = fill(&core, log);
    assert!(!resumes(&core, log));
    disk.set_room(4 * MIB);
    assert!(resumes(&core, log), "{:?}", core.condition.health());
    assert!(core.condition.health().ready);
    assert_eq!(count(&core, log), written + 1);
    drop(core);
    let core = open(&disk, config());
    assert_eq!(count(&core, log), written + 1);
}

/// Found by quick kills: each start takes a ring file and fills none, and after as many starts as there
/// are files a write was refused for want of room.
#[test]
fn starting_again_and_again_does_not_fill_the_ring() {
    let disk = SimDisk::default();
    let core = open(&disk, config());
    let log = opened(&core);
    drop(core);
    let files = (config().ring_bytes_max / config().ring_file_bytes) as usize;
    for start in 0..3 * files {
        let core = open(&disk, config());
        assert!(append(&core, log).is_ok(), "after {start} starts");
    }
    assert_eq!(count(&open(&disk, config()), log), 3 * files);
}

#[test]
fn a_folder_never_takes_more_than_it_may() {
    let disk = SimDisk::default();
    let most = 8 * MIB;
    let core = open(&disk, Config { data_bytes_max: Some(most), ..config() });
    let log = opened(&core);
    let taken =
        |disk: &SimDisk| disk.contents().iter().map(|file| file.1.len() as u64).sum::<u64>();
    let (mut written, mut warned) = (0, false);
    while append(&core, log).is_ok() {
        core.flush_step();
        written += 1;
        warned |= core.condition.health().room_low;
        assert!(taken(&disk) <= most, "{} after {written}", taken(&disk));
        assert!(written < 2000);
    }
    assert!(written > 100, "{written}");
    assert!(warned, "no warning came before");
    let health = core.condition.health();
    assert!(health.data_full && !health.disk_full && !health.ready);
    assert_eq!(append(&core, log).unwrap_err(), StoreError::DiskFull);
    assert_eq!(count(&core, log), written);
    let below = core.logs.get(log).unwrap().state().next;
    commit(&core, Commit { trims: vec![(log, below)], ..Commit::default() }).unwrap();
    assert!(resumes(&core, log), "{:?} {}", core.condition.health(), core.data_bytes());
    core.flush_step();
    let health = core.condition.health();
    assert!(health.ready && !health.room_low, "{health:?} {}", core.data_bytes());
}
