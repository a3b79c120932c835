//! Writing a blob's file from front to back, and reading any part of it, verified.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::layout::{
    SUM_BYTES, TRAILER_BYTES, Trailer, block_at, blocks_of, file_bytes, finish_sum,
};
use super::{Blob, BlobError, BlobId};
use crate::disk::DiskFile;
use crate::limits::{BLOB_BLOCK_BYTES, BLOB_READ_BYTES};

/// A blob on its way, without its file: gives bytes to write.
#[derive(Debug)]
pub(super) struct BlobEncoder {
    id: BlobId,
    bytes: u64,
    /// Checksum of the block that is open, so far.
    sum: u32,
    /// Checksum of the checksums of those that are not.
    sums: u32,
    /// What is not yet written,
    pending: Vec<u8>,
    /// and where in the file it belongs.
    pub(super) at: u64,
}

impl BlobEncoder {
    pub(super) fn new(id: BlobId) -> Self {
        BlobEncoder { id, bytes: 0, sum: 0, sums: 0, pending: Vec::new(), at: 0 }
    }

    pub(super) fn id(&self) -> BlobId {
        self.id
    }

    /// Bytes that wait to be written.
    pub(super) fn pending_bytes(&self) -> usize {
        self.pending.len()
    }

    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let open = (self.bytes % BLOB_BLOCK_BYTES as u64) as usize;
            let (own, rest) = bytes.split_at(bytes.len().min(BLOB_BLOCK_BYTES - open));
            self.sum = crc32c::crc32c_append(self.sum, own);
            self.pending.extend_from_slice(own);
            self.bytes += own.len() as u64;
            if self.bytes.is_multiple_of(BLOB_BLOCK_BYTES as u64) {
                self.close_block();
            }
            bytes = rest;
        }
    }

    fn close_block(&mut self) {
        let index = (self.bytes - 1) / BLOB_BLOCK_BYTES as u64;
        let sum = finish_sum(std::mem::take(&mut self.sum), self.id, index).to_le_bytes();
        self.sums = crc32c::crc32c_append(self.sums, &sum);
        self.pending.extend_from_slice(&sum);
    }

    /// What waits, and where it belongs.
    pub(super) fn take(&mut self) -> (Vec<u8>, u64) {
        let (pending, at) = (std::mem::take(&mut self.pending), self.at);
        self.at += pending.len() as u64;
        (pending, at)
    }

    /// Ends the blob; what waits then has its end.
    pub(super) fn close(&mut self) -> Blob {
        if !self.bytes.is_multiple_of(BLOB_BLOCK_BYTES as u64) {
            self.close_block();
        }
        let Self { id, bytes, sums, .. } = *self;
        self.pending.extend_from_slice(&Trailer { id, bytes, sums }.encode());
        Blob { id, bytes }
    }
}

/// A blob's file, open.
#[derive(Clone, Debug)]
pub(crate) struct BlobReader {
    file: Arc<dyn DiskFile>,
    blob: Blob,
}

impl BlobReader {
    pub(crate) fn new(file: Arc<dyn DiskFile>, blob: Blob) -> Self {
        BlobReader { file, blob }
    }

    pub(super) fn blob(&self) -> Blob {
        self.blob
    }

    /// What of `range` one read gives: at most so much, ending where a block does.
    pub(super) fn step(range: &Range<u64>) -> Range<u64> {
        let block = BLOB_BLOCK_BYTES as u64;
        let end = (range.start / block * block).saturating_add(BLOB_READ_BYTES as u64);
        range.start..range.end.min(end)
    }

    /// The bytes of `range`, which lies in the blob and is at most [`BlobReader::step`].
    pub(crate) fn read(&self, range: Range<u64>) -> Result<Bytes, BlobError> {
        let Blob { id, bytes } = self.blob;
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let (first, end) = (range.start / BLOB_BLOCK_BYTES as u64, blocks_of(range.end));
        let from = block_at(first);
        let to = if end == blocks_of(bytes) {
            file_bytes(bytes) - TRAILER_BYTES as u64
        } else {
            block_at(end)
        };
        let mut stored = Vec::new();
        let read = self.file.read_onto(&mut stored, (to - from) as usize, from);
        read.map_err(|error| BlobError::of(id, &error))?;
        // The blocks move together over their checksums, as they are found right.
        let (mut kept, mut at) = (0, 0);
        for index in first..end {
            let length = (stored.len() - at - SUM_BYTES).min(BLOB_BLOCK_BYTES);
            let body = &stored[at..at + length];
            let sum = finish_sum(crc32c::crc32c(body), id, index).to_le_bytes();
            if stored[at + length..at + length + SUM_BYTES] != sum {
                tracing::error!(blob = %id, block = index, "a blob is damaged");
                return Err(BlobError::Damaged(id));
            }
            stored.copy_within(at..at + length, kept);
            kept += length;
            at += length + SUM_BYTES;
        }
        stored.truncate(kept);
        let skipped = (range.start - first * BLOB_BLOCK_BYTES as u64) as usize;
        Ok(Bytes::from(stored).slice(skipped..skipped + (range.end - range.start) as usize))
    }
}

/// Reads all of a blob's file; what it says of itself and whether every checksum is right. The length
/// that its row gives counts, if there is one.
pub(crate) fn examine(
    file: &Arc<dyn DiskFile>,
    id: BlobId,
    expected_bytes: Option<u64>,
) -> io::Result<Option<Trailer>> {
    let length = file.length()?;
    let Some(trailer_at) = length.checked_sub(TRAILER_BYTES as u64) else { return Ok(None) };
    let mut end = [0; TRAILER_BYTES];
    file.read_at(&mut end, trailer_at)?;
    let own = |trailer: &Trailer| {
        trailer.id == id
            && expected_bytes.is_none_or(|bytes| bytes == trailer.bytes)
            && trailer.bytes <= length
            && file_bytes(trailer.bytes) == length
    };
    let Some(trailer) = Trailer::decode(&end).filter(own) else { return Ok(None) };
    let reader = BlobReader::new(Arc::clone(file), Blob { id, bytes: trailer.bytes });
    let mut rest = 0..trailer.bytes;
    while !rest.is_empty() {
        let step = BlobReader::step(&rest);
        rest.start = step.end;
        match reader.read(step) {
            Ok(_) => {}
            Err(BlobError::Damaged(_)) => return Ok(None),
            Err(error) => return Err(io::Error::other(error)),
        }
    }
    // Right one by one, they are right together: the trailer's sum of sums is what a copy is told by.
    let mut sums = 0;
    for index in 0..blocks_of(trailer.bytes) {
        let next = block_at(index + 1).min(trailer_at);
        let mut sum = [0; SUM_BYTES];
        file.read_at(&mut sum, next - SUM_BYTES as u64)?;
        sums = crc32c::crc32c_append(sums, &sum);
    }
    Ok((sums == trailer.sums).then_some(trailer))
}
