//! Every decoder of bytes that this crate has written, as a function of bytes that anybody may have
//! written: what the fuzz targets run, and what a test runs over their corpus. Each says whether the
//! bytes are believed; none may panic, and what is believed means the same when it is written again.

use bytes::Bytes;
use store::Table;

use crate::record;
use crate::tables;

/// A decoder: its fuzz target's name, and whether it believes bytes.
pub type Decoder = (&'static str, fn(&[u8]) -> bool);

/// All of them.
pub const DECODERS: &[Decoder] = &[
    ("stream_key", key::<tables::Streams>),
    ("stream_row", row::<tables::Streams>),
    ("shard_key", key::<tables::Shards>),
    ("shard_row", row::<tables::Shards>),
    ("consumer_key", key::<tables::Consumers>),
    ("consumer_row", row::<tables::Consumers>),
    ("stream_record", stream_record),
];

fn key<T: Table>(bytes: &[u8]) -> bool {
    let Ok(key) = T::decode_key(bytes) else { return false };
    let mut again = Vec::new();
    T::encode_key(&key, &mut again);
    assert_eq!(again, bytes, "a key that reads as another");
    true
}

/// A row may hold fields of a later version, which are not written again.
fn row<T: Table>(bytes: &[u8]) -> bool {
    let Ok(row) = T::decode_row(bytes) else { return false };
    let (mut once, mut twice) = (Vec::new(), Vec::new());
    T::encode_row(&row, &mut once);
    let Ok(again) = T::decode_row(&once) else { panic!("what is written is not read") };
    T::encode_row(&again, &mut twice);
    assert_eq!(once, twice, "a row that reads as another");
    true
}

fn stream_record(bytes: &[u8]) -> bool {
    record::read(&Bytes::copy_from_slice(bytes)).is_some()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::DECODERS;

    fn golden(hex: &str) -> Vec<u8> {
        let digits: Vec<char> = hex.trim().chars().collect();
        let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16);
        digits.chunks(2).map(|pair| byte(pair).unwrap()).collect()
    }

    fn example(name: &str) -> Vec<u8> {
        let generation = [0, 0, 1, 0, 0, 0, 0, 9];
        match name {
            "stream_key" => b"000000000000\0us-east-1\0orders".to_vec(),
            "stream_row" => golden(include_str!("../tests/golden/stream_row.hex")),
            "shard_key" => [&generation[..], &[0, 0, 0, 3]].concat(),
            "shard_row" => golden(include_str!("../tests/golden/shard_row.hex")),
            "consumer_key" => [&generation[..], b"app"].concat(),
            "consumer_row" => golden(include_str!("../tests/golden/consumer_row.hex")),
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
}
