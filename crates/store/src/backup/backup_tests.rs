//! Points as bytes; backups of a folder under load; restores of all of them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use stdx::{Clock, Entropy, UnixMillis};

use super::point::{Point, SegmentCopy, point_name};
use super::vault::Vault;
use super::{BackedUp, BackupError, BackupOptions, BackupPlace, back_up, restore, verify_backup};
use crate::disk::{Disk, RealDisk};
use crate::inspect::Inspection;
use crate::manifest::Manifest;
use crate::{
    AppendOutcome, Commit, Config, LogAppend, LogId, Position, ReadBudget, ReadFrom, RecordBatch,
    Store,
};

const ALL: ReadBudget = ReadBudget { records_max: usize::MAX, bytes_max: usize::MAX };

fn point() -> Point {
    Point {
        number: 3,
        created: UnixMillis(1_700_000_000_000),
        manifest: Manifest::new(&Entropy::seeded(1)),
        segments: vec![SegmentCopy { number: 7, mark: 0xfeed, bytes: 8192 }],
        lane_bytes: 4096,
        lane_crc: 5,
        files: vec![("root-key".to_owned(), b"id secret\n".to_vec())],
    }
}

proptest! {
    #[test]
    fn points_come_back(number: u64, copies in 0_usize..5, name in "[a-z-]{1,12}", bytes: Vec<u8>) {
        let mut whole = point();
        whole.number = number;
        whole.segments = vec![whole.segments[0]; copies];
        whole.files.push((name, bytes));
        prop_assert_eq!(Point::decode(&whole.encode()), Some(whole));
    }
}

#[test]
fn no_truncation_and_no_flip_of_a_point_is_believed() {
    let whole = point().encode();
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
