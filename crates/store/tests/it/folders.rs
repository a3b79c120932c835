//! A folder over restarts: whose it is, and that everything acknowledged is in it.

use std::collections::BTreeSet;
use std::time::Duration;

use stdx::{Clock, Entropy, UnixMillis};
use store::{Commit, Expect, OpenError, Position, Store};

use crate::support::{Words, append, open, open_log, read_all, read_from, small, word};

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(small(folder.path())).await;
    let (kept, closed) = (open_log(&store).await, open_log(&store).await);
    let first = append(&store, kept, &[b"a", b"b"]).await;
    append(&store, closed, &[b"end"]).await;
    let rows = vec![word("k", "v", Expect::Absent)];
    let commit = Commit { rows, closes: vec![closed], ..Commit::default() };
    let committed = store.commit(commit).await.unwrap();
    store.trim(kept, first.next_lower_bound()).await.unwrap();
    store.close().await;

    for _ in 0..3 {
        let store = open(small(folder.path())).await;
        assert!(store.health().ready);
        let row = store.table::<Words>().get(&"k".to_owned()).unwrap().unwrap();
        assert_eq!((row.version, row.row.as_str()), (committed.versions[0], "v"));
        assert_eq!(read_all(&store, kept).await[0].1, b"b");
        let page = read_from(&store, closed, Position::ZERO).await;
        assert!(page.closed_end);
        assert_eq!(page.next, committed.closed[0].end);
        let next = append(&store, kept, &[b"later"]).await;
        assert!(next.epoch() > first.epoch());
        assert_eq!(next.counter(), 0);
        store.close().await;
    }
}

#[tokio::test]
async fn flushed_and_joined_segments_answer_like_the_tail() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(UnixMillis(5_000_000));
    let mut written = Vec::new();
    let mut rows = 0;
    let mut log = None;
    for round in 0..6_u32 {
        let store =
            Store::open(small(folder.path()), clock.clone(), Entropy::system()).await.unwrap();
        let log = match log {
            Some(log) => log,
            None => *log.insert(open_log(&store).await),
        };
        for index in 0..60_u32 {
            let payload = [&(round * 1000 + index).to_le_bytes()[..], &[5; 20_000]].concat();
            written.push((append(&store, log, &[&payload]).await, payload));
            clock.advance(Duration::from_millis(3));
            rows += 1;
            let row = word(&format!("{rows:05}"), &"v".repeat(300), Expect::Absent);
            store.commit(Commit { rows: vec![row], ..Commit::default() }).await.unwrap();
        }
        assert!(read_all(&store, log).await == written);
        assert_eq!(store.table::<Words>().len(), rows);
        store.close().await;
    }
    let segments = std::fs::read_dir(folder.path().join("segments")).unwrap().count();
    assert!((1..12).contains(&segments), "{segments}");
}

#[tokio::test]
async fn trimmed_segments_are_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(small(folder.path())).await;
    let log = open_log(&store).await;
    for _ in 0..6 {
        for _ in 0..100 {
            append(&store, log, &[&[1; 10_000]]).await;
        }
        store.trim(log, store.tail(log).unwrap().next).await.unwrap();
    }
    store.close().await;
    let files = std::fs::read_dir(folder.path().join("segments")).unwrap();
    let bytes: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes < 3_000_000, "{bytes}");
}

#[tokio::test]
async fn log_ids_are_never_used_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut ids = BTreeSet::new();
    for _ in 0..3 {
        let store = open(small(folder.path())).await;
        assert!((0..10).all(|_| ids.insert(store.new_log_id())));
        store.close().await;
    }
}

#[tokio::test]
async fn a_newer_format_and_a_foreign_folder_are_refused_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("FORMAT"), "levada 2\n").unwrap();
    let open = async || {
        Store::open(small(folder.path()), Clock::system(), Entropy::system()).await.unwrap_err()
    };
    let error = open().await;
    assert!(matches!(error, OpenError::Newer { .. }));
    assert!(error.to_string().contains("newer than this version reads"), "{error}");
    assert!(!error.help().is_empty());
    std::fs::remove_file(folder.path().join("FORMAT")).unwrap();
    std::fs::write(folder.path().join("holiday.jpg"), "x").unwrap();
    assert!(matches!(open().await, OpenError::Foreign(_)));
}

#[tokio::test]
async fn a_first_start_that_was_cut_short_is_no_obstacle() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["lost+found", "ring", "segments"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    std::fs::write(folder.path().join("FORMAT.new"), "lev").unwrap();
    std::fs::write(folder.path().join("LOCK"), "").unwrap();
    open(small(folder.path())).await.close().await;
    open(small(folder.path())).await.close().await;
}

#[tokio::test]
async fn one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(small(folder.path())).await;
    let second = Store::open(small(folder.path()), Clock::system(), Entropy::system()).await;
    assert!(matches!(second, Err(OpenError::Locked(_))));
    store.close().await;
    open(small(folder.path())).await.close().await;
}

#[tokio::test]
async fn small_files_are_private_whole_and_readable_from_outside() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(small(folder.path())).await;
    let key = store.private_file("root-key").read_or_create(|| b"secret".to_vec()).unwrap();
    assert_eq!(key, b"secret");
    let again = store.private_file("root-key").read_or_create(|| unreachable!()).unwrap();
    assert_eq!(again, b"secret");
    let mode = std::fs::metadata(folder.path().join("root-key")).unwrap().permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
    store.publish_file("endpoint", b"http://a").unwrap();
    store.publish_file("endpoint", b"http://b").unwrap();
    let published = store::folder::read_published(folder.path(), "endpoint").unwrap();
    assert_eq!(published.as_deref(), Some(&b"http://b"[..]));
    store.remove_file("endpoint").unwrap();
    store.remove_file("endpoint").unwrap();
    assert_eq!(store::folder::read_published(folder.path(), "endpoint").unwrap(), None);
    assert!(store.publish_file("../x", b"").is_err());
    store.close().await;
}
