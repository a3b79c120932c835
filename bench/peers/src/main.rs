//! `peers`: other servers beside Levada under the same bounded load, in one run.

mod install;
mod peer;
mod pipelined;
mod table;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use kit::process::read_resident_bytes;
use load::phase::{Kind, Plan, run_writes};
use load::reads::run_reads;
use load::stream::create_stream;
use load::target::Target;

use crate::install::Source;
use crate::peer::{PEERS, Peer, Protocol};
use crate::table::{Figures, Row};

const STREAM: &str = "measured";
const SHARDS: u32 = 4;
/// Few: some peers take a second for one request.
const BATCH_CONNECTIONS: usize = 8;
const SINGLE_CONNECTIONS: usize = 256;
const READ_CONNECTIONS: usize = 4;
/// Who answers nothing in a phase is measured once more: alone, and for longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Measures Levada, durable, against its peers in memory, and against NATS and Redis.
#[derive(Debug, Parser)]
struct Flags {
    /// The Levada program.
    #[arg(long)]
    levada: PathBuf,
    /// Only these, by name; may be repeated.
    #[arg(long)]
    only: Vec<String>,
    /// Seconds measured in each phase.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Seconds of each phase that are not measured.
    #[arg(long, default_value_t = 1)]
    warm_up: u64,
    /// Measure those that are installed, and install none.
    #[arg(long)]
    no_install: bool,
    /// Where peers are installed; by default in the user's cache.
    #[arg(long)]
    cache: Option<PathBuf>,
    /// Where the servers' folders are made (and removed).
    #[arg(long, default_value = ".")]
    scratch: PathBuf,
    /// Where to write all figures as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let flags = Flags::parse();
    let cache = flags.cache.clone().map_or_else(default_cache, Ok)?;
    std::fs::create_dir_all(&cache)?;
    let scratch = tempfile::Builder::new().prefix("levada-peers-").tempdir_in(&flags.scratch)?;
    let mut rows = Vec::new();
    for peer in PEERS {
        if !flags.only.is_empty() && !flags.only.iter().any(|only| only == peer.name) {
            continue;
        }
        eprintln!("{}", peer.name);
        rows.push(measure(peer, &flags, &cache, scratch.path()).await);
    }
    if let Some(path) = &flags.json {
        std::fs::write(path, serde_json::to_string_pretty(&rows)?)?;
    }
    println!("{}", table::write(&rows));
    for (phase, ratio) in table::smallest_ratios(&rows) {
        println!(
            "{phase}: levada, durable, is at least {ratio:.1} × each peer that speaks Kinesis"
        );
    }
    Ok(())
}

fn default_cache() -> io::Result<PathBuf> {
    let set = |name| std::env::var_os(name).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    cache.map(|cache| cache.join("levada-peers")).ok_or_else(|| io::Error::other("name --cache"))
}

/// One peer; what goes wrong with it is its own row.
async fn measure(peer: &Peer, flags: &Flags, cache: &Path, scratch: &Path) -> Row {
    let kinesis = peer.protocol == Protocol::Kinesis;
    let mut row = Row {
        name: peer.name,
        keeps: peer.keeps,
        kinesis,
        figures: Vec::new(),
        resident_bytes: 0,
        skipped: None,
    };
    let program = match peer.source {
        Source::Given => Ok(flags.levada.clone()),
        source => source.find(cache, !flags.no_install),
    };
    let measured = match program {
        Ok(program) => run(peer, &program, flags, scratch, &mut row).await,
        Err(why) => Err(io::Error::other(why)),
    };
    if let Err(error) = measured {
        row.skipped = Some(error.to_string());
    }
    row
}

async fn run(
    peer: &Peer,
    program: &Path,
    flags: &Flags,
    scratch: &Path,
    row: &mut Row,
) -> io::Result<()> {
    let data = tempfile::tempdir_in(scratch)?;
    let running = peer.start(program, data.path(), &scratch.join("servers.log"))?;
    let (warm_up, measured) =
        (Duration::from_secs(flags.warm_up), Duration::from_secs(flags.seconds.max(1)));
    let target = &running.target;
    if peer.protocol == Protocol::Kinesis {
        run_kinesis(target, warm_up, measured, &mut row.figures).await?;
    } else {
        row.figures.push(pipelined::run(peer.protocol, target, warm_up, measured).await?);
    }
    row.resident_bytes = read_resident_bytes(target.pid)?;
    Ok(())
}

/// PutRecords, PutRecord, GetRecords; a phase that a peer cannot do ends its row, and what it could do
/// stays.
async fn run_kinesis(
    target: &Target,
    warm_up: Duration,
    measured: Duration,
    figures: &mut Vec<Figures>,
) -> io::Result<()> {
    create_stream(target, STREAM, SHARDS).await?;
    let phases = [
        (Some(Kind::PutRecords), BATCH_CONNECTIONS),
        (Some(Kind::PutRecord), SINGLE_CONNECTIONS),
        (None, READ_CONNECTIONS),
    ];
    for (kind, connections) in phases {
        let run = async |connections, measured| {
            let plan = Plan { connections, warm_up, measured, requests_per_second: 0.0 };
            match kind {
                Some(kind) => run_writes(target, kind, STREAM, plan).await,
                None => run_reads(target, STREAM, plan).await,
            }
        };
        let mut report = run(connections, measured).await?;
        if report.records == 0 {
            report = run(1, PATIENCE).await?;
        }
        figures.push(report.into());
    }
    Ok(())
}
