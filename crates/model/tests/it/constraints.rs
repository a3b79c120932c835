//! Every constraint of the table, broken once in every input that reaches it: the generated checks
//! and the explainer must agree, in both codecs.

use bytes::Bytes;
use model::kinesis::{OPERATIONS, SCHEMA};
use wire::schema::{Bounds, ShapeId, Text, Type};
use wire::{Codec, Endpoint, Timestamp, Value, codec};

use crate::service::endpoints;

/// One of these satisfies each pattern of the model.
const SAMPLES: &[&str] = &[
    "a",
    "0",
    "aaaaaaaaaaaaaaaaaaaa-aaa",
    "000000000000",
    "arn:aws:kinesis:us-east-1:000000000000:stream/a",
    "arn:aws:kinesis:us-east-1:000000000000:stream/a/consumer/c:1",
    "arn:aws:kinesis:us-east-1:000000000000:channel/a",
    "arn:aws:kinesis:us-east-1:000000000000:queue/a",
    "arn:aws:glue:us-east-1:000000000000:schema/a/a",
    "arn:aws:iam::000000000000:role/a",
    "arn:aws:s3:::aaa",
    "arn:aws:s3tables:us-east-1:000000000000:bucket/aaa",
];

/// Longer texts and bytes than this are proven elsewhere, once.
const LONGEST: i64 = 1 << 16;

/// A value of the shape with every member present.
fn valid(id: ShapeId) -> Value {
    match &SCHEMA.shape(id).body {
        Type::Blob(_) => Value::Bytes(Bytes::from_static(b"data")),
        Type::Boolean => Value::Boolean(true),
        Type::Double(_) => Value::Float(0.5),
        Type::Integer(bounds) | Type::Long(bounds) => Value::Integer(bounds.min.unwrap_or(1)),
        Type::Timestamp => Value::Timestamp(Timestamp(1_500)),
        Type::List { member, .. } => Value::List(vec![valid(*member)]),
        Type::Map { value, .. } => Value::Map(vec![("k".to_string(), valid(*value))]),
        Type::String(text) => Value::String(sample(text).to_string()),
        Type::Structure(members) => Value::Map(
            members.iter().map(|member| (member.name.to_string(), valid(member.shape))).collect(),
        ),
    }
}

fn sample(text: &Text) -> &'static str {
    if let Some(value) = text.values.first() {
        return value;
    }
    let fits = |sample: &&&str| text.pattern.is_none_or(|pattern| pattern.matches(sample));
    SAMPLES.iter().find(fits).unwrap_or_else(|| panic!("no sample for {text:?}"))
}

/// Every way to break a value of the shape, with the path that AWS would name.
fn broken(id: ShapeId, path: &str) -> Vec<(String, Value)> {
    let named = |value| (path.to_string(), value);
    match &SCHEMA.shape(id).body {
        Type::Integer(bounds) | Type::Long(bounds) => {
            beyond(*bounds).into_iter().map(|number| named(Value::Integer(number))).collect()
        }
        Type::String(text) => {
            texts_beyond(text).into_iter().map(Value::String).map(named).collect()
        }
        Type::List { member, length } => {
            let sizes = beyond(*length).into_iter().filter(|size| *size <= 512);
            let mut all: Vec<_> =
                sizes.map(|size| named(Value::List(vec![valid(*member); size as usize]))).collect();
            let is_structure = matches!(SCHEMA.shape(*member).body, Type::Structure(_));
            let inner = if is_structure { format!("{path}.1.member") } else { path.to_string() };
            for (path, element) in broken(*member, &inner) {
                all.push((path, Value::List(vec![element])));
            }
            all
        }
        Type::Map { value, length, .. } => {
            let mut all = Vec::new();
            if length.min.is_some_and(|min| min > 0) {
                all.push(named(Value::Map(vec![])));
            }
            for (path, value) in broken(*value, path) {
                all.push((path, Value::Map(vec![("k".to_string(), value)])));
            }
            all.push(named(Value::Map(vec![(String::new(), valid(*value))])));
            all
        }
        Type::Structure(_) => structures_beyond(id, path),
        Type::Blob(_) | Type::Boolean | Type::Double(_) | Type::Timestamp => vec![],
    }
}

fn structures_beyond(id: ShapeId, path: &str) -> Vec<(String, Value)> {
    let Type::Structure(members) = &SCHEMA.shape(id).body else { return vec![] };
    let with = |name: &str, value: Option<Value>| {
        let Value::Map(mut entries) = valid(id) else { panic!("a structure is a map") };
        entries.retain(|(entry, _)| entry != name);
        entries.extend(value.map(|value| (name.to_string(), value)));
        Value::Map(entries)
    };
    let mut all = Vec::new();
    for member in *members {
        let camel = member.name[..1].to_lowercase() + &member.name[1..];
        let path = if path.is_empty() { camel } else { format!("{path}.{camel}") };
        if member.required {
            all.push((path.clone(), with(member.name, None)));
        }
        for (path, value) in broken(member.shape, &path) {
            all.push((path, with(member.name, Some(value))));
        }
    }
    all
}

fn beyond(bounds: Bounds) -> Vec<i64> {
    let below = bounds.min.map(|min| min - 1);
    let above = bounds.max.map(|max| max + 1);
    below.into_iter().chain(above).collect()
}

fn texts_beyond(text: &Text) -> Vec<String> {
    let mut all = Vec::new();
    if text.length.min.is_some_and(|min| min > 0) {
        all.push(String::new());
    }
    if let Some(max) = text.length.max.filter(|max| *max < LONGEST) {
        all.push("a".repeat(max as usize + 1));
    }
    if let Some(pattern) = text.pattern {
        let no_match = ["\n", ":", " "].into_iter().find(|text| !pattern.matches(text));
        all.push(no_match.unwrap().to_string());
    }
    if !text.values.is_empty() {
        all.push("?".to_string());
    }
    all
}

fn input(operation: &str) -> ShapeId {
    let name = format!("{operation}Input");
    let index = SCHEMA.shapes.iter().position(|shape| shape.name == name);
    ShapeId(index.unwrap_or_else(|| panic!("no {name}")) as u16)
}

fn refusal(endpoint: &dyn Endpoint, codec: Codec, value: &Value) -> Option<String> {
    let body = codec::encode(codec, value, 0);
    let fault = endpoint.decode(codec, &body).err()?;
    assert_eq!(fault.code, "ValidationException", "{value:?}: {fault:?}");
    fault.message.map(|message| message.to_string())
}

#[test]
fn what_the_table_allows_is_read() {
    for endpoint in endpoints() {
        let value = valid(input(endpoint.info().name));
        for codec in [Codec::Json, Codec::Cbor] {
            assert_eq!(refusal(&*endpoint, codec, &value), None, "{}", endpoint.info().name);
        }
    }
}

#[test]
fn what_the_table_forbids_is_refused_by_its_path() {
    let mut count = 0;
    for endpoint in endpoints() {
        let operation = endpoint.info().name;
        for (path, value) in broken(input(operation), "") {
            for codec in [Codec::Json, Codec::Cbor] {
                let message = refusal(&*endpoint, codec, &value)
                    .unwrap_or_else(|| panic!("{operation} takes a broken {path}"));
                assert!(
                    message.contains(&format!(" at '{path}' ")),
                    "{operation} {path}: {message}"
                );
            }
            count += 1;
        }
    }
    assert!(count > 500, "only {count} broken inputs");
    assert_eq!(OPERATIONS.len(), 57);
}
