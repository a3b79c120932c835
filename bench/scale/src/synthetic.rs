//! Segments that are all index: real directories, real entries in the manifest, and between them a hole
//! in the file. A block of nothing but zeros is a whole one: records without a byte.
//!
//! The bytes are those of `docs/format.md`.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const BLOCK_HEADER_BYTES: u64 = 64;
const FOOTER_ENTRY_BYTES: usize = 72;
const TRAILER_BYTES: usize = 44;
const ALIGN: u64 = 4096;
/// A block's body, as large as a segment's blocks get.
const BODY_BYTES: u32 = 256 * 1024;
/// A record of no bytes: a length and a time.
const RECORD_BYTES: u32 = 8;
/// The lane number that stands for "a segment".
const SEGMENTS: u64 = u64::MAX;
/// The retention class of a day, in the flags of a manifest's segment.
const CLASS_OF_A_DAY: u32 = 1 << 8;
/// How far back the oldest of them goes: younger than the retention of a day.
const HOURS: u64 = 22;

/// What was added to a folder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Added {
    pub(crate) segments: usize,
    /// As the directories say; the files are sparse.
    pub(crate) bytes: u64,
    pub(crate) blocks: u64,
    pub(crate) logs: usize,
}

/// Adds segments of `bytes` together to a stopped folder, older than what it has: one block for each of
/// its logs in each.
pub(crate) fn add(folder: &Path, bytes: u64) -> io::Result<Added> {
    let mut manifest = Manifest::read(folder)?;
    let logs = logs_of(folder, &manifest)?;
    let block_bytes = u64::from(BODY_BYTES) + BLOCK_HEADER_BYTES;
    let segments = (bytes / (logs.len() as u64 * block_bytes)).max(1);
    let mut added = Added { segments: segments as usize, bytes: 0, blocks: 0, logs: logs.len() };
    let zeros = crc32c::crc32c(&vec![0; BODY_BYTES as usize]);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
    let oldest = now.as_millis() as u64 - HOURS * 3_600_000;
    let step = HOURS * 3_600_000 / (segments + 1);
    let mut items = Vec::new();
    for index in 0..segments {
        let number = manifest.next_segment();
        let times = (oldest + index * step, oldest + (index + 1) * step - 1);
        let total = write(folder, number, index, &logs, times, zeros)?;
        items.extend(number.to_le_bytes());
        items.extend(total.to_le_bytes());
        items.extend(0_u32.to_le_bytes());
        items.extend(0_u64.to_le_bytes());
        items.extend(CLASS_OF_A_DAY.to_le_bytes());
        items.extend(times.0.to_le_bytes());
        items.extend(times.1.to_le_bytes());
        added.bytes += total;
        added.blocks += logs.len() as u64;
    }
    manifest.put_first(segments as u32, &items);
    manifest.write(folder)?;
    Ok(added)
}

/// One sparse segment; how long it is.
fn write(
    folder: &Path,
    number: u64,
    index: u64,
    logs: &[u64],
    times: (u64, u64),
    zeros: u32,
) -> io::Result<u64> {
    let file = File::create(folder.join(format!("segments/{number:016x}")))?;
    let mut header = Vec::from(*b"LVSG");
    header.extend([1, 0, 0, 0]);
    header.extend(number.to_le_bytes());
    header.extend([0; 12]);
    header.extend(crc32c::crc32c(&header).to_le_bytes());
    file.write_all_at(&header, 0)?;
    let mut at = header.len() as u64;
    let mut footer = Vec::with_capacity(logs.len() * FOOTER_ENTRY_BYTES + ALIGN as usize);
    let count = BODY_BYTES / RECORD_BYTES;
    for &log in logs {
        // Epoch 1, before everything that was put.
        let first = (1 << 39) + index * u64::from(count);
        footer.extend(at.to_le_bytes());
        let start = footer.len();
        footer.extend(log.to_le_bytes());
        footer.extend(first.to_le_bytes());
        footer.extend(count.to_le_bytes());
        footer.extend([1, 0, 0, 0]);
        footer.extend(times.0.to_le_bytes());
        footer.extend(times.1.to_le_bytes());
        footer.extend([0; 16]);
        footer.extend(BODY_BYTES.to_le_bytes());
        let crc = crc32c::crc32c_append(zeros, &footer[start..]);
        let crc = crc32c::crc32c_append(crc, &SEGMENTS.to_le_bytes());
        let crc = crc32c::crc32c_append(crc, &number.to_le_bytes());
        footer.extend(crc.to_le_bytes());
        at += BLOCK_HEADER_BYTES + u64::from(BODY_BYTES);
    }
    let unpadded = at + (footer.len() + TRAILER_BYTES) as u64;
    let total = unpadded.next_multiple_of(ALIGN);
    let mut trailer = Vec::from(*b"LVCE");
    trailer.extend((logs.len() as u32).to_le_bytes());
    for field in [at, total, SEGMENTS, number] {
        trailer.extend(field.to_le_bytes());
    }
    let crc = crc32c::crc32c_append(crc32c::crc32c(&footer), &trailer);
    trailer.extend(crc.to_le_bytes());
    footer.resize((total - at) as usize - TRAILER_BYTES, 0);
    footer.extend(trailer);
    file.write_all_at(&footer, at)?;
    file.sync_all()?;
    Ok(total)
}

/// The logs that have records in segments.
fn logs_of(folder: &Path, manifest: &Manifest) -> io::Result<Vec<u64>> {
    let mut logs = BTreeSet::new();
    for (number, total) in manifest.segments() {
        let file = File::open(folder.join(format!("segments/{number:016x}")))?;
        let mut trailer = [0; TRAILER_BYTES];
        file.read_exact_at(&mut trailer, total - TRAILER_BYTES as u64)?;
        let blocks = u32::from_le_bytes(trailer[4..8].try_into().unwrap_or_default());
        let at = u64::from_le_bytes(trailer[8..16].try_into().unwrap_or_default());
        let mut footer = vec![0; blocks as usize * FOOTER_ENTRY_BYTES];
        file.read_exact_at(&mut footer, at)?;
        let records = footer.chunks_exact(FOOTER_ENTRY_BYTES).filter(|entry| entry[8 + 20] == 1);
        logs.extend(
            records.map(|entry| u64::from_le_bytes(entry[8..16].try_into().unwrap_or_default())),
        );
    }
    match logs.is_empty() {
        true => Err(io::Error::other("the folder has no records in segments")),
        false => Ok(logs.into_iter().collect()),
    }
}

/// The newest manifest's bytes, without its checksum.
struct Manifest(Vec<u8>);

/// Where the fields of a manifest are.
const NUMBER_AT: usize = 8;
const SEGMENT_NEXT_AT: usize = 44;
const LISTS_AT: usize = 60;
const LANE_BYTES: usize = 36;
const SEGMENT_BYTES: usize = 48;

impl Manifest {
    fn read(folder: &Path) -> io::Result<Self> {
        let names = fs::read_dir(folder.join("manifest"))?.map(|entry| Ok(entry?.path()));
        let names: Vec<PathBuf> = names.collect::<io::Result<_>>()?;
        let whole = |path: &&PathBuf| path.extension().is_none();
        let newest = names.iter().filter(whole).max();
        let mut bytes = fs::read(newest.ok_or_else(|| io::Error::other("no manifest"))?)?;
        let crc = bytes.split_off(bytes.len().saturating_sub(4));
        if !bytes.starts_with(b"LVMF") || crc32c::crc32c(&bytes).to_le_bytes() != crc[..] {
            return Err(io::Error::other("the manifest is damaged"));
        }
        Ok(Manifest(bytes))
    }

    fn u64_at(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.0[at..at + 8].try_into().unwrap_or_default())
    }

    fn u32_at(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.0[at..at + 4].try_into().unwrap_or_default())
    }

    fn set_u64(&mut self, at: usize, value: u64) {
        self.0[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }

    fn next_segment(&mut self) -> u64 {
        let number = self.u64_at(SEGMENT_NEXT_AT);
        self.set_u64(SEGMENT_NEXT_AT, number + 1);
        number
    }

    /// Where the list of segments begins: at its count.
    fn segments_at(&self) -> usize {
        LISTS_AT + 4 + self.u32_at(LISTS_AT) as usize * LANE_BYTES
    }

    /// Numbers and lengths.
    fn segments(&self) -> Vec<(u64, u64)> {
        let at = self.segments_at();
        let items = (0..self.u32_at(at) as usize).map(|index| at + 4 + index * SEGMENT_BYTES);
        items.map(|at| (self.u64_at(at), self.u64_at(at + 8))).collect()
    }

    fn put_first(&mut self, count: u32, items: &[u8]) {
        let at = self.segments_at();
        let all = self.u32_at(at) + count;
        self.0[at..at + 4].copy_from_slice(&all.to_le_bytes());
        self.0.splice(at + 4..at + 4, items.iter().copied());
    }

    fn write(&mut self, folder: &Path) -> io::Result<()> {
        let number = self.u64_at(NUMBER_AT) + 1;
        self.set_u64(NUMBER_AT, number);
        let mut bytes = self.0.clone();
        bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        let path = folder.join(format!("manifest/{number:016x}"));
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all_at(&bytes, 0)?;
        file.sync_all()
    }
}
