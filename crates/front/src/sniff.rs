//! Telling protocols apart by a connection's first bytes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// The first bytes of HTTP/2 with prior knowledge (RFC 9113 § 3.4).
const H2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The first byte of a TLS handshake record (RFC 8446 § 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// What a peer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
    Tls,
}

/// Reads until the protocol is known; the bytes are given back in front of the rest.
pub(crate) async fn sniff<S: AsyncRead + Unpin>(
    mut stream: S,
) -> io::Result<(Protocol, Prefixed<S>)> {
    let mut start = [0; H2_PREFACE.len()];
    let mut length = 0;
    loop {
        let read = stream.read(&mut start[length..]).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        length += read;
        if let Some(protocol) = tell(&start[..length]) {
            return Ok((protocol, Prefixed { start, from: 0, to: length, stream }));
        }
    }
}

/// The protocol that starts with these bytes, once they tell.
fn tell(start: &[u8]) -> Option<Protocol> {
    if start.first() == Some(&TLS_HANDSHAKE) {
        Some(Protocol::Tls)
    } else if !H2_PREFACE.starts_with(start) {
        Some(Protocol::Http1)
    } else {
        (start.len() == H2_PREFACE.len()).then_some(Protocol::Http2)
    }
}

/// A stream with some bytes in front of it.
pub(crate) struct Prefixed<S> {
    start: [u8; H2_PREFACE.len()],
    from: usize,
    to: usize,
    stream: S,
}

impl<S> Prefixed<S> {
    /// Nothing in front.
    pub(crate) fn nothing(stream: S) -> Self {
        Prefixed { start: [0; H2_PREFACE.len()], from: 0, to: 0, stream }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefixed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.from < self.to && buffer.remaining() > 0 {
            let length = buffer.remaining().min(self.to - self.from);
            buffer.put_slice(&self.start[self.from..self.from + length]);
            self.from += length;
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefixed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell() {
        assert_eq!(tell(b"P"), None);
        assert_eq!(tell(b"PO"), Some(Protocol::Http1));
        assert_eq!(tell(b"PR"), None);
        assert_eq!(tell(b"PRO"), Some(Protocol::Http1));
        assert_eq!(tell(b"G"), Some(Protocol::Http1));
        assert_eq!(tell(&[0x16]), Some(Protocol::Tls));
        assert_eq!(tell(H2_PREFACE), Some(Protocol::Http2));
        assert_eq!(tell(&H2_PREFACE[..23]), None);
    }

    #[tokio::test]
    async fn what_was_read_comes_first() {
        let bytes: &[u8] = b"POST / HTTP/1.1\r\n\r\nrest that is longer than the preface";
        let (protocol, mut stream) = sniff(bytes).await.unwrap();
        assert_eq!(protocol, Protocol::Http1);
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, bytes);
    }
}
