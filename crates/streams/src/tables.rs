//! The tables: their numbers, keys and row encodings.

use store::Table;

use crate::name::{StreamName, World};
use crate::rows::{AccountRow, ConsumerRow, ShardRow, StreamRow};

/// Streams by name.
pub(crate) enum Streams {}

impl Table for Streams {
    const ID: u8 = 1;
    const NAME: &'static str = "streams";
    type Key = StreamName;
    type Row = StreamRow;

    fn encode_key(key: &StreamName, into: &mut Vec<u8>) {
        into.extend_from_slice(key.key().as_bytes());
    }

    fn decode_key(bytes: &[u8]) -> Result<StreamName, &'static str> {
        StreamName::from_key(bytes).ok_or("not a stream's name")
    }

    fn encode_row(row: &StreamRow, into: &mut Vec<u8>) {
        encode(row, into);
    }

    fn decode_row(bytes: &[u8]) -> Result<StreamRow, &'static str> {
        minicbor::decode(bytes).map_err(|_| "not a stream row")
    }
}

/// Shards by their stream's generation and their index.
pub(crate) enum Shards {}

impl Table for Shards {
    const ID: u8 = 2;
    const NAME: &'static str = "shards";
    type Key = (u64, u32);
    type Row = ShardRow;

    fn encode_key((generation, index): &(u64, u32), into: &mut Vec<u8>) {
        into.extend_from_slice(&generation.to_be_bytes());
        into.extend_from_slice(&index.to_be_bytes());
    }

    fn decode_key(bytes: &[u8]) -> Result<(u64, u32), &'static str> {
        let (generation, index) = split_generation(bytes)?;
        let index = index.try_into().map_err(|_| "not a shard's index")?;
        Ok((generation, u32::from_be_bytes(index)))
    }

    fn encode_row(row: &ShardRow, into: &mut Vec<u8>) {
        encode(row, into);
    }

    fn decode_row(bytes: &[u8]) -> Result<ShardRow, &'static str> {
        minicbor::decode(bytes).map_err(|_| "not a shard row")
    }
}

/// Consumers by their stream's generation and their name.
pub(crate) enum Consumers {}

impl Table for Consumers {
    const ID: u8 = 3;
    const NAME: &'static str = "consumers";
    type Key = (u64, String);
    type Row = ConsumerRow;

    fn encode_key((generation, name): &(u64, String), into: &mut Vec<u8>) {
        into.extend_from_slice(&generation.to_be_bytes());
        into.extend_from_slice(name.as_bytes());
    }

    fn decode_key(bytes: &[u8]) -> Result<(u64, String), &'static str> {
        let (generation, name) = split_generation(bytes)?;
        let name = std::str::from_utf8(name).map_err(|_| "not a consumer's name")?;
        Ok((generation, name.to_owned()))
    }

    fn encode_row(row: &ConsumerRow, into: &mut Vec<u8>) {
        encode(row, into);
    }

    fn decode_row(bytes: &[u8]) -> Result<ConsumerRow, &'static str> {
        minicbor::decode(bytes).map_err(|_| "not a consumer row")
    }
}

/// Account settings by account and region.
pub(crate) enum Accounts {}

impl Table for Accounts {
    const ID: u8 = 4;
    const NAME: &'static str = "accounts";
    type Key = World;
    type Row = AccountRow;

    fn encode_key(key: &World, into: &mut Vec<u8>) {
        into.extend_from_slice(key.key().as_bytes());
    }

    fn decode_key(bytes: &[u8]) -> Result<World, &'static str> {
        World::from_key(bytes).ok_or("not an account's region")
    }

    fn encode_row(row: &AccountRow, into: &mut Vec<u8>) {
        encode(row, into);
    }

    fn decode_row(bytes: &[u8]) -> Result<AccountRow, &'static str> {
        minicbor::decode(bytes).map_err(|_| "not an account row")
    }
}

fn encode<R: minicbor::Encode<()>>(row: &R, into: &mut Vec<u8>) {
    minicbor::encode(row, into).expect("a vector takes every byte");
}

fn split_generation(bytes: &[u8]) -> Result<(u64, &[u8]), &'static str> {
    let (generation, rest) = bytes.split_first_chunk().ok_or("no generation")?;
    Ok((u64::from_be_bytes(*generation), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key<T: Table>(key: &T::Key) -> Vec<u8> {
        let mut bytes = Vec::new();
        T::encode_key(key, &mut bytes);
        bytes
    }

    #[test]
    fn keys_are_read_as_written_and_sort_by_generation() {
        let shard = key::<Shards>(&(7, 300));
        assert_eq!(shard, [0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 1, 44]);
        assert_eq!(Shards::decode_key(&shard), Ok((7, 300)));
        let consumer = key::<Consumers>(&(7, "app".to_owned()));
        assert_eq!(Consumers::decode_key(&consumer), Ok((7, "app".to_owned())));
        let world = World { account: "000000000000".into(), region: "eu-west-1".into() };
        let account = key::<Accounts>(&world);
        assert_eq!(account, b"000000000000\0eu-west-1");
        assert_eq!(Accounts::decode_key(&account), Ok(world));
        assert!(Accounts::decode_key(b"000000000000").is_err());
        assert!(key::<Shards>(&(7, 300)) < key::<Shards>(&(8, 0)));
        assert!(Shards::decode_key(&shard[..11]).is_err());
        assert!(Consumers::decode_key(&shard[..7]).is_err());
    }
}
