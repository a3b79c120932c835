//! The Kinesis Producer Library's aggregated records. Source: its "KPL Aggregated Record Format":
//! a magic number, an `AggregatedRecord` of protocol buffers, and the MD5 of that.

use bytes::Bytes;
use md5::{Digest, Md5};
use prost::Message;

const MAGIC: [u8; 4] = [0xF3, 0x89, 0x9A, 0xC2];
const MD5_BYTES: usize = 16;

/// One of the records that a producer has put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRecord {
    /// Its partition key.
    pub partition_key: String,
    /// What it is routed by instead, if anything.
    pub explicit_hash_key: Option<String>,
    /// What it carries.
    pub data: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct AggregatedRecord {
    #[prost(string, repeated, tag = "1")]
    partition_keys: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    explicit_hash_keys: Vec<String>,
    #[prost(message, repeated, tag = "3")]
    records: Vec<Record>,
}

#[derive(Clone, PartialEq, Message)]
struct Record {
    #[prost(uint64, required, tag = "1")]
    partition_key: u64,
    #[prost(uint64, optional, tag = "2")]
    explicit_hash_key: Option<u64>,
    #[prost(bytes = "bytes", required, tag = "3")]
    data: Bytes,
}

/// The records within an aggregated one, in order; `None` if it is an ordinary record. What merely
/// begins like an aggregated record is an ordinary one, as it is to the Kinesis Client Library.
pub fn user_records(record: &Bytes) -> Option<Vec<UserRecord>> {
    if record.len() < MAGIC.len() + MD5_BYTES || record[..MAGIC.len()] != MAGIC {
        return None;
    }
    let message = record.slice(MAGIC.len()..record.len() - MD5_BYTES);
    if Md5::digest(&message)[..] != record[record.len() - MD5_BYTES..] {
        return None;
    }
    let AggregatedRecord { partition_keys, explicit_hash_keys, records } =
        AggregatedRecord::decode(message).ok()?;
    let user_record = |record: Record| {
        let explicit_hash_key = match record.explicit_hash_key {
            Some(index) => Some(explicit_hash_keys.get(index as usize)?.clone()),
            None => None,
        };
        let partition_key = partition_keys.get(record.partition_key as usize)?.clone();
        Some(UserRecord { partition_key, explicit_hash_key, data: record.data })
    };
    records.into_iter().map(user_record).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn aggregated(message: &AggregatedRecord) -> Bytes {
        let bytes = message.encode_to_vec();
        let parts = [&MAGIC[..], &bytes, &Md5::digest(&bytes)];
        Bytes::from(parts.concat())
    }

    fn sample() -> AggregatedRecord {
        let record = |partition_key, explicit_hash_key, data: &'static [u8]| Record {
            partition_key,
            explicit_hash_key,
            data: Bytes::from_static(data),
        };
        AggregatedRecord {
            partition_keys: vec!["a".to_owned(), "b".to_owned()],
            explicit_hash_keys: vec!["17".to_owned()],
            records: vec![
                record(0, None, b"one"),
                record(1, Some(0), b"two"),
                record(0, None, b""),
            ],
        }
    }

    #[test]
    fn records_come_out_in_order_with_their_keys() {
        let records = user_records(&aggregated(&sample())).expect("aggregated");
        let data: Vec<_> = records.iter().map(|record| &record.data[..]).collect();
        assert_eq!(data, [&b"one"[..], b"two", b""]);
        assert_eq!(records[1].partition_key, "b");
        assert_eq!(records[1].explicit_hash_key.as_deref(), Some("17"));
        assert_eq!(records[2].explicit_hash_key, None);
    }

    #[test]
    fn what_only_begins_like_one_is_an_ordinary_record() {
        let whole = aggregated(&sample());
        for length in 0..whole.len() {
            assert_eq!(user_records(&whole.slice(..length)), None, "cut at {length}");
        }
        for at in 0..whole.len() {
            let mut flipped = whole.to_vec();
            flipped[at] ^= 1;
            assert_eq!(user_records(&Bytes::from(flipped)), None, "flipped at {at}");
        }
    }

    #[test]
    fn a_key_that_is_not_in_the_table_makes_it_ordinary() {
        let mut message = sample();
        message.records[0].partition_key = 9;
        assert_eq!(user_records(&aggregated(&message)), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let parts = [&MAGIC[..], &bytes, &Md5::digest(&bytes)];
            let _ = user_records(&Bytes::from(parts.concat()));
        }
    }
}
