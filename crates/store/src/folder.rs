//! Small files of a data folder that are read without opening it.

use std::io;
use std::path::Path;

use crate::disk;

/// What a running store published under `name` in `folder`; `None` if nothing is.
///
/// # Errors
/// If the file is there and cannot be read.
pub fn read_published(folder: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    disk::read_foreign(folder, name)
}
