//! Names and bytes of the objects that only a bucket has: claims and seals.

#[cfg(any(test, feature = "fuzzing"))]
use crate::codec::Fields;
use crate::codec::Layout;
use crate::manifest::parse_number;

pub(crate) const CLAIM_FOLDER: &str = "claim";
pub(crate) const LANE_FOLDER: &str = "lane";
/// Bytes of a claim and of a seal. A chunk is never this short, so a list tells them apart.
pub(crate) const MARK_BYTES: usize = 64;
const CLAIM_MAGIC: [u8; 4] = *b"LVCL";
const SEAL_MAGIC: [u8; 4] = *b"LVSL";
const MARK_VERSION: u16 = 1;

/// A claim of an incarnation, or a seal of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) kind: MarkKind,
    /// The incarnation that is claimed or sealed.
    pub(crate) lane: u64,
    /// For a seal, its number: chunks from it on do not exist.
    pub(crate) number: u64,
    /// The nonce of the process that made it.
    pub(crate) nonce: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MarkKind {
    Claim,
    Seal,
}

impl Mark {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let magic = match self.kind {
            MarkKind::Claim => CLAIM_MAGIC,
            MarkKind::Seal => SEAL_MAGIC,
        };
        let mut bytes = vec![0; MARK_BYTES];
        let fields = Layout::new(&mut bytes).bytes(&magic).u16(MARK_VERSION).u16(0);
        let _reserved_after = fields.u64(self.lane).u64(self.number).u64(self.nonce);
        let crc = crc32c::crc32c(&bytes[..MARK_BYTES - 4]);
        bytes[MARK_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn decode(bytes: &[u8]) -> Option<Mark> {
        let (summed, crc) = bytes.split_at_checked(MARK_BYTES - 4)?;
        if crc32c::crc32c(summed).to_le_bytes() != crc {
            return None;
        }
        let mut fields = Fields(summed);
        let kind = match fields.bytes(4)?.try_into().ok()? {
            CLAIM_MAGIC => MarkKind::Claim,
            SEAL_MAGIC => MarkKind::Seal,
            _ => return None,
        };
        if fields.u16()? != MARK_VERSION || fields.u16()? != 0 {
            return None;
        }
        Some(Mark { kind, lane: fields.u64()?, number: fields.u64()?, nonce: fields.u64()? })
    }
}

pub(crate) fn claim_name(lane: u64) -> String {
    format!("{CLAIM_FOLDER}/{lane:016x}")
}

pub(crate) fn lane_name(lane: u64) -> String {
    format!("{LANE_FOLDER}/{lane:016x}")
}

pub(crate) fn chunk_name(lane: u64, number: u64) -> String {
    format!("{LANE_FOLDER}/{lane:016x}/{number:016x}")
}

/// Lane and number of an object below `lane/`.
pub(crate) fn parse_chunk_name(name: &str) -> Option<(u64, u64)> {
    let (lane, number) = name.split_once('/')?;
    Some((parse_number(lane)?, parse_number(number)?))
}

/// Whether an object of this size in a lane is its seal, whatever its bytes have become.
pub(crate) fn is_seal(bytes: u64) -> bool {
    bytes == MARK_BYTES as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_come_back_and_damage_is_seen() {
        for kind in [MarkKind::Claim, MarkKind::Seal] {
            let mark = Mark { kind, lane: 3, number: 9, nonce: 0x0123_4567_89ab_cdef };
            let bytes = mark.encode();
            assert_eq!(Mark::decode(&bytes), Some(mark));
            for at in 0..MARK_BYTES * 8 {
                let mut flipped = bytes.clone();
                flipped[at / 8] ^= 1 << (at % 8);
                assert_eq!(Mark::decode(&flipped), None, "{at}");
            }
        }
    }

    #[test]
    fn names_come_back() {
        let name = chunk_name(7, 255);
        assert_eq!(name, "lane/0000000000000007/00000000000000ff");
        assert_eq!(parse_chunk_name(&name["lane/".len()..]), Some((7, 255)));
        assert_eq!(parse_chunk_name("7/255"), None);
    }
}
