//! A folder of a hundred gigabytes and ten thousand logs, of which only the indexes are real: what it
//! costs to open, to find something in it, and to keep.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use stdx::{Clock, Entropy, UnixMillis};
use tokio::sync::oneshot;

use crate::block::{BLOCK_HEADER_BYTES, BlockAt, BlockHeader, BlockKind, Codec, Home};
use crate::chunk::close_with_trailer;
use crate::config::Config;
use crate::core::Core;
use crate::disk::{Disk, RealDisk};
use crate::error::ReadError;
use crate::id::{LogId, Position};
use crate::lane::Sabotage;
use crate::limits::{MANIFEST_BYTES_MAX, SEGMENTS_PER_CLASS_MAX};
use crate::manifest::{self, SegmentState};
use crate::queue::Request;
use crate::recover::open_folder;
use crate::request::{Commit, ReadBudget, ReadFrom};
use crate::sequencer::commit_bytes;

const LOGS: usize = 10_000;
/// Bytes and records of each log in each segment.
const BLOCK_BYTES: u32 = 160 * 1024;
const BLOCK_RECORDS: u32 = 150;
/// So far apart that no eight of them span little enough to be joined.
const APART_MS: u64 = 4 * 24 * 3_600_000;
/// Far beyond what a loaded machine takes: these tests are about thousands, not about milliseconds.
const LONG: Duration = Duration::from_secs(20);

fn open(disk: &Arc<dyn Disk>) -> Core {
    let config = Config { flush_after: Duration::MAX, ..Config::folder("/scale") };
    let (clock, entropy) = (Clock::system(), Entropy::seeded(1));
    open_folder(Arc::clone(disk), config, clock, entropy, Sabotage::None).unwrap()
}

/// Opens ten thousand logs, and flushes them.
fn make_logs(disk: &Arc<dyn Disk>) -> Vec<LogId> {
    let core = open(disk);
    let logs: Vec<LogId> = (0..LOGS as u64).map(|index| LogId::new(1, index)).collect();
    for opens in logs.chunks(1000) {
        let commit = Commit { opens: opens.to_vec(), ..Commit::default() };
        let (reply, mut answer) = oneshot::channel();
        let bytes = commit_bytes(&commit);
        core.queue.push(Request::Commit { commit: Box::new(commit), bytes, reply });
        while core.lane_step() || core.has_work() {}
        answer.try_recv().unwrap().unwrap();
    }
    core.flush().unwrap();
    logs
}

/// A segment with holes in place of its blocks.
fn make_segment(disk: &dyn Disk, number: u64, round: u64, logs: &[LogId]) -> SegmentState {
    let arrival = UnixMillis(1_700_000_000_000 + round * APART_MS);
    let mut at = 32;
    let blocks: Vec<BlockAt> = logs
        .iter()
        .map(|&log| {
            let header = BlockHeader {
                log,
                kind: BlockKind::Records,
                codec: Codec::None,
                first: Position::new(1, round * u64::from(BLOCK_RECORDS)),
                count: BLOCK_RECORDS,
                arrival_min: arrival,
                arrival_max: arrival,
                body_bytes: BLOCK_BYTES,
                crc: 0,
            };
            let block = BlockAt { at, header };
            at += (BLOCK_HEADER_BYTES + BLOCK_BYTES as usize) as u64;
            block
        })
        .collect();
    let mut end = Vec::new();
    let trailer = close_with_trailer(Home::segment(number), &blocks, at, &mut end);
    let file = disk.create(&crate::segment::name_of(number)).unwrap();
    file.set_length(trailer.bytes_total).unwrap();
    file.write_at(&end, at).unwrap();
    SegmentState {
        number,
        bytes_total: trailer.bytes_total,
        row_blocks: 0,
        row_bytes: 0,
        all_rows: false,
        class: 4,
        compacted: true,
        arrival_min: arrival,
        arrival_max: arrival,
    }
}

/// Where a read finds its block: it is a hole, and says where.
fn found(core: &Core, log: LogId, from: ReadFrom) -> Position {
    let budget = ReadBudget { records_max: 10, bytes_max: 10_000 };
    match core.read_page(log, from, budget, true) {
        Err(ReadError::Damaged { resume, .. }) => resume,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_hundred_gigabytes_of_ten_thousand_logs_are_opened_and_searched_in_no_time() {
    let folder = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(folder.path()).unwrap());
    let logs = make_logs(&disk);
    let mut whole = manifest::load(&*disk).unwrap().unwrap();
    for round in 0..SEGMENTS_PER_CLASS_MAX as u64 {
        let number = whole.segment_next;
        whole.segment_next += 1;
        whole.segments.push(make_segment(&*disk, number, round, &logs));
    }
    let bytes: u64 = whole.segments.iter().map(|segment| segment.bytes_total).sum();
    assert!(bytes > 100_000_000_000, "{bytes}");
    assert!(whole.encode().len() < MANIFEST_BYTES_MAX / 1000);
    manifest::commit(&*disk, &mut whole).unwrap();

    let clock = Clock::system();
    let started = clock.monotonic();
    let core = open(&disk);
    let opened = clock.monotonic() - started;
    let segments = &core.folder.as_ref().unwrap().segments;
    assert_eq!(segments.directory_bytes(), 0, "a start reads no directory");

    let entropy = Entropy::seeded(2);
    let mut slowest = [Duration::ZERO; 2];
    for (pass, slowest) in slowest.iter_mut().enumerate() {
        for _ in 0..100 {
            let log = logs[entropy.below(LOGS as u64) as usize];
            let round = entropy.below(SEGMENTS_PER_CLASS_MAX as u64);
            let end = Position::new(1, (round + 1) * u64::from(BLOCK_RECORDS));
            let inside = Position(end.0 - 1 - entropy.below(u64::from(BLOCK_RECORDS)));
            let asked = clock.monotonic();
            assert_eq!(found(&core, log, ReadFrom::Position(inside)), end, "pass {pass}");
            *slowest = (*slowest).max(clock.monotonic() - asked);
            let time = UnixMillis(1_700_000_000_000 + round * APART_MS);
            assert_eq!(found(&core, log, ReadFrom::Time(time)), end, "pass {pass}");
        }
    }
    let held = segments.directory_bytes();
    assert!(held <= core.config.directory_bytes_max, "{held}");
    println!("opened in {opened:?}; slowest search {slowest:?}; directories {held} bytes");
    assert!(opened < LONG && slowest[1] < LONG);

    // Nothing of it is compacted: it is as it should be, and looked at without reading it.
    assert_eq!(core.compact_step(), None);
    let kept: BTreeSet<u64> = whole.segments.iter().map(|segment| segment.number).collect();
    let now: BTreeSet<u64> = segments.list().iter().map(|own| own.state.number).collect();
    assert_eq!(now, kept);
}
