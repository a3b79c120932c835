//! Bodies in `aws-chunked`, read without asking for their signatures: where nobody has to sign, clients
//! still send them so.

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, HeaderName};

/// A line between chunks, or a trailer, in bytes, at most.
const LINE_BYTES_MAX: usize = 8192;

/// Why a body is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is not in aws-chunked")]
pub(super) struct NotChunked;

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
enum State {
    /// The line with a chunk's size.
    Size,
    /// So many bytes of a chunk.
    Chunk(u64),
    /// The end of the line after a chunk.
    ChunkEnd,
    /// Trailers, whatever they say.
    Trailers,
}

/// Takes the chunks' bytes out of what comes.
#[derive(Debug)]
pub(super) struct Dechunker {
    buffer: BytesMut,
    state: State,
}

impl Dechunker {
    pub(super) fn new() -> Self {
        Dechunker { buffer: BytesMut::new(), state: State::Size }
    }

    /// Whether all has come.
    pub(super) fn is_whole(&self) -> bool {
        self.state == State::Trailers
    }

    /// Adds what came; the bytes that it brings.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Bytes>, NotChunked> {
        self.buffer.extend_from_slice(bytes);
        let mut found = Vec::new();
        loop {
            match self.state {
                State::Size => {
                    let Some(line) = self.line()? else { return Ok(found) };
                    let size = line.split(|byte| *byte == b';').next().unwrap_or_default();
                    let size = std::str::from_utf8(size).map_err(|_| NotChunked)?;
                    self.state = match u64::from_str_radix(size, 16) {
                        Ok(0) => State::Trailers,
                        Ok(bytes) => State::Chunk(bytes),
                        Err(_) => return Err(NotChunked),
                    };
                }
                State::Chunk(left) => {
                    let count = (self.buffer.len() as u64).min(left);
                    if count == 0 {
                        return Ok(found);
                    }
                    found.push(self.buffer.split_to(count as usize).freeze());
                    self.state = match left - count {
                        0 => State::ChunkEnd,
                        left => State::Chunk(left),
                    };
                }
                State::ChunkEnd => match self.line()? {
                    None => return Ok(found),
                    Some(line) if line.is_empty() => self.state = State::Size,
                    Some(_) => return Err(NotChunked),
                },
                State::Trailers => {
                    self.buffer.clear();
                    return Ok(found);
                }
            }
        }
    }

    /// The next line, without its end.
    fn line(&mut self) -> Result<Option<Bytes>, NotChunked> {
        match self.buffer.windows(2).position(|pair| pair == b"\r\n") {
            Some(at) => {
                let line = self.buffer.split_to(at).freeze();
                self.buffer.advance(2);
                Ok(Some(line))
            }
            None if self.buffer.len() > LINE_BYTES_MAX => Err(NotChunked),
            None => Ok(None),
        }
    }
}

/// Whether a body is in `aws-chunked`; what says so, and what signs, is taken out of the head.
pub(super) fn strip(headers: &mut HeaderMap) -> bool {
    const GONE: [&str; 6] = [
        "authorization",
        "x-amz-date",
        "x-amz-security-token",
        "x-amz-content-sha256",
        "x-amz-trailer",
        "x-amz-decoded-content-length",
    ];
    let hash = headers.get("x-amz-content-sha256");
    let chunked = hash.is_some_and(|value| value.as_bytes().starts_with(b"STREAMING-"));
    let decoded = headers.get("x-amz-decoded-content-length").cloned();
    GONE.iter().for_each(|name| drop(headers.remove(*name)));
    if chunked {
        match decoded {
            Some(length) => drop(headers.insert(http::header::CONTENT_LENGTH, length)),
            None => drop(headers.remove(http::header::CONTENT_LENGTH)),
        }
        let sums: Vec<HeaderName> = headers
            .keys()
            .filter(|name| name.as_str() == "x-amz-sdk-checksum-algorithm")
            .cloned()
            .collect();
        sums.iter().for_each(|name| drop(headers.remove(name)));
        strip_encoding(headers);
    }
    chunked
}

/// `Content-Encoding` without `aws-chunked`, which is no encoding of the object.
pub(super) fn strip_encoding(headers: &mut HeaderMap) {
    let Some(value) = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()) else {
        return;
    };
    let kept: Vec<&str> =
        value.split(',').map(str::trim).filter(|own| *own != "aws-chunked").collect();
    match http::HeaderValue::from_str(&kept.join(", ")) {
        Ok(kept) if !kept.is_empty() => drop(headers.insert(CONTENT_ENCODING, kept)),
        _ => drop(headers.remove(CONTENT_ENCODING)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_cut_anywhere_gives_its_bytes() {
        let body = b"5;chunk-signature=ab\r\nhello\r\n1\r\n!\r\n0;chunk-signature=cd\r\nx-amz-checksum-crc32:AAAA\r\n\r\n";
        for cut in 0..body.len() {
            let mut own = Dechunker::new();
            let mut found = own.feed(&body[..cut]).unwrap();
            found.extend(own.feed(&body[cut..]).unwrap());
            assert_eq!(found.concat(), b"hello!", "{cut}");
            assert!(own.is_whole());
        }
        let mut short = Dechunker::new();
        assert_eq!(short.feed(&body[..20]).unwrap().concat(), b"");
        assert!(!short.is_whole());
    }

    #[test]
    fn what_is_not_chunked_is_refused() {
        for bad in [&b"hello\r\n"[..], b"1\r\nab\r\n", b"-1\r\n", &[b'1'; LINE_BYTES_MAX + 1]] {
            assert_eq!(Dechunker::new().feed(bad), Err(NotChunked));
        }
    }

    #[test]
    fn heads_lose_what_signs_and_what_says_chunked() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "x"),
            ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
            ("x-amz-decoded-content-length", "6"),
            ("content-length", "80"),
            ("content-encoding", "gzip, aws-chunked"),
            ("x-amz-meta-a", "b"),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        assert!(strip(&mut headers));
        assert_eq!(headers.len(), 3);
        assert_eq!(headers["content-length"], "6");
        assert_eq!(headers["content-encoding"], "gzip");
        let mut plain = HeaderMap::new();
        plain.insert("content-encoding", "aws-chunked".parse().unwrap());
        assert!(!strip(&mut plain));
        strip_encoding(&mut plain);
        assert!(plain.is_empty());
    }
}
