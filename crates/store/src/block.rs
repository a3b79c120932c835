//! Blocks: one log's run of entries, with a checksum of its own.

use bytes::Bytes;
use stdx::UnixMillis;

use crate::batch::RECORD_PREFIX_BYTES;
use crate::codec::{Fields, Layout};
use crate::id::{LogId, Position};
use crate::request::StoredRecord;

/// Bytes of a block's header.
pub(crate) const BLOCK_HEADER_BYTES: usize = 64;
/// The header's bytes that the checksum covers: all but itself.
const BLOCK_HEADER_SUMMED: usize = 60;
/// Bytes in front of a row's key and value.
pub(crate) const ROW_PREFIX_BYTES: usize = 16;
/// A row's value length that says "deleted".
const ROW_DELETED: u32 = u32::MAX;
/// How a block's body is stored; 2 (AES-GCM) is reserved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Codec {
    /// As it is.
    #[default]
    None = 0,
    /// Compressed; only records in segments are.
    Zstd = 1,
}

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockKind {
    Records = 1,
    Rows = 2,
}

/// The file a block lies in: a chunk's lane and number, or a segment. Part of its checksum, so that
/// a block that turns up elsewhere is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Home {
    pub(crate) lane: u64,
    pub(crate) number: u64,
}

impl Home {
    /// The lane number that stands for "a segment"; no lane is ever given it.
    pub(crate) const SEGMENTS: u64 = u64::MAX;

    pub(crate) const fn segment(number: u64) -> Self {
        Home { lane: Home::SEGMENTS, number }
    }
}

/// A block's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BlockHeader {
    pub(crate) log: LogId,
    pub(crate) kind: BlockKind,
    pub(crate) codec: Codec,
    pub(crate) first: Position,
    pub(crate) count: u32,
    /// What the arrivals of its records count from.
    pub(crate) arrival_min: UnixMillis,
    pub(crate) arrival_max: UnixMillis,
    /// Bytes of the body as it is stored.
    pub(crate) body_bytes: u32,
    pub(crate) crc: u32,
}

impl BlockHeader {
    /// Above the block's last record.
    pub(crate) fn end(&self) -> Position {
        self.first.plus(u64::from(self.count))
    }

    /// Header and body.
    pub(crate) fn bytes_total(&self) -> usize {
        BLOCK_HEADER_BYTES + self.body_bytes as usize
    }

    /// Writes the header with the checksum of itself, its home and its body, whose own is given.
    pub(crate) fn seal(&mut self, home: Home, body_crc: u32) -> [u8; BLOCK_HEADER_BYTES] {
        let mut bytes = self.encode();
        self.crc = finish_crc(body_crc, &bytes, home);
        bytes[BLOCK_HEADER_SUMMED..].copy_from_slice(&self.crc.to_le_bytes());
        bytes
    }

    /// The header as it stands.
    pub(crate) fn encode(&self) -> [u8; BLOCK_HEADER_BYTES] {
        let mut bytes = [0; BLOCK_HEADER_BYTES];
        let fields = Layout::new(&mut bytes).u64(self.log.0).u64(self.first.0).u32(self.count);
        let fields = fields.u8(self.kind as u8).u8(self.codec as u8).u16(0);
        let fields = fields.u64(self.arrival_min.0).u64(self.arrival_max.0);
        fields.u64(0).u64(0).u32(self.body_bytes).u32(self.crc);
        bytes
    }

    /// Reads a header; `None` if it is not one. The checksum is not looked at.
    pub(crate) fn decode(bytes: &[u8]) -> Option<BlockHeader> {
        let mut fields = Fields(bytes);
        let log = LogId(fields.u64()?);
        let first = Position(fields.u64()?);
        let count = fields.u32()?;
        let kind = match fields.u8()? {
            1 => BlockKind::Records,
            2 => BlockKind::Rows,
            _ => return None,
        };
        let codec = match fields.u8()? {
            0 => Codec::None,
            1 if kind == BlockKind::Records => Codec::Zstd,
            _ => return None,
        };
        let key = fields.u16()?;
        let arrival_min = UnixMillis(fields.u64()?);
        let arrival_max = UnixMillis(fields.u64()?);
        let producer = (fields.u64()?, fields.u64()?);
        let body_bytes = fields.u32()?;
        let crc = fields.u32()?;
        // A position has 63 bits, so counting on from it never overflows.
        let known = key == 0 && producer == (0, 0) && first.0 >> 63 == 0;
        let header = BlockHeader {
            log,
            kind,
            codec,
            first,
            count,
            arrival_min,
            arrival_max,
            body_bytes,
            crc,
        };
        (known && header.end() > header.first).then_some(header)
    }

    /// Whether `body` is the one that was written under this header at this home.
    pub(crate) fn verify(&self, home: Home, body: &[u8]) -> bool {
        body.len() == self.body_bytes as usize
            && finish_crc(crc32c::crc32c(body), &self.encode(), home) == self.crc
    }
}

fn finish_crc(body_crc: u32, header: &[u8; BLOCK_HEADER_BYTES], home: Home) -> u32 {
    let mut place = [0; 16];
    Layout::new(&mut place).u64(home.lane).u64(home.number);
    crc32c::crc32c_append(crc32c::crc32c_append(body_crc, &header[..BLOCK_HEADER_SUMMED]), &place)
}

/// Where a block lies in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BlockAt {
    pub(crate) at: u64,
    pub(crate) header: BlockHeader,
}

/// The records of a verified block's body, in order; `None` in place of one that is not there.
pub(crate) fn records<'a>(
    header: &'a BlockHeader,
    body: &'a Bytes,
) -> impl Iterator<Item = Option<StoredRecord>> + 'a {
    let mut at = 0;
    (0..header.count).map(move |index| {
        let mut fields = Fields(body.get(at..at + RECORD_PREFIX_BYTES)?);
        let length = fields.u32()? as usize;
        let delta_ms = fields.u32()?;
        let start = at + RECORD_PREFIX_BYTES;
        if body.len() < start + length {
            return None;
        }
        at = start + length;
        Some(StoredRecord {
            position: header.first.plus(u64::from(index)),
            arrival: UnixMillis(header.arrival_min.0.saturating_add(u64::from(delta_ms))),
            payload: body.slice(start..at),
        })
    })
}

/// A verified block's records from `from` on, in blocks of at most `bytes_max` bytes unless one record
/// is larger. They are slices of the body: arrivals go on counting from the same time.
pub(crate) fn parts(
    header: &BlockHeader,
    body: &Bytes,
    from: Position,
    bytes_max: usize,
) -> Vec<(BlockHeader, Bytes)> {
    if from <= header.first && body.len() <= bytes_max {
        return vec![(header.clone(), body.clone())];
    }
    let mut parts = Vec::new();
    let (mut start, mut at, mut part) = (0, 0, BlockHeader { count: 0, ..header.clone() });
    for index in 0..u64::from(header.count) {
        let position = header.first.plus(index);
        let Some(mut fields) = body.get(at..).map(Fields) else { break };
        let (Some(length), Some(delta_ms)) = (fields.u32(), fields.u32()) else { break };
        let end = at + RECORD_PREFIX_BYTES + length as usize;
        if end > body.len() {
            break;
        }
        if part.count > 0 && end - start > bytes_max {
            parts.push((part.clone(), body.slice(start..at)));
            part.count = 0;
        }
        if part.count == 0 {
            (start, part.first) = (at, position);
        }
        if position >= from {
            part.count += 1;
            part.arrival_max = UnixMillis(header.arrival_min.0.saturating_add(u64::from(delta_ms)));
        }
        at = end;
    }
    if part.count > 0 {
        parts.push((part, body.slice(start..at)));
    }
    parts
}

/// One row as it stands in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowEntry {
    pub(crate) version: u64,
    pub(crate) key: Bytes,
    pub(crate) value: Option<Bytes>,
}

impl RowEntry {
    /// Appends the row to a block's body.
    pub(crate) fn encode(&self, into: &mut Vec<u8>) {
        let value_bytes = self.value.as_ref().map_or(ROW_DELETED, |value| value.len() as u32);
        into.extend_from_slice(&self.version.to_le_bytes());
        into.extend_from_slice(&(self.key.len() as u32).to_le_bytes());
        into.extend_from_slice(&value_bytes.to_le_bytes());
        into.extend_from_slice(&self.key);
        into.extend_from_slice(self.value.as_deref().unwrap_or_default());
    }
}

/// The rows of a verified block's body; `None` if it is not made of rows.
pub(crate) fn rows(header: &BlockHeader, body: &[u8]) -> Option<Vec<RowEntry>> {
    let mut fields = Fields(body);
    let mut rows = Vec::new();
    for _ in 0..header.count {
        let version = fields.u64()?;
        let key_bytes = fields.u32()? as usize;
        let value_bytes = fields.u32()?;
        let key = Bytes::copy_from_slice(fields.bytes(key_bytes)?);
        let value = match value_bytes {
            ROW_DELETED => None,
            bytes => Some(Bytes::copy_from_slice(fields.bytes(bytes as usize)?)),
        };
        rows.push(RowEntry { version, key, value });
    }
    fields.0.is_empty().then_some(rows)
}
