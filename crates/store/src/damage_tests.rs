//! Bits that flip: named and reported in the middle of the log, cut in its torn tail, never served.

use crate::chunk::ChunkHeader;
use crate::disk::Disk;
use crate::lane::Sabotage;
use crate::limits::CHUNK_ALIGN;
use crate::sim_disk::SimDisk;
use crate::workload::{Shown, Workload, look, open};

/// A folder with one lane of chunks that has not been flushed, the last of them empty.
fn unflushed() -> Workload {
    let mut workload = unproven();
    workload.core().prove_step();
    workload.core = None;
    workload
}

/// The same without the empty one, still open.
fn unproven() -> Workload {
    let mut workload = Workload::new(Sabotage::None);
    workload.commit(2, &["a"], &[], &[]);
    workload.step();
    for round in 0..5 {
        workload.append(&[0, 1], 300 + round * 900);
        workload.append(&[round % 2], 50);
        workload.step();
    }
    workload.commit(0, &["b"], &[0], &[1]);
    workload.step();
    workload
}

/// Where the folder's chunks are: file, place, length, number.
fn chunks(disk: &SimDisk) -> Vec<(String, usize, usize, u64)> {
    let mut chunks = Vec::new();
    for name in disk.list("ring").unwrap() {
        let name = format!("ring/{name}");
        let bytes = disk.read(&name);
        let mut at = 0;
        while let Some(header) = bytes.get(at..).and_then(ChunkHeader::decode) {
            chunks.push((name.clone(), at, header.bytes_total as usize, header.home.number));
            at += header.bytes_total as usize;
        }
    }
    chunks.sort_by_key(|chunk| chunk.3);
    chunks
}

/// Whether `shown` is `whole` with some things missing.
fn is_part_of(shown: &Shown, whole: &Shown) -> bool {
    let records = shown
        .records
        .iter()
        .all(|(log, own)| own.iter().all(|record| whole.records[log].contains(record)));
    let rows = shown.rows.iter().all(|(key, row)| whole.rows.get(key) >= Some(row));
    records && rows
}

/// What is behind a flipped bit: nothing wrong is shown, and what is missing is reported.
fn flip_everywhere(workload: &Workload, name: &str, range: std::ops::Range<usize>) -> usize {
    let whole =
        look(&open(&workload.disk.copy(), Sabotage::None).unwrap(), &workload.logs).unwrap();
    let mut reported = 0;
    for at in range.step_by(11) {
        let disk = workload.disk.copy();
        disk.flip(name, at, 1 << (at % 8));
        let core = match open(&disk, Sabotage::None) {
            Ok(core) => core,
            Err(error) => {
                assert!(error.to_string().contains("damaged"), "{error}");
                reported += 1;
                continue;
            }
        };
        let shown = look(&core, &workload.logs).unwrap();
        let health = core.condition.health();
        if health.ready && shown.damaged == 0 {
            assert_eq!(shown, whole, "{name} at {at}");
        } else {
            reported += 1;
            assert!(is_part_of(&shown, &whole), "{name} at {at}: {shown:?}");
            assert!(!health.quarantined.is_empty() || shown.damaged > 0);
        }
        // The same after a flush has moved everything else.
        core.flush().unwrap();
        let flushed = look(&core, &workload.logs).unwrap();
        assert_eq!(flushed.records, shown.records, "{name} at {at}, flushed");
        drop(core);
        let again = open(&disk, Sabotage::None).unwrap();
        assert_eq!(look(&again, &workload.logs).unwrap(), flushed, "{name} at {at}, reopened");
        assert!(shown.damaged == 0 || !again.condition.health().ready);
    }
    reported
}

#[test]
fn a_flip_in_an_acknowledged_chunk_is_named_and_never_served() {
    let workload = unflushed();
    let chunks = chunks(&workload.disk);
    assert_eq!(chunks.len(), 8);
    let mut reported = 0;
    for (name, at, bytes, _) in &chunks[..7] {
        reported += flip_everywhere(&workload, name, *at..at + bytes);
    }
    assert!(reported > 100, "{reported}");
}

#[test]
fn a_flip_in_the_empty_last_chunk_loses_nothing() {
    let workload = unflushed();
    let (name, at, bytes, _) = chunks(&workload.disk).pop().unwrap();
    assert_eq!(flip_everywhere(&workload, &name, at..at + bytes), 0);
}

#[test]
fn a_lost_chunk_is_named_and_every_log_it_may_have_held_says_so() {
    let workload = unflushed();
    let (name, at, bytes, number) = chunks(&workload.disk)[3].clone();
    assert!(bytes > CHUNK_ALIGN / 2);
    let disk = workload.disk.copy();
    for byte in [0, bytes - 1] {
        disk.flip(&name, at + byte, 0xff);
    }
    let core = open(&disk, Sabotage::None).unwrap();
    let health = core.condition.health();
    assert!(!health.ready);
    assert_eq!(health.quarantined, [format!("lane 1 chunk {number}: all of it")]);
    let shown = look(&core, &workload.logs).unwrap();
    assert!(shown.damaged >= 2, "{shown:?}");
}

#[test]
fn a_flip_in_a_segment_is_named_and_never_served() {
    let mut workload = unflushed();
    workload.core = Some(open(&workload.disk, Sabotage::None).unwrap());
    workload.core().flush().unwrap();
    workload.core = None;
    let segments = workload.disk.list("segments").unwrap();
    assert_eq!(segments.len(), 1);
    let name = format!("segments/{}", segments[0]);
    let bytes = workload.disk.read(&name).len();
    assert!(flip_everywhere(&workload, &name, 0..bytes) > 100);
}

#[test]
fn a_flip_in_the_manifest_refuses_the_folder() {
    let workload = unflushed();
    let name = workload.disk.list("manifest").unwrap().into_iter().max().unwrap();
    let name = format!("manifest/{name}");
    for at in 0..workload.disk.read(&name).len() {
        let disk = workload.disk.copy();
        disk.flip(&name, at, 4);
        let error = open(&disk, Sabotage::None).unwrap_err();
        assert!(error.to_string().contains("damaged"), "{error}");
        assert!(!error.help().is_empty());
    }
}

#[test]
fn a_chunk_missing_below_a_seal_is_damage_even_at_the_end() {
    let mut workload = unproven();
    workload.reopen();
    workload.core = None;
    let disk = workload.disk.copy();
    let chunks = chunks(&disk);
    // The start has written the last one again, elsewhere.
    let last: Vec<_> = chunks.iter().filter(|chunk| chunk.3 == 7).collect();
    assert_eq!(last.len(), 2);
    for (name, at, bytes, _) in last {
        disk.flip(name, *at, 0xff);
        disk.flip(name, at + bytes - 1, 0xff);
    }
    let core = open(&disk, Sabotage::None).unwrap();
    assert_eq!(core.condition.health().quarantined.len(), 1);
}

#[test]
fn of_two_chunks_with_one_number_the_whole_one_counts() {
    let workload = unflushed();
    let whole =
        look(&open(&workload.disk.copy(), Sabotage::None).unwrap(), &workload.logs).unwrap();
    for (name, at, bytes, _) in chunks(&workload.disk) {
        for number in ["0000000000000000", "00000000000000ff"] {
            let disk = workload.disk.copy();
            let file = disk.create(&format!("ring/{number}")).unwrap();
            file.set_length(64 * 1024).unwrap();
            let chunk = disk.read(&name)[at..at + bytes].to_vec();
            file.write_at(&chunk[..bytes / 2 / 512 * 512], 0).unwrap();
            let core = open(&disk, Sabotage::None).unwrap();
            assert!(core.condition.health().ready);
            assert_eq!(look(&core, &workload.logs).unwrap(), whole);
            drop(core);
            // Header and footer alone tell nothing: a body may be lost between them.
            let disk = workload.disk.copy();
            let file = disk.create(&format!("ring/{number}")).unwrap();
            file.set_length(64 * 1024).unwrap();
            file.write_at(&chunk, 0).unwrap();
            file.write_at(&[0; 16], 140).unwrap();
            let core = open(&disk, Sabotage::None).unwrap();
            assert_eq!(look(&core, &workload.logs).unwrap(), whole);
        }
    }
}

#[test]
fn files_that_no_manifest_names_are_removed_at_the_start() {
    let workload = unflushed();
    let disk = workload.disk.copy();
    disk.create("segments/00000000000000ff").unwrap();
    disk.create("manifest/00000000000000ff.new").unwrap();
    drop(open(&disk, Sabotage::None).unwrap());
    assert_eq!(disk.list("segments").unwrap(), Vec::<String>::new());
    assert!(disk.list("manifest").unwrap().iter().all(|name| name.len() == 16));
}

#[test]
fn a_missing_segment_or_manifest_refuses_the_folder() {
    let mut workload = unflushed();
    workload.core = Some(open(&workload.disk, Sabotage::None).unwrap());
    workload.core().flush().unwrap();
    workload.core = None;
    let disk = workload.disk.copy();
    let segment = disk.list("segments").unwrap().remove(0);
    disk.remove(&format!("segments/{segment}")).unwrap();
    let error = open(&disk, Sabotage::None).unwrap_err();
    assert!(error.to_string().contains("missing or cut short"), "{error}");
    let disk = workload.disk.copy();
    for name in disk.list("manifest").unwrap() {
        disk.remove(&format!("manifest/{name}")).unwrap();
    }
    let error = open(&disk, Sabotage::None).unwrap_err();
    assert!(error.to_string().contains("the folder is not"), "{error}");
}
