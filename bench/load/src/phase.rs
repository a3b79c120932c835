//! One phase of writing: warm up, measure, stop.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use kit::process::{Cpu, read_cpu_seconds, read_thread_cpu};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time;

use crate::PHASE_SECONDS_MAX;
use crate::connection::Connection;
use crate::histogram::Histogram;
use crate::records::{Prepared, prepare_batches, prepare_singles};
use crate::report::{Report, Step};
use crate::target::Target;

/// Turns are given this often, at most.
const TURNS_STEP: Duration = Duration::from_micros(100);

/// What a phase writes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// PutRecords, 500 records of 1 KiB.
    PutRecords,
    /// PutRecord, 1 KiB.
    PutRecord,
}

/// How a phase runs.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Connections, each with one request in flight.
    pub connections: usize,
    /// Not measured.
    pub warm_up: Duration,
    /// Measured.
    pub measured: Duration,
    /// All connections together start no more requests than this in a second; 0 is no bound.
    pub requests_per_second: f64,
}

impl Plan {
    /// Holds the whole phase to its bound.
    pub fn bounded(self) -> Self {
        let limit = Duration::from_secs(PHASE_SECONDS_MAX);
        let warm_up = self.warm_up.min(limit / 2);
        Plan { warm_up, measured: self.measured.min(limit - warm_up), ..self }
    }
}

/// What all connections of a phase share.
pub(crate) struct Shared {
    pub(crate) measuring: AtomicBool,
    pub(crate) stopped: AtomicBool,
    pub(crate) requests: AtomicU64,
    pub(crate) records: AtomicU64,
    next: AtomicU64,
}

impl Shared {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Shared {
            measuring: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            records: AtomicU64::new(0),
            next: AtomicU64::new(0),
        })
    }

    /// The number of the next request.
    pub(crate) fn take_turn(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn count(&self, records: u64, took: Duration, histogram: &mut Histogram) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.records.fetch_add(records, Ordering::Relaxed);
        if self.measuring.load(Ordering::Relaxed) {
            histogram.record(took);
        }
    }
}

/// Fills `stream` with PutRecords as fast as it goes, for `measured`.
///
/// # Errors
/// As [`run_writes`].
pub async fn fill(
    target: &Target,
    stream: &str,
    connections: usize,
    measured: Duration,
) -> io::Result<()> {
    let plan = Plan { connections, warm_up: Duration::ZERO, measured, requests_per_second: 0.0 };
    run_writes(target, Kind::PutRecords, stream, plan).await.map(drop)
}

/// Writes to `stream` for the time of the plan and reports.
///
/// # Errors
/// The first answer that is not a success ends the phase and is the error.
pub async fn run_writes(
    target: &Target,
    kind: Kind,
    stream: &str,
    plan: Plan,
) -> io::Result<Report> {
    let plan = plan.bounded();
    let signer = target.make_signer();
    let (name, prepared) = match kind {
        Kind::PutRecords => ("put-records", prepare_batches(&signer, stream)),
        Kind::PutRecord => ("put-record", prepare_singles(&signer, stream)),
    };
    let (shared, prepared) = (Shared::new(), Arc::new(prepared));
    let mut writers = JoinSet::new();
    let pace = Pace::new(plan.requests_per_second)?;
    for _ in 0..plan.connections {
        let connection = Connection::open(target).await?;
        let (shared, prepared, pace) = (Arc::clone(&shared), Arc::clone(&prepared), pace.clone());
        writers
            .spawn(async move { write_until_stopped(connection, &shared, &prepared, pace).await });
    }
    drop(pace);
    measure(name, target, plan, &shared, &mut writers).await
}

/// Lets the workers run for the time of the plan; counts and processor time are read at both ends
/// of the measured part.
pub(crate) async fn measure(
    phase: &'static str,
    target: &Target,
    plan: Plan,
    shared: &Shared,
    workers: &mut JoinSet<io::Result<Histogram>>,
) -> io::Result<Report> {
    pause_unless_ended(plan.warm_up, workers).await?;
    let before = Sample::take(target, shared)?;
    shared.measuring.store(true, Ordering::Relaxed);
    pause_unless_ended(plan.measured, workers).await?;
    let after = Sample::take(target, shared)?;
    shared.stopped.store(true, Ordering::Relaxed);
    let mut histogram = Histogram::default();
    while let Some(worker) = workers.join_next().await {
        histogram.merge(&worker.map_err(io::Error::other)??);
    }
    let seconds = after.at.duration_since(before.at).as_secs_f64();
    let records = after.records - before.records;
    let server_cpu_seconds = after.server_cpu - before.server_cpu;
    Ok(Report {
        phase,
        seconds,
        requests: after.requests - before.requests,
        records,
        records_per_second: records as f64 / seconds,
        p50_ms: histogram.find_quantile_ms(0.5),
        p99_ms: histogram.find_quantile_ms(0.99),
        server_cpu_seconds,
        records_per_cpu_second: records as f64 / server_cpu_seconds,
        steps: list_steps(&before, &after, records),
        load_cpu_seconds: after.load_cpu - before.load_cpu,
    })
}

/// What each of the server's threads used between two samples.
fn list_steps(before: &Sample, after: &Sample, records: u64) -> Vec<Step> {
    let each = 1e6 / records.max(1) as f64;
    let used = after.threads.iter().map(|(thread, cpu)| {
        let earlier = before.threads.get(thread).copied().unwrap_or_default();
        Step {
            thread: thread.clone(),
            user_micros: (cpu.user_seconds - earlier.user_seconds) * each,
            system_micros: (cpu.system_seconds - earlier.system_seconds) * each,
        }
    });
    used.filter(|step| step.user_micros + step.system_micros > 0.0).collect()
}

/// Workers end early only when something went wrong.
async fn pause_unless_ended(
    pause: Duration,
    workers: &mut JoinSet<io::Result<Histogram>>,
) -> io::Result<()> {
    match time::timeout(pause, workers.join_next()).await {
        Err(_) => Ok(()),
        Ok(Some(Ok(Err(error)))) => Err(error),
        Ok(_) => Err(io::Error::other("a connection ended early")),
    }
}

struct Sample {
    at: Instant,
    requests: u64,
    records: u64,
    server_cpu: f64,
    threads: BTreeMap<String, Cpu>,
    load_cpu: f64,
}

impl Sample {
    fn take(target: &Target, shared: &Shared) -> io::Result<Self> {
        Ok(Sample {
            at: Instant::now(),
            requests: shared.requests.load(Ordering::Relaxed),
            records: shared.records.load(Ordering::Relaxed),
            server_cpu: read_cpu_seconds(target.pid)?,
            threads: read_thread_cpu(target.pid)?,
            load_cpu: read_cpu_seconds(std::process::id())?,
        })
    }
}

/// When requests may start, where their rate is bounded: on a timetable, so that a slow answer does
/// not lower the load, and its latency counts from when it should have started.
#[derive(Clone)]
pub(crate) struct Pace {
    began: Instant,
    interval: Option<Duration>,
    /// A permit for each request that is due and has not started.
    turns: Arc<Semaphore>,
}

impl Pace {
    /// Turns are given by a thread, because the runtime's timer knows only milliseconds.
    pub(crate) fn new(requests_per_second: f64) -> io::Result<Self> {
        let interval =
            (requests_per_second > 0.0).then(|| Duration::from_secs_f64(1.0 / requests_per_second));
        let pace = Pace { began: Instant::now(), interval, turns: Arc::new(Semaphore::new(0)) };
        if let Some(interval) = interval {
            let (began, turns) = (pace.began, Arc::downgrade(&pace.turns));
            thread::Builder::new()
                .name("pace".into())
                .spawn(move || give_turns(began, interval, &turns))?;
        }
        Ok(pace)
    }

    /// Waits until the request of this index is due; requests wait in their order.
    pub(crate) async fn wait_for_turn(&self, index: u64) -> Instant {
        let Some(interval) = self.interval else {
            return Instant::now();
        };
        if let Ok(permit) = self.turns.acquire().await {
            permit.forget();
        }
        self.began + interval.mul_f64(index as f64)
    }
}

/// Gives turns when they are due, until nobody waits for any.
fn give_turns(began: Instant, interval: Duration, turns: &Weak<Semaphore>) {
    let mut given = 0;
    while let Some(turns) = turns.upgrade() {
        let due = 1 + (began.elapsed().as_secs_f64() / interval.as_secs_f64()) as u64;
        turns.add_permits((due - given) as usize);
        given = due;
        drop(turns);
        let next = began + interval.mul_f64(given as f64);
        thread::sleep(next.saturating_duration_since(Instant::now()).max(TURNS_STEP));
    }
}

async fn write_until_stopped(
    mut connection: Connection,
    shared: &Shared,
    prepared: &Prepared,
    pace: Pace,
) -> io::Result<Histogram> {
    let mut histogram = Histogram::default();
    while !shared.stopped.load(Ordering::Relaxed) {
        let index = shared.take_turn();
        let request = &prepared.requests[index as usize % prepared.requests.len()];
        let began = pace.wait_for_turn(index).await;
        let answer = connection.exchange(request).await?;
        if !prepared.is_proven_by(answer) {
            let text = String::from_utf8_lossy(&answer[..answer.len().min(500)]).into_owned();
            return Err(io::Error::other(format!("not a success: {text}")));
        }
        shared.count(prepared.records_each as u64, began.elapsed(), &mut histogram);
    }
    Ok(histogram)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_are_never_early_and_come_in_order() {
        let pace = Pace::new(2000.0).unwrap();
        for index in 0..20 {
            let due = pace.wait_for_turn(index).await;
            assert_eq!(due, pace.began + Duration::from_micros(500 * index));
            assert!(Instant::now() >= due, "{index}");
        }
    }
}
