//! Where measurements are registered and found again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stdx::Clock;

use crate::meter::{Counter, CounterFamily, Gauge, Histogram, OperationMeter};
use crate::text;

/// A handle to all measurements; clones share them.
#[derive(Clone)]
pub struct Telemetry(Arc<Registry>);

struct Registry {
    clock: Clock,
    started: Duration,
    operations: Mutex<Vec<OperationMeter>>,
    series: Mutex<Vec<Series>>,
}

/// One named measurement.
#[derive(Clone)]
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) value: Value,
}

#[derive(Clone)]
pub(crate) enum Value {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Histogram),
    /// With the label's name.
    Family(&'static str, CounterFamily),
}

impl Telemetry {
    /// Nothing measured yet; uptime counts from here.
    pub fn new(clock: Clock) -> Self {
        let started = clock.monotonic();
        Telemetry(Arc::new(Registry {
            clock,
            started,
            operations: Mutex::default(),
            series: Mutex::default(),
        }))
    }

    /// Registers an operation. Done once per operation, at start.
    pub fn operation(&self, service: &'static str, name: &'static str) -> OperationMeter {
        let meter = OperationMeter::new(service, name);
        let mut operations = self.0.operations.lock().unwrap_or_else(PoisonError::into_inner);
        operations.push(meter.clone());
        meter
    }

    /// Registers a counter. `name` without the `levada_` prefix, with its unit and `_total` last.
    pub fn counter(&self, name: &'static str, help: &'static str) -> Counter {
        let counter = Counter::default();
        self.register(name, help, Value::Counter(counter.clone()));
        counter
    }

    /// Registers counters told apart by `label`. `name` as for [`Telemetry::counter`].
    pub fn counters(
        &self,
        name: &'static str,
        help: &'static str,
        label: &'static str,
    ) -> CounterFamily {
        let family = CounterFamily::default();
        self.register(name, help, Value::Family(label, family.clone()));
        family
    }

    /// Registers a gauge. `name` without the `levada_` prefix, with its unit last.
    pub fn gauge(&self, name: &'static str, help: &'static str) -> Gauge {
        let gauge = Gauge::default();
        self.register(name, help, Value::Gauge(gauge.clone()));
        gauge
    }

    /// Registers a histogram of durations. `name` without the `levada_` prefix, ending in
    /// `_seconds`.
    pub fn histogram(&self, name: &'static str, help: &'static str) -> Histogram {
        let histogram = Histogram::default();
        self.register(name, help, Value::Histogram(histogram.clone()));
        histogram
    }

    /// Everything, as Prometheus text.
    pub fn prometheus_text(&self) -> String {
        let operations = self.operations();
        let series = self.0.series.lock().unwrap_or_else(PoisonError::into_inner).clone();
        text::render(&operations, &series, self.uptime())
    }

    /// The operations registered so far.
    pub fn operations(&self) -> Vec<OperationMeter> {
        self.0.operations.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Time since the start.
    pub fn uptime(&self) -> Duration {
        self.0.clock.monotonic().saturating_sub(self.0.started)
    }

    fn register(&self, name: &'static str, help: &'static str, value: Value) {
        let mut series = self.0.series.lock().unwrap_or_else(PoisonError::into_inner);
        series.push(Series { name, help, value });
    }
}
