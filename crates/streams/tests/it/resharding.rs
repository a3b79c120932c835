//! Splits and merges: nothing lost, nothing twice, order kept, ends said as KCL wants them.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use streams::{Error, HashKey, Start, Status};

use super::fixture::{Fixture, middle, record, record_at, texts};

#[tokio::test]
async fn a_split_shard_ends_and_names_its_children() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(1).await;
    let before = fixture.put(&stream, "k", "before").await;
    fixture.streams.split(&stream, 0, middle()).await.unwrap();
    let (low, high) = (record_at(0, "low"), record_at(u128::MAX, "high"));
    let after = fixture.put_all(&stream, &[low, high]).await;
    assert_eq!((after[0].shard, after[1].shard), (1, 2));
    assert!(before.sequence.to_string() < after[0].sequence.to_string());

    let (records, end) = fixture.read_all(&stream, 0, Start::TrimHorizon).await;
    assert_eq!(texts(&records), ["before"]);
    assert_eq!(end.next, None);
    let children: Vec<_> = end.children.iter().map(|c| (c.index, c.parent)).collect();
    assert_eq!(children, [(1, Some(0)), (2, Some(0))]);
    assert_eq!(texts(&fixture.read_all(&stream, 1, Start::TrimHorizon).await.0), ["low"]);
    assert_eq!(texts(&fixture.read_all(&stream, 2, Start::TrimHorizon).await.0), ["high"]);
    // Whoever starts at the end of a closed shard is told of the children too.
    let (records, end) = fixture.read_all(&stream, 0, Start::Latest).await;
    assert!(records.is_empty() && end.next.is_none() && end.children.len() == 2);
}

#[tokio::test]
async fn merged_shards_end_and_name_one_child_with_both_parents() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(2).await;
    fixture.streams.merge(&stream, 0, 1).await.unwrap();
    for parent in [0, 1] {
        let (_, end) = fixture.read_all(&stream, parent, Start::TrimHorizon).await;
        let child = &end.children[0];
        assert_eq!((child.index, child.parent, child.adjacent_parent), (2, Some(0), Some(1)));
        assert_eq!((child.range.start, child.range.end), (HashKey(0), HashKey(u128::MAX)));
    }
}

#[tokio::test]
async fn what_cannot_be_resharded_is_refused() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(3).await;
    let streams = &fixture.streams;
    let missing = streams.split(&stream, 9, middle()).await.unwrap_err();
    assert!(matches!(missing, Error::ShardNotFound(..)), "{missing}");
    let at_start = streams.split(&stream, 0, HashKey(1)).await.unwrap_err();
    assert!(matches!(at_start, Error::SplitPoint { .. }), "{at_start}");
    let apart = streams.merge(&stream, 0, 2).await.unwrap_err();
    assert!(matches!(apart, Error::ShardsNotAdjacent(..)), "{apart}");
    let inverted = streams.merge(&stream, 1, 0).await.unwrap_err();
    assert!(matches!(inverted, Error::ShardsNotAdjacent(_, 1, 0)), "{inverted}");
    streams.split(&stream, 0, HashKey(1 << 100)).await.unwrap();
    let again = streams.split(&stream, 0, HashKey(1 << 100)).await.unwrap_err();
    assert!(matches!(again, Error::ShardNotOpen(_, 0)), "{again}");
}

#[tokio::test]
async fn a_child_split_within_the_second_of_its_birth_still_has_higher_numbers() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(1).await;
    fixture.streams.split(&stream, 0, middle()).await.unwrap();
    fixture.streams.split(&stream, 1, HashKey(1 << 126)).await.unwrap();
    let shards = stream.state().shards.clone();
    let born = |index| shards.get(index).unwrap().starting_sequence().to_string();
    assert!(born(0) < born(1) && born(1) < born(3));
}

#[tokio::test]
async fn a_delayed_split_happens_when_it_is_due() {
    let state_delay = Duration::from_millis(500);
    let config = streams::Config { state_delay, limits: false };
    let fixture = Fixture::with(config).await;
    fixture.streams.create(super::fixture::name(), super::fixture::new_stream(1)).await.unwrap();
    let stream = fixture.streams.stream(&super::fixture::name()).unwrap();
    assert_eq!(stream.state().row.status, Status::Creating);
    let early = fixture.streams.stream_with_data(&stream.name).unwrap_err();
    assert!(matches!(early, Error::StreamNotFound(_)), "{early}");
    fixture.until("ACTIVE", || stream.state().row.status == Status::Active).await;

    fixture.streams.split(&stream, 0, middle()).await.unwrap();
    assert_eq!(stream.state().row.status, Status::Updating);
    assert_eq!(stream.state().shards.open().len(), 1);
    fixture.put(&stream, "k", "still open").await;
    let busy = fixture.streams.split(&stream, 0, middle()).await.unwrap_err();
    assert!(matches!(busy, Error::StreamNotActive(_, Status::Updating)), "{busy}");
    fixture.until("two shards", || stream.state().shards.open().len() == 2).await;
    assert_eq!(stream.state().row.status, Status::Active);
}

#[tokio::test]
async fn scaling_keeps_records_and_answers_what_there_was() {
    let fixture = Fixture::new().await;
    let stream = fixture.stream(4).await;
    fixture.put(&stream, "k", "before").await;
    assert_eq!(fixture.streams.scale(&stream, 5).await.unwrap(), 4);
    assert_eq!(stream.state().shards.open().len(), 5);
    assert_eq!(stream.state().shards.all().len(), 15);
    let mut found = Vec::new();
    for shard in stream.state().shards.all() {
        let (records, end) = fixture.read_all(&stream, shard.index, Start::TrimHorizon).await;
        found.extend(texts(&records));
        assert_eq!(end.next.is_none(), !shard.is_open());
        assert_eq!(end.children.is_empty(), shard.is_open());
    }
    assert_eq!(found, ["before"]);
    let too_many = fixture.streams.scale(&stream, 10_001).await.unwrap_err();
    assert!(matches!(too_many, Error::ScaleLimit { .. }), "{too_many}");
}

#[tokio::test]
async fn under_awss_limits_a_scaling_step_is_at_most_double_or_half() {
    let fixture = Fixture::with(streams::Config { limits: true, ..Default::default() }).await;
    let stream = fixture.stream(4).await;
    for (target, allowed) in [(9, false), (1, false), (8, true), (4, true)] {
        let scaled = fixture.streams.scale(&stream, target).await;
        assert_eq!(scaled.is_ok(), allowed, "{target}: {scaled:?}");
    }
}

/// Eight writers put while the stream goes 1 → 2 → 1 → 2 …; a reader follows the tree afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_record_is_read_once_and_in_order_through_reshards() {
    const WRITERS: usize = 8;
    const RECORDS: usize = 400;
    let fixture = Fixture::new().await;
    let stream = fixture.stream(1).await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (streams, stream) = (fixture.streams.clone(), stream.clone());
            stdx::task::spawn(async move {
                for i in 0..RECORDS {
                    let key = format!("writer-{writer}");
                    streams.put(&stream, &[record(&key, &i.to_string())]).await.unwrap();
                }
            })
        })
        .collect();
    for _ in 0..6 {
        let open = stream.state().shards.open()[0].index;
        fixture.streams.split(&stream, open, middle()).await.unwrap();
        let open: Vec<_> = stream.state().shards.open().iter().map(|s| s.index).collect();
        fixture.streams.merge(&stream, open[0], open[1]).await.unwrap();
    }
    for writer in writers {
        writer.await.unwrap();
    }

    let mut seen: HashMap<String, Vec<usize>> = HashMap::new();
    let (mut queue, mut known) = (vec![0], HashSet::from([0]));
    let mut unread_parents: HashMap<u32, usize> = HashMap::new();
    while let Some(shard) = queue.pop() {
        let (records, end) = fixture.read_all(&stream, shard, Start::TrimHorizon).await;
        for record in records {
            let key = String::from_utf8(record.body.partition_key.to_vec()).unwrap();
            let index = String::from_utf8(record.body.data.to_vec()).unwrap();
            seen.entry(key).or_default().push(index.parse().unwrap());
        }
        for child in end.children {
            // A child is read once all of its parents have been.
            let parents = 1 + usize::from(child.adjacent_parent.is_some());
            let left = unread_parents.entry(child.index).or_insert(parents);
            *left -= 1;
            if *left == 0 && known.insert(child.index) {
                queue.insert(0, child.index);
            }
        }
    }
    assert_eq!(seen.len(), WRITERS);
    for (key, indexes) in seen {
        assert_eq!(indexes, (0..RECORDS).collect::<Vec<_>>(), "{key}");
    }
}
