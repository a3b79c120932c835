//! A chunk: what one group commit writes.

use md5::{Digest, Md5};

use crate::SHARDS;

/// Chunks are padded to this, so that no page that holds an acknowledged byte is written twice.
const ALIGN: usize = 4096;
const CHUNK_MAGIC: &[u8; 8] = b"floorchk";
const CHUNK_HEADER_BYTES: usize = 16;
const BLOCK_HEADER_BYTES: usize = 8;

/// One record as a request names it.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The partition key.
    pub key: &'a [u8],
    /// The data, still in base64.
    pub data: &'a [u8],
}

/// A chunk being filled: a header, then one checksummed block per request.
#[derive(Debug)]
pub struct Chunk {
    bytes: Vec<u8>,
}

impl Default for Chunk {
    fn default() -> Self {
        let mut chunk = Chunk { bytes: Vec::with_capacity(crate::CHUNK_BYTES_SOFT + (1 << 20)) };
        chunk.clear();
        chunk
    }
}

impl Chunk {
    /// Empties the chunk and keeps its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.extend_from_slice(CHUNK_MAGIC);
        self.bytes.resize(CHUNK_HEADER_BYTES, 0);
    }

    /// Whether nothing has been appended.
    pub fn is_empty(&self) -> bool {
        self.bytes.len() == CHUNK_HEADER_BYTES
    }

    /// The bytes appended so far, header included.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Appends one request's records as a block, numbered from `first` on. `shards` are theirs, in
    /// order. `None`, and nothing appended, if some data is not base64.
    #[must_use]
    pub fn append_block(&mut self, first: u64, entries: &[Entry<'_>], shards: &[u8]) -> Option<()> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; BLOCK_HEADER_BYTES]);
        for (index, (entry, shard)) in entries.iter().zip(shards).enumerate() {
            if self.append_record(first + index as u64, entry, *shard).is_none() {
                self.bytes.truncate(start);
                return None;
            }
        }
        let body = start + BLOCK_HEADER_BYTES;
        let length = (self.bytes.len() - body) as u32;
        let checksum = crc32c::crc32c(&self.bytes[body..]);
        self.bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
        self.bytes[start + 4..body].copy_from_slice(&checksum.to_le_bytes());
        Some(())
    }

    /// Completes the header and the padding; what is returned is what the disk gets.
    pub fn seal(&mut self) -> &[u8] {
        let length = self.bytes.len() as u32;
        self.bytes[8..12].copy_from_slice(&length.to_le_bytes());
        let checksum = crc32c::crc32c(&self.bytes[..12]);
        self.bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGN), 0);
        &self.bytes
    }

    fn append_record(&mut self, number: u64, entry: &Entry<'_>, shard: u8) -> Option<()> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&number.to_le_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.push(shard);
        self.bytes.extend_from_slice(&(entry.key.len() as u16).to_le_bytes());
        self.bytes.extend_from_slice(entry.key);
        let data = self.bytes.len();
        base64_simd::STANDARD.decode_append(entry.data, &mut self.bytes).ok()?;
        let length = (self.bytes.len() - data) as u32;
        self.bytes[start + 8..start + 12].copy_from_slice(&length.to_le_bytes());
        Some(())
    }
}

/// The shard that a partition key's MD5 falls into, of equal ranges.
pub fn pick_shard(key: &[u8]) -> u8 {
    let hash = Md5::digest(key);
    let top = usize::from(u16::from_be_bytes([hash[0], hash[1]]));
    ((top * SHARDS) >> 16) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_is_not_base64_leaves_no_trace() {
        let mut chunk = Chunk::default();
        let entries = [Entry { key: b"a", data: b"AAAA" }, Entry { key: b"b", data: b"!" }];
        assert!(chunk.append_block(1, &entries, &[0, 1]).is_none());
        assert!(chunk.is_empty());
    }

    #[test]
    fn a_sealed_chunk_is_whole_pages() {
        let mut chunk = Chunk::default();
        chunk.append_block(1, &[Entry { key: b"a", data: b"AAAA" }], &[0]).unwrap();
        assert!(chunk.seal().len().is_multiple_of(ALIGN));
    }

    #[test]
    fn partition_keys_reach_every_shard() {
        let hit: std::collections::BTreeSet<u8> =
            (0..64).map(|key: u32| pick_shard(&key.to_le_bytes())).collect();
        assert_eq!(hit.len(), SHARDS);
    }
}
