//! A folder that an earlier version wrote opens and shows what it held.
//!
//! `tests/golden/folder` is that folder. To make a new one after a change of format, which then needs
//! a new number in `FORMAT`: `STORE_WRITE_GOLDEN=1 cargo test -p store --test it golden::write`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use stdx::{Clock, Entropy, UnixMillis};
use store::{Commit, Config, Expect, LogAppend, LogId, Position, Store};

use crate::support::{Words, append, batch, open_log, read_all, read_from, word};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/folder");

fn tiny(folder: &Path) -> Config {
    Config {
        ring_file_bytes: 32 * 1024,
        ring_bytes_max: 1024 * 1024,
        flush_after: Duration::from_secs(3600),
        ..Config::folder(folder)
    }
}

async fn open(folder: &Path) -> Store {
    let clock = Clock::manual(UnixMillis(1_800_000_000_000));
    Store::open(tiny(folder), clock, Entropy::seeded(4)).await.unwrap()
}

/// Two starts: the first flushed, the second not. Does nothing unless asked.
#[tokio::test]
async fn write() {
    if std::env::var_os("STORE_WRITE_GOLDEN").is_none() {
        return;
    }
    let folder = Path::new(FOLDER);
    fs::remove_dir_all(folder).ok();
    let clock = Clock::manual(UnixMillis(1_800_000_000_000));
    let config = Config { flush_after: Duration::ZERO, ..tiny(folder) };
    let store = Store::open(config, clock, Entropy::seeded(4)).await.unwrap();
    let (first, second) = (open_log(&store).await, open_log(&store).await);
    append(&store, first, &[b"one", b"two"]).await;
    let rows = vec![word("kept", "old", Expect::Absent), word("gone", "x", Expect::Absent)];
    store.commit(Commit { rows, closes: vec![second], ..Commit::default() }).await.unwrap();
    while fs::read_dir(folder.join("segments")).unwrap().count() == 0 {
        Clock::system().sleep(Duration::from_millis(20)).await;
    }
    store.close().await;
    let store = open(folder).await;
    let rows = vec![word("kept", "new", Expect::Any)];
    let records = vec![LogAppend::new(first, batch(&[b"three"]))];
    store.commit(Commit { rows, records, ..Commit::default() }).await.unwrap();
    let delete = store::RowWrite::delete::<Words>(&"gone".to_owned(), Expect::Any);
    store.commit(Commit { rows: vec![delete], ..Commit::default() }).await.unwrap();
    store.trim(first, Position::ZERO.next_lower_bound()).await.unwrap();
    store.close().await;
    fs::remove_file(folder.join("LOCK")).ok();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[tokio::test]
async fn the_golden_folder_opens() {
    let folder = tempfile::tempdir().unwrap();
    copy(Path::new(FOLDER), folder.path());
    let store = open(folder.path()).await;
    assert!(store.health().ready, "{:?}", store.health());
    let (first, second) = (LogId(1 << 40), LogId((1 << 40) + 1));
    let records = read_all(&store, first).await;
    let payloads: Vec<&[u8]> = records.iter().map(|(_, payload)| &payload[..]).collect();
    assert_eq!(payloads, [&b"one"[..], b"two", b"three"]);
    assert!(read_from(&store, second, Position::ZERO).await.closed_end);
    let words = store.table::<Words>().scan().unwrap();
    assert_eq!(words.len(), 1);
    assert_eq!((words[0].0.as_str(), words[0].1.row.as_str()), ("kept", "new"));
    append(&store, first, &[b"four"]).await;
    store.close().await;
}
