//! A bucket behind HTTP: the real client against a fake server in this process.

use std::time::Duration;

use stdx::{Clock, Entropy};
use store::{Commit, Config, Expect, OpenError, Position, Store};

use crate::s3_stub::{Stub, Wrong};
use crate::support::{Words, append, open, open_log, read_all, read_from, word};

fn small(stub: &Stub) -> Config {
    Config {
        flush_bytes: 200_000,
        tail_bytes_max: 1_000_000,
        flush_after: Duration::from_millis(300),
        bucket_grace: Duration::from_millis(100),
        ..Config::bucket(stub.location())
    }
}

#[tokio::test]
async fn a_store_that_ignores_if_none_match_is_refused_by_name() {
    let stub = Stub::start(Wrong::IgnoresConditions);
    let opened = Store::open(small(&stub), Clock::system(), Entropy::system()).await;
    let refused = opened.unwrap_err();
    assert!(matches!(refused, OpenError::UnfitBucket { .. }), "{refused}");
    let sentence = refused.to_string();
    assert!(sentence.contains("s3://bucket/some/prefix"), "{sentence}");
    assert!(sentence.contains("ignores `If-None-Match: *`"), "{sentence}");
    assert!(!refused.help().is_empty());
    assert_eq!(stub.keys(), Vec::<String>::new(), "the probe cleans up");
}

#[tokio::test]
async fn a_url_that_is_no_bucket_is_refused() {
    let location = store::BucketLocation::new("ftp://bucket", []);
    let opened = Store::open(Config::bucket(location), Clock::system(), Entropy::system()).await;
    assert!(matches!(opened.unwrap_err(), OpenError::BucketConfig { .. }));
}

#[tokio::test]
async fn everything_is_there_after_a_restart_however_often_answers_are_lost() {
    for wrong in [Wrong::Nothing, Wrong::LosesAnswers] {
        let stub = Stub::start(wrong);
        let store = open(small(&stub)).await;
        let (kept, closed) = (open_log(&store).await, open_log(&store).await);
        let first = append(&store, kept, &[b"a", b"b"]).await;
        let rows = vec![word("k", "v", Expect::Absent)];
        let commit = Commit { rows, closes: vec![closed], ..Commit::default() };
        let committed = store.commit(commit).await.unwrap();
        let key = store.private_file("root-key").read_or_create(|| b"secret".to_vec()).unwrap();
        store.publish_file("endpoint", b"nobody reads it").unwrap();
        for number in 0..40_u8 {
            append(&store, kept, &[&vec![number; 10_000]]).await;
        }
        let written = read_all(&store, kept).await;
        assert_eq!((written.len(), written[0].0), (42, first));
        store.close().await;
        for round in 0..3_usize {
            let store = open(small(&stub)).await;
            assert!(store.health().ready);
            assert_eq!(read_all(&store, kept).await[..42], written);
            let row = store.table::<Words>().get(&"k".to_owned()).unwrap().unwrap();
            assert_eq!(row.version, committed.versions[0]);
            assert!(read_from(&store, closed, Position::ZERO).await.closed_end);
            let again = store.private_file("root-key").read_or_create(|| unreachable!()).unwrap();
            assert_eq!(again, key);
            append(&store, kept, &[&[round as u8]]).await;
            assert_eq!(read_all(&store, kept).await.len(), 43 + round);
            store.close().await;
        }
        let keys = stub.keys();
        assert!(keys.iter().all(|key| key.starts_with("some/prefix/")), "{keys:?}");
        assert!(keys.iter().any(|key| key.contains("/segments/")), "{keys:?}");
        assert!(!keys.iter().any(|key| key.contains("/probe/")), "{keys:?}");
    }
}

#[tokio::test]
async fn a_key_that_may_nothing_is_told_at_once() {
    let stub = Stub::start(Wrong::ForbidsAll);
    let clock = Clock::system();
    let opened = Store::open(small(&stub), clock.clone(), Entropy::system()).await;
    let refused = opened.unwrap_err();
    assert!(refused.to_string().contains("403"), "{refused}");
    assert!(clock.monotonic() < Duration::from_secs(5));
}

/// What is on its way waits; what comes after is refused, so that its client knows where it stands.
#[tokio::test]
async fn a_bucket_that_does_not_answer_is_a_state() {
    let stub = Stub::start(Wrong::Nothing);
    let store = open(small(&stub)).await;
    let log = open_log(&store).await;
    append(&store, log, &[b"before"]).await;
    stub.set_down(true);
    let waiting = {
        let store = store.clone();
        stdx::task::spawn(async move { append(&store, log, &[b"waits"]).await })
    };
    let clock = Clock::system();
    while !store.health().stalled {
        clock.sleep(Duration::from_millis(20)).await;
    }
    assert!(!store.health().ready);
    let late = store.append(vec![store::LogAppend::new(log, crate::support::batch(&[b"late"]))]);
    let late = clock.timeout(Duration::from_secs(5), late).await.expect("it is refused");
    assert!(matches!(late, Err(store::StoreError::Unavailable(_))), "{late:?}");
    assert_eq!(read_all(&store, log).await.len(), 1, "reads go on");
    stub.set_down(false);
    waiting.await.unwrap();
    while !store.health().ready {
        clock.sleep(Duration::from_millis(20)).await;
    }
    append(&store, log, &[b"after"]).await;
    let payloads: Vec<_> = read_all(&store, log).await.into_iter().map(|(_, p)| p).collect();
    assert_eq!(payloads, [&b"before"[..], b"waits", b"after"]);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_at_once_keep_their_order() {
    let stub = Stub::start(Wrong::LosesAnswers);
    let store = open(Config { bucket_ahead_bytes: 20_000, ..small(&stub) }).await;
    let log = open_log(&store).await;
    let writers = (0..16_u8).map(|writer| {
        let store = store.clone();
        stdx::task::spawn(async move {
            for index in 0..30_u8 {
                append(&store, log, &[&[&[writer, index][..], &[7; 3_000]].concat()]).await;
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    store.close().await;
    let store = open(small(&stub)).await;
    let records = read_all(&store, log).await;
    assert_eq!(records.len(), 16 * 30);
    let mut next = [0; 16];
    for (_, payload) in &records {
        let (writer, index) = (usize::from(payload[0]), payload[1]);
        assert_eq!(index, next[writer]);
        next[writer] += 1;
    }
    store.close().await;
}
