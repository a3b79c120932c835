//! How long a start takes on a folder that holds something.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use kit::process::read_resident_bytes;
use load::phase::fill;
use load::stream::create_stream;
use serde::Serialize;

use crate::rounds::{SHARDS, STREAM};
use load::server::Program;

/// Filling ends by then, whatever has been reached.
const FILL_WITHIN: Duration = Duration::from_secs(240);
const FILL_CONNECTIONS: usize = 32;

/// Starts on a filled folder.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FolderReport {
    /// What the folder held.
    pub(crate) bytes: u64,
    /// How long the drain took when the server was asked to end.
    pub(crate) ended_ms: f64,
    /// Start to ready after that.
    pub(crate) started_ms: f64,
    /// Start to ready after the server was killed under load.
    pub(crate) started_after_kill_ms: f64,
    /// Memory in RAM right after the start.
    pub(crate) resident_bytes: u64,
}

/// Fills a folder by PutRecords to `bytes`, and starts on it: after a clean end, and after a kill.
///
/// # Errors
/// The first thing that goes wrong.
pub(crate) async fn measure_folder(
    program: &Program,
    folder: &Path,
    bytes: u64,
) -> io::Result<FolderReport> {
    let data = tempfile::Builder::new().prefix("filled").tempdir_in(folder)?;
    let log = folder.join("servers.log");
    let server = program.start(data.path(), &log)?;
    create_stream(&server.target, STREAM, SHARDS).await?;
    let began = Instant::now();
    while sum_bytes(data.path())? < bytes && began.elapsed() < FILL_WITHIN {
        fill(&server.target, STREAM, FILL_CONNECTIONS, Duration::from_secs(3)).await?;
    }
    let ended_ms = to_millis(server.end()?);
    let bytes = sum_bytes(data.path())?;
    let server = program.start(data.path(), &log)?;
    let started_ms = to_millis(server.started_in);
    let resident_bytes = read_resident_bytes(server.target.pid)?;
    fill(&server.target, STREAM, FILL_CONNECTIONS, Duration::from_secs(3)).await?;
    server.kill()?;
    let server = program.start(data.path(), &log)?;
    let started_after_kill_ms = to_millis(server.started_in);
    server.kill()?;
    Ok(FolderReport { bytes, ended_ms, started_ms, started_after_kill_ms, resident_bytes })
}

fn sum_bytes(folder: &Path) -> io::Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // A file may go while the server works on the folder.
        let Ok(kind) = entry.file_type() else { continue };
        sum += if kind.is_dir() {
            sum_bytes(&entry.path())?
        } else {
            entry.metadata().map_or(0, |metadata| metadata.len())
        };
    }
    Ok(sum)
}

fn to_millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
