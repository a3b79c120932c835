//! A server's worth of engine, and short words for what the tests do with it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use convert::Table;
use delivery::{
    Answer, Catalog, CatalogError, Config, Delivery, DeliveryStream, DeliveryStreamName,
    EncryptionRow, Functions, NewDeliveryStream, NewSource, TableName,
};
use model::firehose::shapes::{
    BufferingHints, DestinationDescription, ExtendedS3DestinationDescription,
};
use stdx::{Clock, Entropy, UnixMillis};
use store::{Commit, Store};
use streams::{Streams, World};

use super::world::{Bucket, no_functions};

pub(crate) const START: UnixMillis = UnixMillis(1_700_000_000_000);

/// How often a condition is looked at before it is given up.
const TURNS_MAX: u32 = 400_000;
/// How often while the clock stands still.
const TURNS_PER_STEP: u32 = 10;

pub(crate) struct Fixture {
    pub(crate) clock: Clock,
    pub(crate) entropy: Entropy,
    pub(crate) store: Store,
    pub(crate) streams: Streams,
    pub(crate) delivery: Delivery,
    pub(crate) bucket: Arc<Bucket>,
    functions: Arc<dyn Functions>,
    catalog: Arc<dyn Catalog>,
    config: Config,
}

impl Fixture {
    pub(crate) async fn new(bucket: Arc<Bucket>) -> Self {
        Fixture::with(bucket, no_functions(), 1, Config::default()).await
    }

    pub(crate) async fn with(
        bucket: Arc<Bucket>,
        functions: Arc<dyn Functions>,
        seed: u64,
        config: Config,
    ) -> Self {
        Fixture::with_catalog(bucket, functions, seed, config, Arc::new(NoTables)).await
    }

    pub(crate) async fn with_catalog(
        bucket: Arc<Bucket>,
        functions: Arc<dyn Functions>,
        seed: u64,
        config: Config,
        catalog: Arc<dyn Catalog>,
    ) -> Self {
        let (clock, entropy) = (Clock::manual(START), Entropy::seeded(seed));
        let store = Store::open(store::Config::in_memory(), clock.clone(), entropy.clone()).await;
        let store = store.expect("a store in memory opens");
        let streams = open_streams(&store, &clock, &entropy);
        let outside = (&bucket, &functions, &catalog);
        let delivery = open(&store, &streams, &clock, &entropy, config, outside);
        Fixture { clock, entropy, store, streams, delivery, bucket, functions, catalog, config }
    }

    /// Ends the engine wherever it is, and opens another one on what is durable.
    pub(crate) async fn crash(&mut self) {
        self.delivery.stop().await;
        // What was on its way into the store when the engine went is there or is not, from here on.
        self.store.commit(Commit::default()).await.expect("a commit of nothing");
        self.delivery = open(
            &self.store,
            &self.streams,
            &self.clock,
            &self.entropy,
            self.config,
            (&self.bucket, &self.functions, &self.catalog),
        );
    }

    pub(crate) async fn create(
        &self,
        name: &str,
        extended: ExtendedS3DestinationDescription,
    ) -> Arc<DeliveryStream> {
        self.create_from(name, NewSource::DirectPut { throughput_hint_mibps: None }, extended).await
    }

    pub(crate) async fn create_from(
        &self,
        name: &str,
        source: NewSource,
        extended: ExtendedS3DestinationDescription,
    ) -> Arc<DeliveryStream> {
        let new = NewDeliveryStream {
            source,
            destination: destination(extended),
            secrets: Default::default(),
            tags: Default::default(),
            encryption: EncryptionRow {
                enabled: false,
                key_type: None,
                key_arn: None,
                changed_ms: Vec::new(),
            },
        };
        self.delivery.create(stream_name(name), new).await.expect("a new name")
    }

    pub(crate) async fn put(&self, stream: &DeliveryStream, records: &[&str]) {
        let records: Vec<_> = records.iter().map(|text| Bytes::from(text.to_string())).collect();
        self.delivery.put(stream, &records).await.expect("a put");
    }

    /// Lets background work run until `done`, moving the clock by `step` each time.
    pub(crate) async fn until_by(
        &self,
        step: Duration,
        what: &str,
        mut done: impl FnMut(&Bucket) -> bool,
    ) {
        for turn in 0..TURNS_MAX {
            if done(&self.bucket) {
                return;
            }
            // Threads that work meanwhile know nothing of this clock.
            if turn % TURNS_PER_STEP == 0 {
                self.clock.advance(step);
            }
            tokio::task::yield_now().await;
            // The store's threads are real ones: on a busy machine they need a turn too.
            std::thread::yield_now();
        }
        panic!("never happened: {what}");
    }

    /// The same with the clock standing still.
    pub(crate) async fn until(&self, what: &str, done: impl FnMut(&Bucket) -> bool) {
        self.until_by(Duration::ZERO, what, done).await;
    }

    /// Lets everything that is not waiting for the clock happen.
    pub(crate) async fn settle(&self) {
        for _ in 0..200 {
            tokio::task::yield_now().await;
            std::thread::yield_now();
        }
    }

    /// Flushes, and waits until nothing is undelivered.
    pub(crate) async fn until_delivered(&self, stream: &DeliveryStream) {
        self.delivery.flush(stream).await.expect("it is there");
        for turn in 0..TURNS_MAX {
            let status = self.delivery.status(stream).await.expect("it is there");
            if status.backlog_records == 0 && status.plans.is_empty() {
                return;
            }
            if turn % TURNS_PER_STEP == 0 {
                self.clock.advance(Duration::from_millis(500));
            }
            tokio::task::yield_now().await;
            std::thread::yield_now();
        }
        panic!("never delivered: {:?}", self.delivery.status(stream).await);
    }
}

fn open_streams(store: &Store, clock: &Clock, entropy: &Entropy) -> Streams {
    let (store, clock, entropy) = (store.clone(), clock.clone(), entropy.clone());
    Streams::open(store, clock, entropy, streams::Config::default()).expect("good rows")
}

fn open(
    store: &Store,
    streams: &Streams,
    clock: &Clock,
    entropy: &Entropy,
    config: Config,
    (bucket, functions, catalog): (&Arc<Bucket>, &Arc<dyn Functions>, &Arc<dyn Catalog>),
) -> Delivery {
    let (store, streams) = (store.clone(), streams.clone());
    let objects = Arc::clone(bucket) as Arc<dyn delivery::ObjectStore>;
    let outside = (objects, Arc::clone(functions), Arc::clone(catalog));
    Delivery::open(store, streams, clock.clone(), entropy.clone(), config, outside)
        .expect("good rows")
}

/// A catalog without tables.
struct NoTables;

impl Catalog for NoTables {
    fn table<'a>(&'a self, _: &'a TableName) -> Answer<'a, Result<Table, CatalogError>> {
        Box::pin(async { Err(CatalogError::NotFound) })
    }
}

pub(crate) fn world() -> World {
    World { account: "000000000000".into(), region: "us-east-1".into() }
}

pub(crate) fn stream_name(name: &str) -> DeliveryStreamName {
    DeliveryStreamName { world: world(), name: name.into() }
}

pub(crate) fn destination(extended: ExtendedS3DestinationDescription) -> DestinationDescription {
    DestinationDescription {
        destination_id: "destinationId-000000000001".to_owned(),
        extended_s3_destination_description: Some(extended),
        ..DestinationDescription::default()
    }
}

/// A destination in the bucket `lake`.
pub(crate) fn extended(size_mib: i32, interval_seconds: i32) -> ExtendedS3DestinationDescription {
    ExtendedS3DestinationDescription {
        bucket_arn: "arn:aws:s3:::lake".to_owned(),
        buffering_hints: BufferingHints {
            size_in_m_bs: Some(size_mib),
            interval_in_seconds: Some(interval_seconds),
        },
        compression_format: "UNCOMPRESSED".into(),
        ..ExtendedS3DestinationDescription::default()
    }
}

/// Every record of a bucket's objects, sorted. Records end in `;`.
pub(crate) fn delivered(bucket: &Bucket, name: &str) -> Vec<String> {
    let text = |stored: &super::world::Stored| String::from_utf8(stored.body.clone());
    let objects = bucket.of(name);
    let texts = objects.iter().map(|(_, stored)| text(stored).expect("UTF-8"));
    let mut records: Vec<_> = texts
        .flat_map(|text| text.split_inclusive(';').map(str::to_owned).collect::<Vec<_>>())
        .collect();
    records.sort_unstable();
    records
}
