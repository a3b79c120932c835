//! Loading one block from wherever it lies, verified.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::block::{BLOCK_HEADER_BYTES, BlockHeader, Codec, Home};
use crate::disk::DiskFile;
use crate::lane::Place;
use crate::logs::Chunk;
use crate::pack;

/// A block and where it lies.
#[derive(Clone, Debug)]
pub(crate) struct BlockSource {
    pub(crate) home: Home,
    pub(crate) header: BlockHeader,
    whence: Whence,
}

#[derive(Clone, Debug)]
enum Whence {
    /// Its body.
    Memory(Bytes),
    /// The body's place in a file. The second is kept from being used again meanwhile.
    File { file: Arc<dyn DiskFile>, body_at: u64, _kept: Option<Place> },
}

/// Why a block cannot be had.
#[derive(Debug)]
pub(crate) enum BlockError {
    /// It is not what was written.
    Damaged,
    /// The disk's answer.
    Io(io::Error),
}

impl BlockSource {
    /// A block of a recent chunk.
    pub(crate) fn of_chunk(chunk: &Arc<Chunk>, block: usize) -> Self {
        let at = &chunk.blocks[block];
        let body_at = at.at + BLOCK_HEADER_BYTES as u64;
        let whence = match &chunk.memory {
            Some(bytes) => {
                let start = body_at as usize;
                Whence::Memory(bytes.slice(start..start + at.header.body_bytes as usize))
            }
            None => match chunk.place() {
                Some(place) => Whence::File {
                    file: Arc::clone(&place.file.file),
                    body_at: place.at + body_at,
                    _kept: Some(place),
                },
                None => Whence::Memory(Bytes::new()),
            },
        };
        BlockSource { home: chunk.home, header: at.header.clone(), whence }
    }

    /// A block of a file of its own.
    pub(crate) fn of_file(
        file: &Arc<dyn DiskFile>,
        home: Home,
        at: u64,
        header: BlockHeader,
    ) -> Self {
        let body_at = at + BLOCK_HEADER_BYTES as u64;
        BlockSource {
            home,
            header,
            whence: Whence::File { file: Arc::clone(file), body_at, _kept: None },
        }
    }

    /// Where its body lies in a file; `None` if loading it needs no disk.
    pub(crate) fn in_file(&self) -> Option<u64> {
        match &self.whence {
            Whence::Memory(_) => None,
            Whence::File { body_at, .. } => Some(*body_at),
        }
    }

    /// The block's body, unpacked. What comes from a disk is verified; memory was never anywhere else.
    pub(crate) fn load(&self, verify: bool) -> Result<Bytes, BlockError> {
        let stored = self.load_stored(verify)?;
        match self.header.codec {
            Codec::None => Ok(stored),
            Codec::Zstd => pack::unpack(&stored).map(Bytes::from).ok_or(BlockError::Damaged),
        }
    }

    /// The block's body as it is stored, verified.
    pub(crate) fn load_stored(&self, verify: bool) -> Result<Bytes, BlockError> {
        match &self.whence {
            Whence::Memory(body) => Ok(body.clone()),
            Whence::File { file, body_at, .. } => {
                let mut body = Vec::new();
                match file.read_onto(&mut body, self.header.body_bytes as usize, *body_at) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                        return Err(BlockError::Damaged);
                    }
                    Err(error) => return Err(BlockError::Io(error)),
                }
                if verify && !self.header.verify(self.home, &body) {
                    return Err(BlockError::Damaged);
                }
                Ok(body.into())
            }
        }
    }
}
