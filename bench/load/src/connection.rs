//! Just enough HTTP/1.1 to send a prepared request and check its answer.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::target::Target;

const READ_BYTES: usize = 64 * 1024;
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A kept-alive connection.
pub struct Connection {
    target: Target,
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Whether the server has said that it closes the connection.
    closing: bool,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// The network's.
    pub async fn open(target: &Target) -> io::Result<Self> {
        let stream = connect(target).await?;
        let (target, buffer) = (target.clone(), vec![0; READ_BYTES]);
        Ok(Connection { target, stream, buffer, closing: false })
    }

    /// Sends a whole request and returns its answer's body.
    ///
    /// # Errors
    /// The network's; any status but 200, with the body in the error; an answer without a length.
    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<&[u8]> {
        if std::mem::take(&mut self.closing) {
            self.stream = connect(&self.target).await?;
        }
        self.send(request).await?;
        let mut filled = 0;
        let start = loop {
            filled += self.read_more(filled).await?;
            if let Some(at) = memchr::memmem::find(&self.buffer[..filled], b"\r\n\r\n") {
                break at + 4;
            }
        };
        let head = &self.buffer[..start];
        self.closing = find_value(head, b"connection:").is_some_and(|value| value == b"close");
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

    /// Sends a whole request.
    pub(crate) async fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.write_all(request).await
    }

    /// What has come of an answer that is read as it comes.
    pub(crate) async fn read_part(&mut self) -> io::Result<&[u8]> {
        let read = self.read_more(0).await?;
        Ok(&self.buffer[..read])
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

async fn connect(target: &Target) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(target.address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A header's value; its name in lower case, with the colon.
fn find_value<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut lines = head.split(|byte| *byte == b'\n');
    let line = lines
        .find(|line| line.len() > name.len() && line[..name.len()].eq_ignore_ascii_case(name))?;
    Some(line[name.len()..].trim_ascii())
}

fn find_length(head: &[u8]) -> Option<usize> {
    std::str::from_utf8(find_value(head, b"content-length:")?).ok()?.parse().ok()
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
