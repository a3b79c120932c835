//! A buffer that lies where the disk wants it, so that large files can be written past the page
//! cache.

use crate::limits::CHUNK_ALIGN;

/// A buffer of fixed size whose first byte is aligned to [`CHUNK_ALIGN`].
#[derive(Debug)]
pub(crate) struct AlignedBuffer {
    /// Never grows: growing would move it.
    bytes: Vec<u8>,
    start: usize,
    size: usize,
}

impl AlignedBuffer {
    /// An empty buffer for `size` bytes.
    pub(crate) fn new(size: usize) -> Self {
        let mut bytes: Vec<u8> = Vec::with_capacity(size + CHUNK_ALIGN);
        // Where the address cannot be told, the buffer is merely not aligned.
        let start = Some(bytes.as_ptr().align_offset(CHUNK_ALIGN)).filter(|at| *at < CHUNK_ALIGN);
        let start = start.unwrap_or_default();
        bytes.resize(start, 0);
        AlignedBuffer { bytes, start, size }
    }

    /// Takes as much of `bytes` as there is room for; says how much that was.
    pub(crate) fn fill(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.size - self.len());
        self.bytes.extend_from_slice(&bytes[..taken]);
        taken
    }

    /// What has been filled.
    pub(crate) fn filled(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// How much has been filled.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Whether there is no room left.
    pub(crate) fn is_full(&self) -> bool {
        self.len() == self.size
    }

    /// Empties it.
    pub(crate) fn clear(&mut self) {
        self.bytes.truncate(self.start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_aligned_and_takes_what_fits() {
        let mut buffer = AlignedBuffer::new(10_000);
        for _ in 0..3 {
            assert_eq!(buffer.fill(&[7; 9_000]), 9_000);
            assert_eq!(buffer.filled().as_ptr().align_offset(CHUNK_ALIGN), 0);
            assert_eq!(buffer.fill(&[8; 9_000]), 1_000);
            assert!(buffer.is_full());
            assert_eq!((buffer.filled()[8_999], buffer.filled()[9_000]), (7, 8));
            buffer.clear();
            assert_eq!(buffer.len(), 0);
        }
    }
}
