//! Compaction: what it keeps, what it gives back, and every crash in the middle of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::block::{BlockKind, Codec};
use crate::core::Core;
use crate::id::LogId;
use crate::lane::Sabotage;
use crate::limits::{
    COMPACT_TRAFFIC_LOOK_EVERY, COMPACT_TRAFFIC_MAX, SEGMENTS_PER_CLASS_WAITING_MAX,
};
use crate::segment::Segment;
use crate::workload::{Shown, Workload, check, look, open};

fn segments(core: &Core) -> Arc<Vec<Arc<Segment>>> {
    core.folder.as_ref().unwrap().segments.list()
}

fn bytes(core: &Core) -> u64 {
    segments(core).iter().map(|segment| segment.state.bytes_total).sum()
}

/// Blocks of records in all segments.
fn blocks(core: &Core) -> usize {
    let folder = core.folder.as_ref().unwrap();
    let own = |segment: &Arc<Segment>| {
        let directory = folder.segments.directory(segment).unwrap();
        directory.iter().filter(|block| block.header.kind == BlockKind::Records).count()
    };
    segments(core).iter().map(own).sum()
}

/// The logs of each segment, and its class.
fn logs_by_segment(core: &Core) -> Vec<(u8, Vec<LogId>)> {
    let folder = core.folder.as_ref().unwrap();
    let list = segments(core);
    let each = list.iter().map(|segment| {
        let directory = folder.segments.directory(segment).unwrap();
        let records = directory.iter().filter(|block| block.header.kind == BlockKind::Records);
        let mut logs: Vec<LogId> = records.map(|block| block.header.log).collect();
        logs.dedup();
        (segment.state.class, logs)
    });
    each.collect()
}

/// Three logs of two classes, flushed again and again, each time into a segment too large to be
/// joined by the next flush.
fn flushed(rounds: usize) -> Workload {
    let mut workload = Workload::new(Sabotage::None);
    workload.commit(3, &["a"], &[], &[]);
    workload.step();
    retain(&workload);
    for round in 0..rounds {
        workload.append(&[0, 1, 2], 14_000 >> (2 * round));
        workload.append(&[1], 300);
        workload.step();
        if round % 2 == 1 {
            workload.commit(0, &["a", "b"], &[0], &[]);
            workload.step();
        }
        workload.core().flush().unwrap();
    }
    workload
}

fn retain(workload: &Workload) {
    let core = workload.core();
    for (index, class) in [(0, 1), (1, 2), (2, 1)] {
        core.logs.get(workload.logs[index]).unwrap().set_class(class);
    }
}

fn shown(workload: &Workload) -> Shown {
    look(workload.core(), &workload.logs).unwrap()
}

#[test]
fn segments_are_sorted_by_retention_and_nothing_changes() {
    let workload = flushed(3);
    let before = shown(&workload);
    assert_eq!(segments(workload.core()).iter().map(|own| own.state.class).max(), Some(0));
    assert_eq!(segments(workload.core()).len(), 3);
    workload.compact();
    let logs = &workload.logs;
    let now: BTreeMap<u8, Vec<LogId>> = logs_by_segment(workload.core()).into_iter().collect();
    assert_eq!(now[&1], [logs[0], logs[2]]);
    assert_eq!(now[&2], [logs[1]]);
    assert_eq!(shown(&workload), before);
    let again = open(&workload.disk.copy(), Sabotage::None).unwrap();
    assert_eq!(look(&again, logs).unwrap(), before);
    // What the test appends is one byte again and again.
    let folder = again.folder.as_ref().unwrap();
    let packed = segments(&again).iter().any(|segment| {
        let directory = folder.segments.directory(segment).unwrap();
        directory.iter().any(|block| block.header.codec == Codec::Zstd)
    });
    assert!(packed && bytes(&again) < 25_000, "{}", bytes(&again));
}

#[test]
fn what_is_trimmed_gives_its_space_back() {
    let mut workload = flushed(2);
    for _ in 0..2 {
        workload.append(&[0, 1, 2], 9000);
        workload.step();
        workload.core().flush().unwrap();
    }
    workload.compact();
    let before = bytes(workload.core());
    for log in [0, 1, 2] {
        let last = *shown(&workload).records[&workload.logs[log]].last().unwrap();
        workload.trim(log, last.1);
    }
    workload.step();
    let kept = shown(&workload);
    workload.core().clock.advance(Duration::from_secs(60));
    workload.compact();
    assert_eq!(shown(&workload), kept);
    assert!(bytes(workload.core()) <= before, "{} {before}", bytes(workload.core()));
    for (_, own) in logs_by_segment(workload.core()) {
        assert!(own.len() <= 2, "{own:?}");
    }
    assert_eq!(blocks(workload.core()), 3);
    let on_disk = crate::disk::Disk::list(&workload.disk, "segments").unwrap().len();
    assert_eq!(on_disk, segments(workload.core()).len());
    workload.reopen();
    assert_eq!(shown(&workload), kept);
}

/// Every crash from the first write of a compaction to the last.
#[test]
fn every_crash_in_a_compaction_keeps_everything() {
    let mut workload = flushed(2);
    let started = workload.disk.ops();
    let before = shown(&workload);
    workload.compact();
    for _ in 0..2 {
        workload.append(&[0, 1], 700);
        workload.step();
        workload.core().flush().unwrap();
        workload.compact();
    }
    assert!(workload.disk.ops() > started + 8);
    let (mut crashes, mut compacted) = (0, 0);
    for at in started..=workload.disk.ops() {
        for crash in workload.disk.crashes(at) {
            let disk = workload.disk.after(crash);
            let core = open(&disk, Sabotage::None).unwrap();
            assert!(core.condition.quarantined().is_empty(), "{crash:?}");
            let found = look(&core, &workload.logs).unwrap();
            check(&workload.events, at, &found).unwrap_or_else(|why| panic!("{crash:?}: {why}"));
            compacted += usize::from(logs_by_segment(&core).iter().any(|(class, _)| *class > 0));
            // And what the next process does with it.
            drop(core);
            let again = workload.on(&disk);
            retain(&again);
            again.compact();
            assert_eq!(shown(&again), found, "{crash:?}");
            assert!(before.records.iter().all(|(log, own)| found.records[log].starts_with(own)));
            crashes += 1;
        }
    }
    assert!(crashes > 100 && compacted > 10 && compacted < crashes, "{crashes} {compacted}");
}

/// A compaction that a flush, a trim and a failing disk interrupt.
#[test]
fn a_compaction_goes_on_after_a_flush_and_is_given_up_after_a_failure() {
    let mut workload = flushed(3);
    let steps = |workload: &Workload, count: usize| {
        (0..count).for_each(|_| assert!(workload.core().compact_step().is_some()));
    };
    steps(&workload, 3);
    let inputs = workload.core().compactor.inputs();
    assert_eq!(inputs.len(), 2);
    workload.append(&[0], 9000);
    workload.step();
    workload.core().flush().unwrap();
    let before = shown(&workload);
    workload.disk.fail_sync_after("segments", 0);
    workload.compact();
    assert_eq!(shown(&workload), before);
    let on_disk = crate::disk::Disk::list(&workload.disk, "segments").unwrap().len();
    assert_eq!(on_disk, segments(workload.core()).len());
    let is_there = |number: &u64| {
        segments(workload.core()).iter().any(|segment| segment.state.number == *number)
    };
    assert!(inputs.iter().all(is_there));
    workload.core().clock.advance(Duration::from_secs(60));
    workload.compact();
    assert!(!inputs.iter().any(is_there));
    assert_eq!(shown(&workload), before);
}

/// Joining has time; what it has begun waits, too, and nothing is lost by that.
#[test]
fn joining_waits_for_a_quieter_time_unless_there_are_too_many_segments() {
    let workload = flushed(2);
    let core = workload.core();
    let busy = |seconds: u32| {
        core.compactor.note_traffic(u64::from(seconds) * COMPACT_TRAFFIC_MAX + 1);
        core.clock.advance(COMPACT_TRAFFIC_LOOK_EVERY * seconds);
        core.compact_step()
    };
    let (before, held) = (shown(&workload), segments(core));
    for seconds in 1..3 {
        assert_eq!(busy(seconds), Some(COMPACT_TRAFFIC_LOOK_EVERY));
        assert!(core.compactor.inputs().is_empty());
    }
    core.clock.advance(COMPACT_TRAFFIC_LOOK_EVERY);
    assert_eq!(core.compact_step(), Some(Duration::ZERO));
    assert_eq!(core.compactor.inputs().len(), 2);
    assert_eq!(busy(1), Some(COMPACT_TRAFFIC_LOOK_EVERY));
    assert!(Arc::ptr_eq(&held, &segments(core)));
    let many = vec![Arc::clone(&held[0]); SEGMENTS_PER_CLASS_WAITING_MAX + 1];
    core.folder.as_ref().unwrap().segments.replace(many);
    assert_eq!(busy(1), Some(Duration::ZERO));
    core.folder.as_ref().unwrap().segments.replace(held.to_vec());
    core.clock.advance(COMPACT_TRAFFIC_LOOK_EVERY);
    workload.compact();
    assert!(!segments(core).iter().any(|own| held.iter().any(|old| Arc::ptr_eq(old, own))));
    assert_eq!(shown(&workload), before);
}

/// Damage is evidence: the segment stays as it is, and everything else goes on.
#[test]
fn a_damaged_segment_is_not_compacted() {
    let workload = flushed(2);
    let damaged = segments(workload.core())[0].state.number;
    let name = crate::segment::name_of(damaged);
    let whole = workload.disk.read(&name);
    workload.disk.flip(&name, 9_000, 1);
    workload.compact();
    workload.core().clock.advance(Duration::from_secs(60));
    workload.compact();
    let left = segments(workload.core());
    assert!(left.iter().any(|segment| segment.state.number == damaged));
    assert_eq!(workload.disk.read(&name).len(), whole.len());
    assert!(shown(&workload).damaged > 0);
    workload.disk.flip(&name, 9_000, 1);
}

/// Who reads an input goes on reading it when it is gone.
#[test]
fn a_segment_is_not_gone_for_its_readers() {
    let workload = flushed(2);
    let core = workload.core();
    let held = segments(core);
    workload.compact();
    assert!(segments(core).iter().all(|own| !held.iter().any(|old| Arc::ptr_eq(old, own))));
    for segment in held.iter() {
        let directory = core.folder.as_ref().unwrap().segments.directory_once(segment).unwrap();
        for block in directory.iter() {
            segment.source(block).unwrap().load(true).unwrap();
        }
    }
}
