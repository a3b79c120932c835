//! Streams and consumers come, are found, and go.

use std::time::Duration;

use stdx::{Clock, Entropy};
use store::Store;
use streams::{Config, Error, Start, Status, Streams};

use super::fixture::{Fixture, START, name, new_stream, record, texts};

#[tokio::test]
async fn a_name_is_taken_once_and_free_after_deletion() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(1).await;
    let taken = fixture.streams.create(name(), new_stream(1)).await.unwrap_err();
    assert!(matches!(taken, Error::StreamExists(_)), "{taken}");
    fixture.put(&stream, "k", "old").await;
    fixture.streams.delete(&name(), false).await.unwrap();
    assert!(matches!(fixture.streams.stream(&name()), Err(Error::StreamNotFound(_))));
    let put = fixture.streams.put(&stream, &[record("k", "x")]).await.unwrap_err();
    assert!(matches!(put, Error::StreamNotFound(_)), "{put}");

    let again = fixture.stream(1).await;
    assert_ne!(again.generation, stream.generation);
    assert!(fixture.read_all(&again, 0, Start::TrimHorizon).await.0.is_empty());
}

/// Changes that met a deletion once waited minutes for a state that could not come.
#[tokio::test]
async fn a_change_that_meets_a_deletion_is_told_at_once() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(2).await;
    let (tags, keys) = ([("k".to_owned(), "v".to_owned())].into(), ["k".to_owned()]);
    let name = name();
    let (deleted, added, removed, merged) = tokio::join!(
        fixture.streams.delete(&name, false),
        fixture.streams.add_tags(&stream, tags),
        fixture.streams.remove_tags(&stream, &keys),
        fixture.streams.merge(&stream, 0, 1),
    );
    // Each either came before the deletion or finds the stream gone; none waits for ever.
    for outcome in [deleted, added, removed, merged] {
        assert!(matches!(outcome, Ok(()) | Err(Error::StreamNotFound(_))), "{outcome:?}");
    }
    fixture.streams.delete(&name, false).await.ok();
    let late = fixture.streams.remove_tags(&stream, &keys).await.unwrap_err();
    assert!(matches!(late, Error::StreamNotFound(_)), "{late}");
}

/// A shard count that a number can hold and no stream may have once took all memory.
#[tokio::test]
async fn a_stream_has_at_most_ten_thousand_shards() {
    let fixture = Fixture::new().await;
    for shards in [10_001, i32::MAX as u32] {
        let refused = fixture.streams.create(name(), new_stream(shards)).await.unwrap_err();
        assert!(matches!(refused, Error::ShardLimit { limit: 10_000, .. }), "{refused}");
    }
    assert_eq!(fixture.stream(10_000).await.state().shards.open().len(), 10_000);
}

#[tokio::test]
async fn a_racing_creation_has_one_winner() {
    let fixture = Fixture::new().await;
    let create = || fixture.streams.create(name(), new_stream(1));
    let (one, other) = tokio::join!(create(), create());
    assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1);
}

#[tokio::test]
async fn streams_are_listed_by_name_within_their_world() {
    let fixture = Fixture::new().await;
    let world = name().world;
    for stream in ["b", "a", "c", "a-1"] {
        fixture.streams.create(world.stream(stream), new_stream(1)).await.unwrap();
    }
    let mut elsewhere = world.clone();
    elsewhere.region = "us-east-10".into();
    fixture.streams.create(elsewhere.stream("z"), new_stream(1)).await.unwrap();
    let listed = |after: &str, count| {
        let found = fixture.streams.list(&world, after, count);
        found.iter().map(|stream| stream.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(listed("", 10), ["a", "a-1", "b", "c"]);
    assert_eq!(listed("a", 2), ["a-1", "b"]);
    assert_eq!(listed("aa", 10), ["b", "c"]);
    assert!(listed("c", 10).is_empty());
}

#[tokio::test]
async fn a_stream_with_consumers_is_deleted_only_if_asked_to() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(1).await;
    fixture.streams.register_consumer(&stream, "app", Default::default()).await.unwrap();
    let refused = fixture.streams.delete(&name(), false).await.unwrap_err();
    assert!(matches!(refused, Error::StreamHasConsumers(_)), "{refused}");
    fixture.streams.delete(&name(), true).await.unwrap();
    let again = fixture.stream(1).await;
    assert!(fixture.streams.consumers(&again).unwrap().is_empty());
}

#[tokio::test]
async fn consumers_are_counted_and_named_once() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(1).await;
    for i in 0..20 {
        let consumer = format!("app-{i:02}");
        fixture.streams.register_consumer(&stream, &consumer, Default::default()).await.unwrap();
    }
    let register = |name| fixture.streams.register_consumer(&stream, name, Default::default());
    let taken = register("app-00").await.unwrap_err();
    assert!(matches!(taken, Error::ConsumerExists(..)), "{taken}");
    let full = register("app-20").await.unwrap_err();
    assert!(matches!(full, Error::ConsumerLimit(_)), "{full}");
}

#[tokio::test]
async fn tags_are_added_replaced_removed_and_counted() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(1).await;
    let tags = |from: usize, to: usize, value: &str| {
        (from..to).map(|i| (format!("key-{i:02}"), value.to_owned())).collect()
    };
    fixture.streams.add_tags(&stream, tags(0, 50, "a")).await.unwrap();
    fixture.streams.add_tags(&stream, tags(0, 1, "b")).await.unwrap();
    let full = fixture.streams.add_tags(&stream, tags(50, 51, "a")).await.unwrap_err();
    assert!(matches!(full, Error::TagLimit(_)), "{full}");
    assert_eq!(stream.state().row.tags["key-00"], "b");
    let gone = ["key-00".to_owned(), "unknown".to_owned()];
    fixture.streams.remove_tags(&stream, &gone).await.unwrap();
    assert_eq!(stream.state().row.tags.len(), 49);
}

#[tokio::test]
async fn with_a_delay_every_state_is_seen() {
    let state_delay = Duration::from_secs(1);
    let fixture = Fixture::with(Config { state_delay, limits: false }).await;
    fixture.streams.create(name(), new_stream(1)).await.unwrap();
    let stream = fixture.streams.stream(&name()).unwrap();
    fixture.until("ACTIVE", || stream.state().row.status == Status::Active).await;

    let app = fixture.streams.register_consumer(&stream, "app", Default::default()).await.unwrap();
    assert_eq!(app.status, Status::Creating);
    let early = fixture.streams.subscribe(stream.clone(), &app, 0, &Start::Latest).await;
    assert!(matches!(early, Err(Error::ConsumerNotActive { .. })));
    let status = || fixture.streams.consumer(&stream, "app").map(|consumer| consumer.status);
    fixture.until("consumer ACTIVE", || status().unwrap() == Status::Active).await;
    fixture.streams.deregister_consumer(&stream, "app").await.unwrap();
    assert_eq!(status().unwrap(), Status::Deleting);
    fixture.until("consumer gone", || status().is_err()).await;

    fixture.streams.delete(&name(), false).await.unwrap();
    assert_eq!(stream.state().row.status, Status::Deleting);
    fixture.until("stream gone", || fixture.streams.stream(&name()).is_err()).await;
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let open = || async {
        let config = store::Config::folder(folder.path());
        let store = Store::open(config, clock.clone(), Entropy::system()).await.unwrap();
        let streams =
            Streams::open(store.clone(), clock.clone(), Entropy::system(), Config::default());
        (store, Fixture { clock: clock.clone(), streams: streams.unwrap() })
    };
    let (store, fixture) = open().await;
    let stream = fixture.stream(1).await;
    let before = fixture.put(&stream, "k", "before").await;
    fixture.streams.split(&stream, 0, super::fixture::middle()).await.unwrap();
    fixture.streams.register_consumer(&stream, "app", Default::default()).await.unwrap();
    let cursor = fixture.cursor(&stream, 0, Start::TrimHorizon).await;
    let shards = stream.state().shards.all().to_vec();
    drop((fixture, stream));
    store.close().await;
    drop(store);

    let (_store, fixture) = open().await;
    let stream = fixture.streams.stream(&name()).unwrap();
    assert_eq!(stream.state().shards.all(), shards);
    assert_eq!(fixture.streams.consumers(&stream).unwrap()[0].name, "app");
    let page = fixture.page(&stream, cursor).await;
    assert_eq!(texts(&page.records), ["before"]);
    assert_eq!(page.records[0].sequence, before.sequence);
    let after = fixture.put(&stream, "k", "after").await;
    assert!(before.sequence.to_string() < after.sequence.to_string());
}
