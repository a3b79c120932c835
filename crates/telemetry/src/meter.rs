//! Counters, gauges, histograms, and the set of them that every operation has.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of latency buckets, in microseconds: three per decade from 100 µs to 30 s, around
/// the range where a synced write (10 ms) and a fan-out read live.
pub const LATENCY_BUCKETS_MICROS: [u64; 17] = [
    100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
    1_000_000, 2_000_000, 5_000_000, 10_000_000, 30_000_000,
];
/// How many fault codes are counted apart per operation; the rest count as `other`. AWS's model
/// lists fewer than 20 for any operation.
pub const FAULT_CODES_MAX: usize = 48;

/// How many labels a family of counters tells apart (our choice; a process sends metrics in a
/// handful of namespaces).
pub const LABELS_MAX: usize = 64;
/// Under which name the rest is counted.
const OTHER: &str = "other";

/// A number that only grows.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Adds `amount`.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// The sum so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicI64>);

impl Gauge {
    /// Adds `amount`, which may be negative.
    pub fn add(&self, amount: i64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// Sets it.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Its value.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters told apart by a label that callers choose, so their number is bounded.
#[derive(Clone, Debug, Default)]
pub struct CounterFamily(Arc<Mutex<BTreeMap<String, u64>>>);

impl CounterFamily {
    /// Adds `amount` to a label's counter; what is one too many counts as `other`.
    pub fn add(&self, label: &str, amount: u64) {
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = counters.contains_key(label) || counters.len() < LABELS_MAX;
        let label = if known { label } else { OTHER };
        *counters.entry(label.to_owned()).or_default() += amount;
    }

    /// The sums so far.
    pub fn get(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Durations by bucket.
#[derive(Clone, Debug, Default)]
pub struct Histogram(Arc<Buckets>);

#[derive(Debug, Default)]
struct Buckets {
    /// One per bound, and one above them all.
    counts: [AtomicU64; LATENCY_BUCKETS_MICROS.len() + 1],
    sum_micros: AtomicU64,
}

impl Histogram {
    /// Counts one duration.
    pub fn observe(&self, duration: Duration) {
        let micros = duration.as_micros() as u64;
        let index = LATENCY_BUCKETS_MICROS.partition_point(|bound| *bound < micros);
        self.0.counts[index].fetch_add(1, Ordering::Relaxed);
        self.0.sum_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// How many were counted in each bucket, the last one without a bound.
    pub fn counts(&self) -> [u64; LATENCY_BUCKETS_MICROS.len() + 1] {
        std::array::from_fn(|index| self.0.counts[index].load(Ordering::Relaxed))
    }

    /// The sum of all durations, in microseconds.
    pub fn sum_micros(&self) -> u64 {
        self.0.sum_micros.load(Ordering::Relaxed)
    }
}

/// What one call was like.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    /// The fault's code, if it failed.
    pub fault: Option<&'a str>,
    /// From the request's head to its answer's.
    pub latency: Duration,
    /// The request body's length.
    pub bytes_in: u64,
    /// The answer body's length; zero for an event stream.
    pub bytes_out: u64,
}

/// Everything counted about one operation. Recording takes no lock unless the call failed.
#[derive(Clone, Debug)]
pub struct OperationMeter(Arc<Operation>);

#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) service: &'static str,
    pub(crate) name: &'static str,
    pub(crate) latency: Histogram,
    pub(crate) bytes_in: Counter,
    pub(crate) bytes_out: Counter,
    faults: Mutex<BTreeMap<String, u64>>,
}

impl OperationMeter {
    pub(crate) fn new(service: &'static str, name: &'static str) -> Self {
        OperationMeter(Arc::new(Operation {
            service,
            name,
            latency: Histogram::default(),
            bytes_in: Counter::default(),
            bytes_out: Counter::default(),
            faults: Mutex::default(),
        }))
    }

    /// Counts one call.
    pub fn record(&self, seen: Observation<'_>) {
        self.0.latency.observe(seen.latency);
        self.0.bytes_in.add(seen.bytes_in);
        self.0.bytes_out.add(seen.bytes_out);
        if let Some(code) = seen.fault {
            let mut faults = self.0.faults.lock().unwrap_or_else(PoisonError::into_inner);
            let known = faults.contains_key(code) || faults.len() < FAULT_CODES_MAX;
            let code = if known { code } else { OTHER };
            *faults.entry(code.to_owned()).or_default() += 1;
        }
    }

    /// The service's and the operation's name.
    pub fn names(&self) -> (&'static str, &'static str) {
        (self.0.service, self.0.name)
    }

    /// Its calls by latency.
    pub fn latency(&self) -> &Histogram {
        &self.0.latency
    }

    pub(crate) fn operation(&self) -> &Operation {
        &self.0
    }

    /// How often each code was answered.
    pub fn faults(&self) -> BTreeMap<String, u64> {
        self.0.faults.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many calls were counted.
    pub fn calls(&self) -> u64 {
        self.0.latency.counts().iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_on_a_bound_is_within_it() {
        let histogram = Histogram::default();
        histogram.observe(Duration::from_micros(100));
        histogram.observe(Duration::from_micros(101));
        histogram.observe(Duration::from_secs(60));
        let counts = histogram.counts();
        assert_eq!((counts[0], counts[1], counts[17]), (1, 1, 1));
    }

    #[test]
    fn labels_are_bounded() {
        let family = CounterFamily::default();
        for index in 0..1000 {
            family.add(&format!("label {index}"), 2);
        }
        family.add("label 0", 1);
        let counters = family.get();
        assert_eq!(counters.len(), LABELS_MAX + 1);
        assert_eq!((counters["label 0"], counters.values().sum::<u64>()), (3, 2001));
    }

    #[test]
    fn fault_codes_are_bounded() {
        let meter = OperationMeter::new("s", "Op");
        for index in 0..1000 {
            let code = format!("Code{index}");
            meter.record(Observation {
                fault: Some(&code),
                latency: Duration::ZERO,
                bytes_in: 1,
                bytes_out: 0,
            });
        }
        assert_eq!(meter.faults().len(), FAULT_CODES_MAX + 1);
        assert_eq!(meter.faults().values().sum::<u64>(), 1000);
        assert_eq!(meter.calls(), 1000);
    }
}
