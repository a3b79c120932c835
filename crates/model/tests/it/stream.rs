//! SubscribeToShard's frames, written and read back.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_core::Stream;
use model::kinesis::shapes::*;
use model::kinesis::{faults, op};
use wire::event_stream::{Decoder, Message, read};
use wire::{Answer, Codec, EventStream, Fault, Operation};

type Events = EventStream<SubscribeToShardEventStream>;

/// Items that are all there.
struct Ready<T>(std::vec::IntoIter<T>);

impl<T: Unpin> Stream for Ready<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<T>> {
        Poll::Ready(self.0.next())
    }
}

fn event() -> SubscribeToShardEvent {
    SubscribeToShardEvent {
        records: vec![Record {
            sequence_number: "1".to_string(),
            data: Bytes::from_static(b"data").into(),
            ..Record::default()
        }],
        continuation_sequence_number: Some("1".to_string()),
        millis_behind_latest: 0,
        ..SubscribeToShardEvent::default()
    }
}

fn bytes_of(codec: Codec, events: Events) -> Vec<u8> {
    let Answer::Events(mut frames) = op::SubscribeToShard::encode(codec, events) else {
        panic!("a body");
    };
    let mut all = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(frame)) = frames.as_mut().poll_next(&mut context) {
        all.extend_from_slice(&frame);
    }
    all
}

#[test]
fn a_stream_begins_and_ends_with_its_fault() {
    let fault = faults::resource_in_use_exception("taken over");
    for codec in [Codec::Json, Codec::Cbor] {
        let items: Vec<Result<SubscribeToShardEventStream, Fault>> = vec![
            Ok(SubscribeToShardEventStream::SubscribeToShardEvent(event())),
            Err(fault.clone()),
            Ok(SubscribeToShardEventStream::SubscribeToShardEvent(event())),
        ];
        let bytes = bytes_of(codec, Box::pin(Ready(items.into_iter())));
        let mut decoder = Decoder::new();
        let mut messages = Vec::new();
        for piece in bytes.chunks(7) {
            decoder.feed(piece);
            while let Some(frame) = decoder.next_frame().unwrap() {
                messages.push(read::<SubscribeToShardEventStream>(codec, &frame).unwrap());
            }
        }
        assert!(decoder.is_between_frames());
        assert_eq!(
            messages,
            [
                Message::Begun,
                Message::Event(SubscribeToShardEventStream::SubscribeToShardEvent(event())),
                Message::Fault(fault.clone()),
            ]
        );
    }
}

#[test]
fn the_last_event_of_a_shard_has_no_continuation() {
    let last = SubscribeToShardEvent {
        child_shards: Some(vec![ChildShard {
            shard_id: "shardId-000000000001".to_string(),
            parent_shards: vec!["shardId-000000000000".to_string()],
            hash_key_range: HashKeyRange {
                starting_hash_key: "0".to_string(),
                ending_hash_key: "1".to_string(),
            },
        }]),
        ..SubscribeToShardEvent::default()
    };
    let mut buffer = Vec::new();
    wire::codec::write(Codec::Json, &last, &mut buffer);
    assert_eq!(
        String::from_utf8(buffer).unwrap(),
        r#"{"Records":[],"MillisBehindLatest":0,"ChildShards":[{"ShardId":"shardId-000000000001","ParentShards":["shardId-000000000000"],"HashKeyRange":{"StartingHashKey":"0","EndingHashKey":"1"}}]}"#
    );
}
