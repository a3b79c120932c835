//! Every decoder over its corpus, cut at every byte and with every bit flipped.
#![allow(clippy::disallowed_methods, reason = "the corpus is files")]

use std::fs;
use std::path::Path;

use crate::decoders::DECODERS;

fn golden(hex: &str) -> Vec<u8> {
    let digits: Vec<char> = hex.trim().chars().collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16);
    digits.chunks(2).map(|pair| byte(pair).unwrap()).collect()
}

fn example(name: &str) -> Vec<u8> {
    let generation = [0, 0, 1, 0, 0, 0, 0, 9];
    match name {
        "stream_key" => b"000000000000\0us-east-1\0orders".to_vec(),
        "stream_row" => golden(include_str!("../../tests/golden/stream_row.hex")),
        "shard_key" => [&generation[..], &[0, 0, 0, 3]].concat(),
        "shard_row" => golden(include_str!("../../tests/golden/shard_row.hex")),
        "consumer_key" => [&generation[..], b"app"].concat(),
        "consumer_row" => golden(include_str!("../../tests/golden/consumer_row.hex")),
        "account_key" => b"000000000000\0us-east-1".to_vec(),
        "account_row" => golden(include_str!("../../tests/golden/account_row.hex")),
        "given_number" => b"49546570772520434310099010312716648896382882028187549746".to_vec(),
        "given_id" => b"shardId-000000000003".to_vec(),
        _ => b"\x01\x03keydata".to_vec(),
    }
}

/// With `LEVADA_WRITE_CORPUS` set it writes the examples first.
#[test]
fn no_cut_and_no_flip_of_the_corpus_does_harm() {
    for (name, decode) in DECODERS {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
        if std::env::var_os("LEVADA_WRITE_CORPUS").is_some() {
            fs::create_dir_all(&corpus).unwrap();
            fs::write(corpus.join("example-0"), example(name)).unwrap();
        }
        assert!(decode(&fs::read(corpus.join("example-0")).unwrap()), "{name}");
        for file in fs::read_dir(corpus).unwrap() {
            let bytes = fs::read(file.unwrap().path()).unwrap();
            for cut in 0..bytes.len() {
                decode(&bytes[..cut]);
            }
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                decode(&flipped);
            }
        }
    }
}
