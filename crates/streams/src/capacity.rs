//! How a stream's capacity is chosen: its mode, the throughput kept warm, and whether the service
//! distributes its records.

use stdx::UnixMillis;

use crate::engine::{Plan, Streams};
use crate::error::Error;
use crate::limits::{MODE_CHANGES_PER_DAY_MAX, WARM_MIBPS_MAX};
use crate::name::StreamName;
use crate::on_demand::{self, Demand};
use crate::reshard::check_active;
use crate::rows::{Change, Peak, StreamRow};
use crate::stream::{Mode, Status, Stream, StreamState};

/// Throughput kept warm, in MiB/s of writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WarmThroughput {
    /// What was asked for.
    pub target_mibps: u32,
    /// What the open shards carry.
    pub current_mibps: u32,
}

impl StreamState {
    /// The throughput kept warm, if any is.
    pub fn warm_throughput(&self) -> Option<WarmThroughput> {
        let target_mibps = self.row.warm_mibps?;
        Some(WarmThroughput { target_mibps, current_mibps: self.shards.open().len() as u32 })
    }
}

impl Streams {
    /// Changes how a stream's capacity is chosen. It keeps its shards, unless more are needed to
    /// keep `warm_mibps` warm; the mode that it has already changes nothing.
    ///
    /// # Errors
    /// If the stream is not ACTIVE, a quota would be exceeded, or `warm_mibps` may not be kept warm.
    pub async fn set_mode(
        &self,
        stream: &Stream,
        mode: Mode,
        warm_mibps: Option<u32>,
    ) -> Result<(), Error> {
        self.check_warm(&stream.name, warm_mibps)?;
        let (name, now) = (&stream.name, self.now());
        self.change(stream, |state| {
            check_active(name, state)?;
            if state.row.mode == mode {
                return Ok(Plan::default());
            }
            let open = state.shards.open().len() as u32;
            self.check_mode_quota(name, mode, open)?;
            let times = &state.row.mode_changed_ms;
            let row = StreamRow {
                mode,
                mode_changed_ms: self.check_daily(name, times, MODE_CHANGES_PER_DAY_MAX, now)?,
                // A provisioned stream has none of the three.
                distributes: false,
                warm_mibps,
                peaks: peaks_of_shards(mode, open, now),
                ..state.row.clone()
            };
            let target = row.warm_mibps.unwrap_or(0).min(self.on_demand_shards_max(name));
            self.plan_with(state, row, (target > open).then_some(target))
        })
        .await?;
        self.0.pending.notify_one();
        Ok(())
    }

    /// Keeps throughput warm: shards are opened for it at once. What neither it nor the traffic of
    /// the last 30 days needs is given up. Zero keeps nothing warm.
    ///
    /// # Errors
    /// If the stream is provisioned or not ACTIVE, the account has committed to no minimum, or that
    /// is more than can be kept warm.
    pub async fn set_warm_throughput(
        &self,
        stream: &Stream,
        mibps: u32,
    ) -> Result<WarmThroughput, Error> {
        let (name, now) = (&stream.name, self.now());
        let before = stream.state();
        self.change(stream, |state| {
            if state.row.mode == Mode::Provisioned {
                return Err(Error::StreamProvisioned(name.clone()));
            }
            self.check_warm(name, Some(mibps))?;
            check_active(name, state)?;
            let warm_mibps = (mibps > 0).then_some(mibps);
            let row = StreamRow { warm_mibps, ..state.row.clone() };
            let demand = Demand::of(&row, 0, self.on_demand_shards_max(name));
            let (open, target) = (state.shards.open().len(), on_demand::needed(&demand, now));
            self.plan_with(state, row, (target as usize != open).then_some(target))
        })
        .await?;
        self.0.pending.notify_one();
        let current_mibps = before.shards.open().len() as u32;
        Ok(WarmThroughput { target_mibps: mibps, current_mibps })
    }

    /// Says whether the service distributes a stream's records, from now on.
    ///
    /// # Errors
    /// If the stream is provisioned or not ACTIVE.
    pub async fn set_distribution(&self, stream: &Stream, distributes: bool) -> Result<(), Error> {
        self.change(stream, |state| {
            if state.row.mode == Mode::Provisioned {
                return Err(Error::DistributionFixed(stream.name.clone()));
            }
            check_active(&stream.name, state)?;
            let row = StreamRow { distributes, ..state.row.clone() };
            Ok(Plan { row: Some(row), ..Plan::default() })
        })
        .await
    }

    /// Whether that much may be kept warm (API reference, UpdateStreamWarmThroughput).
    pub(crate) fn check_warm(&self, name: &StreamName, mibps: Option<u32>) -> Result<(), Error> {
        let Some(mibps) = mibps else { return Ok(()) };
        if !self.commitment(&name.world)?.holds(self.now()) {
            return Err(Error::NoCommitment(name.clone()));
        }
        if mibps > WARM_MIBPS_MAX {
            let (stream, limit_mibps) = (name.clone(), WARM_MIBPS_MAX);
            return Err(Error::WarmThroughputLimit { stream, limit_mibps });
        }
        Ok(())
    }

    /// The commit that makes `row` the stream's, and `target` the number of its open shards.
    pub(crate) fn plan_with(
        &self,
        state: &StreamState,
        row: StreamRow,
        target: Option<u32>,
    ) -> Result<Plan, Error> {
        let change = target.map_or(Change::Activate, |target| Change::Scale { target });
        let row = match self.delayed(self.now(), change.clone()) {
            Some(pending) => StreamRow { status: Status::Updating, pending: Some(pending), ..row },
            None if target.is_some() => {
                return self.plan_reshard(&StreamState { row, ..state.clone() }, &change);
            }
            None => row,
        };
        Ok(Plan { row: Some(row), ..Plan::default() })
    }
}

/// What a stream that begins to be on demand is taken to have carried: half of what its shards
/// can, so that it keeps them (developer guide: it retains the shards it had).
pub(crate) fn peaks_of_shards(mode: Mode, shards: u32, now: UnixMillis) -> Vec<Peak> {
    match mode {
        Mode::Provisioned => Vec::new(),
        Mode::OnDemand => vec![Peak { at_ms: now.0, millishards: shards.saturating_mul(500) }],
    }
}
