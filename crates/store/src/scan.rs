//! Looking through the ring for the chunks of a lane.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use crate::block::{BlockAt, Home};
use crate::chunk::{self, CHUNK_HEADER_BYTES, ChunkHeader, TRAILER_BYTES, Trailer};
use crate::lane::Place;
use crate::limits::CHUNK_ALIGN;
use crate::manifest::LaneState;
use crate::ring::RingFile;
use crate::source::BlockSource;

/// A file is read in pieces of this size.
const WINDOW_BYTES: usize = 1024 * 1024;
const STEP: u64 = CHUNK_ALIGN as u64;

/// What a lane left in the ring, from the first unflushed chunk on.
#[derive(Debug, Default)]
pub(crate) struct LaneScan {
    pub(crate) chunks: Vec<FoundChunk>,
    /// Where the lane ends: the number of the first chunk that does not exist.
    pub(crate) end: u64,
}

/// One chunk, as far as it can be read.
#[derive(Debug)]
pub(crate) struct FoundChunk {
    pub(crate) home: Home,
    pub(crate) bytes_total: u64,
    /// Its place and blocks; `None` if it was acknowledged and its index is lost.
    pub(crate) found: Option<Found>,
    /// Where else it is. A start has copied what was perhaps not durable, and nobody knows which is
    /// which: none may be written over before all of it is flushed.
    pub(crate) copies: Vec<Place>,
}

/// A chunk's header and where it was.
#[derive(Clone, Debug)]
struct Head {
    header: ChunkHeader,
    place: Place,
}

/// The lanes' unflushed chunks, lane by lane as in `lanes`.
pub(crate) fn scan(
    files: &[Arc<RingFile>],
    lanes: &[LaneState],
    verify: bool,
) -> io::Result<Vec<LaneScan>> {
    let mut heads: BTreeMap<Home, Vec<Head>> = BTreeMap::new();
    let files = worth_scanning(files, lanes)?;
    for file in &files {
        for head in scan_file(file, lanes)? {
            heads.entry(head.header.home).or_default().push(head);
        }
    }
    lanes.iter().map(|lane| assemble(lane, &heads, &files, verify)).collect()
}

/// Files that may hold unflushed chunks, by their first page.
fn worth_scanning(files: &[Arc<RingFile>], lanes: &[LaneState]) -> io::Result<Vec<Arc<RingFile>>> {
    let mut worth = Vec::new();
    // A lane's flushed chunks need no look, but its first unflushed one may lie behind some.
    let mut partly: BTreeMap<u64, (u64, Arc<RingFile>)> = BTreeMap::new();
    for file in files {
        let mut page = vec![0; CHUNK_ALIGN.min(file.bytes as usize)];
        file.file.read_at(&mut page, 0)?;
        let Some(header) = ChunkHeader::decode(&page) else {
            if page.iter().any(|&byte| byte != 0) {
                worth.push(Arc::clone(file));
            }
            continue;
        };
        let Home { lane, number } = header.home;
        let known = lanes.iter().find(|state| state.lane == lane && state.nonce == header.nonce);
        let Some(known) = known else { continue };
        if number >= known.flushed_below {
            worth.push(Arc::clone(file));
        } else if partly.get(&lane).is_none_or(|(first, _)| *first < number) {
            partly.insert(lane, (number, Arc::clone(file)));
        }
    }
    worth.extend(partly.into_values().map(|(_, file)| file));
    Ok(worth)
}

/// Every header of an unflushed chunk in a file. After a bad one the next is looked for, step by step.
fn scan_file(file: &Arc<RingFile>, lanes: &[LaneState]) -> io::Result<Vec<Head>> {
    let mut window = Window::new(file);
    let mut heads = Vec::new();
    let mut at = 0;
    while at + STEP <= file.bytes {
        let header = ChunkHeader::decode(window.get(at, CHUNK_HEADER_BYTES)?);
        let header = header.filter(|header| at + u64::from(header.bytes_total) <= file.bytes);
        let Some(header) = header.filter(|header| exists(header, lanes)) else {
            at += STEP;
            continue;
        };
        let place = Place { file: Arc::clone(file), at };
        at += u64::from(header.bytes_total);
        heads.push(Head { header, place });
    }
    Ok(heads)
}

/// Whether such a chunk is there by the manifest: of a lane that is known, unflushed, not beyond a seal.
fn exists(header: &ChunkHeader, lanes: &[LaneState]) -> bool {
    lanes.iter().any(|lane| {
        lane.lane == header.home.lane
            && lane.nonce == header.nonce
            && header.home.number >= lane.flushed_below
            && lane.seal.is_none_or(|seal| header.home.number < seal)
    })
}

/// A lane's chunks in order, by the decision table of `docs/format.md`.
fn assemble(
    lane: &LaneState,
    heads: &BTreeMap<Home, Vec<Head>>,
    files: &[Arc<RingFile>],
    verify: bool,
) -> io::Result<LaneScan> {
    let home = |number| Home { lane: lane.lane, number };
    let last = heads.range(home(0)..=home(u64::MAX)).next_back().map(|(home, _)| home.number);
    let mut scan = LaneScan { chunks: Vec::new(), end: lane.flushed_below };
    let proven_end = lane.seal.unwrap_or(last.unwrap_or(lane.flushed_below));
    for number in lane.flushed_below..proven_end {
        let own = heads.get(&home(number)).map_or(&[][..], Vec::as_slice);
        let (mut found, copies) = read_copies(own, home(number), verify)?;
        if found.is_none() {
            found = find_by_trailer(home(number), files)?;
        }
        let bytes_total = own.first().map_or(0, |head| u64::from(head.header.bytes_total));
        scan.chunks.push(FoundChunk { home: home(number), bytes_total, found, copies });
        scan.end = number + 1;
    }
    if lane.seal.is_none()
        && let Some(own) = last.and_then(|last| heads.get(&home(last)))
    {
        let ChunkHeader { home, bytes_total, .. } = own[0].header;
        let (found, copies) = read_copies(own, home, verify)?;
        if let Some((place, blocks)) = &found
            && (!verify || are_whole(place, home, blocks)?)
        {
            let bytes_total = u64::from(bytes_total);
            scan.chunks.push(FoundChunk { home, bytes_total, found, copies });
            scan.end = home.number + 1;
        }
    }
    Ok(scan)
}

/// A chunk and its blocks, as found in a place.
type Found = (Place, Vec<BlockAt>);

/// A chunk that may be in several places: a whole one, if there is one, and where the others are.
fn read_copies(own: &[Head], home: Home, verify: bool) -> io::Result<(Option<Found>, Vec<Place>)> {
    let mut copies = Vec::new();
    for head in own {
        copies.extend(read_chunk(head)?);
    }
    if verify && copies.len() > 1 {
        for index in 0..copies.len() {
            if are_whole(&copies[index].0, home, &copies[index].1)? {
                copies.swap(0, index);
                break;
            }
        }
    }
    let mut copies = copies.into_iter();
    let best = copies.next();
    Ok((best, copies.map(|(place, _)| place).collect()))
}

/// A chunk's blocks by its footer, or one after the other if that is lost.
fn read_chunk(head: &Head) -> io::Result<Option<Found>> {
    let Head { header, place } = head;
    let mut bytes = vec![0; (header.bytes_total - header.footer_at) as usize];
    place.file.file.read_at(&mut bytes, place.at + u64::from(header.footer_at))?;
    let trailer = Trailer::decode(&bytes[bytes.len() - TRAILER_BYTES..]);
    let trailer = trailer.filter(|trailer| {
        trailer.home == header.home && trailer.footer_at == u64::from(header.footer_at)
    });
    let listed = trailer.and_then(|trailer| trailer.blocks(&bytes[..trailer.footer_bytes()]));
    if let Some(blocks) = listed {
        return Ok(Some((place.clone(), blocks)));
    }
    let mut chunk = vec![0; header.bytes_total as usize];
    place.file.file.read_at(&mut chunk, place.at)?;
    Ok(chunk::walk_blocks(header, &chunk).map(|blocks| (place.clone(), blocks)))
}

/// Whether every block is the one that was written.
fn are_whole(place: &Place, home: Home, blocks: &[BlockAt]) -> io::Result<bool> {
    for block in blocks {
        let at = place.at + block.at;
        let source = BlockSource::of_file(&place.file.file, home, at, block.header.clone());
        match source.load(true) {
            Ok(_) => {}
            Err(crate::source::BlockError::Damaged) => return Ok(false),
            Err(crate::source::BlockError::Io(error)) => return Err(error),
        }
    }
    Ok(true)
}

/// A chunk whose header is lost, by its end.
fn find_by_trailer(home: Home, files: &[Arc<RingFile>]) -> io::Result<Option<Found>> {
    for file in files {
        let mut window = Window::new(file);
        let mut end = STEP;
        while end <= file.bytes {
            let trailer = Trailer::decode(window.get(end - TRAILER_BYTES as u64, TRAILER_BYTES)?);
            if let Some(trailer) = trailer.filter(|trailer| trailer.home == home)
                && let Some(at) = end.checked_sub(trailer.bytes_total)
            {
                let mut footer = vec![0; trailer.footer_bytes()];
                file.file.read_at(&mut footer, at + trailer.footer_at)?;
                if let Some(blocks) = trailer.blocks(&footer) {
                    return Ok(Some((Place { file: Arc::clone(file), at }, blocks)));
                }
            }
            end += STEP;
        }
    }
    Ok(None)
}

/// A file, read in large pieces from front to back.
struct Window<'a> {
    file: &'a RingFile,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a> Window<'a> {
    fn new(file: &'a RingFile) -> Self {
        Window { file, start: 0, bytes: Vec::new() }
    }

    fn get(&mut self, at: u64, count: usize) -> io::Result<&[u8]> {
        let held = at >= self.start && at + count as u64 <= self.start + self.bytes.len() as u64;
        if !held {
            self.start = at / STEP * STEP;
            let length = (self.file.bytes - self.start).min(WINDOW_BYTES as u64);
            self.bytes.resize(length as usize, 0);
            self.file.file.read_at(&mut self.bytes, self.start)?;
        }
        let from = (at - self.start) as usize;
        Ok(&self.bytes[from..from + count])
    }
}
