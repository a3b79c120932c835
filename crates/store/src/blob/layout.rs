//! A blob's bytes: blocks with their checksums, then the trailer. `docs/format.md` has the tables.

use super::BlobId;
use crate::codec::{Fields, Layout};
use crate::limits::BLOB_BLOCK_BYTES;
use crate::manifest::parse_number;

pub(crate) const BLOB_FOLDER: &str = "blobs";
/// A block's checksum.
pub(super) const SUM_BYTES: usize = 4;
pub(super) const TRAILER_BYTES: usize = 32;
const MAGIC: [u8; 4] = *b"LVBE";
const VERSION: u16 = 1;

/// The folder that a blob's file is in: one of 256, by the counter's last byte.
pub(crate) fn folder_of(id: BlobId) -> String {
    format!("{BLOB_FOLDER}/{:02x}", id.0 as u8)
}

/// All of them.
pub(super) fn folders() -> impl Iterator<Item = String> {
    (0..=u8::MAX).map(|byte| folder_of(BlobId(byte.into())))
}

/// The name of a blob's file.
pub(crate) fn name_of(id: BlobId) -> String {
    format!("{}/{:016x}", folder_of(id), id.0)
}

/// The blob whose file has this name in [`BLOB_FOLDER`].
pub(crate) fn parse_name(name: &str) -> Option<BlobId> {
    let (_, number) = name.rsplit_once('/')?;
    let id = BlobId(parse_number(number)?);
    (name_of(id).strip_prefix(BLOB_FOLDER)?.strip_prefix('/')? == name).then_some(id)
}

/// Blocks of a blob of so many bytes.
pub(super) fn blocks_of(bytes: u64) -> u64 {
    bytes.div_ceil(BLOB_BLOCK_BYTES as u64)
}

/// Bytes of the file of a blob of so many bytes.
pub(super) fn file_bytes(bytes: u64) -> u64 {
    bytes + blocks_of(bytes) * SUM_BYTES as u64 + TRAILER_BYTES as u64
}

/// Where a block begins in the file.
pub(super) fn block_at(index: u64) -> u64 {
    index * (BLOB_BLOCK_BYTES + SUM_BYTES) as u64
}

/// What a block's checksum covers beside the block: where it belongs.
pub(super) fn finish_sum(body: u32, id: BlobId, index: u64) -> u32 {
    let mut place = [0; 16];
    let _whole = Layout::new(&mut place).u64(id.0).u64(index);
    crc32c::crc32c_append(body, &place)
}

/// The end of a blob's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) id: BlobId,
    /// Bytes of the blob.
    pub(crate) bytes: u64,
    /// The checksum of its blocks' checksums.
    pub(crate) sums: u32,
}

impl Trailer {
    pub(crate) fn encode(&self) -> [u8; TRAILER_BYTES] {
        let mut bytes = [0; TRAILER_BYTES];
        let fields = Layout::new(&mut bytes).bytes(&MAGIC).u16(VERSION).u16(0);
        let _sum_after = fields.u64(self.id.0).u64(self.bytes).u32(self.sums);
        let crc = crc32c::crc32c(&bytes[..TRAILER_BYTES - 4]);
        bytes[TRAILER_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Trailer> {
        let (summed, crc) = bytes.split_at_checked(TRAILER_BYTES - 4)?;
        if crc32c::crc32c(summed).to_le_bytes() != crc {
            return None;
        }
        let mut fields = Fields(summed);
        if fields.bytes(4)? != MAGIC || fields.u16()? != VERSION || fields.u16()? != 0 {
            return None;
        }
        Some(Trailer { id: BlobId(fields.u64()?), bytes: fields.u64()?, sums: fields.u32()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        let id = BlobId(0x0000_0300_0000_01fe);
        assert_eq!(name_of(id), "blobs/fe/00000300000001fe");
        assert_eq!(parse_name("fe/00000300000001fe"), Some(id));
        for other in ["00000300000001fe", "ff/00000300000001fe", "fe/1fe", "fe/00000300000001fe.x"]
        {
            assert_eq!(parse_name(other), None, "{other}");
        }
    }

    #[test]
    fn a_trailer_has_golden_bytes_comes_back_and_damage_is_seen() {
        let trailer = Trailer { id: BlobId(0x0300_0000_0007), bytes: 70_000, sums: 0x0102_0304 };
        let bytes = trailer.encode();
        let golden = b"LVBE\x01\0\0\0\x07\0\0\0\0\x03\0\0\x70\x11\x01\0\0\0\0\0\x04\x03\x02\x01";
        assert_eq!(&bytes[..TRAILER_BYTES - 4], golden);
        assert_eq!(Trailer::decode(&bytes), Some(trailer));
        for at in 0..TRAILER_BYTES * 8 {
            let mut flipped = bytes;
            flipped[at / 8] ^= 1 << (at % 8);
            assert_eq!(Trailer::decode(&flipped), None, "{at}");
        }
        assert_eq!(
            (0..=TRAILER_BYTES).find(|&end| Trailer::decode(&bytes[..end]).is_some()),
            Some(32)
        );
    }
}
