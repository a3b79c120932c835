//! What a phase has found.

use serde::Serialize;

/// What the threads of one name used for each record.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// The threads' name.
    pub thread: String,
    /// Microseconds in the program.
    pub user_micros: f64,
    /// Microseconds in the kernel.
    pub system_micros: f64,
}

/// The figures of one phase.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was done: `put-records`, `put-record` or `get-records`.
    pub phase: &'static str,
    /// The seconds measured, without the warm-up.
    pub seconds: f64,
    /// Requests answered.
    pub requests: u64,
    /// Records acknowledged or read.
    pub records: u64,
    /// Records a second.
    pub records_per_second: f64,
    /// Half of the requests took no longer than this.
    pub p50_ms: f64,
    /// 99 of 100 requests took no longer than this.
    pub p99_ms: f64,
    /// Processor seconds that the server used, user and system, all threads.
    pub server_cpu_seconds: f64,
    /// Records for each processor second of the server.
    pub records_per_cpu_second: f64,
    /// The same by thread, and for each record.
    pub steps: Vec<Step>,
    /// The generator's own processor seconds, which compete with the server's on a small machine.
    pub load_cpu_seconds: f64,
}
