//! A histogram of durations: 32 steps per power of two, so a figure is right to about 3 %.

use std::time::Duration;

const STEP_BITS: u32 = 5;
const STEPS: usize = 1 << STEP_BITS;
const BUCKETS: usize = STEPS * 40;

/// Counts durations in microseconds.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { counts: vec![0; BUCKETS], total: 0 }
    }
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.counts[find_bucket(micros)] += 1;
        self.total += 1;
    }

    /// Adds another histogram's counts.
    pub fn merge(&mut self, other: &Histogram) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
    }

    /// The duration below which `share` of all lie, in milliseconds; 0 if there are none.
    pub fn find_quantile_ms(&self, share: f64) -> f64 {
        let wanted = (self.total as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted.max(1) {
                return find_value(bucket) as f64 / 1000.0;
            }
        }
        0.0
    }
}

fn find_bucket(micros: u64) -> usize {
    if micros < STEPS as u64 {
        return micros as usize;
    }
    let shift = micros.ilog2() - STEP_BITS;
    let step = (micros >> shift) as usize - STEPS;
    ((shift as usize + 1) * STEPS + step).min(BUCKETS - 1)
}

/// The lowest duration that falls into a bucket.
fn find_value(bucket: usize) -> u64 {
    let (power, step) = (bucket / STEPS, (bucket % STEPS) as u64);
    match power {
        0 => step,
        _ => (STEPS as u64 + step) << (power - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_falls_into_the_bucket_it_starts() {
        for micros in [0, 1, 31, 32, 33, 63, 64, 1000, 123_456, 9_999_999] {
            let low = find_value(find_bucket(micros));
            assert!(low <= micros && micros - low <= micros / 32, "{micros} {low}");
        }
    }

    #[test]
    fn quantiles_are_of_what_was_recorded() {
        let mut histogram = Histogram::default();
        for millis in 1..=100 {
            histogram.record(Duration::from_millis(millis));
        }
        let median = histogram.find_quantile_ms(0.5);
        assert!((48.0..=50.1).contains(&median), "{median}");
        assert!(Histogram::default().find_quantile_ms(0.99) < 0.001);
    }
}
