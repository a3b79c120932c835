//! awsJson bodies.

use std::io;
use std::mem::MaybeUninit;

use base64_simd::{Out, STANDARD};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::ser::{Formatter, Serializer};

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
    value.serialize(&mut Serializer::with_formatter(buffer, AwsJson)).is_ok()
}

/// Bytes that become text at a time: a multiple of three, so that only the last piece is padded.
const BASE64_STEP_BYTES: usize = 3 * 1024;

/// Compact JSON in which bytes are base64 text.
struct AwsJson;

impl Formatter for AwsJson {
    fn write_byte_array<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        bytes: &[u8],
    ) -> io::Result<()> {
        let mut text = [const { MaybeUninit::uninit() }; BASE64_STEP_BYTES / 3 * 4];
        writer.write_all(b"\"")?;
        for piece in bytes.chunks(BASE64_STEP_BYTES) {
            writer.write_all(STANDARD.encode(piece, Out::from_uninit_slice(&mut text)))?;
        }
        writer.write_all(b"\"")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Blob;

    proptest! {
        #[test]
        fn bytes_are_written_as_base64(bytes in proptest::collection::vec(any::<u8>(), 0..10_000)) {
            let mut written = Vec::new();
            prop_assert!(write(&Blob::from(bytes.clone()), &mut written));
            let expected = format!("\"{}\"", STANDARD.encode_to_string(&bytes));
            prop_assert_eq!(&written, expected.as_bytes());
            prop_assert_eq!(from_slice::<Blob>(&written).ok(), Some(bytes.into()));
        }
    }
}
