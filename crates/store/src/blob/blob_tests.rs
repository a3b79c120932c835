//! Blobs: every part of them reads back or is named; a crash leaves no row without its blob, and a start
//! no blob without a row.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use stdx::{Clock, Entropy};
use tokio::sync::oneshot;

use super::layout::TRAILER_BYTES;
use super::shelf::BlobWriter;
use super::{Blob, BlobError, BlobId, BlobList, examine, list_blobs, live_blobs, name_of};
use crate::core::Core;
use crate::disk::Disk;
use crate::id::TableId;
use crate::inspect::{FindingKind, Inspection};
use crate::lane::Sabotage;
use crate::limits::{BLOB_BLOCK_BYTES, BLOB_READ_BYTES, BLOB_WRITE_BYTES, BUCKET_PART_BYTES};
use crate::queue::Request;
use crate::request::{Commit, Expect, RowWrite};
use crate::sequencer::commit_bytes;
use crate::sim_disk::SimDisk;
use crate::workload::open;
use crate::{Config, Store};

const OBJECTS: TableId = TableId(25);

fn content(seed: usize, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at / 251 + at * 7 + seed) as u8).collect()
}

fn write(core: &Core, bytes: &[u8]) -> BlobWriter {
    let mut writer = core.begin_blob();
    for piece in bytes.chunks(BLOB_WRITE_BYTES) {
        writer.encoder.push(piece);
        core.write_blob(&mut writer).unwrap();
    }
    writer
}

fn put(core: &Core, bytes: &[u8]) -> Blob {
    let mut writer = write(core, bytes);
    core.finish_blob(&mut writer).unwrap()
}

fn read(core: &Core, blob: Blob, range: std::ops::Range<u64>) -> Result<Vec<u8>, BlobError> {
    let reader = core.shelf.open(blob)?;
    let (mut rest, mut found) = (range, Vec::new());
    while !rest.is_empty() {
        let step = super::file::BlobReader::step(&rest);
        rest.start = step.end;
        found.extend(reader.read(step)?);
    }
    Ok(found)
}

fn name_row(core: &Core, key: &'static str, blobs: Option<Vec<Blob>>) {
    let value = blobs.map(|blobs| {
        let mut value = Vec::new();
        BlobList(blobs).encode(&mut value);
        value.extend_from_slice(b"and more");
        Bytes::from(value)
    });
    let row = RowWrite { table: OBJECTS, key: key.into(), value, expect: Expect::Any };
    let commit = Commit { rows: vec![row], ..Commit::default() };
    let (reply, mut answer) = oneshot::channel();
    let bytes = commit_bytes(&commit);
    core.queue.push(Request::Commit { commit: Box::new(commit), bytes, reply });
    core.lane_step();
    answer.try_recv().unwrap().unwrap();
}

fn files(disk: &SimDisk) -> Vec<BlobId> {
    let mut found = list_blobs(disk).unwrap();
    found.sort();
    found
}

#[test]
fn golden_bytes_of_a_file() {
    let (disk, mut made) = (SimDisk::default(), Vec::new());
    let core = open(&disk, Sabotage::None).unwrap();
    made.push(put(&core, b""));
    made.push(put(&core, b"hello"));
    assert_eq!(disk.read(&name_of(made[0].id)).len(), TRAILER_BYTES);
    let file = disk.read(&name_of(made[1].id));
    let mut place = b"hello".to_vec();
    place.extend(made[1].id.0.to_le_bytes());
    place.extend(0_u64.to_le_bytes());
    assert_eq!(file[..5], *b"hello");
    assert_eq!(file[5..9], crc32c::crc32c(&place).to_le_bytes());
    assert_eq!(file[9..13], *b"LVBE");
    assert_eq!(file.len(), 9 + TRAILER_BYTES);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_part_of_a_blob_reads_back(
        near in 0_usize..4, off in -2_i64..3, from in 0_u64..400_000, length in 0_u64..400_000,
    ) {
        let disk = SimDisk::default();
        let core = open(&disk, Sabotage::None).unwrap();
        let bytes = (near * BLOB_BLOCK_BYTES) as i64 * 3 + off;
        let own = content(near, bytes.max(0) as usize);
        let blob = put(&core, &own);
        prop_assert_eq!(blob.bytes, own.len() as u64);
        let from = from.min(blob.bytes);
        let to = (from + length).min(blob.bytes);
        prop_assert_eq!(&read(&core, blob, from..to).unwrap(), &own[from as usize..to as usize]);
        let file = disk.open(&name_of(blob.id)).unwrap();
        prop_assert!(examine(&file, blob.id, Some(blob.bytes)).unwrap().is_some());
        prop_assert!(examine(&file, blob.id, Some(blob.bytes + 1)).unwrap().is_none());
        prop_assert!(examine(&file, BlobId(blob.id.0 + 256), None).unwrap().is_none());
    }
}

#[test]
fn a_flipped_bit_is_found_and_never_served() {
    let disk = SimDisk::default();
    let core = open(&disk, Sabotage::None).unwrap();
    let own = content(3, 2 * BLOB_BLOCK_BYTES + 777);
    let blob = put(&core, &own);
    name_row(&core, "a", Some(vec![blob]));
    core.prove_step();
    drop(core);
    let name = name_of(blob.id);
    for at in (0..disk.read(&name).len()).step_by(509).chain([disk.read(&name).len() - 1]) {
        let flipped = disk.copy();
        flipped.flip(&name, at, 1 << (at % 8));
        let seen = Inspection::of(Arc::new(flipped.clone())).unwrap();
        let found = seen.examine().unwrap();
        assert_eq!(found.findings.len(), 1, "{at}: {:?}", found.findings);
        assert_eq!(
            (found.findings[0].kind, &found.findings[0].place),
            (FindingKind::Damaged, &name)
        );
        drop(seen);
        let core = open(&flipped, Sabotage::None).unwrap();
        for block in 0..3 {
            let from = block * BLOB_BLOCK_BYTES as u64;
            let to = (from + BLOB_BLOCK_BYTES as u64).min(blob.bytes);
            match read(&core, blob, from..to) {
                Ok(found) => assert_eq!(found, own[from as usize..to as usize], "{at}"),
                Err(error) => {
                    assert_eq!(error, BlobError::Damaged(blob.id), "{at}");
                    assert_eq!(at / (BLOB_BLOCK_BYTES + 4), block as usize, "{at}");
                }
            }
        }
    }
}

/// Finish, then commit: whatever a crash leaves, each row's blob is whole, and what no row names goes.
#[test]
fn no_crash_leaves_a_row_without_its_blob_or_a_blob_without_a_row() {
    let disk = SimDisk::default();
    let core = open(&disk, Sabotage::None).unwrap();
    let mut acknowledged = Vec::new();
    let mut last: Option<Blob> = None;
    for round in 0..4 {
        let blob = put(&core, &content(round, 700 + round * 40_000));
        name_row(&core, "a", Some(vec![blob]));
        acknowledged.push((disk.ops(), blob));
        if let Some(old) = last.replace(blob) {
            core.shelf.remove(&core.shelf.doom(&[old]));
        }
        if round == 1 {
            core.flush().unwrap();
        }
    }
    let mut abandoned = write(&core, &content(9, 900));
    core.abandon_blob(&mut abandoned);
    drop(core);
    let mut crashes = 0;
    for at in 0..=disk.ops() {
        for crash in disk.crashes(at) {
            crashes += 1;
            let disk = disk.after(crash);
            let core = open(&disk, Sabotage::None).unwrap();
            core.sweep_blobs();
            let live = live_blobs(&core.tables);
            let before = acknowledged.iter().rposition(|(ops, _)| *ops <= at);
            assert!(live.complete && live.blobs.len() <= 1, "{crash:?}");
            assert!(before.is_none() || live.blobs.len() == 1, "{crash:?}: {live:?}");
            for blob in &live.blobs {
                let round = acknowledged.iter().position(|(_, own)| own == blob).unwrap();
                assert!(before.is_none_or(|before| round >= before), "{crash:?}");
                let own = content(round, 700 + round * 40_000);
                assert_eq!(read(&core, *blob, 0..blob.bytes), Ok(own), "{crash:?}");
            }
            let named: Vec<BlobId> = live.blobs.iter().map(|blob| blob.id).collect();
            assert_eq!(files(&disk), named, "{crash:?}");
            let bytes: u64 = live.blobs.iter().map(Blob::file_bytes).sum();
            assert_eq!(core.shelf.bytes(), bytes);
        }
    }
    assert!(crashes > 200, "{crashes}");
}

#[test]
fn a_start_removes_what_no_row_names_and_nothing_of_its_own_time() {
    let disk = SimDisk::default();
    let core = open(&disk, Sabotage::None).unwrap();
    let (named, unnamed) = (put(&core, b"named"), put(&core, b"unnamed"));
    name_row(&core, "a", Some(vec![named]));
    core.prove_step();
    drop(core);
    let seen = Inspection::of(Arc::new(disk.clone())).unwrap();
    let found = seen.examine().unwrap();
    assert!(found.is_sound());
    assert_eq!((found.counted.blobs, found.counted.blob_bytes), (1, 5));
    assert_eq!(seen.usage().unwrap().blobs, 1);
    let places: Vec<_> = found.findings.iter().map(|own| (own.kind, own.place.clone())).collect();
    assert_eq!(places, [(FindingKind::Unacknowledged, name_of(unnamed.id))]);
    drop(seen);
    let core = open(&disk, Sabotage::None).unwrap();
    let mut coming = write(&core, b"coming");
    core.sweep_blobs();
    assert_eq!(files(&disk), [named.id, coming.encoder.id()]);
    let coming = core.finish_blob(&mut coming).unwrap();
    assert_eq!(read(&core, coming, 0..6).unwrap(), b"coming");
}

/// What a lost row named may be needed by who mends it.
#[test]
fn nothing_is_removed_where_rows_may_have_been_lost() {
    let disk = SimDisk::default();
    let core = open(&disk, Sabotage::None).unwrap();
    let named = put(&core, b"named");
    name_row(&core, "a", Some(vec![named]));
    name_row(&core, "b", None);
    core.prove_step();
    drop(core);
    let ring = disk.list("ring").unwrap();
    let ring = format!("ring/{}", ring.iter().min().unwrap());
    let bytes = disk.read(&ring);
    let at = bytes.windows(8).position(|own| own == b"and more").unwrap();
    disk.flip(&ring, at, 1);
    let core = open(&disk, Sabotage::None).unwrap();
    assert!(!core.condition.quarantined().is_empty());
    core.sweep_blobs();
    assert_eq!(files(&disk), [named.id]);
}

#[test]
fn a_missing_blob_is_named_and_one_cut_short_is_damaged() {
    let disk = SimDisk::default();
    let core = open(&disk, Sabotage::None).unwrap();
    let (gone, cut) = (put(&core, b"gone"), put(&core, &content(1, 100_000)));
    name_row(&core, "a", Some(vec![gone, cut]));
    core.prove_step();
    disk.remove(&name_of(gone.id)).unwrap();
    disk.open(&name_of(cut.id)).unwrap().set_length(80_000).unwrap();
    assert_eq!(read(&core, gone, 0..4), Err(BlobError::Missing(gone.id)));
    assert_eq!(read(&core, cut, 0..100_000), Err(BlobError::Damaged(cut.id)));
    drop(core);
    let found = Inspection::of(Arc::new(disk)).unwrap().examine().unwrap();
    let places: Vec<_> = found.findings.iter().map(|own| own.place.clone()).collect();
    assert_eq!(places, [name_of(gone.id), name_of(cut.id)]);
    assert!(!found.is_sound());
}

#[test]
fn a_full_disk_is_an_error_by_name_and_gives_its_room_back() {
    let disk = SimDisk::default();
    let core = open(&disk, Sabotage::None).unwrap();
    let before = core.shelf.bytes();
    disk.set_full(true);
    let mut writer = core.begin_blob();
    writer.encoder.push(&content(0, 9000));
    assert_eq!(core.write_blob(&mut writer), Err(BlobError::DiskFull));
    core.abandon_blob(&mut writer);
    assert_eq!((core.shelf.bytes(), files(&disk).len()), (before, 0));
    disk.set_full(false);
    assert_eq!(read(&core, put(&core, b"again"), 0..5).unwrap(), b"again");
}

async fn store(config: Config) -> Store {
    Store::open(config, Clock::system(), Entropy::system()).await.unwrap()
}

async fn read_all(store: &Store, blobs: Vec<Blob>) -> Vec<u8> {
    let pin = store.blobs().pin(blobs);
    let (mut at, mut found) = (0, Vec::new());
    while at < pin.bytes() {
        let piece = pin.read(at..pin.bytes()).await.unwrap();
        assert!(!piece.is_empty() && piece.len() <= BLOB_READ_BYTES);
        at += piece.len() as u64;
        found.extend(piece);
    }
    found
}

#[tokio::test]
async fn blobs_live_in_folders_in_buckets_and_in_memory() {
    let scratch = tempfile::tempdir().unwrap();
    let large = content(1, 2 * BUCKET_PART_BYTES + 12_345);
    for config in [Config::folder(scratch.path()), Config::in_memory_bucket(), Config::in_memory()]
    {
        let store = store(config).await;
        let blobs = store.blobs();
        let one = blobs.put(&[Bytes::from(large.clone())]).await.unwrap();
        let two = blobs.put(&[Bytes::from_static(b"a"), Bytes::from_static(b"b")]).await.unwrap();
        let empty = blobs.put(&[]).await.unwrap();
        let all = read_all(&store, vec![two, empty, one]).await;
        assert_eq!(all, [&b"ab"[..], &large].concat());
        let pin = blobs.pin(vec![one]);
        assert_eq!(pin.read(10..14).await.unwrap(), large[10..14]);
        // Who reads goes on reading; then it is gone.
        blobs.delete(vec![one]).await;
        assert_eq!(pin.read(70_000..70_009).await.unwrap(), large[70_000..70_009]);
        drop(pin);
        store.close().await;
    }
}

#[tokio::test]
async fn what_is_dropped_or_deleted_takes_no_room() {
    let scratch = tempfile::tempdir().unwrap();
    let store = store(Config::folder(scratch.path())).await;
    let taken = |store: &Store| store.blobs().core.shelf.bytes();
    let mut sink = store.blobs().write();
    sink.write(&content(0, 3 * BLOB_WRITE_BYTES)).await.unwrap();
    assert!(taken(&store) > 0 && store.data_bytes().0 >= taken(&store));
    drop(sink);
    let blob = store.blobs().put(&[Bytes::from(content(0, 100_000))]).await.unwrap();
    let pin = store.blobs().pin(vec![blob]);
    store.blobs().delete(vec![blob]).await;
    drop(pin);
    let disk = crate::disk::RealDisk::new(scratch.path()).unwrap();
    let clock = Clock::system();
    let wait = std::time::Duration::from_millis(5);
    for _ in 0..2000 {
        if taken(&store) == 0 && list_blobs(&disk).unwrap().is_empty() {
            return;
        }
        clock.sleep(wait).await;
    }
    panic!("{} bytes, {:?}", taken(&store), list_blobs(&disk));
}

#[tokio::test]
async fn memory_and_data_max_bound_blobs() {
    let small = Config { memory_bytes_max: 1_000_000, ..Config::in_memory() };
    let scratch = tempfile::tempdir().unwrap();
    let folder = Config::folder(scratch.path()).with_data_max(128 * 1024 * 1024);
    for (config, most) in [(small, 1_000_000), (folder, 128 * 1024 * 1024)] {
        let store = store(config).await;
        let mut sink = store.blobs().write();
        let piece = content(0, BLOB_WRITE_BYTES);
        let mut written = 0;
        let refused = loop {
            match sink.write(&piece).await {
                Ok(()) => written += piece.len(),
                Err(error) => break error,
            }
            assert!(written < most, "{written}");
        };
        assert_eq!(refused, BlobError::DiskFull);
        store.close().await;
    }
}
