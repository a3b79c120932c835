//! What the owner of a stream can change about it without moving a record: how long records live,
//! how large they may be, whether they are encrypted, and what its shards publish.
//!
//! Each change leaves the stream UPDATING for as long as `--state-delay` says, and takes effect when
//! it is ACTIVE again.

use stdx::UnixMillis;

use crate::engine::{Plan, Streams};
use crate::error::{Error, RetentionRule};
use crate::limits::{ENCRYPTION_CHANGES_MAX, RETENTION_HOURS_MAX, RETENTION_HOURS_MIN};
use crate::monitoring::ShardMetrics;
use crate::mutant::{self, Mutant};
use crate::reshard::check_active;
use crate::rows::{Change, StreamRow};
use crate::stream::{Status, Stream, StreamState};

impl Streams {
    /// Makes records live longer.
    ///
    /// # Errors
    /// [`Error::Retention`], or if the stream is not ACTIVE.
    pub async fn increase_retention(&self, stream: &Stream, hours: i64) -> Result<(), Error> {
        self.retain(stream, hours, |current| {
            (hours < i64::from(current)).then_some(RetentionRule::NotShorter { current })
        })
        .await
    }

    /// Makes records live shorter: what is older already is given up.
    ///
    /// # Errors
    /// [`Error::Retention`], or if the stream is not ACTIVE.
    pub async fn decrease_retention(&self, stream: &Stream, hours: i64) -> Result<(), Error> {
        self.retain(stream, hours, |current| {
            (hours > i64::from(current)).then_some(RetentionRule::NotLonger { current })
        })
        .await
    }

    async fn retain(
        &self,
        stream: &Stream,
        hours: i64,
        broken: impl Fn(u32) -> Option<RetentionRule>,
    ) -> Result<(), Error> {
        self.set(stream, |state, _| {
            let broken = if hours < i64::from(RETENTION_HOURS_MIN) {
                Some(RetentionRule::AtLeast(RETENTION_HOURS_MIN))
            } else if hours > i64::from(RETENTION_HOURS_MAX) {
                Some(RetentionRule::AtMost(RETENTION_HOURS_MAX))
            } else {
                broken(state.row.retention_hours)
            };
            if let Some(rule) = broken {
                return Err(Error::Retention { stream: stream.name.clone(), rule, hours });
            }
            let change = Change::Retain { hours: hours as u32 };
            Ok((hours != i64::from(state.row.retention_hours)).then(|| (state.row.clone(), change)))
        })
        .await
    }

    /// Sets the largest record, in KiB.
    ///
    /// # Errors
    /// If the stream is not ACTIVE.
    pub async fn set_record_size(&self, stream: &Stream, kib_max: u32) -> Result<(), Error> {
        self.set(stream, |state, _| {
            let change = Change::Resize { kib_max };
            Ok((kib_max != state.row.record_kib_max).then(|| (state.row.clone(), change)))
        })
        .await
    }

    /// Encrypts what is put from now on with `key`, or, with none, encrypts no more.
    ///
    /// # Errors
    /// [`Error::QuotaUsedUp`], or if the stream is not ACTIVE.
    pub async fn encrypt(&self, stream: &Stream, key: Option<String>) -> Result<(), Error> {
        self.set(stream, |state, now| {
            if key == state.row.kms_key {
                return Ok(None);
            }
            let mut row = state.row.clone();
            let times_ms = row.encryption_changes.times_mut(key.is_some());
            *times_ms = self.check_daily(&stream.name, times_ms, ENCRYPTION_CHANGES_MAX, now)?;
            Ok(Some((row, Change::Encrypt { key: key.clone() })))
        })
        .await
    }

    /// Lets the stream's shards publish `metrics` too; answers the sets before and after.
    ///
    /// # Errors
    /// If the stream is not ACTIVE.
    pub async fn enable_monitoring(
        &self,
        stream: &Stream,
        metrics: ShardMetrics,
    ) -> Result<(ShardMetrics, ShardMetrics), Error> {
        self.monitor(stream, |current| current.with(metrics)).await
    }

    /// Lets the stream's shards publish `metrics` no more; answers the sets before and after.
    ///
    /// # Errors
    /// If the stream is not ACTIVE.
    pub async fn disable_monitoring(
        &self,
        stream: &Stream,
        metrics: ShardMetrics,
    ) -> Result<(ShardMetrics, ShardMetrics), Error> {
        self.monitor(stream, |current| current.without(metrics)).await
    }

    async fn monitor(
        &self,
        stream: &Stream,
        desire: impl Fn(ShardMetrics) -> ShardMetrics,
    ) -> Result<(ShardMetrics, ShardMetrics), Error> {
        let mut sets = (ShardMetrics::default(), ShardMetrics::default());
        self.set(stream, |state, _| {
            let current = state.row.shard_level_metrics;
            let metrics = desire(current);
            sets = (current, metrics);
            let change = Change::Monitor { metrics };
            Ok((current != metrics).then(|| (state.row.clone(), change)))
        })
        .await?;
        Ok(sets)
    }

    /// Plans a setting, and the row that remembers it, on the newest state of an ACTIVE stream, and
    /// commits it or puts it off. A plan of nothing changes nothing.
    async fn set(
        &self,
        stream: &Stream,
        mut plan: impl FnMut(&StreamState, UnixMillis) -> Result<Option<(StreamRow, Change)>, Error>,
    ) -> Result<(), Error> {
        self.change(stream, |state| {
            check_active(&stream.name, state)?;
            let now = self.now();
            let Some((row, change)) = plan(state, now)? else { return Ok(Plan::default()) };
            let row = match self.delayed(now, change.clone()) {
                None => with_setting(row, &change, now),
                pending => StreamRow { status: Status::Updating, pending, ..row },
            };
            Ok(Plan { row: Some(row), ..Plan::default() })
        })
        .await?;
        self.0.pending.notify_one();
        Ok(())
    }
}

/// The row once `change` has taken effect: the stream is ACTIVE.
pub(crate) fn with_setting(row: StreamRow, change: &Change, now: UnixMillis) -> StreamRow {
    let row = StreamRow { status: Status::Active, pending: None, ..row };
    match change {
        // What has expired by now stays expired, however long later records will live.
        Change::Retain { hours } => {
            let forgets = mutant::is_on(Mutant::ForgetFloor);
            let trimmed_before_ms = (!forgets).then_some(row.horizon(now).0);
            StreamRow { retention_hours: *hours, trimmed_before_ms, ..row }
        }
        Change::Resize { kib_max } => StreamRow { record_kib_max: *kib_max, ..row },
        Change::Encrypt { key } => StreamRow { kms_key: key.clone(), ..row },
        Change::Monitor { metrics } => StreamRow { shard_level_metrics: *metrics, ..row },
        Change::Activate
        | Change::Delete
        | Change::Split { .. }
        | Change::Merge { .. }
        | Change::Scale { .. } => row,
    }
}
