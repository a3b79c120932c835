//! What can go wrong, as facts. `api` turns them into AWS's codes and words.

use std::fmt;
use std::sync::Arc;

use stdx::UnixMillis;
use store::{CommitError, ReadError, StoreError};

use crate::keyspace::HashRange;
use crate::name::StreamName;
use crate::stream::Status;

/// How far one UpdateShardCount may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScaleRule {
    /// Not beyond this many open shards.
    AtMost(u32),
    /// Not beyond twice as many.
    Double,
    /// Not below half as many.
    Half,
}

/// What a shard's limits are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardUse {
    /// Records put.
    Write,
    /// GetRecords: calls and bytes.
    Read,
    /// GetShardIterator.
    Iterator,
}

/// What a retention period must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetentionRule {
    /// Not below this many hours.
    AtLeast(u32),
    /// Not beyond this many hours.
    AtMost(u32),
    /// Not shorter than now, where it is to be increased.
    NotShorter {
        /// The hours now.
        current: u32,
    },
    /// Not longer than now, where it is to be decreased.
    NotLonger {
        /// The hours now.
        current: u32,
    },
}

/// Why Data Streams refuses something. `stream` is always the stream that was addressed.
#[derive(Clone, Debug)]
pub enum Error {
    /// There is no such stream, or it is still being created.
    StreamNotFound(StreamName),
    /// A stream of this name exists.
    StreamExists(StreamName),
    /// The stream is not ACTIVE.
    StreamNotActive(StreamName, Status),
    /// The stream has consumers, and their deletion was not asked for.
    StreamHasConsumers(StreamName),
    /// The stream is on demand, where shards are not the caller's business.
    StreamOnDemand(StreamName),
    /// The stream is provisioned, where throughput is not kept warm.
    StreamProvisioned(StreamName),
    /// The stream is provisioned, where the service does not distribute records.
    DistributionFixed(StreamName),
    /// A daily quota of the stream is used up.
    QuotaUsedUp(StreamName),
    /// The account has as many on-demand streams as it may have.
    OnDemandStreamLimit {
        /// The stream.
        stream: StreamName,
        /// On-demand streams of the account in this region.
        current: u32,
        /// The quota.
        limit: u32,
    },
    /// As many streams of the account are being created or deleted as may be at once.
    StreamsChangingLimit {
        /// The stream.
        stream: StreamName,
        /// The quota.
        limit: usize,
    },
    /// Throughput is kept warm only for an account that has committed to a minimum.
    NoCommitment(StreamName),
    /// More throughput than can be kept warm.
    WarmThroughputLimit {
        /// The stream.
        stream: StreamName,
        /// The most, in MiB/s.
        limit_mibps: u32,
    },
    /// A shard id that names nothing, as the control plane says it.
    ShardNotFound(StreamName, String),
    /// A shard id that names nothing, as the data plane says it.
    ShardMissing(StreamName, u32),
    /// The shard has been split or merged before.
    ShardNotOpen(StreamName, u32),
    /// The two shards do not touch.
    ShardsNotAdjacent(StreamName, u32, u32),
    /// The new starting hash key does not leave both halves room.
    SplitPoint {
        /// The stream.
        stream: StreamName,
        /// The shard to split.
        shard: u32,
        /// The key asked for.
        key: String,
        /// The shard's range.
        range: HashRange,
    },
    /// The account's shards would exceed its quota.
    ShardLimit {
        /// The stream.
        stream: StreamName,
        /// Open shards of the account in this region.
        current: u32,
        /// The quota.
        limit: u32,
        /// How many would be added.
        added: u32,
    },
    /// The shard count may not change that far.
    ScaleLimit {
        /// The stream.
        stream: StreamName,
        /// What it breaks.
        rule: ScaleRule,
        /// Open shards now.
        current: u32,
        /// What was asked for.
        target: u32,
    },
    /// The stream would have more tags than it may have.
    TagLimit(StreamName),
    /// The consumer would have more tags than it may have.
    ConsumerTagLimit(StreamName, String),
    /// Records may not live that long.
    Retention {
        /// The stream.
        stream: StreamName,
        /// What it breaks.
        rule: RetentionRule,
        /// What was asked for.
        hours: i64,
    },
    /// An explicit hash key beyond 2^128-1.
    HashKeyRange(String),
    /// A record without a partition key, where the stream needs one.
    PartitionKeyMissing,
    /// Data and key are larger than the stream's records may be.
    RecordTooLarge {
        /// What the stream allows, in KiB.
        limit_kib: u32,
    },
    /// A `SequenceNumberForOrdering` that is none.
    OrderingNumber(StreamName, String),
    /// A starting sequence number that is none, or not of this stream.
    StartingNumber {
        /// The stream.
        stream: StreamName,
        /// The shard.
        shard: u32,
        /// What was given.
        given: String,
        /// Whether it is well-formed but of another shard history.
        foreign: bool,
    },
    /// A starting sequence number of another shard.
    NumberOfOtherShard {
        /// The shard that it encodes.
        encoded: u32,
        /// The shard that it was used with.
        used: u32,
    },
    /// A timestamp ahead of the service's clock.
    TimestampInFuture {
        /// What was given.
        given: UnixMillis,
        /// What time it is.
        now: UnixMillis,
    },
    /// The iterator is older than [`crate::limits::ITERATOR_LIFE`].
    IteratorExpired {
        /// When it was made.
        created: UnixMillis,
        /// What time it is.
        now: UnixMillis,
    },
    /// There is no such consumer.
    ConsumerNotFound(StreamName, String),
    /// A consumer of this name exists.
    ConsumerExists(StreamName, String),
    /// The consumer is not ACTIVE.
    ConsumerNotActive {
        /// The stream.
        stream: StreamName,
        /// The consumer's name.
        consumer: String,
        /// When it was registered.
        created: UnixMillis,
    },
    /// The stream has as many consumers as it may have.
    ConsumerLimit(StreamName),
    /// Another call holds this consumer's subscription to the shard.
    SubscriptionInUse {
        /// The stream.
        stream: StreamName,
        /// The consumer's name.
        consumer: String,
        /// The shard.
        shard: u32,
    },
    /// The shard carries no more of this right now.
    Throttled {
        /// The stream.
        stream: StreamName,
        /// The shard.
        shard: u32,
        /// Of what.
        of: ShardUse,
    },
    /// The consumer subscribed to the shard just now.
    SubscribedJustNow {
        /// The stream.
        stream: StreamName,
        /// The consumer's name.
        consumer: String,
        /// The shard.
        shard: u32,
    },
    /// A change lost too many races.
    Contended(StreamName),
    /// A change of an account's settings lost too many races.
    AccountContended,
    /// Stored bytes that are not what this crate writes.
    Corrupt(&'static str),
    /// The log refuses or fails.
    Store(StoreError),
    /// A read fails.
    Read(Arc<ReadError>),
    /// A commit fails for a reason that is not the caller's.
    Commit(CommitError),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Error::Store(error)
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        Error::Read(Arc::new(error))
    }
}

impl From<CommitError> for Error {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Store(error) => Error::Store(error),
            error => Error::Commit(error),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl std::error::Error for Error {}
