//! How a record lies in the log that it is read from: as it was put, as a stream's record, or as one that
//! was staged.

use bytes::Bytes;
use store::StoredRecord;
use streams::{SequenceNumber, read_record, shard::shard_id};

use crate::buffer::Read;
use crate::kpl;
use crate::lambda::SourceRecord;
use crate::reading::Incoming;
use crate::rows::Role;
use crate::stage::event_bytes;
use crate::staged::StagedRecord;

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Frame {
    /// The record and nothing else.
    #[default]
    Plain,
    /// A record that was staged.
    Staged,
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
            Some(Role::Partition { .. } | Role::Failed { .. }) => Frame::Staged,
            Some(Role::Intake) | None => Frame::Plain,
        }
    }

    /// What a buffer needs to know of a record.
    pub(crate) fn look(self, log: u64, record: &StoredRecord) -> Read {
        let StoredRecord { position, arrival, payload } = record;
        let (position, plain) = (position.0, payload.len());
        let read = |data: usize, arrival, weight| Read {
            log,
            position,
            bytes: data as u64,
            arrival,
            weight,
        };
        match self {
            Frame::Plain => read(plain, *arrival, event_bytes(plain)),
            Frame::Staged => match StagedRecord::read(payload.clone()) {
                Some(staged) => read(staged.data.len(), staged.arrival, 0),
                None => read(plain, *arrival, 0),
            },
            Frame::Shard { .. } => {
                let data = read_record(payload.clone()).map_or(payload.clone(), |own| own.data);
                let weight = match kpl::user_records(&data) {
                    Some(records) => records.iter().map(|own| event_bytes(own.data.len())).sum(),
                    None => event_bytes(data.len()),
                };
                read(data.len(), *arrival, weight)
            }
        }
    }

    /// Takes a record out of its frame: what a producer has put together comes apart.
    pub(crate) fn open(self, stored: StoredRecord, each: &mut dyn FnMut(Incoming)) {
        let StoredRecord { position, arrival, payload } = stored;
        let (index, created_seconds) = match self {
            Frame::Shard { index, created_seconds } => (index, created_seconds),
            Frame::Plain => return each(Incoming { data: payload, arrival, origin: None }),
            Frame::Staged => {
                let staged = StagedRecord::read(payload);
                return staged.into_iter().for_each(|StagedRecord { arrival, data, .. }| {
                    each(Incoming { data, arrival, origin: None });
                });
            }
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
