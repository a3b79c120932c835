//! Compressed bodies: the length of the plain body (4), then one zstd frame.

use zstd::bulk::{Compressor, Decompressor};

use crate::codec::Fields;
use crate::limits::{BLOCK_BYTES_PLAIN_MAX, PACK_LEVEL, PACKED_IN_EIGHTHS_MAX};

/// Bytes in front of the frame.
const PLAIN_LENGTH_BYTES: usize = 4;

/// A body in fewer bytes; `None` if that does not save enough.
pub(crate) fn pack(body: &[u8]) -> Option<Vec<u8>> {
    let bytes_max = body.len() / 8 * PACKED_IN_EIGHTHS_MAX;
    // What does not fit into this is not worth it.
    let mut frame = Vec::with_capacity(bytes_max.checked_sub(PLAIN_LENGTH_BYTES)?);
    let mut compressor = Compressor::new(PACK_LEVEL).ok()?;
    compressor.compress_to_buffer(body, &mut frame).ok()?;
    let mut packed = Vec::with_capacity(PLAIN_LENGTH_BYTES + frame.len());
    packed.extend_from_slice(&u32::try_from(body.len()).ok()?.to_le_bytes());
    packed.extend_from_slice(&frame);
    (packed.len() <= bytes_max).then_some(packed)
}

/// The length of a packed body's plain one, by its own account; `None` if that cannot be.
pub(crate) fn plain_bytes(packed: &[u8]) -> Option<usize> {
    let bytes = Fields(packed).u32()? as usize;
    (bytes <= BLOCK_BYTES_PLAIN_MAX).then_some(bytes)
}

/// The plain body; `None` if `packed` is not one. It never takes more memory than it says, nor than
/// [`BLOCK_BYTES_PLAIN_MAX`].
pub(crate) fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let bytes = plain_bytes(packed)?;
    let mut body = Vec::with_capacity(bytes);
    let mut decompressor = Decompressor::new().ok()?;
    decompressor.decompress_to_buffer(&packed[PLAIN_LENGTH_BYTES..], &mut body).ok()?;
    (body.len() == bytes).then_some(body)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_does_not_shrink_stays_as_it_is() {
        let mut noise = vec![0; 100_000];
        stdx::Entropy::seeded(1).fill(&mut noise);
        assert_eq!(pack(&noise), None);
        assert_eq!(pack(b""), None);
        assert_eq!(pack(b"ab"), None);
        let packed = pack(&[7; 100_000]).unwrap();
        assert!(packed.len() < 1000);
        assert_eq!(unpack(&packed).unwrap(), [7; 100_000]);
    }

    /// Whatever version of the library packed it.
    #[test]
    fn golden_bytes() {
        let packed = [
            &[0x40, 0, 0, 0][..],
            &[
                0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x40, 0x45, 0, 0, 0x10, 0x61, 0x61, 1, 0, 0x93, 0,
                0x16,
            ],
        ];
        assert_eq!(unpack(&packed.concat()), Some(vec![b'a'; 64]));
    }

    #[test]
    fn a_body_that_says_too_much_is_refused_before_it_takes_memory() {
        let mut packed = pack(&[7; 100_000]).unwrap();
        packed[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(unpack(&packed), None);
        packed[..4].copy_from_slice(&99_999_u32.to_le_bytes());
        assert_eq!(unpack(&packed), None);
        packed[..4].copy_from_slice(&100_001_u32.to_le_bytes());
        assert_eq!(unpack(&packed), None);
    }

    proptest! {
        #[test]
        fn bodies_come_back(words in proptest::collection::vec(0_u8..4, 0..4000), runs in 1_usize..20) {
            let body = words.repeat(runs);
            if let Some(packed) = pack(&body) {
                prop_assert!(packed.len() <= body.len() / 8 * PACKED_IN_EIGHTHS_MAX);
                prop_assert_eq!(unpack(&packed), Some(body));
                for cut in 0..packed.len() {
                    prop_assert_eq!(unpack(&packed[..cut]), None);
                }
            }
        }

        #[test]
        fn noise_is_no_body(noise in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some(body) = unpack(&noise) {
                prop_assert!(body.len() <= BLOCK_BYTES_PLAIN_MAX);
            }
        }
    }
}
