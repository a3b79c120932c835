//! Random inputs through both codecs, and random bytes into every operation.

use bytes::Bytes;
use model::kinesis::op;
use model::kinesis::shapes::*;
use proptest::prelude::*;
use wire::{Codec, Operation, codec};

use crate::service::endpoints;

fn entry() -> impl Strategy<Value = PutRecordsRequestEntry> {
    (
        prop::collection::vec(any::<u8>(), 0..64),
        prop::option::of("[1-9][0-9]{0,37}"),
        prop::option::of("\\PC{1,40}"),
    )
        .prop_map(|(data, explicit_hash_key, partition_key)| PutRecordsRequestEntry {
            data: data.into(),
            explicit_hash_key,
            partition_key,
        })
}

fn input() -> impl Strategy<Value = PutRecordsInput> {
    ("[a-zA-Z0-9_.-]{1,128}", prop::collection::vec(entry(), 1..20), any::<Option<bool>>())
        .prop_map(|(name, records, dry_run)| PutRecordsInput {
            records,
            stream_name: Some(name),
            dry_run,
            ..PutRecordsInput::default()
        })
}

proptest! {
    #[test]
    fn puts_survive_both_codecs(input in input()) {
        for codec in [Codec::Json, Codec::Cbor] {
            let body = codec::encode(codec, &input, 0);
            prop_assert!(codec::is_well_formed(codec, &body));
            prop_assert_eq!(op::PutRecords::decode(codec, &body).unwrap(), input.clone());
        }
    }

    #[test]
    fn random_bytes_are_refused_in_peace(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        let bytes = Bytes::from(bytes);
        for endpoint in endpoints() {
            for codec in [Codec::Json, Codec::Cbor] {
                let _ = endpoint.decode(codec, &bytes);
            }
        }
    }

    /// A valid body with one byte changed: often still well-formed, seldom still valid.
    #[test]
    fn a_changed_byte_is_refused_in_peace(input in input(), at in any::<usize>(), byte in any::<u8>()) {
        for codec in [Codec::Json, Codec::Cbor] {
            let mut body = codec::encode(codec, &input, 0).to_vec();
            let at = at % body.len();
            body[at] = byte;
            if let Err(fault) = op::PutRecords::decode(codec, &body.into()) {
                prop_assert_eq!(fault.status, 400);
            }
        }
    }
}
