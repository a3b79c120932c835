//! Two readings of totals, told as rates.

use std::collections::BTreeMap;

use api::operator::{MetricStatistics, OperationStatistics, Statistics};
use serde::Serialize;
use telemetry::meter::LATENCY_BUCKETS_MICROS;

/// What the server does, per second where not said otherwise.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Report {
    pub(crate) endpoint: String,
    pub(crate) region: String,
    /// How long was looked.
    pub(crate) interval_seconds: f64,
    pub(crate) uptime_seconds: f64,
    pub(crate) resident_bytes: Option<u64>,
    /// All operations, of all accounts and regions.
    pub(crate) calls: f64,
    pub(crate) errors: f64,
    /// The busiest first.
    pub(crate) streams: Vec<StreamReport>,
    /// Those with calls, the busiest first.
    pub(crate) operations: Vec<OperationReport>,
}

#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct StreamReport {
    pub(crate) name: String,
    pub(crate) in_records: f64,
    pub(crate) in_bytes: f64,
    /// By GetRecords and subscriptions.
    pub(crate) out_records: f64,
    pub(crate) out_bytes: f64,
    /// Records of puts, and calls of GetRecords.
    pub(crate) throttled: f64,
    /// Records that failed in the service.
    pub(crate) failed: f64,
    /// How far readers by GetRecords are behind, in milliseconds: the mean of the interval, else the
    /// greatest of the last full minute with a read.
    pub(crate) iterator_age_ms: Option<f64>,
    pub(crate) consumers: Vec<ConsumerReport>,
}

#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct ConsumerReport {
    pub(crate) name: String,
    pub(crate) records: f64,
    pub(crate) bytes: f64,
    /// As `iterator_age_ms`, of its events.
    pub(crate) behind_ms: Option<f64>,
}

#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct OperationReport {
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) calls: f64,
    pub(crate) errors: f64,
    /// Half of the calls took at most this long, in milliseconds.
    pub(crate) p50_ms: Option<f64>,
    /// 99 % did.
    pub(crate) p99_ms: Option<f64>,
}

impl Report {
    /// What happened between two readings. Of a server that was started again in between, what
    /// happened since.
    pub(crate) fn between(
        endpoint: &str,
        region: &str,
        before: &Statistics,
        now: &Statistics,
    ) -> Report {
        let restarted = now.uptime_millis < before.uptime_millis;
        let (nothing, since_start) = (Statistics::default(), now.uptime_millis);
        let before = if restarted { &nothing } else { before };
        let interval_ms = since_start.saturating_sub(before.uptime_millis).max(1);
        let seconds = interval_ms as f64 / 1000.0;
        let operations = operations_of(before, now, seconds);
        Report {
            endpoint: endpoint.to_owned(),
            region: region.to_owned(),
            interval_seconds: seconds,
            uptime_seconds: now.uptime_millis as f64 / 1000.0,
            resident_bytes: now.resident_bytes,
            calls: operations.iter().map(|operation| operation.calls).sum(),
            errors: operations.iter().map(|operation| operation.errors).sum(),
            streams: streams_of(before, now, seconds),
            operations,
        }
    }
}

/// A metric's count and sum in the interval, and what it had in the last minute.
struct Seen {
    count: f64,
    sum: f64,
    last_maximum: Option<f64>,
}

impl Seen {
    /// The mean of the interval, else the greatest of the last minute.
    fn recent(&self) -> Option<f64> {
        if self.count > 0.0 { Some(self.sum / self.count) } else { self.last_maximum }
    }
}

type Place<'a> = (&'a BTreeMap<String, String>, &'a str);

fn place(metric: &MetricStatistics) -> Place<'_> {
    (&metric.dimensions, &metric.name)
}

fn streams_of(before: &Statistics, now: &Statistics, seconds: f64) -> Vec<StreamReport> {
    let old: BTreeMap<Place<'_>, _> = before.metrics.iter().map(|it| (place(it), it)).collect();
    let mut streams: BTreeMap<&str, StreamReport> = BTreeMap::new();
    for metric in &now.metrics {
        let Some(name) = metric.dimensions.get("StreamName") else { continue };
        let (count, sum) = old.get(&place(metric)).map_or((0, 0.0), |it| (it.sample_count, it.sum));
        let seen = Seen {
            count: metric.sample_count.saturating_sub(count) as f64,
            sum: (metric.sum - sum).max(0.0),
            last_maximum: metric.last_minute.map(|minute| minute.maximum),
        };
        let stream = streams.entry(name).or_default();
        stream.name.clone_from(name);
        match (metric.dimensions.get("ConsumerName"), metric.dimensions.len()) {
            (Some(consumer), _) => stream.take_consumer(consumer, &metric.name, &seen, seconds),
            (None, 1) => stream.take(&metric.name, &seen, seconds),
            // Shards are told by /metrics.
            _ => {}
        }
    }
    let mut streams: Vec<_> = streams.into_values().collect();
    let load = |stream: &StreamReport| stream.in_bytes + stream.out_bytes;
    streams.sort_by(|a, b| load(b).total_cmp(&load(a)).then_with(|| a.name.cmp(&b.name)));
    streams
}

impl StreamReport {
    fn take(&mut self, metric: &str, seen: &Seen, seconds: f64) {
        let rate = seen.sum / seconds;
        match metric {
            "IncomingRecords" => self.in_records = rate,
            "IncomingBytes" => self.in_bytes = rate,
            "GetRecords.Records" => self.out_records += rate,
            "GetRecords.Bytes" => self.out_bytes += rate,
            "WriteProvisionedThroughputExceeded" | "ReadProvisionedThroughputExceeded" => {
                self.throttled += rate;
            }
            "PutRecords.FailedRecords" => self.failed = rate,
            "GetRecords.IteratorAgeMilliseconds" => self.iterator_age_ms = seen.recent(),
            _ => {}
        }
    }

    fn take_consumer(&mut self, name: &str, metric: &str, seen: &Seen, seconds: f64) {
        let known = self.consumers.iter().position(|consumer| consumer.name == name);
        let index = known.unwrap_or_else(|| {
            let name = name.to_owned();
            self.consumers.push(ConsumerReport { name, ..ConsumerReport::default() });
            self.consumers.len() - 1
        });
        let consumer = &mut self.consumers[index];
        let rate = seen.sum / seconds;
        match metric {
            "SubscribeToShardEvent.Records" => {
                consumer.records = rate;
                self.out_records += rate;
            }
            "SubscribeToShardEvent.Bytes" => {
                consumer.bytes = rate;
                self.out_bytes += rate;
            }
            "SubscribeToShardEvent.MillisBehindLatest" => consumer.behind_ms = seen.recent(),
            _ => {}
        }
    }
}

fn operations_of(before: &Statistics, now: &Statistics, seconds: f64) -> Vec<OperationReport> {
    let mut reports: Vec<_> = now
        .operations
        .iter()
        .map(|operation| {
            let same = |it: &&OperationStatistics| {
                it.service == operation.service && it.name == operation.name
            };
            operation_report(before.operations.iter().find(same), operation, seconds)
        })
        .filter(|report| report.calls > 0.0)
        .collect();
    reports.sort_by(|a, b| b.calls.total_cmp(&a.calls).then_with(|| a.name.cmp(&b.name)));
    reports
}

fn operation_report(
    before: Option<&OperationStatistics>,
    now: &OperationStatistics,
    seconds: f64,
) -> OperationReport {
    let old = |index: usize| before.and_then(|it| it.calls_by_latency.get(index)).copied();
    let calls_by_latency: Vec<u64> = now
        .calls_by_latency
        .iter()
        .enumerate()
        .map(|(index, calls)| calls.saturating_sub(old(index).unwrap_or(0)))
        .collect();
    let faults = |it: &OperationStatistics| it.faults.values().sum::<u64>();
    let errors = faults(now).saturating_sub(before.map_or(0, faults));
    OperationReport {
        service: now.service.clone(),
        name: now.name.clone(),
        calls: calls_by_latency.iter().sum::<u64>() as f64 / seconds,
        errors: errors as f64 / seconds,
        p50_ms: quantile_ms(&calls_by_latency, 0.5),
        p99_ms: quantile_ms(&calls_by_latency, 0.99),
    }
}

/// Where a quantile lies, taken as evenly spread within its bucket.
fn quantile_ms(calls_by_latency: &[u64], quantile: f64) -> Option<f64> {
    let calls: u64 = calls_by_latency.iter().sum();
    if calls == 0 {
        return None;
    }
    let rank = quantile * calls as f64;
    let (mut below, mut lower) = (0.0, 0);
    for (index, &count) in calls_by_latency.iter().enumerate() {
        // Above all bounds there is nothing to spread over.
        let Some(&upper) = LATENCY_BUCKETS_MICROS.get(index) else { break };
        let count = count as f64;
        if count > 0.0 && below + count >= rank {
            let part = (rank - below) / count;
            return Some((lower as f64 + part * (upper - lower) as f64) / 1000.0);
        }
        below += count;
        lower = upper;
    }
    Some(lower as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use api::operator::MinuteStatistics;

    use super::*;

    fn metric(name: &str, dimensions: &[(&str, &str)], count: u64, sum: f64) -> MetricStatistics {
        let own = dimensions.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        MetricStatistics {
            name: name.to_owned(),
            dimensions: own.collect(),
            sample_count: count,
            sum,
            ..MetricStatistics::default()
        }
    }

    fn reading(uptime_millis: u64, scale: u64) -> Statistics {
        let orders = [("StreamName", "orders")];
        let consumer = [("StreamName", "orders"), ("ConsumerName", "c")];
        let shard = [("StreamName", "orders"), ("ShardId", "shardId-000000000000")];
        let of = |base: u64| (base * scale) as f64;
        Statistics {
            uptime_millis,
            metrics: vec![
                metric("IncomingRecords", &orders, scale, of(100)),
                metric("IncomingBytes", &orders, scale, of(1000)),
                metric("IncomingBytes", &shard, scale, of(1000)),
                metric("GetRecords.Records", &orders, scale, of(10)),
                metric("GetRecords.IteratorAgeMilliseconds", &orders, scale, of(7)),
                metric("WriteProvisionedThroughputExceeded", &orders, scale, of(1)),
                metric("SubscribeToShardEvent.Records", &consumer, scale, of(20)),
                metric("IncomingBytes", &[("StreamName", "idle")], 1, 5.0),
            ],
            operations: vec![OperationStatistics {
                name: "PutRecords".to_owned(),
                calls_by_latency: vec![0, 10 * scale],
                faults: [("InternalFailure".to_owned(), scale)].into(),
                ..OperationStatistics::default()
            }],
            ..Statistics::default()
        }
    }

    #[test]
    fn two_readings_make_rates() {
        let report = Report::between("e", "r", &reading(1000, 1), &reading(3000, 5));
        let orders = &report.streams[0];
        assert_eq!((orders.in_records, orders.in_bytes), (200.0, 2000.0));
        assert_eq!((orders.out_records, orders.throttled), (60.0, 2.0));
        assert_eq!(orders.iterator_age_ms, Some(7.0));
        assert_eq!(orders.consumers[0].records, 40.0);
        assert_eq!((&*report.streams[1].name, report.streams[1].in_bytes), ("idle", 0.0));
        let puts = &report.operations[0];
        assert_eq!((puts.calls, puts.errors, report.calls), (20.0, 2.0, 20.0));
        assert_eq!((puts.p50_ms, puts.p99_ms), (Some(0.15), Some(0.199)));
    }

    #[test]
    fn a_restart_in_between_is_no_negative_rate() {
        let report = Report::between("e", "r", &reading(90_000, 50), &reading(1000, 1));
        assert_eq!(report.streams[0].in_records, 100.0);
        assert_eq!(report.interval_seconds, 1.0);
    }

    #[test]
    fn a_reader_that_sleeps_is_known_by_its_last_minute() {
        let mut now = reading(2000, 1);
        let minute = MinuteStatistics { maximum: 900.0, ..MinuteStatistics::default() };
        now.metrics[4].last_minute = Some(minute);
        let report = Report::between("e", "r", &reading(1000, 1), &now);
        let orders = report.streams.iter().find(|stream| stream.name == "orders");
        assert_eq!(orders.and_then(|orders| orders.iterator_age_ms), Some(900.0));
        assert!(report.operations.is_empty());
    }

    #[test]
    fn quantiles() {
        assert_eq!(quantile_ms(&[], 0.5), None);
        assert_eq!(quantile_ms(&[0; 18], 0.5), None);
        let mut slow = vec![0; 18];
        slow[17] = 3;
        assert_eq!(quantile_ms(&slow, 0.99), Some(30_000.0));
    }
}
