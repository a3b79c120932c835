//! What AWS/Kinesis measures of streams, consumers and shards. The names are CloudWatch's (developer
//! guide, monitoring; facts/security.md § 6.2).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use telemetry::{
    Measurement, MeasurementSource, Metric, MetricGroup, Observed, StatisticSet, Unit,
};

use crate::engine::Streams;
use crate::monitoring::ShardMetric;
use crate::put::NewRecord;
use crate::stream::Stream;

const NAMESPACE: &str = "AWS/Kinesis";
const SHARD_ID: &str = "ShardId";

/// A dimension's name and value, as CloudWatch has them.
type Dimension = (&'static str, String);

const fn metric(name: &'static str, unit: Unit, help: &'static str) -> Metric {
    Metric { name, deprecated_name: None, unit, help }
}

static INCOMING: [Metric; 2] = [
    metric("IncomingBytes", Unit::Bytes, "Bytes put, by PutRecord and PutRecords."),
    metric("IncomingRecords", Unit::Count, "Records put, by PutRecord and PutRecords."),
];
static PUT_RECORD: [Metric; 3] = [
    metric("PutRecord.Bytes", Unit::Bytes, "Bytes put by PutRecord."),
    metric("PutRecord.Latency", Unit::MillisecondsOfMicros, "Time of a PutRecord."),
    metric("PutRecord.Success", Unit::Count, "Whether a PutRecord succeeded."),
];
static PUT_RECORDS: [Metric; 7] = [
    metric("PutRecords.Bytes", Unit::Bytes, "Bytes put by PutRecords."),
    metric("PutRecords.Latency", Unit::MillisecondsOfMicros, "Time of a PutRecords."),
    metric("PutRecords.Success", Unit::Count, "Whether a PutRecords put any record."),
    metric("PutRecords.TotalRecords", Unit::Count, "Records in a PutRecords."),
    Metric {
        deprecated_name: Some("PutRecords.Records"),
        ..metric("PutRecords.SuccessfulRecords", Unit::Count, "Records that a PutRecords put.")
    },
    metric("PutRecords.FailedRecords", Unit::Count, "Records that failed in the service."),
    metric("PutRecords.ThrottledRecords", Unit::Count, "Records that were throttled."),
];
static WRITE_EXCEEDED: [Metric; 1] = [metric(
    "WriteProvisionedThroughputExceeded",
    Unit::Count,
    "Records throttled, of PutRecord and PutRecords.",
)];
static GET_RECORDS: [Metric; 3] = [
    metric("GetRecords.Bytes", Unit::Bytes, "Bytes got by GetRecords."),
    Metric {
        deprecated_name: Some("GetRecords.IteratorAge"),
        ..metric(
            "GetRecords.IteratorAgeMilliseconds",
            Unit::Milliseconds,
            "Age of the last record of a GetRecords; zero at the tip.",
        )
    },
    metric("GetRecords.Records", Unit::Count, "Records got by GetRecords."),
];
static GET_CALLS: [Metric; 3] = [
    metric("GetRecords.Latency", Unit::MillisecondsOfMicros, "Time of a GetRecords."),
    metric("GetRecords.Success", Unit::Count, "Whether a GetRecords succeeded."),
    metric("ReadProvisionedThroughputExceeded", Unit::Count, "Whether a GetRecords was throttled."),
];
static SUBSCRIPTIONS: [Metric; 2] = [
    metric("SubscribeToShard.Success", Unit::Count, "Whether a subscription was established."),
    metric(
        "SubscribeToShard.RateExceeded",
        Unit::Count,
        "Whether one was refused since another is in force or calls come too fast.",
    ),
];
static EVENTS: [Metric; 4] = [
    metric("SubscribeToShardEvent.Bytes", Unit::Bytes, "Bytes of an event."),
    metric(
        "SubscribeToShardEvent.MillisBehindLatest",
        Unit::Milliseconds,
        "How far an event is behind the tip.",
    ),
    metric("SubscribeToShardEvent.Records", Unit::Count, "Records of an event."),
    metric("SubscribeToShardEvent.Success", Unit::Count, "Whether an event was published."),
];
static OUTGOING: [Metric; 2] = [
    metric("OutgoingBytes", Unit::Bytes, "Bytes got by GetRecords and subscriptions."),
    metric("OutgoingRecords", Unit::Count, "Records got by GetRecords and subscriptions."),
];
static ITERATOR_AGE: [Metric; 1] = [metric(
    "IteratorAgeMilliseconds",
    Unit::Milliseconds,
    "Age of the last record of a GetRecords; zero at the tip.",
)];
static READ_EXCEEDED: [Metric; 1] = [metric(
    "ReadProvisionedThroughputExceeded",
    Unit::Count,
    "Whether a GetRecords was throttled.",
)];

/// Under which names enhanced monitoring switches the metrics of shards.
const SHARD_METRICS: [(&str, ShardMetric); 7] = [
    ("IncomingBytes", ShardMetric::IncomingBytes),
    ("IncomingRecords", ShardMetric::IncomingRecords),
    ("OutgoingBytes", ShardMetric::OutgoingBytes),
    ("OutgoingRecords", ShardMetric::OutgoingRecords),
    ("IteratorAgeMilliseconds", ShardMetric::IteratorAgeMilliseconds),
    ("ReadProvisionedThroughputExceeded", ShardMetric::ReadProvisionedThroughputExceeded),
    ("WriteProvisionedThroughputExceeded", ShardMetric::WriteProvisionedThroughputExceeded),
];

/// By which operation records were put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutBy {
    /// PutRecord.
    PutRecord,
    /// PutRecords.
    PutRecords,
}

/// How a put went, record by record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PutOutcome {
    /// Records in the request.
    pub total: u64,
    /// Records that were put, and their bytes.
    pub put: u64,
    /// See `put`.
    pub bytes: u64,
    /// Records that were throttled.
    pub throttled: u64,
}

impl PutOutcome {
    /// Counts a record that was put, or else throttled.
    pub fn add(&mut self, record: &NewRecord, was_put: bool) {
        if was_put {
            self.put += 1;
            self.bytes += record.bytes() as u64;
        } else {
            self.throttled += 1;
        }
    }
}

/// What is measured of one stream.
#[derive(Debug)]
pub struct StreamMeters {
    incoming: MetricGroup<2>,
    put_record: MetricGroup<3>,
    put_records: MetricGroup<7>,
    write_exceeded: MetricGroup<1>,
    get_records: MetricGroup<3>,
    get_calls: MetricGroup<3>,
    consumers: Mutex<BTreeMap<String, Arc<ConsumerMeters>>>,
    /// Only of streams with enhanced monitoring, so only their calls come here.
    shards: RwLock<BTreeMap<u32, Arc<ShardMeters>>>,
}

/// What is measured of one consumer.
#[derive(Debug)]
pub struct ConsumerMeters {
    subscriptions: MetricGroup<2>,
    events: MetricGroup<4>,
}

/// What is measured of one shard.
#[derive(Debug)]
struct ShardMeters {
    incoming: MetricGroup<2>,
    outgoing: MetricGroup<2>,
    iterator_age: MetricGroup<1>,
    write_exceeded: MetricGroup<1>,
    read_exceeded: MetricGroup<1>,
}

impl Default for StreamMeters {
    fn default() -> Self {
        StreamMeters {
            incoming: MetricGroup::new(&INCOMING),
            put_record: MetricGroup::new(&PUT_RECORD),
            put_records: MetricGroup::new(&PUT_RECORDS),
            write_exceeded: MetricGroup::new(&WRITE_EXCEEDED),
            get_records: MetricGroup::new(&GET_RECORDS),
            get_calls: MetricGroup::new(&GET_CALLS),
            consumers: Mutex::default(),
            shards: RwLock::default(),
        }
    }
}

impl Default for ConsumerMeters {
    fn default() -> Self {
        ConsumerMeters {
            subscriptions: MetricGroup::new(&SUBSCRIPTIONS),
            events: MetricGroup::new(&EVENTS),
        }
    }
}

impl Default for ShardMeters {
    fn default() -> Self {
        ShardMeters {
            incoming: MetricGroup::new(&INCOMING),
            outgoing: MetricGroup::new(&OUTGOING),
            iterator_age: MetricGroup::new(&ITERATOR_AGE),
            write_exceeded: MetricGroup::new(&WRITE_EXCEEDED),
            read_exceeded: MetricGroup::new(&READ_EXCEEDED),
        }
    }
}

impl StreamMeters {
    /// A put was answered.
    pub fn put(&self, by: PutBy, outcome: PutOutcome, latency: Duration) {
        let PutOutcome { total, put, bytes, throttled } = outcome;
        let micros = micros(latency);
        match by {
            PutBy::PutRecord => self.put_record.observe([bytes, micros, put]),
            PutBy::PutRecords => {
                let failed = total.saturating_sub(put + throttled);
                let success = u64::from(put > 0);
                let observed = [bytes, micros, success, total, put, failed, throttled];
                self.put_records.observe(observed);
            }
        }
        if put > 0 {
            self.incoming.observe([bytes, put]);
        }
        self.write_exceeded.observe([throttled]);
    }

    /// A GetRecords was answered with records.
    pub fn got(&self, records: u64, bytes: u64, behind_ms: u64, latency: Duration) {
        self.get_records.observe([bytes, behind_ms, records]);
        self.get_calls.observe([micros(latency), 1, 0]);
    }

    /// A GetRecords failed.
    pub fn get_failed(&self, throttled: bool, latency: Duration) {
        self.get_calls.observe([micros(latency), 0, u64::from(throttled)]);
    }

    /// The meters of a consumer.
    pub fn consumer(&self, name: &str) -> Arc<ConsumerMeters> {
        let mut consumers = self.consumers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(meters) = consumers.get(name) {
            return Arc::clone(meters);
        }
        Arc::clone(consumers.entry(name.to_owned()).or_default())
    }

    fn shard(&self, index: u32) -> Arc<ShardMeters> {
        let known = self.shards.read().unwrap_or_else(PoisonError::into_inner).get(&index).cloned();
        known.unwrap_or_else(|| {
            let mut shards = self.shards.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(shards.entry(index).or_default())
        })
    }

    /// One shard's part of a put was answered; for streams with enhanced monitoring.
    pub fn shard_put(&self, shard: u32, outcome: PutOutcome) {
        let meters = self.shard(shard);
        if outcome.put > 0 {
            meters.incoming.observe([outcome.bytes, outcome.put]);
        }
        meters.write_exceeded.observe([outcome.throttled]);
    }

    /// A shard gave records to a GetRecords (then `behind_ms` is known) or to a subscription; for
    /// streams with enhanced monitoring.
    pub fn shard_got(&self, shard: u32, records: u64, bytes: u64, behind_ms: Option<u64>) {
        let meters = self.shard(shard);
        meters.outgoing.observe([bytes, records]);
        if let Some(behind_ms) = behind_ms {
            meters.iterator_age.observe([behind_ms]);
            meters.read_exceeded.observe([0]);
        }
    }

    /// A shard throttled a GetRecords; for streams with enhanced monitoring.
    pub fn shard_throttled(&self, shard: u32) {
        self.shard(shard).read_exceeded.observe([1]);
    }

    fn own(&self) -> [&dyn Observed; 6] {
        let Self {
            incoming, put_record, put_records, write_exceeded, get_records, get_calls, ..
        } = self;
        [incoming, put_record, put_records, write_exceeded, get_records, get_calls]
    }

    /// Every group, with the dimension it has besides the stream.
    fn groups(&self, visit: &mut dyn FnMut(Option<Dimension>, &dyn Observed)) {
        self.own().into_iter().for_each(|group| visit(None, group));
        let consumers = self.consumers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (name, meters) in consumers {
            let groups: [&dyn Observed; 2] = [&meters.subscriptions, &meters.events];
            groups.into_iter().for_each(|group| visit(Some(("ConsumerName", name.clone())), group));
        }
        let shards = self.shards.read().unwrap_or_else(PoisonError::into_inner).clone();
        for (index, meters) in shards {
            let ShardMeters { incoming, outgoing, iterator_age, write_exceeded, read_exceeded } =
                &*meters;
            let groups: [&dyn Observed; 5] =
                [incoming, outgoing, iterator_age, write_exceeded, read_exceeded];
            let id = crate::shard::shard_id(index);
            groups.into_iter().for_each(|group| visit(Some((SHARD_ID, id.clone())), group));
        }
    }
}

impl ConsumerMeters {
    /// A subscription was asked for.
    pub fn subscribed(&self, success: bool, rate_exceeded: bool) {
        self.subscriptions.observe([u64::from(success), u64::from(rate_exceeded)]);
    }

    /// An event was published.
    pub fn published(&self, records: u64, bytes: u64, behind_ms: u64) {
        self.events.observe([bytes, behind_ms, records, 1]);
    }

    /// A subscription broke.
    pub fn failed(&self) {
        self.events.observe([0; 4]);
    }
}

fn micros(latency: Duration) -> u64 {
    latency.as_micros() as u64
}

impl MeasurementSource for Streams {
    fn measurements(&self, into: &mut Vec<Measurement>) {
        for stream in self.0.directory.all() {
            let switched_on = stream.state().row.shard_level_metrics;
            let is_told = |metric: &Metric, dimension: &Option<Dimension>| match dimension {
                Some((SHARD_ID, _)) => SHARD_METRICS
                    .iter()
                    .any(|(name, own)| *name == metric.name && switched_on.contains(*own)),
                _ => true,
            };
            stream.meters.groups(&mut |dimension, group| {
                group.read(&mut |metric, total, minute| {
                    // What was never observed is not told: most streams are not read by all means.
                    if total.count > 0 && is_told(metric, &dimension) {
                        into.push(measurement(&stream, metric, &dimension, total, minute));
                    }
                });
            });
        }
    }

    fn close_minute(&self) {
        for stream in self.0.directory.all() {
            stream.meters.groups(&mut |_, group| group.close_minute());
        }
    }
}

fn measurement(
    stream: &Stream,
    metric: &'static Metric,
    dimension: &Option<Dimension>,
    total: StatisticSet,
    minute: StatisticSet,
) -> Measurement {
    let prefix = match dimension {
        Some((SHARD_ID, _)) => "aws_kinesis_shard",
        _ => "aws_kinesis",
    };
    let mut dimensions = vec![("StreamName", stream.name.name.to_string())];
    dimensions.extend(dimension.clone());
    Measurement {
        namespace: NAMESPACE,
        metric,
        prefix,
        account: stream.name.world.account.to_string(),
        region: stream.name.world.region.to_string(),
        dimensions,
        total,
        minute,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every total with its dimension's name.
    fn totals(meters: &StreamMeters) -> BTreeMap<(Option<&'static str>, &'static str), (u64, u64)> {
        let mut totals = BTreeMap::new();
        meters.groups(&mut |dimension, group| {
            group.read(&mut |metric, total, _| {
                let dimension = dimension.as_ref().map(|(name, _)| *name);
                totals.insert((dimension, metric.name), (total.count, total.sum));
            });
        });
        totals
    }

    #[test]
    fn a_put_that_fails_in_part() {
        let meters = StreamMeters::default();
        let outcome = PutOutcome { total: 10, put: 6, bytes: 600, throttled: 3 };
        meters.put(PutBy::PutRecords, outcome, Duration::from_millis(2));
        let totals = totals(&meters);
        let of = |name| totals[&(None, name)];
        assert_eq!(of("PutRecords.TotalRecords"), (1, 10));
        assert_eq!(of("PutRecords.SuccessfulRecords"), (1, 6));
        assert_eq!(of("PutRecords.FailedRecords"), (1, 1));
        assert_eq!(of("PutRecords.ThrottledRecords"), (1, 3));
        assert_eq!(of("PutRecords.Success"), (1, 1));
        assert_eq!(of("PutRecords.Latency"), (1, 2000));
        assert_eq!(of("WriteProvisionedThroughputExceeded"), (1, 3));
        assert_eq!(of("IncomingRecords"), (1, 6));
        assert_eq!(of("IncomingBytes"), (1, 600));
        assert_eq!(of("PutRecord.Success"), (0, 0));
    }

    #[test]
    fn a_put_that_fails_altogether_brings_nothing_in() {
        let meters = StreamMeters::default();
        let outcome = PutOutcome { total: 1, throttled: 1, ..PutOutcome::default() };
        meters.put(PutBy::PutRecord, outcome, Duration::from_micros(1));
        let totals = totals(&meters);
        assert_eq!(totals[&(None, "PutRecord.Success")], (1, 0));
        assert_eq!(totals[&(None, "IncomingRecords")], (0, 0));
        assert_eq!(totals[&(None, "WriteProvisionedThroughputExceeded")], (1, 1));
    }

    #[test]
    fn consumers_and_shards_have_their_own() {
        let meters = StreamMeters::default();
        let consumer = meters.consumer("c");
        consumer.subscribed(true, false);
        consumer.published(2, 20, 7);
        meters.shard_got(3, 2, 20, None);
        meters.shard_got(3, 1, 10, Some(5));
        meters.shard_throttled(3);
        let totals = totals(&meters);
        let consumer = |name| totals[&(Some("ConsumerName"), name)];
        assert_eq!(consumer("SubscribeToShard.Success"), (1, 1));
        assert_eq!(consumer("SubscribeToShardEvent.MillisBehindLatest"), (1, 7));
        let shard = |name| totals[&(Some("ShardId"), name)];
        assert_eq!(shard("OutgoingRecords"), (2, 3));
        assert_eq!(shard("IteratorAgeMilliseconds"), (1, 5));
        assert_eq!(shard("ReadProvisionedThroughputExceeded"), (2, 1));
        assert_eq!(totals[&(None, "ReadProvisionedThroughputExceeded")], (0, 0));
    }
}
