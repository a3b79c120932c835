//! Splitting and merging: parents close, children open, and the new map follows, in one commit.

use std::sync::Arc;

use stdx::UnixMillis;
use store::LogId;

use crate::engine::{Plan, Streams};
use crate::error::{Error, split_point};
use crate::keyspace::{HashKey, HashRange};
use crate::limits::OPEN_SHARDS_PER_STREAM_MAX;
use crate::name::StreamName;
use crate::rows::{Change, StreamRow};
use crate::shard::{Shard, shard_id};
use crate::stream::{Mode, Status, Stream, StreamState};

impl Streams {
    /// Splits a shard in two at the second child's first hash key.
    ///
    /// # Errors
    /// If there is no such shard, it cannot be split there, or the stream is not ACTIVE.
    pub async fn split(&self, stream: &Stream, shard: u32, at: HashKey) -> Result<(), Error> {
        let state = stream.state();
        let parent = known_shard(&stream.name, &state, shard)?;
        self.check_shard_quota(&stream.name, 1)?;
        let HashRange { start, end } = parent.range;
        if at.0 <= start.0.saturating_add(1) || at >= end {
            return Err(split_point(&stream.name, shard, at, parent.range));
        }
        self.reshard(stream, Change::Split { shard, at: at.0.to_be_bytes() }).await
    }

    /// Merges a shard with the one whose range follows.
    ///
    /// # Errors
    /// If there are no such shards, they do not touch, or the stream is not ACTIVE.
    pub async fn merge(&self, stream: &Stream, shard: u32, adjacent: u32) -> Result<(), Error> {
        let state = stream.state();
        let lower = known_shard(&stream.name, &state, shard)?;
        let upper = known_shard(&stream.name, &state, adjacent)?;
        if !lower.range.touches(&upper.range) && !upper.range.touches(&lower.range) {
            return Err(Error::ShardsNotAdjacent(stream.name.clone(), shard, adjacent));
        }
        self.reshard(stream, Change::Merge { shard, adjacent }).await
    }

    async fn reshard(&self, stream: &Stream, change: Change) -> Result<(), Error> {
        let pending = self.delayed(self.now(), change.clone());
        self.change(stream, |state| {
            check_reshardable(&stream.name, state, &change)?;
            match &pending {
                None => self.plan_reshard(state, &change),
                Some(_) => {
                    let pending = pending.clone();
                    let row = StreamRow { status: Status::Updating, pending, ..state.row.clone() };
                    Ok(Plan { row: Some(row), ..Plan::default() })
                }
            }
        })
        .await?;
        self.0.pending.notify_one();
        Ok(())
    }

    /// The commit that carries a split or merge out.
    pub(crate) fn plan_reshard(&self, state: &StreamState, change: &Change) -> Result<Plan, Error> {
        let now = self.now();
        let get = |index| state.shards.get(index).ok_or(Error::Corrupt("a reshard of no shard"));
        let (parents, ranges) = match *change {
            Change::Split { shard, at } => {
                let parent = get(shard)?;
                let at = HashKey(u128::from_be_bytes(at));
                let low = HashRange { start: parent.range.start, end: HashKey(at.0 - 1) };
                let high = HashRange { start: at, end: parent.range.end };
                (vec![parent], vec![low, high])
            }
            Change::Merge { shard, adjacent } => {
                let (one, other) = (get(shard)?, get(adjacent)?);
                let start = one.range.start.min(other.range.start);
                let end = one.range.end.max(other.range.end);
                (vec![one, other], vec![HashRange { start, end }])
            }
            Change::Activate | Change::Delete => (Vec::new(), Vec::new()),
        };
        Ok(self.plan_children(state, now, &parents, &ranges))
    }

    fn plan_children(
        &self,
        state: &StreamState,
        now: UnixMillis,
        parents: &[&Arc<Shard>],
        ranges: &[HashRange],
    ) -> Plan {
        // Later than the close and later than the parents, so that numbers rise along the lineage
        // even when a child is split within the second of its birth.
        let latest_birth = parents.iter().map(|parent| parent.created_seconds).max();
        let created_seconds = now.seconds().max(latest_birth.unwrap_or_default()) + 1;
        let closed = parents
            .iter()
            .map(|parent| Arc::new(Shard { closed: Some(now), ..Shard::clone(parent) }));
        let children: Vec<_> = ranges
            .iter()
            .zip(state.row.shards_made..)
            .map(|(range, index)| {
                Arc::new(Shard {
                    index,
                    log: self.0.store.new_log_id(),
                    range: *range,
                    parent: parents.first().map(|parent| parent.index),
                    adjacent_parent: parents.get(1).map(|parent| parent.index),
                    created_seconds,
                    closed: None,
                })
            })
            .collect();
        let opens: Vec<LogId> = children.iter().map(|child| child.log).collect();
        Plan {
            row: Some(StreamRow {
                status: Status::Active,
                pending: None,
                shards_made: state.row.shards_made + children.len() as u32,
                ..state.row.clone()
            }),
            shards: closed.chain(children).collect(),
            opens,
            closes: parents.iter().map(|parent| parent.log).collect(),
            ..Plan::default()
        }
    }
}

fn known_shard<'a>(
    name: &StreamName,
    state: &'a StreamState,
    shard: u32,
) -> Result<&'a Arc<Shard>, Error> {
    let known = state.shards.get(shard);
    known.ok_or_else(|| Error::ShardNotFound(name.clone(), shard_id(shard)))
}

fn check_reshardable(name: &StreamName, state: &StreamState, change: &Change) -> Result<(), Error> {
    if state.row.status != Status::Active {
        return Err(Error::StreamNotActive(name.clone(), state.row.status));
    }
    if state.row.mode == Mode::OnDemand {
        return Err(Error::StreamOnDemand(name.clone()));
    }
    let parents = match *change {
        Change::Split { shard, .. } => vec![shard],
        Change::Merge { shard, adjacent } => vec![shard, adjacent],
        Change::Activate | Change::Delete => Vec::new(),
    };
    for shard in parents {
        if !known_shard(name, state, shard)?.is_open() {
            return Err(Error::ShardNotOpen(name.clone(), shard));
        }
    }
    let open = state.shards.open().len() as u32;
    if matches!(change, Change::Split { .. }) && open >= OPEN_SHARDS_PER_STREAM_MAX {
        let (current, limit) = (open, OPEN_SHARDS_PER_STREAM_MAX);
        return Err(Error::ShardLimit { stream: name.clone(), current, limit, added: 1 });
    }
    Ok(())
}
