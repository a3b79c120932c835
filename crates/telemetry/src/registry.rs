//! Where measurements are registered and found again.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use stdx::{Clock, task};

use crate::meter::{Counter, CounterFamily, Gauge, Histogram, OperationMeter};
use crate::statistics::{Measurement, MeasurementSource};
use crate::text;

/// CloudWatch's period (developer guide, monitoring).
const MINUTE: Duration = Duration::from_secs(60);

/// A handle to all measurements; clones share them.
#[derive(Clone)]
pub struct Telemetry(Arc<Registry>);

struct Registry {
    clock: Clock,
    started: Duration,
    operations: Mutex<Vec<OperationMeter>>,
    series: Mutex<Vec<Series>>,
    sources: Mutex<Vec<Arc<dyn MeasurementSource>>>,
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
            sources: Mutex::default(),
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

    /// Registers whoever measures in statistic sets, and from the first one on closes a minute when
    /// the service's clock begins another.
    pub fn source(&self, source: Arc<dyn MeasurementSource>) {
        let mut sources = self.0.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.push(source);
        if sources.len() == 1 {
            task::spawn(close_minutes(Arc::downgrade(&self.0)));
        }
    }

    /// Everything measured in statistic sets.
    pub fn measurements(&self) -> Vec<Measurement> {
        let mut all = Vec::new();
        self.0.sources().iter().for_each(|source| source.measurements(&mut all));
        all
    }

    /// Everything, as Prometheus text.
    pub fn prometheus_text(&self) -> String {
        let operations = self.operations();
        let series = self.0.series.lock().unwrap_or_else(PoisonError::into_inner).clone();
        text::render(&operations, &series, self.measurements(), self.uptime())
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

impl Registry {
    fn sources(&self) -> Vec<Arc<dyn MeasurementSource>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Closes minutes until the registry is gone.
async fn close_minutes(registry: Weak<Registry>) {
    loop {
        let Some(clock) = registry.upgrade().map(|registry| registry.clock.clone()) else { return };
        let into_minute = Duration::from_millis(clock.service().0 % MINUTE.as_millis() as u64);
        clock.sleep_service(MINUTE - into_minute).await;
        let Some(registry) = registry.upgrade() else { return };
        registry.sources().iter().for_each(|source| source.close_minute());
    }
}
