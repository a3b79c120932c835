use proptest::prelude::*;
use wire::{Codec, Value, codec, json};

use crate::values::json_value;

#[test]
fn only_containers_are_well_formed_bodies() {
    for (text, expected) in [
        ("{}", true),
        (" [1]\n", true),
        ("null", false),
        ("\"a\"", false),
        ("", false),
        ("{", false),
        ("{} {}", false),
        ("{\"a\":01}", false),
    ] {
        assert_eq!(codec::is_well_formed(Codec::Json, text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn depth_costs_no_stack() {
    let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
    assert!(json::parse(deep.as_bytes()).is_err());
    let _ = json::is_well_formed(deep.as_bytes());
}

#[test]
fn numbers_beyond_64_bits_are_floats() {
    assert_eq!(
        json::parse(b"18446744073709551615").unwrap(),
        Value::Float(18_446_744_073_709_551_615.0)
    );
    assert_eq!(json::parse(b"-9223372036854775808").unwrap(), Value::Integer(i64::MIN));
}

proptest! {
    #[test]
    fn every_value_survives(value in json_value()) {
        let text = codec::encode(Codec::Json, &value, 0);
        prop_assert_eq!(json::parse(&text).unwrap(), value);
    }

    #[test]
    fn random_text_never_panics(text in "\\PC{0,64}") {
        let _ = json::parse(text.as_bytes());
        let _ = json::is_well_formed(text.as_bytes());
    }
}
