//! Every decoder over its corpus: each example is believed, cut at every byte and with every bit
//! flipped it does no harm, and where a checksum covers it, no flip is believed.
#![allow(clippy::disallowed_methods, reason = "the corpus is files")]

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use proptest::prelude::*;
use stdx::UnixMillis;

use crate::RecordBatch;
use crate::backup::Point;
use crate::backup::backup_tests::{blob_copy, point};
use crate::blob::{Blob, BlobId, BlobList, BlobTrailer};
use crate::block::{BlockAt, BlockHeader, BlockKind, Codec, Home, RowEntry};
use crate::bucket::{Mark, MarkKind};
use crate::chunk::{CHUNK_HEADER_BYTES, TRAILER_BYTES, Trailer, encode_footer};
use crate::decoders::DECODERS;
use crate::encoding_tests::{manifest, sealed_chunk};
use crate::id::{LogId, Position};
use crate::logs::LogRow;
use crate::pack;

fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name)
}

fn header(kind: BlockKind, count: u32, body: &[u8]) -> Vec<u8> {
    let (log, first) = (LogId::new(1, 2), Position::new(4, 7));
    let (arrival_min, arrival_max) = (UnixMillis(5), UnixMillis(9));
    let body_bytes = body.len() as u32;
    let codec = Codec::None;
    let header = BlockHeader {
        log,
        kind,
        codec,
        first,
        count,
        arrival_min,
        arrival_max,
        body_bytes,
        crc: 0,
    };
    header.encode().to_vec()
}

fn directory() -> Vec<u8> {
    let home = Home { lane: 3, number: 9 };
    let block = BlockHeader::decode(&header(BlockKind::Records, 3, &[0; 40])).unwrap();
    let blocks: Vec<_> =
        (0..3).map(|own| BlockAt { at: 64 + own * 200, header: block.clone() }).collect();
    let mut bytes = Vec::new();
    encode_footer(&blocks, &mut bytes);
    let trailer = Trailer { home, blocks: 3, footer_at: 8000, bytes_total: 12_288, crc: 0 };
    let end = trailer.encode(&bytes);
    bytes.extend_from_slice(&end);
    bytes
}

/// What each decoder was made for.
fn examples(name: &str) -> Vec<Vec<u8>> {
    let mut rows = Vec::new();
    for (key, value) in [("a", Some("one")), ("b", None)] {
        let value = value.map(Bytes::from_static_str);
        RowEntry { version: 7, key: Bytes::from_static_str(key), value }.encode(&mut rows);
    }
    let mut batch = RecordBatch::builder();
    [&b"first"[..], b"", b"third"].iter().for_each(|record| batch.push(&[record]));
    let records = batch.finish().body().to_vec();
    let mark = |kind| Mark { kind, lane: 3, number: 9, nonce: 0xfeed }.encode();
    let log_row = |end| LogRow { end, trimmed_below: Position::new(4, 2) }.encode().to_vec();
    match name {
        "chunk_header" => vec![sealed_chunk()[..CHUNK_HEADER_BYTES].to_vec()],
        "chunk" => vec![sealed_chunk()],
        "block_header" => vec![header(BlockKind::Rows, 1, b""), header(BlockKind::Records, 9, b"")],
        "block_records" => vec![[header(BlockKind::Records, 3, &records), records].concat()],
        "block_rows" => vec![[header(BlockKind::Rows, 2, &rows), rows].concat()],
        "packed_body" => vec![pack::pack(&[7; 4000]).unwrap()],
        "directory" => vec![directory()],
        "manifest" => vec![manifest().encode()],
        "format_file" => vec![b"levada 1\n".to_vec()],
        "log_row" => vec![log_row(None), log_row(Some(Position::new(4, 8)))],
        "backup_point" => {
            vec![point().encode(), Point { blobs: vec![blob_copy()], ..point() }.encode()]
        }
        "mark" => vec![mark(MarkKind::Claim), mark(MarkKind::Seal)],
        "blob_trailer" => {
            vec![BlobTrailer { id: BlobId(7), bytes: 70_000, sums: 5 }.encode().to_vec()]
        }
        "blob_list" => {
            let mut row = Vec::new();
            BlobList(vec![Blob { id: BlobId(7), bytes: 70_000 }; 2]).encode(&mut row);
            vec![[row, b"and what follows".to_vec()].concat()]
        }
        _ => Vec::new(),
    }
}

trait FromStr {
    fn from_static_str(text: &'static str) -> Bytes;
}

impl FromStr for Bytes {
    fn from_static_str(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }
}

/// With `LEVADA_WRITE_CORPUS` set it writes the examples instead.
#[test]
fn the_corpus_has_what_each_decoder_was_made_for() {
    for decoder in DECODERS {
        let folder = corpus(decoder.name);
        let own = examples(decoder.name);
        assert!(!own.is_empty(), "{}", decoder.name);
        for (index, example) in own.iter().enumerate() {
            let path = folder.join(format!("example-{index}"));
            if std::env::var_os("LEVADA_WRITE_CORPUS").is_some() {
                fs::create_dir_all(&folder).unwrap();
                fs::write(&path, example).unwrap();
            }
            assert_eq!(fs::read(&path).unwrap(), *example, "{}", path.display());
            assert!((decoder.decode)(example), "{} does not believe it", decoder.name);
        }
    }
}

#[test]
fn no_cut_and_no_flip_of_the_corpus_does_harm() {
    for decoder in DECODERS {
        let files = fs::read_dir(corpus(decoder.name)).unwrap();
        for file in files.map(|file| fs::read(file.unwrap().path()).unwrap()) {
            let believed = (decoder.decode)(&file);
            // Cut at every byte. A chunk's and a format file's last ones are padding.
            for cut in 0..file.len() {
                let cut_believed = (decoder.decode)(&file[..cut]);
                assert!(!cut_believed || !decoder.is_summed, "{} cut at {cut}", decoder.name);
            }
            for bit in 0..file.len() * 8 {
                let mut flipped = file.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                let still = (decoder.decode)(&flipped);
                assert!(!(believed && still && decoder.is_summed), "{} bit {bit}", decoder.name);
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        for decoder in DECODERS {
            (decoder.decode)(&bytes);
        }
    }

    #[test]
    fn any_end_is_a_directory_or_none(blocks: u32, footer_at: u64, bytes_total: u64) {
        let home = Home { lane: 3, number: 9 };
        let trailer = Trailer { home, blocks, footer_at, bytes_total, crc: 0 };
        let bytes = [vec![0; 300], trailer.encode(&[]).to_vec()].concat();
        prop_assert_eq!(bytes.len(), 300 + TRAILER_BYTES);
        let directory = DECODERS.iter().find(|own| own.name == "directory").unwrap();
        let _read_or_refused = (directory.decode)(&bytes);
    }
}
