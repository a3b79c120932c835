//! Says in AWS's words why an input is refused: types first, then constraints.
//!
//! Nothing here runs for a valid input that serde reads. The words and their order are those that a
//! peer's tests recorded from AWS (`facts/streams.md` § 2.2); the generated table holds the rest.

mod constraints;
mod types;

use bytes::Bytes;

use crate::schema::{Schema, ShapeId};
use crate::value::Value;
use crate::{Codec, Fault, cbor, json};

/// Reads any body as an input of `shape`: a fault, or the input as CBOR, with everything converted
/// that AWS converts.
pub fn examine(
    codec: Codec,
    body: &Bytes,
    schema: &'static Schema,
    shape: ShapeId,
) -> Result<Bytes, Fault> {
    let parsed = match codec {
        Codec::Json => json::parse(body).ok(),
        Codec::Cbor | Codec::RpcCbor => cbor::parse(body).ok(),
        // A form has no types to explain.
        Codec::Query => None,
    };
    // AWS has no words for a body that does not parse, or is a bare scalar.
    let Some(value @ (Value::Map(_) | Value::List(_))) = parsed else {
        return Err(Fault::bare("SerializationException"));
    };
    let value = conform(codec, schema, shape, value)?;
    check(schema, shape, &value)?;
    let mut buffer = Vec::with_capacity(body.len());
    cbor::write(&value, &mut buffer);
    Ok(buffer.into())
}

/// Makes a value what the schema says, or says which part cannot be: a `SerializationException`.
/// Unknown members and absent ones (`null`) disappear.
pub fn conform(
    codec: Codec,
    schema: &'static Schema,
    shape: ShapeId,
    value: Value,
) -> Result<Value, Fault> {
    types::conform(codec, schema, shape, value).map_err(Fault::serialization)
}

/// Checks a conforming value against the constraints: a `ValidationException` with all that is
/// wrong, up to AWS's limit.
pub fn check(schema: &'static Schema, shape: ShapeId, value: &Value) -> Result<(), Fault> {
    let broken = constraints::broken(schema, shape, value);
    if broken.is_empty() {
        return Ok(());
    }
    let errors = if broken.len() == 1 { "error" } else { "errors" };
    Err(Fault::validation(format!(
        "{} validation {errors} detected: {}",
        broken.len(),
        broken.join("; ")
    )))
}
