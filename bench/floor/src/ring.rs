//! The ring: pre-zeroed files, written round and round.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

const FILES: usize = 16;
const FILE_BYTES: u64 = 16 * 1024 * 1024;
const ZEROES_BYTES: usize = 1024 * 1024;

/// Files that are overwritten in turn; none is kept longer than one round.
#[derive(Debug)]
pub struct Ring {
    files: Vec<File>,
    current: usize,
    offset: u64,
}

impl Ring {
    /// Creates and zeroes the files, which is what makes syncing them cheap: no block is allocated
    /// or converted afterwards.
    ///
    /// # Errors
    /// The file system's.
    pub fn create(folder: &Path) -> io::Result<Self> {
        let zeroes = vec![0; ZEROES_BYTES];
        let mut files = Vec::with_capacity(FILES);
        for index in 0..FILES {
            let path = folder.join(format!("ring-{index:02}"));
            let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
            for part in 0..FILE_BYTES / ZEROES_BYTES as u64 {
                file.write_all_at(&zeroes, part * ZEROES_BYTES as u64)?;
            }
            file.sync_all()?;
            files.push(file);
        }
        Ok(Ring { files, current: 0, offset: 0 })
    }

    /// Writes a chunk and returns once it is on the disk.
    ///
    /// # Errors
    /// The file system's; or the chunk is larger than a file.
    pub fn write_synced(&mut self, chunk: &[u8]) -> io::Result<()> {
        let length = chunk.len() as u64;
        if length > FILE_BYTES {
            return Err(io::Error::other("a chunk is larger than a ring file"));
        }
        if self.offset + length > FILE_BYTES {
            self.current = (self.current + 1) % FILES;
            self.offset = 0;
        }
        let file = &self.files[self.current];
        file.write_all_at(chunk, self.offset)?;
        file.sync_data()?;
        self.offset += length;
        Ok(())
    }
}
