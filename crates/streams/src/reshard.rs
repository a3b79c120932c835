//! Splitting and merging: parents close, children open, and the new map follows, in one commit.

use std::sync::Arc;

use crate::draft::Draft;
use crate::engine::{Plan, Streams};
use crate::error::{Error, ScaleRule};
use crate::keyspace::{HashKey, HashRange};
use crate::limits::{OPEN_SHARDS_PER_STREAM_MAX, SCALINGS_PER_DAY_MAX};
use crate::name::StreamName;
use crate::rows::{Change, StreamRow};
use crate::scaling;
use crate::shard::{Shard, shard_id};
use crate::stream::{Mode, Status, Stream, StreamState};

impl Streams {
    /// Splits a shard in two at the second child's first hash key.
    ///
    /// # Errors
    /// If there is no such shard, it cannot be split there, or the stream is not ACTIVE.
    pub async fn split(&self, stream: &Stream, shard: u32, at: HashKey) -> Result<(), Error> {
        let state = stream.state();
        check_provisioned(&stream.name, &state)?;
        let parent = known_shard(&stream.name, &state, shard)?;
        self.check_shard_quota(&stream.name, 1)?;
        let HashRange { start, end } = parent.range;
        if at.0 <= start.0.saturating_add(1) || at >= end {
            let (stream, key) = (stream.name.clone(), at.to_string());
            return Err(Error::SplitPoint { stream, shard, key, range: parent.range });
        }
        self.reshard(stream, Change::Split { shard, at: at.0.to_be_bytes() }, |state| {
            Ok(state.row.clone())
        })
        .await
    }

    /// Merges a shard with the one whose range follows; the two are not taken in the other order
    /// (kinesalite's recorded behaviour).
    ///
    /// # Errors
    /// If there are no such shards, they do not touch, or the stream is not ACTIVE.
    pub async fn merge(&self, stream: &Stream, shard: u32, adjacent: u32) -> Result<(), Error> {
        let state = stream.state();
        check_provisioned(&stream.name, &state)?;
        let lower = known_shard(&stream.name, &state, shard)?;
        let upper = known_shard(&stream.name, &state, adjacent)?;
        if !lower.range.touches(&upper.range) {
            return Err(Error::ShardsNotAdjacent(stream.name.clone(), shard, adjacent));
        }
        self.reshard(stream, Change::Merge { shard, adjacent }, |state| Ok(state.row.clone())).await
    }

    /// Carries a change of shards out, with the row that `allow` has for it.
    async fn reshard(
        &self,
        stream: &Stream,
        change: Change,
        allow: impl Fn(&StreamState) -> Result<StreamRow, Error>,
    ) -> Result<(), Error> {
        let pending = self.delayed(self.now(), change.clone());
        self.change(stream, |state| {
            check_reshardable(&stream.name, state, &change)?;
            let row = allow(state)?;
            match &pending {
                None => self.plan_reshard(&StreamState { row, ..state.clone() }, &change),
                Some(_) => {
                    let pending = pending.clone();
                    let row = StreamRow { status: Status::Updating, pending, ..row };
                    Ok(Plan { row: Some(row), ..Plan::default() })
                }
            }
        })
        .await?;
        self.0.pending.notify_one();
        Ok(())
    }

    /// Changes the number of open shards, evenly; answers how many there were.
    ///
    /// # Errors
    /// If the stream is not ACTIVE, or the step is larger than AWS's quotas allow.
    pub async fn scale(&self, stream: &Stream, target: u32) -> Result<u32, Error> {
        let (current, now) = (stream.state().shards.open().len() as u32, self.now());
        self.reshard(stream, Change::Scale { target }, |state| {
            self.check_scale(&stream.name, state.shards.open().len() as u32, target)?;
            let times = &state.row.scaled_ms;
            let scaled_ms = self.check_daily(&stream.name, times, SCALINGS_PER_DAY_MAX, now)?;
            Ok(StreamRow { scaled_ms, ..state.row.clone() })
        })
        .await?;
        Ok(current)
    }

    fn check_scale(&self, name: &StreamName, current: u32, target: u32) -> Result<(), Error> {
        let refused = |rule| Err(Error::ScaleLimit { stream: name.clone(), rule, current, target });
        if target > OPEN_SHARDS_PER_STREAM_MAX {
            return refused(ScaleRule::AtMost(OPEN_SHARDS_PER_STREAM_MAX));
        }
        if !self.0.config.limits {
            return Ok(());
        }
        if target > current * 2 {
            return refused(ScaleRule::Double);
        }
        if target * 2 < current {
            return refused(ScaleRule::Half);
        }
        // On the way up every shard is split, whatever the target: those count too.
        self.check_shard_quota(name, if target > current { current } else { 0 })
    }

    /// The commit that carries a split, merge or scaling out.
    pub(crate) fn plan_reshard(&self, state: &StreamState, change: &Change) -> Result<Plan, Error> {
        let new_log = || self.0.store.new_log_id();
        let mut draft = Draft::new(state, self.now(), &new_log);
        let get = |index| state.shards.get(index).ok_or(Error::Corrupt("a reshard of no shard"));
        match *change {
            Change::Split { shard, at } => {
                draft.split(get(shard)?, HashKey(u128::from_be_bytes(at)));
            }
            Change::Merge { shard, adjacent } => {
                draft.merge(get(shard)?, get(adjacent)?);
            }
            Change::Scale { target } => {
                scaling::scale(&mut draft, state.shards.open().to_vec(), target);
            }
            Change::Activate
            | Change::Delete
            | Change::Retain { .. }
            | Change::Resize { .. }
            | Change::Encrypt { .. }
            | Change::Monitor { .. } => {}
        }
        Ok(draft.finish())
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

/// AWS looks at the state before it looks for shards (kinesalite's recorded behaviour).
pub(crate) fn check_active(name: &StreamName, state: &StreamState) -> Result<(), Error> {
    match state.row.status {
        Status::Active => Ok(()),
        status => Err(Error::StreamNotActive(name.clone(), status)),
    }
}

/// Whether its shards are the caller's business now.
fn check_provisioned(name: &StreamName, state: &StreamState) -> Result<(), Error> {
    check_active(name, state)?;
    match state.row.mode {
        Mode::Provisioned => Ok(()),
        Mode::OnDemand => Err(Error::StreamOnDemand(name.clone())),
    }
}

fn check_reshardable(name: &StreamName, state: &StreamState, change: &Change) -> Result<(), Error> {
    check_provisioned(name, state)?;
    let parents = match *change {
        Change::Split { shard, .. } => vec![shard],
        Change::Merge { shard, adjacent } => vec![shard, adjacent],
        _ => Vec::new(),
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
