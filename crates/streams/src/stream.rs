//! A stream in memory: a name, and a snapshot of its row and shards that readers take without
//! waiting for anybody.

use std::fmt;
use std::sync::Arc;

use minicbor::{Decode, Encode};
use tokio::sync::watch;

use stdx::UnixMillis;
use store::LogId;

use crate::keyspace::{HashKey, HashRange};
use crate::meters::StreamMeters;
use crate::mutant::{self, Mutant};
use crate::name::StreamName;
use crate::on_demand::Intake;
use crate::rows::{ShardRow, StreamRow};
use crate::shard::{Shard, ShardMap};

/// What is happening to a stream or a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Status {
    /// Not usable yet.
    #[n(0)]
    Creating,
    /// Usable.
    #[n(1)]
    Active,
    /// Usable while something changes.
    #[n(2)]
    Updating,
    /// Going away.
    #[n(3)]
    Deleting,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Creating => "CREATING",
            Status::Active => "ACTIVE",
            Status::Updating => "UPDATING",
            Status::Deleting => "DELETING",
        })
    }
}

/// How a stream's capacity is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Mode {
    /// By its owner, in shards.
    #[n(0)]
    Provisioned,
    /// By the service.
    #[n(1)]
    OnDemand,
}

/// A stream at one moment.
#[derive(Clone, Debug)]
pub struct StreamState {
    /// The stream's row.
    pub row: StreamRow,
    /// The row's version in its table.
    pub version: u64,
    /// Its shards.
    pub shards: Arc<ShardMap>,
}

impl StreamState {
    /// When the stream was created.
    pub fn created(&self) -> UnixMillis {
        UnixMillis(self.row.created_ms)
    }

    /// Where the retention period begins, at `now`.
    pub fn horizon(&self, now: UnixMillis) -> UnixMillis {
        self.row.horizon(now)
    }
}

/// A stream.
#[derive(Debug)]
pub struct Stream {
    /// Its name.
    pub name: StreamName,
    /// Tells it from another stream of the same name.
    pub generation: u64,
    /// What it takes in, for whoever scales it.
    pub(crate) intake: Intake,
    /// What is measured of it.
    pub meters: StreamMeters,
    state: watch::Sender<Arc<StreamState>>,
}

impl Stream {
    pub(crate) fn new(name: StreamName, state: StreamState) -> Self {
        let generation = state.row.generation;
        let state = watch::Sender::new(Arc::new(state));
        let (intake, meters) = (Intake::default(), StreamMeters::default());
        Stream { name, generation, intake, meters, state }
    }

    /// Its id: what `StreamId` means it.
    pub fn id(&self) -> String {
        stream_id(self.generation)
    }

    /// The newest snapshot.
    pub fn state(&self) -> Arc<StreamState> {
        Arc::clone(&self.state.borrow())
    }

    /// Whether its shards are measured one by one.
    pub fn has_shard_level_metrics(&self) -> bool {
        !self.state.borrow().row.shard_level_metrics.is_empty()
    }

    /// Watches for newer snapshots. There is one more when the stream goes.
    pub fn watch(&self) -> watch::Receiver<Arc<StreamState>> {
        self.state.subscribe()
    }

    /// Shows a newer snapshot; an older one, published late, changes nothing.
    pub(crate) fn publish(&self, state: StreamState) {
        self.state.send_if_modified(|current| {
            let newer = state.version > current.version;
            if newer {
                *current = Arc::new(state);
            }
            newer
        });
    }
}

/// The largest prime below 36³.
const ID_CHECK: u64 = 46_649;

/// The id of a generation, as AWS's `StreamId` looks: 20 and 3 of `0-9a-z`. The generation in base
/// 36, and what tells a mistyped one. No answer shows it: SDKs that are given one make a host of
/// `amazonaws.com` out of it, whatever endpoint they were told (AWS calls the member reserved).
pub(crate) fn stream_id(generation: u64) -> String {
    format!("{}-{}", base36(generation, 20), base36(generation % ID_CHECK, 3))
}

/// The generation of a stream's id.
pub(crate) fn parse_stream_id(id: &str) -> Option<u64> {
    let (digits, check) = id.split_once('-')?;
    let lower = |part: &str| part.bytes().all(|c| c.is_ascii_digit() || c.is_ascii_lowercase());
    if (digits.len(), check.len()) != (20, 3) || !lower(digits) || !lower(check) {
        return None;
    }
    let generation = u64::from_str_radix(digits, 36).ok()?;
    (u64::from_str_radix(check, 36) == Ok(generation % ID_CHECK)).then_some(generation)
}

/// `number` in `width` digits of `0-9a-z`.
fn base36(mut number: u64, width: usize) -> String {
    let mut digits = vec![b'0'; width];
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdefghijklmnopqrstuvwxyz"[(number % 36) as usize];
        number /= 36;
    }
    digits.into_iter().map(char::from).collect()
}

impl From<&Shard> for ShardRow {
    fn from(shard: &Shard) -> Self {
        let closed = shard.closed.filter(|_| !mutant::is_on(Mutant::ForgetClose));
        ShardRow {
            log: shard.log.0,
            start: shard.range.start.0.to_be_bytes(),
            end: shard.range.end.0.to_be_bytes(),
            parent: shard.parent,
            adjacent_parent: shard.adjacent_parent,
            created_seconds: shard.created_seconds,
            closed_ms: closed.map(|closed| closed.0),
        }
    }
}

impl Shard {
    /// The shard that a row describes.
    pub(crate) fn from_row(index: u32, row: &ShardRow) -> Self {
        Shard {
            index,
            log: LogId(row.log),
            range: HashRange {
                start: HashKey(u128::from_be_bytes(row.start)),
                end: HashKey(u128::from_be_bytes(row.end)),
            },
            parent: row.parent,
            adjacent_parent: row.adjacent_parent,
            created_seconds: row.created_seconds,
            closed: row.closed_ms.map(UnixMillis),
            traffic: Arc::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_look_like_awss() {
        assert_eq!(stream_id(1 << 40), "000000000000e13wu1og-c5u");
        assert_eq!(parse_stream_id("000000000000e13wu1og-c5v"), None, "mistyped");
        for other in ["", "-", "orders", "000000000000e13wu1og", "000000000000E13WU1OG-c5u"] {
            assert_eq!(parse_stream_id(other), None, "{other}");
        }
        assert_eq!(parse_stream_id("zzzzzzzzzzzzzzzzzzzz-zzz"), None, "beyond 64 bits");
    }

    proptest! {
        #[test]
        fn ids_are_read_as_written(generation: u64) {
            prop_assert_eq!(parse_stream_id(&stream_id(generation)), Some(generation));
        }
    }
}
