//! `load`: one phase against a server that is already running, reported as one line of JSON.

use std::io;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use kit::sigv4::KeyPair;
use load::phase::{Kind, Plan, run_writes};
use load::push::run_push;
use load::reads::run_reads;
use load::stream::create_stream;
use load::target::Target;

/// A bounded load generator for a Kinesis on this machine.
#[derive(Debug, Parser)]
struct Flags {
    /// The server: http://127.0.0.1:PORT
    #[arg(long)]
    endpoint: String,
    /// The server's process, whose processor time is reported.
    #[arg(long)]
    pid: u32,
    /// What to do.
    #[arg(long, value_enum, default_value = "put-records")]
    phase: Phase,
    /// The stream.
    #[arg(long, default_value = "load")]
    stream: String,
    /// Create the stream first, with this many shards.
    #[arg(long)]
    create: Option<u32>,
    /// Connections; by default 64, for PutRecord 256, for GetRecords 8.
    #[arg(long)]
    connections: Option<usize>,
    /// Seconds measured.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Seconds before that which are not measured.
    #[arg(long, default_value_t = 2)]
    warm_up: u64,
    /// Start no more requests than this in a second.
    #[arg(long, default_value_t = 0.0)]
    requests_per_second: f64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Phase {
    PutRecords,
    PutRecord,
    GetRecords,
    PutToPush,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let flags = Flags::parse();
    let read = |name: &str| std::env::var(name).map_err(|_| io::Error::other(name.to_owned()));
    let pair = KeyPair {
        id: read("LEVADA_ROOT_ACCESS_KEY_ID")?,
        secret: read("LEVADA_ROOT_SECRET_ACCESS_KEY")?,
    };
    let target = Target::parse(&flags.endpoint, flags.pid, pair)?;
    if let Some(shards) = flags.create {
        create_stream(&target, &flags.stream, shards).await?;
    }
    let usual = match flags.phase {
        Phase::PutRecords => 64,
        Phase::PutRecord => 256,
        Phase::GetRecords => 8,
        Phase::PutToPush => 16,
    };
    let plan = Plan {
        connections: flags.connections.unwrap_or(usual).clamp(1, 1024),
        warm_up: Duration::from_secs(flags.warm_up),
        measured: Duration::from_secs(flags.seconds.max(1)),
        requests_per_second: flags.requests_per_second,
    };
    let report = match flags.phase {
        Phase::PutRecords => run_writes(&target, Kind::PutRecords, &flags.stream, plan).await?,
        Phase::PutRecord => run_writes(&target, Kind::PutRecord, &flags.stream, plan).await?,
        Phase::GetRecords => run_reads(&target, &flags.stream, plan).await?,
        Phase::PutToPush => run_push(&target, &flags.stream, plan).await?,
    };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}
