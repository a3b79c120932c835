//! Rounds: each program in turn under the same load, so that a noisy minute hits all of them.

use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use kit::process::{read_cpu_seconds, read_resident_bytes};
use load::phase::{Kind, Plan, run_writes};
use load::push::run_push;
use load::reads::run_reads;
use load::report::Report;
use load::stream::create_stream;
use serde::Serialize;

use load::server::{Program, Server};

/// The stream that is written.
pub(crate) const STREAM: &str = "measured";
/// Its shards.
pub(crate) const SHARDS: u32 = 4;

const BATCH_CONNECTIONS: usize = 64;
const SINGLE_CONNECTIONS: usize = 256;
const READ_CONNECTIONS: usize = 4;
/// A stream that is short enough to be in memory whole: 40 PutRecords a second for two seconds.
const TAIL_STREAM: &str = "tail";
const TAIL_REQUESTS_PER_SECOND: f64 = 40.0;
const TAIL_WRITTEN_FOR: Duration = Duration::from_secs(2);
/// A stream of one shard with a subscriber, and 10,000 records a second.
const PUSH_STREAM: &str = "pushed";
const PUSH_REQUESTS_PER_SECOND: f64 = 1000.0;
const PUSH_CONNECTIONS: usize = 16;
const IDLE: Duration = Duration::from_secs(2);

/// How long phases last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lengths {
    /// Not measured.
    pub(crate) warm_up: Duration,
    /// Measured.
    pub(crate) measured: Duration,
}

/// What one program did in one round.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Round {
    /// The program.
    pub(crate) name: &'static str,
    /// Start to ready on an empty folder, seen from outside.
    pub(crate) started_ms: f64,
    /// The same in the program's own words.
    pub(crate) ready_ms: f64,
    /// Memory in RAM after two idle seconds.
    pub(crate) idle_resident_bytes: u64,
    /// Processor seconds used in those two seconds and the start.
    pub(crate) idle_cpu_seconds: f64,
    /// PutRecords, PutRecord, PutRecord at half its rate; of Levada also reads and pushes.
    pub(crate) phases: Vec<Report>,
}

/// Runs all phases against one program on an empty folder under `folder`.
///
/// # Errors
/// The first thing that goes wrong.
pub(crate) async fn run_round(
    program: &Program,
    folder: &Path,
    lengths: Lengths,
    reads: bool,
) -> io::Result<Round> {
    let data = tempfile::Builder::new().prefix(program.name).tempdir_in(folder)?;
    let server = program.start(data.path(), &folder.join("servers.log"))?;
    thread::sleep(IDLE);
    let idle_resident_bytes = read_resident_bytes(server.target.pid)?;
    let idle_cpu_seconds = read_cpu_seconds(server.target.pid)?;
    let phases = run_phases(&server, lengths, reads).await?;
    let (started_ms, ready_ms) = (server.started_in.as_secs_f64() * 1000.0, server.ready_ms);
    server.kill()?;
    Ok(Round {
        name: program.name,
        started_ms,
        ready_ms,
        idle_resident_bytes,
        idle_cpu_seconds,
        phases,
    })
}

async fn run_phases(server: &Server, lengths: Lengths, reads: bool) -> io::Result<Vec<Report>> {
    let target = &server.target;
    create_stream(target, STREAM, SHARDS).await?;
    let plan = |connections, requests_per_second| Plan {
        connections,
        warm_up: lengths.warm_up,
        measured: lengths.measured,
        requests_per_second,
    };
    let batches = plan(BATCH_CONNECTIONS, 0.0);
    let batches = run_writes(target, Kind::PutRecords, STREAM, batches).await?;
    let singles = plan(SINGLE_CONNECTIONS, 0.0);
    let singles = run_writes(target, Kind::PutRecord, STREAM, singles).await?;
    let half = plan(SINGLE_CONNECTIONS, singles.records_per_second / 2.0);
    let half = run_writes(target, Kind::PutRecord, STREAM, half).await?;
    let mut phases = vec![batches, singles, Report { phase: "put-record, half load", ..half }];
    if reads {
        let from_start = run_reads(target, STREAM, plan(READ_CONNECTIONS, 0.0)).await?;
        phases.push(Report { phase: "get-records, from the start", ..from_start });
        create_stream(target, TAIL_STREAM, SHARDS).await?;
        let (warm_up, measured) = (Duration::ZERO, TAIL_WRITTEN_FOR);
        let tail = Plan { warm_up, measured, ..plan(READ_CONNECTIONS, TAIL_REQUESTS_PER_SECOND) };
        run_writes(target, Kind::PutRecords, TAIL_STREAM, tail).await?;
        let from_tail = run_reads(target, TAIL_STREAM, plan(READ_CONNECTIONS, 0.0)).await?;
        phases.push(Report { phase: "get-records, tail", ..from_tail });
        create_stream(target, PUSH_STREAM, 1).await?;
        let pushed = plan(PUSH_CONNECTIONS, PUSH_REQUESTS_PER_SECOND);
        phases.push(run_push(target, PUSH_STREAM, pushed).await?);
    }
    Ok(phases)
}
