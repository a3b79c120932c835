//! The place that holds backups: a folder or a bucket, as files that are made once.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use stdx::Clock;

use super::point::{BlobCopy, Point, SegmentCopy, lane_name, point_name};
use super::{BackupError, BackupPlace, doing};
use crate::bucket::{BucketDisk, ObjectBucket};
use crate::disk::{self, Disk, DiskFile, RealDisk};
use crate::flush::quarantine;
use crate::limits::{BACKUP_COPY_BYTES, MANIFEST_BYTES_MAX};
use crate::manifest::{Quarantine, SegmentState, parse_number};
use crate::segment::Segment;
use crate::source::BlockError;

const FORMAT_NAME: &str = "BACKUP";
const LOCK_NAME: &str = "LOCK";
const FORMAT_WORD: &str = "levada backup ";
const FORMAT_NUMBER: u32 = 1;
/// What a place of backups has.
const FOLDERS: [&str; 4] = ["points", "segments", "lanes", "blobs"];

/// A place of backups.
#[derive(Debug)]
pub(crate) struct Vault {
    pub(crate) disk: Arc<dyn Disk>,
    bucket: Option<Arc<BucketDisk>>,
}

impl Vault {
    /// The place, unlooked at.
    pub(crate) fn open(place: &BackupPlace) -> Result<Vault, BackupError> {
        match place {
            BackupPlace::Folder(folder) => {
                let disk = RealDisk::new(folder).map_err(doing("make the folder of backups"))?;
                Ok(Vault { disk: Arc::new(disk), bucket: None })
            }
            BackupPlace::Bucket(location) => {
                let bucket = Arc::new(ObjectBucket::new(location)?);
                let disk = BucketDisk::new(bucket, Clock::system(), Duration::ZERO);
                let disk = Arc::new(disk);
                Ok(Vault { disk: Arc::clone(&disk) as Arc<dyn Disk>, bucket: Some(disk) })
            }
        }
    }

    pub(crate) fn is_bucket(&self) -> bool {
        self.bucket.is_some()
    }

    #[cfg(test)]
    pub(crate) fn of_disk(disk: Arc<dyn Disk>) -> Vault {
        Vault { disk, bucket: None }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.disk.path("")
    }

    /// Whether it is a place of backups that this version reads; `false` if it is empty.
    pub(crate) fn is_ours(&self) -> Result<bool, BackupError> {
        let format = disk::read_small(&*self.disk, FORMAT_NAME, 64)
            .map_err(doing(format!("read {FORMAT_NAME} in {}", self.path().display())))?;
        let Some(format) = format else {
            let present = self.disk.list("").map_err(doing("list the place of backups"))?;
            let unfinished = |name: &String| {
                name == LOCK_NAME
                    || name.starts_with(FORMAT_NAME)
                    || name == "lost+found"
                    || FOLDERS.contains(&name.as_str())
            };
            return match present.iter().all(unfinished) {
                true => Ok(false),
                false => Err(BackupError::Foreign(self.path())),
            };
        };
        let text = String::from_utf8_lossy(&format).trim().to_owned();
        let number = text.strip_prefix(FORMAT_WORD).and_then(|text| text.parse::<u32>().ok());
        match number {
            Some(number) if number <= FORMAT_NUMBER => Ok(true),
            _ => Err(BackupError::Newer(text)),
        }
    }

    /// Makes the place ours, and keeps other backups out where that can be done.
    pub(crate) fn claim(&self) -> Result<Box<dyn Send + Sync>, BackupError> {
        let ours = self.is_ours()?;
        let lock = self.disk.lock(LOCK_NAME).map_err(doing("lock the place of backups"))?;
        let lock = lock.ok_or_else(|| BackupError::Busy(self.path()))?;
        for folder in FOLDERS {
            self.disk.make_folder(folder).map_err(doing("make a folder for backups"))?;
        }
        if !ours {
            let text = format!("{FORMAT_WORD}{FORMAT_NUMBER}\n");
            match self.disk.put_new(FORMAT_NAME, text.as_bytes()) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                put => put.map_err(doing(format!("write {FORMAT_NAME}")))?,
            }
        }
        Ok(lock)
    }

    /// The names in a folder.
    pub(crate) fn list(&self, folder: &str) -> Result<Vec<String>, BackupError> {
        self.disk.list(folder).map_err(doing(format!("list {}", self.disk.path(folder).display())))
    }

    /// The points' numbers, oldest first.
    pub(crate) fn points(&self) -> Result<Vec<u64>, BackupError> {
        let mut numbers: Vec<u64> =
            self.list("points")?.iter().filter_map(|name| parse_number(name)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    pub(crate) fn point(&self, number: u64) -> Result<Point, BackupError> {
        let name = point_name(number);
        let bytes = disk::read_small(&*self.disk, &name, MANIFEST_BYTES_MAX)
            .map_err(doing(format!("read {}", self.disk.path(&name).display())))?;
        let bytes = bytes.ok_or_else(|| BackupError::NoPoint(self.path()))?;
        let point = Point::decode(&bytes).filter(|point| point.number == number);
        point.ok_or_else(|| {
            BackupError::Damaged(vec![format!("{name}: its checksum does not match")])
        })
    }

    /// Makes a file whole and durable, or not at all; one that is there already is kept.
    pub(crate) fn put(
        &self,
        name: &str,
        fill: impl FnOnce(&dyn DiskFile) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.bucket.is_some() {
            let file = self.disk.create(name)?;
            fill(&*file)?;
            return match file.sync() {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                synced => synced,
            };
        }
        let temporary = format!("{name}.new");
        let _left_by_one_that_was_killed = self.disk.remove(&temporary);
        let file = self.disk.create(&temporary)?;
        let made = fill(&*file).and_then(|()| file.sync());
        let linked = made.and_then(|()| match self.disk.link(&temporary, name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        });
        let _removed_next_time = self.disk.remove(&temporary);
        linked?;
        self.disk.sync_folder(name.rsplit_once('/').map_or("", |(folder, _)| folder))
    }

    /// Removes a file at once, if it is there.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        match self.disk.remove(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
        if let Some(bucket) = &self.bucket {
            bucket.collect_step();
        }
        Ok(())
    }

    /// Copies a segment.
    pub(crate) fn copy_in(
        &self,
        copy: &SegmentCopy,
        from: &Arc<dyn DiskFile>,
        link: Option<PathBuf>,
    ) -> Result<(), BackupError> {
        let name = copy.name();
        if let Some(from) = link
            && self.bucket.is_none()
            && disk::link_across(&from, &self.disk.path(&name)).is_ok()
        {
            return self.disk.sync_folder("segments").map_err(doing("sync the backup"));
        }
        self.put(&name, |to| copy_bytes(&**from, to, copy.bytes))
            .map_err(doing(format!("copy segment {} into the backup", copy.number)))
    }

    /// Reads a copy: what of it is damaged, or why it cannot be read at all.
    pub(crate) fn verify(&self, copy: &SegmentCopy) -> Result<Vec<Quarantine>, BackupError> {
        let name = copy.name();
        let unusable = |why: &str| BackupError::Damaged(vec![format!("{name}: {why}")]);
        let file = match self.disk.open(&name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(unusable("it is missing"));
            }
            opened => opened.map_err(doing(format!("open {name}")))?,
        };
        verify_segment(&self.disk, &file, copy)
            .map_err(doing(format!("read {name}")))?
            .ok_or_else(|| unusable("it is cut short, or its directory is damaged"))
    }

    /// Removes points before the newest `keep`, and files that no point has. Copies that an interrupted
    /// backup left go with them.
    pub(crate) fn prune(&self, keep: usize) -> Result<usize, BackupError> {
        let numbers = self.points()?;
        let gone = numbers.len().saturating_sub(keep);
        let mut wanted = BTreeSet::new();
        for &number in &numbers[gone..] {
            let point = self.point(number)?;
            wanted.insert(lane_name(number));
            wanted.extend(point.segments.iter().map(SegmentCopy::name));
            wanted.extend(point.blobs.iter().map(BlobCopy::name));
        }
        let failed = || doing("remove what no backup needs");
        for number in &numbers[..gone] {
            self.remove(&point_name(*number)).map_err(failed())?;
        }
        self.disk.sync_folder("points").map_err(failed())?;
        for folder in ["segments", "lanes", "blobs"] {
            for name in self.list(folder)? {
                let name = format!("{folder}/{name}");
                if !wanted.contains(&name) {
                    self.remove(&name).map_err(failed())?;
                }
            }
        }
        Ok(gone)
    }
}

/// Copies `bytes` from the front of one file to another.
pub(crate) fn copy_bytes(from: &dyn DiskFile, to: &dyn DiskFile, bytes: u64) -> io::Result<()> {
    let mut piece = vec![0; BACKUP_COPY_BYTES.min(bytes as usize)];
    let mut at = 0;
    while at < bytes {
        let count = piece.len().min((bytes - at) as usize);
        from.read_at(&mut piece[..count], at)?;
        to.write_at(&piece[..count], at)?;
        at += count as u64;
    }
    Ok(())
}

/// The damaged blocks of a segment; `None` if its directory cannot be had.
pub(crate) fn verify_segment(
    disk: &Arc<dyn Disk>,
    file: &Arc<dyn DiskFile>,
    copy: &SegmentCopy,
) -> io::Result<Option<Vec<Quarantine>>> {
    if file.length()? < copy.bytes {
        return Ok(None);
    }
    let state =
        SegmentState { number: copy.number, bytes_total: copy.bytes, ..SegmentState::default() };
    let segment = Segment::of_file(Arc::clone(disk), Arc::clone(file), state);
    let directory = match segment.read_directory()? {
        Some(directory) => Some(directory),
        None => segment.rebuild_directory()?,
    };
    let Some(directory) = directory else { return Ok(None) };
    let mut damaged = Vec::new();
    for block in &directory {
        let source = segment.source(block)?;
        match source.load(true) {
            Ok(_) => {}
            Err(BlockError::Damaged) => damaged.push(quarantine(&source)),
            Err(BlockError::Io(error)) => return Err(error),
        }
    }
    Ok(Some(damaged))
}
