//! The fuzz targets' corpus of inputs: cut at every byte and with every bit flipped nothing does harm.
#![allow(clippy::disallowed_methods, reason = "the corpus is files")]

use std::fs;
use std::path::Path;

use bytes::Bytes;
use wire::{Codec, Endpoint};

use crate::service::Nobody;

const CODECS: [Codec; 4] = [Codec::Json, Codec::Cbor, Codec::RpcCbor, Codec::Query];

/// As the fuzz target does it: the first byte says in which codec, the second of which operation.
/// Whether the input is believed.
fn decode(endpoints: &[Box<dyn Endpoint>], bytes: &[u8]) -> bool {
    let [codec, operation, body @ ..] = bytes else { return false };
    let endpoint = &endpoints[usize::from(*operation) % endpoints.len()];
    let codec = CODECS[usize::from(codec % 4)];
    endpoint.decode(codec, &Bytes::copy_from_slice(body)).is_ok()
}

/// Bodies of an operation in a codec.
fn examples(endpoints: &[Box<dyn Endpoint>], bodies: &[(&str, Codec, &[u8])]) -> Vec<Vec<u8>> {
    let example = |(operation, codec, body): &(&str, Codec, &[u8])| {
        let codec = CODECS.iter().position(|own| own == codec).unwrap();
        let index = endpoints.iter().position(|own| own.info().name == *operation).unwrap();
        [&[codec as u8, index as u8], *body].concat()
    };
    bodies.iter().map(example).collect()
}

/// With `LEVADA_WRITE_CORPUS` set it writes the examples first.
fn replay(name: &str, endpoints: &[Box<dyn Endpoint>], bodies: &[(&str, Codec, &[u8])]) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    for (index, example) in examples(endpoints, bodies).iter().enumerate() {
        let path = corpus.join(format!("example-{index}"));
        if std::env::var_os("LEVADA_WRITE_CORPUS").is_some() {
            fs::create_dir_all(&corpus).unwrap();
            fs::write(&path, example).unwrap();
        }
        assert_eq!(fs::read(&path).unwrap(), *example, "{}", path.display());
        assert!(decode(endpoints, example), "{name} {index} is not believed");
    }
    for file in fs::read_dir(corpus).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        (0..bytes.len()).for_each(|cut| _ = decode(endpoints, &bytes[..cut]));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            decode(endpoints, &flipped);
        }
    }
}

#[test]
fn no_cut_and_no_flip_of_an_input_does_harm() {
    let endpoints = model::kinesis::routes(std::sync::Arc::new(Nobody));
    let put: &[u8] = br#"{"StreamName":"orders","Data":"aGVsbG8=","PartitionKey":"k"}"#;
    let puts: &[u8] = br#"{"StreamName":"orders","Records":[{"Data":"","PartitionKey":"a"},{"Data":"aGk=","PartitionKey":"b","ExplicitHashKey":"12"}]}"#;
    let list: &[u8] = br#"{"StreamName":"orders","ShardFilter":{"Type":"AT_TIMESTAMP","Timestamp":1.7e9},"MaxResults":10}"#;
    // {"StreamName": "orders", "Data": h'68656c6c6f', "PartitionKey": "k"}
    let cbor: &[u8] = b"\xa3jStreamNameforders\x64Data\x45hello\x6cPartitionKey\x61k";
    let bodies = [
        ("PutRecord", Codec::Json, put),
        ("PutRecords", Codec::Json, puts),
        ("ListShards", Codec::Json, list),
        ("PutRecord", Codec::Cbor, cbor),
        ("ListStreams", Codec::Query, &b"Limit=3"[..]),
    ];
    replay("kinesis_input", &endpoints, &bodies);
}

#[test]
fn no_cut_and_no_flip_of_an_input_of_firehose_does_harm() {
    let endpoints = model::firehose::routes(std::sync::Arc::new(Nobody));
    let put: &[u8] = br#"{"DeliveryStreamName":"d","Record":{"Data":"aGVsbG8="}}"#;
    let create: &[u8] = br#"{"DeliveryStreamName":"d","ExtendedS3DestinationConfiguration":{"RoleARN":"arn:aws:iam::000000000000:role/r","BucketARN":"arn:aws:s3:::b","BufferingHints":{"SizeInMBs":5}}}"#;
    let bodies = [("PutRecord", Codec::Json, put), ("CreateDeliveryStream", Codec::Json, create)];
    replay("firehose_input", &endpoints, &bodies);
}
