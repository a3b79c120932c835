//! Random values, for the round trips.

use proptest::prelude::*;
use wire::{Timestamp, Value};

/// Anything that CBOR carries without loss.
pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        any::<i64>().prop_map(Value::Integer),
        finite().prop_map(Value::Float),
        "\\PC{0,12}".prop_map(Value::String),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| Value::Bytes(bytes.into())),
        any::<i64>().prop_map(|millis| Value::Timestamp(Timestamp(millis))),
    ];
    nested(leaf)
}

/// Anything that JSON carries without loss.
pub(crate) fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        any::<i64>().prop_map(Value::Integer),
        "\\PC{0,12}".prop_map(Value::String),
    ];
    nested(leaf)
}

fn finite() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("JSON and equality want finite numbers", |number| number.is_finite())
}

fn nested(leaf: impl Strategy<Value = Value> + 'static) -> impl Strategy<Value = Value> {
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::List),
            prop::collection::vec(("[a-z]{0,6}", inner), 0..8).prop_map(Value::Map),
        ]
    })
}
