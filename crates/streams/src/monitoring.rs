//! Enhanced monitoring: which metrics a stream's shards publish each for itself.

use minicbor::{Decode, Encode};

/// A metric that a shard can publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ShardMetric {
    /// Bytes put.
    IncomingBytes = 1,
    /// Records read.
    OutgoingRecords = 1 << 1,
    /// The age of the last record read.
    IteratorAgeMilliseconds = 1 << 2,
    /// Records put.
    IncomingRecords = 1 << 3,
    /// Reads refused.
    ReadProvisionedThroughputExceeded = 1 << 4,
    /// Writes refused.
    WriteProvisionedThroughputExceeded = 1 << 5,
    /// Bytes read.
    OutgoingBytes = 1 << 6,
}

impl ShardMetric {
    /// Every metric, in the order in which AWS lists them (AWS CLI's examples of
    /// enable-enhanced-monitoring).
    pub const ALL: [ShardMetric; 7] = [
        ShardMetric::IncomingBytes,
        ShardMetric::OutgoingRecords,
        ShardMetric::IteratorAgeMilliseconds,
        ShardMetric::IncomingRecords,
        ShardMetric::ReadProvisionedThroughputExceeded,
        ShardMetric::WriteProvisionedThroughputExceeded,
        ShardMetric::OutgoingBytes,
    ];
}

/// A set of shard-level metrics; a stream begins with none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct ShardMetrics(#[n(0)] u8);

impl ShardMetrics {
    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// Whether `metric` is in it.
    pub fn contains(self, metric: ShardMetric) -> bool {
        self.0 & metric as u8 != 0
    }

    /// What is in either.
    pub fn with(self, other: ShardMetrics) -> Self {
        ShardMetrics(self.0 | other.0)
    }

    /// What is in this and not in `other`.
    pub fn without(self, other: ShardMetrics) -> Self {
        ShardMetrics(self.0 & !other.0)
    }

    /// Its metrics, in AWS's order.
    pub fn iter(self) -> impl Iterator<Item = ShardMetric> {
        ShardMetric::ALL.into_iter().filter(move |metric| self.contains(*metric))
    }
}

impl FromIterator<ShardMetric> for ShardMetrics {
    fn from_iter<I: IntoIterator<Item = ShardMetric>>(metrics: I) -> Self {
        ShardMetrics(metrics.into_iter().fold(0, |set, metric| set | metric as u8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_joined_and_parted() {
        let all: ShardMetrics = ShardMetric::ALL.into_iter().collect();
        assert_eq!(all.iter().collect::<Vec<_>>(), ShardMetric::ALL);
        let bytes = [ShardMetric::OutgoingBytes, ShardMetric::IncomingBytes].into_iter().collect();
        let rest = all.without(bytes);
        assert!(!rest.contains(ShardMetric::OutgoingBytes));
        assert_eq!(rest.iter().count(), 5);
        assert_eq!(rest.with(bytes), all);
        assert!(rest.without(all).is_empty());
    }
}
