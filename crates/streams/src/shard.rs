//! Shards and the map of a stream's shards: immutable, so that readers share a snapshot.

use std::sync::Arc;

use stdx::UnixMillis;
use store::LogId;

use crate::keyspace::{HashKey, HashRange, divide_evenly};
use crate::sequence::SequenceNumber;
use crate::traffic::Traffic;

/// One shard, open or closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Its number in `shardId-000000000000`.
    pub index: u32,
    /// Where its records are.
    pub log: LogId,
    /// Its part of the hash-key space.
    pub range: HashRange,
    /// The shard it was split or merged from.
    pub parent: Option<u32>,
    /// The other shard it was merged from.
    pub adjacent_parent: Option<u32>,
    /// When it was created, in seconds; its sequence numbers start with this.
    pub created_seconds: u64,
    /// When it was closed by a split or merge.
    pub closed: Option<UnixMillis>,
    /// What it has carried just now.
    pub(crate) traffic: Arc<Traffic>,
}

impl Shard {
    /// Whether it still takes records.
    pub fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    /// The number at which it starts.
    pub fn starting_sequence(&self) -> SequenceNumber {
        SequenceNumber::start_of(self.index, self.created_seconds)
    }

    /// The number at which it ends, once it is closed.
    pub fn ending_sequence(&self) -> Option<SequenceNumber> {
        let closed = self.closed?;
        Some(SequenceNumber::end_of(self.index, self.created_seconds, closed.seconds()))
    }

    /// The number of the record at `position` that arrived at `arrival`.
    pub fn sequence_at(&self, position: u64, arrival: UnixMillis) -> SequenceNumber {
        SequenceNumber {
            shard_created_seconds: self.created_seconds,
            shard: self.index,
            position,
            arrival_seconds: arrival.seconds(),
        }
    }

    /// Whether it was split or merged from `index`.
    pub fn descends_from(&self, index: u32) -> bool {
        self.parent == Some(index) || self.adjacent_parent == Some(index)
    }

    /// When it was born, as a filter by time sees it.
    pub fn created(&self) -> UnixMillis {
        UnixMillis(self.created_seconds * 1000)
    }
}

/// `shardId-` and twelve digits. By hand: it is written for every record that is put.
pub fn shard_id(mut index: u32) -> String {
    let mut id = *b"shardId-000000000000";
    let mut at = id.len();
    while index > 0 {
        at -= 1;
        id[at] += (index % 10) as u8;
        index /= 10;
    }
    String::from_utf8_lossy(&id).into_owned()
}

/// Reads a shard id as AWS does: `shardId-000000000003`, but also `shardId-3` and `3`
/// (facts/streams.md § 2.4).
pub fn parse_shard_id(id: &str) -> Option<u32> {
    let digits = id.split_once('-').map_or(id, |(_, digits)| digits);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|index| *index <= i32::MAX as u32)
}

/// A stream's shards at one moment.
#[derive(Clone, Debug, Default)]
pub struct ShardMap {
    /// By index.
    shards: Vec<Arc<Shard>>,
    /// The open ones by where their range starts; together they cover the space.
    open: Vec<Arc<Shard>>,
}

impl ShardMap {
    /// The map of these shards, in any order.
    pub fn new(mut shards: Vec<Arc<Shard>>) -> Self {
        shards.sort_unstable_by_key(|shard| shard.index);
        let mut open: Vec<_> = shards.iter().filter(|shard| shard.is_open()).cloned().collect();
        open.sort_unstable_by_key(|shard| shard.range.start);
        ShardMap { shards, open }
    }

    /// The first shards of a new stream.
    pub fn initial(count: u32, created_seconds: u64, mut new_log: impl FnMut() -> LogId) -> Self {
        let shards = divide_evenly(count).into_iter().zip(0..).map(|(range, index)| {
            Arc::new(Shard {
                index,
                log: new_log(),
                range,
                parent: None,
                adjacent_parent: None,
                created_seconds,
                closed: None,
                traffic: Arc::default(),
            })
        });
        ShardMap::new(shards.collect())
    }

    /// This map with some shards replaced or added.
    pub fn with(&self, changed: &[Arc<Shard>]) -> Self {
        let mut shards = self.shards.clone();
        for shard in changed {
            match shards.binary_search_by_key(&shard.index, |known| known.index) {
                Ok(at) => shards[at] = Arc::clone(shard),
                Err(at) => shards.insert(at, Arc::clone(shard)),
            }
        }
        ShardMap::new(shards)
    }

    /// This map without some shards, which are in order.
    pub fn without(self, gone: &[u32]) -> Self {
        if gone.is_empty() {
            return self;
        }
        let is_kept = |shard: &&Arc<Shard>| gone.binary_search(&shard.index).is_err();
        ShardMap::new(self.shards.iter().filter(is_kept).cloned().collect())
    }

    /// All shards by index.
    pub fn all(&self) -> &[Arc<Shard>] {
        &self.shards
    }

    /// The open shards by hash range.
    pub fn open(&self) -> &[Arc<Shard>] {
        &self.open
    }

    /// The shard with this index.
    pub fn get(&self, index: u32) -> Option<&Arc<Shard>> {
        let at = self.shards.binary_search_by_key(&index, |shard| shard.index).ok()?;
        Some(&self.shards[at])
    }

    /// The slot among [`ShardMap::open`] that takes `key`.
    ///
    /// The open ranges cover the whole space from 0, so there always is one.
    pub fn route(&self, key: HashKey) -> usize {
        self.open.partition_point(|shard| shard.range.start <= key).saturating_sub(1)
    }

    /// The shards that were split or merged from `index`.
    pub fn children_of(&self, index: u32) -> Vec<Arc<Shard>> {
        self.shards.iter().filter(|shard| shard.descends_from(index)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn initial(count: u32) -> ShardMap {
        let mut next = 0;
        ShardMap::initial(count, 1_700_000_000, || {
            next += 1;
            LogId(next)
        })
    }

    #[test]
    fn ids_as_aws_reads_them() {
        for index in [0, 3, 10, 4_294_967_295] {
            assert_eq!(shard_id(index), format!("shardId-{index:012}"));
        }
        for (id, index) in [
            ("shardId-000000000003", Some(3)),
            ("shardId-3", Some(3)),
            ("3", Some(3)),
            ("shardId-002147483647", Some(i32::MAX as u32)),
            ("shardId-002147483648", None),
            ("shardId-", None),
            ("shardId-x", None),
            ("shard", None),
        ] {
            assert_eq!(parse_shard_id(id), index, "{id}");
        }
    }

    #[test]
    fn with_replaces_and_adds() {
        let map = initial(2);
        let mut closed = Shard::clone(&map.all()[0]);
        closed.closed = Some(UnixMillis(1));
        let mut child = Shard::clone(&map.all()[0]);
        child.index = 2;
        child.parent = Some(0);
        let map = map.with(&[Arc::new(closed), Arc::new(child)]);
        assert_eq!(map.all().len(), 3);
        assert_eq!(map.open().iter().map(|s| s.index).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(map.children_of(0)[0].index, 2);
        assert_eq!(map.without(&[0]).all().len(), 2);
    }

    proptest! {
        #[test]
        fn the_routed_shard_contains_the_key(count in 1u32..300, key: u128) {
            let map = initial(count);
            prop_assert!(map.open()[map.route(HashKey(key))].range.contains(HashKey(key)));
        }
    }
}
