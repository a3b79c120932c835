//! What the store's interface makes durable beside what the disk does: appends from several tasks, then
//! `pwrite` and `fdatasync` of chunks of the size that came of them, in turns on the same disk.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use kit::process::{read_cpu_seconds, read_thread_writes};
use stdx::{Clock, Entropy};
use store::{AppendOutcome, Commit, Config, LogAppend, LogId, RecordBatch, Store};
use tokio::task::JoinSet;
use tokio::time;

/// Tasks that append: half of them in a chunk, half on their way into the next.
const WRITERS: usize = 8;
const LOGS: usize = 4;
const RECORD_BYTES: usize = 1024;
const MIB: f64 = 1024.0 * 1024.0;
/// The file that is written beside the store: like its ring, zeroed beforehand and written round and round.
const FILE_BYTES: u64 = 256 * 1024 * 1024;
const PAGE_BYTES: u64 = 4096;
/// No turn takes longer.
const SECONDS_MAX: u64 = 30;
/// What the store's thread that writes chunks is called.
const LANE: &str = "store-lane";

#[derive(Debug, Parser)]
struct Options {
    /// Where the folders are made; they are removed at the end
    #[arg(long, default_value = ".")]
    under: PathBuf,
    /// KiB of records that a chunk is to have, about
    #[arg(long, value_delimiter = ',', default_values_t = [4, 64, 256, 1024, 4096])]
    kib: Vec<usize>,
    /// Seconds of one turn
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Turns of each for every size
    #[arg(long, default_value_t = 2)]
    rounds: usize,
}

/// What was made durable in one turn.
#[derive(Clone, Copy, Default)]
struct Turn {
    seconds: f64,
    cpu_seconds: f64,
    chunks: u64,
    chunk_bytes: u64,
    record_bytes: u64,
}

impl Turn {
    fn add(&mut self, other: Turn) {
        self.seconds += other.seconds;
        self.cpu_seconds += other.cpu_seconds;
        self.chunks += other.chunks;
        self.chunk_bytes += other.chunk_bytes;
        self.record_bytes += other.record_bytes;
    }

    fn mib_per_second(&self, bytes: u64) -> f64 {
        bytes as f64 / MIB / self.seconds
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let turn = Duration::from_secs(options.seconds.clamp(1, SECONDS_MAX));
    println!(
        "| chunk, KiB | store: chunks/s | MiB/s | records, MiB/s | MiB of records per CPU-second | disk: writes/s | MiB/s | store / disk |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for &kib in &options.kib {
        let folder = tempfile::tempdir_in(&options.under)?;
        let (store, logs) = open(&folder.path().join("store")).await?;
        let file = make_file(&folder.path().join("file"))?;
        let bytes_each = kib * 1024 / (WRITERS / 2);
        // The ring grows to its size.
        append(&store, &logs, bytes_each, turn).await?;
        let (mut through_store, mut raw) = (Turn::default(), Turn::default());
        for _ in 0..options.rounds.max(1) {
            let appended = append(&store, &logs, bytes_each, turn).await?;
            let chunk =
                (appended.chunk_bytes / appended.chunks.max(1)).next_multiple_of(PAGE_BYTES);
            through_store.add(appended);
            raw.add(write(&file, chunk as usize, turn)?);
        }
        store.close().await;
        print_row(&through_store, &raw);
    }
    Ok(())
}

fn print_row(store: &Turn, raw: &Turn) {
    let store_rate = store.mib_per_second(store.chunk_bytes);
    let raw_rate = raw.mib_per_second(raw.chunk_bytes);
    println!(
        "| {} | {:.0} | {store_rate:.0} | {:.0} | {:.0} | {:.0} | {raw_rate:.0} | **{:.2}** |",
        store.chunk_bytes / store.chunks.max(1) / 1024,
        store.chunks as f64 / store.seconds,
        store.mib_per_second(store.record_bytes),
        store.record_bytes as f64 / MIB / store.cpu_seconds.max(0.01),
        raw.chunks as f64 / raw.seconds,
        store_rate / raw_rate,
    );
}

async fn open(folder: &Path) -> Result<(Store, Vec<LogId>), Box<dyn Error>> {
    let store = Store::open(Config::folder(folder), Clock::system(), Entropy::system()).await?;
    let logs: Vec<LogId> = (0..LOGS).map(|_| store.new_log_id()).collect();
    store.commit(Commit { opens: logs.clone(), ..Commit::default() }).await?;
    Ok((store, logs))
}

/// Appends from all tasks for so long. The records are made beforehand: what is measured is the store.
async fn append(
    store: &Store,
    logs: &[LogId],
    bytes_each: usize,
    turn: Duration,
) -> Result<Turn, Box<dyn Error>> {
    let records = (bytes_each / RECORD_BYTES).max(1);
    let mut batch = RecordBatch::with_capacity(records, records * RECORD_BYTES);
    let (entropy, mut payload) = (Entropy::seeded(1), [0; RECORD_BYTES]);
    for _ in 0..records {
        entropy.fill(&mut payload);
        batch.push(&[&payload]);
    }
    let batch = batch.finish();
    let stopped = Arc::new(AtomicBool::new(false));
    let (began, cpu) = (Instant::now(), read_cpu_seconds(std::process::id())?);
    let before = read_thread_writes(LANE)?;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (store, batch, stopped) = (store.clone(), batch.clone(), Arc::clone(&stopped));
        let log = logs[writer % logs.len()];
        writers.spawn(async move {
            let mut appends = 0;
            while !stopped.load(Ordering::Relaxed) {
                let outcomes = store.append(vec![LogAppend::new(log, batch.clone())]).await?;
                assert!(matches!(outcomes[..], [AppendOutcome::Appended { .. }]), "{outcomes:?}");
                appends += 1;
            }
            Ok::<u64, store::StoreError>(appends)
        });
    }
    time::sleep(turn).await;
    stopped.store(true, Ordering::Relaxed);
    let mut appends = 0;
    while let Some(writer) = writers.join_next().await {
        appends += writer??;
    }
    let after = read_thread_writes(LANE)?;
    Ok(Turn {
        seconds: began.elapsed().as_secs_f64(),
        cpu_seconds: read_cpu_seconds(std::process::id())? - cpu,
        chunks: after.0 - before.0,
        chunk_bytes: after.1 - before.1,
        record_bytes: appends * (records * RECORD_BYTES) as u64,
    })
}

fn make_file(path: &Path) -> Result<File, Box<dyn Error>> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
    let zeros = vec![0; MIB as usize];
    for at in (0..FILE_BYTES).step_by(zeros.len()) {
        file.write_all_at(&zeros, at)?;
    }
    file.sync_all()?;
    Ok(file)
}

/// Writes and syncs one chunk after the other for so long.
fn write(file: &File, chunk: usize, turn: Duration) -> Result<Turn, Box<dyn Error>> {
    let bytes = vec![0x5a; chunk];
    let (began, mut written, mut at) = (Instant::now(), Turn::default(), 0);
    while began.elapsed() < turn {
        if at + chunk as u64 > FILE_BYTES {
            at = 0;
        }
        file.write_all_at(&bytes, at)?;
        file.sync_data()?;
        at += chunk as u64;
        written.chunks += 1;
        written.chunk_bytes += chunk as u64;
    }
    Ok(Turn { seconds: began.elapsed().as_secs_f64(), ..written })
}
