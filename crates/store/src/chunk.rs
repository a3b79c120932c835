//! Chunks: one group commit each. Header, blocks, footer index, padding, trailer.

use stdx::UnixMillis;

use crate::block::{BLOCK_HEADER_BYTES, BlockAt, BlockHeader, Home};
use crate::codec::{Fields, Layout};
use crate::limits::CHUNK_ALIGN;

/// Bytes of a chunk's header.
pub(crate) const CHUNK_HEADER_BYTES: usize = 64;
/// Bytes of a trailer, the last of a chunk or segment.
pub(crate) const TRAILER_BYTES: usize = 44;
/// Bytes of one block in a footer index.
pub(crate) const FOOTER_ENTRY_BYTES: usize = 8 + BLOCK_HEADER_BYTES;
/// What one more block costs beside its body.
pub(crate) const BLOCK_OVERHEAD_BYTES: usize = BLOCK_HEADER_BYTES + FOOTER_ENTRY_BYTES;

const CHUNK_MAGIC: [u8; 4] = *b"LVCK";
const TRAILER_MAGIC: [u8; 4] = *b"LVCE";
const CHUNK_VERSION: u16 = 1;

/// A chunk's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChunkHeader {
    pub(crate) home: Home,
    /// The lane's secret: a client cannot forge a header inside a record.
    pub(crate) nonce: u64,
    pub(crate) epoch: u32,
    pub(crate) blocks: u32,
    pub(crate) bytes_total: u32,
    pub(crate) footer_at: u32,
    pub(crate) arrival: UnixMillis,
}

impl ChunkHeader {
    pub(crate) fn encode(&self) -> [u8; CHUNK_HEADER_BYTES] {
        let mut bytes = [0; CHUNK_HEADER_BYTES];
        let fields = Layout::new(&mut bytes).bytes(&CHUNK_MAGIC).u16(CHUNK_VERSION).u16(0);
        let fields = fields.u64(self.home.lane).u64(self.home.number).u64(self.nonce);
        let fields = fields.u32(self.epoch).u32(self.blocks).u32(self.bytes_total);
        let fields = fields.u32(self.footer_at).u64(self.arrival.0).u32(0);
        let _full = fields;
        let crc = crc32c::crc32c(&bytes[..CHUNK_HEADER_BYTES - 4]);
        bytes[CHUNK_HEADER_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header; `None` if it is not a whole one.
    pub(crate) fn decode(bytes: &[u8]) -> Option<ChunkHeader> {
        let bytes = bytes.get(..CHUNK_HEADER_BYTES)?;
        let mut fields = Fields(bytes);
        let known = fields.bytes(4)? == CHUNK_MAGIC && fields.u16()? == CHUNK_VERSION;
        if !known || fields.u16()? != 0 {
            return None;
        }
        let home = Home { lane: fields.u64()?, number: fields.u64()? };
        let header = ChunkHeader {
            home,
            nonce: fields.u64()?,
            epoch: fields.u32()?,
            blocks: fields.u32()?,
            bytes_total: fields.u32()?,
            footer_at: fields.u32()?,
            arrival: UnixMillis(fields.u64()?),
        };
        let reserved = fields.u32()?;
        let whole = fields.u32()? == crc32c::crc32c(&bytes[..CHUNK_HEADER_BYTES - 4]);
        let footer_end =
            header.footer_at as usize + header.blocks as usize * FOOTER_ENTRY_BYTES + TRAILER_BYTES;
        let sane = reserved == 0
            && (header.bytes_total as usize).is_multiple_of(CHUNK_ALIGN)
            && footer_end <= header.bytes_total as usize;
        (whole && sane).then_some(header)
    }
}

/// The end of a chunk or a segment: where its footer index is, and the checksum of both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) home: Home,
    pub(crate) blocks: u32,
    pub(crate) footer_at: u64,
    pub(crate) bytes_total: u64,
    pub(crate) crc: u32,
}

impl Trailer {
    /// The trailer's bytes, with the checksum of `footer` and itself.
    pub(crate) fn encode(&self, footer: &[u8]) -> [u8; TRAILER_BYTES] {
        let mut bytes = [0; TRAILER_BYTES];
        let fields = Layout::new(&mut bytes).bytes(&TRAILER_MAGIC).u32(self.blocks);
        let fields = fields.u64(self.footer_at).u64(self.bytes_total);
        let _full = fields.u64(self.home.lane).u64(self.home.number);
        let crc = crc32c::crc32c_append(crc32c::crc32c(footer), &bytes[..TRAILER_BYTES - 4]);
        bytes[TRAILER_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a trailer; `None` if it is not one. The checksum is looked at with the footer.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Trailer> {
        let mut fields = Fields(bytes);
        if fields.bytes(4)? != TRAILER_MAGIC {
            return None;
        }
        let blocks = fields.u32()?;
        let (footer_at, bytes_total) = (fields.u64()?, fields.u64()?);
        let home = Home { lane: fields.u64()?, number: fields.u64()? };
        let trailer = Trailer { home, blocks, footer_at, bytes_total, crc: fields.u32()? };
        let footer_end = u64::from(blocks)
            .checked_mul(FOOTER_ENTRY_BYTES as u64)?
            .checked_add(footer_at)?
            .checked_add(TRAILER_BYTES as u64)?;
        (footer_end <= bytes_total).then_some(trailer)
    }

    /// Bytes of the footer index.
    pub(crate) fn footer_bytes(&self) -> usize {
        self.blocks as usize * FOOTER_ENTRY_BYTES
    }

    /// The blocks that `footer` lists; `None` if it is not the one that was written.
    pub(crate) fn blocks(&self, footer: &[u8]) -> Option<Vec<BlockAt>> {
        let bytes = self.encode(footer);
        if bytes[TRAILER_BYTES - 4..] != self.crc.to_le_bytes() {
            return None;
        }
        let entries = footer.chunks_exact(FOOTER_ENTRY_BYTES).map(|entry| {
            let at = Fields(entry).u64()?;
            let header = BlockHeader::decode(&entry[8..])?;
            let end = at.checked_add(header.bytes_total() as u64)?;
            (end <= self.footer_at).then_some(BlockAt { at, header })
        });
        entries.collect()
    }
}

/// Appends a footer index.
pub(crate) fn encode_footer(blocks: &[BlockAt], into: &mut Vec<u8>) {
    for block in blocks {
        into.extend_from_slice(&block.at.to_le_bytes());
        into.extend_from_slice(&block.header.encode());
    }
}

/// The blocks of a chunk whose footer is lost, read one after the other: `None` unless every one
/// of them is whole.
pub(crate) fn walk_blocks(header: &ChunkHeader, chunk: &[u8]) -> Option<Vec<BlockAt>> {
    let mut at = CHUNK_HEADER_BYTES;
    let mut blocks = Vec::new();
    for _ in 0..header.blocks {
        let block = BlockHeader::decode(chunk.get(at..at + BLOCK_HEADER_BYTES)?)?;
        let end = at + block.bytes_total();
        if !block.verify(header.home, chunk.get(at + BLOCK_HEADER_BYTES..end)?) {
            return None;
        }
        blocks.push(BlockAt { at: at as u64, header: block });
        at = end;
    }
    Some(blocks)
}

/// Appends a footer index, zeros up to the alignment, and a trailer. `bytes` begin at `bytes_at` of
/// their file.
pub(crate) fn close_with_trailer(
    home: Home,
    blocks: &[BlockAt],
    bytes_at: u64,
    bytes: &mut Vec<u8>,
) -> Trailer {
    let footer_start = bytes.len();
    encode_footer(blocks, bytes);
    let footer_end = bytes.len();
    let unpadded = bytes_at + (footer_end + TRAILER_BYTES) as u64;
    let bytes_total = unpadded.next_multiple_of(CHUNK_ALIGN as u64);
    let trailer = Trailer {
        home,
        blocks: blocks.len() as u32,
        footer_at: bytes_at + footer_start as u64,
        bytes_total,
        crc: 0,
    };
    let end = trailer.encode(&bytes[footer_start..footer_end]);
    bytes.resize((bytes_total - bytes_at) as usize - TRAILER_BYTES, 0);
    bytes.extend_from_slice(&end);
    trailer
}
