//! A Kinesis stream as the source.

use std::sync::Arc;

use bytes::Bytes;
use delivery::{Config, DeliveryStream, NewSource, Source};
use stdx::Entropy;
use streams::{HashKey, Mode, NewRecord, NewStream, Stream};

use super::fixture::{Fixture, delivered, extended, stream_name, world};
use super::staging::{function, ok, transforming};
use super::world::{Bucket, Fate};

async fn create_source(fixture: &Fixture, shards: u32) -> Arc<Stream> {
    let new = NewStream {
        mode: Mode::Provisioned,
        shards,
        tags: Default::default(),
        record_kib_max: None,
        distributes: false,
        warm_mibps: None,
    };
    fixture.streams.create(world().stream("orders"), new).await.expect("a new name");
    fixture.streams.stream(&world().stream("orders")).expect("it is there")
}

fn orders() -> NewSource {
    NewSource::Other(Source::KinesisStream {
        arn: "arn:aws:kinesis:us-east-1:000000000000:stream/orders".to_owned(),
        role_arn: "arn:aws:iam::000000000000:role/reader".to_owned(),
    })
}

async fn put(fixture: &Fixture, stream: &Stream, records: &[String]) {
    let record = |text: &String| NewRecord {
        data: Bytes::from(text.clone()),
        partition_key: Some(text.clone()),
        explicit_hash_key: None,
    };
    let records: Vec<_> = records.iter().map(record).collect();
    let placed = fixture.streams.put(stream, &records).await.expect("a put");
    assert!(placed.iter().all(Result::is_ok));
}

fn texts(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("{number:04};")).collect()
}

#[tokio::test]
async fn what_is_put_after_the_creation_is_delivered_to_each() {
    let fixture = Fixture::new(Bucket::honest()).await;
    let stream = create_source(&fixture, 3).await;
    put(&fixture, &stream, &texts(0..10)).await;
    let mut to = Vec::new();
    for name in ["one", "two"] {
        let mut extended = extended(1, 60);
        extended.bucket_arn = format!("arn:aws:s3:::{name}");
        to.push(fixture.create_from(name, orders(), extended).await);
    }
    put(&fixture, &stream, &texts(10..50)).await;
    for (delivery_stream, bucket) in to.iter().zip(["one", "two"]) {
        fixture.until_delivered(delivery_stream).await;
        assert_eq!(delivered(&fixture.bucket, bucket), texts(10..50));
        assert_eq!(fixture.bucket.of(bucket).len(), 1, "one object of three shards");
    }
}

#[tokio::test]
async fn a_source_that_is_missing_is_said_and_waited_for() {
    let fixture = Fixture::new(Bucket::honest()).await;
    let clicks = fixture.create_from("clicks", orders(), extended(1, 60)).await;
    let status = fixture.delivery.status(&clicks).await.expect("it is there");
    let trouble = status.trouble.expect("its source is missing");
    assert_eq!(trouble, "the source stream orders does not exist");
    let stream = create_source(&fixture, 1).await;
    put(&fixture, &stream, &texts(0..5)).await;
    let step = std::time::Duration::from_secs(1);
    fixture.until_by(step, "five", |bucket| delivered(bucket, "lake") == texts(0..5)).await;
    let status = fixture.delivery.status(&clicks).await.expect("it is there");
    assert_eq!(status.trouble, None);
}

#[tokio::test]
async fn resharding_while_it_runs_and_crashes_deliver_every_record_once() {
    for seed in 0..20 {
        let entropy = Entropy::seeded(seed);
        let fates = Entropy::seeded(seed);
        let bucket = Bucket::with(move |_| match fates.below(6) {
            0 => Fate::Fails,
            1 => Fate::StoredButFails,
            _ => Fate::Honest,
        });
        // Every other one with a function: a shard is not trimmed, so only the cursor knows.
        let destination = if seed % 2 == 0 { extended(1, 5) } else { transforming(5) };
        let mut fixture = Fixture::with(bucket, function(ok), seed, Config::default()).await;
        let stream = create_source(&fixture, 2).await;
        fixture.create_from("clicks", orders(), destination).await;
        let mut count = 0;
        for round in 0..8 {
            let more = entropy.below(40) as usize;
            put(&fixture, &stream, &texts(count..count + more)).await;
            count += more;
            if round % 3 == 1 {
                let shards = 1 + entropy.below(6) as u32;
                // The same number again is refused.
                let _refused = fixture.streams.scale(&stream, shards).await;
            }
            for _ in 0..entropy.below(40) {
                fixture.clock.advance(std::time::Duration::from_millis(entropy.below(300)));
                tokio::task::yield_now().await;
            }
            fixture.crash().await;
        }
        let clicks: Arc<DeliveryStream> =
            fixture.delivery.stream(&stream_name("clicks")).expect("it is there");
        let expected = texts(0..count);
        let step = std::time::Duration::from_millis(500);
        let all = |bucket: &Bucket| delivered(bucket, "lake").len() >= expected.len();
        fixture.until_by(step, "all of them", all).await;
        fixture.until_delivered(&clicks).await;
        assert_eq!(delivered(&fixture.bucket, "lake"), expected, "seed {seed}");
    }
}

/// An aggregated record of the Kinesis Producer Library comes apart.
#[tokio::test]
async fn aggregated_records_come_apart() {
    let fixture = Fixture::new(Bucket::honest()).await;
    let stream = create_source(&fixture, 1).await;
    let clicks = fixture.create_from("clicks", orders(), extended(1, 60)).await;
    // Two records under the key `k`: `a;` and `b;`, as protocol buffers.
    let message = b"\x0a\x01k\x1a\x06\x08\x00\x1a\x02a;\x1a\x06\x08\x00\x1a\x02b;";
    let digest = md5_of(message);
    let aggregated = [&[0xF3, 0x89, 0x9A, 0xC2][..], message, &digest].concat();
    let record = NewRecord {
        data: aggregated.into(),
        partition_key: Some("k".to_owned()),
        explicit_hash_key: Some(HashKey(0)),
    };
    let placed = fixture.streams.put(&stream, &[record]).await.expect("a put");
    assert!(placed[0].is_ok());
    fixture.until_delivered(&clicks).await;
    assert_eq!(delivered(&fixture.bucket, "lake"), ["a;", "b;"]);
}

fn md5_of(bytes: &[u8]) -> [u8; 16] {
    use md5::{Digest, Md5};
    Md5::digest(bytes).into()
}
