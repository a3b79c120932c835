//! Statistic sets, as CloudWatch has them: how often something was measured, and the sum, the least
//! and the greatest of what was. Each is measured once and told twice: as totals since the start,
//! for Prometheus, and minute by minute, for CloudWatch.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What values are counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Milliseconds, observed in microseconds.
    MillisecondsOfMicros,
}

impl Unit {
    /// As CloudWatch spells it.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Count => "Count",
            Unit::Bytes => "Bytes",
            Unit::Seconds => "Seconds",
            Unit::Milliseconds | Unit::MillisecondsOfMicros => "Milliseconds",
        }
    }

    /// An observed value in this unit.
    pub fn scale(self, observed: u64) -> f64 {
        match self {
            Unit::MillisecondsOfMicros => observed as f64 / 1000.0,
            _ => observed as f64,
        }
    }
}

/// A metric that CloudWatch documents.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name there, such as `PutRecords.Latency`.
    pub name: &'static str,
    /// An older name under which it is still told, if it has one.
    pub deprecated_name: Option<&'static str>,
    /// Its unit.
    pub unit: Unit,
    /// What it says.
    pub help: &'static str,
}

/// What was observed in some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatisticSet {
    /// How often.
    pub count: u64,
    /// The sum of the values.
    pub sum: u64,
    /// The least value.
    pub min: u64,
    /// The greatest value.
    pub max: u64,
}

/// Metrics that are observed together, `N` values each time. Observing takes no lock: a count and a
/// sum per value that is not zero, all relaxed.
#[derive(Debug)]
pub struct MetricGroup<const N: usize> {
    metrics: &'static [Metric; N],
    count: AtomicU64,
    values: [Value; N],
    minutes: Mutex<Minutes<N>>,
}

#[derive(Debug)]
struct Value {
    /// Of all time: what Prometheus reads must never fall.
    sum: AtomicU64,
    /// Of this minute.
    min: AtomicU64,
    max: AtomicU64,
}

/// Where the last minute began and what it had. Only whoever closes minutes and reads them comes here.
#[derive(Debug)]
struct Minutes<const N: usize> {
    count_before: u64,
    sums_before: [u64; N],
    last: [StatisticSet; N],
}

impl<const N: usize> MetricGroup<N> {
    /// Nothing observed yet.
    pub fn new(metrics: &'static [Metric; N]) -> Self {
        let value = |_| Value {
            sum: AtomicU64::new(0),
            min: AtomicU64::new(u64::MAX),
            max: AtomicU64::new(0),
        };
        MetricGroup {
            metrics,
            count: AtomicU64::new(0),
            values: std::array::from_fn(value),
            minutes: Mutex::new(Minutes {
                count_before: 0,
                sums_before: [0; N],
                last: [StatisticSet::default(); N],
            }),
        }
    }

    /// Observes one value of each metric, in their order.
    pub fn observe(&self, observed: [u64; N]) {
        self.count.fetch_add(1, Ordering::Relaxed);
        for (value, observed) in self.values.iter().zip(observed) {
            if observed > 0 {
                value.sum.fetch_add(observed, Ordering::Relaxed);
            }
            // The extremes of a minute are soon reached: then these are plain reads.
            if observed < value.min.load(Ordering::Relaxed) {
                value.min.fetch_min(observed, Ordering::Relaxed);
            }
            if observed > value.max.load(Ordering::Relaxed) {
                value.max.fetch_max(observed, Ordering::Relaxed);
            }
        }
    }
}

/// A group of any size.
pub trait Observed {
    /// Each metric with its totals since the start (without extremes) and the last closed minute.
    fn read(&self, visit: &mut dyn FnMut(&'static Metric, StatisticSet, StatisticSet));
    /// Closes the minute: what was observed in it is now the last one.
    fn close_minute(&self);
}

impl<const N: usize> Observed for MetricGroup<N> {
    fn read(&self, visit: &mut dyn FnMut(&'static Metric, StatisticSet, StatisticSet)) {
        let count = self.count.load(Ordering::Relaxed);
        let last = self.minutes.lock().unwrap_or_else(PoisonError::into_inner).last;
        for ((metric, value), last) in self.metrics.iter().zip(&self.values).zip(last) {
            let sum = value.sum.load(Ordering::Relaxed);
            visit(metric, StatisticSet { count, sum, ..StatisticSet::default() }, last);
        }
    }

    fn close_minute(&self) {
        let mut minutes = self.minutes.lock().unwrap_or_else(PoisonError::into_inner);
        let count = self.count.load(Ordering::Relaxed);
        let seen = count - minutes.count_before;
        minutes.count_before = count;
        for (index, value) in self.values.iter().enumerate() {
            let sum = value.sum.load(Ordering::Relaxed);
            let (min, max) =
                (value.min.swap(u64::MAX, Ordering::Relaxed), value.max.swap(0, Ordering::Relaxed));
            // A value on its way while the minute closes may be counted in one and summed in the
            // other: never is anything lost.
            let min = if min == u64::MAX { 0 } else { min };
            let part = sum - minutes.sums_before[index];
            minutes.last[index] = StatisticSet { count: seen, sum: part, min, max };
            minutes.sums_before[index] = sum;
        }
    }
}

/// What somebody who measures has to tell.
pub trait MeasurementSource: Send + Sync {
    /// Every measurement, in any order.
    fn measurements(&self, into: &mut Vec<Measurement>);
    /// Closes the minute of every group.
    fn close_minute(&self);
}

/// One metric with its dimensions.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// CloudWatch's namespace, such as `AWS/Kinesis`.
    pub namespace: &'static str,
    /// The metric.
    pub metric: &'static Metric,
    /// What Prometheus prefixes its name with.
    pub prefix: &'static str,
    /// The account and the region that it is of.
    pub account: String,
    /// See `account`.
    pub region: String,
    /// Names, as CloudWatch has them, and values.
    pub dimensions: Vec<(&'static str, String)>,
    /// Since the start, without extremes.
    pub total: StatisticSet,
    /// In the last full minute.
    pub minute: StatisticSet,
}

#[cfg(test)]
mod tests {
    use super::*;

    static METRICS: [Metric; 2] = [
        Metric { name: "Bytes", deprecated_name: None, unit: Unit::Bytes, help: "Bytes." },
        Metric { name: "Success", deprecated_name: None, unit: Unit::Count, help: "Success." },
    ];

    fn read(group: &dyn Observed) -> Vec<(StatisticSet, StatisticSet)> {
        let mut read = Vec::new();
        group.read(&mut |_, total, minute| read.push((total, minute)));
        read
    }

    fn total(count: u64, sum: u64) -> StatisticSet {
        StatisticSet { count, sum, ..StatisticSet::default() }
    }

    #[test]
    fn totals_only_grow_and_minutes_are_closed() {
        let group = MetricGroup::new(&METRICS);
        group.observe([100, 1]);
        group.observe([300, 0]);
        assert_eq!(read(&group)[0], (total(2, 400), StatisticSet::default()));
        group.close_minute();
        group.observe([50, 1]);
        let minute = StatisticSet { count: 2, sum: 400, min: 100, max: 300 };
        assert_eq!(read(&group)[0], (total(3, 450), minute));
        assert_eq!(read(&group)[1].1, StatisticSet { count: 2, sum: 1, min: 0, max: 1 });
        group.close_minute();
        let minute = StatisticSet { count: 1, sum: 50, min: 50, max: 50 };
        assert_eq!(read(&group)[0], (total(3, 450), minute));
        group.close_minute();
        assert_eq!(read(&group)[0].1, StatisticSet::default());
    }

    #[test]
    fn nothing_is_lost_between_threads_and_minutes() {
        let group = MetricGroup::new(&METRICS);
        let mut closed = StatisticSet::default();
        std::thread::scope(|scope| {
            let busy: Vec<_> = (0..2)
                .map(|_| scope.spawn(|| (0..20_000).for_each(|_| group.observe([3, 1]))))
                .collect();
            while busy.iter().any(|thread| !thread.is_finished()) {
                group.close_minute();
                let minute = read(&group)[0].1;
                closed.count += minute.count;
                closed.sum += minute.sum;
            }
        });
        group.close_minute();
        let minute = read(&group)[0].1;
        assert_eq!((closed.count + minute.count, closed.sum + minute.sum), (40_000, 120_000));
        assert_eq!(read(&group)[0].0, total(40_000, 120_000));
    }
}
