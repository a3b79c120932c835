//! Looking into a data folder from outside, without changing it: stopped, or beside the process that
//! runs on it.

mod check;
mod dump;
mod usage;
mod walk;

#[cfg(test)]
mod check_tests;

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::TableId;
use crate::blob::{Blob, LiveBlobs, live_blobs};
use crate::config::Config;
use crate::disk::{Disk, RealDisk};
use crate::error::OpenError;
use crate::format_file;
use crate::lane::Sabotage;
use crate::limits::INSPECTION_TRIES_MAX;
use crate::manifest::{self, LaneState, Manifest};
use crate::recover::{Recovered, doing, load_segments};
use crate::ring::{RING_FOLDER, RingFile};
use crate::scan;
use crate::segment::Segments;
use crate::table::{Table, TableView};

pub use check::{Counted, Examination, Finding, FindingKind};
pub use dump::{DumpItem, dump};
pub use usage::{LogUsage, TableUsage, Usage};

pub(crate) use walk::chunk_headers;

/// What a data folder holds, as a start would find it.
pub struct Inspection {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) manifest: Manifest,
    pub(crate) segments: Segments,
    pub(crate) ring: Vec<Arc<RingFile>>,
    pub(crate) lanes: Vec<SeenLane>,
    pub(crate) recovered: Recovered,
    in_use: bool,
    _lock: Option<Box<dyn Send + Sync>>,
}

/// A lane and where it ends.
#[derive(Debug)]
pub(crate) struct SeenLane {
    pub(crate) state: LaneState,
    /// The first chunk that does not exist.
    pub(crate) end: u64,
}

impl std::fmt::Debug for Inspection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inspection").field("folder", &self.disk.path("")).finish_non_exhaustive()
    }
}

impl Inspection {
    /// Looks at a folder. If no process has it, it is locked until the inspection is dropped;
    /// otherwise what is seen is one moment of it.
    ///
    /// # Errors
    /// As [`crate::Store::open`], except that a running process does not matter.
    pub fn open(folder: &Path) -> Result<Inspection, OpenError> {
        if !folder.is_dir() {
            let source = io::Error::from(io::ErrorKind::NotFound);
            return Err(doing(&format!("look into {}", folder.display()))(source));
        }
        let disk = RealDisk::new(folder).map_err(doing("open the data folder"))?;
        Inspection::of(Arc::new(disk))
    }

    pub(crate) fn of(disk: Arc<dyn Disk>) -> Result<Inspection, OpenError> {
        let lock = format_file::look(&*disk)?;
        let in_use = lock.is_none();
        let mut tries = 0;
        loop {
            tries += 1;
            let seen = Seen::now(&disk);
            // Beside a running process a file may go while it is looked at, and be written again.
            let steady = !in_use || tries >= INSPECTION_TRIES_MAX;
            match seen {
                Ok(seen) if steady || seen.is_newest(&disk) => {
                    return Ok(seen.into_inspection(disk, in_use, lock));
                }
                Err(error) if steady => return Err(error),
                _ => {}
            }
        }
    }

    /// Whether a process runs on the folder.
    pub fn in_use(&self) -> bool {
        self.in_use
    }

    /// The blobs that rows name,
    pub(crate) fn live_blobs(&self) -> LiveBlobs {
        live_blobs(&self.recovered.tables)
    }

    /// and those that they name by now.
    pub(crate) fn live_blobs_now(&self) -> Vec<Blob> {
        let now = Seen::now(&self.disk).map(|seen| live_blobs(&seen.recovered.tables).blobs);
        now.unwrap_or_default()
    }

    /// Table `T`'s durable rows.
    pub fn table<T: Table>(&self) -> TableView<T> {
        TableView::new(self.recovered.tables.rows(TableId(T::ID)))
    }
}

/// One look at everything but the segments' records.
struct Seen {
    manifest: Manifest,
    segments: Segments,
    ring: Vec<Arc<RingFile>>,
    lanes: Vec<SeenLane>,
    recovered: Recovered,
}

impl Seen {
    fn now(disk: &Arc<dyn Disk>) -> Result<Seen, OpenError> {
        let manifest = load_manifest(&**disk)?;
        let mut recovered = Recovered::of(&manifest);
        let config = Config::folder(disk.path(""));
        let segments =
            load_segments(disk, &manifest, &mut recovered, &config, Sabotage::default())?;
        let ring = ring_files(&**disk).map_err(doing("open the ring"))?;
        let scans = scan::scan(&ring, &manifest.lanes, true).map_err(doing("read the ring"))?;
        let mut lanes = Vec::new();
        for (state, scan) in manifest.lanes.iter().zip(scans) {
            lanes.push(SeenLane { state: state.clone(), end: scan.end });
            for found in scan.chunks {
                recovered
                    .replay(state, found, Sabotage::default())
                    .map_err(doing("read the ring"))?;
            }
        }
        Ok(Seen { manifest, segments, ring, lanes, recovered })
    }

    /// Whether nothing was moved on meanwhile: files of the ring are used again only after a new
    /// manifest says that they may be.
    fn is_newest(&self, disk: &Arc<dyn Disk>) -> bool {
        load_manifest(&**disk).is_ok_and(|newest| newest.number == self.manifest.number)
    }

    fn into_inspection(
        self,
        disk: Arc<dyn Disk>,
        in_use: bool,
        lock: Option<Box<dyn Send + Sync>>,
    ) -> Inspection {
        let Seen { manifest, segments, ring, lanes, recovered } = self;
        Inspection { disk, manifest, segments, ring, lanes, recovered, in_use, _lock: lock }
    }
}

/// The newest manifest of a folder that has one.
pub(crate) fn load_manifest(disk: &dyn Disk) -> Result<Manifest, OpenError> {
    manifest::load(disk)?.ok_or_else(|| OpenError::Damaged {
        path: disk.path(manifest::MANIFEST_FOLDER),
        reason: "it is empty".to_owned(),
    })
}

/// The ring as it is: nothing is made whole.
pub(crate) fn ring_files(disk: &dyn Disk) -> io::Result<Vec<Arc<RingFile>>> {
    let mut files = Vec::new();
    for name in disk.list(RING_FOLDER)? {
        let Some(number) = manifest::parse_number(&name) else { continue };
        let file = disk.open(&format!("{RING_FOLDER}/{name}"))?;
        let bytes = file.length()?;
        files.push((number, Arc::new(RingFile::held(file, bytes))));
    }
    files.sort_by_key(|(number, _)| *number);
    Ok(files.into_iter().map(|(_, file)| file).collect())
}
