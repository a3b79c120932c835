//! From one chunk of a ring file to the next.

use std::io;

use crate::chunk::{CHUNK_HEADER_BYTES, ChunkHeader};
use crate::disk::DiskFile;
use crate::limits::CHUNK_ALIGN;

/// Every chunk that begins in the file by its header, whosever it is, and where.
pub(crate) fn chunk_headers(file: &dyn DiskFile) -> io::Result<Vec<(u64, ChunkHeader)>> {
    let length = file.length()?;
    let mut found = Vec::new();
    let mut at = 0;
    while at + CHUNK_ALIGN as u64 <= length {
        let mut bytes = [0; CHUNK_HEADER_BYTES];
        file.read_at(&mut bytes, at)?;
        let header = ChunkHeader::decode(&bytes)
            .filter(|header| at + u64::from(header.bytes_total) <= length);
        match header {
            Some(header) => {
                found.push((at, header.clone()));
                at += u64::from(header.bytes_total);
            }
            None => at += CHUNK_ALIGN as u64,
        }
    }
    Ok(found)
}
