//! On-demand streams: shards follow traffic, warmth and mode.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use stdx::Clock;
use streams::{Config, Error, Mode, NewRecord, NewStream, Start, Status, Stream, WarmThroughput};

use super::fixture::{Fixture, middle, name, new_stream, record};

const SECOND: Duration = Duration::from_secs(1);

async fn on_demand(fixture: &Fixture) -> Arc<Stream> {
    let new = NewStream { mode: Mode::OnDemand, ..new_stream(4) };
    fixture.streams.create(name(), new).await.expect("a new name");
    fixture.streams.stream(&name()).expect("it was just created")
}

/// Commits the account to a minimum throughput.
async fn commit(fixture: &Fixture) {
    fixture.streams.commit_to_throughput(&name().world, true).await.expect("the log takes it");
}

fn open(stream: &Stream) -> usize {
    stream.state().shards.open().len()
}

/// Puts what so many shards carry, in records, each second for a while.
async fn load(fixture: &Fixture, stream: &Stream, shards: usize, seconds: u32) {
    let records: Vec<NewRecord> =
        (0..shards * 1000).map(|index| record(&index.to_string(), "x")).collect();
    for _ in 0..seconds {
        for request in records.chunks(1000) {
            fixture.streams.put(stream, request).await.expect("acceptable");
        }
        fixture.clock.advance(SECOND);
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn traffic_splits_a_stream_and_its_absence_merges_it_a_month_later() {
    let fixture = Fixture::new().await;
    let stream = on_demand(&fixture).await;
    load(&fixture, &stream, 1, 22).await;
    assert_eq!(open(&stream), 4, "four shards carry twice one");
    load(&fixture, &stream, 6, 42).await;
    let grown = open(&stream);
    assert!((12..=15).contains(&grown), "twice six: {grown}");
    load(&fixture, &stream, 5, 22).await;
    assert_eq!(open(&stream), grown, "less traffic changes nothing");
    for _ in 0..29 {
        fixture.clock.advance(Duration::from_hours(24));
        fixture.until("a look", || true).await;
    }
    assert_eq!(open(&stream), grown, "a peak holds for thirty days");
    fixture.clock.advance(Duration::from_hours(48));
    // The log needs real time for each step down, however the clock of the service runs.
    for _ in 0..10_000 {
        if open(&stream) == 4 {
            return;
        }
        fixture.clock.advance(SECOND);
        Clock::system().sleep(Duration::from_millis(1)).await;
    }
    panic!("as few as it began with: {}", open(&stream));
}

#[tokio::test]
async fn nothing_is_lost_while_a_stream_grows() {
    let fixture = Fixture::new().await;
    let stream = on_demand(&fixture).await;
    load(&fixture, &stream, 6, 32).await;
    let mut count = 0;
    for shard in stream.state().shards.all() {
        let (records, page) = fixture.read_all(&stream, shard.index, Start::TrimHorizon).await;
        assert_eq!(page.next.is_none(), !shard.is_open(), "closed shards end");
        count += records.len();
    }
    assert_eq!(count, 32 * 6 * 1000);
}

#[tokio::test]
async fn with_limits_what_is_throttled_becomes_what_is_carried() {
    let config = Config { limits: true, ..Config::default() };
    let fixture = Fixture::with(config).await;
    let stream = on_demand(&fixture).await;
    load(&fixture, &stream, 12, 60).await;
    assert!(open(&stream) >= 16, "{}", open(&stream));
}

#[tokio::test]
async fn provisioned_streams_do_not_follow_traffic() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(1).await;
    load(&fixture, &stream, 4, 22).await;
    assert_eq!(open(&stream), 1);
}

#[tokio::test]
async fn warmth_opens_shards_at_once_and_gives_up_what_nobody_needs() {
    let fixture = Fixture::new().await;
    let stream = on_demand(&fixture).await;
    let cold = fixture.streams.set_warm_throughput(&stream, 20).await.unwrap_err();
    assert!(matches!(cold, Error::NoCommitment(_)), "{cold}");
    commit(&fixture).await;
    let warm = fixture.streams.set_warm_throughput(&stream, 20).await.unwrap();
    assert_eq!(warm, WarmThroughput { target_mibps: 20, current_mibps: 4 });
    let warm = stream.state().warm_throughput();
    assert_eq!(warm, Some(WarmThroughput { target_mibps: 20, current_mibps: 20 }));
    load(&fixture, &stream, 4, 22).await;
    assert_eq!(open(&stream), 20);
    fixture.streams.set_warm_throughput(&stream, 5).await.unwrap();
    assert!((8..=12).contains(&open(&stream)), "the traffic needs them: {}", open(&stream));
    fixture.streams.set_warm_throughput(&stream, 0).await.unwrap();
    assert_eq!(stream.state().warm_throughput(), None);
    let refused = fixture.streams.set_warm_throughput(&stream, 10_241).await.unwrap_err();
    assert!(matches!(refused, Error::WarmThroughputLimit { limit_mibps: 10_240, .. }), "{refused}");
}

#[tokio::test]
async fn a_stream_keeps_its_shards_when_it_becomes_on_demand() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(12).await;
    let cold = fixture.streams.set_warm_throughput(&stream, 20).await.unwrap_err();
    assert!(matches!(cold, Error::StreamProvisioned(_)), "{cold}");
    fixture.streams.set_mode(&stream, Mode::OnDemand, None).await.unwrap();
    load(&fixture, &stream, 1, 32).await;
    assert_eq!(open(&stream), 12);
    for refused in [
        fixture.streams.split(&stream, 0, middle()).await.unwrap_err(),
        fixture.streams.merge(&stream, 0, 1).await.unwrap_err(),
        fixture.streams.scale(&stream, 6).await.unwrap_err(),
    ] {
        // Before anything is said of shards: the split point is not one of shard 0's.
        assert!(matches!(refused, Error::StreamOnDemand(_)), "{refused}");
    }
    fixture.streams.set_mode(&stream, Mode::Provisioned, None).await.unwrap();
    let cold = fixture.streams.set_mode(&stream, Mode::OnDemand, Some(30)).await.unwrap_err();
    assert!(matches!(cold, Error::NoCommitment(_)), "{cold}");
    commit(&fixture).await;
    fixture.streams.set_mode(&stream, Mode::OnDemand, Some(30)).await.unwrap();
    assert_eq!(open(&stream), 30);
    fixture.streams.set_mode(&stream, Mode::Provisioned, None).await.unwrap();
    assert_eq!((open(&stream), stream.state().warm_throughput()), (30, None));
}

#[tokio::test]
async fn changes_of_capacity_take_as_long_as_states_do() {
    let config = Config { state_delay: 5 * SECOND, ..Config::default() };
    let fixture = Fixture::with(config).await;
    let stream = on_demand(&fixture).await;
    let is_active = || stream.state().row.status == Status::Active;
    commit(&fixture).await;
    let busy = fixture.streams.set_warm_throughput(&stream, 9).await.unwrap_err();
    assert!(matches!(busy, Error::StreamNotActive(_, Status::Creating)), "{busy}");
    fixture.until("created", is_active).await;
    fixture.streams.set_warm_throughput(&stream, 9).await.unwrap();
    assert_eq!((stream.state().row.status, open(&stream)), (Status::Updating, 4));
    let busy = fixture.streams.set_mode(&stream, Mode::Provisioned, None).await.unwrap_err();
    assert!(matches!(busy, Error::StreamNotActive(_, Status::Updating)), "{busy}");
    fixture.until("warm", is_active).await;
    assert_eq!(open(&stream), 9);
    fixture.streams.set_mode(&stream, Mode::Provisioned, None).await.unwrap();
    assert_eq!(stream.state().row.status, Status::Updating);
    fixture.until("provisioned", is_active).await;
    fixture.streams.scale(&stream, 3).await.unwrap();
    fixture.until("scaled", || is_active() && open(&stream) == 3).await;
}

#[tokio::test]
async fn the_service_distributes_records_evenly_and_only_on_demand() {
    let fixture = Fixture::new().await;
    let stream = on_demand(&fixture).await;
    let keyless = NewRecord { partition_key: None, ..record("", "x") };
    let refused = fixture.streams.put(&stream, std::slice::from_ref(&keyless)).await.unwrap_err();
    assert!(matches!(refused, Error::PartitionKeyMissing), "{refused}");
    fixture.streams.set_distribution(&stream, true).await.unwrap();
    let hinted = NewRecord { explicit_hash_key: Some(middle()), ..record("k", "x") };
    let mut records = vec![keyless.clone(); 250];
    records.extend(vec![hinted; 250]);
    let mut by_shard = BTreeMap::new();
    for placed in fixture.put_all(&stream, &records).await {
        *by_shard.entry(placed.shard).or_insert(0) += 1;
    }
    assert_eq!(by_shard.len(), 4);
    assert!(by_shard.values().all(|count| *count == 125), "{by_shard:?}");
    let mut alone = BTreeMap::new();
    for _ in 0..200 {
        let placed = fixture.put_all(&stream, std::slice::from_ref(&keyless)).await[0];
        *alone.entry(placed.shard).or_insert(0) += 1;
    }
    assert!(alone.values().all(|count| (20..90).contains(count)), "{alone:?}");
    fixture.streams.set_distribution(&stream, false).await.unwrap();
    assert!(fixture.streams.put(&stream, &[keyless]).await.is_err());
    fixture.streams.set_distribution(&stream, true).await.unwrap();
    fixture.streams.set_mode(&stream, Mode::Provisioned, None).await.unwrap();
    assert!(!stream.state().row.distributes);
    let fixed = fixture.streams.set_distribution(&stream, true).await.unwrap_err();
    assert!(matches!(fixed, Error::DistributionFixed(_)), "{fixed}");
}
