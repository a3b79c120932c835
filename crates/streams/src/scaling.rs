//! Uniform scaling (UpdateShardCount), as AWS does it.
//!
//! Up to twice as many: every open shard is split once, and then neighbours are merged until the
//! target is met. Fewer: neighbours are merged. So 4 → 5 leaves 15 shards, open and closed, and
//! 10 → 13 leaves 37 (facts/streams.md § 2.4). Which boundaries remain is chosen so that the
//! ranges are as even as these steps allow. A larger step doubles first.

use std::sync::Arc;

use crate::draft::Draft;
use crate::keyspace::{HashKey, HashRange, divide_evenly};
use crate::shard::Shard;

/// Splits and merges `open`, by hash range, until `target` shards are open.
pub(crate) fn scale(draft: &mut Draft<'_>, mut open: Vec<Arc<Shard>>, target: u32) {
    let target = target as usize;
    while open.len() < target {
        let next = target.min(open.len() * 2);
        open = split_each(draft, &open, next);
        open = merge_down(draft, open, next);
    }
    merge_down(draft, open, target);
}

/// Splits every open shard once, where an even division into `target` wants a boundary.
fn split_each(draft: &mut Draft<'_>, open: &[Arc<Shard>], target: usize) -> Vec<Arc<Shard>> {
    let wanted: Vec<HashKey> =
        divide_evenly(target as u32).iter().map(|range| range.start).collect();
    let mut after = Vec::with_capacity(open.len() * 2);
    for shard in open {
        match split_point(shard.range, &wanted) {
            Some(at) => after.extend(draft.split(shard, at)),
            None => after.push(Arc::clone(shard)),
        }
    }
    after
}

/// The wanted boundary nearest to the middle of `range`, else the middle itself; `None` if the
/// range has no room for two.
fn split_point(range: HashRange, wanted: &[HashKey]) -> Option<HashKey> {
    let HashRange { start, end } = range;
    let middle = HashKey(start.0 + (end.0 - start.0) / 2 + 1);
    let first = wanted.partition_point(|key| *key <= start);
    let inside = wanted[first..].iter().take_while(|key| **key <= end);
    let nearest = inside.min_by_key(|key| key.0.abs_diff(middle.0)).copied();
    (start < end).then_some(nearest.unwrap_or(middle))
}

/// Merges neighbours until `target` shards are open, keeping for each even boundary the nearest
/// there is.
fn merge_down(draft: &mut Draft<'_>, mut open: Vec<Arc<Shard>>, target: usize) -> Vec<Arc<Shard>> {
    let kept = kept_boundaries(&open, target);
    while open.len() > target {
        // Neighbours in pairs, round by round, so that a chain of merges stays short.
        let before = open.len();
        let mut after = Vec::with_capacity(open.len());
        let mut left = open.into_iter().peekable();
        while let Some(shard) = left.next() {
            let merges = |next: &Arc<Shard>| kept.binary_search(&next.range.start).is_err();
            match left.next_if(merges) {
                Some(next) => after.push(draft.merge(&shard, &next)),
                None => after.push(shard),
            }
        }
        open = after;
        if open.len() == before {
            // Only shards that do not touch can be left: a map that is not whole.
            break;
        }
    }
    open
}

fn kept_boundaries(open: &[Arc<Shard>], target: usize) -> Vec<HashKey> {
    let boundaries: Vec<HashKey> = open.iter().skip(1).map(|shard| shard.range.start).collect();
    if boundaries.len() < target {
        return boundaries;
    }
    let wanted = divide_evenly(target as u32);
    let mut kept = Vec::with_capacity(wanted.len());
    let mut from = 0;
    for (index, range) in wanted.iter().enumerate().skip(1) {
        // As many must be left as boundaries are still wanted after this one.
        let after = wanted.len() - 1 - index;
        let to = boundaries.len() - after;
        let nearer = |at: usize| boundaries[at].0.abs_diff(range.start.0);
        let mut at = from;
        while at + 1 < to && nearer(at + 1) <= nearer(at) {
            at += 1;
        }
        kept.push(boundaries[at]);
        from = at + 1;
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;
    use stdx::UnixMillis;
    use store::LogId;

    use super::*;
    use crate::rows::StreamRow;
    use crate::shard::ShardMap;
    use crate::stream::StreamState;

    fn state(shards: u32) -> StreamState {
        StreamState {
            row: StreamRow::sample(shards),
            version: 1,
            shards: Arc::new(ShardMap::initial(shards, 1_700_000_000, || LogId(1))),
        }
    }

    /// The map after scaling.
    fn scaled(state: &StreamState, target: u32) -> ShardMap {
        let next_log = Cell::new(100);
        let new_log = || {
            next_log.set(next_log.get() + 1);
            LogId(next_log.get())
        };
        let mut draft = Draft::new(state, UnixMillis(1_700_000_100_000), &new_log);
        scale(&mut draft, state.shards.open().to_vec(), target);
        let plan = draft.finish();
        state.shards.with(&plan.shards)
    }

    #[test]
    fn lineages_have_awss_totals() {
        for (from, to, total) in
            [(2, 4, 6), (4, 5, 15), (10, 13, 37), (4, 2, 6), (5, 3, 7), (10, 3, 17)]
        {
            let map = scaled(&state(from), to);
            assert_eq!((map.open().len(), map.all().len()), (to as usize, total), "{from} to {to}");
        }
    }

    #[test]
    fn doubling_and_halving_are_even() {
        for (from, to) in [(2, 4), (4, 2), (4, 5), (1, 8), (8, 2)] {
            let starts: Vec<_> =
                scaled(&state(from), to).open().iter().map(|shard| shard.range.start).collect();
            let even: Vec<_> = divide_evenly(to).iter().map(|range| range.start).collect();
            assert_eq!(starts, even, "{from} to {to}");
        }
    }

    /// Drawn shard by shard on a map of its own, this once took the server minutes.
    #[test]
    fn ten_thousand_shards_are_drawn_at_once() {
        assert_eq!(scaled(&state(1), 10_000).open().len(), 10_000);
        assert_eq!(scaled(&state(10_000), 3).open().len(), 3);
    }

    /// Nothing of it could be merged, and the server was busy with it for ever.
    #[test]
    fn a_map_that_is_not_whole_is_not_scaled_for_ever() {
        let state = state(4);
        let next_log = || LogId(9);
        let mut draft = Draft::new(&state, UnixMillis(1_700_000_100_000), &next_log);
        let twin = Arc::clone(&state.shards.open()[0]);
        scale(&mut draft, vec![Arc::clone(&twin), Arc::clone(&twin), twin], 1);
    }

    proptest! {
        #[test]
        fn the_open_shards_cover_the_space(from in 1u32..60, to in 1u32..200) {
            let map = scaled(&state(from), to);
            prop_assert_eq!(map.open().len(), to as usize);
            prop_assert_eq!(map.open()[0].range.start.0, 0);
            prop_assert_eq!(map.open()[to as usize - 1].range.end.0, u128::MAX);
            for pair in map.open().windows(2) {
                prop_assert!(pair[0].range.touches(&pair[1].range));
            }
            for shard in map.all() {
                for parent in shard.parent.into_iter().chain(shard.adjacent_parent) {
                    let parent = map.get(parent).expect("nothing is forgotten");
                    prop_assert!(!parent.is_open());
                    prop_assert!(parent.created_seconds < shard.created_seconds);
                }
            }
        }
    }
}
