//! `scale`: many shards and a large folder. How long is a start, what stays in memory, what does
//! idling cost, and does latency stay flat?

mod synthetic;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use kit::process::{read_cpu_seconds, read_resident_bytes};
use load::connection::Connection;
use load::phase::{Kind, Plan, fill, run_writes};
use load::server::{Program, Server};
use load::stream::{call, create_stream};
use load::target::Target;
use serde::Serialize;
use serde_json::{Value, json};

const STREAM: &str = "many";
const FILL_CONNECTIONS: usize = 16;
const WRITE_CONNECTIONS: usize = 64;
/// Filling ends by then, whatever has been reached.
const FILL_WITHIN: Duration = Duration::from_secs(600);
const PHASE: Duration = Duration::from_secs(5);
const CALLS: usize = 200;
/// Whoever takes less than this share of a CPU, for so many looks in a row, has nothing left to do.
const QUIET_SHARE: f64 = 0.01;
const QUIET_LOOKS: u32 = 5;
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// PutRecord in a second.
const RATES: [u32; 2] = [1_000, 4_000];

/// Measures a server on a large folder.
#[derive(Debug, Parser)]
struct Flags {
    /// The Levada program.
    #[arg(long)]
    levada: PathBuf,
    /// Shards of the one stream.
    #[arg(long, default_value_t = 10_000)]
    shards: u32,
    /// Records are put until the folder has this many MB.
    #[arg(long, default_value_t = 5_000)]
    real_mb: u64,
    /// Segments of this many MB together are added that are all index: real directories, sparse files.
    #[arg(long, default_value_t = 100_000)]
    synthetic_mb: u64,
    /// The server's `--memory`.
    #[arg(long)]
    memory: Option<String>,
    /// Seconds that a server may be busy after a start before it is taken to idle: joining segments is no
    /// idling.
    #[arg(long, default_value_t = 300)]
    settle_seconds: u64,
    /// Seconds of idling that are measured.
    #[arg(long, default_value_t = 20)]
    idle_seconds: u64,
    /// Where the folder is made (and removed).
    #[arg(long, default_value = ".")]
    scratch: PathBuf,
}

/// One step of the curve.
#[derive(Debug, Serialize)]
struct Step {
    what: &'static str,
    folder_mb: u64,
    start_ms: f64,
    resident_mib: f64,
    settled_s: f64,
    idle_cpu_percent: f64,
    rates: Vec<(u32, f64, f64)>,
    describe_ms: (f64, f64),
    list_shards_ms: (f64, f64),
    resident_after_mib: f64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let flags = Flags::parse();
    let scratch = tempfile::Builder::new().prefix("levada-scale-").tempdir_in(&flags.scratch)?;
    let outcome = measure_all(&flags, scratch.path()).await;
    if outcome.is_err()
        && let Ok(log) = std::fs::read_to_string(scratch.path().join("server.log"))
    {
        log.lines().rev().take(20).for_each(|line| eprintln!("{line}"));
    }
    outcome
}

async fn measure_all(flags: &Flags, scratch: &Path) -> io::Result<()> {
    let mut arguments = vec!["serve".to_owned()];
    arguments.extend(flags.memory.iter().flat_map(|size| ["--memory".to_owned(), size.clone()]));
    let program = Program { name: "levada", path: flags.levada.clone(), arguments };
    let (data, log) = (scratch.join("data"), scratch.join("server.log"));
    let mut steps = Vec::new();

    let server = program.start(&data, &log)?;
    let began = Instant::now();
    create_stream(&server.target, STREAM, flags.shards).await?;
    eprintln!("{} shards after {:.1} s", flags.shards, began.elapsed().as_secs_f64());
    server.end()?;
    steps.push(measure("shards, empty", &program, &data, &log, flags).await?);

    let server = program.start(&data, &log)?;
    let began = Instant::now();
    while sum_mb(&data)? < flags.real_mb && began.elapsed() < FILL_WITHIN {
        fill(&server.target, STREAM, FILL_CONNECTIONS, Duration::from_secs(3)).await?;
    }
    server.end()?;
    steps.push(measure("filled", &program, &data, &log, flags).await?);

    let added = synthetic::add(&data, flags.synthetic_mb * 1_000_000)?;
    eprintln!(
        "added {} segments of {} MB together: {} blocks of {} logs",
        added.segments,
        added.bytes / 1_000_000,
        added.blocks,
        added.logs
    );
    check_seen(&flags.levada, &data, added.bytes)?;
    steps.push(measure("and synthetic", &program, &data, &log, flags).await?);
    print(&steps, flags);
    Ok(())
}

/// Whether the server's own program sees what was added: what is measured is not a fiction.
fn check_seen(levada: &Path, data: &Path, bytes: u64) -> io::Result<()> {
    let began = Instant::now();
    let said = Command::new(levada).args(["du", "--json", "--data"]).arg(data).output()?;
    let report: Value = serde_json::from_slice(&said.stdout)?;
    let streams = report["streams"].as_array().into_iter().flatten();
    let live: u64 = streams.filter_map(|stream| stream["live_bytes"].as_u64()).sum();
    if live < bytes / 100 * 99 {
        return Err(io::Error::other(format!("levada du sees {live} bytes of {bytes}")));
    }
    eprintln!("levada du adds them up in {:.2} s", began.elapsed().as_secs_f64());
    Ok(())
}

/// One start, and what there is to say about it.
async fn measure(
    what: &'static str,
    program: &Program,
    data: &Path,
    log: &Path,
    flags: &Flags,
) -> io::Result<Step> {
    eprintln!("{what}");
    let server: Server = program.start(data, log)?;
    let target = &server.target;
    let start_ms = server.started_in.as_secs_f64() * 1000.0;
    let resident_mib = mib(read_resident_bytes(target.pid)?);
    let settled_s = settle(target, Duration::from_secs(flags.settle_seconds))?;
    let before = read_cpu_seconds(target.pid)?;
    thread::sleep(Duration::from_secs(flags.idle_seconds.max(1)));
    let idle = read_cpu_seconds(target.pid)? - before;
    let mut rates = Vec::new();
    for rate in RATES {
        let plan = Plan {
            connections: WRITE_CONNECTIONS,
            warm_up: Duration::from_secs(1),
            measured: PHASE,
            requests_per_second: f64::from(rate),
        };
        let report = run_writes(target, Kind::PutRecord, STREAM, plan).await?;
        rates.push((rate, report.p50_ms, report.p99_ms));
    }
    let describe_ms = time_calls(target, "DescribeStreamSummary", 1).await?;
    let list_shards_ms = time_calls(target, "ListShards", 10).await?;
    let resident_after_mib = mib(read_resident_bytes(target.pid)?);
    server.end()?;
    let folder_mb = sum_mb(data)?;
    Ok(Step {
        what,
        folder_mb,
        start_ms,
        resident_mib,
        settled_s,
        idle_cpu_percent: idle / flags.idle_seconds.max(1) as f64 * 100.0,
        rates,
        describe_ms,
        list_shards_ms,
        resident_after_mib,
    })
}

/// Waits until what a start sets off is done: no CPU for a while. How long that took.
fn settle(target: &Target, most: Duration) -> io::Result<f64> {
    let began = Instant::now();
    let mut used = read_cpu_seconds(target.pid)?;
    let mut quiet = 0;
    while quiet < QUIET_LOOKS && began.elapsed() < most {
        thread::sleep(LOOK_EVERY);
        let now = read_cpu_seconds(target.pid)?;
        let is_quiet = now - used < LOOK_EVERY.as_secs_f64() * QUIET_SHARE;
        quiet = if is_quiet { quiet + 1 } else { 0 };
        used = now;
    }
    Ok(began.elapsed().as_secs_f64())
}

/// The middle and the 99th of 100 of a call's times.
async fn time_calls(target: &Target, operation: &str, part: usize) -> io::Result<(f64, f64)> {
    let mut connection = Connection::open(target).await?;
    let mut times = Vec::new();
    for _ in 0..CALLS / part {
        let began = Instant::now();
        call(&mut connection, target, operation, &json!({ "StreamName": STREAM })).await?;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    Ok((times[times.len() / 2], times[times.len() * 99 / 100]))
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

/// What the segments say that they have, holes included.
fn sum_mb(data: &Path) -> io::Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(data.join("segments"))? {
        // A file may go while the server works on the folder.
        sum += entry?.metadata().map_or(0, |metadata| metadata.len());
    }
    Ok(sum / 1_000_000)
}

fn print(steps: &[Step], flags: &Flags) {
    println!(
        "{} shards, --memory {}\n",
        flags.shards,
        flags.memory.as_deref().unwrap_or("by default")
    );
    println!(
        "| | segments, MB | start to ready, ms | memory then, MiB | quiet after, s | idle CPU, % of one | PutRecord p50 / p99 ms at 1,000/s | at 4,000/s | DescribeStreamSummary | ListShards | memory after, MiB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    let pair = |(p50, p99): (f64, f64)| format!("{p50:.2} / {p99:.2}");
    for step in steps {
        let rates: Vec<String> = step.rates.iter().map(|&(_, p50, p99)| pair((p50, p99))).collect();
        println!(
            "| {} | {} | {:.0} | {:.0} | {:.0} | {:.1} | {} | {} | {} | {:.0} |",
            step.what,
            step.folder_mb,
            step.start_ms,
            step.resident_mib,
            step.settled_s,
            step.idle_cpu_percent,
            rates.join(" | "),
            pair(step.describe_ms),
            pair(step.list_shards_ms),
            step.resident_after_mib
        );
    }
}
