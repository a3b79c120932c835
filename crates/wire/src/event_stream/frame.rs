//! One message: its bytes, and how they are cut out of a stream.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};

use crate::limits::{FRAME_BYTES_MAX, FRAME_HEADERS_BYTES_MAX};

/// The two lengths and their checksum.
const PRELUDE_BYTES: usize = 12;
/// The checksum at the end.
const TRAILER_BYTES: usize = 4;
/// The type of a text header.
const TEXT: u8 = 7;

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Names and values, in order.
    pub headers: Vec<(String, HeaderValue)>,
    /// What the headers describe.
    pub payload: Bytes,
}

/// A header's value.
#[derive(Clone, Debug, PartialEq)]
pub enum HeaderValue {
    /// Types 0 and 1.
    Boolean(bool),
    /// Types 2 to 5: whole numbers of one to eight bytes.
    Integer(i64),
    /// Type 6.
    Bytes(Bytes),
    /// Type 7.
    Text(String),
    /// Type 8: milliseconds after 1970.
    Timestamp(i64),
    /// Type 9.
    Uuid(u128),
}

impl Frame {
    /// The text of a header.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).and_then(|(_, value)| match value {
            HeaderValue::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }
}

/// Writes a message with text headers. The payload is written in place, without a copy.
pub(super) fn encode(
    headers: &[(&str, &str)],
    payload_bytes_guess: usize,
    write_payload: impl FnOnce(&mut Vec<u8>),
) -> Bytes {
    let headers_bytes: usize =
        headers.iter().map(|(name, value)| 4 + name.len() + value.len()).sum();
    let overhead = PRELUDE_BYTES + headers_bytes + TRAILER_BYTES;
    let mut buffer = Vec::with_capacity(overhead + payload_bytes_guess);
    buffer.extend_from_slice(&[0; PRELUDE_BYTES]);
    for (name, value) in headers {
        buffer.push(name.len() as u8);
        buffer.extend_from_slice(name.as_bytes());
        buffer.push(TEXT);
        buffer.extend_from_slice(&(value.len() as u16).to_be_bytes());
        buffer.extend_from_slice(value.as_bytes());
    }
    write_payload(&mut buffer);
    let total = (buffer.len() + TRAILER_BYTES) as u32;
    buffer[0..4].copy_from_slice(&total.to_be_bytes());
    buffer[4..8].copy_from_slice(&(headers_bytes as u32).to_be_bytes());
    let prelude_checksum = crc32fast::hash(&buffer[0..8]);
    buffer[8..12].copy_from_slice(&prelude_checksum.to_be_bytes());
    let checksum = crc32fast::hash(&buffer);
    buffer.extend_from_slice(&checksum.to_be_bytes());
    buffer.into()
}

/// Why a stream of messages cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The lengths contradict each other or the limits.
    Length,
    /// The checksum of the lengths does not fit them.
    PreludeChecksum,
    /// The checksum of the message does not fit it.
    Checksum,
    /// The headers do not parse.
    Headers,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FrameError::Length => "an event-stream message has impossible lengths",
            FrameError::PreludeChecksum => "the checksum of an event-stream prelude is wrong",
            FrameError::Checksum => "the checksum of an event-stream message is wrong",
            FrameError::Headers => "the headers of an event-stream message do not parse",
        })
    }
}

impl std::error::Error for FrameError {}

/// Cuts messages out of bytes that arrive in any pieces.
#[derive(Debug, Default)]
pub struct Decoder {
    pending: BytesMut,
}

impl Decoder {
    /// Nothing pending.
    pub fn new() -> Self {
        Decoder::default()
    }

    /// Takes bytes as they arrive.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next whole message, if it has arrived. After an error the stream is lost.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        if self.pending.len() < PRELUDE_BYTES {
            return Ok(None);
        }
        let number = |at: usize| (&self.pending[at..at + 4]).get_u32();
        let (total, headers) = (number(0) as usize, number(4) as usize);
        if crc32fast::hash(&self.pending[..8]) != number(8) {
            return Err(FrameError::PreludeChecksum);
        }
        let fits = total <= FRAME_BYTES_MAX
            && headers <= FRAME_HEADERS_BYTES_MAX
            && total >= PRELUDE_BYTES + headers + TRAILER_BYTES;
        if !fits {
            return Err(FrameError::Length);
        }
        if self.pending.len() < total {
            return Ok(None);
        }
        let mut message = self.pending.split_to(total).freeze();
        let checksum = message.split_off(total - TRAILER_BYTES).get_u32();
        if crc32fast::hash(&message) != checksum {
            return Err(FrameError::Checksum);
        }
        message.advance(PRELUDE_BYTES);
        let mut block = message.split_to(headers);
        let mut headers = Vec::new();
        while !block.is_empty() {
            headers.push(header(&mut block).ok_or(FrameError::Headers)?);
        }
        Ok(Some(Frame { headers, payload: message }))
    }

    /// Whether the bytes ended between two messages.
    pub fn is_between_frames(&self) -> bool {
        self.pending.is_empty()
    }
}

fn header(block: &mut Bytes) -> Option<(String, HeaderValue)> {
    let name_bytes = usize::from(block.try_get_u8().ok()?);
    let name = text(block, name_bytes)?;
    let value = match block.try_get_u8().ok()? {
        0 => HeaderValue::Boolean(true),
        1 => HeaderValue::Boolean(false),
        2 => HeaderValue::Integer(block.try_get_i8().ok()?.into()),
        3 => HeaderValue::Integer(block.try_get_i16().ok()?.into()),
        4 => HeaderValue::Integer(block.try_get_i32().ok()?.into()),
        5 => HeaderValue::Integer(block.try_get_i64().ok()?),
        6 => {
            let length = usize::from(block.try_get_u16().ok()?);
            HeaderValue::Bytes((length <= block.len()).then(|| block.split_to(length))?)
        }
        TEXT => {
            let length = usize::from(block.try_get_u16().ok()?);
            HeaderValue::Text(text(block, length)?)
        }
        8 => HeaderValue::Timestamp(block.try_get_i64().ok()?),
        9 => HeaderValue::Uuid(block.try_get_u128().ok()?),
        _ => return None,
    };
    Some((name, value))
}

fn text(block: &mut Bytes, length: usize) -> Option<String> {
    if length > block.len() {
        return None;
    }
    String::from_utf8(block.split_to(length).to_vec()).ok()
}
