//! How a record lies in the log that it is read from: as it was put, as a stream's record, or as one that
//! was staged.

use bytes::Bytes;
use store::StoredRecord;
use streams::{SequenceNumber, read_record, shard::shard_id};

use crate::kpl;
use crate::lambda::SourceRecord;
use crate::reading::Incoming;
use crate::rows::Role;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// The record and nothing else.
    Plain,
    /// A record of a shard.
    Shard {
        /// The shard's index.
        index: u32,
        /// When it was created.
        created_seconds: u64,
    },
}

/// Where a record of a Kinesis stream came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) partition_key: Bytes,
    pub(crate) sequence: SequenceNumber,
    /// Its place within an aggregated record.
    pub(crate) subsequence: Option<usize>,
}

impl Origin {
    /// As a function is told it.
    pub(crate) fn metadata(&self, arrival_ms: u64) -> SourceRecord {
        SourceRecord {
            shard_id: shard_id(self.sequence.shard),
            partition_key: String::from_utf8_lossy(&self.partition_key).into_owned(),
            approximate_arrival_timestamp: arrival_ms,
            sequence_number: self.sequence.to_string(),
            subsequence_number: self.subsequence.map(|at| at.to_string()).unwrap_or_default(),
        }
    }
}

impl Frame {
    /// The frame of the records of a log.
    pub(crate) fn of(role: Option<&Role>) -> Self {
        match role {
            Some(Role::Shard { index, created_seconds }) => {
                Frame::Shard { index: *index, created_seconds: *created_seconds }
            }
            _ => Frame::Plain,
        }
    }

    /// What a record carries, without its frame, in bytes.
    pub(crate) fn data_bytes(self, payload: &Bytes) -> u64 {
        let data = match self {
            Frame::Plain => payload.len(),
            Frame::Shard { .. } => {
                read_record(payload.clone()).map_or(payload.len(), |record| record.data.len())
            }
        };
        data as u64
    }

    /// Takes a record out of its frame: what a producer has put together comes apart.
    pub(crate) fn open(self, stored: StoredRecord, each: &mut dyn FnMut(Incoming)) {
        let StoredRecord { position, arrival, payload } = stored;
        let Frame::Shard { index, created_seconds } = self else {
            return each(Incoming { data: payload, arrival, origin: None });
        };
        let Some(record) = read_record(payload.clone()) else {
            return each(Incoming { data: payload, arrival, origin: None });
        };
        let sequence = SequenceNumber {
            shard_created_seconds: created_seconds,
            shard: index,
            position: position.0,
            arrival_seconds: arrival.seconds(),
        };
        let mut give = |data, partition_key, subsequence| {
            let origin = Some(Origin { partition_key, sequence, subsequence });
            each(Incoming { data, arrival, origin });
        };
        match kpl::user_records(&record.data) {
            Some(records) => {
                for (at, user) in records.into_iter().enumerate() {
                    give(user.data, user.partition_key.into(), Some(at));
                }
            }
            None => give(record.data, record.partition_key, None),
        }
    }
}
