//! AWS's rates and quotas: held with `limits`, and only then.

use std::sync::Arc;
use std::time::Duration;

use streams::{
    Config, Error, Mode, NewRecord, NewStream, Placed, ScaleRule, ShardUse, Start, Stream,
    Throttled,
};

use super::fixture::{Fixture, middle, name, new_stream, record, record_at, texts};

const LIMITED: Config = Config { state_delay: Duration::ZERO, limits: true };
const SECOND: Duration = Duration::from_secs(1);
const MIB: usize = 1024 * 1024;

async fn limited() -> Fixture {
    Fixture::with(LIMITED).await
}

/// A record that counts as `bytes`.
fn sized(bytes: usize) -> NewRecord {
    NewRecord { data: vec![b'x'; bytes - 1].into(), ..record("k", "") }
}

async fn put(
    fixture: &Fixture,
    stream: &Stream,
    records: &[NewRecord],
) -> Vec<Result<Placed, Throttled>> {
    fixture.streams.put(stream, records).await.expect("records are acceptable")
}

fn admitted(outcomes: &[Result<Placed, Throttled>]) -> usize {
    outcomes.iter().filter(|outcome| outcome.is_ok()).count()
}

#[tokio::test]
async fn a_shard_takes_a_thousand_records_a_second() {
    let fixture = limited().await;
    let stream = fixture.stream(1).await;
    let batch = vec![record("k", "x"); 400];
    for expected in [400, 400, 200, 0] {
        assert_eq!(admitted(&put(&fixture, &stream, &batch).await), expected);
    }
    fixture.clock.advance(SECOND / 4);
    assert_eq!(admitted(&put(&fixture, &stream, &batch).await), 250);
    let (read, _) = fixture.read_all_limited(&stream, 0).await;
    assert_eq!(read.len(), 1250, "what is throttled is not put");
}

#[tokio::test]
async fn a_shard_takes_a_mebibyte_a_second_and_others_are_not_concerned() {
    let fixture = limited().await;
    let stream = fixture.stream(2).await;
    let low =
        |bytes| NewRecord { explicit_hash_key: record_at(0, "").explicit_hash_key, ..sized(bytes) };
    let high = NewRecord { explicit_hash_key: Some(middle()), ..sized(MIB) };
    let outcomes = put(&fixture, &stream, &[low(MIB), high, low(1000)]).await;
    assert_eq!(admitted(&outcomes), 2);
    assert_eq!(outcomes[2], Err(Throttled { shard: 0 }));
    // The smaller one of two may pass where the larger does not, in whatever order.
    fixture.clock.advance(SECOND / 2);
    let outcomes = put(&fixture, &stream, &[low(MIB * 3 / 4), low(MIB / 4)]).await;
    assert_eq!(outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, true]);
}

#[tokio::test]
async fn a_large_record_empties_the_tank() {
    let fixture = limited().await;
    let new = NewStream { record_kib_max: Some(10_240), ..new_stream(1) };
    fixture.streams.create(name(), new).await.unwrap();
    let stream = fixture.streams.stream(&name()).unwrap();
    let large = [sized(10 * MIB)];
    assert_eq!(admitted(&put(&fixture, &stream, &large).await), 1);
    assert_eq!(admitted(&put(&fixture, &stream, &[record("k", "small")]).await), 0);
    fixture.clock.advance(SECOND);
    assert_eq!(admitted(&put(&fixture, &stream, &[record("k", "small")]).await), 1);
    fixture.clock.advance(8 * SECOND);
    assert_eq!(admitted(&put(&fixture, &stream, &large).await), 0);
    fixture.clock.advance(2 * SECOND);
    assert_eq!(admitted(&put(&fixture, &stream, &large).await), 1);
}

#[tokio::test]
async fn a_rehearsal_is_refused_alike_and_costs_nothing() {
    let fixture = limited().await;
    let stream = fixture.stream(1).await;
    let batch = vec![record("k", "x"); 500];
    for _ in 0..5 {
        fixture.streams.check_put(&stream, &batch).expect("nothing was put yet");
    }
    assert_eq!(admitted(&put(&fixture, &stream, &batch).await), 500);
    assert_eq!(admitted(&put(&fixture, &stream, &batch).await), 500);
    let refused = fixture.streams.check_put(&stream, &batch).unwrap_err();
    assert!(matches!(refused, Error::Throttled { shard: 0, of: ShardUse::Write, .. }), "{refused}");
    let cursor = fixture.cursor(&stream, 0, Start::TrimHorizon).await;
    for _ in 0..20 {
        fixture.streams.check_page(&stream, cursor).expect("nothing was read yet");
        fixture.streams.iterator(&stream, 0, &Start::Latest, true).await.expect("none was given");
    }
}

#[tokio::test]
async fn a_shard_answers_five_reads_and_five_iterators_a_second() {
    let fixture = limited().await;
    let stream = fixture.stream(1).await;
    for _ in 0..2 {
        let cursor = fixture.cursor(&stream, 0, Start::TrimHorizon).await;
        for _ in 0..5 {
            fixture.streams.page(&stream, cursor, 1).await.expect("not too many");
            fixture.streams.iterator(&stream, 0, &Start::Latest, false).await.expect("likewise");
        }
        let refused = fixture.streams.page(&stream, cursor, 1).await.unwrap_err();
        assert!(matches!(refused, Error::Throttled { of: ShardUse::Read, .. }), "{refused}");
        let refused =
            fixture.streams.iterator(&stream, 0, &Start::Latest, false).await.unwrap_err();
        assert!(matches!(refused, Error::Throttled { of: ShardUse::Iterator, .. }), "{refused}");
        assert!(fixture.streams.check_page(&stream, cursor).is_err());
        fixture.clock.advance(SECOND);
    }
}

#[tokio::test]
async fn after_ten_mebibytes_a_shard_is_not_read_for_five_seconds() {
    let fixture = limited().await;
    let stream = fixture.stream(1).await;
    for _ in 0..10 {
        assert_eq!(admitted(&put(&fixture, &stream, &[sized(MIB)]).await), 1);
        fixture.clock.advance(SECOND);
    }
    let cursor = fixture.cursor(&stream, 0, Start::TrimHorizon).await;
    let page = fixture.page(&stream, cursor).await;
    assert_eq!(page.records.len(), 10);
    for _ in 0..5 {
        let refused = fixture.streams.page(&stream, cursor, 1).await.unwrap_err();
        assert!(matches!(refused, Error::Throttled { of: ShardUse::Read, .. }), "{refused}");
        fixture.clock.advance(SECOND);
    }
    fixture.page(&stream, cursor).await;
}

#[tokio::test]
async fn the_bucket_of_a_shard_outlives_its_closing() {
    let fixture = limited().await;
    let stream = fixture.stream(1).await;
    let cursor = fixture.cursor(&stream, 0, Start::TrimHorizon).await;
    for _ in 0..5 {
        fixture.page(&stream, cursor).await;
    }
    fixture.streams.split(&stream, 0, middle()).await.unwrap();
    assert!(fixture.streams.page(&stream, cursor, 1).await.is_err());
}

#[tokio::test]
async fn a_consumer_subscribes_to_a_shard_once_a_second() {
    let fixture = limited().await;
    let stream = fixture.stream(1).await;
    let consumer = fixture.streams.register_consumer(&stream, "app", Default::default()).await;
    let consumer = consumer.unwrap();
    let subscribe = || fixture.streams.subscribe(Arc::clone(&stream), &consumer, 0, &Start::Latest);
    drop(subscribe().await.expect("the first"));
    let check = fixture.streams.check_subscribe(&stream, &consumer, 0, &Start::Latest);
    assert!(matches!(check.await, Err(Error::SubscribedJustNow { .. })));
    let refused = subscribe().await.err();
    assert!(matches!(refused, Some(Error::SubscribedJustNow { .. })), "{refused:?}");
    fixture.clock.advance(SECOND);
    let check = fixture.streams.check_subscribe(&stream, &consumer, 0, &Start::Latest);
    check.await.expect("a second has passed");
    let _held = subscribe().await.expect("a second has passed");
    fixture.clock.advance(2 * SECOND);
    let refused = subscribe().await.err();
    assert!(matches!(refused, Some(Error::SubscriptionInUse { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_subscription_is_paced_to_two_mebibytes_a_second() {
    let fixture = limited().await;
    let stream = fixture.stream(1).await;
    for _ in 0..12 {
        assert_eq!(admitted(&put(&fixture, &stream, &[sized(MIB)]).await), 1);
        fixture.clock.advance(SECOND);
    }
    let consumer = fixture.streams.register_consumer(&stream, "app", Default::default()).await;
    let consumer = consumer.unwrap();
    let subscription =
        fixture.streams.subscribe(Arc::clone(&stream), &consumer, 0, &Start::TrimHorizon);
    let mut subscription = subscription.await.expect("a subscription");
    let (began, mut seen) = (fixture.clock.monotonic(), 0);
    while seen < 12 {
        let passing = async {
            loop {
                tokio::task::yield_now().await;
                fixture.clock.advance(Duration::from_millis(10));
            }
        };
        let event = tokio::select! {
            biased;
            event = subscription.next() => event.expect("the log answers").expect("it goes on"),
            () = passing => unreachable!("time does not end"),
        };
        seen += event.records.len();
    }
    let took = fixture.clock.monotonic() - began;
    assert!((4 * SECOND..7 * SECOND).contains(&took), "{took:?}");
}

#[tokio::test]
async fn scaling_has_ten_calls_a_day_and_a_step() {
    let fixture = limited().await;
    let stream = fixture.stream(2).await;
    let refused = fixture.streams.scale(&stream, 5).await.unwrap_err();
    assert!(matches!(refused, Error::ScaleLimit { rule: ScaleRule::Double, .. }), "{refused}");
    for target in [4, 8, 4, 8, 4, 8, 4, 8, 4, 8] {
        fixture.streams.scale(&stream, target).await.expect("within the day's quota");
        fixture.clock.advance(60 * SECOND);
    }
    let refused = fixture.streams.scale(&stream, 3).await.unwrap_err();
    assert!(matches!(refused, Error::ScaleLimit { rule: ScaleRule::Half, .. }), "{refused}");
    let used_up = fixture.streams.scale(&stream, 4).await.unwrap_err();
    assert!(matches!(used_up, Error::QuotaUsedUp(_)), "{used_up}");
    fixture.clock.advance(Duration::from_hours(24) - 10 * 60 * SECOND);
    fixture.streams.scale(&stream, 4).await.expect("the first was a day ago");
    assert!(fixture.streams.scale(&stream, 8).await.is_err());
}

#[tokio::test]
async fn without_limits_scaling_has_no_quota() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(1).await;
    for round in 0..13 {
        fixture.streams.scale(&stream, if round % 2 == 0 { 9 } else { 1 }).await.unwrap();
    }
}

#[tokio::test]
async fn short_lived_shards_count_to_the_quota() {
    let fixture = limited().await;
    let stream = fixture.stream(300).await;
    // 300 shards are split into 600 on the way to 301.
    let refused = fixture.streams.scale(&stream, 301).await.unwrap_err();
    assert!(
        matches!(refused, Error::ShardLimit { current: 300, limit: 500, added: 300, .. }),
        "{refused}"
    );
    fixture.streams.scale(&stream, 150).await.expect("fewer");
    fixture.streams.scale(&stream, 300).await.expect("300 on the way");
}

#[tokio::test]
async fn a_day_has_two_changes_of_mode() {
    let fixture = limited().await;
    let stream = fixture.stream(3).await;
    let set = |mode| fixture.streams.set_mode(&stream, mode, None);
    set(Mode::Provisioned).await.expect("it is so already");
    set(Mode::OnDemand).await.unwrap();
    set(Mode::OnDemand).await.expect("it is so already");
    fixture.clock.advance(3600 * SECOND);
    set(Mode::Provisioned).await.unwrap();
    assert_eq!(stream.state().shards.open().len(), 3, "the shards stay");
    let used_up = set(Mode::OnDemand).await.unwrap_err();
    assert!(matches!(used_up, Error::QuotaUsedUp(_)), "{used_up}");
    fixture.clock.advance(23 * 3600 * SECOND);
    set(Mode::OnDemand).await.expect("the first was a day ago");
}

#[tokio::test]
async fn fifty_streams_are_on_demand() {
    let fixture = limited().await;
    let world = name().world;
    let new = || NewStream { mode: Mode::OnDemand, ..new_stream(4) };
    for index in 0..50 {
        fixture.streams.create(world.stream(format!("s{index}")), new()).await.unwrap();
    }
    let refused = fixture.streams.create(name(), new()).await.unwrap_err();
    assert!(
        matches!(refused, Error::OnDemandStreamLimit { current: 50, limit: 50, .. }),
        "{refused}"
    );
    let provisioned = fixture.stream(1).await;
    let refused = fixture.streams.set_mode(&provisioned, Mode::OnDemand, None).await.unwrap_err();
    assert!(matches!(refused, Error::OnDemandStreamLimit { .. }), "{refused}");
}

#[tokio::test]
async fn five_streams_are_created_at_once() {
    let fixture = Fixture::with(Config { state_delay: 10 * SECOND, ..LIMITED }).await;
    let world = name().world;
    for index in 0..5 {
        fixture.streams.create(world.stream(format!("s{index}")), new_stream(1)).await.unwrap();
    }
    let refused = fixture.streams.create(name(), new_stream(1)).await.unwrap_err();
    assert!(matches!(refused, Error::StreamsChangingLimit { limit: 5, .. }), "{refused}");
    let first = fixture.streams.stream(&world.stream("s0")).unwrap();
    fixture
        .until("the first is there", || first.state().row.status == streams::Status::Active)
        .await;
    fixture.streams.create(name(), new_stream(1)).await.expect("room again");
}

#[tokio::test]
async fn without_limits_nothing_is_throttled() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(1).await;
    for _ in 0..5 {
        assert_eq!(admitted(&put(&fixture, &stream, &vec![record("k", "x"); 500]).await), 500);
        assert_eq!(admitted(&put(&fixture, &stream, &[sized(MIB), sized(MIB)]).await), 2);
    }
    let cursor = fixture.cursor(&stream, 0, Start::TrimHorizon).await;
    for _ in 0..20 {
        fixture.page(&stream, cursor).await;
        fixture.streams.iterator(&stream, 0, &Start::Latest, false).await.unwrap();
    }
}

#[tokio::test]
async fn the_times_of_quotas_survive() {
    let fixture = limited().await;
    let stream = fixture.stream(2).await;
    for target in [4, 2, 4, 2, 4, 2, 4, 2, 4, 2] {
        fixture.streams.scale(&stream, target).await.unwrap();
    }
    // Whatever else changes the row leaves them alone.
    fixture.streams.add_tags(&stream, [("k".to_owned(), "v".to_owned())].into()).await.unwrap();
    fixture.streams.split(&stream, stream.state().shards.open()[0].index, HASH).await.unwrap();
    assert!(matches!(fixture.streams.scale(&stream, 4).await, Err(Error::QuotaUsedUp(_))));
    let first = fixture.put_limited(&stream, "still here").await;
    assert_eq!(texts(&fixture.read_all_limited(&stream, first.shard).await.0), ["still here"]);
}

const HASH: streams::HashKey = streams::HashKey(1 << 100);
