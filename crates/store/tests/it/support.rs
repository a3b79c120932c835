//! What the tests share.

use std::path::Path;

use stdx::{Clock, Entropy};
use store::{
    AppendOutcome, Commit, Config, Expect, LogAppend, LogId, Position, ReadBudget, ReadFrom,
    ReadPage, RecordBatch, RowWrite, Store, Table,
};

pub(crate) struct Words;

impl Table for Words {
    const ID: u8 = 7;
    const NAME: &'static str = "words";
    type Key = String;
    type Row = String;

    fn encode_key(key: &String, into: &mut Vec<u8>) {
        into.extend_from_slice(key.as_bytes());
    }

    fn decode_key(bytes: &[u8]) -> Result<String, &'static str> {
        String::from_utf8(bytes.to_vec()).map_err(|_| "not text")
    }

    fn encode_row(row: &String, into: &mut Vec<u8>) {
        into.extend_from_slice(row.as_bytes());
    }

    fn decode_row(bytes: &[u8]) -> Result<String, &'static str> {
        String::from_utf8(bytes.to_vec()).map_err(|_| "not text")
    }
}

/// Limits small enough that a test sees every part of the store.
pub(crate) fn small(folder: &Path) -> Config {
    Config {
        ring_file_bytes: 256 * 1024,
        ring_bytes_max: 4 * 1024 * 1024,
        flush_bytes: 512 * 1024,
        tail_bytes_max: 1024 * 1024,
        ..Config::folder(folder)
    }
}

pub(crate) async fn open(config: Config) -> Store {
    Store::open(config, Clock::system(), Entropy::system()).await.unwrap()
}

pub(crate) fn batch(payloads: &[&[u8]]) -> RecordBatch {
    let mut builder = RecordBatch::builder();
    payloads.iter().for_each(|payload| builder.push(&[payload]));
    builder.finish()
}

pub(crate) async fn open_log(store: &Store) -> LogId {
    let log = store.new_log_id();
    store.commit(Commit { opens: vec![log], ..Commit::default() }).await.unwrap();
    log
}

pub(crate) async fn append(store: &Store, log: LogId, payloads: &[&[u8]]) -> Position {
    let outcomes = store.append(vec![LogAppend::new(log, batch(payloads))]).await.unwrap();
    match outcomes[..] {
        [AppendOutcome::Appended { first, .. }] => first,
        _ => panic!("{outcomes:?}"),
    }
}

pub(crate) fn word(key: &str, row: &str, expect: Expect) -> RowWrite {
    RowWrite::put::<Words>(&key.to_owned(), &row.to_owned(), expect)
}

pub(crate) const ALL: ReadBudget = ReadBudget { records_max: usize::MAX, bytes_max: usize::MAX };

pub(crate) async fn read_from(store: &Store, log: LogId, from: Position) -> ReadPage {
    store.read(log, ReadFrom::Position(from), ALL).await.unwrap()
}

/// Everything in a log, page by page.
pub(crate) async fn read_all(store: &Store, log: LogId) -> Vec<(Position, Vec<u8>)> {
    let mut from = Position::ZERO;
    let mut records = Vec::new();
    loop {
        let budget = ReadBudget { records_max: 7, bytes_max: 100_000 };
        let page = store.read(log, ReadFrom::Position(from), budget).await.unwrap();
        records
            .extend(page.records.iter().map(|record| (record.position, record.payload.to_vec())));
        if page.at_tail {
            return records;
        }
        assert!(page.next > from);
        from = page.next;
    }
}
