//! Just enough HTTP/1.1 to send a prepared request and check its answer.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::target::Target;

const READ_BYTES: usize = 64 * 1024;
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A kept-alive connection.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// The network's.
    pub async fn open(target: &Target) -> io::Result<Self> {
        let stream = TcpStream::connect(target.address).await?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, buffer: vec![0; READ_BYTES] })
    }

    /// Sends a whole request and returns its answer's body.
    ///
    /// # Errors
    /// The network's; any status but 200, with the body in the error; an answer without a length.
    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<&[u8]> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        let start = loop {
            filled += self.read_more(filled).await?;
            if let Some(at) = memchr::memmem::find(&self.buffer[..filled], b"\r\n\r\n") {
                break at + 4;
            }
        };
        let head = &self.buffer[..start];
        let succeeded = head.starts_with(b"HTTP/1.1 200 ");
        let length = find_length(head).ok_or_else(|| io::Error::other("no content-length"))?;
        if length > ANSWER_BYTES_MAX {
            return Err(io::Error::other("an answer is too long"));
        }
        let end = start + length;
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        while filled < end {
            filled += self.read_more(filled).await?;
        }
        if filled > end {
            return Err(io::Error::other("more than one answer"));
        }
        if !succeeded {
            let text = String::from_utf8_lossy(&self.buffer[..end.min(2000)]).into_owned();
            return Err(io::Error::other(text));
        }
        Ok(&self.buffer[start..end])
    }

    async fn read_more(&mut self, filled: usize) -> io::Result<usize> {
        if filled == self.buffer.len() {
            return Err(io::Error::other("the head of an answer is too long"));
        }
        match self.stream.read(&mut self.buffer[filled..]).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => Ok(read),
        }
    }
}

fn find_length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let line = head
        .split(|byte| *byte == b'\n')
        .find(|line| line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME))?;
    std::str::from_utf8(line[NAME.len()..].trim_ascii()).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_found_in_any_case() {
        let head = b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 12\r\n\r\n";
        assert_eq!(find_length(head), Some(12));
        assert_eq!(find_length(b"HTTP/1.1 200 OK\r\n\r\n"), None);
    }
}
