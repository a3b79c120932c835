//! A point: what one backup consists of. Put last, so that a backup is there whole or not at all.

use stdx::UnixMillis;

use crate::blob::BlobId;
use crate::codec::Fields;
use crate::manifest::Manifest;

const POINT_MAGIC: [u8; 4] = *b"LVBP";
/// What a point without blobs is written as,
const POINT_VERSION: u16 = 1;
/// and one with blobs.
const POINT_VERSION_BLOBS: u16 = 2;

/// A segment's copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SegmentCopy {
    pub(crate) number: u64,
    /// The last four bytes of the segment: the checksum of its directory, which has those of all its
    /// blocks.
    pub(crate) mark: u32,
    pub(crate) bytes: u64,
}

impl SegmentCopy {
    /// Two folders that were one once may have different segments of one number.
    pub(crate) fn name(&self) -> String {
        format!("segments/{:016x}-{:08x}", self.number, self.mark)
    }
}

/// A blob's copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BlobCopy {
    pub(crate) id: BlobId,
    /// The last four bytes of its file: the checksum of its checksums.
    pub(crate) mark: u32,
    /// Bytes of its file.
    pub(crate) bytes: u64,
    /// Whether it was damaged when it was copied.
    pub(crate) damaged: bool,
}

impl BlobCopy {
    /// As with segments: two folders that were one once may have two blobs of one name.
    pub(crate) fn name(&self) -> String {
        format!("blobs/{:016x}-{:08x}", self.id.0, self.mark)
    }
}

/// One backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) number: u64,
    pub(crate) created: UnixMillis,
    /// What exists: every lane is sealed where its copied chunks end.
    pub(crate) manifest: Manifest,
    pub(crate) segments: Vec<SegmentCopy>,
    /// The copied chunks of all lanes, one after the other: how many bytes, and their checksum.
    pub(crate) lane_bytes: u64,
    pub(crate) lane_crc: u32,
    /// The folder's small files.
    pub(crate) files: Vec<(String, Vec<u8>)>,
    /// The blobs that its rows name.
    pub(crate) blobs: Vec<BlobCopy>,
}

pub(crate) fn point_name(number: u64) -> String {
    format!("points/{number:016x}")
}

/// The chunks that belong to a point.
pub(crate) fn lane_name(number: u64) -> String {
    format!("lanes/{number:016x}")
}

impl Point {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&POINT_MAGIC);
        let version = if self.blobs.is_empty() { POINT_VERSION } else { POINT_VERSION_BLOBS };
        out.extend_from_slice(&version.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.created.0.to_le_bytes());
        put_bytes(&mut out, &self.manifest.encode());
        out.extend_from_slice(&(self.segments.len() as u32).to_le_bytes());
        for segment in &self.segments {
            out.extend_from_slice(&segment.number.to_le_bytes());
            out.extend_from_slice(&segment.mark.to_le_bytes());
            out.extend_from_slice(&segment.bytes.to_le_bytes());
        }
        out.extend_from_slice(&self.lane_bytes.to_le_bytes());
        out.extend_from_slice(&self.lane_crc.to_le_bytes());
        out.extend_from_slice(&(self.files.len() as u32).to_le_bytes());
        for (name, bytes) in &self.files {
            put_bytes(&mut out, name.as_bytes());
            put_bytes(&mut out, bytes);
        }
        if version == POINT_VERSION_BLOBS {
            out.extend_from_slice(&(self.blobs.len() as u32).to_le_bytes());
        }
        for blob in &self.blobs {
            out.extend_from_slice(&blob.id.0.to_le_bytes());
            out.extend_from_slice(&blob.mark.to_le_bytes());
            out.extend_from_slice(&blob.bytes.to_le_bytes());
            out.push(u8::from(blob.damaged));
        }
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads a point; `None` if it is not a whole one.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Point> {
        let (summed, crc) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
        if crc32c::crc32c(summed).to_le_bytes() != crc {
            return None;
        }
        let mut fields = Fields(summed);
        let (magic, version) = (fields.bytes(4)?, fields.u16()?);
        if magic != POINT_MAGIC || ![POINT_VERSION, POINT_VERSION_BLOBS].contains(&version) {
            return None;
        }
        let _reserved = fields.u16()?;
        let (number, created) = (fields.u64()?, UnixMillis(fields.u64()?));
        let manifest = Manifest::decode(take_bytes(&mut fields)?)?;
        let mut segments = Vec::new();
        for _ in 0..fields.u32()? {
            let (number, mark) = (fields.u64()?, fields.u32()?);
            segments.push(SegmentCopy { number, mark, bytes: fields.u64()? });
        }
        let (lane_bytes, lane_crc) = (fields.u64()?, fields.u32()?);
        let mut files = Vec::new();
        for _ in 0..fields.u32()? {
            let name = String::from_utf8(take_bytes(&mut fields)?.to_vec()).ok()?;
            files.push((name, take_bytes(&mut fields)?.to_vec()));
        }
        let count = if version == POINT_VERSION { 0 } else { fields.u32()? };
        let mut blobs = Vec::new();
        for _ in 0..count {
            let (id, mark, bytes) = (BlobId(fields.u64()?), fields.u32()?, fields.u64()?);
            let damaged = match fields.u8()? {
                0 => false,
                1 => true,
                _ => return None,
            };
            blobs.push(BlobCopy { id, mark, bytes, damaged });
        }
        let whole = fields.0.is_empty() && (version == POINT_VERSION || !blobs.is_empty());
        let point =
            Point { number, created, manifest, segments, lane_bytes, lane_crc, files, blobs };
        whole.then_some(point)
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn take_bytes<'a>(fields: &mut Fields<'a>) -> Option<&'a [u8]> {
    let length = fields.u32()? as usize;
    fields.bytes(length)
}
