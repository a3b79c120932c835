//! One measurement, told twice: as Prometheus text, and as CloudWatch's statistic sets. And where the
//! log goes.

pub mod log;
pub mod meter;
pub mod process;
pub mod registry;
pub mod statistics;
pub mod text;

pub use log::{LogFormat, check_filter, start_log};
pub use meter::{Counter, CounterFamily, Gauge, Histogram, Observation, OperationMeter};
pub use registry::Telemetry;
pub use statistics::{
    Measurement, MeasurementSource, Metric, MetricGroup, Observed, StatisticSet, Unit,
};
