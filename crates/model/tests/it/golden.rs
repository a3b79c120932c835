//! Bodies as AWS's SDKs expect them, byte for byte.

use bytes::Bytes;
use model::kinesis::op;
use model::kinesis::shapes::*;
use wire::{Answer, Codec, Operation, Timestamp, codec};

fn body<Op: Operation>(codec: Codec, output: Op::Output) -> Bytes {
    match Op::encode(codec, output) {
        Answer::Body(body) => body,
        Answer::Events(_) => panic!("an event stream"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn two_records() -> GetRecordsOutput {
    GetRecordsOutput {
        records: vec![Record {
            sequence_number: "49".to_string(),
            approximate_arrival_timestamp: Some(Timestamp(1_421_889_722_123)),
            data: Bytes::from_static(b"\x00\xff").into(),
            partition_key: Some("k\"".to_string()),
            ..Record::default()
        }],
        next_shard_iterator: Some("AAAA".to_string()),
        millis_behind_latest: Some(0),
        ..GetRecordsOutput::default()
    }
}

#[test]
fn json_has_base64_and_seconds_and_no_nulls() {
    let text = body::<op::GetRecords>(Codec::Json, two_records());
    assert_eq!(
        std::str::from_utf8(&text).unwrap(),
        r#"{"Records":[{"SequenceNumber":"49","ApproximateArrivalTimestamp":1421889722.123,"#
            .to_string()
            + r#""Data":"AP8=","PartitionKey":"k\""}],"NextShardIterator":"AAAA","MillisBehindLatest":0}"#
    );
}

#[test]
fn whole_seconds_have_no_fraction() {
    let consumer = Consumer {
        consumer_creation_timestamp: Timestamp::from_seconds(1_421_889_722),
        consumer_status: ConsumerStatus::Creating,
        ..Consumer::default()
    };
    let text =
        body::<op::RegisterStreamConsumer>(Codec::Json, RegisterStreamConsumerOutput { consumer });
    assert_eq!(
        std::str::from_utf8(&text).unwrap(),
        r#"{"Consumer":{"ConsumerName":"","ConsumerARN":"","ConsumerStatus":"CREATING","ConsumerCreationTimestamp":1421889722}}"#
    );
}

#[test]
fn cbor_has_byte_strings_and_tagged_milliseconds() {
    let bytes = body::<op::GetRecords>(Codec::Cbor, two_records());
    let expected = [
        "a3", // three members
        "67",
        "5265636f726473",
        "81", // Records: one
        "a4", // four members
        "6e",
        "53657175656e63654e756d626572",
        "62",
        "3439", // SequenceNumber: 49
        "78",
        "1b",
        "417070726f78696d6174654172726976616c54696d657374616d70", // ApproximateArrivalTimestamp
        "c1",
        "1b",
        "0000014b0f3f6e0b", // 1(milliseconds)
        "64",
        "44617461",
        "42",
        "00ff", // Data: two bytes
        "6c",
        "506172746974696f6e4b6579",
        "62",
        "6b22", // PartitionKey: k"
        "71",
        "4e6578745368617264497465726174",
        "6f72",
        "64",
        "41414141", // NextShardIterator: AAAA
        "72",
        "4d696c6c6973426568696e644c6174657374",
        "00", // MillisBehindLatest: 0
    ];
    let millis = format!("{:016x}", 1_421_889_722_123_u64);
    assert_eq!(hex(&bytes), expected.concat().replace("0000014b0f3f6e0b", &millis));
}

#[test]
fn no_output_is_an_empty_body() {
    assert!(body::<op::CreateStream>(Codec::Json, ()).is_empty());
    assert!(body::<op::CreateStream>(Codec::Cbor, ()).is_empty());
}

#[test]
fn a_put_as_the_sdks_send_it() {
    let json = Bytes::from_static(
        br#"{"StreamName":"a","Records":[{"Data":"AP8=","PartitionKey":"k"}],"FromTheFuture":[1,{"a":null}]}"#,
    );
    let input = op::PutRecords::decode(Codec::Json, &json).unwrap();
    assert_eq!(input.records[0].data[..], [0, 255]);
    assert_eq!(input.records[0].partition_key.as_deref(), Some("k"));
    let cbor = codec::encode(Codec::Cbor, &input, 0);
    assert_eq!(op::PutRecords::decode(Codec::Cbor, &cbor).unwrap(), input);
}

#[test]
fn what_serde_refuses_and_aws_converts_is_converted() {
    let json = Bytes::from_static(
        br#"{"StreamName":"a","StreamName":"b","Limit":7.9,"ExclusiveStartShardId":null}"#,
    );
    let input = op::DescribeStream::decode(Codec::Json, &json).unwrap();
    assert_eq!(input.stream_name.as_deref(), Some("b"));
    assert_eq!(input.limit, Some(7));
    let json = Bytes::from_static(
        br#"{"StreamName":"a","Data":"AP8=","DryRun":"TRUE","SequenceNumberForOrdering":"0"}"#,
    );
    let input = op::PutRecord::decode(Codec::Json, &json).unwrap();
    assert_eq!(input.dry_run, Some(true));
    assert_eq!(input.data[..], [0, 255]);
}

#[test]
fn a_faults_body_keeps_its_capital() {
    let fault = model::kinesis::faults::resource_not_found_exception("no \"a\"");
    assert_eq!(fault.status, 400);
    let text = codec::encode_fault(Codec::Json, &fault);
    assert_eq!(&text[..], br#"{"__type":"ResourceNotFoundException","message":"no \"a\""}"#);
    assert_eq!(codec::decode_fault(Codec::Json, 400, &text), fault);
    let fault = wire::Fault::serialization("Expected null");
    let text = codec::encode_fault(Codec::Json, &fault);
    assert_eq!(&text[..], br#"{"__type":"SerializationException","Message":"Expected null"}"#);
    let bytes = codec::encode_fault(Codec::Cbor, &fault);
    assert_eq!(codec::decode_fault(Codec::Cbor, 400, &bytes), fault);
    let bare = wire::Fault::bare("UnknownOperationException");
    assert_eq!(
        &codec::encode_fault(Codec::Json, &bare)[..],
        br#"{"__type":"UnknownOperationException"}"#
    );
    assert_eq!(
        &codec::encode_fault(Codec::Cbor, &bare)[..],
        b"\xbf\x66__type\x78\x19UnknownOperationException\xff"
    );
    assert_eq!(model::kinesis::faults::internal_failure_exception("").status, 500);
}

#[test]
fn enums_keep_what_they_do_not_know() {
    let json = Bytes::from_static(br#"{"EncryptionType":"ROT13"}"#);
    let record: PutRecordsOutput =
        codec::read(Codec::Json, &Bytes::from([&b"{\"Records\":[],"[..], &json[1..]].concat()))
            .unwrap();
    assert_eq!(record.encryption_type, Some(EncryptionType::Unknown("ROT13".to_string())));
    assert_eq!(EncryptionType::from("KMS"), EncryptionType::Kms);
    assert_eq!(ShardIteratorType::AtSequenceNumber.to_string(), "AT_SEQUENCE_NUMBER");
    assert_eq!(StreamMode::VALUES, ["PROVISIONED", "ON_DEMAND"]);
}
