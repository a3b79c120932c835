//! Whose folder this is: the lock and the `FORMAT` file.

use std::io;

use crate::blob::BLOB_FOLDER;
use crate::disk::{self, Disk};
use crate::error::OpenError;
use crate::limits::LOCK_WAIT_MAX;
use crate::manifest::MANIFEST_FOLDER;
use crate::ring::RING_FOLDER;
use crate::segment::SEGMENT_FOLDER;

pub(crate) const LOCK_NAME: &str = "LOCK";
pub(crate) const FORMAT_NAME: &str = "FORMAT";
/// What `FORMAT` says in front of its number.
const FORMAT_WORD: &str = "levada ";
/// The newest format this version reads, and the one it writes.
const FORMAT_NUMBER: u32 = 1;

/// Claims the folder for this process and makes sure that this version may touch it.
pub(crate) fn claim(disk: &dyn Disk) -> Result<Box<dyn Send + Sync>, OpenError> {
    let failed = |doing: &str| {
        let doing = format!("{doing} {}", disk.path("").display());
        move |source: io::Error| OpenError::Io { doing, source }
    };
    let present = disk.list("").map_err(failed("list the data folder"))?;
    let format = disk::read_small(disk, FORMAT_NAME, 64).map_err(failed("read FORMAT in"))?;
    // A first start that was cut short has made some of these; a mount point has the last two.
    let folders = [RING_FOLDER, SEGMENT_FOLDER, MANIFEST_FOLDER, "lost+found"];
    let ours = |name: &String| {
        name == LOCK_NAME
            || name.starts_with(FORMAT_NAME)
            || folders.contains(&name.as_str())
            || name.starts_with('.')
    };
    match &format {
        Some(format) => check(disk, format)?,
        None if present.iter().all(ours) => {}
        None => return Err(OpenError::Foreign(disk.path(""))),
    }
    let lock = disk.lock_within(LOCK_NAME, LOCK_WAIT_MAX);
    let lock = lock.map_err(failed("lock the data folder"))?;
    let lock = lock.ok_or_else(|| OpenError::Locked(disk.path("")))?;
    for folder in [RING_FOLDER, SEGMENT_FOLDER, MANIFEST_FOLDER] {
        disk.make_folder(folder).map_err(failed("make a folder in"))?;
    }
    if format.is_none() {
        mark(disk).map_err(failed("write FORMAT in"))?;
    }
    Ok(lock)
}

/// Claims a folder that is there only to look at it; `None` if another process has it.
pub(crate) fn look(disk: &dyn Disk) -> Result<Option<Box<dyn Send + Sync>>, OpenError> {
    let failed = |doing: &str| {
        let doing = format!("{doing} {}", disk.path("").display());
        move |source: io::Error| OpenError::Io { doing, source }
    };
    let format = disk::read_small(disk, FORMAT_NAME, 64).map_err(failed("read FORMAT in"))?;
    check(disk, &format.ok_or_else(|| OpenError::Foreign(disk.path("")))?)?;
    disk.lock(LOCK_NAME).map_err(failed("lock the data folder"))
}

/// Writes the file that makes an empty folder ours.
pub(crate) fn mark(disk: &dyn Disk) -> io::Result<()> {
    disk::replace_small(disk, FORMAT_NAME, format!("{FORMAT_WORD}{FORMAT_NUMBER}\n").as_bytes())
}

/// The same for a bucket, which no process has for itself: a start takes it over.
pub(crate) fn claim_bucket(disk: &dyn Disk) -> Result<(), OpenError> {
    let failed = |doing: &str| {
        let doing = format!("{doing} {}", disk.path("").display());
        move |source: io::Error| OpenError::Io { doing, source }
    };
    let read = || disk::read_small(disk, FORMAT_NAME, 64).map_err(failed("read FORMAT in"));
    if let Some(format) = read()? {
        return check(disk, &format);
    }
    let present = disk.list("").map_err(failed("list the bucket"))?;
    let folders = [MANIFEST_FOLDER, SEGMENT_FOLDER, BLOB_FOLDER, "claim", "lane", "probe"];
    if !present.iter().all(|name| name == FORMAT_NAME || folders.contains(&name.as_str())) {
        return Err(OpenError::Foreign(disk.path("")));
    }
    let text = format!("{FORMAT_WORD}{FORMAT_NUMBER}\n");
    match disk.put_new(FORMAT_NAME, text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            check(disk, &read()?.unwrap_or_default())
        }
        put => put.map_err(failed("write FORMAT in")),
    }
}

fn check(disk: &dyn Disk, format: &[u8]) -> Result<(), OpenError> {
    if is_readable(format) {
        return Ok(());
    }
    let format = String::from_utf8_lossy(format).trim().to_owned();
    Err(OpenError::Newer { folder: disk.path(""), format })
}

/// Whether this version reads a folder with this `FORMAT`.
pub(crate) fn is_readable(format: &[u8]) -> bool {
    let text = String::from_utf8_lossy(format);
    let number = text.trim().strip_prefix(FORMAT_WORD.trim());
    let number = number.and_then(|number| number.trim().parse::<u32>().ok());
    number.is_some_and(|number| number <= FORMAT_NUMBER)
}
