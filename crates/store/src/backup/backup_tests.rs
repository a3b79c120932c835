//! Points as bytes; backups of a folder under load; restores of all of them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use stdx::{Clock, Entropy, UnixMillis};

use super::point::{BlobCopy, Point, SegmentCopy, point_name};
use super::vault::Vault;
use super::{BackedUp, BackupError, BackupOptions, BackupPlace, back_up, restore, verify_backup};
use crate::blob::BlobId;
use crate::disk::{Disk, RealDisk};
use crate::inspect::Inspection;
use crate::manifest::Manifest;
use crate::{
    AppendOutcome, Blob, BlobList, Commit, Config, Expect, LogAppend, LogId, Position, ReadBudget,
    ReadFrom, RecordBatch, RowWrite, Store,
};

const ALL: ReadBudget = ReadBudget { records_max: usize::MAX, bytes_max: usize::MAX };

pub(crate) fn point() -> Point {
    Point {
        number: 3,
        created: UnixMillis(1_700_000_000_000),
        manifest: Manifest::new(&Entropy::seeded(1)),
        segments: vec![SegmentCopy { number: 7, mark: 0xfeed, bytes: 8192 }],
        lane_bytes: 4096,
        lane_crc: 5,
        files: vec![("root-key".to_owned(), b"id secret\n".to_vec())],
        blobs: Vec::new(),
    }
}

pub(crate) fn blob_copy() -> BlobCopy {
    BlobCopy { id: BlobId(9), mark: 0xbead, bytes: 70, damaged: true }
}

proptest! {
    #[test]
    fn points_come_back(number: u64, copies in 0_usize..5, name in "[a-z-]{1,12}", bytes: Vec<u8>) {
        let mut whole = point();
        whole.number = number;
        whole.segments = vec![whole.segments[0]; copies];
        whole.files.push((name, bytes));
        whole.blobs = vec![blob_copy(); copies];
        prop_assert_eq!(Point::decode(&whole.encode()), Some(whole));
    }
}

#[test]
fn no_truncation_and_no_flip_of_a_point_is_believed() {
    let whole = Point { blobs: vec![blob_copy()], ..point() }.encode();
    for cut in 0..whole.len() {
        assert_eq!(Point::decode(&whole[..cut]), None);
    }
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(Point::decode(&flipped), None, "{bit}");
    }
}

/// Limits so small that the ring is used again and segments are joined all the time.
fn small(folder: &Path) -> Config {
    Config {
        ring_file_bytes: 128 * 1024,
        ring_bytes_max: 2 * 1024 * 1024,
        flush_bytes: 192 * 1024,
        tail_bytes_max: 512 * 1024,
        ..Config::folder(folder)
    }
}

async fn open(folder: &Path) -> Store {
    Store::open(small(folder), Clock::system(), Entropy::system()).await.unwrap()
}

async fn open_log(store: &Store) -> LogId {
    let log = store.new_log_id();
    store.commit(Commit { opens: vec![log], ..Commit::default() }).await.unwrap();
    log
}

async fn append(store: &Store, log: LogId, number: u32, bytes: usize) -> Position {
    let mut payload = number.to_le_bytes().to_vec();
    payload.resize(bytes, number as u8);
    let record = RecordBatch::single(&payload);
    match store.append(vec![LogAppend::new(log, record)]).await.unwrap()[..] {
        [AppendOutcome::Appended { first, .. }] => first,
        ref outcomes => panic!("{outcomes:?}"),
    }
}

async fn read_all(store: &Store, log: LogId) -> Vec<(Position, u32)> {
    let (mut from, mut found) = (Position::ZERO, Vec::new());
    loop {
        let page = store.read(log, ReadFrom::Position(from), ALL).await.unwrap();
        found.extend(page.records.iter().map(|record| {
            let number = u32::from_le_bytes(record.payload[..4].try_into().unwrap());
            assert!(record.payload[4..].iter().all(|&byte| byte == number as u8));
            (record.position, number)
        }));
        if page.at_tail {
            return found;
        }
        from = page.next;
    }
}

fn names(folder: &Path, name: &str) -> Vec<String> {
    RealDisk::new(folder).unwrap().list(name).unwrap()
}

fn save(folder: &Path, place: &Path) -> BackedUp {
    back_up(folder, &BackupPlace::Folder(place.to_owned()), &BackupOptions::default()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_acknowledged_before_a_backup_of_a_busy_folder_is_in_it() {
    const BACKUPS: usize = 12;
    let scratch = tempfile::tempdir().unwrap();
    let (folder, place) = (scratch.path().join("data"), scratch.path().join("backups"));
    let store = open(&folder).await;
    let log = open_log(&store).await;
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::default());
    let writer = {
        let (store, stop, count) = (store.clone(), Arc::clone(&stop), Arc::clone(&count));
        stdx::task::spawn(async move {
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                append(&store, log, number, 2000 + number as usize % 3000).await;
                number += 1;
                std::sync::atomic::AtomicU32::store(&count, number, Ordering::Release);
            }
        })
    };
    let mut before = Vec::new();
    for _ in 0..BACKUPS {
        let acknowledged = count.load(Ordering::Acquire);
        let (folder, place) = (folder.clone(), place.clone());
        let made = stdx::task::spawn_blocking(move || save(&folder, &place)).await.unwrap();
        assert!(made.in_use);
        assert_eq!(made.damaged, Vec::<String>::new());
        before.push((made.point, acknowledged));
    }
    stop.store(true, Ordering::Relaxed);
    writer.await.unwrap();
    let last = append(&store, log, u32::MAX, 10).await;
    store.close().await;
    assert!(before.last().unwrap().1 > before[0].1, "nothing was written meanwhile");
    for (number, acknowledged) in before {
        let target = scratch.path().join(format!("restored-{number}"));
        restore(&BackupPlace::Folder(place.clone()), Some(number), &target).unwrap();
        assert!(Inspection::open(&target).unwrap().examine().unwrap().is_sound());
        let store = open(&target).await;
        assert!(store.health().ready, "{:?}", store.health());
        let found = read_all(&store, log).await;
        assert!(found.len() >= acknowledged as usize, "{} of {acknowledged}", found.len());
        assert!(found.iter().enumerate().all(|(at, (_, own))| at as u32 == *own));
        let next = append(&store, log, 1, 10).await;
        assert!(next > last, "{next} was given before");
        assert!(next.epoch() > last.epoch() + 4000);
        store.close().await;
    }
}

#[tokio::test]
async fn a_second_backup_copies_what_is_new() {
    let scratch = tempfile::tempdir().unwrap();
    let (folder, place) = (scratch.path().join("data"), scratch.path().join("backups"));
    let store = open(&folder).await;
    let log = open_log(&store).await;
    for number in 0..600 {
        append(&store, log, number, 10_000).await;
    }
    store.close().await;
    let first = save(&folder, &place);
    assert!(!first.in_use && first.copied_segments == first.segments && first.segments > 0);
    let again = save(&folder, &place);
    assert_eq!((again.copied_segments, again.copied_bytes), (0, 0));
    assert_eq!((again.point, again.segments), (2, first.segments));
    let linked = BackupOptions { link: true, keep: Some(1), ..BackupOptions::default() };
    let other = BackupPlace::Folder(scratch.path().join("linked"));
    back_up(&folder, &other, &linked).unwrap();
    verify_backup(&other, None).unwrap();
    let kept = back_up(&folder, &BackupPlace::Folder(place.clone()), &linked).unwrap();
    assert_eq!(kept.removed, 2);
    let points = names(&place, "points").len();
    assert_eq!(points, 1);
    verify_backup(&BackupPlace::Folder(place), None).unwrap();
}

#[tokio::test]
async fn a_flip_in_a_backup_is_found_before_anything_is_written() {
    let scratch = tempfile::tempdir().unwrap();
    let (folder, place) = (scratch.path().join("data"), scratch.path().join("backups"));
    let store = open(&folder).await;
    let log = open_log(&store).await;
    for number in 0..100 {
        append(&store, log, number, 3_000).await;
    }
    while names(&folder, "segments").is_empty() {
        Clock::system().sleep(Duration::from_millis(5)).await;
    }
    append(&store, log, 100, 3_000).await;
    store.close().await;
    let made = save(&folder, &place);
    assert!(made.segments > 0 && made.lane_bytes > 0, "{made:?}");
    let disk = RealDisk::new(&place).unwrap();
    let target = scratch.path().join("restored");
    for kind in ["points", "segments", "lanes"] {
        let name = format!("{kind}/{}", disk.list(kind).unwrap()[0]);
        let file = disk.open(&name).unwrap();
        let at = file.length().unwrap() / 2;
        let mut byte = [0];
        file.read_at(&mut byte, at).unwrap();
        file.write_at(&[byte[0] ^ 4], at).unwrap();
        let refused = restore(&BackupPlace::Folder(place.clone()), None, &target).unwrap_err();
        assert!(matches!(refused, BackupError::Damaged(_)), "{kind}: {refused}");
        assert!(!target.exists(), "{kind}");
        file.write_at(&byte, at).unwrap();
    }
    restore(&BackupPlace::Folder(place.clone()), None, &target).unwrap();
    let refused = restore(&BackupPlace::Folder(place), None, &target).unwrap_err();
    assert!(matches!(refused, BackupError::NotEmpty(_)), "{refused}");
}

#[tokio::test]
async fn an_interrupted_backup_is_none_and_the_next_one_goes_on() {
    let scratch = tempfile::tempdir().unwrap();
    let (folder, place) = (scratch.path().join("data"), scratch.path().join("backups"));
    let store = open(&folder).await;
    let log = open_log(&store).await;
    for number in 0..200 {
        append(&store, log, number, 3_000).await;
    }
    store.close().await;
    save(&folder, &place);
    // As a kill leaves it before the point is put: segments and chunks, one of them half.
    let vault = Vault::of_disk(Arc::new(RealDisk::new(&place).unwrap()));
    vault.disk.remove(&point_name(1)).unwrap();
    vault.put("segments/00000000000000ff-00000000.new", |file| file.write_at(b"half", 0)).unwrap();
    let none = verify_backup(&BackupPlace::Folder(place.clone()), None).unwrap_err();
    assert!(matches!(none, BackupError::NoPoint(_)), "{none}");
    let next = save(&folder, &place);
    assert_eq!((next.point, next.copied_segments), (1, 0), "copies that are whole are kept");
    verify_backup(&BackupPlace::Folder(place), None).unwrap();
}

#[test]
fn other_peoples_files_are_refused() {
    let scratch = tempfile::tempdir().unwrap();
    RealDisk::new(scratch.path()).unwrap().create("mine").unwrap();
    let place = BackupPlace::Folder(scratch.path().to_owned());
    let refused = verify_backup(&place, None).unwrap_err();
    assert!(matches!(refused, BackupError::Foreign(_)), "{refused}");
    let refused = restore(&place, None, &scratch.path().join("data")).unwrap_err();
    assert!(!refused.help().is_empty());
    assert!(!scratch.path().join("data").exists());
}

async fn name_blob(store: &Store, key: u8, blob: Blob) {
    let mut value = Vec::new();
    BlobList(vec![blob]).encode(&mut value);
    let (table, key) = (crate::TableId(25), Bytes::copy_from_slice(&[key]));
    let row = RowWrite { table, key, value: Some(value.into()), expect: Expect::Any };
    store.commit(Commit { rows: vec![row], ..Commit::default() }).await.unwrap();
}

fn blob_bytes(round: u64) -> Vec<u8> {
    (0..50_000 + round * 97).map(|at| (at * 31 + round) as u8).collect()
}

/// Objects are written over all the time: what a point's rows name is in it, whole, and copied once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_blobs_that_a_backups_rows_name_are_in_it() {
    let scratch = tempfile::tempdir().unwrap();
    let (folder, place) = (scratch.path().join("data"), scratch.path().join("backups"));
    let store = open(&folder).await;
    let quiet = store.blobs().put(&[Bytes::from(blob_bytes(7))]).await.unwrap();
    name_blob(&store, 255, quiet).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (store, stop) = (store.clone(), Arc::clone(&stop));
        stdx::task::spawn(async move {
            let (mut round, mut last) = (0, Vec::new());
            while !stop.load(Ordering::Relaxed) {
                let blob = store.blobs().put(&[Bytes::from(blob_bytes(round))]).await.unwrap();
                name_blob(&store, (round % 3) as u8, blob).await;
                last.push(blob);
                if last.len() > 3 {
                    store.blobs().delete(vec![last.remove(0)]).await;
                }
                round += 1;
            }
        })
    };
    let mut copied = Vec::new();
    for _ in 0..6 {
        let (folder, place) = (folder.clone(), place.clone());
        let made = stdx::task::spawn_blocking(move || save(&folder, &place)).await.unwrap();
        assert_eq!(made.damaged, Vec::<String>::new());
        copied.push((made.blobs, made.copied_blobs));
    }
    stop.store(true, Ordering::Relaxed);
    writer.await.unwrap();
    store.close().await;
    let last = save(&folder, &place);
    let again = save(&folder, &place);
    assert!(last.blobs == 4 && last.copied_blobs <= 3, "{last:?} after {copied:?}");
    assert_eq!((again.blobs, again.copied_blobs), (4, 0));
    for number in 1..=again.point {
        let target = scratch.path().join(format!("restored-{number}"));
        let place = BackupPlace::Folder(place.clone());
        let restored = restore(&place, Some(number), &target).unwrap();
        let seen = Inspection::open(&target).unwrap();
        let found = seen.examine().unwrap();
        assert_eq!(found.findings, [], "{number}");
        assert_eq!(found.counted.blobs as usize, restored.blobs);
        drop(seen);
        let store = open(&target).await;
        let pin = store.blobs().pin(vec![quiet]);
        assert_eq!(pin.read(0..quiet.bytes).await.unwrap(), blob_bytes(7));
        store.close().await;
    }
}

/// A blob that is damaged is so in the backup, which says so; a copy that is damaged refuses the point.
#[tokio::test]
async fn damage_of_a_blob_is_told_from_damage_of_its_copy() {
    let scratch = tempfile::tempdir().unwrap();
    let (folder, place) = (scratch.path().join("data"), scratch.path().join("backups"));
    let store = open(&folder).await;
    for key in 0..2 {
        let blob = store.blobs().put(&[Bytes::from(blob_bytes(u64::from(key)))]).await.unwrap();
        name_blob(&store, key, blob).await;
    }
    store.close().await;
    let disk = RealDisk::new(&folder).unwrap();
    let damaged = crate::blob::list_blobs(&disk).unwrap()[0];
    let flip = |disk: &RealDisk, name: &str| {
        let file = disk.open(name).unwrap();
        let mut byte = [0];
        file.read_at(&mut byte, 99).unwrap();
        file.write_at(&[byte[0] ^ 4], 99).unwrap();
    };
    flip(&disk, &crate::blob::name_of(damaged));
    for copied in [2, 0] {
        let made = save(&folder, &place);
        assert_eq!((made.damaged, made.copied_blobs), (vec![damaged.to_string()], copied));
    }
    let target = scratch.path().join("restored");
    let point = BackupPlace::Folder(place.clone());
    assert_eq!(restore(&point, None, &target).unwrap().damaged, [damaged.to_string()]);
    let copies = RealDisk::new(&place).unwrap();
    let name = |name: &String| !name.starts_with(&format!("{:016x}", damaged.0));
    let whole = names(&place, "blobs").into_iter().find(name).unwrap();
    flip(&copies, &format!("blobs/{whole}"));
    let refused = verify_backup(&point, None).unwrap_err();
    assert!(matches!(refused, BackupError::Damaged(names) if names.len() == 1));
}
