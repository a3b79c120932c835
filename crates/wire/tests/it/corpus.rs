//! The wire's decoders over the fuzz targets' corpus: cut at every byte and with every bit flipped
//! nothing does harm.
#![allow(clippy::disallowed_methods, reason = "the corpus is files")]

use std::fs;
use std::path::Path;

use wire::event_stream::Decoder;

fn frames(bytes: &[u8]) -> usize {
    let mut decoder = Decoder::new();
    decoder.feed(bytes);
    std::iter::from_fn(|| decoder.next_frame().ok().flatten()).count()
}

fn over_corpus(name: &str, decode: impl Fn(&[u8]) -> bool, flips_are_refused: bool) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    for file in fs::read_dir(corpus).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        assert!(decode(&bytes), "{name}");
        for cut in 0..bytes.len() {
            assert!(!decode(&bytes[..cut]), "{name} cut at {cut}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!(decode(&flipped) && flips_are_refused), "{name} bit {bit}");
        }
    }
}

#[test]
fn no_cut_and_no_flip_of_a_body_does_harm() {
    over_corpus("wire_cbor", |bytes| wire::cbor::parse(bytes).is_ok(), false);
}

#[test]
fn no_cut_and_no_flip_of_a_json_body_does_harm() {
    over_corpus("wire_json", |bytes| wire::json::parse(bytes).is_ok(), false);
}

#[test]
fn no_cut_and_no_flip_of_a_frame_is_believed() {
    over_corpus("wire_event_stream", |bytes| frames(bytes) > 0, true);
}
