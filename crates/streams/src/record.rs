//! How a record lies in its shard's log. The bytes are described in `docs/format.md`.
//!
//! `kind (1) | key length (LEB128, at most 2 bytes) | partition key | data`

use bytes::{Buf, BufMut, Bytes, BytesMut};

const PLAIN: u8 = 1;
const KMS: u8 = 2;
/// 256 characters of at most four bytes.
const KEY_BYTES_MAX: usize = 1024;

/// A record as it was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordBody {
    /// What it was routed by.
    pub partition_key: Bytes,
    /// What it carries.
    pub data: Bytes,
    /// Whether the stream was encrypted when it arrived.
    pub encrypted: bool,
}

/// What a record takes in its log besides data and key, at most.
pub(crate) const OVERHEAD_BYTES_MAX: usize = 3;

/// How many bytes [`write`] will append at most.
pub(crate) fn bytes_of(partition_key: &str, data: &[u8]) -> usize {
    OVERHEAD_BYTES_MAX + partition_key.len() + data.len()
}

/// Appends a record to `buffer`.
pub(crate) fn write(buffer: &mut BytesMut, partition_key: &str, data: &[u8], encrypted: bool) {
    let key_bytes = partition_key.len();
    debug_assert!(key_bytes <= KEY_BYTES_MAX, "the model bounds partition keys");
    buffer.reserve(bytes_of(partition_key, data));
    buffer.put_u8(if encrypted { KMS } else { PLAIN });
    if key_bytes < 0x80 {
        buffer.put_u8(key_bytes as u8);
    } else {
        buffer.put_u8(0x80 | (key_bytes & 0x7f) as u8);
        buffer.put_u8((key_bytes >> 7) as u8);
    }
    buffer.put_slice(partition_key.as_bytes());
    buffer.put_slice(data);
}

/// Reads a record out of its shard's log without copying it. `None` if these are not a record's bytes.
pub fn read(mut payload: Bytes) -> Option<RecordBody> {
    let encrypted = match *payload.first()? {
        PLAIN => false,
        KMS => true,
        _ => return None,
    };
    let low = usize::from(*payload.get(1)?);
    let (key_bytes, key_at) = if low < 0x80 {
        (low, 2)
    } else {
        let high = usize::from(*payload.get(2)?);
        ((low & 0x7f) | (high << 7), 3)
    };
    let data_at = key_at + key_bytes;
    if data_at > payload.len() || std::str::from_utf8(&payload[key_at..data_at]).is_err() {
        return None;
    }
    let partition_key = payload.slice(key_at..data_at);
    payload.advance(data_at);
    Some(RecordBody { partition_key, data: payload, encrypted })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(partition_key: &str, data: &[u8], encrypted: bool) -> Bytes {
        let mut buffer = BytesMut::new();
        write(&mut buffer, partition_key, data, encrypted);
        buffer.freeze()
    }

    #[test]
    fn golden_bytes() {
        assert_eq!(&written("ab", b"xyz", false)[..], b"\x01\x02abxyz");
        assert_eq!(&written("", b"", true)[..], b"\x02\x00");
        assert_eq!(&written(&"k".repeat(200), b"", false)[..3], b"\x01\xc8\x01");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(key in "\\PC{0,256}", data: Vec<u8>, encrypted: bool) {
            let body = read(written(&key, &data, encrypted)).expect("a record");
            prop_assert_eq!(&body.partition_key[..], key.as_bytes());
            prop_assert_eq!(&body.data[..], &data[..]);
            prop_assert_eq!(body.encrypted, encrypted);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = read(Bytes::from(bytes));
        }
    }
}
