//! One measurement, told twice: Prometheus text now, CloudWatch statistic sets later. And where
//! the log goes.

pub mod log;
pub mod meter;
pub mod process;
pub mod registry;
pub mod text;

pub use log::{LogFormat, check_filter, start_log};
pub use meter::{Counter, CounterFamily, Gauge, Histogram, Observation, OperationMeter};
pub use registry::Telemetry;
