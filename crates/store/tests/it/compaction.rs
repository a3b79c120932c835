//! Flushes, compactions, trims, writers and readers at once, with real threads and files.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use stdx::{Entropy, task};
use store::{Config, LogId, Position, ReadBudget, ReadFrom, Store};

use crate::support::{append, open, open_log, small};

const LOGS: usize = 3;
const RECORDS: u32 = 600;

/// So small that whatever is read is flushed, compacted and out of memory a moment later.
fn tiny(folder: &std::path::Path) -> Config {
    Config {
        flush_bytes: 128 * 1024,
        flush_after: Duration::from_millis(20),
        kept_bytes_max: 64 * 1024,
        block_cache_bytes_max: 256 * 1024,
        directory_bytes_max: 16 * 1024,
        compact_fan_in: 2,
        compact_step_bytes: 32 * 1024,
        compact_bytes_per_second: u64::MAX,
        compact_dead_bytes_min: 1,
        ..small(folder)
    }
}

/// A record that says which it is; some shrink, some do not.
fn payload(number: u32) -> Vec<u8> {
    let mut payload = vec![number as u8; 200 + (number as usize * 37) % 3000];
    if number.is_multiple_of(3) {
        Entropy::seeded(u64::from(number)).fill(&mut payload);
    }
    payload[..4].copy_from_slice(&number.to_le_bytes());
    payload
}

/// Reads from `from` to the tail as it is then; the numbers of what was there, which follow one another.
async fn read_on(store: &Store, log: LogId, mut from: ReadFrom, seed: u64) -> Vec<u32> {
    let entropy = Entropy::seeded(seed);
    let mut numbers: Vec<u32> = Vec::new();
    loop {
        let records_max = 1 + entropy.below(60) as usize;
        let budget = ReadBudget { records_max, bytes_max: 40_000 };
        let page = store.read(log, from, budget).await.unwrap();
        for record in &page.records {
            let number = u32::from_le_bytes(record.payload[..4].try_into().unwrap());
            assert!(record.payload == payload(number), "{log}: {number}");
            assert!(page.trimmed || numbers.last().is_none_or(|last| last + 1 == number), "{log}");
            numbers.push(number);
        }
        if page.at_tail {
            return numbers;
        }
        from = ReadFrom::Position(page.next);
    }
}

/// Everything of all logs but the last, and the end of that.
async fn check_after_a_restart(folder: &std::path::Path, logs: &[LogId]) {
    let store = open(tiny(folder)).await;
    for &log in &logs[..LOGS - 1] {
        let all = read_on(&store, log, ReadFrom::Position(Position::ZERO), 1).await;
        assert_eq!(all, (0..RECORDS).collect::<Vec<_>>());
    }
    let kept = read_on(&store, logs[LOGS - 1], ReadFrom::Position(Position::ZERO), 1).await;
    assert_eq!(kept.last(), Some(&(RECORDS - 1)));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_find_every_record_while_segments_come_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(tiny(folder.path())).await;
    let mut logs = Vec::new();
    for _ in 0..LOGS {
        logs.push(open_log(&store).await);
    }
    let done = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = logs
        .iter()
        .map(|&log| {
            let store = store.clone();
            task::spawn(async move {
                let entropy = Entropy::seeded(log.0);
                let mut number = 0;
                while number < RECORDS {
                    let count = (1 + entropy.below(9) as u32).min(RECORDS - number);
                    let own: Vec<Vec<u8>> = (number..number + count).map(payload).collect();
                    let own: Vec<&[u8]> = own.iter().map(Vec::as_slice).collect();
                    append(&store, log, &own).await;
                    number += count;
                    let days = [1, 7, 30, 365][entropy.below(4) as usize];
                    store.expect_retention(log, Duration::from_secs(days * 86_400));
                }
            })
        })
        .collect();
    let readers: Vec<_> = (0..2 * LOGS)
        .map(|reader| {
            let (store, log, done) = (store.clone(), logs[reader % LOGS], Arc::clone(&done));
            task::spawn(async move {
                let mut rounds = 0;
                while !done.load(Ordering::Acquire) || rounds == 0 {
                    rounds += 1;
                    let found =
                        read_on(&store, log, ReadFrom::Position(Position::ZERO), rounds).await;
                    let is_trimmed = reader % LOGS == LOGS - 1;
                    assert!(is_trimmed || found.first().is_none_or(|first| *first == 0));
                }
                rounds
            })
        })
        .collect();
    let trimmer = {
        let (store, log, done) = (store.clone(), logs[LOGS - 1], Arc::clone(&done));
        task::spawn(async move {
            while !done.load(Ordering::Acquire) {
                let next = store.tail(log).unwrap().next;
                store.trim(log, Position(next.0.saturating_sub(100))).await.unwrap();
                tokio::task::yield_now().await;
            }
        })
    };
    for writer in writers {
        writer.await.unwrap();
    }
    done.store(true, Ordering::Release);
    trimmer.await.unwrap();
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
    assert!(store.health().ready, "{:?}", store.health());
    store.close().await;
    check_after_a_restart(folder.path(), &logs).await;
}
