//! Whether each part has its type, or one that AWS's Java converts.

use bytes::Bytes;

use crate::schema::{Member, Schema, ShapeId, Type};
use crate::value::Value;
use crate::{Codec, Timestamp};

const LIST_UNEXPECTED: &str = "Start of list found where not expected";
const MAP_UNEXPECTED: &str = "Start of structure or map found where not expected.";

pub(super) fn conform(
    codec: Codec,
    schema: &'static Schema,
    id: ShapeId,
    value: Value,
) -> Result<Value, String> {
    if value == Value::Null {
        return Ok(Value::Null);
    }
    match &schema.shape(id).body {
        Type::Blob(_) => blob(codec, value),
        Type::Boolean => boolean(codec, value),
        Type::Double(_) => number(codec, "Double", value, Value::Float),
        Type::Integer(_) => {
            number(codec, "Integer", value, |float| Value::Integer(i64::from(float.floor() as i32)))
        }
        Type::Long(_) => number(codec, "Long", value, |float| Value::Integer(float.floor() as i64)),
        Type::List { member, .. } => list(codec, schema, *member, value),
        Type::Map { value: shape, .. } => map(codec, schema, *shape, value),
        Type::String(_) => string(codec, value),
        Type::Structure(members) => structure(codec, schema, members, value),
        Type::Timestamp => timestamp(codec, value),
    }
}

/// The Java class of a scalar, as AWS names it.
fn class(codec: Codec, value: &Value) -> &'static str {
    match (codec, value) {
        (_, Value::Boolean(_)) => "java.lang.Boolean",
        (_, Value::String(_)) => "java.lang.String",
        (Codec::Json, Value::Integer(_) | Value::Float(_)) => {
            "com.amazon.coral.value.json.numbers.TruncatingBigNumber"
        }
        // Nobody has recorded the CBOR names; these are Java's own for what CBOR holds.
        (_, Value::Integer(number)) if i32::try_from(*number).is_ok() => "java.lang.Integer",
        (_, Value::Integer(_)) => "java.lang.Long",
        (_, Value::Float(_)) => "java.lang.Double",
        (_, Value::Bytes(_)) => "java.nio.HeapByteBuffer",
        _ => "java.util.Date",
    }
}

/// What AWS says of a value that is no `target`. Its article depends on nothing but the target.
fn mismatch(codec: Codec, value: &Value, target: &str) -> String {
    match value {
        Value::List(_) => LIST_UNEXPECTED.to_string(),
        Value::Map(_) => MAP_UNEXPECTED.to_string(),
        scalar => format!("class {} can not be converted to {target}", class(codec, scalar)),
    }
}

fn string(codec: Codec, value: Value) -> Result<Value, String> {
    match value {
        Value::String(_) => Ok(value),
        other => Err(mismatch(codec, &other, "an String")),
    }
}

/// AWS takes some texts for truth, and refuses whole numbers but not fractions.
fn boolean(codec: Codec, value: Value) -> Result<Value, String> {
    match value {
        Value::Boolean(_) => Ok(value),
        Value::Float(number) => Ok(Value::Boolean(number != 0.0)),
        Value::String(text) => match text.to_uppercase().as_str() {
            "TRUE" | "YES" | "1" => Ok(Value::Boolean(true)),
            "FALSE" | "NO" | "0" => Ok(Value::Boolean(false)),
            upper => Err(format!("'{upper}' can not be converted to an Boolean")),
        },
        other => Err(mismatch(codec, &other, "an Boolean")),
    }
}

/// Numbers lose their fraction, and stop at their type's ends.
fn number(
    codec: Codec,
    target: &str,
    value: Value,
    narrow: impl Fn(f64) -> Value,
) -> Result<Value, String> {
    match value {
        Value::Integer(number) if target == "Long" => Ok(Value::Integer(number)),
        Value::Integer(number) => Ok(narrow(number as f64)),
        Value::Float(number) => Ok(narrow(number)),
        other => Err(mismatch(codec, &other, &format!("an {target}"))),
    }
}

/// JSON counts seconds, CBOR milliseconds, tagged or not.
fn timestamp(codec: Codec, value: Value) -> Result<Value, String> {
    let scale = match codec {
        Codec::Json | Codec::RpcCbor | Codec::Query => 1000.0,
        Codec::Cbor => 1.0,
    };
    let at = |number: f64| Value::Timestamp(Timestamp((number * scale).round() as i64));
    match value {
        Value::Timestamp(_) => Ok(value),
        Value::Integer(number) => Ok(at(number as f64)),
        Value::Float(number) => Ok(at(number)),
        other => Err(mismatch(codec, &other, "milliseconds since epoch")),
    }
}

fn blob(codec: Codec, value: Value) -> Result<Value, String> {
    match (codec, value) {
        (_, Value::Bytes(bytes)) => Ok(Value::Bytes(bytes)),
        (Codec::Json, Value::String(text)) => base64(&text)
            .map(Value::Bytes)
            .map_err(|why| format!("'{text}' can not be converted to a Blob: {why}")),
        (_, other) => Err(mismatch(codec, &other, "a Blob")),
    }
}

fn base64(text: &str) -> Result<Bytes, String> {
    let length = text.encode_utf16().count();
    if !length.is_multiple_of(4) {
        return Err(format!(
            "Base64 encoded length is expected a multiple of 4 bytes but found: {length}"
        ));
    }
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        // Padding ends a text, so whatever but padding follows it makes it invalid itself.
        let is_valid = match letter {
            '=' => letters.peek().is_none_or(|&next| next == '='),
            _ => letter.is_ascii_alphanumeric() || letter == '+' || letter == '/',
        };
        if !is_valid {
            return Err(format!("Invalid Base64 character: '{letter}'"));
        }
    }
    match base64_simd::STANDARD.decode_to_vec(text) {
        Ok(bytes) => Ok(bytes.into()),
        // AWS's spelling.
        Err(_) => Err("Invalid last non-pad Base64 character dectected".to_string()),
    }
}

fn list(
    codec: Codec,
    schema: &'static Schema,
    member: ShapeId,
    value: Value,
) -> Result<Value, String> {
    match value {
        Value::List(elements) => elements
            .into_iter()
            .map(|element| conform(codec, schema, member, element))
            .collect::<Result<_, _>>()
            .map(Value::List),
        Value::Map(_) => Err(MAP_UNEXPECTED.to_string()),
        _ => Err("Expected list or null".to_string()),
    }
}

fn map(
    codec: Codec,
    schema: &'static Schema,
    shape: ShapeId,
    value: Value,
) -> Result<Value, String> {
    match value {
        Value::Map(entries) => {
            let mut conforming: Vec<(String, Value)> = Vec::with_capacity(entries.len());
            for (name, value) in entries {
                conforming.push((name, conform(codec, schema, shape, value)?));
            }
            Ok(Value::Map(conforming))
        }
        Value::List(_) => Err(LIST_UNEXPECTED.to_string()),
        _ => Err("Expected map or null".to_string()),
    }
}

fn structure(
    codec: Codec,
    schema: &'static Schema,
    members: &'static [Member],
    value: Value,
) -> Result<Value, String> {
    match value {
        Value::Map(entries) => {
            let mut conforming: Vec<(String, Value)> = Vec::with_capacity(entries.len());
            for (name, value) in entries {
                let Some(member) = members.iter().find(|member| member.name == name) else {
                    continue;
                };
                let value = conform(codec, schema, member.shape, value)?;
                // A repeated name: the last one counts, as in a Java map.
                conforming.retain(|(earlier, _)| *earlier != name);
                if value != Value::Null {
                    conforming.push((name, value));
                }
            }
            Ok(Value::Map(conforming))
        }
        Value::List(_) => Err(LIST_UNEXPECTED.to_string()),
        _ => Err("Expected null".to_string()),
    }
}
