//! What owners change about a stream: it takes effect, and it is counted.

use std::time::Duration;

use streams::{Config, Error, RetentionRule, ShardMetric, ShardMetrics, Start, Status};

use super::fixture::{Fixture, START, name, texts};

const HOUR: Duration = Duration::from_hours(1);
const KEY: &str = "alias/aws/kinesis";

#[tokio::test]
async fn what_a_shorter_retention_took_away_does_not_come_back() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(1).await;
    let read = async |start| texts(&fixture.read_all(&stream, 0, start).await.0);
    fixture.streams.increase_retention(&stream, 72).await.unwrap();
    let old = fixture.put(&stream, "k", "old").await;
    fixture.clock.advance(30 * HOUR);
    fixture.put(&stream, "k", "young").await;
    assert_eq!(read(Start::TrimHorizon).await, ["old", "young"]);

    fixture.streams.decrease_retention(&stream, 24).await.unwrap();
    assert_eq!(read(Start::TrimHorizon).await, ["young"]);
    fixture.streams.increase_retention(&stream, 72).await.unwrap();
    for start in [
        Start::TrimHorizon,
        Start::At(old.sequence.to_string()),
        Start::Time(START),
        Start::After(old.sequence.to_string()),
    ] {
        assert_eq!(read(start.clone()).await, ["young"], "{start:?}");
    }
    // What is young now lives as long as it was given last.
    fixture.clock.advance(71 * HOUR);
    assert_eq!(read(Start::TrimHorizon).await, ["young"]);
    fixture.clock.advance(2 * HOUR);
    assert!(read(Start::TrimHorizon).await.is_empty());
}

#[tokio::test]
async fn a_retention_period_has_bounds_and_a_direction() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(1).await;
    fixture.streams.increase_retention(&stream, 30).await.unwrap();
    let current = 30;
    for (hours, up, down) in [
        (23, RetentionRule::AtLeast(24), RetentionRule::AtLeast(24)),
        (i64::MIN, RetentionRule::AtLeast(24), RetentionRule::AtLeast(24)),
        (8761, RetentionRule::AtMost(8760), RetentionRule::AtMost(8760)),
        (i64::MAX, RetentionRule::AtMost(8760), RetentionRule::AtMost(8760)),
    ] {
        let refused = fixture.streams.increase_retention(&stream, hours).await.unwrap_err();
        assert!(matches!(refused, Error::Retention { rule, .. } if rule == up), "{refused}");
        let refused = fixture.streams.decrease_retention(&stream, hours).await.unwrap_err();
        assert!(matches!(refused, Error::Retention { rule, .. } if rule == down), "{refused}");
    }
    let shorter = fixture.streams.increase_retention(&stream, 29).await.unwrap_err();
    let rule = RetentionRule::NotShorter { current };
    assert!(matches!(shorter, Error::Retention { rule: r, .. } if r == rule), "{shorter}");
    let longer = fixture.streams.decrease_retention(&stream, 31).await.unwrap_err();
    let rule = RetentionRule::NotLonger { current };
    assert!(matches!(longer, Error::Retention { rule: r, .. } if r == rule), "{longer}");
    assert_eq!(stream.state().row.retention_hours, 30);
}

#[tokio::test]
async fn with_a_delay_a_setting_takes_effect_when_the_stream_is_active_again() {
    let state_delay = Duration::from_secs(1);
    let fixture = Fixture::with(Config { state_delay, ..Config::default() }).await;
    fixture.streams.create(name(), super::fixture::new_stream(1)).await.unwrap();
    let stream = fixture.streams.stream(&name()).unwrap();
    let row = || stream.state().row.clone();
    fixture.until("ACTIVE", || row().status == Status::Active).await;

    let all: ShardMetrics = ShardMetric::ALL.into_iter().collect();
    let streams = &fixture.streams;
    streams.increase_retention(&stream, 48).await.unwrap();
    assert_eq!((row().status, row().retention_hours), (Status::Updating, 24));
    let refused = streams.set_record_size(&stream, 2048).await.unwrap_err();
    assert!(matches!(refused, Error::StreamNotActive(_, Status::Updating)), "{refused}");
    fixture.until("retained", || row().status == Status::Active).await;
    assert_eq!(row().retention_hours, 48);

    streams.set_record_size(&stream, 2048).await.unwrap();
    assert_eq!((row().status, row().record_kib_max), (Status::Updating, 1024));
    fixture.until("resized", || row().status == Status::Active).await;
    assert_eq!(row().record_kib_max, 2048);

    streams.encrypt(&stream, Some(KEY.to_owned())).await.unwrap();
    assert_eq!((row().status, row().kms_key), (Status::Updating, None));
    fixture.until("encrypted", || row().status == Status::Active).await;
    assert_eq!(row().kms_key.as_deref(), Some(KEY));

    let sets = streams.enable_monitoring(&stream, all).await.unwrap();
    assert_eq!(sets, (ShardMetrics::default(), all));
    assert!(row().shard_level_metrics.is_empty());
    fixture.until("monitored", || row().status == Status::Active).await;
    assert_eq!(row().shard_level_metrics, all);
}

#[tokio::test]
async fn a_key_is_applied_25_times_in_a_rolling_day() {
    let fixture = Fixture::with(Config { limits: true, ..Config::default() }).await;
    let stream = fixture.stream(1).await;
    for _ in 0..25 {
        fixture.streams.encrypt(&stream, Some(KEY.to_owned())).await.unwrap();
        fixture.streams.encrypt(&stream, None).await.unwrap();
    }
    let start = || fixture.streams.encrypt(&stream, Some(KEY.to_owned()));
    let refused = start().await.unwrap_err();
    assert!(matches!(refused, Error::QuotaUsedUp(_)), "{refused}");
    assert_eq!(stream.state().row.kms_key, None);
    fixture.clock.advance(25 * HOUR);
    start().await.unwrap();
}

#[tokio::test]
async fn records_say_whether_they_were_encrypted_when_they_were_put() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(1).await;
    fixture.put(&stream, "k", "plain").await;
    fixture.streams.encrypt(&stream, Some(KEY.to_owned())).await.unwrap();
    fixture.put(&stream, "k", "secret").await;
    fixture.streams.encrypt(&stream, None).await.unwrap();
    fixture.put(&stream, "k", "plain again").await;
    let (records, _) = fixture.read_all(&stream, 0, Start::TrimHorizon).await;
    let encrypted: Vec<bool> = records.iter().map(|record| record.body.encrypted).collect();
    assert_eq!(encrypted, [false, true, false]);
}

#[tokio::test]
async fn an_id_means_one_stream_of_one_world() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(1).await;
    let world = name().world;
    let found = fixture.streams.stream_of_id(&world, &stream.id()).unwrap();
    assert_eq!(found.generation, stream.generation);
    let elsewhere = streams::World { region: "eu-west-1".into(), ..world.clone() };
    assert!(fixture.streams.stream_of_id(&elsewhere, &stream.id()).is_none());
    fixture.streams.delete(&name(), false).await.unwrap();
    fixture.stream(1).await;
    assert!(fixture.streams.stream_of_id(&world, &stream.id()).is_none());
}

#[tokio::test]
async fn a_consumer_that_was_replaced_keeps_its_own_tags_and_policy() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(1).await;
    let register = || fixture.streams.register_consumer(&stream, "app", Default::default());
    let old = register().await.unwrap();
    fixture.streams.deregister_consumer(&stream, "app").await.unwrap();
    let new = register().await.unwrap();
    let tags = [("a".to_owned(), "b".to_owned())];
    let added = fixture.streams.add_consumer_tags(&stream, &old, tags.into()).await.unwrap_err();
    assert!(matches!(added, Error::ConsumerNotFound(..)), "{added}");
    let set = fixture.streams.set_consumer_policy(&stream, &old, Some("{}")).await.unwrap_err();
    assert!(matches!(set, Error::ConsumerNotFound(..)), "{set}");
    assert!(fixture.streams.consumer_tags(&stream, &new).unwrap().is_empty());
    assert_eq!(fixture.streams.consumer_policy(&stream, &new).unwrap(), None);
}
