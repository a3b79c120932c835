//! Prometheus' text format, version 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::fmt::Write as _;
use std::time::Duration;

use crate::meter::{Histogram, LATENCY_BUCKETS_MICROS, Operation, OperationMeter};
use crate::process::resident_bytes;
use crate::registry::{Series, Value};

/// The text's content type.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(crate) fn render(operations: &[OperationMeter], series: &[Series], uptime: Duration) -> String {
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
    out
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
    use std::time::Duration;

    use stdx::{Clock, UnixMillis};

    use crate::{Observation, Telemetry};

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
