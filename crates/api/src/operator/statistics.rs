//! What was measured since the start, for whoever watches: `levada top`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use telemetry::{Measurement, OperationMeter};
use wire::{Call, Fault, Serve};

use super::{Nothing, Operator, operation};

operation! {
    /// `GetStatistics`: totals since the start; two of them make a rate.
    GetStatistics(Nothing) -> Statistics, Read
}

/// Totals since the start.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Statistics {
    /// How long the server has run.
    pub uptime_millis: u64,
    /// What its process holds in memory, where the system says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resident_bytes: Option<u64>,
    /// Operations that were ever called, of all accounts and regions.
    pub operations: Vec<OperationStatistics>,
    /// CloudWatch's metrics of the caller's account and region.
    pub metrics: Vec<MetricStatistics>,
}

/// The calls of one operation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct OperationStatistics {
    /// The service's name in a credential scope.
    pub service: String,
    /// The operation's name.
    pub name: String,
    /// Calls by latency: as many as [`telemetry::meter::LATENCY_BUCKETS_MICROS`] has bounds, and one
    /// more above them all.
    pub calls_by_latency: Vec<u64>,
    /// Faults by code.
    pub faults: BTreeMap<String, u64>,
}

/// One metric with its dimensions.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MetricStatistics {
    /// Such as `AWS/Kinesis`.
    pub namespace: String,
    /// Such as `IncomingBytes`.
    pub name: String,
    /// Such as `Bytes`.
    pub unit: String,
    /// Such as `StreamName`.
    pub dimensions: BTreeMap<String, String>,
    /// Since the start.
    pub sample_count: u64,
    /// Since the start.
    pub sum: f64,
    /// In the last full minute; nothing if nothing was observed in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_minute: Option<MinuteStatistics>,
}

/// A statistic set of one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MinuteStatistics {
    /// How often something was observed.
    pub sample_count: u64,
    /// The sum of what was.
    pub sum: f64,
    /// The least.
    pub minimum: f64,
    /// The greatest.
    pub maximum: f64,
}

impl Serve<GetStatistics> for Operator {
    async fn serve(&self, call: &Call, _input: Nothing) -> Result<Statistics, Fault> {
        let called = self.telemetry.operations().into_iter().filter(|meter| meter.calls() > 0);
        let measured = self.telemetry.measurements().into_iter();
        let own = measured.filter(|it| *it.account == *call.account && *it.region == *call.region);
        Ok(Statistics {
            uptime_millis: self.telemetry.uptime().as_millis() as u64,
            resident_bytes: telemetry::process::resident_bytes(),
            operations: called.map(|meter| operation_statistics(&meter)).collect(),
            metrics: own.map(metric_statistics).collect(),
        })
    }
}

fn operation_statistics(meter: &OperationMeter) -> OperationStatistics {
    let (service, name) = meter.names();
    OperationStatistics {
        service: service.to_owned(),
        name: name.to_owned(),
        calls_by_latency: meter.latency().counts().to_vec(),
        faults: meter.faults(),
    }
}

fn metric_statistics(measured: Measurement) -> MetricStatistics {
    let Measurement { namespace, metric, dimensions, total, minute, .. } = measured;
    let value = |observed| metric.unit.scale(observed);
    let dimensions = dimensions.into_iter().map(|(name, value)| (name.to_owned(), value));
    MetricStatistics {
        namespace: namespace.to_owned(),
        name: metric.name.to_owned(),
        unit: metric.unit.name().to_owned(),
        dimensions: dimensions.collect(),
        sample_count: total.count,
        sum: value(total.sum),
        last_minute: (minute.count > 0).then(|| MinuteStatistics {
            sample_count: minute.count,
            sum: value(minute.sum),
            minimum: value(minute.min),
            maximum: value(minute.max),
        }),
    }
}
