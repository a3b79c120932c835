//! How a store is opened.

use std::path::PathBuf;
use std::time::Duration;

use crate::limits;

/// Where the data lives.
#[derive(Clone, Debug)]
pub enum DataLocation {
    /// In this folder, made if missing.
    Folder(PathBuf),
    /// In memory, gone with the process.
    InMemory,
}

/// How to open a store: where, and limits that tests make small.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the data lives.
    pub data: DataLocation,
    /// Size of one ring file; at least one largest chunk in production.
    pub ring_file_bytes: u64,
    /// All ring files together, at most.
    pub ring_bytes_max: u64,
    /// Unflushed bytes that start a flush.
    pub flush_bytes: u64,
    /// Age of unflushed data that starts a flush.
    pub flush_after: Duration,
    /// Unflushed bytes beyond which writes wait.
    pub tail_bytes_max: u64,
    /// All tables together, at most.
    pub table_bytes_max: u64,
    /// Data held in memory without a folder, at most.
    pub memory_bytes_max: u64,
}

impl Config {
    /// The usual limits, in this folder.
    pub fn folder(folder: impl Into<PathBuf>) -> Self {
        Config::with(DataLocation::Folder(folder.into()))
    }

    /// The usual limits, in memory.
    pub fn in_memory() -> Self {
        Config::with(DataLocation::InMemory)
    }

    fn with(data: DataLocation) -> Self {
        Config {
            data,
            ring_file_bytes: limits::RING_FILE_BYTES,
            ring_bytes_max: limits::RING_BYTES_MAX,
            flush_bytes: limits::FLUSH_BYTES,
            flush_after: limits::FLUSH_AFTER,
            tail_bytes_max: limits::TAIL_BYTES_MAX,
            table_bytes_max: limits::TABLE_BYTES_MAX,
            memory_bytes_max: limits::MEMORY_LANE_BYTES_MAX,
        }
    }
}
