//! Memory for what is being built, shared fairly by all delivery streams.

use tokio::sync::{Semaphore, SemaphorePermit};

/// Bytes that one permit stands for.
const PERMIT_BYTES: usize = 1024;

/// Room for objects and batches. What failed before has a share of its own, so that destinations that do
/// not answer starve nobody but each other.
#[derive(Debug)]
pub(crate) struct Budget {
    first: Semaphore,
    again: Semaphore,
    permits_max: usize,
}

impl Budget {
    /// Each share holds `bytes_max`.
    pub(crate) fn new(bytes_max: usize) -> Self {
        let permits_max = bytes_max.div_ceil(PERMIT_BYTES);
        let share = || Semaphore::new(permits_max);
        Budget { first: share(), again: share(), permits_max }
    }

    /// Waits for room for `bytes`, in the order in which it is asked for. What is larger than everything
    /// takes everything.
    pub(crate) async fn take(&self, bytes: u64, has_failed: bool) -> Option<SemaphorePermit<'_>> {
        let share = if has_failed { &self.again } else { &self.first };
        let permits = usize::try_from(bytes).unwrap_or(usize::MAX).div_ceil(PERMIT_BYTES);
        share.acquire_many(permits.min(self.permits_max) as u32).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_failed_before_takes_nothing_from_others() {
        let budget = Budget::new(10 * PERMIT_BYTES);
        let hanging = budget.take(u64::MAX, true).await.expect("room");
        let first = budget.take(6 * 1024, false).await.expect("room");
        assert_eq!((budget.again.available_permits(), budget.first.available_permits()), (0, 4));
        drop((hanging, first));
        assert_eq!((budget.again.available_permits(), budget.first.available_permits()), (10, 10));
    }
}
