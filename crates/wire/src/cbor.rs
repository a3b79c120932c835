//! `application/x-amz-cbor-1.1`: RFC 8949, except that tag 1 holds whole *milliseconds*.
//!
//! Reads definite and indefinite lengths, any float width, and skips tags that it does not know.
//! Writes definite lengths; AWS writes indefinite maps, and its SDKs read both.

mod read;
mod write;

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use read::Reader;
pub use write::Writer;

use crate::value::Value;

/// Reads a whole body.
pub fn from_slice<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let mut reader = Reader::new(body);
    let value = T::deserialize(&mut reader)?;
    reader.finish()?;
    Ok(value)
}

/// Reads a whole body as a value.
pub fn parse(body: &[u8]) -> Result<Value, Error> {
    from_slice(body)
}

/// Whether a body is one item of CBOR, and a map or a list.
pub fn is_well_formed(body: &[u8]) -> bool {
    let mut reader = Reader::new(body);
    let is_container =
        body.first().is_some_and(|first| matches!(first >> 5, major::LIST | major::MAP));
    is_container && reader.skip_item().is_ok() && reader.finish().is_ok()
}

/// Writes to the end of a buffer; false if the value cannot be written.
pub(crate) fn write<T: Serialize>(value: &T, buffer: &mut Vec<u8>) -> bool {
    value.serialize(&mut Writer::new(buffer)).is_ok()
}

/// Why a body is not what it should be. Callers get AWS's words from the explainer instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The body ends within an item.
    Truncated,
    /// Bytes follow the item.
    Trailing,
    /// Something that RFC 8949 does not allow.
    Malformed(&'static str),
    /// Deeper than `NESTING_MAX`.
    TooDeep,
    /// Well-formed, but not what was asked for.
    Unexpected(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Truncated => f.write_str("the body ends within an item"),
            Error::Trailing => f.write_str("bytes follow the item"),
            Error::Malformed(what) => f.write_str(what),
            Error::TooDeep => f.write_str("too deep"),
            Error::Unexpected(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Error::Unexpected(message.to_string())
    }
}

impl serde::ser::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Error::Unexpected(message.to_string())
    }
}

/// RFC 8949's major types.
pub(crate) mod major {
    pub(crate) const UNSIGNED: u8 = 0;
    pub(crate) const NEGATIVE: u8 = 1;
    pub(crate) const BYTES: u8 = 2;
    pub(crate) const TEXT: u8 = 3;
    pub(crate) const LIST: u8 = 4;
    pub(crate) const MAP: u8 = 5;
    pub(crate) const TAG: u8 = 6;
    pub(crate) const SIMPLE: u8 = 7;
}

/// Simple values and the widths of floats.
pub(crate) mod simple {
    pub(crate) const FALSE: u8 = 20;
    pub(crate) const TRUE: u8 = 21;
    pub(crate) const NULL: u8 = 22;
    pub(crate) const UNDEFINED: u8 = 23;
    pub(crate) const HALF: u8 = 25;
    pub(crate) const SINGLE: u8 = 26;
    pub(crate) const DOUBLE: u8 = 27;
}

/// The additional information that makes a length indefinite, and of the byte that ends one.
pub(crate) const INDEFINITE: u8 = 31;
/// The byte that ends an indefinite length.
pub(crate) const BREAK: u8 = 0xff;
/// The tag of a point in time.
pub(crate) const TIME_TAG: u64 = 1;
