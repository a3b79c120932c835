//! Append, commit, read, follow, trim, in memory and in a folder.

use std::time::Duration;

use bytes::Bytes;
use stdx::{Clock, Entropy, UnixMillis};
use store::{
    AppendOutcome, Commit, CommitError, Config, Expect, LogAppend, Position, ReadBudget, ReadError,
    ReadFrom, RecordBatch, Store, StoreError,
};

use crate::support::{ALL, Words, append, batch, open, open_log, read_all, read_from, small, word};

#[tokio::test]
async fn records_come_back_in_order_in_memory_and_from_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    for config in [Config::in_memory(), small(folder.path()), Config::in_memory_bucket()] {
        let store = open(config).await;
        let log = open_log(&store).await;
        let first = append(&store, log, &[b"a", b"b"]).await;
        let second = append(&store, log, &[b"c"]).await;
        assert_eq!(second, first.next_lower_bound().next_lower_bound());
        let page = read_from(&store, log, first.next_lower_bound()).await;
        let payloads: Vec<&[u8]> = page.records.iter().map(|record| &record.payload[..]).collect();
        assert_eq!(payloads, [b"b", b"c"]);
        assert!(page.at_tail && !page.closed_end && !page.trimmed);
        assert_eq!(page.next, store.tail(log).unwrap().next);
        store.close().await;
    }
}

#[tokio::test]
async fn a_batch_over_logs_is_answered_per_log() {
    let store = open(Config::in_memory()).await;
    let (open, closed) = (open_log(&store).await, open_log(&store).await);
    let unknown = store.new_log_id();
    let end =
        store.commit(Commit { closes: vec![closed], ..Commit::default() }).await.unwrap().closed;
    assert_eq!(end[0].log, closed);
    let appends = [open, closed, unknown].map(|log| LogAppend::new(log, batch(&[b"x"])));
    let outcomes = store.append(appends.to_vec()).await.unwrap();
    assert!(matches!(outcomes[0], AppendOutcome::Appended { .. }));
    assert_eq!(outcomes[1..], [AppendOutcome::Closed, AppendOutcome::UnknownLog]);
}

#[tokio::test]
async fn a_commit_is_all_or_nothing_and_checks_versions() {
    let store = open(Config::in_memory()).await;
    let log = open_log(&store).await;
    let rows = vec![word("a", "1", Expect::Absent), word("b", "1", Expect::Any)];
    let committed = store.commit(Commit { rows, ..Commit::default() }).await.unwrap();
    let view = store.table::<Words>();
    let row = view.get(&"a".to_owned()).unwrap().unwrap();
    assert_eq!((row.version, row.row.as_str()), (committed.versions[0], "1"));

    let stale = Commit {
        rows: vec![word("a", "2", Expect::Any), word("b", "2", Expect::Version(row.version))],
        records: vec![LogAppend::new(log, batch(&[b"x"]))],
        closes: vec![log],
        ..Commit::default()
    };
    assert_eq!(store.commit(stale).await, Err(CommitError::Conflict { row: 1 }));
    assert_eq!(view.get(&"a".to_owned()).unwrap().unwrap().row, "1");
    assert!(!store.tail(log).unwrap().closed);

    let child = store.new_log_id();
    let split = Commit {
        rows: vec![word("a", "2", Expect::Version(committed.versions[0]))],
        records: vec![LogAppend::new(log, batch(&[b"last"]))],
        closes: vec![log],
        opens: vec![child],
        ..Commit::default()
    };
    let split = store.commit(split).await.unwrap();
    assert!(split.versions[0] > committed.versions[0]);
    let page = read_from(&store, log, Position::ZERO).await;
    assert!(page.closed_end && page.at_tail);
    assert_eq!(page.next, split.closed[0].end);
    assert!(store.tail(child).is_some());
    let append = vec![LogAppend::new(log, batch(&[b"late"]))];
    let late = Commit { records: append, ..Commit::default() };
    assert_eq!(store.commit(late).await, Err(CommitError::LogClosed(log)));
}

#[tokio::test]
async fn tables_scan_in_key_order_and_tell_their_watchers() {
    let store = open(Config::in_memory()).await;
    let mut changes = store.table::<Words>().watch();
    let rows = ["b", "a", "ab"].map(|key| word(key, "x", Expect::Any)).to_vec();
    store.commit(Commit { rows, ..Commit::default() }).await.unwrap();
    assert!(changes.changed().await);
    let keys = |rows: Vec<(String, _)>| rows.into_iter().map(|(key, _)| key).collect::<Vec<_>>();
    assert_eq!(keys(store.table::<Words>().scan().unwrap()), ["a", "ab", "b"]);
    assert_eq!(keys(store.table::<Words>().scan_prefix(b"a").unwrap()), ["a", "ab"]);
    assert_eq!(keys(store.table::<Words>().scan_from(b"ab", 1).unwrap()), ["ab"]);
    let delete = store::RowWrite::delete::<Words>(&"a".to_owned(), Expect::Any);
    store.commit(Commit { rows: vec![delete], ..Commit::default() }).await.unwrap();
    assert_eq!(store.table::<Words>().len(), 2);
}

#[tokio::test]
async fn a_follower_wakes_for_records_and_for_the_end() {
    let store = open(Config::in_memory()).await;
    let log = open_log(&store).await;
    let mut follower = store.follow(log);
    let waiting = stdx::task::spawn(async move {
        follower.changed().await;
        follower
    });
    tokio::task::yield_now().await;
    append(&store, log, &[b"x"]).await;
    let mut follower = waiting.await.unwrap();
    store.commit(Commit { closes: vec![log], ..Commit::default() }).await.unwrap();
    follower.changed().await;
    let nothing = Clock::system().timeout(Duration::from_millis(50), follower.changed()).await;
    assert_eq!(nothing, None);
}

#[tokio::test]
async fn reads_by_time_begin_at_the_first_record_that_is_new_enough() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(UnixMillis(1_000_000));
    let store = Store::open(small(folder.path()), clock.clone(), Entropy::seeded(1)).await.unwrap();
    let log = open_log(&store).await;
    let mut positions = Vec::new();
    for index in 0..5_u8 {
        positions.push(append(&store, log, &[&[index]]).await);
        clock.advance(Duration::from_millis(100));
    }
    for (time, expected) in [(0, 0), (1_000_000, 0), (1_000_001, 1), (1_000_350, 4), (1_000_400, 4)]
    {
        let from = ReadFrom::Time(UnixMillis(time));
        let page = store.read(log, from, ALL).await.unwrap();
        assert_eq!(page.records[0].position, positions[expected], "{time}");
    }
    let page = store.read(log, ReadFrom::Time(UnixMillis(1_000_401)), ALL).await.unwrap();
    assert!(page.records.is_empty() && page.at_tail);
}

#[tokio::test]
async fn budgets_bound_a_page_but_never_below_one_record() {
    let store = open(Config::in_memory()).await;
    let log = open_log(&store).await;
    append(&store, log, &[&[1; 100], &[2; 100], &[3; 100]]).await;
    let from = ReadFrom::Position(Position::ZERO);
    for (records_max, bytes_max, count) in [(2, 1000, 2), (9, 200, 2), (9, 1, 1), (0, 0, 1)] {
        let budget = ReadBudget { records_max, bytes_max };
        assert_eq!(store.read(log, from, budget).await.unwrap().records.len(), count);
    }
}

#[tokio::test]
async fn trimmed_records_are_gone_and_forgotten_logs_unknown() {
    let store = open(Config::in_memory()).await;
    let log = open_log(&store).await;
    let first = append(&store, log, &[b"a", b"b", b"c"]).await;
    let second = first.next_lower_bound();
    store.trim(log, second).await.unwrap();
    let page = read_from(&store, log, Position::ZERO).await;
    assert!(page.trimmed);
    assert_eq!(page.records[0].position, second);
    assert_eq!(store.tail(log).unwrap().trimmed_below, second);
    store.commit(Commit { forgets: vec![log], ..Commit::default() }).await.unwrap();
    let read = store.read(log, ReadFrom::Position(Position::ZERO), ALL).await;
    assert_eq!(read, Err(ReadError::UnknownLog(log)));
    store.trim(log, second).await.unwrap();
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let store = open(Config::in_memory()).await;
    let log = open_log(&store).await;
    let large = vec![0; store::limits::RECORD_BYTES_MAX];
    append(&store, log, &[&large]).await;
    let larger = RecordBatch::single(&vec![0; store::limits::RECORD_BYTES_MAX + 1]);
    let outcome = store.append(vec![LogAppend::new(log, larger)]).await;
    assert_eq!(outcome, Err(StoreError::TooLarge));
    let key = Bytes::from(vec![0; store::limits::ROW_KEY_BYTES_MAX + 1]);
    let mut row = word("", "", Expect::Any);
    row.key = key;
    let commit = Commit { rows: vec![row], ..Commit::default() };
    assert_eq!(store.commit(commit).await, Err(CommitError::TooLarge));
}

#[tokio::test]
async fn full_tables_refuse_growth_by_name_and_take_deletions() {
    let store = open(Config { table_bytes_max: 2000, ..Config::in_memory() }).await;
    let long = "x".repeat(1500);
    let put = |key: &str| Commit { rows: vec![word(key, &long, Expect::Any)], ..Commit::default() };
    store.commit(put("a")).await.unwrap();
    assert_eq!(store.commit(put("b")).await, Err(CommitError::TablesFull));
    let delete = store::RowWrite::delete::<Words>(&"a".to_owned(), Expect::Any);
    store.commit(Commit { rows: vec![delete], ..Commit::default() }).await.unwrap();
    store.commit(put("b")).await.unwrap();
}

#[tokio::test]
async fn a_full_memory_store_takes_writes_again_after_a_trim() {
    let store = open(Config { memory_bytes_max: 100_000, ..Config::in_memory() }).await;
    let log = open_log(&store).await;
    let payload = [0; 30_000];
    loop {
        match store.append(vec![LogAppend::new(log, batch(&[&payload]))]).await {
            Ok(_) => {}
            Err(error) => break assert_eq!(error, StoreError::DiskFull),
        }
    }
    store.trim(log, Position::MAX).await.unwrap();
    append(&store, log, &[b"again"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_at_once_keep_every_log_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(small(folder.path())).await;
    let logs = [open_log(&store).await, open_log(&store).await, open_log(&store).await];
    let writers = (0..32_u8).map(|writer| {
        let store = store.clone();
        stdx::task::spawn(async move {
            for index in 0..40_u8 {
                let payload = [&[writer, index][..], &vec![7; usize::from(index) * 97]].concat();
                let large = vec![9; if index == 20 { 50_000 } else { 10 }];
                let appends = logs.map(|log| LogAppend::new(log, batch(&[&payload, &large])));
                let outcomes = store.append(appends.to_vec()).await.unwrap();
                assert!(outcomes.iter().all(|o| matches!(o, AppendOutcome::Appended { .. })));
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    for log in logs {
        let records = read_all(&store, log).await;
        assert_eq!(records.len(), 32 * 40 * 2);
        assert!(records.windows(2).all(|pair| pair[1].0 == pair[0].0.next_lower_bound()));
        let mut next = [0; 32];
        for (_, payload) in records.iter().step_by(2) {
            let (writer, index) = (usize::from(payload[0]), payload[1]);
            assert_eq!(index, next[writer]);
            next[writer] += 1;
        }
    }
    store.close().await;
    assert!(store.append(vec![]).await.is_err());
}
