//! The memory of chunks, used again: fresh memory costs a fault and a zeroed page for every 4 KiB.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::limits::ENCODE_AHEAD_BYTES;

/// Buffers that no chunk needs any more, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Spare {
    buffers: Mutex<VecDeque<Vec<u8>>>,
    bytes_max: usize,
}

/// Whether a buffer of `capacity` wastes no more than a quarter of `bytes`.
pub(crate) fn fits(capacity: usize, bytes: usize) -> bool {
    capacity <= bytes / 4 * 5
}

impl Spare {
    /// Keeps at most `bytes_max`.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Spare { buffers: Mutex::default(), bytes_max }
    }

    fn buffers(&self) -> MutexGuard<'_, VecDeque<Vec<u8>>> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty buffer with room for `bytes` and not much more.
    pub(crate) fn take(&self, bytes: usize) -> Vec<u8> {
        let mut buffers = self.buffers();
        let is_right = |buffer: &Vec<u8>| {
            let capacity = buffer.capacity();
            capacity >= bytes && fits(capacity, bytes)
        };
        let found = buffers.iter().position(is_right).and_then(|index| buffers.remove(index));
        drop(buffers);
        found.unwrap_or_else(|| Vec::with_capacity(bytes))
    }

    /// Keeps the memory of a chunk that is no longer needed, unless somebody still reads it. Small
    /// buffers are left to the allocator.
    pub(crate) fn give(&self, chunk: Bytes) {
        if chunk.len() < ENCODE_AHEAD_BYTES || chunk.len() > self.bytes_max {
            return;
        }
        let Ok(mut buffer) = chunk.try_into_mut() else { return };
        buffer.clear();
        let mut buffers = self.buffers();
        buffers.push_back(buffer.into());
        let mut bytes: usize = buffers.iter().map(Vec::capacity).sum();
        while bytes > self.bytes_max
            && let Some(oldest) = buffers.pop_front()
        {
            bytes -= oldest.capacity();
        }
    }

    /// Lets all of it go.
    pub(crate) fn clear(&self) {
        self.buffers().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: usize = ENCODE_AHEAD_BYTES;

    fn chunk(bytes: usize) -> Bytes {
        vec![1; bytes].into()
    }

    #[test]
    fn memory_that_nobody_reads_is_used_again() {
        let spare = Spare::new(4 * BYTES);
        let (idle, read) = (chunk(BYTES), chunk(BYTES));
        let (place, reader) = (idle.as_ptr(), read.clone());
        spare.give(idle);
        spare.give(read);
        assert_eq!(spare.buffers().len(), 1);
        let again = spare.take(BYTES);
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
        assert_eq!(&reader[..2], [1, 1]);
    }

    #[test]
    fn what_is_kept_is_bounded_and_fits() {
        let spare = Spare::new(4 * BYTES);
        spare.give(chunk(BYTES - 1));
        spare.give(chunk(5 * BYTES));
        assert!(spare.buffers().is_empty());
        spare.give(chunk(2 * BYTES));
        spare.give(chunk(3 * BYTES));
        assert_eq!(spare.buffers().len(), 1);
        assert!(spare.take(BYTES).capacity() < 3 * BYTES);
        assert!(spare.take(3 * BYTES).capacity() >= 3 * BYTES);
        assert!(spare.buffers().is_empty());
    }
}
