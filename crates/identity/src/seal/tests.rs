//! What opens, and what does not.

use std::path::Path;

use super::*;

#[test]
fn what_is_sealed_opens_for_its_purpose_only() {
    let (sealer, entropy) = (Sealer::new([7; 32]), Entropy::seeded(1));
    let token = sealer.seal_text("iterator", b"shard-1", &entropy);
    assert_eq!(sealer.open_text("iterator", &token).as_deref(), Some(&b"shard-1"[..]));
    assert_eq!(sealer.open_text("next", &token), None);
    assert_eq!(Sealer::new([8; 32]).open_text("iterator", &token), None);
    assert_ne!(token, sealer.seal_text("iterator", b"shard-1", &entropy));
}

#[test]
fn no_flipped_bit_and_no_cut_opens() {
    let sealer = Sealer::new([7; 32]);
    let token = sealer.seal("p", b"some state of ours", &Entropy::seeded(2));
    for bit in 0..token.len() * 8 {
        let mut forged = token.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(sealer.open("p", &forged), None);
    }
    for length in 0..token.len() {
        assert_eq!(sealer.open("p", &token[..length]), None);
    }
}

/// The corpus of the fuzz target `sealed_token`; with `LEVADA_WRITE_CORPUS` set it is written first.
#[test]
#[allow(clippy::disallowed_methods, reason = "the corpus is files")]
fn the_corpus_opens_and_no_flip_or_cut_of_it_does() {
    let sealer = Sealer::new([7; 32]);
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/sealed_token");
    let path = corpus.join("example-0");
    let token = sealer.seal("example", b"what we carry", &Entropy::seeded(3));
    if std::env::var_os("LEVADA_WRITE_CORPUS").is_some() {
        std::fs::create_dir_all(&corpus).expect("a folder");
        std::fs::write(&path, &token).expect("a file");
    }
    let token = std::fs::read(path).expect("the corpus");
    assert_eq!(sealer.open("example", &token).as_deref(), Some(&b"what we carry"[..]));
    for bit in 0..token.len() * 8 {
        let mut forged = token.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(sealer.open("example", &forged), None);
        assert_eq!(sealer.open("example", &token[..bit / 8]), None);
    }
}

#[test]
fn nothing_can_be_sealed_too() {
    let sealer = Sealer::new([1; 32]);
    let token = sealer.seal("p", b"", &Entropy::seeded(3));
    assert_eq!(sealer.open("p", &token), Some(vec![]));
}
