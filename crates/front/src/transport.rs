//! The bytes of a connection, encrypted or not, watched.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::connection::Activity;
use crate::sniff::Prefixed;
use crate::tls::Encrypted;

/// A connection's bytes. One type for both, so that HTTP is compiled once.
pub(crate) enum Transport {
    Plain(Prefixed<TcpStream>),
    Encrypted(Box<Encrypted>),
}

/// A transport that tells its watchdog when a request's head begins and whether answers are taken.
pub(crate) struct Watched {
    transport: Transport,
    activity: Arc<Activity>,
}

impl Watched {
    pub(crate) fn new(transport: Transport, activity: Arc<Activity>) -> Self {
        Watched { transport, activity }
    }
}

/// Slices that are written as one, if they are no more than this together.
const JOINED_BYTES_MAX: usize = 1024;

/// All slices as one, if they fit.
fn join<'a>(slices: &[io::IoSlice<'_>], into: &'a mut [u8; JOINED_BYTES_MAX]) -> Option<&'a [u8]> {
    let mut end = 0;
    for slice in slices {
        into.get_mut(end..end + slice.len())?.copy_from_slice(slice);
        end += slice.len();
    }
    Some(&into[..end])
}

/// The same call on whichever stream it is.
macro_rules! on_stream {
    ($transport:expr, $stream:ident => $call:expr) => {
        match $transport {
            Transport::Plain($stream) => $call,
            Transport::Encrypted($stream) => $call,
        }
    };
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = on_stream!(&mut self.transport, stream => {
            Pin::new(stream).poll_read(context, buffer)
        });
        if buffer.filled().len() > before {
            self.activity.note_read();
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = on_stream!(&mut self.transport, stream => {
            Pin::new(stream).poll_write(context, bytes)
        });
        self.activity.note_write(written.is_ready());
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed =
            on_stream!(&mut self.transport, stream => Pin::new(stream).poll_flush(context));
        self.activity.note_flush(flushed.is_ready());
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(&mut self.transport, stream => Pin::new(stream).poll_shutdown(context))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // Head and body of a small answer: copying them costs less than telling the kernel of two.
        let mut joined = [0; JOINED_BYTES_MAX];
        if let Some(bytes) = join(slices, &mut joined) {
            return self.poll_write(context, bytes);
        }
        let written = on_stream!(&mut self.transport, stream => {
            Pin::new(stream).poll_write_vectored(context, slices)
        });
        self.activity.note_write(written.is_ready());
        written
    }

    fn is_write_vectored(&self) -> bool {
        on_stream!(&self.transport, stream => stream.is_write_vectored())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_joined_if_they_fit() {
        let (long, mut into) = ([7; JOINED_BYTES_MAX], [0; JOINED_BYTES_MAX]);
        let slices = |parts: &[&'static [u8]]| -> Vec<io::IoSlice<'static>> {
            parts.iter().map(|part| io::IoSlice::new(part)).collect()
        };
        assert_eq!(join(&slices(&[b"head", b"", b"body"]), &mut into), Some(&b"headbody"[..]));
        assert_eq!(join(&slices(&[]), &mut into), Some(&b""[..]));
        assert_eq!(join(&[io::IoSlice::new(&long)], &mut into), Some(&long[..]));
        assert_eq!(join(&[io::IoSlice::new(&long), io::IoSlice::new(b"x")], &mut into), None);
    }
}
