//! What Data Streams keeps in tables. The bytes are CBOR maps with numbered fields, so a newer
//! version may add fields and still read what an older one wrote; a number is never used again.

use std::collections::BTreeMap;
use std::time::Duration;

use minicbor::{Decode, Encode};
use stdx::UnixMillis;

use crate::monitoring::ShardMetrics;
use crate::stream::{Mode, Status};

/// A stream, under `account NUL region NUL name`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct StreamRow {
    /// Tells this stream from an earlier one of the same name.
    #[n(0)]
    pub generation: u64,
    /// When it was created.
    #[n(1)]
    pub created_ms: u64,
    /// How its capacity is chosen.
    #[n(2)]
    pub mode: Mode,
    /// How long its records live.
    #[n(3)]
    pub retention_hours: u32,
    /// What is happening to it.
    #[n(4)]
    pub status: Status,
    /// What happens next, and when.
    #[n(5)]
    pub(crate) pending: Option<Pending>,
    /// The next shard's index.
    #[n(6)]
    pub shards_made: u32,
    /// The largest record, in KiB.
    #[n(7)]
    pub record_kib_max: u32,
    /// The KMS key that encrypts it.
    #[n(8)]
    pub kms_key: Option<String>,
    /// Its tags.
    #[n(9)]
    pub tags: BTreeMap<String, String>,
    /// Whether the service distributes records itself (RecordDistributionStrategy AUTO).
    #[n(10)]
    pub distributes: bool,
    /// Throughput kept warm, in MiB/s.
    #[n(11)]
    pub warm_mibps: Option<u32>,
    /// What its shards publish each for itself.
    #[cbor(n(12), default, skip_if = "ShardMetrics::is_empty")]
    pub shard_level_metrics: ShardMetrics,
    /// When its encryption was changed.
    #[cbor(n(13), default, skip_if = "EncryptionChanges::is_empty")]
    pub(crate) encryption_changes: EncryptionChanges,
    /// Its resource policy, as it was given.
    #[n(14)]
    pub policy: Option<String>,
    /// What arrived before this is gone, whatever the retention period says now.
    #[n(15)]
    pub trimmed_before_ms: Option<u64>,
    /// When UpdateShardCount was used, oldest first, of the last day.
    #[cbor(n(16), default, skip_if = "Vec::is_empty")]
    pub(crate) scaled_ms: Vec<u64>,
    /// When its capacity mode was changed, oldest first, of the last day.
    #[cbor(n(17), default, skip_if = "Vec::is_empty")]
    pub(crate) mode_changed_ms: Vec<u64>,
    /// What it had to carry on demand, of the last 30 days: later ones are lower.
    #[cbor(n(18), default, skip_if = "Vec::is_empty")]
    pub(crate) peaks: Vec<Peak>,
}

impl StreamRow {
    /// Where the retention period begins, at `now`.
    pub(crate) fn horizon(&self, now: UnixMillis) -> UnixMillis {
        let retained = Duration::from_hours(u64::from(self.retention_hours));
        now.before(retained).max(UnixMillis(self.trimmed_before_ms.unwrap_or_default()))
    }
}

/// The latest changes of a stream's encryption, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct EncryptionChanges {
    /// When a key was applied.
    #[n(0)]
    pub started_ms: Vec<u64>,
    /// When encryption was stopped.
    #[n(1)]
    pub stopped_ms: Vec<u64>,
}

impl EncryptionChanges {
    fn is_empty(&self) -> bool {
        self.started_ms.is_empty() && self.stopped_ms.is_empty()
    }

    /// When encryption was started, or stopped.
    pub(crate) fn times_mut(&mut self, starts: bool) -> &mut Vec<u64> {
        if starts { &mut self.started_ms } else { &mut self.stopped_ms }
    }
}

/// A throughput that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Peak {
    /// When.
    #[n(0)]
    pub at_ms: u64,
    /// What it takes to carry it, in thousandths of a shard.
    #[n(1)]
    pub millishards: u32,
}

/// A change that `--state-delay` has put off.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Pending {
    /// When it happens.
    #[n(0)]
    pub due_ms: u64,
    /// What happens.
    #[n(1)]
    pub change: Change,
}

/// What can happen to a stream after a while.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Change {
    /// It becomes ACTIVE.
    #[n(0)]
    Activate,
    /// It goes away.
    #[n(1)]
    Delete,
    /// A shard is split where the second child starts.
    #[n(2)]
    Split {
        /// The shard.
        #[n(0)]
        shard: u32,
        /// The second child's first hash key, big-endian.
        #[cbor(n(1), with = "minicbor::bytes")]
        at: [u8; 16],
    },
    /// Two shards become one.
    #[n(3)]
    Merge {
        /// The lower one.
        #[n(0)]
        shard: u32,
        /// The one after it.
        #[n(1)]
        adjacent: u32,
    },
    /// The open shards become this many.
    #[n(4)]
    Scale {
        /// How many.
        #[n(0)]
        target: u32,
    },
    /// Records live this long.
    #[n(5)]
    Retain {
        /// How long.
        #[n(0)]
        hours: u32,
    },
    /// Records may be this large.
    #[n(6)]
    Resize {
        /// How large, in KiB.
        #[n(0)]
        kib_max: u32,
    },
    /// Records are encrypted with this key, or no more.
    #[n(7)]
    Encrypt {
        /// The KMS key.
        #[n(0)]
        key: Option<String>,
    },
    /// Shards publish these metrics.
    #[n(8)]
    Monitor {
        /// Which.
        #[n(0)]
        metrics: ShardMetrics,
    },
}

/// A shard, under the stream's generation and the shard's index, both big-endian.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct ShardRow {
    /// Its log.
    #[n(0)]
    pub log: u64,
    /// Its first hash key, big-endian.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub start: [u8; 16],
    /// Its last hash key, big-endian.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub end: [u8; 16],
    /// What it was split or merged from.
    #[n(3)]
    pub parent: Option<u32>,
    /// The other one it was merged from.
    #[n(4)]
    pub adjacent_parent: Option<u32>,
    /// When it was created, in seconds.
    #[n(5)]
    pub created_seconds: u64,
    /// When it was closed.
    #[n(6)]
    pub closed_ms: Option<u64>,
}

/// A registered consumer, under the stream's generation (big-endian) and the consumer's name.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct ConsumerRow {
    /// Tells this consumer from an earlier one of the same name.
    #[n(0)]
    pub generation: u64,
    /// When it was registered.
    #[n(1)]
    pub created_ms: u64,
    /// Until when it is CREATING.
    #[n(2)]
    pub active_ms: u64,
    /// From when it is gone, once its deletion was asked for.
    #[n(3)]
    pub deleted_ms: Option<u64>,
    /// Its tags.
    #[n(4)]
    pub tags: BTreeMap<String, String>,
    /// Its resource policy, as it was given.
    #[n(5)]
    pub policy: Option<String>,
}

/// What an account has decided about a region, under `account NUL region`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct AccountRow {
    /// When its minimum throughput billing commitment started.
    #[n(0)]
    pub commitment_started_ms: Option<u64>,
    /// When the commitment ended or will end.
    #[n(1)]
    pub commitment_ends_ms: Option<u64>,
}

#[cfg(test)]
impl StreamRow {
    /// An ordinary stream, for tests.
    pub(crate) fn sample(shards_made: u32) -> Self {
        StreamRow {
            generation: 1,
            created_ms: 1_700_000_000_000,
            mode: Mode::Provisioned,
            retention_hours: 24,
            status: Status::Active,
            pending: None,
            shards_made,
            record_kib_max: 1024,
            kms_key: None,
            tags: BTreeMap::new(),
            distributes: false,
            warm_mibps: None,
            scaled_ms: Vec::new(),
            mode_changed_ms: Vec::new(),
            peaks: Vec::new(),
            shard_level_metrics: ShardMetrics::default(),
            encryption_changes: EncryptionChanges::default(),
            policy: None,
            trimmed_before_ms: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitoring::ShardMetric;
    use proptest::collection::{btree_map, vec};
    use proptest::option;
    use proptest::prelude::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn stream() -> StreamRow {
        StreamRow {
            generation: 1 << 40,
            status: Status::Updating,
            pending: Some(Pending {
                due_ms: 1_700_000_000_500,
                change: Change::Split { shard: 0, at: [7; 16] },
            }),
            tags: BTreeMap::from([("team".to_owned(), "core".to_owned())]),
            ..StreamRow::sample(4)
        }
    }

    /// A stream of which everything was set.
    fn changed_stream() -> StreamRow {
        StreamRow {
            kms_key: Some("alias/aws/kinesis".to_owned()),
            shard_level_metrics: ShardMetrics::from_iter([ShardMetric::OutgoingBytes]),
            encryption_changes: EncryptionChanges {
                started_ms: vec![1_700_000_000_100],
                stopped_ms: vec![1_700_000_000_050],
            },
            policy: Some("{}".to_owned()),
            trimmed_before_ms: Some(1_699_900_000_000),
            pending: Some(Pending {
                due_ms: 1_700_000_000_500,
                change: Change::Monitor { metrics: ShardMetrics::from_iter(ShardMetric::ALL) },
            }),
            ..stream()
        }
    }

    /// These bytes are on disks: a change that breaks this test breaks folders.
    #[test]
    fn golden_bytes() {
        let stream = minicbor::to_vec(stream()).unwrap();
        assert_eq!(hex(&stream), include_str!("../tests/golden/stream_row.hex").trim());
        let busy = StreamRow {
            mode: Mode::OnDemand,
            scaled_ms: vec![1_700_000_000_000],
            mode_changed_ms: vec![1_700_000_000_001, 1_700_000_000_002],
            peaks: vec![Peak { at_ms: 1_700_000_000_003, millishards: 4200 }],
            ..StreamRow::sample(4)
        };
        let busy = minicbor::to_vec(busy).unwrap();
        assert_eq!(hex(&busy), include_str!("../tests/golden/stream_row_busy.hex").trim());
        assert_eq!(
            hex(&minicbor::to_vec(changed_stream()).unwrap()),
            include_str!("../tests/golden/changed_stream_row.hex").trim()
        );
        let account = AccountRow {
            commitment_started_ms: Some(1_700_000_000_000),
            commitment_ends_ms: Some(1_700_086_400_000),
        };
        assert_eq!(
            hex(&minicbor::to_vec(&account).unwrap()),
            include_str!("../tests/golden/account_row.hex").trim()
        );
        let shard = ShardRow {
            log: 5,
            start: [0; 16],
            end: [0xff; 16],
            parent: Some(1),
            adjacent_parent: None,
            created_seconds: 1_700_000_001,
            closed_ms: Some(1_700_000_100_000),
        };
        assert_eq!(
            hex(&minicbor::to_vec(shard).unwrap()),
            include_str!("../tests/golden/shard_row.hex").trim()
        );
        let consumer = ConsumerRow {
            generation: 9,
            created_ms: 1_700_000_000_000,
            active_ms: 1_700_000_000_000,
            deleted_ms: None,
            tags: BTreeMap::new(),
            policy: None,
        };
        assert_eq!(
            hex(&minicbor::to_vec(&consumer).unwrap()),
            include_str!("../tests/golden/consumer_row.hex").trim()
        );
        let consumer = ConsumerRow { policy: Some("{}".to_owned()), ..consumer };
        assert_eq!(
            hex(&minicbor::to_vec(consumer).unwrap()),
            include_str!("../tests/golden/consumer_policy_row.hex").trim()
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            created_ms: u64,
            shards_made: u32,
            kms_key in option::of(".{0,20}"),
            tags in btree_map(".{1,8}", ".{0,8}", 0..4),
            at: [u8; 16],
            scaled_ms: Vec<u64>,
            peaks in vec((any::<u64>(), any::<u32>()), 0..4),
            started_ms: Vec<u64>,
            policy in option::of(".{0,20}"),
            trimmed_before_ms: Option<u64>,
            set in 0usize..8,
        ) {
            let peaks = peaks.into_iter().map(|(at_ms, millishards)| Peak { at_ms, millishards });
            let metrics = ShardMetric::ALL.into_iter().take(set).collect();
            let change = match set {
                0 => Change::Split { shard: shards_made, at },
                1 => Change::Retain { hours: shards_made },
                2 => Change::Resize { kib_max: shards_made },
                3 => Change::Encrypt { key: kms_key.clone() },
                _ => Change::Monitor { metrics },
            };
            let row = StreamRow {
                created_ms,
                shards_made,
                kms_key,
                tags,
                shard_level_metrics: metrics,
                encryption_changes: EncryptionChanges { started_ms, stopped_ms: Vec::new() },
                policy,
                trimmed_before_ms,
                pending: Some(Pending { due_ms: created_ms, change }),
                mode_changed_ms: scaled_ms.clone(),
                scaled_ms,
                peaks: peaks.collect(),
                ..stream()
            };
            let bytes = minicbor::to_vec(&row).unwrap();
            prop_assert_eq!(minicbor::decode::<StreamRow>(&bytes).unwrap(), row);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = minicbor::decode::<StreamRow>(&bytes);
            let _ = minicbor::decode::<ShardRow>(&bytes);
            let _ = minicbor::decode::<ConsumerRow>(&bytes);
            let _ = minicbor::decode::<AccountRow>(&bytes);
        }
    }
}
