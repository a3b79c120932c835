//! Inputs of every operation, drawn from the model, and damaged.

use bytes::Bytes;
use model::kinesis::{OPERATIONS, SCHEMA};
use stdx::Entropy;
use wire::schema::{ShapeId, Type};
use wire::{OperationInfo, Value};

const NAMES: &[&str] = &["a", "b", "c", "d.e-f_0"];
const SHARDS: &[&str] = &["0", "1", "shardId-000000000000", "shardId-000000000003", "x"];
/// None makes a stream of many shards: then the server would rightly grow.
const NUMBERS: &[i64] = &[0, 1, 2, 24, 25, 100, 10_001, -1, i32::MAX as i64, i64::MIN, i64::MAX];
const COUNTS: &[i64] = &[1, 2, 3, 4, 1, 2, 3, 4, 0, -1, i32::MAX as i64, i64::MAX];
const DIGITS: &[&str] = &["0", "1", "170141183460469231731687303715884105728", "9999", "-1", "00"];
const DEEP: u64 = 300;

/// A seeded source of choices.
pub(super) struct Dice(pub(super) Entropy);

impl Dice {
    pub(super) fn below(&self, bound: usize) -> usize {
        self.0.below(bound.max(1) as u64) as usize
    }

    pub(super) fn chance(&self, percent: u64) -> bool {
        self.0.below(100) < percent
    }

    pub(super) fn pick<'a, T>(&self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    pub(super) fn bytes(&self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.fill(&mut bytes);
        bytes
    }
}

/// An operation and an input that has the right types and mostly keeps the constraints.
pub(super) fn call(dice: &Dice, iterators: &[String]) -> (&'static OperationInfo, Value) {
    let operation = *dice.pick(OPERATIONS);
    let input = format!("{}Input", operation.name);
    let id = SCHEMA.shapes.iter().position(|shape| shape.name == input).expect("every input");
    (operation, value(dice, ShapeId(id as u16), "", iterators))
}

fn value(dice: &Dice, id: ShapeId, member: &str, iterators: &[String]) -> Value {
    let shape = SCHEMA.shape(id);
    match &shape.body {
        Type::Structure(members) => {
            let kept = members.iter().filter(|member| member.required || dice.chance(60));
            let entry = |member: &wire::schema::Member| {
                (member.name.to_owned(), value(dice, member.shape, member.name, iterators))
            };
            Value::Map(kept.map(entry).collect())
        }
        Type::List { member, .. } => {
            let count = dice.below(4);
            Value::List((0..count).map(|_| value(dice, *member, "", iterators)).collect())
        }
        Type::Map { value: shape, .. } => {
            let keys = NAMES[..dice.below(NAMES.len())].iter();
            Value::Map(
                keys.map(|key| ((*key).to_owned(), value(dice, *shape, "", iterators))).collect(),
            )
        }
        Type::String(text) if !text.values.is_empty() => {
            Value::String((*dice.pick(text.values)).to_owned())
        }
        Type::String(_) => Value::String(text(dice, shape.name, iterators)),
        Type::Blob(_) => {
            let len = if dice.chance(2) { 20_000 } else { dice.below(64) };
            Value::Bytes(Bytes::from(dice.bytes(len)))
        }
        Type::Boolean => Value::Boolean(dice.chance(50)),
        Type::Timestamp => Value::Integer(*dice.pick(NUMBERS)),
        Type::Integer(_) | Type::Long(_) | Type::Double(_) => {
            let is_count = matches!(member, "ShardCount" | "TargetShardCount");
            Value::Integer(*dice.pick(if is_count { COUNTS } else { NUMBERS }))
        }
    }
}

fn text(dice: &Dice, shape: &str, iterators: &[String]) -> String {
    let name = dice.pick(NAMES);
    let arn = |kind: &str| format!("arn:aws:kinesis:us-east-1:000000000000:{kind}/{name}");
    match shape {
        "StreamARN" | "ResourceARN" => arn("stream"),
        "ConsumerARN" => arn("stream") + "/consumer/app:1700000000",
        "ChannelARN" => arn("channel"),
        "QueueARN" => arn("queue"),
        "ShardId" => (*dice.pick(SHARDS)).to_owned(),
        "ShardIterator" if !iterators.is_empty() => dice.pick(iterators).clone(),
        "HashKey" | "SequenceNumber" => (*dice.pick(DIGITS)).to_owned(),
        "Policy" => r#"{"Version":"2012-10-17","Statement":[]}"#.to_owned(),
        _ => (*name).to_owned(),
    }
}

/// Puts something else in one place.
pub(super) fn damage(dice: &Dice, value: &mut Value) {
    let inner = match value {
        Value::Map(entries) if !entries.is_empty() => {
            let at = dice.below(entries.len());
            if dice.chance(5) {
                let twin = entries[at].clone();
                entries.push(twin);
            } else if dice.chance(5) {
                entries.remove(at);
                return;
            }
            Some(&mut entries[at].1)
        }
        Value::List(elements) if !elements.is_empty() => {
            let at = dice.below(elements.len());
            Some(&mut elements[at])
        }
        _ => None,
    };
    match inner {
        Some(inner) if dice.chance(85) => damage(dice, inner),
        _ => *value = odd(dice),
    }
}

fn odd(dice: &Dice) -> Value {
    match dice.below(14) {
        0 => Value::Null,
        1 => Value::Boolean(true),
        2 => Value::Integer(*dice.pick(NUMBERS)),
        3 => Value::Float(*dice.pick(&[0.5, -1e308, 1e308, f64::MIN_POSITIVE, 9.3e18])),
        4 => Value::String(String::new()),
        5 => Value::String("\u{0}\u{feff}\u{202e}\u{1f600}".to_owned()),
        6 => Value::String("a".repeat(*dice.pick(&[129, 257, 513, 2049, 30_000]))),
        7 => Value::String("%s{}'\"\\<script>; DROP TABLE".to_owned()),
        8 => Value::List(Vec::new()),
        9 => Value::Map(Vec::new()),
        10 => Value::Bytes(Bytes::from(dice.bytes(16))),
        11 => Value::List(vec![Value::Map(Vec::new()); *dice.pick(&[1, 11, 501])]),
        12 => (0..dice.0.below(DEEP)).fold(Value::Null, |inner, _| Value::List(vec![inner])),
        _ => (0..dice.0.below(DEEP))
            .fold(Value::Null, |inner, _| Value::Map(vec![("a".to_owned(), inner)])),
    }
}

/// Flips, cuts, doubles and inserts, up to three times.
pub(super) fn damage_bytes(dice: &Dice, bytes: &mut Vec<u8>) {
    for _ in 0..=dice.below(3) {
        if bytes.is_empty() {
            return;
        }
        let at = dice.below(bytes.len());
        let end = (at + 1 + dice.below(16)).min(bytes.len());
        match dice.below(5) {
            0 => bytes[at] ^= 1 << dice.below(8),
            1 => bytes.truncate(at),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let twin = bytes[at..end].to_vec();
                bytes.splice(at..at, twin);
            }
            _ => drop(bytes.splice(at..at, dice.bytes(4))),
        }
    }
}
