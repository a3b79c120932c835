//! What an account and a stream may have, under `--limits aws`.

use stdx::UnixMillis;

use crate::engine::{NewStream, Streams};
use crate::error::Error;
use crate::limits::{
    LARGE_REGIONS, ON_DEMAND_SHARDS_ELSEWHERE_MAX, ON_DEMAND_STREAMS_MAX,
    OPEN_SHARDS_PER_STREAM_MAX, QUOTA_WINDOW, SHARDS_PER_ACCOUNT_ELSEWHERE_MAX,
    SHARDS_PER_ACCOUNT_MAX, STREAMS_CHANGING_MAX,
};
use crate::name::StreamName;
use crate::stream::{Mode, Status};

/// Open provisioned shards that an account may have in a region.
pub fn shards_per_account_max(region: &str) -> u32 {
    if is_large(region) { SHARDS_PER_ACCOUNT_MAX } else { SHARDS_PER_ACCOUNT_ELSEWHERE_MAX }
}

fn is_large(region: &str) -> bool {
    LARGE_REGIONS.contains(&region)
}

impl Streams {
    /// Whether one more stream may be created.
    pub(crate) fn check_creation_quotas(
        &self,
        name: &StreamName,
        new: &NewStream,
    ) -> Result<(), Error> {
        if !self.0.config.limits {
            return Ok(());
        }
        let streams = self.list(&name.world, "", usize::MAX);
        let statuses = streams.iter().map(|stream| stream.state().row.status);
        let changing = statuses.filter(|s| matches!(s, Status::Creating | Status::Deleting));
        if changing.count() >= STREAMS_CHANGING_MAX {
            let (stream, limit) = (name.clone(), STREAMS_CHANGING_MAX);
            return Err(Error::StreamsChangingLimit { stream, limit });
        }
        self.check_mode_quota(name, new.mode, new.shards)
    }

    /// Whether a stream of that many shards may be, or become, one of this mode.
    pub(crate) fn check_mode_quota(
        &self,
        name: &StreamName,
        mode: Mode,
        shards: u32,
    ) -> Result<(), Error> {
        match mode {
            Mode::Provisioned => self.check_shard_quota(name, shards),
            Mode::OnDemand => self.check_on_demand_quota(name),
        }
    }

    fn check_on_demand_quota(&self, name: &StreamName) -> Result<(), Error> {
        if !self.0.config.limits {
            return Ok(());
        }
        let current = self.usage(&name.world).on_demand_streams;
        if current >= ON_DEMAND_STREAMS_MAX {
            let (stream, limit) = (name.clone(), ON_DEMAND_STREAMS_MAX);
            return Err(Error::OnDemandStreamLimit { stream, current, limit });
        }
        Ok(())
    }

    /// Whether `added` more open shards would exceed the account's quota.
    pub(crate) fn check_shard_quota(&self, name: &StreamName, added: u32) -> Result<(), Error> {
        if !self.0.config.limits {
            return Ok(());
        }
        let current = self.usage(&name.world).open_shards;
        let limit = shards_per_account_max(&name.world.region);
        if current.saturating_add(added) > limit {
            return Err(Error::ShardLimit { stream: name.clone(), current, limit, added });
        }
        Ok(())
    }

    /// Whether something that happened at these times may happen once more in the same day;
    /// answers the times to remember.
    pub(crate) fn check_daily(
        &self,
        name: &StreamName,
        times_ms: &[u64],
        times_max: usize,
        now: UnixMillis,
    ) -> Result<Vec<u64>, Error> {
        let mut recent = times_within_window(times_ms, now);
        if recent.len() >= times_max {
            if self.0.config.limits {
                return Err(Error::QuotaUsedUp(name.clone()));
            }
            recent.drain(..=recent.len() - times_max);
        }
        recent.push(now.0);
        Ok(recent)
    }

    /// Open shards that an on-demand stream may have.
    pub(crate) fn on_demand_shards_max(&self, name: &StreamName) -> u32 {
        if self.0.config.limits && !is_large(&name.world.region) {
            ON_DEMAND_SHARDS_ELSEWHERE_MAX
        } else {
            OPEN_SHARDS_PER_STREAM_MAX
        }
    }
}

fn times_within_window(times_ms: &[u64], now: UnixMillis) -> Vec<u64> {
    let begin = now.before(QUOTA_WINDOW);
    times_ms.iter().copied().filter(|time_ms| *time_ms > begin.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_rolls() {
        let hour_ms = 3_600_000;
        let times: Vec<u64> = (0..30).map(|hour| hour * hour_ms).collect();
        let recent = times_within_window(&times, UnixMillis(29 * hour_ms));
        assert_eq!(recent, times[6..]);
    }

    #[test]
    fn regions_differ() {
        assert_eq!(shards_per_account_max("us-east-1"), 500);
        assert_eq!(shards_per_account_max("eu-central-1"), 200);
    }
}
