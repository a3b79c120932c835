//! The manifest: what exists. Small, whole, numbered, put if absent.

use std::io;

use stdx::{Entropy, UnixMillis};

use crate::block::Home;
use crate::codec::Fields;
use crate::disk::{self, Disk};
use crate::error::OpenError;
use crate::id::{EPOCH_MAX, LogId, Position};
use crate::limits::MANIFEST_BYTES_MAX;
use crate::mutant::{self, Mutant};

pub(crate) const MANIFEST_FOLDER: &str = "manifest";
const MANIFEST_MAGIC: [u8; 4] = *b"LVMF";
const MANIFEST_VERSION: u16 = 1;
/// The bit above a quarantined place's epoch that says that its loss was accepted.
const ACCEPTED_BIT: u32 = 31;

/// Chunks of one process start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LaneState {
    pub(crate) lane: u64,
    pub(crate) nonce: u64,
    pub(crate) epoch: u32,
    /// Once sealed: chunks from this number on do not exist.
    pub(crate) seal: Option<u64>,
    /// Chunks below this number have been flushed.
    pub(crate) flushed_below: u64,
}

/// One segment file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SegmentState {
    pub(crate) number: u64,
    pub(crate) bytes_total: u64,
    /// The rows come first: this many blocks of them,
    pub(crate) row_blocks: u32,
    /// in this many bytes from the segment's start.
    pub(crate) row_bytes: u64,
    /// Whether those are all rows of all tables, so that earlier segments' rows do not matter.
    pub(crate) all_rows: bool,
    /// The retention class of all its logs; 0 if they are of several, or not known.
    pub(crate) class: u8,
    /// Whether a compaction wrote it: a flush does not write it again.
    pub(crate) compacted: bool,
    pub(crate) arrival_min: UnixMillis,
    pub(crate) arrival_max: UnixMillis,
}

/// Acknowledged data that is damaged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Quarantine {
    pub(crate) lane: u64,
    pub(crate) chunk: u64,
    /// The epoch of what is lost.
    pub(crate) epoch: u32,
    /// The log; `None` if the chunk's index is lost too and it may be any.
    pub(crate) log: Option<LogId>,
    pub(crate) first: Position,
    pub(crate) end: Position,
    /// Whether the operator has taken note of the loss: it is read over, and no longer reported.
    pub(crate) accepted: bool,
}

impl Quarantine {
    /// All of a segment. Number 0, which none has, stands for one that nobody knows.
    pub(crate) fn of_segment(number: u64) -> Self {
        let (lane, chunk) = (Home::SEGMENTS, number);
        let (first, end) = (Position::ZERO, Position::ZERO);
        Quarantine { lane, chunk, epoch: 0, log: None, first, end, accepted: false }
    }

    /// What people call it.
    pub(crate) fn name(&self) -> String {
        let Quarantine { lane, chunk, first, end, .. } = self;
        let whole = match *lane {
            Home::SEGMENTS if *chunk == 0 => "missing".to_owned(),
            Home::SEGMENTS => format!("segment {chunk}"),
            lane => format!("lane {lane} chunk {chunk}"),
        };
        match self.log {
            Some(log) if log.is_table() => format!("{whole}: rows of table {}", log.0),
            Some(log) => format!("{whole}: {log} from {first} to {end}"),
            None => format!("{whole}: all of it"),
        }
    }
}

/// What exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) number: u64,
    pub(crate) store: [u8; 16],
    pub(crate) epoch_next: u32,
    pub(crate) lane_next: u64,
    pub(crate) segment_next: u64,
    pub(crate) arrival_max: UnixMillis,
    pub(crate) lanes: Vec<LaneState>,
    pub(crate) segments: Vec<SegmentState>,
    pub(crate) quarantined: Vec<Quarantine>,
}

impl Manifest {
    /// A new folder's.
    pub(crate) fn new(entropy: &Entropy) -> Self {
        Manifest {
            number: 0,
            store: entropy.array(),
            epoch_next: 1,
            lane_next: 1,
            segment_next: 1,
            arrival_max: UnixMillis(0),
            lanes: Vec::new(),
            segments: Vec::new(),
            quarantined: Vec::new(),
        }
    }

    /// Whether a start needs rows of the segment at `index`.
    pub(crate) fn needs_rows_of(&self, index: usize) -> bool {
        let from = self.segments.iter().rposition(|segment| segment.all_rows).unwrap_or(0);
        index >= from && (self.segments[index].row_blocks > 0 || self.segments[index].all_rows)
    }

    /// Adds the next lane, in the next epoch.
    pub(crate) fn claim(&mut self, entropy: &Entropy) -> Result<LaneState, OpenError> {
        let lane = self.claim_as(self.lane_next, entropy.u64());
        let lane = lane.ok_or(OpenError::EpochsUsedUp)?;
        self.lanes.push(lane.clone());
        Ok(lane)
    }

    /// A lane under a number that has been claimed, in the next epoch; `None` if there is none. It is
    /// not listed yet.
    pub(crate) fn claim_as(&mut self, lane: u64, nonce: u64) -> Option<LaneState> {
        let epoch = self.epoch_next;
        if epoch > EPOCH_MAX {
            return None;
        }
        self.lane_next = self.lane_next.max(lane + 1);
        self.epoch_next += u32::from(!mutant::is_on(Mutant::ReuseEpoch));
        Some(LaneState { lane, nonce, epoch, seal: None, flushed_below: 1 })
    }

    /// Forgets lanes of which nothing is needed any more: sealed, and flushed to the seal.
    pub(crate) fn drop_finished_lanes(&mut self) {
        self.lanes.retain(|lane| lane.seal != Some(lane.flushed_below));
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&MANIFEST_MAGIC);
        out.extend_from_slice(&MANIFEST_VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        put_u64(&mut out, self.number);
        out.extend_from_slice(&self.store);
        put_u32(&mut out, self.epoch_next);
        put_u64(&mut out, self.lane_next);
        put_u64(&mut out, self.segment_next);
        put_u64(&mut out, self.arrival_max.0);
        put_u32(&mut out, self.lanes.len() as u32);
        for lane in &self.lanes {
            put_u64(&mut out, lane.lane);
            put_u64(&mut out, lane.nonce);
            put_u32(&mut out, lane.epoch);
            put_u64(&mut out, lane.seal.unwrap_or(u64::MAX));
            put_u64(&mut out, lane.flushed_below);
        }
        put_u32(&mut out, self.segments.len() as u32);
        for segment in &self.segments {
            put_u64(&mut out, segment.number);
            put_u64(&mut out, segment.bytes_total);
            put_u32(&mut out, segment.row_blocks);
            put_u64(&mut out, segment.row_bytes);
            let (all_rows, compacted) = (segment.all_rows, segment.compacted);
            let flags = u32::from(all_rows) | u32::from(compacted) << 1;
            put_u32(&mut out, flags | u32::from(segment.class) << 8);
            put_u64(&mut out, segment.arrival_min.0);
            put_u64(&mut out, segment.arrival_max.0);
        }
        put_u32(&mut out, self.quarantined.len() as u32);
        for place in &self.quarantined {
            put_u64(&mut out, place.lane);
            put_u64(&mut out, place.chunk);
            put_u32(&mut out, place.epoch | u32::from(place.accepted) << ACCEPTED_BIT);
            put_u64(&mut out, place.log.map_or(u64::MAX, |log| log.0));
            put_u64(&mut out, place.first.0);
            put_u64(&mut out, place.end.0);
        }
        let crc = crc32c::crc32c(&out);
        put_u32(&mut out, crc);
        out
    }

    /// Reads a manifest; `None` if it is not a whole one.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Manifest> {
        let (summed, crc) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
        if crc32c::crc32c(summed).to_le_bytes() != crc {
            return None;
        }
        let mut fields = Fields(summed);
        if fields.bytes(4)? != MANIFEST_MAGIC || fields.u16()? != MANIFEST_VERSION {
            return None;
        }
        let _reserved = fields.u16()?;
        let mut manifest = Manifest {
            number: fields.u64()?,
            store: fields.bytes(16)?.try_into().ok()?,
            epoch_next: fields.u32()?,
            lane_next: fields.u64()?,
            segment_next: fields.u64()?,
            arrival_max: UnixMillis(fields.u64()?),
            lanes: Vec::new(),
            segments: Vec::new(),
            quarantined: Vec::new(),
        };
        for _ in 0..fields.u32()? {
            manifest.lanes.push(decode_lane(&mut fields)?);
        }
        for _ in 0..fields.u32()? {
            manifest.segments.push(decode_segment(&mut fields)?);
        }
        for _ in 0..fields.u32()? {
            manifest.quarantined.push(decode_quarantine(&mut fields)?);
        }
        fields.0.is_empty().then_some(manifest)
    }
}

fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn decode_lane(fields: &mut Fields<'_>) -> Option<LaneState> {
    let (lane, nonce, epoch) = (fields.u64()?, fields.u64()?, fields.u32()?);
    let seal = Some(fields.u64()?).filter(|&seal| seal != u64::MAX);
    Some(LaneState { lane, nonce, epoch, seal, flushed_below: fields.u64()? })
}

fn decode_segment(fields: &mut Fields<'_>) -> Option<SegmentState> {
    let (number, bytes_total) = (fields.u64()?, fields.u64()?);
    let (row_blocks, row_bytes) = (fields.u32()?, fields.u64()?);
    let flags = fields.u32()?;
    Some(SegmentState {
        number,
        bytes_total,
        row_blocks,
        row_bytes,
        all_rows: flags & 1 == 1,
        class: (flags >> 8) as u8,
        compacted: flags & 2 == 2,
        arrival_min: UnixMillis(fields.u64()?),
        arrival_max: UnixMillis(fields.u64()?),
    })
}

fn decode_quarantine(fields: &mut Fields<'_>) -> Option<Quarantine> {
    let (lane, chunk, epoch) = (fields.u64()?, fields.u64()?, fields.u32()?);
    let log = Some(fields.u64()?).filter(|&log| log != u64::MAX).map(LogId);
    let (first, end) = (Position(fields.u64()?), Position(fields.u64()?));
    let accepted = epoch >> ACCEPTED_BIT == 1;
    let epoch = epoch & !(1 << ACCEPTED_BIT);
    Some(Quarantine { lane, chunk, epoch, log, first, end, accepted })
}

/// A manifest's name.
pub(crate) fn name_of(number: u64) -> String {
    format!("{MANIFEST_FOLDER}/{number:016x}")
}

/// The newest manifest; `None` in a new folder.
pub(crate) fn load(disk: &dyn Disk) -> Result<Option<Manifest>, OpenError> {
    let io = |source| OpenError::Io { doing: "read the manifest".into(), source };
    let names = disk.list(MANIFEST_FOLDER).map_err(io)?;
    let numbers = names.iter().filter_map(|name| parse_number(name));
    let Some(number) = numbers.max() else { return Ok(None) };
    let name = name_of(number);
    let damaged =
        |reason: &str| OpenError::Damaged { path: disk.path(&name), reason: reason.into() };
    let bytes = disk::read_small(disk, &name, MANIFEST_BYTES_MAX).map_err(io)?;
    let manifest = bytes.and_then(|bytes| Manifest::decode(&bytes));
    match manifest {
        Some(manifest) if manifest.number == number => Ok(Some(manifest)),
        Some(_) => Err(damaged("it carries another number")),
        None => Err(damaged("its checksum does not match")),
    }
}

/// Makes `manifest` the newest, under the next number, durably; then removes those before the last.
/// After an error it may be durable all the same, which the next commit then supersedes.
pub(crate) fn commit(disk: &dyn Disk, manifest: &mut Manifest) -> io::Result<()> {
    manifest.number += 1;
    disk.put_new(&name_of(manifest.number), &manifest.encode())?;
    for name in disk.list(MANIFEST_FOLDER).unwrap_or_default() {
        if parse_number(&name).is_some_and(|number| number + 1 < manifest.number) {
            let _tried_again_next_time = disk.remove(&format!("{MANIFEST_FOLDER}/{name}"));
        }
    }
    Ok(())
}

/// Whether a start would surely not find this number.
pub(crate) fn is_absent(disk: &dyn Disk, number: u64) -> bool {
    matches!(disk.open(&name_of(number)), Err(error) if error.kind() == io::ErrorKind::NotFound)
}

/// A number as files carry it: 16 hexadecimal digits.
pub(crate) fn parse_number(name: &str) -> Option<u64> {
    (name.len() == 16).then(|| u64::from_str_radix(name, 16).ok())?
}
