//! What the disk itself does: `pwrite` and `fdatasync` of one size, again and again.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use load::histogram::Histogram;
use serde::Serialize;

const FILE_BYTES: u64 = 64 * 1024 * 1024;
const MEASURED: Duration = Duration::from_secs(2);

/// Synced writes of one size to a pre-zeroed file.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DiskReport {
    /// The size of each write.
    pub(crate) bytes_each: usize,
    /// Bytes a second.
    pub(crate) bytes_per_second: f64,
    /// Half of the writes took no longer.
    pub(crate) p50_ms: f64,
    /// 99 of 100 writes took no longer.
    pub(crate) p99_ms: f64,
}

/// Measures for two seconds in `folder`.
///
/// # Errors
/// The file system's.
pub(crate) fn measure_disk(folder: &Path, bytes_each: usize) -> io::Result<DiskReport> {
    let path = folder.join("disk-probe");
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
    let block = vec![0x5a; bytes_each];
    for part in 0..FILE_BYTES / bytes_each as u64 {
        file.write_all_at(&block, part * bytes_each as u64)?;
    }
    file.sync_all()?;
    let mut histogram = Histogram::default();
    let (began, mut written, mut offset) = (Instant::now(), 0_u64, 0_u64);
    while began.elapsed() < MEASURED {
        let at = Instant::now();
        file.write_all_at(&block, offset)?;
        file.sync_data()?;
        histogram.record(at.elapsed());
        written += bytes_each as u64;
        offset = (offset + bytes_each as u64) % FILE_BYTES;
    }
    let seconds = began.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(DiskReport {
        bytes_each,
        bytes_per_second: written as f64 / seconds,
        p50_ms: histogram.find_quantile_ms(0.5),
        p99_ms: histogram.find_quantile_ms(0.99),
    })
}
