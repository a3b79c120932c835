//! How fast the store reads what it has flushed: a folder is filled, closed, taken out of the page
//! cache, and read log by log from the front, as a consumer does that begins at the horizon.

use std::error::Error;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};

use clap::Parser;
use kit::process::{read_cpu_seconds, read_resident_bytes};
use rustix::fs::{Advice, fadvise};
use stdx::{Clock, Entropy};
use store::{Commit, Config, LogAppend, LogId, Position, ReadBudget, ReadFrom, RecordBatch, Store};

/// What GetRecords answers with, at most.
const PAGE: ReadBudget = ReadBudget { records_max: 10_000, bytes_max: 10 * 1024 * 1024 };
/// Bytes of records in one append.
const APPEND_BYTES: usize = 256 * 1024;

#[derive(Debug, Parser)]
struct Options {
    /// Where the folder is made; it is removed at the end
    #[arg(long, default_value = "/tmp")]
    under: std::path::PathBuf,
    /// MiB of records
    #[arg(long, default_value_t = 1024)]
    mib: usize,
    /// Logs they are spread over
    #[arg(long, default_value_t = 8)]
    logs: usize,
    /// Bytes of one record
    #[arg(long, default_value_t = 1024)]
    record_bytes: usize,
    /// Leave what the kernel has of the files where it is
    #[arg(long)]
    warm: bool,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let folder = tempfile::tempdir_in(&options.under)?;
    let logs = fill(folder.path(), &options).await?;
    if !options.warm {
        forget(folder.path())?;
    }
    let store = Store::open(Config::folder(folder.path()), Clock::system(), Entropy::system());
    let store = store.await?;
    let pid = std::process::id();
    let (started, cpu) = (Instant::now(), read_cpu_seconds(pid)?);
    let (mut records, mut bytes, mut slowest) = (0, 0, Duration::ZERO);
    for &log in &logs {
        let mut from = Position::ZERO;
        loop {
            let asked = Instant::now();
            let page = store.read(log, ReadFrom::Position(from), PAGE).await?;
            slowest = slowest.max(asked.elapsed());
            records += page.records.len();
            bytes += page.records.iter().map(|record| record.payload.len()).sum::<usize>();
            if page.at_tail {
                break;
            }
            from = page.next;
        }
    }
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), read_cpu_seconds(pid)? - cpu);
    let mib = bytes as f64 / (1024.0 * 1024.0);
    println!(
        "{records} records, {mib:.0} MiB: {:.0} MiB/s, {:.0} MiB per CPU-second, \
         slowest page {} ms, resident {} MiB",
        mib / seconds,
        mib / cpu.max(0.01),
        slowest.as_millis(),
        read_resident_bytes(pid)? >> 20,
    );
    store.close().await;
    Ok(())
}

/// Writes the records and closes the store, so that all but the last few are in segments.
async fn fill(folder: &Path, options: &Options) -> Result<Vec<LogId>, Box<dyn Error>> {
    let store = Store::open(Config::folder(folder), Clock::system(), Entropy::system()).await?;
    let logs: Vec<LogId> = (0..options.logs).map(|_| store.new_log_id()).collect();
    store.commit(Commit { opens: logs.clone(), ..Commit::default() }).await?;
    let entropy = Entropy::seeded(1);
    let mut payload = vec![0; options.record_bytes];
    let each = (APPEND_BYTES / options.record_bytes).max(1);
    let appends = options.mib * 1024 * 1024 / (each * options.record_bytes);
    for append in 0..appends {
        let mut batch = RecordBatch::with_capacity(each, each * options.record_bytes);
        for _ in 0..each {
            entropy.fill(&mut payload);
            batch.push(&[&payload]);
        }
        let log = logs[append % logs.len()];
        store.append(vec![LogAppend::new(log, batch.finish())]).await?;
    }
    store.close().await;
    Ok(logs)
}

/// Takes a folder's files out of the page cache.
fn forget(folder: &Path) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            forget(&entry.path())?;
        } else {
            let file = File::open(entry.path())?;
            file.sync_all()?;
            fadvise(&file, 0, None, Advice::DontNeed)?;
        }
    }
    Ok(())
}
