//! Making a backup of a folder, whether or not a process runs on it.
//!
//! Nothing is asked of that process. Segments never change and stay readable through a file that is open;
//! a file of the ring is used again only after a manifest says that its chunks are in a segment. So: the
//! lane's chunks are read first, then the newest manifest counts. A chunk that it calls flushed is in its
//! segments; any other was not touched meanwhile, and whatever had been acknowledged before the reading
//! began was seen. What was written after that may be seen in part: each lane is cut at its first hole.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use stdx::Clock;

use super::blobs::{MomentBlobs, Present};
use super::point::{BlobCopy, Point, SegmentCopy, lane_name, point_name};
use super::vault::Vault;
use super::{BackupError, BackupPlace, doing};
use crate::blob;
use crate::disk::{self, Disk, DiskFile, RealDisk};
use crate::flush::quarantine;
use crate::format_file::{self, FORMAT_NAME, LOCK_NAME};
use crate::id::Position;
use crate::inspect::{chunk_headers, load_manifest, ring_files};
use crate::limits::{BACKUP_FILES_OPEN_MAX, INSPECTION_TRIES_MAX, PRIVATE_FILE_BYTES_MAX};
use crate::manifest::{LaneState, Manifest, Quarantine, SegmentState};
use crate::recover;
use crate::scan::{self, FoundChunk};
use crate::segment::name_of;
use crate::source::{BlockError, BlockSource};

/// How to make a backup.
#[derive(Clone, Debug, Default)]
pub struct BackupOptions {
    /// Give segments a second name instead of copying them, where the folder of backups is on the same
    /// file system.
    pub link: bool,
    /// Remove all but this many of the newest backups.
    pub keep: Option<usize>,
    /// Small files of the folder that mean nothing elsewhere.
    pub leave_out: Vec<String>,
}

/// A backup that was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackedUp {
    /// Its number.
    pub point: u64,
    /// Whether a process was running on the folder.
    pub in_use: bool,
    /// Segments in it,
    pub segments: usize,
    /// and their bytes;
    pub segment_bytes: u64,
    /// those that no earlier backup had,
    pub copied_segments: usize,
    /// and their bytes.
    pub copied_bytes: u64,
    /// Blobs in it,
    pub blobs: usize,
    /// and the bytes of their files;
    pub blob_bytes: u64,
    /// those that the place had not yet,
    pub copied_blobs: usize,
    /// and their bytes.
    pub copied_blob_bytes: u64,
    /// Bytes of chunks that no segment had.
    pub lane_bytes: u64,
    /// Older backups that were removed.
    pub removed: usize,
    /// What was damaged in the folder, and is in the backup.
    pub damaged: Vec<String>,
}

/// Backs a folder up: everything that was acknowledged before the call is in it.
///
/// # Errors
/// See [`BackupError`]. What was there before is not touched.
pub fn back_up(
    folder: &Path,
    place: &BackupPlace,
    options: &BackupOptions,
) -> Result<BackedUp, BackupError> {
    if !folder.is_dir() {
        let source = io::Error::from(io::ErrorKind::NotFound);
        return Err(recover::doing(&format!("look into {}", folder.display()))(source).into());
    }
    let disk = RealDisk::new(folder).map_err(recover::doing("open the data folder"))?;
    let disk: Arc<dyn Disk> = Arc::new(disk);
    save(&disk, &Vault::open(place)?, options)
}

pub(crate) fn save(
    disk: &Arc<dyn Disk>,
    vault: &Vault,
    options: &BackupOptions,
) -> Result<BackedUp, BackupError> {
    let lock = format_file::look(&**disk)?;
    let _others_wait = vault.claim()?;
    let mut seen = Moment::find(disk, vault)?;
    let mut copied = Copied::default();
    let mut looks = 1;
    while !seen.copy(disk, vault, options.link, &mut copied)? {
        if looks == INSPECTION_TRIES_MAX {
            return Err(BackupError::Restless);
        }
        looks += 1;
        seen = Moment::find(disk, vault)?;
    }
    let mut damaged = std::mem::take(&mut seen.blobs.lost);
    let number = vault.points()?.last().map_or(1, |last| last + 1);
    let point = seen.put(disk, vault, number, &options.leave_out)?;
    let removed = options.keep.map_or(Ok(0), |keep| vault.prune(keep.max(1)))?;
    let quarantined: BTreeSet<&Quarantine> = point.manifest.quarantined.iter().collect();
    damaged.extend(quarantined.iter().filter(|own| !own.accepted).map(|own| own.name()));
    damaged.extend(point.blobs.iter().filter(|own| own.damaged).map(|own| own.id.to_string()));
    copied.segments.retain(|copy| point.segments.contains(copy));
    copied.blobs.retain(|copy| point.blobs.iter().any(|own| own.name() == copy.name()));
    Ok(BackedUp {
        point: number,
        in_use: lock.is_none(),
        segments: point.segments.len(),
        segment_bytes: point.segments.iter().map(|copy| copy.bytes).sum(),
        copied_segments: copied.segments.len(),
        copied_bytes: copied.segments.iter().map(|copy| copy.bytes).sum(),
        blobs: point.blobs.len(),
        blob_bytes: point.blobs.iter().map(|copy| copy.bytes).sum(),
        copied_blobs: copied.blobs.len(),
        copied_blob_bytes: copied.blobs.iter().map(|copy| copy.bytes).sum(),
        lane_bytes: point.lane_bytes,
        removed,
        damaged,
    })
}

/// What a backup has copied.
#[derive(Default)]
struct Copied {
    segments: Vec<SegmentCopy>,
    blobs: Vec<BlobCopy>,
}

/// One moment of a folder.
struct Moment {
    /// Its lanes are sealed where their copied chunks end.
    manifest: Manifest,
    segments: Vec<SegmentCopy>,
    /// Those that the place of backups has not, open while there are not too many.
    missing: Vec<(SegmentCopy, Option<Arc<dyn DiskFile>>)>,
    blobs: MomentBlobs,
    chunks: Bytes,
}

impl Moment {
    fn find(disk: &Arc<dyn Disk>, vault: &Vault) -> Result<Moment, BackupError> {
        let present: BTreeSet<String> = vault.list("segments")?.into_iter().collect();
        let mut blobs = Present::find(vault)?;
        for _ in 0..INSPECTION_TRIES_MAX {
            if let Some(moment) = Moment::look(disk, &present, &mut blobs)? {
                return Ok(moment);
            }
        }
        Err(BackupError::Restless)
    }

    /// `None` if too much happened meanwhile.
    fn look(
        disk: &Arc<dyn Disk>,
        present: &BTreeSet<String>,
        blobs: &mut Present,
    ) -> Result<Option<Moment>, BackupError> {
        let Some(before) = newest(disk)? else { return Ok(None) };
        let lanes = Lanes::read(disk, &before.lanes).map_err(doing("read the ring"))?;
        let Some(lanes) = lanes else { return Ok(None) };
        let Some(mut manifest) = newest(disk)? else { return Ok(None) };
        let mut chunks = Vec::new();
        for lane in &mut manifest.lanes {
            let Some(own) = lanes.0.get(&lane.lane) else { return Ok(None) };
            lane.seal = Some(own.copy_from(lane, &mut chunks, &mut manifest.quarantined));
        }
        manifest.drop_finished_lanes();
        let (segments, missing, chunks) = (Vec::new(), Vec::new(), Bytes::from(chunks));
        let mut moment =
            Moment { manifest, segments, missing, blobs: MomentBlobs::default(), chunks };
        for state in moment.manifest.segments.clone() {
            match moment.add_segment(disk, &state, present) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let newest = newest(disk)?;
                    if newest.is_some_and(|newest| newest.segments.contains(&state)) {
                        let path = disk.path(&name_of(state.number));
                        let reason = "it is missing or cut short".to_owned();
                        return Err(crate::OpenError::Damaged { path, reason }.into());
                    }
                    return Ok(None);
                }
                added => added.map_err(doing("read a segment"))?,
            }
        }
        let found = MomentBlobs::find(disk, &moment.manifest, &moment.chunks, blobs)?;
        Ok(found.map(|found| Moment { blobs: found, ..moment }))
    }

    /// Copies what the place of backups has not; `false` if something went away: what came in its place?
    fn copy(
        &mut self,
        disk: &Arc<dyn Disk>,
        vault: &Vault,
        link: bool,
        copied: &mut Copied,
    ) -> Result<bool, BackupError> {
        while let Some((copy, file)) = self.blobs.missing.pop() {
            let Some(file) = held_or_open(disk, file, &blob::name_of(copy.id))? else {
                return Ok(false);
            };
            vault.copy_blob(&**disk, &copy, &file, link)?;
            if !vault.verify_blob(&copy)? {
                self.blobs.mark_damaged(&copy);
            }
            copied.blobs.push(copy);
        }
        while let Some((copy, file)) = self.missing.pop() {
            let name = name_of(copy.number);
            let Some(file) = held_or_open(disk, file, &name)? else { return Ok(false) };
            vault.copy_in(&copy, &file, link.then(|| disk.path(&name)))?;
            self.manifest.quarantined.extend(vault.verify(&copy)?);
            copied.segments.push(copy);
        }
        Ok(true)
    }

    fn add_segment(
        &mut self,
        disk: &Arc<dyn Disk>,
        state: &SegmentState,
        present: &BTreeSet<String>,
    ) -> io::Result<()> {
        let file = disk.open(&name_of(state.number))?;
        let mut mark = [0; 4];
        file.read_at(&mut mark, state.bytes_total.saturating_sub(4)).map_err(
            |error| match error.kind() {
                io::ErrorKind::UnexpectedEof => io::Error::from(io::ErrorKind::NotFound),
                _ => error,
            },
        )?;
        let mark = u32::from_le_bytes(mark);
        let copy = SegmentCopy { number: state.number, mark, bytes: state.bytes_total };
        self.segments.push(copy);
        let name = copy.name();
        if !present.contains(name.trim_start_matches("segments/")) {
            let held = self.missing.len() < BACKUP_FILES_OPEN_MAX;
            self.missing.push((copy, held.then_some(file)));
        }
        Ok(())
    }

    /// Puts the chunks, and then the point.
    fn put(
        mut self,
        disk: &Arc<dyn Disk>,
        vault: &Vault,
        number: u64,
        leave_out: &[String],
    ) -> Result<Point, BackupError> {
        self.manifest.quarantined.sort();
        self.manifest.quarantined.dedup();
        let point = Point {
            number,
            created: Clock::system().wall(),
            manifest: self.manifest,
            segments: self.segments,
            lane_bytes: self.chunks.len() as u64,
            lane_crc: crc32c::crc32c(&self.chunks),
            files: small_files(&**disk, leave_out).map_err(doing("read the folder's files"))?,
            blobs: self.blobs.copies,
        };
        // An interrupted backup may have left one of this number, of another moment.
        let chunks = lane_name(number);
        vault.remove(&chunks).map_err(doing("remove what was left half made"))?;
        vault
            .put(&chunks, |file| file.write_at(&self.chunks, 0))
            .map_err(doing("copy the lane into the backup"))?;
        vault
            .disk
            .put_new(&point_name(number), &point.encode())
            .map_err(doing("write the backup's point"))?;
        Ok(point)
    }
}

/// A file; `None` if it has gone. Not all are held open where there are many.
fn held_or_open(
    disk: &Arc<dyn Disk>,
    file: Option<Arc<dyn DiskFile>>,
    name: &str,
) -> Result<Option<Arc<dyn DiskFile>>, BackupError> {
    match file.map_or_else(|| disk.open(name), Ok) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some).map_err(doing(format!("open {name}"))),
    }
}

/// The newest manifest; `None` if it was replaced while it was read.
fn newest(disk: &Arc<dyn Disk>) -> Result<Option<Manifest>, BackupError> {
    match load_manifest(&**disk) {
        Ok(manifest) => Ok(Some(manifest)),
        Err(error) => match load_manifest(&**disk) {
            Ok(manifest) => Ok(Some(manifest)),
            Err(_) => Err(error.into()),
        },
    }
}

/// The folder's small files: keys and certificates.
fn small_files(disk: &dyn Disk, leave_out: &[String]) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for name in disk.list("")? {
        let ours = [FORMAT_NAME, LOCK_NAME].contains(&name.as_str());
        if ours || name.ends_with(".new") || leave_out.contains(&name) {
            continue;
        }
        // Folders, and what is no small file, are not the store's.
        if let Ok(Some(bytes)) = disk::read_small(disk, &name, PRIVATE_FILE_BYTES_MAX) {
            files.push((name, bytes));
        }
    }
    files.sort();
    Ok(files)
}

/// What was read of the lanes, by number.
struct Lanes(BTreeMap<u64, SeenLane>);

/// What was read of one lane.
struct SeenLane {
    chunks: Vec<SeenChunk>,
    /// The last chunk whose header was there before the reading began.
    last_before: u64,
}

/// One chunk, as far as it could be read.
struct SeenChunk {
    number: u64,
    bytes: Option<Vec<u8>>,
    damaged: Vec<Quarantine>,
}

impl Lanes {
    /// `None` if a file went away.
    fn read(disk: &Arc<dyn Disk>, lanes: &[LaneState]) -> io::Result<Option<Lanes>> {
        let files = match ring_files(&**disk) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            files => files?,
        };
        let mut last_before = BTreeMap::new();
        for file in &files {
            for (_, header) in chunk_headers(&*file.file)? {
                let own =
                    |lane: &LaneState| lane.lane == header.home.lane && lane.nonce == header.nonce;
                if lanes.iter().any(own) {
                    let last = last_before.entry(header.home.lane).or_insert(0);
                    *last = header.home.number.max(*last);
                }
            }
        }
        let mut seen = BTreeMap::new();
        for (lane, scan) in lanes.iter().zip(scan::scan(&files, lanes, true)?) {
            let chunks = scan.chunks.into_iter().map(SeenChunk::read);
            let last_before = last_before.get(&lane.lane).copied().unwrap_or(0);
            seen.insert(
                lane.lane,
                SeenLane { chunks: chunks.collect::<io::Result<_>>()?, last_before },
            );
        }
        Ok(Some(Lanes(seen)))
    }
}

impl SeenChunk {
    fn read(chunk: FoundChunk) -> io::Result<SeenChunk> {
        let number = chunk.home.number;
        let Some((place, blocks)) = chunk.found else {
            return Ok(SeenChunk { number, bytes: None, damaged: Vec::new() });
        };
        let file = &place.file.file;
        let mut bytes = vec![0; chunk.bytes_total as usize];
        file.read_at(&mut bytes, place.at)?;
        let mut damaged = Vec::new();
        for block in blocks {
            let source = BlockSource::of_file(file, chunk.home, place.at + block.at, block.header);
            match source.load(true) {
                Ok(_) => {}
                Err(BlockError::Damaged) => damaged.push(quarantine(&source)),
                Err(BlockError::Io(error)) => return Err(error),
            }
        }
        Ok(SeenChunk { number, bytes: Some(bytes), damaged })
    }
}

impl SeenLane {
    /// Appends the chunks from the first that `lane` calls unflushed; where the copy ends.
    fn copy_from(&self, lane: &LaneState, into: &mut Vec<u8>, lost: &mut Vec<Quarantine>) -> u64 {
        let whole = self.chunks.iter().filter(|chunk| chunk.bytes.is_some());
        let proven = whole.map(|chunk| chunk.number).max().unwrap_or(0);
        let unflushed = self.chunks.iter().filter(|chunk| chunk.number >= lane.flushed_below);
        let mut end = lane.flushed_below;
        for chunk in unflushed {
            match &chunk.bytes {
                Some(bytes) => {
                    into.extend_from_slice(bytes);
                    lost.extend(chunk.damaged.iter().cloned());
                }
                // It was there before the reading began, and a later one proves it.
                None if chunk.number <= self.last_before.min(proven) || lane.seal.is_some() => {
                    lost.push(Quarantine::of_chunk(lane, chunk.number));
                }
                None => break,
            }
            end = chunk.number + 1;
        }
        // A sealed lane ends where its seal says; what is missing below it is lost.
        lane.seal.unwrap_or(end)
    }
}

impl Quarantine {
    /// All of a chunk.
    pub(crate) fn of_chunk(lane: &LaneState, number: u64) -> Quarantine {
        Quarantine {
            lane: lane.lane,
            chunk: number,
            epoch: lane.epoch,
            log: None,
            first: Position::new(lane.epoch, 0),
            end: Position::new(lane.epoch + 1, 0),
            accepted: false,
        }
    }
}
