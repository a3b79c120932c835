//! Records on their way in: one contiguous buffer, already in the shape of a block's body.

use bytes::{BufMut, Bytes, BytesMut};

use crate::limits::RECORD_BYTES_MAX;

/// Bytes in front of each record in a block's body: its length, and its arrival after the block's
/// earliest, which is zero until a flush merges runs.
pub(crate) const RECORD_PREFIX_BYTES: usize = 8;

/// Records for one log, in order, in one buffer that the sequencer copies once.
#[derive(Clone, Debug)]
pub struct RecordBatch {
    body: Bytes,
    count: u32,
    record_bytes_max: usize,
}

impl RecordBatch {
    /// A builder that grows as needed.
    pub fn builder() -> RecordBatchBuilder {
        RecordBatchBuilder::with_capacity(1, 0)
    }

    /// A builder with room for `records` records of `payload_bytes` together.
    pub fn with_capacity(records: usize, payload_bytes: usize) -> RecordBatchBuilder {
        RecordBatchBuilder::with_capacity(records, payload_bytes)
    }

    /// A batch of one record.
    pub fn single(payload: &[u8]) -> RecordBatch {
        let mut builder = RecordBatchBuilder::with_capacity(1, payload.len());
        builder.push(&[payload]);
        builder.finish()
    }

    /// How many records.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn body(&self) -> &Bytes {
        &self.body
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    pub(crate) fn is_storable(&self) -> bool {
        self.record_bytes_max <= RECORD_BYTES_MAX
    }
}

/// Fills a [`RecordBatch`].
#[derive(Debug)]
pub struct RecordBatchBuilder {
    body: BytesMut,
    count: u32,
    record_bytes_max: usize,
}

impl RecordBatchBuilder {
    fn with_capacity(records: usize, payload_bytes: usize) -> Self {
        let body = BytesMut::with_capacity(records * RECORD_PREFIX_BYTES + payload_bytes);
        RecordBatchBuilder { body, count: 0, record_bytes_max: 0 }
    }

    /// Adds one record: the concatenation of `parts`.
    pub fn push(&mut self, parts: &[&[u8]]) {
        self.push_with(|body| parts.iter().for_each(|part| body.extend_from_slice(part)));
    }

    /// Adds one record: what `fill` appends to the buffer. It must only append.
    pub fn push_with(&mut self, fill: impl FnOnce(&mut BytesMut)) {
        let start = self.body.len();
        self.body.put_u64_le(0);
        fill(&mut self.body);
        let length = self.body.len() - start - RECORD_PREFIX_BYTES;
        self.body[start..start + 4].copy_from_slice(&(length as u32).to_le_bytes());
        self.count += 1;
        self.record_bytes_max = self.record_bytes_max.max(length);
    }

    /// How many records so far.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is none so far.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The batch.
    pub fn finish(self) -> RecordBatch {
        RecordBatch {
            body: self.body.freeze(),
            count: self.count,
            record_bytes_max: self.record_bytes_max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_the_body_of_a_block() {
        let mut builder = RecordBatch::builder();
        builder.push(&[b"ab", b"c"]);
        builder.push_with(|body| body.put_slice(b"d"));
        let batch = builder.finish();
        assert_eq!(batch.len(), 2);
        assert_eq!(&batch.body()[..], b"\x03\0\0\0\0\0\0\0abc\x01\0\0\0\0\0\0\0d");
    }
}
