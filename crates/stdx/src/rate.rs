//! Rates as buckets that refill.
//!
//! A bucket is one word: the moment at which it is full again. What was taken is the time until
//! then, so refilling needs no timer, and a bucket that nobody uses needs no attention. The two
//! functions are pure; [`Bucket`] only keeps the word where threads can share it without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// So much per second, in whatever is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// What flows in each second; not zero.
    pub per_second: u64,
    /// What a full bucket holds.
    pub burst: u64,
}

impl Rate {
    /// A rate whose bucket holds one second's worth.
    pub const fn per_second(per_second: u64) -> Self {
        Rate { per_second, burst: per_second }
    }

    /// How long `cost` takes to flow in, in nanoseconds.
    fn nanos_for(self, cost: u64) -> u64 {
        (u128::from(cost) * NANOS_PER_SECOND / u128::from(self.per_second.max(1))) as u64
    }
}

/// The bucket without `cost`, or `None` if it does not hold that much.
pub fn take(full_at_nanos: u64, cost: u64, rate: Rate, now_nanos: u64) -> Option<u64> {
    let taken = charge(full_at_nanos, cost, rate, now_nanos);
    (taken - now_nanos <= rate.nanos_for(rate.burst)).then_some(taken)
}

/// The bucket without `cost`, in debt if it did not hold that much.
pub fn charge(full_at_nanos: u64, cost: u64, rate: Rate, now_nanos: u64) -> u64 {
    full_at_nanos.max(now_nanos).saturating_add(rate.nanos_for(cost))
}

/// A bucket that threads share; full when new. The rate comes with every call, so that it may
/// change, and every call of one bucket counts time from the same moment.
#[derive(Debug, Default)]
pub struct Bucket(AtomicU64);

impl Bucket {
    /// Takes `cost` if the bucket holds it.
    pub fn take(&self, cost: u64, rate: Rate, now: Duration) -> bool {
        let now = nanos(now);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
                take(full_at, cost, rate, now)
            })
            .is_ok()
    }

    /// Whether the bucket holds `cost`; takes nothing.
    pub fn holds(&self, cost: u64, rate: Rate, now: Duration) -> bool {
        take(self.0.load(Ordering::Relaxed), cost, rate, nanos(now)).is_some()
    }

    /// Takes `cost` whatever the bucket holds, and says for how long it is not full.
    pub fn charge(&self, cost: u64, rate: Rate, now: Duration) -> Duration {
        let now = nanos(now);
        let charged = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            Some(charge(full_at, cost, rate, now))
        });
        let (Ok(before) | Err(before)) = charged;
        Duration::from_nanos(charge(before, cost, rate, now) - now)
    }

    /// Whether nothing was taken that has not flowed in again.
    pub fn is_full(&self, now: Duration) -> bool {
        self.0.load(Ordering::Relaxed) <= nanos(now)
    }
}

fn nanos(time: Duration) -> u64 {
    time.as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIVE: Rate = Rate::per_second(5);

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_full_bucket_holds_its_burst_and_refills_evenly() {
        let bucket = Bucket::default();
        let taken = (0..7).filter(|_| bucket.take(1, FIVE, at(10_000))).count();
        assert_eq!(taken, 5);
        assert!(!bucket.take(1, FIVE, at(10_199)));
        assert!(bucket.take(1, FIVE, at(10_200)));
        assert!(!bucket.is_full(at(11_199)));
        assert!(bucket.is_full(at(11_200)));
        assert!(bucket.holds(5, FIVE, at(11_200)));
        assert!(!bucket.holds(6, FIVE, at(60_000)));
    }

    #[test]
    fn what_is_refused_costs_nothing() {
        let bucket = Bucket::default();
        assert!(bucket.take(3, FIVE, at(1000)));
        assert!(!bucket.take(3, FIVE, at(1000)));
        assert!(bucket.take(2, FIVE, at(1000)));
    }

    #[test]
    fn a_debt_is_paid_in_full() {
        let (bucket, rate) = (Bucket::default(), Rate::per_second(2 << 20));
        assert_eq!(bucket.charge(10 << 20, rate, at(500)), Duration::from_secs(5));
        assert!(!bucket.holds(0, rate, at(500)));
        assert!(bucket.is_full(at(5500)));
    }

    #[test]
    fn threads_share_a_bucket_exactly() {
        let (bucket, rate, taken) =
            (Bucket::default(), Rate::per_second(10_000), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let own = (0..5000).filter(|_| bucket.take(1, rate, at(1000))).count();
                    taken.fetch_add(own as u64, Ordering::Relaxed);
                });
            }
        });
        assert_eq!(taken.into_inner(), 10_000);
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_away() {
        let bucket = Bucket::default();
        assert!(bucket.take(5, FIVE, at(9000)));
        assert!(!bucket.take(1, FIVE, at(8000)));
    }

    proptest! {
        /// Over any stretch no more gets through than the burst and what flowed in.
        #[test]
        fn never_more_than_the_rate(
            per_second in 1u64..5000,
            burst in 1u64..5000,
            steps in proptest::collection::vec((0u64..400, 1u64..50), 1..200),
        ) {
            let rate = Rate { per_second, burst };
            let (mut full_at, mut now, mut got) = (0, NANOS_PER_SECOND as u64, 0u64);
            let began = now;
            for (millis, cost) in steps {
                now += millis * 1_000_000;
                if let Some(after) = take(full_at, cost, rate, now) {
                    full_at = after;
                    got += cost;
                }
            }
            let flowed = u128::from(now - began) * u128::from(per_second) / NANOS_PER_SECOND;
            // Each taking may round down by less than a nanosecond's worth.
            prop_assert!(u128::from(got) <= u128::from(burst) + flowed + 1);
        }
    }
}
