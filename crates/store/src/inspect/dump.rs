//! `cat`: one file of a folder, piece by piece.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use stdx::UnixMillis;

use super::chunk_headers;
use crate::block::{self, BlockAt, BlockHeader, BlockKind, Home};
use crate::chunk::{ChunkHeader, FOOTER_ENTRY_BYTES, TRAILER_BYTES, Trailer, walk_blocks};
use crate::disk::{Disk, DiskFile, RealDisk};
use crate::id::{LogId, Position};
use crate::limits::MANIFEST_BYTES_MAX;
use crate::logs::LogRow;
use crate::manifest::{Manifest, SegmentState};
use crate::segment::{SEGMENT_HEADER_BYTES, Segment};
use crate::sequencer::LOGS_TABLE;
use crate::source::{BlockError, BlockSource};

/// One piece of a file.
#[derive(Clone, Debug)]
pub enum DumpItem {
    /// What the file is, and something about it.
    File {
        /// `segment`, `ring` or `manifest`.
        kind: &'static str,
        /// Its bytes.
        bytes: u64,
        /// Fields by name, as text.
        fields: Vec<(&'static str, String)>,
    },
    /// A chunk of a ring file; its blocks follow.
    Chunk {
        /// Where it begins.
        at: u64,
        /// Its lane.
        lane: u64,
        /// Its number in the lane.
        number: u64,
        /// Its bytes with padding.
        bytes: u32,
        /// The lane's epoch.
        epoch: u32,
        /// When everything in it arrived.
        arrival: UnixMillis,
    },
    /// A block; its entries follow.
    Block {
        /// Where it begins in the file.
        at: u64,
        /// The log, or the table's.
        log: LogId,
        /// The first entry's position (zero for rows in a segment).
        first: Position,
        /// Above the last entry.
        end: Position,
        /// How many entries.
        count: u32,
        /// Bytes with its header.
        bytes: u64,
        /// The earliest arrival,
        arrival_min: UnixMillis,
        /// and the latest.
        arrival_max: UnixMillis,
        /// Whether its checksum is right; otherwise no entries follow.
        whole: bool,
    },
    /// A record.
    Record {
        /// Its log.
        log: LogId,
        /// Its position.
        position: Position,
        /// When it arrived.
        arrival: UnixMillis,
        /// Its bytes.
        payload: Bytes,
    },
    /// A row, or its deletion.
    Row {
        /// The table.
        table: u8,
        /// The position of the entry that wrote it.
        version: u64,
        /// Its key.
        key: Bytes,
        /// Its value; `None` for a deletion.
        value: Option<Bytes>,
        /// What it says, if it is a row of the store's own.
        says: Option<String>,
    },
}

/// Shows a file of a data folder, piece by piece, until `show` says `false`.
///
/// # Errors
/// If it cannot be read, or is none of the files that the store writes.
pub fn dump(path: &Path, show: &mut dyn FnMut(DumpItem) -> bool) -> io::Result<()> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(parent.unwrap_or(Path::new(".")))?);
    let file = disk.open(name)?;
    let mut magic = [0; 4];
    file.read_at(&mut magic, 0)?;
    match &magic {
        b"LVSG" => dump_segment(disk, &file, show).map(drop),
        b"LVMF" => dump_manifest(&*disk, name, show).map(drop),
        b"LVCK" | [0, 0, 0, 0] => dump_ring(&file, show).map(drop),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is neither a segment, nor a file of the ring, nor a manifest",
        )),
    }
}

type Show<'a> = &'a mut dyn FnMut(DumpItem) -> bool;

fn dump_segment(disk: Arc<dyn Disk>, file: &Arc<dyn DiskFile>, show: Show<'_>) -> io::Result<bool> {
    let bytes = file.length()?;
    let mut header = [0; SEGMENT_HEADER_BYTES];
    file.read_at(&mut header, 0)?;
    let number = u64::from_le_bytes(header[8..16].try_into().unwrap_or_default());
    let state = SegmentState { number, bytes_total: bytes, ..SegmentState::default() };
    let segment = Segment::of_file(disk, Arc::clone(file), state);
    let (directory, said) = match segment.read_directory()? {
        Some(directory) => (Some(directory), "whole"),
        None => (segment.rebuild_directory()?, "damaged"),
    };
    let blocks = directory.as_ref().map_or(0, Vec::len);
    let fields = vec![
        ("number", number.to_string()),
        ("directory", said.to_owned()),
        ("blocks", blocks.to_string()),
    ];
    if !show(DumpItem::File { kind: "segment", bytes, fields }) {
        return Ok(false);
    }
    for block in directory.unwrap_or_default() {
        if !dump_block(file, segment.home(), 0, &block, show)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn dump_block(
    file: &Arc<dyn DiskFile>,
    home: Home,
    base: u64,
    block: &BlockAt,
    show: Show<'_>,
) -> io::Result<bool> {
    let at = base + block.at;
    let source = BlockSource::of_file(file, home, at, block.header.clone());
    let loaded = match source.load(true) {
        Ok(body) => Some(body),
        Err(BlockError::Damaged) => None,
        Err(BlockError::Io(error)) => return Err(error),
    };
    let header = &block.header;
    let item = DumpItem::Block {
        at,
        log: header.log,
        first: header.first,
        end: header.end(),
        count: header.count,
        bytes: header.bytes_total() as u64,
        arrival_min: header.arrival_min,
        arrival_max: header.arrival_max,
        whole: loaded.is_some(),
    };
    if !show(item) {
        return Ok(false);
    }
    Ok(loaded.is_none_or(|body| dump_entries(header, &body, show)))
}

fn dump_entries(header: &BlockHeader, body: &Bytes, show: Show<'_>) -> bool {
    match header.kind {
        BlockKind::Records => block::records(header, body).flatten().all(|record| {
            show(DumpItem::Record {
                log: header.log,
                position: record.position,
                arrival: record.arrival,
                payload: record.payload,
            })
        }),
        BlockKind::Rows => block::rows(header, body).unwrap_or_default().into_iter().all(|row| {
            let of_logs = header.log == LogId::table(LOGS_TABLE.0);
            let says = of_logs.then(|| say_log_row(&row.key, row.value.as_ref()));
            show(DumpItem::Row {
                table: header.log.0 as u8,
                version: row.version,
                key: row.key,
                value: row.value,
                says,
            })
        }),
    }
}

fn say_log_row(key: &Bytes, value: Option<&Bytes>) -> String {
    let log = LogRow::log_of(key).map_or("no log".to_owned(), |log| log.to_string());
    match value.map(|value| LogRow::decode(value)) {
        None => format!("{log} is gone"),
        Some(None) => format!("{log} cannot be decoded"),
        Some(Some(LogRow { end, trimmed_below })) => match end {
            None => format!("{log} open, trimmed below {trimmed_below}"),
            Some(end) => format!("{log} closed at {end}, trimmed below {trimmed_below}"),
        },
    }
}

fn dump_ring(file: &Arc<dyn DiskFile>, show: Show<'_>) -> io::Result<bool> {
    let bytes = file.length()?;
    let found = chunk_headers(&**file)?;
    let fields = vec![("chunks", found.len().to_string())];
    if !show(DumpItem::File { kind: "ring", bytes, fields }) {
        return Ok(false);
    }
    for (at, header) in found {
        let item = DumpItem::Chunk {
            at,
            lane: header.home.lane,
            number: header.home.number,
            bytes: header.bytes_total,
            epoch: header.epoch,
            arrival: header.arrival,
        };
        if !show(item) {
            return Ok(false);
        }
        let mut chunk = vec![0; header.bytes_total as usize];
        file.read_at(&mut chunk, at)?;
        for block in listed_blocks(&header, &chunk) {
            if !dump_block(file, header.home, at, &block, show)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// A chunk's blocks by its footer, else by themselves.
fn listed_blocks(header: &ChunkHeader, chunk: &[u8]) -> Vec<BlockAt> {
    let listed = || {
        let trailer = Trailer::decode(&chunk[chunk.len() - TRAILER_BYTES..])?;
        let from = header.footer_at as usize;
        let to = from + trailer.blocks as usize * FOOTER_ENTRY_BYTES;
        trailer.blocks(chunk.get(from..to)?)
    };
    listed().or_else(|| walk_blocks(header, chunk)).unwrap_or_default()
}

fn dump_manifest(disk: &dyn Disk, name: &str, show: Show<'_>) -> io::Result<bool> {
    let bytes = crate::disk::read_small(disk, name, MANIFEST_BYTES_MAX)?.unwrap_or_default();
    let length = bytes.len() as u64;
    let Some(manifest) = Manifest::decode(&bytes) else {
        let what = "the manifest's checksum does not match";
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    };
    let mut fields = vec![
        ("number", manifest.number.to_string()),
        ("store", manifest.store.iter().map(|byte| format!("{byte:02x}")).collect()),
        ("next epoch", manifest.epoch_next.to_string()),
        ("next lane", manifest.lane_next.to_string()),
        ("next segment", manifest.segment_next.to_string()),
    ];
    for lane in &manifest.lanes {
        let seal = lane.seal.map_or("open".to_owned(), |seal| format!("sealed at {seal}"));
        let (number, epoch, flushed) = (lane.lane, lane.epoch, lane.flushed_below);
        fields.push(("lane", format!("{number}: epoch {epoch}, {seal}, flushed below {flushed}")));
    }
    for segment in &manifest.segments {
        let rows = if segment.all_rows { "all rows" } else { "changed rows" };
        let (number, bytes) = (segment.number, segment.bytes_total);
        let said = format!("{number}: {bytes} bytes, {rows} in {} blocks", segment.row_blocks);
        fields.push(("segment", said));
    }
    for place in &manifest.quarantined {
        let accepted = if place.accepted { " (accepted)" } else { "" };
        fields.push(("quarantined", format!("{}{accepted}", place.name())));
    }
    Ok(show(DumpItem::File { kind: "manifest", bytes: length, fields }))
}
