//! What `doctor` sees and mends: every flipped bit, every torn tail, and nothing else.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Examination, FindingKind, Inspection};
use crate::chunk::ChunkHeader;
use crate::disk::Disk;
use crate::lane::Sabotage;
use crate::repair::{RepairError, Repaired, repair_on};
use crate::sim_disk::SimDisk;
use crate::workload::{Workload, look, open, small};

/// Some of everything: two segments, a lane with chunks and an empty one that proves them.
fn folder() -> Workload {
    let mut workload = Workload::new(Sabotage::None);
    workload.commit(2, &["a"], &[], &[]);
    workload.append(&[0, 1], 30_000);
    workload.step();
    workload.core().flush().unwrap();
    workload.append(&[0, 1], 700);
    workload.step();
    workload.commit(1, &["b"], &[0], &[1]);
    workload.step();
    for _ in 0..4 {
        workload.append(&[0, 2], 900);
        workload.step();
    }
    workload.core().prove_step();
    workload.core = None;
    workload
}

fn examine(disk: &SimDisk) -> Examination {
    Inspection::of(Arc::new(disk.clone())).unwrap().examine().unwrap()
}

fn mend(disk: &SimDisk, accept: &[String]) -> Result<Repaired, RepairError> {
    repair_on(&(Arc::new(disk.clone()) as Arc<dyn Disk>), small(), accept)
}

fn chunks(disk: &SimDisk) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    for name in disk.list("ring").unwrap() {
        let (name, mut at) = (format!("ring/{name}"), 0);
        let bytes = disk.read(&name);
        while let Some(header) = bytes.get(at..).and_then(ChunkHeader::decode) {
            found.push((name.clone(), at, header.bytes_total as usize));
            at += header.bytes_total as usize;
        }
    }
    found
}

fn only_segment(disk: &SimDisk) -> String {
    let names = disk.list("segments").unwrap();
    assert_eq!(names.len(), 1, "{names:?}");
    format!("segments/{}", names[0])
}

#[test]
fn a_whole_folder_is_sound_and_looking_changes_nothing() {
    let workload = folder();
    let (before, seen) = (workload.disk.ops(), examine(&workload.disk));
    assert_eq!(seen.findings, []);
    assert!(seen.is_sound());
    assert_eq!(workload.disk.ops(), before);
    assert_eq!((seen.counted.segments, seen.counted.chunks), (1, 7));
    assert!(seen.counted.records >= 12 && seen.counted.rows >= 4, "{:?}", seen.counted);
}

#[test]
fn every_flipped_bit_is_found() {
    let workload = folder();
    let segment = only_segment(&workload.disk);
    let bytes = workload.disk.read(&segment).len();
    let mut places: Vec<(String, usize)> =
        (0..bytes).step_by(37).map(|at| (segment.clone(), at)).collect();
    // The last chunk proves the others; of itself nothing is missed, which another test shows. The
    // first one has been flushed, and nobody needs it.
    let chunks = chunks(&workload.disk);
    for (name, at, bytes) in &chunks[1..chunks.len() - 1] {
        places.extend((*at..at + bytes).step_by(13).map(|at| (name.clone(), at)));
    }
    for (name, at) in places {
        let disk = workload.disk.copy();
        disk.flip(&name, at, 1 << (at % 8));
        let sound = Inspection::of(Arc::new(disk.clone()))
            .is_ok_and(|seen| seen.examine().unwrap().is_sound());
        assert!(!sound, "{name} at {at}");
    }
}

#[test]
fn what_was_never_acknowledged_is_told_from_damage_and_cut() {
    let workload = folder();
    let (name, at, _) = chunks(&workload.disk).pop().unwrap();
    // The last chunk has a block now, half of which did not arrive.
    let mut written = workload;
    written.core = Some(open(&written.disk, Sabotage::None).unwrap());
    written.append(&[0], 9000);
    written.step();
    written.core = None;
    let torn = chunks(&written.disk).into_iter().find(|(own, from, bytes)| {
        (own, *from) != (&name, at) && *bytes > 9000 && {
            let header = ChunkHeader::decode(&written.disk.read(own)[*from..]).unwrap();
            header.home.lane == 2
        }
    });
    let (name, at, bytes) = torn.expect("the chunk of the second start");
    written.disk.flip(&name, at + bytes / 2, 1);
    written.disk.create("segments/00000000000000ff").unwrap();
    let seen = examine(&written.disk);
    let kinds: Vec<_> = seen.findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [FindingKind::Unacknowledged; 2], "{:?}", seen.findings);
    assert!(seen.is_sound());
    let repaired = mend(&written.disk, &[]).unwrap();
    assert_eq!(repaired, Repaired::default());
    assert_eq!(examine(&written.disk).findings, []);
}

#[test]
fn damage_is_kept_and_named_until_its_loss_is_accepted() {
    let workload = folder();
    let whole =
        look(&open(&workload.disk.copy(), Sabotage::None).unwrap(), &workload.logs).unwrap();
    let segment = only_segment(&workload.disk);
    let chunk = chunks(&workload.disk)[4].clone();
    let damages: [&[(&str, usize)]; 4] = [
        &[(&segment, 31_000)],
        &[(&chunk.0, chunk.1 + 200)],
        &[(&chunk.0, chunk.1), (&chunk.0, chunk.1 + chunk.2 - 1)],
        &[(&segment, 31_000), (&chunk.0, chunk.1 + 200)],
    ];
    for damage in damages {
        let disk = workload.disk.copy();
        damage.iter().for_each(|(name, at)| disk.flip(name, *at, 0x10));
        let seen = examine(&disk);
        assert!(!seen.is_sound(), "{damage:?}");
        let repaired = mend(&disk, &[]).unwrap();
        assert!(!repaired.quarantined.is_empty(), "{damage:?}");
        let again = examine(&disk);
        assert!(!again.is_sound(), "a repair accepts nothing by itself");
        let core = open(&disk, Sabotage::None).unwrap();
        assert!(!core.condition.health().ready);
        assert!(look(&core, &workload.logs).unwrap().damaged > 0);
        drop(core);
        let wrong = mend(&disk, &["segment 99: all of it".to_owned()]);
        assert!(matches!(wrong, Err(RepairError::UnknownName(_))), "{wrong:?}");
        let accepted = mend(&disk, &repaired.quarantined).unwrap();
        assert_eq!(accepted.quarantined, Vec::<String>::new(), "{damage:?}");
        assert!(examine(&disk).is_sound(), "{:?}", examine(&disk).findings);
        for _ in 0..2 {
            let core = open(&disk, Sabotage::None).unwrap();
            assert!(core.condition.health().ready, "{:?}", core.condition.health());
            let shown = look(&core, &workload.logs).unwrap();
            assert_eq!(shown.damaged, 0, "{damage:?}");
            let all = |(log, own): (_, &Vec<_>)| own.iter().all(|r| whole.records[log].contains(r));
            assert!(shown.records.iter().all(all) && shown.records != whole.records);
            core.flush().unwrap();
        }
    }
}

#[test]
fn a_missing_segment_is_named_and_its_loss_can_be_accepted() {
    let mut workload = Workload::new(Sabotage::None);
    workload.commit(2, &["a"], &[], &[]);
    for _ in 0..4 {
        workload.append(&[0, 1], 20_000);
        workload.step();
    }
    workload.core().flush().unwrap();
    let needed = only_segment(&workload.disk);
    workload.append(&[0, 1], 700);
    workload.step();
    let refused = workload.disk.copy();
    // The next one has all rows, so that a start does not need the first one's.
    workload.core().condition.inferred.store(true, Ordering::Relaxed);
    workload.core().flush().unwrap();
    workload.core = None;
    refused.remove(&needed).unwrap();
    let error = Inspection::of(Arc::new(refused)).unwrap_err();
    assert!(error.to_string().contains("missing"), "{error}");

    assert_eq!(workload.disk.list("segments").unwrap().len(), 2);
    workload.disk.remove(&needed).unwrap();
    let seen = examine(&workload.disk);
    assert!(!seen.is_sound());
    let names: Vec<_> = seen.findings.iter().filter_map(|found| found.name.clone()).collect();
    assert!(names.contains(&"segment 1: all of it".to_owned()), "{names:?}");
    let accepted = mend(&workload.disk, &names).unwrap();
    assert_eq!(accepted.quarantined, Vec::<String>::new());
    let core = open(&workload.disk, Sabotage::None).unwrap();
    assert!(core.condition.health().ready);
    let shown = look(&core, &workload.logs).unwrap();
    assert_eq!(shown.damaged, 0);
    assert_eq!(shown.records.values().map(Vec::len).sum::<usize>(), 2);
}
