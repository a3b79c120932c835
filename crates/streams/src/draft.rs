//! A new shard map being drawn: splits and merges on paper, carried out in one commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use stdx::UnixMillis;
use store::LogId;

use crate::engine::Plan;
use crate::keyspace::{HashKey, HashRange};
use crate::mutant::{self, Mutant};
use crate::rows::StreamRow;
use crate::shard::Shard;
use crate::stream::{Status, StreamState};

/// What has been drawn so far. Whoever draws keeps the list of open shards: a change touches only
/// its own shards, so a stream of ten thousand is drawn in milliseconds.
pub(crate) struct Draft<'a> {
    state: &'a StreamState,
    now: UnixMillis,
    new_log: &'a dyn Fn() -> LogId,
    changed: BTreeMap<u32, Arc<Shard>>,
    shards_made: u32,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(
        state: &'a StreamState,
        now: UnixMillis,
        new_log: &'a dyn Fn() -> LogId,
    ) -> Self {
        let shards_made = state.row.shards_made;
        Draft { state, now, new_log, changed: BTreeMap::new(), shards_made }
    }

    /// Splits a shard where the second child starts; the children, in order.
    pub(crate) fn split(&mut self, parent: &Arc<Shard>, at: HashKey) -> [Arc<Shard>; 2] {
        self.close(parent);
        let low = HashRange { start: parent.range.start, end: HashKey(at.0 - 1) };
        let high = HashRange { start: at, end: parent.range.end };
        [low, high].map(|range| self.open(range, parent, None))
    }

    /// Merges two shards that touch; the child.
    pub(crate) fn merge(&mut self, shard: &Arc<Shard>, adjacent: &Arc<Shard>) -> Arc<Shard> {
        self.close(shard);
        self.close(adjacent);
        let start = shard.range.start.min(adjacent.range.start);
        let end = shard.range.end.max(adjacent.range.end);
        self.open(HashRange { start, end }, shard, Some(adjacent))
    }

    fn close(&mut self, shard: &Arc<Shard>) {
        let closed = Shard { closed: Some(self.now), ..Shard::clone(shard) };
        self.changed.insert(shard.index, Arc::new(closed));
    }

    fn open(
        &mut self,
        range: HashRange,
        parent: &Shard,
        adjacent_parent: Option<&Arc<Shard>>,
    ) -> Arc<Shard> {
        // Later than the close and later than the parents, so that numbers rise along the lineage
        // even when a child is split within the second of its birth.
        let adjacent_birth = adjacent_parent.map_or(0, |adjacent| adjacent.created_seconds);
        let latest_birth = parent.created_seconds.max(adjacent_birth);
        let born = self.now.seconds().max(latest_birth) + 1;
        let same = mutant::is_on(Mutant::SameBirth);
        let child = Arc::new(Shard {
            index: self.shards_made,
            log: (self.new_log)(),
            range,
            parent: Some(parent.index),
            adjacent_parent: adjacent_parent.map(|adjacent| adjacent.index),
            created_seconds: if same { latest_birth } else { born },
            closed: None,
            traffic: Arc::default(),
        });
        self.shards_made += 1;
        self.changed.insert(child.index, Arc::clone(&child));
        child
    }

    /// The commit that makes it so.
    pub(crate) fn finish(self) -> Plan {
        let was_there = |shard: &Shard| self.state.shards.get(shard.index).is_some();
        let shards: Vec<_> = self.changed.values().cloned().collect();
        let is_closed = |shard: &Shard| !shard.is_open() && !mutant::is_on(Mutant::SkipClose);
        Plan {
            row: Some(StreamRow {
                status: Status::Active,
                pending: None,
                shards_made: self.shards_made,
                ..self.state.row.clone()
            }),
            opens: shards.iter().filter(|s| !was_there(s)).map(|s| s.log).collect(),
            closes: shards.iter().filter(|s| is_closed(s)).map(|s| s.log).collect(),
            shards,
            ..Plan::default()
        }
    }
}
