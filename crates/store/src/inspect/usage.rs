//! What takes how much of a folder.

use std::collections::BTreeMap;

use super::Inspection;
use crate::blob::Blob;
use crate::block::{BlockHeader, BlockKind};
use crate::id::LogId;
use crate::segment::DirectoryError;

/// What one log takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogUsage {
    /// Bytes of records in segments that can still be read.
    pub live_bytes: u64,
    /// Bytes of records in segments that were trimmed, or whose log is gone: their space comes back
    /// with their segment's.
    pub trimmed_bytes: u64,
    /// Bytes of records that are in the lane only.
    pub lane_bytes: u64,
    /// Records that can still be read, in segments and lane.
    pub records: u64,
}

/// What one table takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableUsage {
    /// Its rows.
    pub rows: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
}

/// What a folder's parts take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// By log.
    pub logs: BTreeMap<LogId, LogUsage>,
    /// By table number.
    pub tables: BTreeMap<u8, TableUsage>,
    /// Segment files,
    pub segments: usize,
    /// and their bytes.
    pub segment_bytes: u64,
    /// Ring files,
    pub ring_files: usize,
    /// and their bytes, most of them free for what comes.
    pub ring_bytes: u64,
    /// Bytes of the ring that no segment has yet.
    pub unflushed_bytes: u64,
    /// Blobs that rows name,
    pub blobs: usize,
    /// and the bytes of their files.
    pub blob_bytes: u64,
    /// Segments whose directory cannot be read: their records are not counted.
    pub unreadable: Vec<u64>,
}

impl Inspection {
    /// Adds up what everything takes, by the segments' directories and the lane.
    ///
    /// # Errors
    /// The operating system's.
    pub fn usage(&self) -> std::io::Result<Usage> {
        let mut usage = Usage::default();
        for segment in self.segments.list().iter() {
            usage.segments += 1;
            usage.segment_bytes += segment.state.bytes_total;
            let directory = match self.segments.directory_once(segment) {
                Ok(directory) => directory,
                Err(DirectoryError::Damaged) => {
                    usage.unreadable.push(segment.state.number);
                    continue;
                }
                Err(DirectoryError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                    usage.unreadable.push(segment.state.number);
                    continue;
                }
                Err(DirectoryError::Io(error)) => return Err(error),
            };
            for block in directory.iter().filter(|block| is_records(&block.header)) {
                self.count(&mut usage, &block.header, false);
            }
        }
        for chunk in &self.recovered.chunks {
            usage.unflushed_bytes += chunk.bytes_total;
            for block in chunk.blocks.iter().filter(|block| is_records(&block.header)) {
                self.count(&mut usage, &block.header, true);
            }
        }
        for file in &self.ring {
            usage.ring_files += 1;
            usage.ring_bytes += file.bytes;
        }
        let blobs = self.live_blobs().blobs;
        usage.blobs = blobs.len();
        usage.blob_bytes = blobs.iter().map(Blob::file_bytes).sum();
        for (table, rows) in self.recovered.tables.all() {
            let own = rows.read(|rows| TableUsage {
                rows: rows.len() as u64,
                bytes: rows.iter().map(|(key, row)| (key.len() + row.value.len()) as u64).sum(),
            });
            usage.tables.insert(table.0, own);
        }
        Ok(usage)
    }

    fn count(&self, usage: &mut Usage, block: &BlockHeader, in_lane: bool) {
        let entry = self.recovered.logs.get(block.log);
        let trimmed_below = entry.map(|entry| entry.state().trimmed_below);
        let own = usage.logs.entry(block.log).or_default();
        let bytes = block.bytes_total() as u64;
        match trimmed_below {
            _ if in_lane => own.lane_bytes += bytes,
            Some(trimmed_below) if block.end() > trimmed_below => own.live_bytes += bytes,
            _ => own.trimmed_bytes += bytes,
        }
        let from = trimmed_below.map_or(block.end(), |below| below.max(block.first));
        own.records += block.end().0.saturating_sub(from.0);
    }
}

fn is_records(block: &BlockHeader) -> bool {
    block.kind == BlockKind::Records
}
