//! How much may be put to a delivery stream, under `--limits aws`.

use std::time::Duration;

use bytes::Bytes;
use stdx::rate::{Bucket, Rate};

use crate::engine::Delivery;
use crate::limits::{DIRECT_PUT, DIRECT_PUT_ELSEWHERE, DirectPutRates, LARGE_REGIONS};
use crate::stream::DeliveryStream;

/// What has been put to one delivery stream of late.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    bytes: Bucket,
    records: Bucket,
    requests: Bucket,
}

impl Traffic {
    /// How many of these records, from the first on, there is room for.
    fn take(
        &self,
        lengths: impl Iterator<Item = usize>,
        rates: DirectPutRates,
        now: Duration,
    ) -> usize {
        if !self.requests.take(1, Rate::per_second(rates.requests), now) {
            return 0;
        }
        let has_room = |length: &usize| {
            self.bytes.take(*length as u64, Rate::per_second(rates.bytes), now)
                && self.records.take(1, Rate::per_second(rates.records), now)
        };
        lengths.take_while(has_room).count()
    }
}

impl Delivery {
    /// How many of the records of one request, from the first on, the delivery stream's quota has
    /// room for: all of them unless quotas hold.
    pub fn admit(&self, stream: &DeliveryStream, records: &[Bytes]) -> usize {
        if !self.0.config.limits {
            return records.len();
        }
        let is_large = LARGE_REGIONS.contains(&&*stream.name.world.region);
        let rates = if is_large { DIRECT_PUT } else { DIRECT_PUT_ELSEWHERE };
        let (lengths, now) = (records.iter().map(Bytes::len), self.0.clock.service_elapsed());
        let admitted = stream.traffic.take(lengths, rates, now);
        stream.meters.throttled((records.len() - admitted) as u64);
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_s_worth_is_let_through() {
        let traffic = Traffic::default();
        let rates = DirectPutRates { bytes: 100, records: 5, requests: 3 };
        let at = Duration::from_secs;
        assert_eq!(traffic.take([60, 60, 10].into_iter(), rates, at(1)), 1);
        assert_eq!(traffic.take([1; 9].into_iter(), rates, at(1)), 4);
        assert_eq!(traffic.take([1].into_iter(), rates, at(1)), 0);
        assert_eq!(traffic.take([1].into_iter(), rates, at(1)), 0, "the fourth request");
        assert_eq!(traffic.take([60, 40, 1].into_iter(), rates, at(2)), 2);
    }
}
