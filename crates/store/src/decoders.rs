//! Every decoder of bytes that this crate has written, as a function of bytes that anybody may have
//! written: what the fuzz targets run, and what a test runs over their corpus.
//!
//! None may panic, read beyond the bytes or take much memory; and whatever is believed means the same
//! when it is written again.

use bytes::Bytes;

use crate::backup::Point;
use crate::blob::{BlobList, BlobTrailer};
use crate::block::{self, BLOCK_HEADER_BYTES, BlockHeader, BlockKind, Codec};
use crate::bucket::Mark;
use crate::chunk::{self, ChunkHeader, TRAILER_BYTES, Trailer};
use crate::format_file;
use crate::logs::LogRow;
use crate::manifest::Manifest;
use crate::pack;
use crate::table::Table;

/// A decoder.
#[derive(Clone, Copy, Debug)]
pub struct Decoder {
    /// Its fuzz target and the folder of its corpus.
    pub name: &'static str,
    /// Decodes; whether the bytes are believed.
    pub decode: fn(&[u8]) -> bool,
    /// Whether a checksum covers every byte: then no flipped bit is believed.
    pub is_summed: bool,
}

/// All of them.
pub const DECODERS: &[Decoder] = &[
    Decoder { name: "chunk_header", decode: chunk_header, is_summed: true },
    Decoder { name: "chunk", decode: chunk, is_summed: false },
    Decoder { name: "block_header", decode: block_header, is_summed: false },
    Decoder { name: "block_records", decode: block_records, is_summed: false },
    Decoder { name: "block_rows", decode: block_rows, is_summed: false },
    Decoder { name: "packed_body", decode: packed_body, is_summed: false },
    Decoder { name: "directory", decode: directory, is_summed: true },
    Decoder { name: "manifest", decode: manifest, is_summed: true },
    Decoder { name: "format_file", decode: format_of, is_summed: false },
    Decoder { name: "log_row", decode: log_row, is_summed: false },
    Decoder { name: "mark", decode: mark, is_summed: true },
    Decoder { name: "blob_trailer", decode: blob_trailer, is_summed: true },
    Decoder { name: "blob_list", decode: blob_list, is_summed: false },
    Decoder { name: "backup_point", decode: backup_point, is_summed: true },
];

fn chunk_header(bytes: &[u8]) -> bool {
    let Some(header) = ChunkHeader::decode(bytes) else { return false };
    assert!(bytes.starts_with(&header.encode()), "a header that reads as another");
    true
}

/// A chunk by its header: its blocks one after the other, and what its trailer lists.
fn chunk(bytes: &[u8]) -> bool {
    let Some(header) = ChunkHeader::decode(bytes) else { return false };
    let Some(blocks) = chunk::walk_blocks(&header, bytes) else { return false };
    for own in &blocks {
        let start = own.at as usize + BLOCK_HEADER_BYTES;
        let body = &bytes[start..start + own.header.body_bytes as usize];
        entries(&own.header, body);
    }
    true
}

fn block_header(bytes: &[u8]) -> bool {
    let Some(header) = BlockHeader::decode(bytes) else { return false };
    assert!(bytes.starts_with(&header.encode()), "a header that reads as another");
    assert!(header.end() > header.first, "a block without entries");
    true
}

/// A block's entries, whatever its body holds.
fn entries(header: &BlockHeader, body: &[u8]) {
    if header.codec == Codec::Zstd {
        let _plain = pack::plain_bytes(body);
        return;
    }
    match header.kind {
        BlockKind::Records => {
            let body = Bytes::copy_from_slice(body);
            let records = block::records(header, &body).take(body.len() + 1);
            let held: usize = records.flatten().map(|record| record.payload.len()).sum();
            assert!(held <= body.len(), "more than there is");
        }
        BlockKind::Rows => {
            if let Some(rows) = block::rows(header, body) {
                let mut again = Vec::new();
                rows.iter().for_each(|row| row.encode(&mut again));
                assert_eq!(again, body, "rows that read as others");
            }
        }
    }
}

/// A block with its body, of either kind.
fn block_of(kind: BlockKind, bytes: &[u8]) -> bool {
    let Some(header) = BlockHeader::decode(bytes) else { return false };
    let body = &bytes[BLOCK_HEADER_BYTES.min(bytes.len())..];
    entries(&BlockHeader { kind, codec: Codec::None, ..header }, body);
    true
}

fn block_records(bytes: &[u8]) -> bool {
    block_of(BlockKind::Records, bytes)
}

fn block_rows(bytes: &[u8]) -> bool {
    block_of(BlockKind::Rows, bytes)
}

fn packed_body(bytes: &[u8]) -> bool {
    let Some(plain) = pack::unpack(bytes) else { return false };
    assert_eq!(pack::plain_bytes(bytes), Some(plain.len()), "not the length it says");
    true
}

/// The footer and the trailer of a chunk or a segment, which end where the bytes end.
fn directory(bytes: &[u8]) -> bool {
    let Some(at) = bytes.len().checked_sub(TRAILER_BYTES) else { return false };
    let Some(trailer) = Trailer::decode(&bytes[at..]) else { return false };
    let Some(start) = at.checked_sub(trailer.footer_bytes()) else { return false };
    let Some(blocks) = trailer.blocks(&bytes[start..at]) else { return false };
    let mut footer = Vec::new();
    chunk::encode_footer(&blocks, &mut footer);
    assert_eq!(footer, &bytes[start..at], "a directory that reads as another");
    start == 0
}

fn manifest(bytes: &[u8]) -> bool {
    let Some(manifest) = Manifest::decode(bytes) else { return false };
    assert_eq!(Manifest::decode(&manifest.encode()), Some(manifest), "not the same again");
    true
}

fn format_of(bytes: &[u8]) -> bool {
    format_file::is_readable(bytes)
}

fn log_row(bytes: &[u8]) -> bool {
    let Some(row) = LogRow::decode(bytes) else { return false };
    assert_eq!(LogRow::decode(&row.encode()), Some(row), "not the same again");
    true
}

fn mark(bytes: &[u8]) -> bool {
    let Some(mark) = Mark::decode(bytes) else { return false };
    assert_eq!(mark.encode(), bytes, "a mark that reads as another");
    true
}

fn blob_trailer(bytes: &[u8]) -> bool {
    let Some(trailer) = BlobTrailer::decode(bytes) else { return false };
    assert_eq!(trailer.encode(), bytes, "a trailer that reads as another");
    true
}

fn blob_list(bytes: &[u8]) -> bool {
    let Some((list, rest)) = BlobList::decode(bytes) else { return false };
    let mut again = Vec::new();
    list.encode(&mut again);
    again.extend_from_slice(rest);
    assert_eq!(again, bytes, "a list that reads as another");
    true
}

fn backup_point(bytes: &[u8]) -> bool {
    let Some(point) = Point::decode(bytes) else { return false };
    assert_eq!(Point::decode(&point.encode()), Some(point), "not the same again");
    true
}

/// Decodes a key of table `T`; whether it is believed.
///
/// # Panics
/// If it is believed and reads as another.
pub fn table_key<T: Table>(bytes: &[u8]) -> bool {
    let Ok(key) = T::decode_key(bytes) else { return false };
    let mut again = Vec::new();
    T::encode_key(&key, &mut again);
    assert_eq!(again, bytes, "a key that reads as another");
    true
}

/// Decodes a row of table `T`; whether it is believed. It may hold fields of a later version, which are
/// not written again.
///
/// # Panics
/// If what is written again is not the same.
pub fn table_row<T: Table>(bytes: &[u8]) -> bool {
    let Ok(row) = T::decode_row(bytes) else { return false };
    let (mut once, mut twice) = (Vec::new(), Vec::new());
    T::encode_row(&row, &mut once);
    let Ok(again) = T::decode_row(&once) else { panic!("what is written is not read") };
    T::encode_row(&again, &mut twice);
    assert_eq!(once, twice, "a row that reads as another");
    true
}
