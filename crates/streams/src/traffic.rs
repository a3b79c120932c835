//! What one shard carries, under `--limits aws`: buckets that callers share without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use stdx::rate::{Bucket, Rate};

use crate::limits::{
    SHARD_ITERATORS_PER_SECOND, SHARD_READ_BYTES_PER_SECOND, SHARD_READS_PER_SECOND,
    SHARD_WRITE_BYTES_PER_SECOND, SHARD_WRITE_RECORDS_PER_SECOND, SUBSCRIBE_EVERY,
};

const WRITE_RECORDS: Rate = Rate::per_second(SHARD_WRITE_RECORDS_PER_SECOND);
const READS: Rate = Rate::per_second(SHARD_READS_PER_SECOND);
const READ_BYTES: Rate = Rate::per_second(SHARD_READ_BYTES_PER_SECOND);
const ITERATORS: Rate = Rate::per_second(SHARD_ITERATORS_PER_SECOND);

/// How much a shard has carried just now; it stays with the shard through splits and merges.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    write_records: Bucket,
    write_bytes: Bucket,
    reads: Bucket,
    read_bytes: Bucket,
    /// Until when reads are refused because the last one took more than there was, in nanoseconds.
    reads_closed_nanos: AtomicU64,
    iterators: Bucket,
    /// Which consumers subscribed within [`SUBSCRIBE_EVERY`], and when.
    subscribed: Mutex<Vec<(u64, Duration)>>,
}

/// Traffic is no part of what a shard is: two snapshots of a shard are equal whatever it carried.
impl PartialEq for Traffic {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Traffic {}

/// Bytes per second; the bucket holds the largest record that the stream allows, so that one such
/// record passes after a while of quiet (developer guide, large records: a tank that refills).
fn write_bytes(record_kib_max: u32) -> Rate {
    let burst = SHARD_WRITE_BYTES_PER_SECOND.max(u64::from(record_kib_max) * 1024);
    Rate { per_second: SHARD_WRITE_BYTES_PER_SECOND, burst }
}

impl Traffic {
    /// Takes a record in, if there is room for it.
    pub(crate) fn admit_write(&self, bytes: u64, record_kib_max: u32, now: Duration) -> bool {
        // Looked at first: a record refused for its bytes must not count as one of the second's.
        self.write_records.holds(1, WRITE_RECORDS, now)
            && self.write_bytes.take(bytes, write_bytes(record_kib_max), now)
            && self.write_records.take(1, WRITE_RECORDS, now)
    }

    /// Whether a record would be taken in.
    pub(crate) fn would_admit_write(&self, bytes: u64, record_kib_max: u32, now: Duration) -> bool {
        self.write_records.holds(1, WRITE_RECORDS, now)
            && self.write_bytes.holds(bytes, write_bytes(record_kib_max), now)
    }

    /// Lets one GetRecords through, if that is not one too many.
    pub(crate) fn admit_read(&self, now: Duration) -> bool {
        self.may_read(now) && self.reads.take(1, READS, now)
    }

    /// Whether a GetRecords would be let through.
    pub(crate) fn would_admit_read(&self, now: Duration) -> bool {
        self.may_read(now) && self.reads.holds(1, READS, now)
    }

    fn may_read(&self, now: Duration) -> bool {
        self.reads_closed_nanos.load(Ordering::Relaxed) <= now.as_nanos() as u64
            && self.read_bytes.holds(1, READ_BYTES, now)
    }

    /// Counts what a GetRecords answered. What exceeds the second's share must flow in again before
    /// the next one: five seconds after 10 MiB, as AWS has it (API reference, GetRecords).
    pub(crate) fn charge_read(&self, bytes: u64, now: Duration) {
        let owed = self.read_bytes.charge(bytes, READ_BYTES, now);
        if owed > Duration::from_secs(1) {
            let closed = (now + owed).as_nanos() as u64;
            self.reads_closed_nanos.fetch_max(closed, Ordering::Relaxed);
        }
    }

    /// Gives out an iterator, if that is not one too many.
    pub(crate) fn admit_iterator(&self, now: Duration) -> bool {
        self.iterators.take(1, ITERATORS, now)
    }

    /// Whether an iterator would be given out.
    pub(crate) fn would_admit_iterator(&self, now: Duration) -> bool {
        self.iterators.holds(1, ITERATORS, now)
    }

    /// Lets a consumer subscribe, if it did not just do so.
    pub(crate) fn admit_subscription(&self, consumer: u64, now: Duration) -> bool {
        let mut subscribed = self.subscribed.lock().unwrap_or_else(PoisonError::into_inner);
        subscribed.retain(|(_, at)| now.saturating_sub(*at) < SUBSCRIBE_EVERY);
        let is_first = subscribed.iter().all(|(other, _)| *other != consumer);
        if is_first {
            subscribed.push((consumer, now));
        }
        is_first
    }

    /// Whether a consumer would be let subscribe.
    pub(crate) fn would_admit_subscription(&self, consumer: u64, now: Duration) -> bool {
        let subscribed = self.subscribed.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = |at: Duration| now.saturating_sub(at) < SUBSCRIBE_EVERY;
        subscribed.iter().all(|(other, at)| *other != consumer || !recent(*at))
    }
}

/// The pace of one subscription: a consumer's own share of a shard.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    bytes: Bucket,
    open_at: Duration,
}

impl Pace {
    /// How long the next event must wait.
    pub(crate) fn wait(&self, now: Duration) -> Duration {
        self.open_at.saturating_sub(now)
    }

    /// Counts an event's bytes.
    pub(crate) fn charge(&mut self, bytes: u64, now: Duration) {
        let owed = self.bytes.charge(bytes, READ_BYTES, now);
        self.open_at = now + owed.saturating_sub(Duration::from_secs(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn at(millis: u64) -> Duration {
        Duration::from_secs(100) + Duration::from_millis(millis)
    }

    #[test]
    fn a_thousand_records_a_second_and_a_mebibyte() {
        let (small, large) = (Traffic::default(), Traffic::default());
        let took = |traffic: &Traffic, bytes, now| {
            (0..2000).filter(|_| traffic.admit_write(bytes, 1024, now)).count()
        };
        assert_eq!(took(&small, 10, at(0)), 1000);
        assert_eq!(took(&small, 10, at(500)), 500);
        assert_eq!(took(&large, 1024, at(0)), 1000);
        assert_eq!(took(&large, 1024, at(1000)), 1000);
        let full = Traffic::default();
        assert_eq!(took(&full, 256 * 1024, at(0)), 4);
        assert!(!full.would_admit_write(1, 1024, at(0)));
        assert!(full.would_admit_write(256 * 1024, 1024, at(250)));
    }

    #[test]
    fn what_is_too_large_now_leaves_room_for_what_is_not() {
        let traffic = Traffic::default();
        assert!(traffic.admit_write(MIB - 1000, 1024, at(0)));
        assert!(!traffic.admit_write(2000, 1024, at(0)));
        assert!(traffic.admit_write(1000, 1024, at(0)));
    }

    #[test]
    fn a_large_record_empties_the_tank_which_refills_at_once() {
        let traffic = Traffic::default();
        assert!(traffic.admit_write(10 * MIB, 10_240, at(0)));
        assert!(!traffic.admit_write(1000, 10_240, at(0)));
        assert!(traffic.admit_write(100_000, 10_240, at(100)));
        assert!(!traffic.admit_write(10 * MIB, 10_240, at(9000)));
        assert!(traffic.admit_write(10 * MIB, 10_240, at(10_100)));
    }

    #[test]
    fn five_reads_a_second() {
        let traffic = Traffic::default();
        assert_eq!((0..9).filter(|_| traffic.admit_read(at(0))).count(), 5);
        assert!(!traffic.would_admit_read(at(199)));
        assert!(traffic.admit_read(at(200)));
    }

    #[test]
    fn after_ten_mebibytes_reads_are_refused_for_five_seconds() {
        let traffic = Traffic::default();
        assert!(traffic.admit_read(at(0)));
        traffic.charge_read(10 * MIB, at(0));
        for now in [0, 1000, 4000, 4999] {
            assert!(!traffic.admit_read(at(now)), "{now}");
        }
        assert!(traffic.admit_read(at(5000)));
    }

    #[test]
    fn two_mebibytes_a_second_are_read_without_a_pause() {
        let traffic = Traffic::default();
        for tick in 0..50 {
            assert!(traffic.admit_read(at(tick * 200)), "{tick}");
            traffic.charge_read(2 * MIB / 5, at(tick * 200));
        }
        traffic.charge_read(3 * MIB, at(10_000));
        assert!(!traffic.admit_read(at(10_900)));
        assert!(traffic.admit_read(at(11_900)));
    }

    #[test]
    fn a_consumer_subscribes_once_a_second() {
        let traffic = Traffic::default();
        assert!(traffic.admit_subscription(1, at(0)));
        assert!(traffic.admit_subscription(2, at(0)));
        assert!(!traffic.would_admit_subscription(1, at(999)));
        assert!(!traffic.admit_subscription(1, at(999)));
        assert!(traffic.admit_subscription(1, at(1000)));
    }

    #[test]
    fn events_are_paced_to_two_mebibytes_a_second() {
        let (mut pace, mut now, mut sent) = (Pace::default(), at(0), 0);
        while now < at(10_000) {
            now += pace.wait(now);
            pace.charge(MIB, now);
            sent += MIB;
        }
        assert!((20 * MIB..=24 * MIB).contains(&sent), "{sent}");
    }
}
