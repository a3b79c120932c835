//! Bytes that are base64 text in JSON and a byte string in CBOR.

use std::cell::RefCell;
use std::fmt;
use std::ops::Deref;

use base64_simd::Out;
use bytes::{Bytes, BytesMut};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

/// A blob member of an AWS shape. JSON with blobs in it is written by [`crate::codec`]: `serde_json` by
/// itself would make lists of numbers of them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Blob(pub Bytes);

impl Deref for Blob {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Bytes> for Blob {
    fn from(bytes: Bytes) -> Self {
        Blob(bytes)
    }
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Self {
        Blob(bytes.into())
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} bytes)", self.0.len())
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Our JSON writes bytes as base64, straight to where they go.
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            // As bytes: what base64 refuses need not be proven to be UTF-8 first.
            deserializer.deserialize_bytes(Base64)
        } else {
            deserializer.deserialize_bytes(Raw)
        }
    }
}

/// Small blobs share buffers of this size: a request of 500 records then allocates a few dozen
/// times, not 500. Whoever keeps one small blob keeps at most this much with it.
const SHARED_BYTES: usize = 32 * 1024;

thread_local! {
    static SHARED: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// Decodes base64 text; `None` if it is none.
fn decode_base64(text: &[u8]) -> Option<Bytes> {
    let length = base64_simd::STANDARD.decoded_length(text).ok()?;
    if length > SHARED_BYTES / 4 {
        return base64_simd::STANDARD.decode_to_vec(text).ok().map(Bytes::from);
    }
    SHARED.with_borrow_mut(|shared| {
        if shared.capacity() < length {
            *shared = BytesMut::with_capacity(SHARED_BYTES);
        }
        shared.resize(length, 0);
        let decoded = base64_simd::STANDARD
            .decode(text, Out::from_slice(shared.as_mut()))
            .map(|decoded| decoded.len());
        let Ok(decoded) = decoded else {
            shared.clear();
            return None;
        };
        shared.truncate(decoded);
        Some(shared.split().freeze())
    })
}

struct Base64;

impl Visitor<'_> for Base64 {
    type Value = Blob;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("base64 text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Blob, E> {
        self.visit_bytes(text.as_bytes())
    }

    fn visit_bytes<E: de::Error>(self, text: &[u8]) -> Result<Blob, E> {
        decode_base64(text).map(Blob).ok_or_else(|| E::custom("not base64"))
    }
}

struct Raw;

impl Visitor<'_> for Raw {
    type Value = Blob;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a byte string")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Blob, E> {
        Ok(Blob(Bytes::copy_from_slice(bytes)))
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Blob, E> {
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_not_base64_leaves_no_trace() {
        assert_eq!(decode_base64(b"aGVsbG8="), Some(Bytes::from_static(b"hello")));
        for wrong in ["aGVsbG8", "a===", "aGVsbG8\u{e9}", "!!!!"] {
            assert_eq!(decode_base64(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(decode_base64(b"aGk="), Some(Bytes::from_static(b"hi")));
        assert_eq!(decode_base64(b""), Some(Bytes::new()));
    }

    proptest! {
        #[test]
        fn blobs_that_share_a_buffer_do_not_touch(
            blobs in proptest::collection::vec(
                proptest::collection::vec(any::<u8>(), 0..20_000), 1..12),
        ) {
            let decoded: Vec<_> = blobs
                .iter()
                .map(|blob| decode_base64(base64_simd::STANDARD.encode_to_string(blob).as_bytes()))
                .collect();
            for (blob, decoded) in blobs.iter().zip(decoded) {
                prop_assert_eq!(decoded.as_deref(), Some(&blob[..]));
            }
        }
    }
}
