//! Which log is whose, read from a folder that nobody serves: names for `doctor`, `du` and `cat`.

use std::collections::BTreeMap;

use bytes::Bytes;
use stdx::UnixMillis;
use store::inspect::Inspection;
use store::{LogId, Position, RowError, Table};

use crate::name::StreamName;
use crate::record::{self, RecordBody};
use crate::rows::{ShardRow, StreamRow};
use crate::sequence::SequenceNumber;
use crate::shard::shard_id;
use crate::stream::stream_id;
use crate::tables::{Consumers, Shards, Streams};

/// The shard that a log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardName {
    /// Its stream; `None` if the stream is gone.
    pub stream: Option<StreamName>,
    /// The id of its stream.
    pub stream_id: String,
    /// Its id.
    pub shard_id: String,
    index: u32,
    created_seconds: u64,
}

/// Everything that has a name.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// Shards by their logs.
    pub shards: BTreeMap<LogId, ShardName>,
    /// How many streams,
    pub streams: usize,
    /// and consumers.
    pub consumers: usize,
    /// Tables of which a row cannot be decoded.
    pub undecodable: Vec<RowError>,
}

impl Catalogue {
    /// Reads the tables of a folder.
    pub fn read(folder: &Inspection) -> Catalogue {
        let mut catalogue = Catalogue::default();
        let mut streams: BTreeMap<u64, StreamName> = BTreeMap::new();
        for (name, row) in catalogue.rows::<Streams>(folder) {
            streams.insert(row.generation, name);
        }
        catalogue.streams = streams.len();
        for ((generation, index), row) in catalogue.rows::<Shards>(folder) {
            let stream = streams.get(&generation).cloned();
            let (shard_id, created_seconds) = (shard_id(index), row.created_seconds);
            let stream_id = stream_id(generation);
            let name = ShardName { stream, stream_id, shard_id, index, created_seconds };
            catalogue.shards.insert(LogId(row.log), name);
        }
        catalogue.consumers = catalogue.rows::<Consumers>(folder).len();
        catalogue
    }

    fn rows<T: Table>(&mut self, folder: &Inspection) -> Vec<(T::Key, T::Row)> {
        match folder.table::<T>().scan() {
            Ok(rows) => rows.into_iter().map(|(key, own)| (key, own.row)).collect(),
            Err(error) => {
                self.undecodable.push(error);
                Vec::new()
            }
        }
    }
}

impl ShardName {
    /// A record of this shard: its sequence number, and what was put.
    pub fn read_record(
        &self,
        position: Position,
        arrival: UnixMillis,
        payload: &Bytes,
    ) -> Option<(SequenceNumber, RecordBody)> {
        let sequence = SequenceNumber {
            shard_created_seconds: self.created_seconds,
            shard: self.index,
            position: position.0,
            arrival_seconds: arrival.0 / 1000,
        };
        Some((sequence, record::read(payload.clone())?))
    }
}

/// What a table of Data Streams is called, and what a row of it says.
pub fn describe_row(
    table: u8,
    key: &[u8],
    value: Option<&Bytes>,
) -> Option<(&'static str, String)> {
    fn words<T: Table>(
        key: &[u8],
        value: Option<&Bytes>,
        say: impl Fn(T::Key, Option<T::Row>) -> String,
    ) -> (&'static str, String) {
        let decoded = T::decode_key(key)
            .and_then(|key| Ok((key, value.map(|value| T::decode_row(value)).transpose()?)));
        let said = decoded
            .map_or_else(|error| format!("cannot be decoded: {error}"), |(key, row)| say(key, row));
        (T::NAME, said)
    }
    match table {
        Streams::ID => Some(words::<Streams>(key, value, |key, row: Option<StreamRow>| {
            format!("{}: {row:?}", key.arn())
        })),
        Shards::ID => {
            Some(words::<Shards>(key, value, |(generation, index), row: Option<ShardRow>| {
                format!("{} of generation {generation}: {row:?}", shard_id(index))
            }))
        }
        Consumers::ID => Some(words::<Consumers>(key, value, |(generation, name), row| {
            format!("{name} of generation {generation}: {row:?}")
        })),
        _ => None,
    }
}
