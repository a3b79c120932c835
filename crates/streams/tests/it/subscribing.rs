//! Subscriptions: pushed, kept alive, taken over, resumed, ended.

use std::sync::Arc;
use std::time::Duration;

use stdx::Clock;
use streams::{Consumer, Error, Event, Start, Stream, Subscription};

use super::fixture::{Fixture, middle, texts};

async fn registered(fixture: &Fixture, stream: &Stream) -> Consumer {
    fixture.streams.register_consumer(stream, "app", Default::default()).await.expect("a consumer")
}

async fn subscribed(
    fixture: &Fixture,
    stream: &Arc<Stream>,
    consumer: &Consumer,
    start: Start,
) -> Subscription {
    fixture.streams.subscribe(stream.clone(), consumer, 0, &start).await.expect("a subscription")
}

/// The next event, while time goes by.
async fn next(clock: &Clock, subscription: &mut Subscription) -> Option<Event> {
    let passing = async {
        loop {
            tokio::task::yield_now().await;
            clock.advance(Duration::from_millis(10));
        }
    };
    tokio::select! {
        biased;
        event = subscription.next() => event.expect("the log answers"),
        () = passing => unreachable!("time does not end"),
    }
}

#[tokio::test]
async fn records_are_pushed_as_they_arrive() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(1).await;
    let consumer = registered(&fixture, &stream).await;
    fixture.put(&stream, "k", "one").await;
    let mut subscription = subscribed(&fixture, &stream, &consumer, Start::TrimHorizon).await;
    let event = next(&fixture.clock, &mut subscription).await.unwrap();
    assert_eq!(texts(&event.records), ["one"]);
    fixture.put(&stream, "k", "two").await;
    let event = next(&fixture.clock, &mut subscription).await.unwrap();
    assert_eq!((texts(&event.records), event.behind_ms), (vec!["two".to_owned()], 0));
}

#[tokio::test]
async fn an_idle_subscription_sends_a_heartbeat_and_ends_after_five_minutes() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(1).await;
    let consumer = registered(&fixture, &stream).await;
    let mut subscription = subscribed(&fixture, &stream, &consumer, Start::Latest).await;
    let began = fixture.clock.monotonic();
    let event = next(&fixture.clock, &mut subscription).await.unwrap();
    assert!(event.records.is_empty() && event.continuation.is_some());
    let waited = fixture.clock.monotonic() - began;
    assert!(waited >= Duration::from_secs(5) && waited < Duration::from_secs(6), "{waited:?}");
    while next(&fixture.clock, &mut subscription).await.is_some() {}
    let lived = fixture.clock.monotonic() - began;
    assert!(lived >= Duration::from_secs(300) && lived < Duration::from_secs(306), "{lived:?}");
}

#[tokio::test]
async fn a_second_call_is_refused_for_five_seconds_and_then_takes_over() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(1).await;
    let consumer = registered(&fixture, &stream).await;
    let mut first = subscribed(&fixture, &stream, &consumer, Start::Latest).await;
    let again = fixture.streams.subscribe(stream.clone(), &consumer, 0, &Start::Latest).await;
    assert!(matches!(again, Err(Error::SubscriptionInUse { .. })));
    fixture.clock.advance(Duration::from_secs(5));
    let mut second = subscribed(&fixture, &stream, &consumer, Start::Latest).await;
    assert!(next(&fixture.clock, &mut first).await.is_none(), "the first has ended");
    // The first one's end must not take the shard from the second.
    drop(first);
    let again = fixture.streams.subscribe(stream.clone(), &consumer, 0, &Start::Latest).await;
    assert!(matches!(again, Err(Error::SubscriptionInUse { .. })));
    fixture.put(&stream, "k", "x").await;
    let event = next(&fixture.clock, &mut second).await.unwrap();
    assert_eq!(texts(&event.records), ["x"]);
}

#[tokio::test]
async fn a_subscription_that_was_given_up_is_free_at_once() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(1).await;
    let consumer = registered(&fixture, &stream).await;
    drop(subscribed(&fixture, &stream, &consumer, Start::Latest).await);
    subscribed(&fixture, &stream, &consumer, Start::Latest).await;
}

#[tokio::test]
async fn resuming_after_the_continuation_repeats_nothing() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(1).await;
    let consumer = registered(&fixture, &stream).await;
    fixture.put(&stream, "k", "one").await;
    let mut subscription = subscribed(&fixture, &stream, &consumer, Start::TrimHorizon).await;
    let event = next(&fixture.clock, &mut subscription).await.unwrap();
    drop(subscription);
    fixture.put(&stream, "k", "two").await;
    let after = Start::After(event.continuation.unwrap().to_string());
    let mut subscription = subscribed(&fixture, &stream, &consumer, after).await;
    let event = next(&fixture.clock, &mut subscription).await.unwrap();
    assert_eq!(texts(&event.records), ["two"]);
}

#[tokio::test]
async fn a_heartbeat_continuation_of_an_empty_shard_resumes_too() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(1).await;
    let consumer = registered(&fixture, &stream).await;
    for start in [Start::Latest, Start::TrimHorizon] {
        let mut subscription = subscribed(&fixture, &stream, &consumer, start).await;
        let event = next(&fixture.clock, &mut subscription).await.unwrap();
        drop(subscription);
        let placed = fixture.put(&stream, "k", "x").await;
        let continuation = event.continuation.unwrap().to_string();
        assert!(continuation < placed.sequence.to_string());
        let after = Start::After(continuation);
        let mut subscription = subscribed(&fixture, &stream, &consumer, after).await;
        let event = next(&fixture.clock, &mut subscription).await.unwrap();
        assert_eq!(texts(&event.records).last().unwrap(), "x");
    }
}

#[tokio::test]
async fn the_last_event_of_a_shard_has_no_continuation_but_children() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(1).await;
    let consumer = registered(&fixture, &stream).await;
    let mut subscription = subscribed(&fixture, &stream, &consumer, Start::Latest).await;
    fixture.put(&stream, "k", "last").await;
    fixture.streams.split(&stream, 0, middle()).await.unwrap();
    let mut pushed = Vec::new();
    loop {
        let event = next(&fixture.clock, &mut subscription).await.expect("an end, not a stop");
        pushed.extend(texts(&event.records));
        if event.continuation.is_none() {
            assert_eq!(event.children.iter().map(|c| c.index).collect::<Vec<_>>(), [1, 2]);
            break;
        }
        assert!(event.children.is_empty());
    }
    assert_eq!(pushed, ["last"]);
    assert!(next(&fixture.clock, &mut subscription).await.is_none());
}

#[tokio::test]
async fn deregistering_a_consumer_ends_its_subscriptions() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(1).await;
    let consumer = registered(&fixture, &stream).await;
    let mut subscription = subscribed(&fixture, &stream, &consumer, Start::Latest).await;
    fixture.streams.deregister_consumer(&stream, "app").await.unwrap();
    assert!(next(&fixture.clock, &mut subscription).await.is_none());
    let gone = fixture.streams.consumer(&stream, "app").unwrap_err();
    assert!(matches!(gone, Error::ConsumerNotFound(..)), "{gone}");
}
