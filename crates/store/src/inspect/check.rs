//! `doctor`: every checksum, every row, every file, and what is wrong with them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use super::{Inspection, chunk_headers};
use crate::blob::{self, BLOB_FOLDER, Blob, list_blobs};
use crate::block::{self, BLOCK_HEADER_BYTES, BlockAt, BlockKind};
use crate::chunk::{CHUNK_HEADER_BYTES, ChunkHeader, FOOTER_ENTRY_BYTES, TRAILER_BYTES, Trailer};
use crate::disk::{Disk, DiskFile};
use crate::flush::quarantine;
use crate::format_file::{FORMAT_NAME, LOCK_NAME};
use crate::id::{LogId, Position};
use crate::limits::{CHUNK_ALIGN, PRIVATE_FILE_BYTES_MAX};
use crate::logs::{Chunk, LogRow};
use crate::manifest::{MANIFEST_FOLDER, Manifest, Quarantine, parse_number};
use crate::ring::RING_FOLDER;
use crate::room::RESERVE_NAME;
use crate::segment::{SEGMENT_FOLDER, SEGMENT_HEADER_BYTES, Segment, encode_header, name_of};
use crate::sequencer::LOGS_TABLE;
use crate::source::{BlockError, BlockSource};

/// What a finding means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingKind {
    /// Acknowledged data cannot be read.
    Damaged,
    /// Something is not what was written, and nothing is lost: it is told from the rest.
    Redundant,
    /// It was never acknowledged: a start cuts or removes it.
    Unacknowledged,
    /// Lost, and somebody has taken note.
    Accepted,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// What it means.
    pub kind: FindingKind,
    /// Where: a file of the folder, or a part of one.
    pub place: String,
    /// What.
    pub what: String,
    /// The name under which its loss can be accepted.
    pub name: Option<String>,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Segments,
    pub segments: u64,
    /// and their bytes.
    pub segment_bytes: u64,
    /// Lanes with unflushed chunks or no seal,
    pub lanes: u64,
    /// and their chunks.
    pub chunks: u64,
    /// Blocks of segments and chunks whose checksum was computed.
    pub blocks: u64,
    /// Records in them.
    pub records: u64,
    /// Rows in them, older versions too.
    pub rows: u64,
    /// Blobs that rows name,
    pub blobs: u64,
    /// and their bytes.
    pub blob_bytes: u64,
}

/// A folder's condition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examination {
    /// What was looked at.
    pub counted: Counted,
    /// What was found, the worst first.
    pub findings: Vec<Finding>,
    /// What is lost, by place.
    pub(crate) lost: Vec<Quarantine>,
}

impl Examination {
    /// Whether nothing is damaged.
    pub fn is_sound(&self) -> bool {
        let harmless = [FindingKind::Unacknowledged, FindingKind::Accepted];
        self.findings.iter().all(|finding| harmless.contains(&finding.kind))
    }
}

/// An examination as it goes.
struct Check<'a> {
    seen: &'a Inspection,
    counted: Counted,
    findings: BTreeSet<Finding>,
    /// Runs of records by log.
    runs: BTreeMap<LogId, Vec<(Position, Position)>>,
    /// What is known to be lost.
    lost: Vec<Quarantine>,
}

impl Inspection {
    /// Reads everything and says what is wrong.
    ///
    /// # Errors
    /// The operating system's, where it says nothing about the data.
    pub fn examine(&self) -> io::Result<Examination> {
        let mut check = Check {
            seen: self,
            counted: Counted::default(),
            findings: BTreeSet::new(),
            runs: BTreeMap::new(),
            lost: Vec::new(),
        };
        check.manifest()?;
        for place in self.recovered.condition.quarantined() {
            check.lose(place);
        }
        for (index, segment) in self.segments.list().iter().enumerate() {
            match check.segment(index, segment) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    // Beside a running process an old segment may go.
                    let newest = super::load_manifest(&*self.disk).ok();
                    let is_named = |newest: Manifest| newest.segments.contains(&segment.state);
                    if newest.is_none_or(is_named) {
                        check.lose_segment(index, "it is missing");
                    }
                }
                checked => checked?,
            }
        }
        check.lanes()?;
        check.holes();
        check.blobs()?;
        if !self.in_use() {
            check.files()?;
        }
        let Check { counted, findings, lost, .. } = check;
        Ok(Examination { counted, findings: findings.into_iter().collect(), lost })
    }
}

impl Check<'_> {
    fn disk(&self) -> &dyn Disk {
        &*self.seen.disk
    }

    fn find(&mut self, kind: FindingKind, place: &str, what: impl Into<String>) {
        let (place, what) = (place.to_owned(), what.into());
        self.findings.insert(Finding { kind, place, what, name: None });
    }

    fn damaged(&mut self, place: &str, what: &str) {
        self.find(FindingKind::Damaged, place, what);
    }

    /// Acknowledged data that cannot be read.
    fn lose(&mut self, place: Quarantine) {
        let whole = match place.lane {
            crate::block::Home::SEGMENTS => name_of(place.chunk),
            lane => format!("{RING_FOLDER}, lane {lane} chunk {}", place.chunk),
        };
        let kind = match place.accepted {
            true => FindingKind::Accepted,
            false => FindingKind::Damaged,
        };
        let (name, what) = (Some(place.name()), place.name());
        self.findings.insert(Finding { kind, place: whole, what, name });
        self.lost.push(place);
    }

    /// The manifest before the newest, which is kept for people.
    fn manifest(&mut self) -> io::Result<()> {
        if self.seen.in_use() {
            return Ok(());
        }
        for name in self.disk().list(MANIFEST_FOLDER)? {
            let path = format!("{MANIFEST_FOLDER}/{name}");
            let older = parse_number(&name).is_some_and(|own| own < self.seen.manifest.number);
            if older {
                let bytes =
                    crate::disk::read_small(self.disk(), &path, crate::limits::MANIFEST_BYTES_MAX)?;
                let whole = bytes.is_some_and(|bytes| Manifest::decode(&bytes).is_some());
                if !whole {
                    let what = "its checksum does not match; a newer one counts";
                    self.find(FindingKind::Redundant, &path, what);
                }
            }
        }
        Ok(())
    }

    /// A whole segment that cannot be read.
    fn lose_segment(&mut self, index: usize, what: &str) {
        let number = self.seen.manifest.segments[index].number;
        let needed = self.seen.manifest.needs_rows_of(index);
        let place = Quarantine::of_segment(number);
        let name = (!needed).then(|| place.name());
        let needed = if needed { ", and rows that a start needs with it" } else { "" };
        self.findings.insert(Finding {
            kind: FindingKind::Damaged,
            place: name_of(number),
            what: format!("{what}{needed}"),
            name,
        });
    }

    fn segment(&mut self, index: usize, segment: &Arc<Segment>) -> io::Result<()> {
        let (state, name) = (&segment.state, name_of(segment.state.number));
        let file = segment.file()?;
        self.counted.segments += 1;
        self.counted.segment_bytes += state.bytes_total;
        let length = file.length()?;
        if length < state.bytes_total {
            self.lose_segment(
                index,
                &format!("it ends after {length} of {} bytes", state.bytes_total),
            );
            return Ok(());
        }
        let mut header = [0; SEGMENT_HEADER_BYTES];
        file.read_at(&mut header, 0)?;
        if header != encode_header(state.number) {
            self.find(FindingKind::Redundant, &name, "its header is damaged; nothing rests on it");
        }
        let directory = match segment.read_directory()? {
            Some(directory) => directory,
            None => match segment.rebuild_directory()? {
                Some(directory) => {
                    let what = "its directory is damaged; it is made again from the blocks";
                    self.find(FindingKind::Redundant, &name, what);
                    directory
                }
                None => {
                    self.lose_segment(index, "its directory is damaged, and so are blocks of it");
                    return Ok(());
                }
            },
        };
        let end = directory.last().map_or(SEGMENT_HEADER_BYTES as u64, |block| {
            block.at + block.header.bytes_total() as u64
        });
        let footer_end = end + (directory.len() * FOOTER_ENTRY_BYTES) as u64;
        self.padding(&name, &*file, footer_end, state.bytes_total - TRAILER_BYTES as u64)?;
        let order = |block: &BlockAt| (block.header.kind == BlockKind::Records, block.header.log);
        if directory.windows(2).any(|pair| order(&pair[0]) > order(&pair[1])) {
            self.damaged(&name, "its blocks are not in order");
        }
        for block in &directory {
            self.own_header(&name, &*file, 0, block)?;
            self.block(&segment.source(block)?, &name, block)?;
        }
        Ok(())
    }

    /// Zeros that no checksum covers.
    fn padding(&mut self, name: &str, file: &dyn DiskFile, from: u64, to: u64) -> io::Result<()> {
        let mut bytes = vec![0; to.saturating_sub(from).min(CHUNK_ALIGN as u64 * 2) as usize];
        file.read_at(&mut bytes, from)?;
        if bytes.iter().any(|&byte| byte != 0) {
            self.find(FindingKind::Redundant, name, "its padding is not zero; nothing rests on it");
        }
        Ok(())
    }

    /// A block is read by its header's copy in the index; the one before it is for worse days.
    fn own_header(
        &mut self,
        name: &str,
        file: &dyn DiskFile,
        base: u64,
        block: &BlockAt,
    ) -> io::Result<()> {
        let mut bytes = [0; BLOCK_HEADER_BYTES];
        file.read_at(&mut bytes, base + block.at)?;
        if bytes != block.header.encode() {
            let what =
                format!("the header of the block at {} is damaged; its copy is used", block.at);
            self.find(FindingKind::Redundant, name, what);
        }
        Ok(())
    }

    fn block(&mut self, source: &BlockSource, name: &str, at: &BlockAt) -> io::Result<()> {
        let header = &source.header;
        self.counted.blocks += 1;
        let body = match source.load(true) {
            Ok(body) => body,
            Err(BlockError::Damaged) => {
                let place = quarantine(source);
                if !self.seen.recovered.condition.is_accepted(&place) {
                    self.lose(place);
                }
                return Ok(());
            }
            Err(BlockError::Io(error)) => return Err(error),
        };
        let undecodable = format!("the block at {} has a good checksum and no sense", at.at);
        match header.kind {
            BlockKind::Records => {
                self.counted.records += u64::from(header.count);
                if block::records(header, &body).any(|record| record.is_none()) {
                    self.damaged(name, &undecodable);
                }
                self.runs.entry(header.log).or_default().push((header.first, header.end()));
            }
            BlockKind::Rows => {
                self.counted.rows += u64::from(header.count);
                match block::rows(header, &body) {
                    None => self.damaged(name, &undecodable),
                    Some(rows) if header.log == LogId::table(LOGS_TABLE.0) => {
                        let decodes = |value: &bytes::Bytes| LogRow::decode(value).is_some();
                        let bad = rows.iter().any(|row| {
                            LogRow::log_of(&row.key).is_none()
                                || row.value.as_ref().is_some_and(|value| !decodes(value))
                        });
                        if bad {
                            self.damaged(name, "a row of the table of logs cannot be decoded");
                        }
                    }
                    Some(_) => {}
                }
            }
        }
        Ok(())
    }

    fn lanes(&mut self) -> io::Result<()> {
        self.counted.lanes = self.seen.lanes.len() as u64;
        for chunk in &self.seen.recovered.chunks {
            self.counted.chunks += 1;
            self.chunk(chunk)?;
        }
        if self.seen.in_use() {
            // What is being written now is nobody's fault.
            return Ok(());
        }
        for file in &self.seen.ring {
            for (_, header) in chunk_headers(&*file.file)? {
                let lane = self.seen.lanes.iter().find(|lane| {
                    lane.state.lane == header.home.lane && lane.state.nonce == header.nonce
                });
                if lane
                    .is_some_and(|lane| lane.state.seal.is_none() && header.home.number >= lane.end)
                {
                    let place = format!(
                        "{RING_FOLDER}, lane {} chunk {}",
                        header.home.lane, header.home.number
                    );
                    let what = "its write was cut short: it was never acknowledged";
                    self.find(FindingKind::Unacknowledged, &place, what);
                }
            }
        }
        Ok(())
    }

    fn chunk(&mut self, chunk: &Arc<Chunk>) -> io::Result<()> {
        let Some(place) = chunk.place() else { return Ok(()) };
        let name = format!("{RING_FOLDER}, lane {} chunk {}", chunk.home.lane, chunk.home.number);
        let file = &place.file.file;
        let mut head = [0; CHUNK_HEADER_BYTES];
        file.read_at(&mut head, place.at)?;
        match ChunkHeader::decode(&head).filter(|header| header.home == chunk.home) {
            None => {
                let what = "its header is damaged; it was found by its trailer";
                self.find(FindingKind::Redundant, &name, what);
            }
            Some(header) => {
                let mut end = vec![0; (header.bytes_total - header.footer_at) as usize];
                file.read_at(&mut end, place.at + u64::from(header.footer_at))?;
                let (footer, trailer) = end.split_at(end.len() - TRAILER_BYTES);
                let trailer = Trailer::decode(trailer).filter(|own| own.home == chunk.home);
                let whole = trailer.is_some_and(|trailer| {
                    let own = footer.get(..trailer.footer_bytes());
                    own.and_then(|own| trailer.blocks(own)).is_some()
                });
                if !whole {
                    let what = "its footer is damaged; it is read block by block";
                    self.find(FindingKind::Redundant, &name, what);
                } else if footer[chunk.blocks.len() * FOOTER_ENTRY_BYTES..].iter().any(|&b| b != 0)
                {
                    let what = "its padding is not zero; nothing rests on it";
                    self.find(FindingKind::Redundant, &name, what);
                }
            }
        }
        for (index, block) in chunk.blocks.iter().enumerate() {
            self.own_header(&name, &**file, place.at, block)?;
            self.block(&BlockSource::of_chunk(chunk, index), &name, block)?;
        }
        Ok(())
    }

    /// Within an epoch a log's positions have no holes, but for what is known to be lost.
    fn holes(&mut self) {
        let runs = std::mem::take(&mut self.runs);
        for (log, mut runs) in runs {
            let Some(entry) = self.seen.recovered.logs.get(log) else { continue };
            let (trimmed_below, end) = {
                let state = entry.state();
                (state.trimmed_below, state.end)
            };
            runs.extend(
                self.lost
                    .iter()
                    .filter(|lost| lost.log == Some(log))
                    .map(|lost| (lost.first, lost.end)),
            );
            runs.sort_unstable();
            let whole_chunks = self.lost.iter().filter(|lost| lost.log.is_none());
            let any: BTreeSet<u32> = whole_chunks.map(|lost| lost.epoch).collect();
            let mut expected = trimmed_below;
            for (first, run_end) in runs.into_iter().chain(end.map(|end| (end, end))) {
                let start = Position::new(first.epoch(), 0);
                let from = expected.max(start);
                if first > from && from >= trimmed_below && !any.contains(&first.epoch()) {
                    self.lose(Quarantine {
                        log: Some(log),
                        epoch: first.epoch(),
                        first: from,
                        end: first,
                        ..Quarantine::of_segment(0)
                    });
                }
                expected = expected.max(run_end);
            }
        }
    }

    /// What rows name, and what none names.
    fn blobs(&mut self) -> io::Result<()> {
        let live = self.seen.live_blobs();
        if !live.complete {
            self.damaged("tables 24 to 31", "the list of blobs that a row names has no sense");
        }
        let mut missing = Vec::new();
        for &Blob { id, bytes } in &live.blobs {
            let file = match self.disk().open(&blob::name_of(id)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    missing.push(id);
                    continue;
                }
                opened => opened?,
            };
            self.counted.blobs += 1;
            self.counted.blob_bytes += bytes;
            if blob::examine(&file, id, Some(bytes))?.is_none() {
                let what = "it is not what was written: what cannot be verified is not served";
                self.damaged(&blob::name_of(id), what);
            }
        }
        if !missing.is_empty() && self.seen.in_use() {
            // Beside a running process a blob may go with the row that named it.
            let named = self.seen.live_blobs_now();
            missing.retain(|id| named.iter().any(|blob| blob.id == *id));
        }
        for id in missing {
            self.damaged(&blob::name_of(id), "it is missing, and a row names it");
        }
        if !self.seen.in_use() && live.complete {
            let named: BTreeSet<_> = live.blobs.iter().map(|blob| blob.id).collect();
            for id in list_blobs(self.disk())?.into_iter().filter(|id| !named.contains(id)) {
                self.leftover(&blob::name_of(id), "no row names it");
            }
        }
        Ok(())
    }

    /// Files that nobody owns.
    fn files(&mut self) -> io::Result<()> {
        let segments = &self.seen.manifest.segments;
        for name in self.disk().list(SEGMENT_FOLDER)? {
            let number = parse_number(&name);
            if !segments.iter().any(|own| Some(own.number) == number) {
                self.leftover(&format!("{SEGMENT_FOLDER}/{name}"), "no manifest names it");
            }
        }
        for name in self.disk().list(MANIFEST_FOLDER)? {
            let number = parse_number(&name);
            if number.is_none_or(|number| number + 1 < self.seen.manifest.number) {
                self.leftover(&format!("{MANIFEST_FOLDER}/{name}"), "it was left half made");
            }
        }
        for name in self.disk().list(RING_FOLDER)? {
            if parse_number(&name).is_none() {
                self.leftover(&format!("{RING_FOLDER}/{name}"), "it is not levada's");
            }
        }
        let folders = [SEGMENT_FOLDER, MANIFEST_FOLDER, RING_FOLDER, BLOB_FOLDER, "lost+found"];
        let own = [FORMAT_NAME, LOCK_NAME, RESERVE_NAME];
        for name in self.disk().list("")? {
            if name.ends_with(".new") {
                self.leftover(&name, "it was left half made");
            } else if !own.iter().chain(&folders).any(|own| *own == name) {
                let small = self.disk().open(&name).and_then(|file| file.length());
                if !small.is_ok_and(|bytes| bytes <= PRIVATE_FILE_BYTES_MAX as u64) {
                    self.leftover(&name, "it is not levada's");
                }
            }
        }
        Ok(())
    }

    fn leftover(&mut self, place: &str, what: &str) {
        self.find(FindingKind::Unacknowledged, place, what);
    }
}
