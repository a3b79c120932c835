//! What inputs name, for authorisation.

use bytes::Bytes;
use model::kinesis::op;
use wire::{Codec, Operation, Resource};

fn named<Op: Operation>(body: &'static str) -> Resource {
    let input = Op::decode(Codec::Json, &Bytes::from_static(body.as_bytes()))
        .unwrap_or_else(|fault| panic!("{body}: {fault:?}"));
    Op::resource(&input)
}

const STREAM: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/a";

#[test]
fn a_stream_is_named_by_arn_before_name() {
    let both =
        r#"{"StreamName":"b","StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/a"}"#;
    assert_eq!(named::<op::DescribeStream>(both), Resource::Arn(STREAM.to_string()));
    let name = r#"{"StreamName":"b"}"#;
    assert_eq!(named::<op::DescribeStream>(name), Resource::Own("stream/b".to_string()));
    assert_eq!(named::<op::DescribeStream>("{}"), Resource::Any);
}

#[test]
fn a_new_stream_is_the_callers_own() {
    let input = r#"{"StreamName":"b"}"#;
    assert_eq!(named::<op::CreateStream>(input), Resource::Own("stream/b".to_string()));
}

#[test]
fn a_consumer_is_named_by_arn_or_within_its_stream() {
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/a/consumer/c:1";
    let input = r#"{"ConsumerARN":"arn:aws:kinesis:us-east-1:000000000000:stream/a/consumer/c:1"}"#;
    assert_eq!(named::<op::DescribeStreamConsumer>(input), Resource::Arn(arn.to_string()));
    let input =
        r#"{"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/a","ConsumerName":"c"}"#;
    assert_eq!(
        named::<op::DescribeStreamConsumer>(input),
        Resource::Arn(format!("{STREAM}/consumer/c"))
    );
}

#[test]
fn an_iterator_names_nothing_yet() {
    assert_eq!(named::<op::GetRecords>(r#"{"ShardIterator":"x"}"#), Resource::Any);
}
