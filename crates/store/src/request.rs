//! What callers ask and what they are told.

use bytes::Bytes;
use stdx::UnixMillis;

use crate::batch::RecordBatch;
use crate::error::StoreError;
use crate::id::{LogId, Position, TableId};

/// Records for one log.
#[derive(Clone, Debug)]
pub struct LogAppend {
    /// The log.
    pub log: LogId,
    /// Its records, in order.
    pub records: RecordBatch,
    /// Reserved for exactly-once between lanes: must be `None`.
    pub producer: Option<(u64, u64)>,
}

impl LogAppend {
    /// Records for one log, without a producer.
    pub fn new(log: LogId, records: RecordBatch) -> Self {
        LogAppend { log, records, producer: None }
    }
}

/// What became of one [`LogAppend`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendOutcome {
    /// Durable, at `first` and the positions after it.
    Appended {
        /// The first record's position; the others follow one by one.
        first: Position,
        /// When the whole batch arrived; never falls within a log.
        arrival: UnixMillis,
    },
    /// The log is closed: nothing was written to it.
    Closed,
    /// There is no such log: nothing was written.
    UnknownLog,
}

/// What a row's present version must be for a commit to go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Whatever it is.
    Any,
    /// There must be no such row.
    Absent,
    /// It must be this version.
    Version(u64),
}

/// One row to write or delete.
#[derive(Clone, Debug)]
pub struct RowWrite {
    /// The table.
    pub table: TableId,
    /// The row's key, encoded.
    pub key: Bytes,
    /// The row, encoded; `None` deletes it.
    pub value: Option<Bytes>,
    /// What must be there now.
    pub expect: Expect,
}

/// Changes that happen together or not at all, in this order: opens, records,
/// closes, trims, forgets; rows at the same time.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// Rows to write.
    pub rows: Vec<RowWrite>,
    /// Logs to open, with ids from [`crate::Store::new_log_id`]. Opening an open log changes nothing.
    pub opens: Vec<LogId>,
    /// Logs to close for good. Closing a closed log changes nothing and answers its end.
    pub closes: Vec<LogId>,
    /// Records to append; each log must be open.
    pub records: Vec<LogAppend>,
    /// Logs whose records below a position are given up; unknown ones are passed over.
    pub trims: Vec<(LogId, Position)>,
    /// Logs to delete with all their data; unknown ones are passed over.
    pub forgets: Vec<LogId>,
}

/// A closed log's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEnd {
    /// The log.
    pub log: LogId,
    /// Above its last entry.
    pub end: Position,
}

/// A commit's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The new version of each row, in the commit's order (a deletion has one too).
    pub versions: Vec<u64>,
    /// The end of each log in `closes`, in order.
    pub closed: Vec<LogEnd>,
    /// What became of each of `records`, in order: always `Appended`.
    pub appended: Vec<AppendOutcome>,
    /// When the commit happened.
    pub arrival: UnixMillis,
}

/// Why a commit did not happen. Nothing of it was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// A row is not what the commit expected.
    #[error("row {row} has changed")]
    Conflict {
        /// Its index in the commit.
        row: usize,
    },
    /// A log to append to or to open is closed.
    #[error("{0} is closed")]
    LogClosed(LogId),
    /// A log to append to or to close does not exist.
    #[error("{0} does not exist")]
    UnknownLog(LogId),
    /// The commit, a record, a key or a value is larger than its limit.
    #[error("the commit is too large")]
    TooLarge,
    /// The tables hold all they may.
    #[error("the tables are full")]
    TablesFull,
    /// The logs live on different lanes.
    #[error("the commit spans lanes")]
    NotOneLane,
    /// The store cannot write now.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where a read begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// At the first record at or above this position.
    Position(Position),
    /// At the first record that arrived at or after this time.
    Time(UnixMillis),
}

/// How much a read may answer. One record is always answered, however large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadBudget {
    /// Records, at most.
    pub records_max: usize,
    /// Payload bytes, at most.
    pub bytes_max: usize,
}

/// One record as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// Where it stands.
    pub position: Position,
    /// When it arrived.
    pub arrival: UnixMillis,
    /// What it holds: a slice of a chunk or of a block read from disk.
    pub payload: Bytes,
}

/// What a read found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadPage {
    /// The records, in order.
    pub records: Vec<StoredRecord>,
    /// Where the next read continues.
    pub next: Position,
    /// Whether everything durable in the log has been read.
    pub at_tail: bool,
    /// Whether the log is closed and `next` is past its end.
    pub closed_end: bool,
    /// Whether the read began below what has been trimmed.
    pub trimmed: bool,
}

/// A log's durable end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogTail {
    /// Everything durable lies below this.
    pub next: Position,
    /// When the last record arrived, if this process has seen one.
    pub last_arrival: Option<UnixMillis>,
    /// Whether the log is closed.
    pub closed: bool,
    /// Everything below this has been trimmed.
    pub trimmed_below: Position,
}
