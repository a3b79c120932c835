//! A blob's file where there is no disk.

use std::io;
use std::sync::{PoisonError, RwLock};

use crate::disk::DiskFile;

/// Bytes in memory.
#[derive(Debug, Default)]
pub(super) struct MemoryFile(RwLock<Vec<u8>>);

impl DiskFile for MemoryFile {
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut own = self.0.write().unwrap_or_else(PoisonError::into_inner);
        own.resize(at as usize, 0);
        own.extend_from_slice(bytes);
        Ok(())
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        let own = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let found = own.get(at as usize..).and_then(|own| own.get(..bytes.len()));
        bytes.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).shrink_to_fit();
        Ok(())
    }

    fn set_length(&self, bytes: u64) -> io::Result<()> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).resize(bytes as usize, 0);
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.read().unwrap_or_else(PoisonError::into_inner).len() as u64)
    }
}
