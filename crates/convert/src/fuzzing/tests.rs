//! The fuzz targets' corpus, on every toolchain.

#![allow(clippy::disallowed_methods, reason = "the corpus is files")]

use std::path::Path;

use super::ENTRIES;

/// The corpus, cut at every byte and with bits flipped.
#[test]
fn the_corpus_does_no_harm() {
    for (name, entry) in ENTRIES {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
        let mut files = 0;
        for file in std::fs::read_dir(corpus).expect(name) {
            let bytes = std::fs::read(file.expect("a file").path()).expect("a file");
            entry(&bytes);
            for end in 0..bytes.len() {
                entry(&bytes[..end]);
                let mut flipped = bytes.clone();
                flipped[end] ^= 1 << (end % 8);
                entry(&flipped);
            }
            files += 1;
        }
        assert!(files > 0, "{name} has no corpus");
    }
}
