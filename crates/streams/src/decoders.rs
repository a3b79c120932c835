//! Every decoder of bytes that this crate has written, as a function of bytes that anybody may have
//! written: what the fuzz targets run, and what a test runs over their corpus. Each says whether the
//! bytes are believed; none may panic, and what is believed means the same when it is written again.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use store::Table;

use crate::record;
use crate::tables;

/// A decoder: its fuzz target's name, and whether it believes bytes.
pub type Decoder = (&'static str, fn(&[u8]) -> bool);

/// All of them.
pub const DECODERS: &[Decoder] = &[
    ("stream_key", key::<tables::Streams>),
    ("stream_row", row::<tables::Streams>),
    ("shard_key", key::<tables::Shards>),
    ("shard_row", row::<tables::Shards>),
    ("consumer_key", key::<tables::Consumers>),
    ("consumer_row", row::<tables::Consumers>),
    ("stream_record", stream_record),
];

fn key<T: Table>(bytes: &[u8]) -> bool {
    let Ok(key) = T::decode_key(bytes) else { return false };
    let mut again = Vec::new();
    T::encode_key(&key, &mut again);
    assert_eq!(again, bytes, "a key that reads as another");
    true
}

/// A row may hold fields of a later version, which are not written again.
fn row<T: Table>(bytes: &[u8]) -> bool {
    let Ok(row) = T::decode_row(bytes) else { return false };
    let (mut once, mut twice) = (Vec::new(), Vec::new());
    T::encode_row(&row, &mut once);
    let Ok(again) = T::decode_row(&once) else { panic!("what is written is not read") };
    T::encode_row(&again, &mut twice);
    assert_eq!(once, twice, "a row that reads as another");
    true
}

fn stream_record(bytes: &[u8]) -> bool {
    record::read(Bytes::copy_from_slice(bytes)).is_some()
}
