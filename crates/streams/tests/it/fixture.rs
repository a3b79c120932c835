//! A server's worth of engine, and short words for what the tests do with it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use stdx::{Clock, Entropy, UnixMillis};
use store::Store;
use streams::{
    Config, Cursor, HashKey, Mode, NewRecord, NewStream, Page, Placed, Record, Start, Stream,
    StreamName, Streams, World,
};

pub(crate) const START: UnixMillis = UnixMillis(1_700_000_000_000);

pub(crate) struct Fixture {
    pub(crate) clock: Clock,
    pub(crate) streams: Streams,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Fixture::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let (clock, entropy) = (Clock::manual(START), Entropy::seeded(1));
        let store = Store::open(super::store_config(), clock.clone(), entropy.clone()).await;
        let store = store.expect("a store in memory opens");
        let streams =
            Streams::open(store, clock.clone(), entropy, config).expect("nothing to read");
        Fixture { clock, streams }
    }

    /// A stream that is ready.
    pub(crate) async fn stream(&self, shards: u32) -> Arc<Stream> {
        self.streams.create(name(), new_stream(shards)).await.expect("a new name");
        self.streams.stream_with_data(&name()).expect("no delay is configured")
    }

    pub(crate) async fn put(&self, stream: &Stream, key: &str, data: &str) -> Placed {
        self.put_all(stream, &[record(key, data)]).await[0]
    }

    /// Puts records, of which none may be throttled.
    pub(crate) async fn put_all(&self, stream: &Stream, records: &[NewRecord]) -> Vec<Placed> {
        let placed = self.streams.put(stream, records).await.expect("a put");
        placed.into_iter().map(|placed| placed.expect("no limits")).collect()
    }

    pub(crate) async fn cursor(&self, stream: &Stream, shard: u32, start: Start) -> Cursor {
        self.streams.cursor(stream, shard, &start).await.expect("a shard that is there")
    }

    pub(crate) async fn page(&self, stream: &Stream, cursor: Cursor) -> Page {
        self.streams.page(stream, cursor, 10_000).await.expect("a young cursor")
    }

    /// Everything in a shard from `start` on, and how it ended.
    pub(crate) async fn read_all(
        &self,
        stream: &Stream,
        shard: u32,
        start: Start,
    ) -> (Vec<Record>, Page) {
        let mut cursor = self.cursor(stream, shard, start).await;
        let mut records = Vec::new();
        loop {
            let mut page = self.page(stream, cursor).await;
            records.append(&mut page.records);
            match page.next {
                Some(next) if next.position != cursor.position => cursor = next,
                _ => return (records, page),
            }
        }
    }

    /// A put under limits, once there is room for it.
    pub(crate) async fn put_limited(&self, stream: &Stream, data: &str) -> Placed {
        self.clock.advance(Duration::from_secs(1));
        self.put(stream, "k", data).await
    }

    /// Everything in a shard, with a pause before each read.
    pub(crate) async fn read_all_limited(
        &self,
        stream: &Stream,
        shard: u32,
    ) -> (Vec<Record>, Page) {
        self.clock.advance(Duration::from_secs(10));
        self.read_all(stream, shard, Start::TrimHorizon).await
    }

    /// Lets background work run until `done`, moving the clock a little each time.
    pub(crate) async fn until(&self, what: &str, mut done: impl FnMut() -> bool) {
        for _ in 0..10_000 {
            if done() {
                return;
            }
            self.clock.advance(Duration::from_millis(10));
            tokio::task::yield_now().await;
            // The store's threads are real ones: on a busy machine they need a turn too.
            std::thread::yield_now();
        }
        panic!("never happened: {what}");
    }
}

pub(crate) fn name() -> StreamName {
    World { account: "000000000000".into(), region: "us-east-1".into() }.stream("orders")
}

pub(crate) fn new_stream(shards: u32) -> NewStream {
    NewStream {
        mode: Mode::Provisioned,
        shards,
        tags: Default::default(),
        record_kib_max: None,
        distributes: false,
        warm_mibps: None,
    }
}

pub(crate) fn record(key: &str, data: &str) -> NewRecord {
    NewRecord {
        data: Bytes::copy_from_slice(data.as_bytes()),
        partition_key: Some(key.to_owned()),
        explicit_hash_key: None,
    }
}

/// A record for the shard that covers `hash`.
pub(crate) fn record_at(hash: u128, data: &str) -> NewRecord {
    NewRecord { explicit_hash_key: Some(HashKey(hash)), ..record("k", data) }
}

pub(crate) fn texts(records: &[Record]) -> Vec<String> {
    let text = |record: &Record| String::from_utf8_lossy(&record.body.data).into_owned();
    records.iter().map(text).collect()
}

pub(crate) fn middle() -> HashKey {
    HashKey(1 << 127)
}
