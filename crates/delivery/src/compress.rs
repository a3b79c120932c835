//! How objects are compressed, and what their names and headers say of it.

use std::io::{self, Write};

use flate2::write::GzEncoder;
use zip::write::SimpleFileOptions;

use crate::limits::{HADOOP_BLOCK_BYTES, XERIAL_BLOCK_BYTES};

/// An object's compression, as AWS names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// As it came.
    #[default]
    Uncompressed,
    /// RFC 1952.
    Gzip,
    /// An archive of one deflated file.
    Zip,
    /// Snappy in the framing of `snappy-java`'s streams, not in Google's.
    Snappy,
    /// Snappy in the framing of Hadoop's block streams.
    HadoopSnappy,
}

impl Compression {
    /// What an object's name ends in (`facts/firehose.md` § 2.3).
    pub fn extension(self) -> &'static str {
        match self {
            Compression::Uncompressed => "",
            Compression::Gzip => ".gz",
            Compression::Zip => ".zip",
            Compression::Snappy | Compression::HadoopSnappy => ".snappy",
        }
    }

    /// The object's `Content-Encoding` (`facts/firehose.md` § 2.3).
    pub fn content_encoding(self) -> Option<&'static str> {
        match self {
            Compression::Uncompressed => None,
            Compression::Gzip => Some("gzip"),
            Compression::Zip => Some("zip"),
            Compression::Snappy => Some("snappy-java"),
            Compression::HadoopSnappy => Some("hadoop-snappy"),
        }
    }

    /// Begins an object. An archive names its file `file_name`.
    ///
    /// # Errors
    /// None that memory can give.
    pub fn begin(self, file_name: &str) -> io::Result<Compressor> {
        Ok(match self {
            Compression::Uncompressed => Compressor::Plain(Vec::new()),
            Compression::Gzip => {
                Compressor::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::default()))
            }
            Compression::Zip => {
                let mut archive = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
                archive.start_file(file_name, SimpleFileOptions::default())?;
                Compressor::Zip(Box::new(archive))
            }
            Compression::Snappy => Compressor::Blocks(Box::new(Blocks::xerial())),
            Compression::HadoopSnappy => Compressor::Blocks(Box::new(Blocks::hadoop())),
        })
    }
}

/// An object on its way to being compressed.
pub enum Compressor {
    /// As it comes.
    Plain(Vec<u8>),
    /// Deflated in one stream.
    Gzip(GzEncoder<Vec<u8>>),
    /// Deflated into an archive.
    Zip(Box<zip::ZipWriter<io::Cursor<Vec<u8>>>>),
    /// In blocks of Snappy.
    Blocks(Box<Blocks>),
}

impl Compressor {
    /// Adds bytes.
    ///
    /// # Errors
    /// If they do not compress.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Compressor::Plain(object) => {
                object.extend_from_slice(bytes);
                Ok(())
            }
            Compressor::Gzip(stream) => stream.write_all(bytes),
            Compressor::Zip(archive) => archive.write_all(bytes),
            Compressor::Blocks(blocks) => blocks.write(bytes),
        }
    }

    /// The whole object.
    ///
    /// # Errors
    /// If the last bytes do not compress.
    pub fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Compressor::Plain(object) => Ok(object),
            Compressor::Gzip(stream) => stream.finish(),
            Compressor::Zip(archive) => Ok(archive.finish()?.into_inner()),
            Compressor::Blocks(blocks) => blocks.finish(),
        }
    }
}

/// Snappy blocks, each behind its length.
pub struct Blocks {
    object: Vec<u8>,
    /// What has not filled a block yet.
    rest: Vec<u8>,
    block_bytes: usize,
    /// Whether the block's length before compression is written too.
    is_hadoop: bool,
    encoder: snap::raw::Encoder,
}

impl Blocks {
    /// The stream of `snappy-java`: a header of magic, version and least version, then blocks behind
    /// their compressed length (source: snappy-java's description of its stream format).
    fn xerial() -> Self {
        let mut object = b"\x82SNAPPY\0".to_vec();
        object.extend_from_slice(&1u32.to_be_bytes());
        object.extend_from_slice(&1u32.to_be_bytes());
        Blocks::of(object, XERIAL_BLOCK_BYTES, false)
    }

    /// The stream of Hadoop's codec: a block behind its length before and after compression.
    fn hadoop() -> Self {
        Blocks::of(Vec::new(), HADOOP_BLOCK_BYTES, true)
    }

    fn of(object: Vec<u8>, block_bytes: usize, is_hadoop: bool) -> Self {
        let encoder = snap::raw::Encoder::new();
        Blocks { object, rest: Vec::new(), block_bytes, is_hadoop, encoder }
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while self.rest.len() + bytes.len() >= self.block_bytes {
            let (block, later) = bytes.split_at(self.block_bytes - self.rest.len());
            self.rest.extend_from_slice(block);
            self.write_block()?;
            bytes = later;
        }
        self.rest.extend_from_slice(bytes);
        Ok(())
    }

    fn write_block(&mut self) -> io::Result<()> {
        let block = self.encoder.compress_vec(&self.rest)?;
        if self.is_hadoop {
            self.object.extend_from_slice(&(self.rest.len() as u32).to_be_bytes());
        }
        self.object.extend_from_slice(&(block.len() as u32).to_be_bytes());
        self.object.extend_from_slice(&block);
        self.rest.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<Vec<u8>> {
        if !self.rest.is_empty() {
            self.write_block()?;
        }
        Ok(self.object)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    fn compressed(compression: Compression, parts: &[Vec<u8>]) -> Vec<u8> {
        let mut compressor = compression.begin("one").unwrap();
        for part in parts {
            compressor.write(part).unwrap();
        }
        compressor.finish().unwrap()
    }

    fn inflated(compression: Compression, object: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        match compression {
            Compression::Uncompressed => return object.to_vec(),
            Compression::Gzip => {
                flate2::read::GzDecoder::new(object).read_to_end(&mut bytes).unwrap();
            }
            Compression::Zip => {
                let mut archive = zip::ZipArchive::new(io::Cursor::new(object)).unwrap();
                assert_eq!(archive.len(), 1);
                let mut file = archive.by_index(0).unwrap();
                assert_eq!(file.name().unwrap(), "one");
                file.read_to_end(&mut bytes).unwrap();
            }
            Compression::Snappy => {
                assert_eq!(&object[..16], b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01");
                unblocked(&object[16..], false, &mut bytes);
            }
            Compression::HadoopSnappy => unblocked(object, true, &mut bytes),
        }
        bytes
    }

    fn unblocked(mut object: &[u8], is_hadoop: bool, bytes: &mut Vec<u8>) {
        let number = |object: &mut &[u8]| {
            let (head, rest) = object.split_first_chunk().unwrap();
            *object = rest;
            u32::from_be_bytes(*head) as usize
        };
        while !object.is_empty() {
            let whole = is_hadoop.then(|| number(&mut object));
            let length = number(&mut object);
            let block = snap::raw::Decoder::new().decompress_vec(&object[..length]).unwrap();
            assert!(whole.is_none_or(|whole| whole == block.len()));
            bytes.extend_from_slice(&block);
            object = &object[length..];
        }
    }

    const ALL: [Compression; 5] = [
        Compression::Uncompressed,
        Compression::Gzip,
        Compression::Zip,
        Compression::Snappy,
        Compression::HadoopSnappy,
    ];

    #[test]
    fn nothing_compresses_to_nothing() {
        for compression in ALL {
            let object = compressed(compression, &[]);
            assert_eq!(inflated(compression, &object), b"", "{compression:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn what_goes_in_comes_out(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40_000), 0..8),
        ) {
            for compression in ALL {
                let object = compressed(compression, &parts);
                prop_assert_eq!(inflated(compression, &object), parts.concat(), "{:?}", compression);
            }
        }
    }
}
