//! The blobs of a backup: those that the rows of its moment name. A blob never changes, so each is copied
//! once.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::point::BlobCopy;
use super::vault::{Vault, copy_bytes};
use super::{BackupError, doing};
use crate::blob::{BLOB_FOLDER, Blob, BlobId, examine, live_blobs, name_of};
use crate::bucket::HeldObject;
use crate::config::Config;
use crate::disk::{self, Disk, DiskFile};
use crate::lane::Sabotage;
use crate::limits::BACKUP_FILES_OPEN_MAX;
use crate::manifest::Manifest;
use crate::recover::{Recovered, load_segments};
use crate::ring::RingFile;
use crate::scan;

/// The blobs of one moment.
#[derive(Default)]
pub(super) struct MomentBlobs {
    pub(super) copies: Vec<BlobCopy>,
    /// Those that the place of backups has not, open while there are not too many.
    pub(super) missing: Vec<(BlobCopy, Option<Arc<dyn DiskFile>>)>,
    /// Those that the folder has not, although its rows name them.
    pub(super) lost: Vec<String>,
}

/// What the place of backups has, and what of it was damaged before it was copied.
pub(super) struct Present {
    names: BTreeSet<String>,
    damaged: BTreeSet<(BlobId, u32)>,
    /// Named and not there when it was last looked. A blob that has gone never comes back: if it is still
    /// named later, it is lost.
    absent: BTreeSet<BlobId>,
}

impl Present {
    pub(super) fn find(vault: &Vault) -> Result<Present, BackupError> {
        let names = vault.list("blobs")?.into_iter().map(|name| format!("blobs/{name}")).collect();
        let mut damaged = BTreeSet::new();
        if let Some(&last) = vault.points()?.last() {
            let blobs = vault.point(last)?.blobs.into_iter();
            damaged.extend(blobs.filter(|own| own.damaged).map(|own| (own.id, own.mark)));
        }
        Ok(Present { names, damaged, absent: BTreeSet::new() })
    }
}

impl MomentBlobs {
    /// `None` if one went away, which the next moment may not need.
    pub(super) fn find(
        disk: &Arc<dyn Disk>,
        manifest: &Manifest,
        chunks: &Bytes,
        present: &mut Present,
    ) -> Result<Option<MomentBlobs>, BackupError> {
        let Some(named) = named(disk, manifest, chunks)? else { return Ok(None) };
        let (mut found, mut gone) = (MomentBlobs::default(), false);
        for blob in named {
            let name = name_of(blob.id);
            let known = present.absent.contains(&blob.id);
            let opened = disk.open(&name).and_then(|file| Ok((mark_of(&*file, blob)?, file)));
            match opened {
                Ok((mark, file)) => found.add(blob, mark, file, present),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    found.lost.push(format!("{name} is cut short"));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound && known => {
                    found.lost.push(format!("{name} is missing"));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    present.absent.insert(blob.id);
                    gone = true;
                }
                Err(error) => return Err(doing("read a blob")(error)),
            }
        }
        Ok((!gone).then_some(found))
    }

    fn add(&mut self, blob: Blob, mark: u32, file: Arc<dyn DiskFile>, present: &Present) {
        let damaged = present.damaged.contains(&(blob.id, mark));
        let copy = BlobCopy { id: blob.id, mark, bytes: blob.file_bytes(), damaged };
        self.copies.push(copy);
        if !present.names.contains(&copy.name()) {
            let held = self.missing.len() < BACKUP_FILES_OPEN_MAX;
            self.missing.push((copy, held.then_some(file)));
        }
    }

    /// Takes note that a copy is of something damaged.
    pub(super) fn mark_damaged(&mut self, copy: &BlobCopy) {
        let own = self.copies.iter_mut().find(|own| *own == copy);
        own.into_iter().for_each(|own| own.damaged = true);
    }
}

/// The blobs that the rows of a moment name; `None` if what has them went away.
fn named(
    disk: &Arc<dyn Disk>,
    manifest: &Manifest,
    chunks: &Bytes,
) -> Result<Option<Vec<Blob>>, BackupError> {
    match disk.list(BLOB_FOLDER) {
        Ok(names) if !names.is_empty() => {}
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(doing("list the blobs")(error));
        }
        _ => return Ok(Some(Vec::new())),
    }
    let mut recovered = Recovered::of(manifest);
    let config = Config::folder(disk.path(""));
    match load_segments(disk, manifest, &mut recovered, &config, Sabotage::default()) {
        Err(crate::OpenError::Damaged { .. }) => return Ok(None),
        loaded => drop(loaded?),
    }
    let length = chunks.len() as u64;
    let files = [Arc::new(RingFile::held(Arc::new(HeldObject(chunks.clone())), length))];
    let scans = scan::scan(&files, &manifest.lanes, true).map_err(doing("read the lane"))?;
    for (lane, scan) in manifest.lanes.iter().zip(scans) {
        for found in scan.chunks {
            let replayed = recovered.replay(lane, found, Sabotage::default());
            replayed.map_err(doing("read the lane"))?;
        }
    }
    // Of equal ids one is enough.
    let blobs = live_blobs(&recovered.tables).blobs.into_iter();
    let blobs: BTreeMap<BlobId, Blob> = blobs.map(|blob| (blob.id, blob)).collect();
    Ok(Some(blobs.into_values().collect()))
}

fn mark_of(file: &dyn DiskFile, blob: Blob) -> io::Result<u32> {
    let mut mark = [0; 4];
    file.read_at(&mut mark, blob.file_bytes() - 4)?;
    Ok(u32::from_le_bytes(mark))
}

impl Vault {
    /// Copies a blob.
    pub(super) fn copy_blob(
        &self,
        disk: &dyn Disk,
        copy: &BlobCopy,
        from: &Arc<dyn DiskFile>,
        link: bool,
    ) -> Result<(), BackupError> {
        let name = copy.name();
        let own = disk.path(&name_of(copy.id));
        if link && !self.is_bucket() && disk::link_across(&own, &self.disk.path(&name)).is_ok() {
            return self.disk.sync_folder("blobs").map_err(doing("sync the backup"));
        }
        self.put(&name, |to| copy_bytes(&**from, to, copy.bytes))
            .map_err(doing(format!("copy {} into the backup", copy.id)))
    }

    /// Reads a copy; whether it is whole.
    pub(super) fn verify_blob(&self, copy: &BlobCopy) -> Result<bool, BackupError> {
        let name = copy.name();
        let file = match self.disk.open(&name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(BackupError::Damaged(vec![format!("{name}: it is missing")]));
            }
            opened => opened.map_err(doing(format!("open {name}")))?,
        };
        let length = file.length().map_err(doing(format!("read {name}")))?;
        let whole = examine(&file, copy.id, None).map_err(doing(format!("read {name}")))?;
        Ok(length == copy.bytes && whole.is_some())
    }
}
