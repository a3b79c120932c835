//! The bytes of all bodies in flight.
//!
//! Whatever callers do, bodies take no more memory than the budget, and unproven ones no more
//! than half of it: strangers cannot keep those with a key from being served.

use std::sync::Arc;

use stdx::Clock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::{BUDGET_WAIT, UNPROVEN_BUDGET_DIVISOR};

/// The shared budget.
pub(crate) struct Budget {
    total: Arc<Semaphore>,
    unproven: Arc<Semaphore>,
    unproven_bytes_max: usize,
    total_bytes_max: usize,
}

/// There is no room, and none came free in time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Exhausted;

/// One body's share; freed when dropped.
#[derive(Default)]
pub(crate) struct Hold {
    total: Option<OwnedSemaphorePermit>,
    unproven: Option<OwnedSemaphorePermit>,
}

impl Budget {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let bytes_max = bytes_max.clamp(1, u32::MAX as usize);
        let unproven_bytes_max = (bytes_max / UNPROVEN_BUDGET_DIVISOR).max(1);
        Budget {
            total: Arc::new(Semaphore::new(bytes_max)),
            unproven: Arc::new(Semaphore::new(unproven_bytes_max)),
            unproven_bytes_max,
            total_bytes_max: bytes_max,
        }
    }

    /// Bytes that are taken now.
    pub(crate) fn held_bytes(&self) -> usize {
        self.total_bytes_max - self.total.available_permits()
    }

    /// Adds `bytes` to `hold`, waiting up to [`BUDGET_WAIT`] for room.
    pub(crate) async fn extend(
        &self,
        hold: &mut Hold,
        bytes: usize,
        unproven: bool,
        clock: &Clock,
    ) -> Result<(), Exhausted> {
        let wanted = if unproven { self.unproven_bytes_max } else { self.total_bytes_max };
        if bytes > wanted {
            return Err(Exhausted);
        }
        // The half first: who waits for it must not sit on room that proven callers could use.
        if unproven {
            let permit = take(&self.unproven, bytes, clock).await?;
            merge(&mut hold.unproven, permit);
        }
        merge(&mut hold.total, take(&self.total, bytes, clock).await?);
        Ok(())
    }
}

impl Hold {
    /// The body's signature is believed: it leaves the strangers' half.
    pub(crate) fn prove(&mut self) {
        self.unproven = None;
    }
}

async fn take(
    semaphore: &Arc<Semaphore>,
    bytes: usize,
    clock: &Clock,
) -> Result<OwnedSemaphorePermit, Exhausted> {
    let permits = u32::try_from(bytes).map_err(|_| Exhausted)?;
    if let Ok(permit) = Arc::clone(semaphore).try_acquire_many_owned(permits) {
        return Ok(permit);
    }
    let waited = clock.timeout(BUDGET_WAIT, Arc::clone(semaphore).acquire_many_owned(permits));
    match waited.await {
        Some(Ok(permit)) => Ok(permit),
        Some(Err(_)) | None => Err(Exhausted),
    }
}

fn merge(held: &mut Option<OwnedSemaphorePermit>, permit: OwnedSemaphorePermit) {
    match held {
        Some(held) => held.merge(permit),
        None => *held = Some(permit),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use stdx::UnixMillis;

    use super::*;

    #[tokio::test]
    async fn unproven_bodies_get_half() {
        let (budget, clock) = (Budget::new(100), Clock::manual(UnixMillis(0)));
        let mut strangers = Hold::default();
        assert_eq!(budget.extend(&mut strangers, 50, true, &clock).await, Ok(()));
        let mut stranger = Hold::default();
        let refused = tokio::join!(budget.extend(&mut stranger, 1, true, &clock), async {
            tokio::task::yield_now().await;
            clock.advance(BUDGET_WAIT + Duration::from_millis(1));
        });
        assert_eq!(refused.0, Err(Exhausted));
        let mut known = Hold::default();
        assert_eq!(budget.extend(&mut known, 50, false, &clock).await, Ok(()));
        assert_eq!(budget.held_bytes(), 100);
        drop(known);
        strangers.prove();
        assert_eq!(budget.extend(&mut stranger, 1, true, &clock).await, Ok(()));
        drop((strangers, stranger));
        assert_eq!(budget.held_bytes(), 0);
    }

    #[tokio::test]
    async fn waiting_ends_when_room_comes_free() {
        let (budget, clock) = (Budget::new(10), Clock::manual(UnixMillis(0)));
        let (mut first, mut second) = (Hold::default(), Hold::default());
        budget.extend(&mut first, 10, false, &clock).await.unwrap();
        let (got, ()) = tokio::join!(budget.extend(&mut second, 4, false, &clock), async {
            tokio::task::yield_now().await;
            drop(first);
        });
        assert_eq!(got, Ok(()));
    }

    #[tokio::test]
    async fn what_never_fits_is_refused_at_once() {
        let (budget, clock) = (Budget::new(10), Clock::manual(UnixMillis(0)));
        let mut hold = Hold::default();
        assert_eq!(budget.extend(&mut hold, 11, false, &clock).await, Err(Exhausted));
        assert_eq!(budget.extend(&mut hold, 6, true, &clock).await, Err(Exhausted));
    }
}
