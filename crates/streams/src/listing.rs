//! Which shards a listing shows.

use std::sync::Arc;

use stdx::UnixMillis;

use crate::shard::{Shard, ShardMap};
use crate::stream::StreamState;

/// Which shards to list (API reference, ShardFilter).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardFilter {
    /// Everything that retention has kept.
    All,
    /// Those with a higher index.
    After(u32),
    /// Those that were open when the oldest kept record arrived.
    AtTrimHorizon,
    /// Everything from the trim horizon on.
    FromTrimHorizon,
    /// Those that are open.
    AtLatest,
    /// Those that were open at this time.
    At(UnixMillis),
    /// Those that were open at this time or later.
    From(UnixMillis),
}

impl StreamState {
    /// The shards that `filter` shows at `now`, by index.
    pub fn list_shards(&self, filter: ShardFilter, now: UnixMillis) -> Vec<Arc<Shard>> {
        let horizon = self.horizon(now).max(self.created());
        let shows = |shard: &Shard| match filter {
            ShardFilter::All => true,
            ShardFilter::After(index) => shard.index > index,
            ShardFilter::AtLatest => shard.is_open(),
            ShardFilter::AtTrimHorizon => self.shards.was_open(shard, horizon),
            ShardFilter::At(time) => self.shards.was_open(shard, time.max(horizon)),
            ShardFilter::FromTrimHorizon => closed_after(shard, horizon),
            ShardFilter::From(time) => closed_after(shard, time),
        };
        self.shards.all().iter().filter(|shard| shows(shard)).cloned().collect()
    }
}

fn closed_after(shard: &Shard, time: UnixMillis) -> bool {
    shard.closed.is_none_or(|closed| closed > time)
}

impl ShardMap {
    fn was_open(&self, shard: &Shard, time: UnixMillis) -> bool {
        self.opened(shard) <= time && closed_after(shard, time)
    }

    /// When a shard began to take records: a child's creation is dated later than that.
    fn opened(&self, shard: &Shard) -> UnixMillis {
        let Some(parent) = shard.parent else { return shard.created() };
        let closed = self.get(parent).and_then(|parent| parent.closed);
        closed.unwrap_or(UnixMillis(shard.created().0.saturating_sub(1000)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::HashRange;
    use crate::rows::StreamRow;
    use crate::{HashKey, Shard};
    use store::LogId;

    const CREATED_MS: u64 = 1_700_000_000_000;
    const SPLIT_MS: u64 = CREATED_MS + 60_500;

    /// Shard 0, split at `SPLIT_MS` into 1 and 2.
    fn after_a_split() -> StreamState {
        let shard = |index, parent, created_seconds, closed| {
            Arc::new(Shard {
                index,
                log: LogId(u64::from(index) + 1),
                range: HashRange { start: HashKey(0), end: HashKey(u128::MAX) },
                parent,
                adjacent_parent: None,
                created_seconds,
                closed,
                traffic: Arc::default(),
            })
        };
        let child_seconds = SPLIT_MS / 1000 + 1;
        StreamState {
            row: StreamRow::sample(3),
            version: 1,
            shards: Arc::new(ShardMap::new(vec![
                shard(0, None, CREATED_MS / 1000 - 2, Some(UnixMillis(SPLIT_MS))),
                shard(1, Some(0), child_seconds, None),
                shard(2, Some(0), child_seconds, None),
            ])),
        }
    }

    #[test]
    fn every_filter_before_at_and_after_a_split() {
        let state = after_a_split();
        let now = UnixMillis(SPLIT_MS + 3_600_000);
        for (filter, shown) in [
            (ShardFilter::All, &[0, 1, 2][..]),
            (ShardFilter::After(0), &[1, 2]),
            (ShardFilter::AtLatest, &[1, 2]),
            (ShardFilter::AtTrimHorizon, &[0]),
            (ShardFilter::FromTrimHorizon, &[0, 1, 2]),
            (ShardFilter::At(UnixMillis(SPLIT_MS - 1)), &[0]),
            (ShardFilter::At(UnixMillis(SPLIT_MS)), &[1, 2]),
            (ShardFilter::From(UnixMillis(SPLIT_MS - 1)), &[0, 1, 2]),
            (ShardFilter::From(UnixMillis(SPLIT_MS)), &[1, 2]),
        ] {
            let listed: Vec<_> =
                state.list_shards(filter, now).iter().map(|shard| shard.index).collect();
            assert_eq!(listed, shown, "{filter:?}");
        }
    }
}
