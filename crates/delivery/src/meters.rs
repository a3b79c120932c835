//! What AWS/Firehose measures of delivery streams. The names are CloudWatch's (developer guide, monitoring;
//! `facts/firehose.md` § 2.9).

use std::time::Duration;

use telemetry::{Measurement, MeasurementSource, Metric, MetricGroup, Observed, Unit};

use crate::conversion::Converted;
use crate::engine::Delivery;

const NAMESPACE: &str = "AWS/Firehose";
const PREFIX: &str = "aws_firehose";

const fn metric(name: &'static str, unit: Unit, help: &'static str) -> Metric {
    Metric { name, deprecated_name: None, unit, help }
}

static INCOMING: [Metric; 3] = [
    metric("IncomingBytes", Unit::Bytes, "Bytes put."),
    metric("IncomingRecords", Unit::Count, "Records put."),
    metric("IncomingPutRequests", Unit::Count, "Requests that put something."),
];
static THROTTLED: [Metric; 1] =
    [metric("ThrottledRecords", Unit::Count, "Records refused because of a quota.")];
static DELIVERED: [Metric; 4] = [
    metric("DeliveryToS3.Bytes", Unit::Bytes, "Bytes delivered, before compression."),
    metric("DeliveryToS3.Records", Unit::Count, "Records delivered."),
    metric("DeliveryToS3.DataFreshness", Unit::Seconds, "Age of the oldest record of an object."),
    metric("DeliveryToS3.ObjectCount", Unit::Count, "Objects delivered."),
];
static DELIVERY: [Metric; 1] =
    [metric("DeliveryToS3.Success", Unit::Count, "Whether an object could be put.")];
static BACKED_UP: [Metric; 3] = [
    metric("BackupToS3.Bytes", Unit::Bytes, "Bytes backed up."),
    metric("BackupToS3.Records", Unit::Count, "Records backed up."),
    metric("BackupToS3.DataFreshness", Unit::Seconds, "Age of the oldest record of a backup."),
];
static BACKUP: [Metric; 1] =
    [metric("BackupToS3.Success", Unit::Count, "Whether a backup could be put.")];
static PROCESSING: [Metric; 2] = [
    metric(
        "ExecuteProcessing.Duration",
        Unit::MillisecondsOfMicros,
        "Time of an invocation of the function.",
    ),
    metric("ExecuteProcessing.Success", Unit::Count, "Whether an invocation succeeded."),
];
static PROCESSED: [Metric; 2] = [
    metric("SucceedProcessing.Bytes", Unit::Bytes, "Bytes that the function has made."),
    metric("SucceedProcessing.Records", Unit::Count, "Records that the function has made."),
];
static CONVERTED: [Metric; 2] = [
    metric("SucceedConversion.Bytes", Unit::Bytes, "Bytes of records that were converted."),
    metric("SucceedConversion.Records", Unit::Count, "Records that were converted."),
];
static UNCONVERTED: [Metric; 2] = [
    metric("FailedConversion.Bytes", Unit::Bytes, "Bytes of records that could not be converted."),
    metric("FailedConversion.Records", Unit::Count, "Records that could not be converted."),
];
static PARTITIONS: [Metric; 2] = [
    metric("PartitionCount", Unit::Count, "Active partitions."),
    metric("PartitionCountExceeded", Unit::Count, "Whether there were more than there may be."),
];
static READ: [Metric; 3] = [
    metric("DataReadFromKinesisStream.Bytes", Unit::Bytes, "Bytes read of the source stream."),
    metric("DataReadFromKinesisStream.Records", Unit::Count, "Records read of the source stream."),
    metric("KinesisMillisBehindLatest", Unit::Milliseconds, "How far reading is behind the tip."),
];

/// What is measured of one delivery stream.
#[derive(Debug)]
pub struct DeliveryMeters {
    incoming: MetricGroup<3>,
    throttled: MetricGroup<1>,
    delivered: MetricGroup<4>,
    delivery: MetricGroup<1>,
    backed_up: MetricGroup<3>,
    backup: MetricGroup<1>,
    processing: MetricGroup<2>,
    processed: MetricGroup<2>,
    converted: MetricGroup<2>,
    unconverted: MetricGroup<2>,
    partitions: MetricGroup<2>,
    read: MetricGroup<3>,
}

impl Default for DeliveryMeters {
    fn default() -> Self {
        DeliveryMeters {
            incoming: MetricGroup::new(&INCOMING),
            throttled: MetricGroup::new(&THROTTLED),
            delivered: MetricGroup::new(&DELIVERED),
            delivery: MetricGroup::new(&DELIVERY),
            backed_up: MetricGroup::new(&BACKED_UP),
            backup: MetricGroup::new(&BACKUP),
            processing: MetricGroup::new(&PROCESSING),
            processed: MetricGroup::new(&PROCESSED),
            converted: MetricGroup::new(&CONVERTED),
            unconverted: MetricGroup::new(&UNCONVERTED),
            partitions: MetricGroup::new(&PARTITIONS),
            read: MetricGroup::new(&READ),
        }
    }
}

/// An object that was delivered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeliveredObject {
    pub(crate) is_backup: bool,
    pub(crate) bytes: u64,
    pub(crate) records: u64,
    /// How old its oldest record was.
    pub(crate) age: Duration,
}

impl DeliveryMeters {
    /// Records were put.
    pub(crate) fn put(&self, records: u64, bytes: u64) {
        self.incoming.observe([bytes, records, 1]);
    }

    /// Records were refused because of a quota.
    pub(crate) fn throttled(&self, records: u64) {
        self.throttled.observe([records]);
    }

    /// An object was delivered.
    pub(crate) fn delivered(&self, object: DeliveredObject) {
        let DeliveredObject { is_backup, bytes, records, age } = object;
        match is_backup {
            true => {
                self.backed_up.observe([bytes, records, age.as_secs()]);
                self.backup.observe([1]);
            }
            false => {
                self.delivered.observe([bytes, records, age.as_secs(), 1]);
                self.delivery.observe([1]);
            }
        }
    }

    /// An object could not be put.
    pub(crate) fn failed(&self, is_backup: bool) {
        match is_backup {
            true => self.backup.observe([0]),
            false => self.delivery.observe([0]),
        }
    }

    /// The function was called.
    pub(crate) fn invoked(&self, duration: Duration, success: bool) {
        self.processing.observe([duration.as_micros() as u64, u64::from(success)]);
    }

    /// The function has made records.
    pub(crate) fn processed(&self, records: u64, bytes: u64) {
        self.processed.observe([bytes, records]);
    }

    /// The records of an object were converted, or not.
    pub(crate) fn converted(&self, object: Converted) {
        let Converted { records, bytes, failed_records, failed_bytes } = object;
        self.converted.observe([bytes, records]);
        self.unconverted.observe([failed_bytes, failed_records]);
    }

    /// A batch was sorted into partitions.
    pub(crate) fn partitioned(&self, active: usize, exceeded: bool) {
        self.partitions.observe([active as u64, u64::from(exceeded)]);
    }

    /// A page of the source stream was read.
    pub(crate) fn read(&self, records: u64, bytes: u64, behind_ms: u64) {
        self.read.observe([bytes, records, behind_ms]);
    }

    fn groups(&self) -> [&dyn Observed; 12] {
        let DeliveryMeters {
            incoming,
            throttled,
            delivered,
            delivery,
            backed_up,
            backup,
            processing,
            processed,
            converted,
            unconverted,
            partitions,
            read,
        } = self;
        [
            incoming,
            throttled,
            delivered,
            delivery,
            backed_up,
            backup,
            processing,
            processed,
            converted,
            unconverted,
            partitions,
            read,
        ]
    }
}

impl MeasurementSource for Delivery {
    fn measurements(&self, into: &mut Vec<Measurement>) {
        for stream in self.all() {
            for group in stream.meters.groups() {
                group.read(&mut |metric, total, minute| {
                    // What was never observed is not told: most delivery streams have no function.
                    if total.count > 0 {
                        into.push(Measurement {
                            namespace: NAMESPACE,
                            metric,
                            prefix: PREFIX,
                            account: stream.name.world.account.to_string(),
                            region: stream.name.world.region.to_string(),
                            dimensions: vec![("DeliveryStreamName", stream.name.name.to_string())],
                            total,
                            minute,
                        });
                    }
                });
            }
        }
    }

    fn close_minute(&self) {
        for stream in self.all() {
            stream.meters.groups().into_iter().for_each(Observed::close_minute);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_and_a_backup_are_told_apart() {
        let meters = DeliveryMeters::default();
        let object = DeliveredObject {
            is_backup: false,
            bytes: 10,
            records: 2,
            age: Duration::from_secs(61),
        };
        meters.delivered(object);
        meters.delivered(DeliveredObject { is_backup: true, ..object });
        meters.failed(true);
        let mut told = std::collections::BTreeMap::new();
        for group in meters.groups() {
            group.read(&mut |metric, total, _| {
                told.insert(metric.name, (total.count, total.sum));
            });
        }
        assert_eq!(told["DeliveryToS3.DataFreshness"], (1, 61));
        assert_eq!(told["DeliveryToS3.Success"], (1, 1));
        assert_eq!(told["BackupToS3.Success"], (2, 1));
        assert_eq!(told["BackupToS3.Records"], (1, 2));
        assert_eq!(told["IncomingBytes"], (0, 0));
    }
}
