//! Records come back as they were put, from wherever reading begins.

use std::time::Duration;

use streams::keyspace::HashKey;
use streams::{Error, Start};

use super::fixture::{Fixture, record, record_at, texts};

#[tokio::test]
async fn records_come_back_in_order_with_what_was_put() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(1).await;
    let batch: Vec<_> = (0..500).map(|i| record(&format!("key-{i}"), &format!("{i}"))).collect();
    let placed = fixture.put_all(&stream, &batch).await;
    let (records, page) = fixture.read_all(&stream, 0, Start::TrimHorizon).await;
    assert_eq!(texts(&records), (0..500).map(|i| i.to_string()).collect::<Vec<_>>());
    assert_eq!(&records[7].body.partition_key[..], b"key-7");
    let numbers: Vec<_> = records.iter().map(|record| record.sequence).collect();
    assert_eq!(numbers, placed.iter().map(|placed| placed.sequence).collect::<Vec<_>>());
    assert!(numbers.windows(2).all(|pair| pair[0].to_string() < pair[1].to_string()));
    assert_eq!(page.behind_ms, 0);
    assert!(page.next.is_some());
}

#[tokio::test]
async fn a_key_goes_to_the_shard_that_its_md5_says() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(7).await;
    let shards = stream.state().shards.clone();
    for key in ["", "a", "partition", "ключ", "🌊"] {
        let placed = fixture.put(&stream, key, "x").await;
        let shard = shards.get(placed.shard).unwrap();
        assert!(shard.range.contains(HashKey::of(key)), "{key}");
    }
}

#[tokio::test]
async fn every_start_begins_where_it_says() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(1).await;
    let first = fixture.put(&stream, "k", "one").await;
    fixture.clock.advance(Duration::from_secs(10));
    let between = fixture.streams.now();
    let second = fixture.put(&stream, "k", "two").await;
    let latest = fixture.cursor(&stream, 0, Start::Latest).await;
    fixture.put(&stream, "k", "three").await;

    let starts = [
        (Start::TrimHorizon, &["one", "two", "three"][..]),
        (Start::At(first.sequence.to_string()), &["one", "two", "three"]),
        (Start::After(first.sequence.to_string()), &["two", "three"]),
        (Start::At(second.sequence.to_string()), &["two", "three"]),
        (Start::After(second.sequence.to_string()), &["three"]),
        (Start::Time(between), &["two", "three"]),
        (Start::Latest, &[]),
    ];
    for (start, found) in starts {
        let (records, _) = fixture.read_all(&stream, 0, start.clone()).await;
        assert_eq!(texts(&records), found, "{start:?}");
    }
    assert_eq!(texts(&fixture.page(&stream, latest).await.records), ["three"]);
}

#[tokio::test]
async fn a_page_that_stops_short_says_how_far_behind_it_is() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(1).await;
    fixture.put(&stream, "k", "one").await;
    fixture.put(&stream, "k", "two").await;
    fixture.clock.advance(Duration::from_secs(3));
    let cursor = fixture.cursor(&stream, 0, Start::TrimHorizon).await;
    let page = fixture.streams.page(&stream, cursor, 1).await.unwrap();
    assert_eq!((texts(&page.records), page.behind_ms), (vec!["one".to_owned()], 3000));
    let page = fixture.page(&stream, page.next.unwrap()).await;
    assert_eq!((texts(&page.records), page.behind_ms), (vec!["two".to_owned()], 0));
}

#[tokio::test]
async fn a_cursor_lives_five_minutes() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(1).await;
    let cursor = fixture.cursor(&stream, 0, Start::TrimHorizon).await;
    fixture.clock.advance(Duration::from_secs(300));
    fixture.page(&stream, cursor).await;
    fixture.clock.advance(Duration::from_millis(1));
    let expired = fixture.streams.page(&stream, cursor, 1).await.unwrap_err();
    assert!(matches!(expired, Error::IteratorExpired { .. }), "{expired}");
}

#[tokio::test]
async fn numbers_that_do_not_fit_the_shard_are_refused() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(2).await;
    let in_one = fixture.put_all(&stream, &[record_at(u128::MAX, "x")]).await[0];
    let refused = |start| {
        let (streams, stream) = (fixture.streams.clone(), stream.clone());
        async move { streams.cursor(&stream, 0, &start).await.unwrap_err() }
    };
    let other = refused(Start::At(in_one.sequence.to_string())).await;
    assert!(matches!(other, Error::NumberOfOtherShard { encoded: 1, used: 0 }), "{other}");
    // A number in AWS's oldest layout names a shard too.
    let old = refused(Start::After("17".to_owned())).await;
    assert!(matches!(old, Error::NumberOfOtherShard { encoded: 17, used: 0 }), "{old}");
    let old = refused(Start::At("0".to_owned())).await;
    assert!(matches!(old, Error::StartingNumber { foreign: true, .. }), "{old}");
    let nonsense = refused(Start::After("1".repeat(45))).await;
    assert!(matches!(nonsense, Error::StartingNumber { foreign: false, .. }), "{nonsense}");
    let mut foreign = stream.state().shards.get(0).unwrap().starting_sequence();
    foreign.shard_created_seconds -= 1;
    let foreign = refused(Start::At(foreign.to_string())).await;
    assert!(matches!(foreign, Error::StartingNumber { foreign: true, .. }), "{foreign}");
    let ahead = fixture.streams.now().after(Duration::from_millis(1));
    let future = refused(Start::Time(ahead)).await;
    assert!(matches!(future, Error::TimestampInFuture { .. }), "{future}");
}

#[tokio::test]
async fn what_has_outlived_retention_is_not_read() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(1).await;
    fixture.put(&stream, "k", "old").await;
    fixture.clock.advance(Duration::from_secs(24 * 3600 - 60));
    fixture.put(&stream, "k", "young").await;
    fixture.clock.advance(Duration::from_secs(61));
    let (records, _) = fixture.read_all(&stream, 0, Start::TrimHorizon).await;
    assert_eq!(texts(&records), ["young"]);
}

#[tokio::test]
async fn a_record_may_not_be_larger_than_its_stream_allows() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(1).await;
    let fits = record("k", &"x".repeat(1024 * 1024 - 1));
    fixture.streams.put(&stream, &[fits]).await.unwrap();
    let too_large = [record("k", "small"), record("k", &"x".repeat(1024 * 1024))];
    let refused = fixture.streams.put(&stream, &too_large).await.unwrap_err();
    assert!(matches!(refused, Error::RecordTooLarge { limit_kib: 1024 }), "{refused}");
    let (records, _) = fixture.read_all(&stream, 0, Start::TrimHorizon).await;
    assert_eq!(records.len(), 1, "nothing of a refused request is put");
}
