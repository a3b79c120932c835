//! The life of a record, first half: hash, route, append, number.

use std::sync::Arc;

use bytes::Bytes;
use store::{AppendOutcome, LogAppend, Position, RecordBatch, StoreError};

use crate::engine::Streams;
use crate::error::{Error, ShardUse};
use crate::keyspace::HashKey;
use crate::limits::REROUTES_MAX;
use crate::mutant::{self, Mutant};
use crate::record;
use crate::sequence::SequenceNumber;
use crate::shard::Shard;
use crate::stream::{Stream, StreamState};

/// A record to put.
#[derive(Clone, Debug)]
pub struct NewRecord {
    /// What it carries.
    pub data: Bytes,
    /// What it is routed by; only a stream that distributes records itself does without.
    pub partition_key: Option<String>,
    /// Routes it instead of the partition key's hash.
    pub explicit_hash_key: Option<HashKey>,
}

impl NewRecord {
    /// What AWS counts: data and partition key.
    pub fn bytes(&self) -> usize {
        self.data.len() + self.partition_key.as_ref().map_or(0, String::len)
    }
}

/// Where a record went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The shard's index.
    pub shard: u32,
    /// The record's number.
    pub sequence: SequenceNumber,
}

/// Why a record was not put: its shard takes no more right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttled {
    /// The shard's index.
    pub shard: u32,
}

/// The records of one request that go to one shard.
struct Routed {
    shard: Arc<Shard>,
    /// Their places in the request, in order.
    members: Vec<u32>,
}

impl Streams {
    /// Puts records and answers, in their order, once all are durable that their shards take.
    ///
    /// # Errors
    /// If a record is not acceptable (then nothing is put), or the log fails.
    pub async fn put(
        &self,
        stream: &Stream,
        records: &[NewRecord],
    ) -> Result<Vec<Result<Placed, Throttled>>, Error> {
        let state = stream.state();
        let mut keys = self.hash_keys(&state, records)?;
        let mut placed = vec![None; records.len()];
        let mut waiting: Vec<u32> = (0..records.len() as u32).collect();
        if self.0.config.limits {
            self.admit(&state, records, &keys, &mut placed);
            waiting.retain(|&member| placed[member as usize].is_none());
            if waiting.is_empty() {
                return Ok(placed.into_iter().flatten().collect());
            }
        }
        let bytes = waiting.iter().map(|&member| records[member as usize].bytes() as u64).sum();
        stream.intake.add(waiting.len() as u64, bytes);
        for _ in 0..REROUTES_MAX {
            let state = stream.state();
            let routed = route(&state, &keys, &waiting);
            let encrypted = state.row.kms_key.is_some();
            let appends = routed.iter().map(|routed| routed.encode(records, encrypted)).collect();
            let appended = self.0.store.append(appends).await;
            let outcomes = appended.map_err(|error| failure(error, &placed))?;
            waiting.clear();
            for (routed, outcome) in routed.iter().zip(outcomes) {
                match outcome {
                    AppendOutcome::Appended { first, arrival } => {
                        for (&member, index) in routed.members.iter().zip(0..) {
                            let index = if mutant::is_on(Mutant::OneNumber) { 0 } else { index };
                            let Position(position) = first.plus(index);
                            let sequence = routed.shard.sequence_at(position, arrival);
                            placed[member as usize] =
                                Some(Ok(Placed { shard: routed.shard.index, sequence }));
                        }
                    }
                    AppendOutcome::Closed | AppendOutcome::UnknownLog => {
                        waiting.extend_from_slice(&routed.members);
                        if mutant::is_on(Mutant::OldRoute) {
                            let old = routed.shard.range.start;
                            routed.members.iter().for_each(|&member| keys[member as usize] = old);
                        }
                    }
                }
            }
            if waiting.is_empty() {
                return Ok(placed.into_iter().flatten().collect());
            }
            // The order of what is left is the request's, whichever shards it came back from.
            waiting.sort_unstable();
            if mutant::is_on(Mutant::PutAgain) {
                waiting = (0..records.len() as u32).collect();
            }
            self.await_newer(stream, &state).await?;
        }
        Err(Error::Contended(stream.name.clone()))
    }

    /// Whether [`Streams::put`] would take these records.
    ///
    /// # Errors
    /// As [`Streams::put`]; [`Error::Throttled`] if a shard takes no more right now.
    pub fn check_put(&self, stream: &Stream, records: &[NewRecord]) -> Result<(), Error> {
        let state = stream.state();
        let keys = self.hash_keys(&state, records)?;
        if !self.0.config.limits {
            return Ok(());
        }
        let now = self.0.clock.service_elapsed();
        for (record, key) in records.iter().zip(keys) {
            let shard = &state.shards.open()[state.shards.route(key)];
            let bytes = record.bytes() as u64;
            if !shard.traffic.would_admit_write(bytes, state.row.record_kib_max, now) {
                let (stream, shard) = (stream.name.clone(), shard.index);
                return Err(Error::Throttled { stream, shard, of: ShardUse::Write });
            }
        }
        Ok(())
    }

    /// Asks each record's shard for room, in the records' order, and notes those without.
    fn admit(
        &self,
        state: &StreamState,
        records: &[NewRecord],
        keys: &[HashKey],
        placed: &mut [Option<Result<Placed, Throttled>>],
    ) {
        let now = self.0.clock.service_elapsed();
        for ((record, &key), placed) in records.iter().zip(keys).zip(placed) {
            let shard = &state.shards.open()[state.shards.route(key)];
            let bytes = record.bytes() as u64;
            if !shard.traffic.admit_write(bytes, state.row.record_kib_max, now) {
                *placed = Some(Err(Throttled { shard: shard.index }));
            }
        }
    }

    /// The shard that takes each of these records now. Where the service distributes records itself,
    /// another one may take it when it is put.
    ///
    /// # Errors
    /// As [`Streams::put`].
    pub fn shards_for(&self, stream: &Stream, records: &[NewRecord]) -> Result<Vec<u32>, Error> {
        let state = stream.state();
        let keys = self.hash_keys(&state, records)?;
        let shard_of = |key: HashKey| state.shards.open()[state.shards.route(key)].index;
        Ok(keys.into_iter().map(shard_of).collect())
    }

    fn hash_keys(&self, state: &StreamState, records: &[NewRecord]) -> Result<Vec<HashKey>, Error> {
        let limit_kib = state.row.record_kib_max;
        // Whoever distributes goes round the shards, from wherever, so that none is left out.
        let (open, first) = (state.shards.open(), self.first_slot(state));
        let keys = records.iter().enumerate().map(|(at, record)| {
            if record.bytes() > limit_kib as usize * 1024 {
                return Err(Error::RecordTooLarge { limit_kib });
            }
            if state.row.distributes {
                return Ok(open[(first + at) % open.len()].range.start);
            }
            match (record.explicit_hash_key, &record.partition_key) {
                (_, None) => Err(Error::PartitionKeyMissing),
                (Some(explicit), _) => Ok(explicit),
                (None, Some(key)) => Ok(HashKey::of(key)),
            }
        });
        keys.collect()
    }

    fn first_slot(&self, state: &StreamState) -> usize {
        let slots = state.shards.open().len().max(1);
        if state.row.distributes { (self.0.entropy.u64() % slots as u64) as usize } else { 0 }
    }
}

/// A failure after some of the request's records were put: to the caller it is no refusal.
fn failure(error: StoreError, placed: &[Option<Result<Placed, Throttled>>]) -> Error {
    let any = placed.iter().any(|placed| matches!(placed, Some(Ok(_))));
    match error {
        StoreError::DiskFull | StoreError::TooLarge if any => {
            StoreError::Unavailable("some of the records are there, and some are not").into()
        }
        error => error.into(),
    }
}

/// Groups records by shard, keeping their order within each.
fn route(state: &StreamState, keys: &[HashKey], waiting: &[u32]) -> Vec<Routed> {
    let mut slots: Vec<(u32, u32)> = waiting
        .iter()
        .map(|&member| (state.shards.route(keys[member as usize]) as u32, member))
        .collect();
    slots.sort_unstable();
    slots
        .chunk_by(|a, b| a.0 == b.0)
        .map(|group| Routed {
            shard: Arc::clone(&state.shards.open()[group[0].0 as usize]),
            members: group.iter().map(|&(_, member)| member).collect(),
        })
        .collect()
}

impl Routed {
    fn encode(&self, records: &[NewRecord], encrypted: bool) -> LogAppend {
        let own = || self.members.iter().map(|&member| &records[member as usize]);
        let payload_bytes = own()
            .map(|r| record::bytes_of(r.partition_key.as_deref().unwrap_or_default(), &r.data))
            .sum();
        let mut batch = RecordBatch::with_capacity(self.members.len(), payload_bytes);
        for new in own() {
            let key = new.partition_key.as_deref().unwrap_or_default();
            batch.push_with(|buffer| record::write(buffer, key, &new.data, encrypted));
        }
        LogAppend::new(self.shard.log, batch.finish())
    }
}
