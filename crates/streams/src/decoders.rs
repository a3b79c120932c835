//! Every decoder of bytes that this crate has written, as a function of bytes that anybody may have
//! written: what the fuzz targets run, and what a test runs over their corpus. Each says whether the
//! bytes are believed; none may panic, and what is believed means the same when it is written again.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use store::decoders::{table_key, table_row};

use crate::record;
use crate::sequence::{GivenNumber, SequenceNumber};
use crate::shard::parse_shard_id;
use crate::stream::{parse_stream_id, stream_id};
use crate::tables;

/// A decoder: its fuzz target's name, and whether it believes bytes.
pub type Decoder = (&'static str, fn(&[u8]) -> bool);

/// All of them.
pub const DECODERS: &[Decoder] = &[
    ("stream_key", table_key::<tables::Streams>),
    ("stream_row", table_row::<tables::Streams>),
    ("shard_key", table_key::<tables::Shards>),
    ("shard_row", table_row::<tables::Shards>),
    ("consumer_key", table_key::<tables::Consumers>),
    ("consumer_row", table_row::<tables::Consumers>),
    ("account_key", table_key::<tables::Accounts>),
    ("account_row", table_row::<tables::Accounts>),
    ("stream_record", stream_record),
    ("given_number", given_number),
    ("given_id", given_id),
];

fn stream_record(bytes: &[u8]) -> bool {
    record::read(Bytes::copy_from_slice(bytes)).is_some()
}

/// A sequence number that a caller gives.
fn given_number(bytes: &[u8]) -> bool {
    let Ok(digits) = std::str::from_utf8(bytes) else { return false };
    let Some(number) = GivenNumber::parse(digits) else { return false };
    if let GivenNumber::Current(number) = number {
        let again = SequenceNumber::parse(&number.to_string());
        assert_eq!(again, Some(number), "a number that reads as another");
    }
    true
}

/// A shard's or a stream's id that a caller gives.
fn given_id(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let stream = parse_stream_id(text);
    assert!(stream.is_none_or(|own| stream_id(own) == text), "an id that reads as another");
    stream.is_some() || parse_shard_id(text).is_some()
}
