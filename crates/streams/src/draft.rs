//! A new shard map being drawn: splits and merges on paper, carried out in one commit.

use std::sync::Arc;

use stdx::UnixMillis;
use store::LogId;

use crate::engine::Plan;
use crate::keyspace::{HashKey, HashRange};
use crate::rows::StreamRow;
use crate::shard::{Shard, ShardMap};
use crate::stream::{Status, StreamState};

pub(crate) struct Draft<'a> {
    state: &'a StreamState,
    now: UnixMillis,
    new_log: &'a dyn Fn() -> LogId,
    map: ShardMap,
    changed: Vec<Arc<Shard>>,
    shards_made: u32,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(
        state: &'a StreamState,
        now: UnixMillis,
        new_log: &'a dyn Fn() -> LogId,
    ) -> Self {
        let shards_made = state.row.shards_made;
        let map = ShardMap::clone(&state.shards);
        Draft { state, now, new_log, map, changed: Vec::new(), shards_made }
    }

    /// The open shards as drawn so far, by hash range.
    pub(crate) fn open(&self) -> Vec<Arc<Shard>> {
        self.map.open().to_vec()
    }

    /// Splits a shard where the second child starts.
    pub(crate) fn split(&mut self, parent: &Arc<Shard>, at: HashKey) {
        let low = HashRange { start: parent.range.start, end: HashKey(at.0 - 1) };
        let high = HashRange { start: at, end: parent.range.end };
        self.replace(&[parent], &[low, high]);
    }

    /// Merges two shards that touch.
    pub(crate) fn merge(&mut self, shard: &Arc<Shard>, adjacent: &Arc<Shard>) {
        let start = shard.range.start.min(adjacent.range.start);
        let end = shard.range.end.max(adjacent.range.end);
        self.replace(&[shard, adjacent], &[HashRange { start, end }]);
    }

    fn replace(&mut self, parents: &[&Arc<Shard>], ranges: &[HashRange]) {
        // Later than the close and later than the parents, so that numbers rise along the lineage
        // even when a child is split within the second of its birth.
        let latest_birth = parents.iter().map(|parent| parent.created_seconds).max();
        let created_seconds = self.now.seconds().max(latest_birth.unwrap_or_default()) + 1;
        let mut changed: Vec<_> = parents
            .iter()
            .map(|parent| Arc::new(Shard { closed: Some(self.now), ..Shard::clone(parent) }))
            .collect();
        for range in ranges {
            changed.push(Arc::new(Shard {
                index: self.shards_made,
                log: (self.new_log)(),
                range: *range,
                parent: parents.first().map(|parent| parent.index),
                adjacent_parent: parents.get(1).map(|parent| parent.index),
                created_seconds,
                closed: None,
            }));
            self.shards_made += 1;
        }
        self.map = self.map.with(&changed);
        self.changed.extend(changed);
    }

    /// The commit that makes it so.
    pub(crate) fn finish(self) -> Plan {
        let was_there = |shard: &Shard| self.state.shards.get(shard.index).is_some();
        let mut indexes: Vec<u32> = self.changed.iter().map(|shard| shard.index).collect();
        indexes.sort_unstable();
        indexes.dedup();
        let shards: Vec<_> =
            indexes.into_iter().filter_map(|index| self.map.get(index).cloned()).collect();
        Plan {
            row: Some(StreamRow {
                status: Status::Active,
                pending: None,
                shards_made: self.shards_made,
                ..self.state.row.clone()
            }),
            opens: shards.iter().filter(|s| !was_there(s)).map(|s| s.log).collect(),
            closes: shards.iter().filter(|s| !s.is_open()).map(|s| s.log).collect(),
            shards,
            ..Plan::default()
        }
    }
}
