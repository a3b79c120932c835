//! The life of a record, second half: iterators and pages.

use std::sync::Arc;

use stdx::UnixMillis;
use store::{Position, ReadBudget, ReadError, ReadFrom, ReadPage};

use crate::engine::Streams;
use crate::error::{Error, ShardUse};
use crate::limits::{GET_RECORDS_BYTES_MAX, ITERATOR_LIFE};
use crate::mutant::{self, Mutant};
use crate::record::{self, RecordBody};
use crate::sequence::{GivenNumber, SequenceNumber};
use crate::shard::Shard;
use crate::stream::{Stream, StreamState};

/// What a page reads of the log: ten records of 1 MiB fit, as AWS counts them.
const PAGE_BYTES_MAX: usize = GET_RECORDS_BYTES_MAX + 10 * record::OVERHEAD_BYTES_MAX;

/// Where reading begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record.
    TrimHorizon,
    /// After the newest record.
    Latest,
    /// At this sequence number.
    At(String),
    /// After this sequence number.
    After(String),
    /// At the first record that arrived at or after this time.
    Time(UnixMillis),
}

/// A place in a shard, remembered by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The stream's generation.
    pub generation: u64,
    /// The shard's index.
    pub shard: u32,
    /// The lowest position still to be read.
    pub position: Position,
    /// When the caller got it.
    pub created: UnixMillis,
}

/// A record as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number.
    pub sequence: SequenceNumber,
    /// When it arrived.
    pub arrival: UnixMillis,
    /// What was put.
    pub body: RecordBody,
}

/// What a read found.
#[derive(Clone, Debug)]
pub struct Page {
    /// The records, in order.
    pub records: Vec<Record>,
    /// Where to read on; `None` at the end of a closed shard.
    pub next: Option<Cursor>,
    /// The shards that follow, at the end of a closed shard.
    pub children: Vec<Arc<Shard>>,
    /// How far behind the tip the answer is, in milliseconds.
    pub behind_ms: u64,
}

impl Page {
    /// What AWS counts of its records: data and partition keys.
    pub fn bytes(&self) -> u64 {
        bytes_of(&self.records)
    }
}

impl Streams {
    /// Finds where `start` is in a shard.
    ///
    /// # Errors
    /// If the shard does not exist, or `start` does not fit it.
    pub async fn cursor(
        &self,
        stream: &Stream,
        shard: u32,
        start: &Start,
    ) -> Result<Cursor, Error> {
        let state = stream.state();
        let shard = state
            .shards
            .get(shard)
            .ok_or_else(|| Error::ShardMissing(stream.name.clone(), shard))?;
        let now = self.now();
        let position = match start {
            Start::TrimHorizon => Position::ZERO,
            Start::Latest => self.tip(stream, shard)?,
            Start::At(number) => Position(parse_number(stream, shard, number)?.position),
            Start::After(number) => {
                Position(parse_number(stream, shard, number)?.position).next_lower_bound()
            }
            Start::Time(given) if *given > now => {
                return Err(Error::TimestampInFuture { given: *given, now });
            }
            Start::Time(time) => self.position_at(stream, shard, *time).await?,
        };
        Ok(Cursor { generation: stream.generation, shard: shard.index, position, created: now })
    }

    /// As [`Streams::cursor`], for a caller who may not ask as often as it likes. A rehearsal is
    /// not counted.
    ///
    /// # Errors
    /// As [`Streams::cursor`]; [`Error::Throttled`].
    pub async fn iterator(
        &self,
        stream: &Stream,
        shard: u32,
        start: &Start,
        rehearsal: bool,
    ) -> Result<Cursor, Error> {
        let cursor = self.cursor(stream, shard, start).await?;
        if self.0.config.limits {
            let (state, now) = (stream.state(), self.0.clock.service_elapsed());
            let traffic = state.shards.get(shard).map(|shard| &shard.traffic);
            let admitted = traffic.is_none_or(|traffic| match rehearsal {
                true => traffic.would_admit_iterator(now),
                false => traffic.admit_iterator(now),
            });
            if !admitted {
                let stream = stream.name.clone();
                return Err(Error::Throttled { stream, shard, of: ShardUse::Iterator });
            }
        }
        Ok(cursor)
    }

    /// Whether [`Streams::page`] would read on from a cursor.
    ///
    /// # Errors
    /// As [`Streams::page`].
    pub fn check_page(&self, stream: &Stream, cursor: Cursor) -> Result<(), Error> {
        let (state, now) = (stream.state(), self.0.clock.service_elapsed());
        let shard = self.shard_to_read(stream, &state, cursor)?;
        if self.0.config.limits && !shard.traffic.would_admit_read(now) {
            return Err(read_throttled(stream, shard));
        }
        Ok(())
    }

    /// Reads on from a cursor, at most `records_max` records.
    ///
    /// # Errors
    /// If the cursor is too old, its shard is gone, or gives no more right now.
    pub async fn page(
        &self,
        stream: &Stream,
        cursor: Cursor,
        records_max: usize,
    ) -> Result<Page, Error> {
        let (state, now) = (stream.state(), self.now());
        let shard = self.shard_to_read(stream, &state, cursor)?;
        let limits = self.0.config.limits;
        if limits && !shard.traffic.admit_read(self.0.clock.service_elapsed()) {
            return Err(read_throttled(stream, shard));
        }
        let budget = ReadBudget { records_max, bytes_max: PAGE_BYTES_MAX };
        let found =
            self.read_kept(stream, shard, cursor.position, state.horizon(now), budget).await?;
        let at_end = found.closed_end || mutant::is_on(Mutant::EndEarly);
        let ended = at_end && !shard.is_open();
        let skips = mutant::is_on(Mutant::SkipOne) && !found.records.is_empty();
        let position = if skips { found.next.next_lower_bound() } else { found.next };
        let next = (!ended).then_some(Cursor { position, created: now, ..cursor });
        let children = if ended { state.shards.children_of(shard.index) } else { Vec::new() };
        let behind_ms = behind_ms(&found, now);
        let records = records_of(shard, found)?;
        if limits {
            shard.traffic.charge_read(bytes_of(&records), self.0.clock.service_elapsed());
        }
        Ok(Page { records, next, children, behind_ms })
    }

    fn shard_to_read<'a>(
        &self,
        stream: &Stream,
        state: &'a StreamState,
        cursor: Cursor,
    ) -> Result<&'a Arc<Shard>, Error> {
        let now = self.now();
        if now.since(cursor.created) > ITERATOR_LIFE {
            return Err(Error::IteratorExpired { created: cursor.created, now });
        }
        let shard = state.shards.get(cursor.shard);
        shard.ok_or_else(|| Error::ShardMissing(stream.name.clone(), cursor.shard))
    }

    /// Reads what retention has kept: nothing that arrived before `horizon`.
    pub(crate) async fn read_kept(
        &self,
        stream: &Stream,
        shard: &Shard,
        position: Position,
        horizon: UnixMillis,
        budget: ReadBudget,
    ) -> Result<ReadPage, Error> {
        let page = self.read_log(stream, shard, ReadFrom::Position(position), budget).await?;
        match page.records.first() {
            Some(first) if first.arrival < horizon => {
                self.read_log(stream, shard, ReadFrom::Time(horizon), budget).await
            }
            _ => Ok(page),
        }
    }

    /// A log that is gone went with its shard, or with the whole stream, a moment ago.
    async fn read_log(
        &self,
        stream: &Stream,
        shard: &Shard,
        from: ReadFrom,
        budget: ReadBudget,
    ) -> Result<ReadPage, Error> {
        match self.0.store.read(shard.log, from, budget).await {
            Err(ReadError::UnknownLog(_)) => Err(gone(stream, shard)),
            read => Ok(read?),
        }
    }

    fn tip(&self, stream: &Stream, shard: &Shard) -> Result<Position, Error> {
        let tail = self.0.store.tail(shard.log);
        tail.map(|tail| tail.next).ok_or_else(|| gone(stream, shard))
    }

    async fn position_at(
        &self,
        stream: &Stream,
        shard: &Shard,
        time: UnixMillis,
    ) -> Result<Position, Error> {
        let budget = ReadBudget { records_max: 1, bytes_max: 1 };
        let page = self.read_log(stream, shard, ReadFrom::Time(time), budget).await?;
        Ok(page.records.first().map_or(page.next, |record| record.position))
    }
}

fn gone(stream: &Stream, shard: &Shard) -> Error {
    Error::ShardMissing(stream.name.clone(), shard.index)
}

fn read_throttled(stream: &Stream, shard: &Shard) -> Error {
    Error::Throttled { stream: stream.name.clone(), shard: shard.index, of: ShardUse::Read }
}

/// What AWS counts: data and partition keys.
pub(crate) fn bytes_of(records: &[Record]) -> u64 {
    records.iter().map(|r| (r.body.data.len() + r.body.partition_key.len()) as u64).sum()
}

/// How far behind the tip a page is: nothing at the tip, else the age of its last record.
pub(crate) fn behind_ms(page: &ReadPage, now: UnixMillis) -> u64 {
    match page.records.last() {
        Some(last) if !page.at_tail => now.0.saturating_sub(last.arrival.0),
        _ => 0,
    }
}

pub(crate) fn records_of(shard: &Shard, page: ReadPage) -> Result<Vec<Record>, Error> {
    let records = page.records.into_iter().map(|stored| {
        let body = record::read(stored.payload).ok_or(Error::Corrupt("not a stream record"))?;
        let sequence = shard.sequence_at(stored.position.0, stored.arrival);
        Ok(Record { sequence, arrival: stored.arrival, body })
    });
    records.collect()
}

/// Any well-formed number that encodes this shard is a lower bound; anything else gets AWS's error
/// (facts/streams.md § 2.3).
fn parse_number(stream: &Stream, shard: &Shard, given: &str) -> Result<SequenceNumber, Error> {
    let invalid = |foreign| Error::StartingNumber {
        stream: stream.name.clone(),
        shard: shard.index,
        given: given.to_owned(),
        foreign,
    };
    let number = GivenNumber::parse(given).ok_or_else(|| invalid(false))?;
    if number.shard() != shard.index {
        return Err(Error::NumberOfOtherShard { encoded: number.shard(), used: shard.index });
    }
    match number {
        GivenNumber::Current(number) if number.shard_created_seconds == shard.created_seconds => {
            Ok(number)
        }
        // For version 0 AWS fails with InternalFailure here: a fault of its own that we leave out.
        GivenNumber::Current(_) | GivenNumber::Older { .. } => Err(invalid(true)),
    }
}
