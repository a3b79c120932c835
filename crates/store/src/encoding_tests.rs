//! Every encoding: its golden bytes, the way there and back, and what becomes of damage.

use bytes::Bytes;
use proptest::prelude::*;
use stdx::UnixMillis;

use crate::block::{self, BlockAt, BlockHeader, BlockKind, Codec, Home, RowEntry};
use crate::bucket::{Mark, MarkKind};
use crate::chunk::{CHUNK_HEADER_BYTES, ChunkHeader, TRAILER_BYTES, Trailer, encode_footer};
use crate::id::{LogId, Position, TableId};
use crate::logs::LogRow;
use crate::manifest::{LaneState, Manifest, Quarantine, SegmentState};
use crate::open_chunk::{OpenChunk, Seal};
use crate::segment;
use crate::{RecordBatch, limits};

const HOME: Home = Home { lane: 3, number: 9 };

pub(crate) fn sealed_chunk() -> Vec<u8> {
    let mut open = OpenChunk::default();
    let record = RecordBatch::single(b"hello");
    open.push_records(LogId::new(1, 2), Position::new(4, 7), 1, record.body());
    let value = Some(Bytes::from_static(b"row"));
    let row = RowEntry { version: Position::new(4, 1).0, key: Bytes::from_static(b"key"), value };
    open.push_row(TableId(5), row);
    let arrival = UnixMillis(1_700_000_000_123);
    open.seal(&Seal { home: HOME, nonce: 0xfeed, epoch: 4, arrival }).bytes.to_vec()
}

pub(crate) fn manifest() -> Manifest {
    Manifest {
        number: 12,
        store: *b"0123456789abcdef",
        epoch_next: 7,
        lane_next: 6,
        segment_next: 4,
        arrival_max: UnixMillis(1_700_000_000_000),
        lanes: vec![LaneState { lane: 5, nonce: 77, epoch: 6, seal: Some(8), flushed_below: 3 }],
        segments: vec![SegmentState {
            number: 3,
            bytes_total: 8192,
            row_blocks: 2,
            row_bytes: 300,
            all_rows: true,
            class: 0,
            compacted: false,
            arrival_min: UnixMillis(1),
            arrival_max: UnixMillis(2),
        }],
        quarantined: vec![Quarantine {
            lane: 2,
            chunk: 4,
            epoch: 3,
            log: None,
            first: Position::new(3, 0),
            end: Position::new(4, 0),
            accepted: false,
        }],
    }
}

/// The examples of `docs/format.md`: a name, a colon, and the bytes without the padding.
#[test]
fn golden_bytes() {
    let chunk = sealed_chunk();
    let header = ChunkHeader::decode(&chunk).unwrap();
    let used = header.footer_at as usize + header.blocks as usize * 72;
    let log_row = LogRow { end: Some(Position::new(4, 8)), trimmed_below: Position::new(4, 2) };
    let mark = |kind, number| Mark { kind, lane: 3, number, nonce: 0xfeed };
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let own = [
        ("chunk, to the end of its footer", hex(&chunk[..used])),
        ("chunk, its trailer", hex(&chunk[chunk.len() - TRAILER_BYTES..])),
        ("segment header", hex(&segment::encode_header(3))),
        ("manifest", hex(&manifest().encode())),
        ("row of table 0", hex(&log_row.encode())),
        ("key of table 0", hex(&LogRow::key(LogId::new(1, 2)))),
        ("claim of a lane", hex(&mark(MarkKind::Claim, 0).encode())),
        ("seal of a lane", hex(&mark(MarkKind::Seal, 9).encode())),
    ];
    let own: String = own.iter().map(|(name, bytes)| format!("{name}: {bytes}\n")).collect();
    assert_eq!(chunk.len(), limits::CHUNK_ALIGN);
    assert_eq!(own, include_str!("../tests/golden/encodings.txt"));
}

fn block_header() -> impl Strategy<Value = BlockHeader> {
    let numbers = (any::<u64>(), 0..Position::MAX.0 / 2, 1..u32::MAX);
    let times = (any::<u64>(), any::<u64>(), any::<u32>(), any::<u32>(), any::<bool>());
    (numbers, times).prop_map(|((log, first, count), (min, max, body_bytes, crc, rows))| {
        BlockHeader {
            log: LogId(log),
            kind: if rows { BlockKind::Rows } else { BlockKind::Records },
            codec: if rows || crc % 2 == 0 { Codec::None } else { Codec::Zstd },
            first: Position(first),
            count,
            arrival_min: UnixMillis(min),
            arrival_max: UnixMillis(max),
            body_bytes,
            crc,
        }
    })
}

fn row() -> impl Strategy<Value = RowEntry> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from);
    let value = proptest::option::of(bytes());
    (any::<u64>(), bytes(), value).prop_map(|(version, key, value)| RowEntry {
        version,
        key,
        value,
    })
}

proptest! {
    #[test]
    fn block_headers_come_back(header in block_header()) {
        prop_assert_eq!(BlockHeader::decode(&header.encode()), Some(header));
    }

    #[test]
    fn rows_come_back(rows in proptest::collection::vec(row(), 1..9)) {
        let mut body = Vec::new();
        rows.iter().for_each(|row| row.encode(&mut body));
        let header = BlockHeader {
            log: LogId::table(1),
            kind: BlockKind::Rows,
            codec: Codec::None,
            first: Position::ZERO,
            count: rows.len() as u32,
            arrival_min: UnixMillis(0),
            arrival_max: UnixMillis(0),
            body_bytes: body.len() as u32,
            crc: 0,
        };
        prop_assert_eq!(block::rows(&header, &body), Some(rows));
        for cut in 0..body.len() {
            prop_assert_eq!(block::rows(&header, &body[..cut]), None);
        }
    }

    #[test]
    fn records_come_back(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 1..9)) {
        let mut builder = RecordBatch::builder();
        payloads.iter().for_each(|payload| builder.push(&[payload]));
        let batch = builder.finish();
        let mut open = OpenChunk::default();
        open.push_records(LogId::new(1, 1), Position::new(2, 3), batch.count(), batch.body());
        let chunk = open.seal(&Seal { home: HOME, nonce: 1, epoch: 2, arrival: UnixMillis(5) });
        let block = &chunk.blocks[0];
        let start = block.at as usize + block::BLOCK_HEADER_BYTES;
        let body = chunk.bytes.slice(start..start + block.header.body_bytes as usize);
        prop_assert!(block.header.verify(HOME, &body));
        let found: Vec<_> = block::records(&block.header, &body).map(Option::unwrap).collect();
        prop_assert_eq!(found.len(), payloads.len());
        for (index, (record, payload)) in found.iter().zip(&payloads).enumerate() {
            prop_assert_eq!(&record.payload[..], &payload[..]);
            prop_assert_eq!(record.position, Position::new(2, 3 + index as u64));
            prop_assert_eq!(record.arrival, UnixMillis(5));
        }
    }

    #[test]
    fn footers_come_back(headers in proptest::collection::vec(block_header(), 0..9), flipped in any::<u16>()) {
        let blocks: Vec<_> = headers.into_iter().map(|header| BlockAt { at: 64, header }).collect();
        let mut footer = Vec::new();
        encode_footer(&blocks, &mut footer);
        let count = blocks.len() as u32;
        let (footer_at, bytes_total) = (u64::MAX / 2, u64::MAX);
        let trailer = Trailer { home: HOME, blocks: count, footer_at, bytes_total, crc: 0 };
        let trailer = Trailer::decode(&trailer.encode(&footer)).unwrap();
        prop_assert_eq!(trailer.blocks(&footer), Some(blocks));
        if !footer.is_empty() {
            let at = usize::from(flipped) % footer.len();
            footer[at] ^= 1;
            prop_assert_eq!(trailer.blocks(&footer), None);
        }
    }

    #[test]
    fn log_rows_come_back(end in proptest::option::of(0..=Position::MAX.0), trimmed in 0..=Position::MAX.0) {
        let row = LogRow { end: end.map(Position), trimmed_below: Position(trimmed) };
        prop_assert_eq!(LogRow::decode(&row.encode()), Some(row));
    }

    #[test]
    fn manifests_come_back(numbers in proptest::collection::vec(0..u64::MAX, 12), seal in proptest::option::of(0..u64::MAX), copies in 0_usize..4) {
        let mut whole = manifest();
        (whole.number, whole.lane_next, whole.segment_next) = (numbers[0], numbers[1], numbers[2]);
        whole.lanes[0].seal = seal;
        whole.lanes[0].nonce = numbers[3];
        whole.segments[0].bytes_total = numbers[4];
        whole.segments[0].class = numbers[6] as u8;
        whole.segments[0].compacted = numbers[7] & 1 == 1;
        whole.quarantined[0].log = Some(LogId(numbers[5]));
        whole.quarantined[0].accepted = numbers[6] % 2 == 1;
        whole.lanes = vec![whole.lanes[0].clone(); copies];
        whole.segments = vec![whole.segments[0].clone(); copies];
        whole.quarantined = vec![whole.quarantined[0].clone(); copies];
        prop_assert_eq!(Manifest::decode(&whole.encode()), Some(whole));
    }
}

#[test]
fn no_truncation_and_no_flip_of_a_header_or_manifest_is_believed() {
    let chunk = sealed_chunk();
    let manifest = manifest().encode();
    for cut in 0..manifest.len() {
        assert_eq!(Manifest::decode(&manifest[..cut]), None);
    }
    for bit in 0..manifest.len() * 8 {
        let mut flipped = manifest.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(Manifest::decode(&flipped), None);
    }
    for bit in 0..CHUNK_HEADER_BYTES * 8 {
        let mut flipped = chunk.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(ChunkHeader::decode(&flipped), None);
        assert_eq!(ChunkHeader::decode(&chunk[..bit / 8]), None);
    }
}

#[test]
fn a_block_is_bound_to_its_home() {
    let chunk = Bytes::from(sealed_chunk());
    let header = ChunkHeader::decode(&chunk).unwrap();
    let blocks = crate::chunk::walk_blocks(&header, &chunk).unwrap();
    for block in &blocks {
        let start = block.at as usize + block::BLOCK_HEADER_BYTES;
        let body = &chunk[start..start + block.header.body_bytes as usize];
        assert!(block.header.verify(HOME, body));
        assert!(!block.header.verify(Home { number: 10, ..HOME }, body));
        assert!(!block.header.verify(Home { lane: 4, ..HOME }, body));
        let other = BlockHeader { log: LogId(1), ..block.header.clone() };
        assert!(!other.verify(HOME, body));
    }
}
