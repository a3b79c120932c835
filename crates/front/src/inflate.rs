//! Compressed bodies: inflated only once their signature is believed, and never far.

use std::io::Read;

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;

use crate::limits::{INFLATE_FREE_BYTES, INFLATE_RATIO_MAX};

/// Why a body was not inflated.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is no gzip, or broken.
    Broken,
    /// It would become too large.
    TooLarge,
}

/// How large a body may become: in all, and by how much it was compressed.
pub(crate) fn bytes_max(compressed: usize, inflated_max: usize) -> usize {
    compressed.saturating_mul(INFLATE_RATIO_MAX).max(INFLATE_FREE_BYTES).min(inflated_max)
}

/// Inflates a whole body of at most `bytes_max`.
pub(crate) fn gunzip(body: &[u8], bytes_max: usize) -> Result<Bytes, Refused> {
    let mut inflated = Vec::new();
    let mut decoder = MultiGzDecoder::new(body).take(bytes_max as u64 + 1);
    decoder.read_to_end(&mut inflated).map_err(|_broken| Refused::Broken)?;
    if inflated.len() > bytes_max { Err(Refused::TooLarge) } else { Ok(inflated.into()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_was_compressed_comes_out() {
        let text = b"metrics, metrics".repeat(100);
        assert_eq!(gunzip(&gzip(&text), text.len()).unwrap(), text);
        assert_eq!(gunzip(&gzip(b""), 0).unwrap(), b""[..]);
        let two = [gzip(b"one "), gzip(b"two")].concat();
        assert_eq!(gunzip(&two, 100).unwrap(), b"one two"[..]);
    }

    #[test]
    fn bombs_and_rubbish_do_not() {
        let bomb = gzip(&vec![0; 10_000_000]);
        let allowed = bytes_max(bomb.len(), 100_000_000);
        assert!(allowed < 1_100_000, "{allowed}");
        assert_eq!(gunzip(&bomb, allowed), Err(Refused::TooLarge));
        let good = gzip(&[7; 1000]);
        assert_eq!(gunzip(&good, 999), Err(Refused::TooLarge));
        assert_eq!(gunzip(&good[..good.len() - 1], 1000), Err(Refused::Broken));
        assert_eq!(gunzip(b"{}", 1000), Err(Refused::Broken));
        assert_eq!(gunzip(b"", 1000), Err(Refused::Broken));
    }

    #[test]
    fn small_bodies_may_become_a_little_and_none_too_much() {
        assert_eq!(bytes_max(10, 1 << 20), INFLATE_FREE_BYTES);
        assert_eq!(bytes_max(usize::MAX, 1 << 20), 1 << 20);
    }
}
