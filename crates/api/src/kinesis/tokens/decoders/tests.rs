//! Every decoder over its corpus.

use std::fs;
use std::path::Path;

use super::{DECODERS, IteratorToken, ListToken, encode};

fn example(name: &str) -> Vec<u8> {
    let iterator = IteratorToken {
        generation: 1 << 40,
        shard: 3,
        position: 1 << 39,
        created_ms: 1_700_000_000_000,
        account: "000000000000".to_owned(),
        region: "us-east-1".to_owned(),
        stream: "orders".to_owned(),
    };
    let list = ListToken {
        created_ms: 1_700_000_000_000,
        generation: 1 << 40,
        after: "7".to_owned(),
        filter: Some("AT_TIMESTAMP".to_owned()),
        time_ms: Some(1_700_000_000_000),
    };
    if name == "list_token" { encode(&list) } else { [encode(&iterator), vec![0; 9]].concat() }
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
            (0..bytes.len()).for_each(|cut| _ = decode(&bytes[..cut]));
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                decode(&flipped);
            }
        }
    }
}
