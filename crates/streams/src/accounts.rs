//! What an account has decided about a region: the minimum throughput that it commits to pay for
//! (On-demand Advantage).

use stdx::UnixMillis;
use store::{Commit, CommitError, Expect, RowWrite};

use crate::engine::Streams;
use crate::error::Error;
use crate::limits::{CHANGE_TRIES_MAX, COMMITMENT_MIN};
use crate::name::World;
use crate::rows::AccountRow;
use crate::stream::Mode;
use crate::tables;

/// The minimum throughput billing commitment of an account and region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Commitment {
    /// When it was last entered into.
    pub started: Option<UnixMillis>,
    /// When it ended, or will end.
    pub ends: Option<UnixMillis>,
}

impl Commitment {
    /// Whether it holds at `now`.
    pub fn holds(&self, now: UnixMillis) -> bool {
        self.started.is_some() && self.ends.is_none_or(|ends| now < ends)
    }

    /// When it may end at the earliest.
    pub fn earliest_end(&self) -> Option<UnixMillis> {
        self.started.map(|started| started.after(COMMITMENT_MIN))
    }

    /// What becomes of it when the account asks for it, or asks for its end.
    fn after_a_wish(self, wanted: bool, now: UnixMillis) -> Self {
        match (wanted, self.holds(now)) {
            (true, true) => Commitment { ends: None, ..self },
            (true, false) => Commitment { started: Some(now), ends: None },
            (false, true) if self.ends.is_none() => {
                Commitment { ends: self.earliest_end().map(|earliest| earliest.max(now)), ..self }
            }
            (false, _) => self,
        }
    }
}

/// What an account uses of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Open shards of provisioned streams: the quota is theirs (developer guide, quotas).
    pub open_shards: u32,
    /// Streams in on-demand mode.
    pub on_demand_streams: u32,
}

impl Streams {
    /// What an account has committed to in a region.
    ///
    /// # Errors
    /// If the row cannot be read.
    pub fn commitment(&self, world: &World) -> Result<Commitment, Error> {
        Ok(self.account_row(world)?.0)
    }

    /// Enters into the commitment, or ends it as soon as that is allowed; answers what it is now.
    ///
    /// # Errors
    /// If the log fails.
    pub async fn commit_to_throughput(
        &self,
        world: &World,
        wanted: bool,
    ) -> Result<Commitment, Error> {
        for _ in 0..CHANGE_TRIES_MAX {
            let (current, expect) = self.account_row(world)?;
            let next = current.after_a_wish(wanted, self.now());
            if next == current {
                return Ok(current);
            }
            let row = AccountRow::from(next);
            let rows = vec![RowWrite::put::<tables::Accounts>(world, &row, expect)];
            match self.0.store.commit(Commit { rows, ..Commit::default() }).await {
                Ok(_) => return Ok(next),
                Err(CommitError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::AccountContended)
    }

    fn account_row(&self, world: &World) -> Result<(Commitment, Expect), Error> {
        let found = self.0.store.table::<tables::Accounts>().get(world);
        let found = found.map_err(|error| Error::Corrupt(error.reason))?;
        Ok(match found {
            Some(found) => (found.row.into(), Expect::Version(found.version)),
            None => (Commitment::default(), Expect::Absent),
        })
    }

    /// What an account uses of a region.
    pub fn usage(&self, world: &World) -> Usage {
        let mut usage = Usage { open_shards: 0, on_demand_streams: 0 };
        for stream in self.list(world, "", usize::MAX) {
            let state = stream.state();
            match state.row.mode {
                Mode::Provisioned => usage.open_shards += state.shards.open().len() as u32,
                Mode::OnDemand => usage.on_demand_streams += 1,
            }
        }
        usage
    }
}

impl From<AccountRow> for Commitment {
    fn from(row: AccountRow) -> Self {
        Commitment {
            started: row.commitment_started_ms.map(UnixMillis),
            ends: row.commitment_ends_ms.map(UnixMillis),
        }
    }
}

impl From<Commitment> for AccountRow {
    fn from(commitment: Commitment) -> Self {
        AccountRow {
            commitment_started_ms: commitment.started.map(|started| started.0),
            commitment_ends_ms: commitment.ends.map(|ends| ends.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_commitment_ends_a_day_after_it_started_at_the_earliest() {
        let start = UnixMillis(1_700_000_000_000);
        let entered = Commitment::default().after_a_wish(true, start);
        assert!(entered.holds(start));
        let soon = start.after(HOUR);
        assert_eq!(entered.after_a_wish(true, soon), entered);

        let ending = entered.after_a_wish(false, soon);
        let end = start.after(24 * HOUR);
        assert_eq!((ending.started, ending.ends), (Some(start), Some(end)));
        assert!(ending.holds(soon) && !ending.holds(end));
        assert_eq!(ending.after_a_wish(false, soon), ending);
        assert_eq!(ending.after_a_wish(true, soon), entered, "the wish is taken back");

        let again = ending.after_a_wish(true, end);
        assert_eq!((again.started, again.ends), (Some(end), None));
        let late = end.after(30 * HOUR);
        assert_eq!(again.after_a_wish(false, late).ends, Some(late), "nothing more to wait for");
        let never = Commitment::default();
        assert_eq!(never.after_a_wish(false, start), never);
    }
}
