use bytes::Bytes;
use proptest::prelude::*;
use wire::limits::NESTING_MAX;
use wire::{Codec, Timestamp, Value, cbor, codec};

use crate::values::any_value;

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn parse(text: &str) -> Result<Value, cbor::Error> {
    cbor::parse(&unhex(text))
}

#[test]
fn reads_the_examples_of_rfc_8949() {
    let cases = [
        ("00", Value::Integer(0)),
        ("1818", Value::Integer(24)),
        ("1a000f4240", Value::Integer(1_000_000)),
        ("1b000000e8d4a51000", Value::Integer(1_000_000_000_000)),
        ("1bffffffffffffffff", Value::Float(18_446_744_073_709_551_615.0)),
        ("20", Value::Integer(-1)),
        ("3903e7", Value::Integer(-1000)),
        ("3b7fffffffffffffff", Value::Integer(i64::MIN)),
        ("3bffffffffffffffff", Value::Float(-18_446_744_073_709_551_616.0)),
        ("f90000", Value::Float(0.0)),
        ("f93c00", Value::Float(1.0)),
        ("f97bff", Value::Float(65504.0)),
        ("f90001", Value::Float(5.960_464_477_539_063e-8)),
        ("f9c400", Value::Float(-4.0)),
        ("f97c00", Value::Float(f64::INFINITY)),
        ("fa47c35000", Value::Float(100_000.0)),
        ("fb3ff199999999999a", Value::Float(1.1)),
        ("f4", Value::Boolean(false)),
        ("f5", Value::Boolean(true)),
        ("f6", Value::Null),
        ("f7", Value::Null),
        ("4401020304", Value::Bytes(Bytes::from_static(&[1, 2, 3, 4]))),
        ("6449455446", Value::String("IETF".to_string())),
        ("5f42010243030405ff", Value::Bytes(Bytes::from_static(&[1, 2, 3, 4, 5]))),
        ("7f657374726561646d696e67ff", Value::String("streaming".to_string())),
        ("9fff", Value::List(vec![])),
        ("83010203", Value::List(vec![1, 2, 3].into_iter().map(Value::Integer).collect())),
        (
            "bf6146f563416d7421ff",
            Value::Map(vec![
                ("F".to_string(), Value::Boolean(true)),
                ("Amt".to_string(), Value::Integer(-2)),
            ]),
        ),
        // Tags are skipped, except the one for time.
        (
            "c074323031332d30332d32315432303a30343a30305a",
            Value::String("2013-03-21T20:04:00Z".to_string()),
        ),
        ("c11a514b67b0", Value::Timestamp(Timestamp(1_363_896_240))),
        ("c1fb41d452d9ec200000", Value::Timestamp(Timestamp(1_363_896_241))),
    ];
    for (text, expected) in cases {
        assert_eq!(parse(text), Ok(expected), "{text}");
    }
}

#[test]
fn refuses_what_is_malformed() {
    // Cut off, reserved, stray breaks, mixed chunks, bad UTF-8, a map without its last value.
    for text in [
        "",
        "18",
        "1c",
        "3f",
        "df",
        "fe",
        "ff",
        "81ff",
        "a161ff",
        "bf6161ff",
        "5f6161ff",
        "7f7f6161ffff",
        "61ff",
        "7f61ffff",
        "a16161",
        "82 01",
        "9f",
        "9bffffffffffffffff",
        "5bffffffffffffffff",
        "bbffffffffffffffff",
        "0000",
        "f8ff",
        "f820",
        "c1",
        "c1ff",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
    for text in [
        "a161ff",
        "bf6161ff",
        "81ff",
        "9bffffffffffffffff",
        "bbffffffffffffffff",
        "9f5f6161ffff",
        "a0a0",
    ] {
        assert!(!cbor::is_well_formed(&unhex(text)), "{text}");
    }
    for text in ["a0", "80", "bf6161a0ff", "9f9fffff", "bf61619f01ff6162bfffff", "d9d9f7a0"] {
        assert_eq!(cbor::is_well_formed(&unhex(text)), !text.starts_with('d'), "{text}");
    }
}

#[test]
fn depth_is_bounded_everywhere() {
    for (open, close) in [("81", ""), ("9f", "ff"), ("a160", ""), ("bf60", "ff")] {
        for (depth, fits) in [(NESTING_MAX, true), (NESTING_MAX + 1, false), (100_000, false)] {
            let text = unhex(&(open.repeat(depth) + "00" + &close.repeat(depth)));
            assert_eq!(cbor::parse(&text).is_ok(), fits, "{open} {depth}");
            assert_eq!(cbor::is_well_formed(&text), fits, "{open} {depth}");
        }
    }
    // Tags nest without end, but cost no stack.
    assert_eq!(parse(&("c2".repeat(100_000) + "00")), Ok(Value::Integer(0)));
}

proptest! {
    #[test]
    fn every_value_survives(value in any_value()) {
        let bytes = codec::encode(Codec::Cbor, &value, 0);
        prop_assert_eq!(cbor::parse(&bytes), Ok(value));
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let parsed = cbor::parse(&bytes);
        let is_container = matches!(parsed, Ok(Value::List(_) | Value::Map(_)));
        // Skipping accepts names that are no texts, and points in time of any type; parsing does not.
        if is_container && bytes[0] >> 5 != 6 {
            prop_assert!(cbor::is_well_formed(&bytes));
        }
    }
}
