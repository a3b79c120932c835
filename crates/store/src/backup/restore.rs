//! A backup back into a folder: everything is checked before anything is written.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use stdx::UnixMillis;

use super::point::{Point, lane_name};
use super::vault::{Vault, copy_bytes};
use super::{BackupError, BackupPlace, doing};
use crate::blob::{self, BLOB_FOLDER};
use crate::chunk::ChunkHeader;
use crate::disk::{self, Disk, RealDisk};
use crate::format_file::{self, LOCK_NAME};
use crate::id::EPOCH_MAX;
use crate::limits::{BACKUP_LANE_BYTES_MAX, RESTORE_EPOCHS_SKIPPED, RING_FILE_BYTES};
use crate::manifest::{self, MANIFEST_FOLDER, Quarantine};
use crate::ring::RING_FOLDER;
use crate::segment::{SEGMENT_FOLDER, name_of};

/// A backup that was checked, or restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Its number.
    pub point: u64,
    /// When it was made.
    pub created: UnixMillis,
    /// Segments in it,
    pub segments: usize,
    /// and their bytes.
    pub segment_bytes: u64,
    /// Blobs in it,
    pub blobs: usize,
    /// and the bytes of their files.
    pub blob_bytes: u64,
    /// Bytes of chunks that no segment had.
    pub lane_bytes: u64,
    /// What was damaged in the folder that was backed up, and is so here.
    pub damaged: Vec<String>,
}

/// Reads every byte of a backup, the newest or the one with this number.
///
/// # Errors
/// See [`BackupError`].
pub fn verify_backup(place: &BackupPlace, point: Option<u64>) -> Result<Restored, BackupError> {
    check(&open(place)?, point).map(|(point, _)| told(&point))
}

/// Writes a backup into an empty folder, in which sequence numbers then begin far above those that were
/// given since.
///
/// # Errors
/// See [`BackupError`]. Unless all of it could be written, the folder holds nothing.
pub fn restore(
    place: &BackupPlace,
    point: Option<u64>,
    folder: &Path,
) -> Result<Restored, BackupError> {
    let vault = open(place)?;
    let (point, chunks) = check(&vault, point)?;
    let disk = RealDisk::new(folder).map_err(doing("make the data folder"))?;
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let _lock = claim_empty(&*disk)?;
    if let Err(error) = write(&vault, &point, &chunks, &*disk) {
        remove_all(&*disk, &point);
        return Err(error);
    }
    Ok(told(&point))
}

fn open(place: &BackupPlace) -> Result<Vault, BackupError> {
    if let BackupPlace::Folder(folder) = place
        && !folder.is_dir()
    {
        return Err(BackupError::NoPoint(folder.clone()));
    }
    let vault = Vault::open(place)?;
    match vault.is_ours()? {
        true => Ok(vault),
        false => Err(BackupError::NoPoint(vault.path())),
    }
}

fn told(point: &Point) -> Restored {
    let places = point.manifest.quarantined.iter().filter(|place| !place.accepted);
    let blobs = point.blobs.iter().filter(|own| own.damaged).map(|own| own.id.to_string());
    Restored {
        point: point.number,
        created: point.created,
        segments: point.segments.len(),
        segment_bytes: point.segments.iter().map(|copy| copy.bytes).sum(),
        blobs: point.blobs.len(),
        blob_bytes: point.blobs.iter().map(|copy| copy.bytes).sum(),
        lane_bytes: point.lane_bytes,
        damaged: places.map(Quarantine::name).chain(blobs).collect(),
    }
}

/// A point all of which can be read, and the chunks that belong to it.
pub(crate) fn check(vault: &Vault, number: Option<u64>) -> Result<(Point, Vec<u8>), BackupError> {
    let newest = vault.points()?.last().copied();
    let number = number.or(newest).ok_or_else(|| BackupError::NoPoint(vault.path()))?;
    let point = vault.point(number)?;
    let mut damaged = Vec::new();
    let known: BTreeSet<&Quarantine> = point.manifest.quarantined.iter().collect();
    for copy in &point.segments {
        match vault.verify(copy) {
            Ok(places) => damaged.extend(
                places.iter().filter(|place| !is_known(&known, place)).map(Quarantine::name),
            ),
            Err(BackupError::Damaged(names)) => damaged.extend(names),
            Err(error) => return Err(error),
        }
    }
    let named: BTreeSet<u64> = point.segments.iter().map(|copy| copy.number).collect();
    let segments = point.manifest.segments.iter();
    for state in segments.filter(|state| !named.contains(&state.number)) {
        damaged.push(format!("segment {} is missing from the point", state.number));
    }
    for copy in &point.blobs {
        match vault.verify_blob(copy) {
            Ok(whole) if whole || copy.damaged => {}
            Ok(_) => damaged.push(format!("{}: its checksums do not match", copy.name())),
            Err(BackupError::Damaged(names)) => damaged.extend(names),
            Err(error) => return Err(error),
        }
    }
    let name = lane_name(number);
    let chunks = disk::read_small(&*vault.disk, &name, BACKUP_LANE_BYTES_MAX);
    let chunks = chunks.map_err(doing(format!("read {name}")))?.unwrap_or_default();
    if chunks.len() as u64 != point.lane_bytes || crc32c::crc32c(&chunks) != point.lane_crc {
        damaged.push(format!("{name}: it is not what was backed up"));
    }
    if damaged.is_empty() { Ok((point, chunks)) } else { Err(BackupError::Damaged(damaged)) }
}

/// Whether the folder was already damaged there.
fn is_known(known: &BTreeSet<&Quarantine>, place: &Quarantine) -> bool {
    known.iter().any(|own| Quarantine { accepted: place.accepted, ..(**own).clone() } == *place)
}

/// The folder for this process, if there is nothing in it.
fn claim_empty(disk: &dyn Disk) -> Result<Box<dyn Send + Sync>, BackupError> {
    let folders = [RING_FOLDER, SEGMENT_FOLDER, MANIFEST_FOLDER];
    let listed = doing("list the data folder");
    for name in disk.list("").map_err(listed)? {
        let empty = match name.as_str() {
            LOCK_NAME | "lost+found" => true,
            BLOB_FOLDER => blob::list_blobs(disk).is_ok_and(|own| own.is_empty()),
            name if folders.contains(&name) => disk.list(name).is_ok_and(|own| own.is_empty()),
            _ => false,
        };
        if !empty {
            return Err(BackupError::NotEmpty(disk.path("")));
        }
    }
    let lock = disk.lock(LOCK_NAME).map_err(doing("lock the data folder"))?;
    let lock = lock.ok_or_else(|| BackupError::NotEmpty(disk.path("")))?;
    for folder in folders {
        disk.make_folder(folder).map_err(doing("make a folder in the data folder"))?;
    }
    Ok(lock)
}

/// Everything, and the manifest last: without it a start refuses the folder.
fn write(vault: &Vault, point: &Point, chunks: &[u8], disk: &dyn Disk) -> Result<(), BackupError> {
    format_file::mark(disk).map_err(doing("write FORMAT"))?;
    for copy in &point.segments {
        let copied = vault.disk.open(&copy.name()).and_then(|from| {
            let to = disk.create(&name_of(copy.number))?;
            copy_bytes(&*from, &*to, copy.bytes)?;
            to.sync()
        });
        copied.map_err(doing(format!("restore segment {}", copy.number)))?;
    }
    disk.sync_folder(SEGMENT_FOLDER).map_err(doing("sync the segments"))?;
    write_blobs(vault, point, disk)?;
    write_ring(chunks, disk).map_err(doing("restore the ring"))?;
    for (name, bytes) in &point.files {
        disk.put_new(name, bytes).map_err(doing(format!("restore {name}")))?;
    }
    let mut manifest = point.manifest.clone();
    manifest.epoch_next = manifest.epoch_next.saturating_add(RESTORE_EPOCHS_SKIPPED);
    if manifest.epoch_next > EPOCH_MAX {
        return Err(crate::OpenError::EpochsUsedUp.into());
    }
    manifest::commit(disk, &mut manifest).map_err(doing("write the manifest"))
}

fn write_blobs(vault: &Vault, point: &Point, disk: &dyn Disk) -> Result<(), BackupError> {
    let folders: BTreeSet<String> =
        point.blobs.iter().map(|copy| blob::folder_of(copy.id)).collect();
    for folder in &folders {
        disk.make_folder(folder).map_err(doing("make a folder in the data folder"))?;
    }
    for copy in &point.blobs {
        let copied = vault.disk.open(&copy.name()).and_then(|from| {
            let to = disk.create(&blob::name_of(copy.id))?;
            copy_bytes(&*from, &*to, copy.bytes)?;
            to.sync()
        });
        copied.map_err(doing(format!("restore {}", copy.id)))?;
    }
    if folders.is_empty() {
        return Ok(());
    }
    let roots = ["", BLOB_FOLDER].into_iter().chain(folders.iter().map(String::as_str));
    let mut synced = roots.map(|folder| disk.sync_folder(folder));
    synced.try_for_each(|synced| synced.map_err(doing("sync the blobs")))
}

/// The chunks in files as large as the ring's: a chunk never spans two.
fn write_ring(chunks: &[u8], disk: &dyn Disk) -> io::Result<()> {
    let (mut from, mut number) = (0, 0);
    while from < chunks.len() {
        let mut end = from;
        while let Some(header) = chunks.get(end..).and_then(ChunkHeader::decode) {
            let next = end + header.bytes_total as usize;
            if next > chunks.len() || next - from > RING_FILE_BYTES as usize {
                break;
            }
            end = next;
        }
        if end == from {
            // A chunk whose header is damaged is found by its end: it stays where it is.
            end = next_header(chunks, from);
        }
        number += 1;
        let file = disk.create(&format!("{RING_FOLDER}/{number:016x}"))?;
        file.write_at(&chunks[from..end], 0)?;
        file.sync()?;
        from = end;
    }
    disk.sync_folder(RING_FOLDER)
}

/// Where the next chunk with a header begins.
fn next_header(chunks: &[u8], from: usize) -> usize {
    let step = crate::limits::CHUNK_ALIGN;
    let steps = (from + step..chunks.len()).step_by(step);
    let mut found = steps.filter(|&at| ChunkHeader::decode(&chunks[at..]).is_some());
    found.next().unwrap_or(chunks.len())
}

/// Takes back what a restore that failed has written.
fn remove_all(disk: &dyn Disk, point: &Point) {
    let mut names: Vec<String> = point.files.iter().map(|(name, _)| name.clone()).collect();
    names.push(format_file::FORMAT_NAME.to_owned());
    for folder in [MANIFEST_FOLDER, SEGMENT_FOLDER, RING_FOLDER] {
        let own = disk.list(folder).unwrap_or_default();
        names.extend(own.into_iter().map(|name| format!("{folder}/{name}")));
    }
    names.extend(point.blobs.iter().map(|copy| blob::name_of(copy.id)));
    for name in names {
        let _what_stays_is_refused_by_a_start = disk.remove(&name);
    }
}
