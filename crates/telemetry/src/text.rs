//! Prometheus' text format, version 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::fmt::Write as _;
use std::time::Duration;

use crate::meter::{Histogram, LATENCY_BUCKETS_MICROS, Operation, OperationMeter};
use crate::process::resident_bytes;
use crate::registry::{Series, Value};
use crate::statistics::{Measurement, Metric, StatisticSet, Unit};

/// The text's content type.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How many values of a dimension are told apart in one metric; what is beyond is told as one,
/// `other` (our choice: what Prometheus takes from one target without pain).
pub const LABEL_SETS_MAX: usize = 1000;

pub(crate) fn render(
    operations: &[OperationMeter],
    series: &[Series],
    measurements: Vec<Measurement>,
    uptime: Duration,
) -> String {
    let mut out = String::new();
    head(&mut out, "levada_uptime_seconds", "Time since the start.", "gauge");
    line(&mut out, "levada_uptime_seconds", "", &seconds(uptime.as_micros() as u64));
    if let Some(bytes) = resident_bytes() {
        head(&mut out, "process_resident_memory_bytes", "Resident memory.", "gauge");
        line(&mut out, "process_resident_memory_bytes", "", &bytes.to_string());
    }
    for Series { name, help, value } in series {
        let name = format!("levada_{name}");
        match value {
            Value::Counter(counter) => {
                head(&mut out, &name, help, "counter");
                line(&mut out, &name, "", &counter.get().to_string());
            }
            Value::Gauge(gauge) => {
                head(&mut out, &name, help, "gauge");
                line(&mut out, &name, "", &gauge.get().to_string());
            }
            Value::Histogram(values) => {
                head(&mut out, &name, help, "histogram");
                histogram(&mut out, &name, "", values);
            }
            Value::Family(label, family) => {
                head(&mut out, &name, help, "counter");
                for (value, count) in family.get() {
                    let labels = format!("{label}=\"{}\"", escaped(&value));
                    line(&mut out, &name, &labels, &count.to_string());
                }
            }
        }
    }
    // Operations that were never called would be most of the text.
    let called: Vec<_> = operations.iter().filter(|meter| meter.calls() > 0).collect();
    render_operations(&mut out, &called);
    render_measurements(&mut out, measurements);
    out
}

/// Statistic sets: a summary of all time, and the greatest value of the last full minute.
fn render_measurements(out: &mut String, mut measurements: Vec<Measurement>) {
    measurements.retain(|measured| measured.total.count > 0);
    let place = |measured: &Measurement| (measured.prefix, measured.metric.name);
    measurements.sort_by(|a, b| {
        (place(a), &a.account, &a.region, &a.dimensions).cmp(&(
            place(b),
            &b.account,
            &b.region,
            &b.dimensions,
        ))
    });
    for family in measurements.chunk_by(|a, b| place(a) == place(b)) {
        let Measurement { prefix, metric, .. } = &family[0];
        let name = metric_name(prefix, metric);
        let (named, beyond) = family.split_at(family.len().min(LABEL_SETS_MAX));
        let mut rows: Vec<_> =
            named.iter().map(|it| (labels_of(it), it.total, it.minute)).collect();
        if !beyond.is_empty() {
            rows.push(summed(beyond));
        }
        let value = |observed| metric.unit.scale(observed).to_string();
        head(out, &name, metric.help, "summary");
        for (labels, total, _) in &rows {
            line(out, &format!("{name}_sum"), labels, &value(total.sum));
            line(out, &format!("{name}_count"), labels, &total.count.to_string());
        }
        let recent = rows.iter().filter(|(.., minute)| minute.count > 0).collect::<Vec<_>>();
        if !recent.is_empty() {
            let name = format!("{name}_last_minute_max");
            head(out, &name, "The greatest of the last full minute.", "gauge");
            for (labels, _, minute) in recent {
                line(out, &name, labels, &value(minute.max));
            }
        }
    }
}

/// What is beyond the limit, as one.
fn summed(beyond: &[Measurement]) -> (String, StatisticSet, StatisticSet) {
    let add = |sum: StatisticSet, one: &StatisticSet| StatisticSet {
        count: sum.count + one.count,
        sum: sum.sum + one.sum,
        min: 0,
        max: sum.max.max(one.max),
    };
    let none = StatisticSet::default();
    let total = beyond.iter().map(|it| &it.total).fold(none, add);
    let minute = beyond.iter().map(|it| &it.minute).fold(none, add);
    let names = beyond[0].dimensions.iter().map(|(name, _)| label_name(name));
    let labels: Vec<_> = names.map(|name| format!("{name}=\"other\"")).collect();
    (labels.join(","), total, minute)
}

fn labels_of(measured: &Measurement) -> String {
    let mut labels = format!(
        "account=\"{}\",region=\"{}\"",
        escaped(&measured.account),
        escaped(&measured.region)
    );
    for (name, value) in &measured.dimensions {
        let _infallible = write!(labels, ",{}=\"{}\"", label_name(name), escaped(value));
    }
    labels
}

/// `StreamName` is `stream`, `ShardId` is `shard`.
fn label_name(dimension: &str) -> String {
    snake(dimension.trim_end_matches("Name").trim_end_matches("Id"))
}

/// `aws_kinesis_put_records_latency_milliseconds` for `PutRecords.Latency`.
fn metric_name(prefix: &str, metric: &Metric) -> String {
    let name = format!("{prefix}_{}", snake(metric.name));
    let unit = match metric.unit {
        Unit::Milliseconds | Unit::MillisecondsOfMicros if !name.contains("millis") => {
            "_milliseconds"
        }
        _ => "",
    };
    name + unit
}

/// `PutRecords.Latency` is `put_records_latency`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for (index, c) in name.char_indices() {
        let after_lower = index > 0 && name.as_bytes()[index - 1].is_ascii_lowercase();
        match c {
            '.' => snake.push('_'),
            _ if c.is_ascii_uppercase() && after_lower => {
                snake.push('_');
                snake.push(c.to_ascii_lowercase());
            }
            _ => snake.push(c.to_ascii_lowercase()),
        }
    }
    snake
}

fn render_operations(out: &mut String, called: &[&OperationMeter]) {
    let name = "levada_operation_seconds";
    head(out, name, "Time to answer, by operation.", "histogram");
    for meter in called {
        histogram(out, name, &labels(meter.operation()), &meter.operation().latency);
    }
    let name = "levada_operation_faults_total";
    head(out, name, "Faults answered, by operation and code.", "counter");
    for meter in called {
        for (code, count) in meter.faults() {
            let labels = format!("{},code=\"{}\"", labels(meter.operation()), escaped(&code));
            line(out, name, &labels, &count.to_string());
        }
    }
    let name = "levada_operation_received_bytes_total";
    head(out, name, "Request bodies, by operation.", "counter");
    for meter in called {
        let operation = meter.operation();
        line(out, name, &labels(operation), &operation.bytes_in.get().to_string());
    }
    let name = "levada_operation_sent_bytes_total";
    head(out, name, "Answer bodies, by operation.", "counter");
    for meter in called {
        let operation = meter.operation();
        line(out, name, &labels(operation), &operation.bytes_out.get().to_string());
    }
}

fn labels(operation: &Operation) -> String {
    format!("service=\"{}\",operation=\"{}\"", operation.service, operation.name)
}

fn head(out: &mut String, name: &str, help: &str, kind: &str) {
    let _infallible = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(out: &mut String, name: &str, labels: &str, value: &str) {
    let _infallible = if labels.is_empty() {
        writeln!(out, "{name} {value}")
    } else {
        writeln!(out, "{name}{{{labels}}} {value}")
    };
}

fn histogram(out: &mut String, name: &str, labels: &str, values: &Histogram) {
    let comma = if labels.is_empty() { "" } else { "," };
    let bucket = format!("{name}_bucket");
    let mut sum = 0;
    for (index, count) in values.counts().iter().enumerate() {
        sum += count;
        let bound =
            LATENCY_BUCKETS_MICROS.get(index).map_or("+Inf".into(), |bound| seconds(*bound));
        line(out, &bucket, &format!("{labels}{comma}le=\"{bound}\""), &sum.to_string());
    }
    line(out, &format!("{name}_sum"), labels, &seconds(values.sum_micros()));
    line(out, &format!("{name}_count"), labels, &sum.to_string());
}

fn seconds(micros: u64) -> String {
    format!("{}", micros as f64 / 1e6)
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use stdx::{Clock, UnixMillis};

    use super::*;
    use crate::{MeasurementSource, MetricGroup, Observation, Observed, Telemetry};

    static LATENCY: [Metric; 1] = [Metric {
        name: "PutRecords.Latency",
        deprecated_name: None,
        unit: Unit::MillisecondsOfMicros,
        help: "Time.",
    }];

    /// A group per stream.
    struct Streams(Vec<MetricGroup<1>>);

    impl MeasurementSource for Streams {
        fn measurements(&self, into: &mut Vec<Measurement>) {
            for (index, group) in self.0.iter().enumerate() {
                group.read(&mut |metric, total, minute| {
                    into.push(Measurement {
                        namespace: "AWS/Kinesis",
                        metric,
                        prefix: "aws_kinesis",
                        account: "1".to_owned(),
                        region: "r".to_owned(),
                        dimensions: vec![("StreamName", format!("s{index:05}"))],
                        total,
                        minute,
                    });
                });
            }
        }

        fn close_minute(&self) {
            self.0.iter().for_each(Observed::close_minute);
        }
    }

    #[tokio::test]
    async fn statistic_sets_are_told_and_bounded() {
        let clock = Clock::manual(UnixMillis(30_000));
        let telemetry = Telemetry::new(clock.clone());
        let groups = (0..LABEL_SETS_MAX + 2).map(|_| MetricGroup::new(&LATENCY));
        let streams = Arc::new(Streams(groups.collect()));
        telemetry.source(Arc::clone(&streams) as Arc<dyn MeasurementSource>);
        streams.0.iter().for_each(|group| group.observe([1500]));
        streams.0[0].observe([500]);
        let name = "aws_kinesis_put_records_latency_milliseconds";
        let text = telemetry.prometheus_text();
        for line in [
            format!("# TYPE {name} summary"),
            format!("{name}_sum{{account=\"1\",region=\"r\",stream=\"s00000\"}} 2"),
            format!("{name}_count{{account=\"1\",region=\"r\",stream=\"s00000\"}} 2"),
            format!("{name}_sum{{stream=\"other\"}} 3"),
            format!("{name}_count{{stream=\"other\"}} 2"),
        ] {
            assert!(text.lines().any(|own| own == line), "{line}");
        }
        assert_eq!(text.matches("_latency_milliseconds_sum").count(), LABEL_SETS_MAX + 1);
        assert!(!text.contains("last_minute_max{"));
        // The service's minute ends; half of it was over.
        let minute_of = |telemetry: &Telemetry| telemetry.measurements()[0].minute;
        for _ in 0..1000 {
            if minute_of(&telemetry).count == 0 {
                clock.move_service(Duration::from_secs(30));
                tokio::task::yield_now().await;
            }
        }
        let text = telemetry.prometheus_text();
        let line =
            format!("{name}_last_minute_max{{account=\"1\",region=\"r\",stream=\"s00000\"}} 1.5");
        assert!(text.lines().any(|own| own == line), "{line}");
    }

    #[test]
    fn names() {
        assert_eq!(
            snake("GetRecords.IteratorAgeMilliseconds"),
            "get_records_iterator_age_milliseconds"
        );
        assert_eq!(label_name("ConsumerName"), "consumer");
        assert_eq!(label_name("ShardId"), "shard");
    }

    #[test]
    fn counts_come_out_again() {
        let telemetry = Telemetry::new(Clock::manual(UnixMillis(0)));
        let put = telemetry.operation("kinesis", "PutRecord");
        let _never_called = telemetry.operation("kinesis", "ListStreams");
        telemetry.gauge("connections", "Open connections.").set(3);
        telemetry.counter("refused_total", "Refused.").add(2);
        telemetry.counters("data_total", "Data.", "space").add("a\"b", 4);
        put.record(Observation {
            fault: None,
            latency: Duration::from_micros(150),
            bytes_in: 10,
            bytes_out: 20,
        });
        put.record(Observation {
            fault: Some("ValidationException"),
            latency: Duration::from_millis(3),
            bytes_in: 1,
            bytes_out: 2,
        });
        let text = telemetry.prometheus_text();
        let labels = "service=\"kinesis\",operation=\"PutRecord\"";
        for expected in [
            "levada_connections 3".to_owned(),
            "levada_refused_total 2".to_owned(),
            "levada_data_total{space=\"a\\\"b\"} 4".to_owned(),
            format!("levada_operation_seconds_bucket{{{labels},le=\"0.0002\"}} 1"),
            format!("levada_operation_seconds_bucket{{{labels},le=\"+Inf\"}} 2"),
            format!("levada_operation_seconds_sum{{{labels}}} 0.00315"),
            format!("levada_operation_seconds_count{{{labels}}} 2"),
            format!("levada_operation_faults_total{{{labels},code=\"ValidationException\"}} 1"),
            format!("levada_operation_received_bytes_total{{{labels}}} 11"),
            format!("levada_operation_sent_bytes_total{{{labels}}} 22"),
        ] {
            assert!(text.lines().any(|line| line == expected), "{expected}\n{text}");
        }
        assert!(!text.contains("ListStreams"));
    }
}
