//! Bodies of answers: bytes, or an object as it is read.

use std::error::Error;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use store::{BlobError, BlobPin};

/// Why a body breaks off.
pub type WireError = Box<dyn Error + Send + Sync>;

type Reading = Pin<Box<dyn Future<Output = Result<Bytes, BlobError>> + Send>>;

/// A range of an object, read piece by piece as it is asked for: at most one piece is in memory.
pub(super) struct DownloadBody {
    pin: Arc<BlobPin>,
    rest: Range<u64>,
    reading: Option<Reading>,
}

impl DownloadBody {
    pub(crate) fn new(pin: BlobPin, range: Range<u64>) -> Self {
        DownloadBody { pin: Arc::new(pin), rest: range, reading: None }
    }
}

impl Body for DownloadBody {
    type Data = Bytes;
    type Error = WireError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, WireError>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let (pin, rest) = (Arc::clone(&self.pin), self.rest.clone());
        let reading =
            self.reading.get_or_insert_with(|| Box::pin(async move { pin.read(rest).await }));
        let Poll::Ready(read) = reading.as_mut().poll(context) else { return Poll::Pending };
        self.reading = None;
        Poll::Ready(Some(match read {
            Ok(piece) => {
                self.rest.start += piece.len() as u64;
                Ok(Frame::data(piece))
            }
            Err(error) => {
                // The length has been promised: what is missing must be missed.
                self.rest = 0..0;
                Err(error.into())
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.end - self.rest.start)
    }
}
