//! awsJson bodies.

use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::value::Value;

/// Reads a whole body.
pub fn from_slice<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(body)
}

/// Reads a whole body as a value.
pub fn parse(body: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice(body)
}

/// Whether a body is JSON, and an object or an array.
pub fn is_well_formed(body: &[u8]) -> bool {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    matches!(first, Some(b'{' | b'[')) && serde_json::from_slice::<IgnoredAny>(body).is_ok()
}

/// Writes to the end of a buffer; false if the value cannot be written.
pub(crate) fn write<T: Serialize>(value: &T, buffer: &mut Vec<u8>) -> bool {
    serde_json::to_writer(buffer, value).is_ok()
}
