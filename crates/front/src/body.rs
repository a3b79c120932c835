//! Reading a request's body: one contiguous buffer, within a cap, a budget and a least rate.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use stdx::Clock;

use crate::budget::{Budget, Hold};
use crate::limits::{
    BODY_BYTES_PER_SECOND_MIN, BODY_GRACE, BODY_STEP_BYTES, DISCARD_BYTES_MAX, DISCARD_WAIT,
};

/// A body and its share of the budget.
pub(crate) struct Received {
    pub(crate) bytes: Bytes,
    pub(crate) hold: Hold,
}

/// Why a body was not read to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is longer than allowed. What came of it has been thrown away.
    TooLarge,
    /// It came below the least rate.
    TooSlow,
    /// There is no room for it now.
    Busy,
    /// The connection broke off.
    Cut,
}

/// What a body may take.
pub(crate) struct Allowance<'a> {
    /// The most bytes.
    pub(crate) bytes_max: usize,
    /// Whether the signature is not believed yet.
    pub(crate) unproven: bool,
    pub(crate) budget: &'a Budget,
    pub(crate) clock: &'a Clock,
}

/// Reads the whole body.
pub(crate) async fn receive<B>(
    body: &mut B,
    expected_bytes: Option<u64>,
    allowance: &Allowance<'_>,
) -> Result<Received, Unread>
where
    B: Body<Data = Bytes> + Unpin,
{
    if body.is_end_stream() {
        return Ok(Received { bytes: Bytes::new(), hold: Hold::default() });
    }
    if expected_bytes.is_some_and(|bytes| bytes > allowance.bytes_max as u64) {
        return Err(Unread::TooLarge);
    }
    let mut room = Room { allowance, hold: Hold::default(), bytes: 0 };
    let expected = expected_bytes.map(|bytes| bytes as usize);
    room.make(expected.unwrap_or(BODY_STEP_BYTES.min(allowance.bytes_max))).await?;
    let mut pace = Pace::new(allowance.clock);
    let Some(first) = pace.frame(body).await? else {
        return Ok(Received { bytes: Bytes::new(), hold: room.hold });
    };
    // Most bodies arrive in one piece, which is then used as it came.
    if expected == Some(first.len()) || body.is_end_stream() {
        room.make(first.len()).await?;
        return Ok(Received { bytes: first, hold: room.hold });
    }
    let mut whole = BytesMut::with_capacity(expected.unwrap_or(first.len() * 2));
    let mut next = Some(first);
    while let Some(piece) = next {
        room.make(whole.len() + piece.len()).await?;
        whole.extend_from_slice(&piece);
        next = pace.frame(body).await?;
    }
    Ok(Received { bytes: whole.freeze(), hold: room.hold })
}

/// Reads and throws away what a refused sender still sends, up to a limit, so that it gets to read
/// its answer.
pub(crate) async fn discard<B>(body: &mut B, clock: &Clock)
where
    B: Body<Data = Bytes> + Unpin,
{
    let _ended_or_not = clock
        .timeout(DISCARD_WAIT, async {
            let mut bytes = 0;
            while let Some(Ok(frame)) = body.frame().await {
                bytes += frame.data_ref().map_or(0, Bytes::len);
                if bytes > DISCARD_BYTES_MAX {
                    break;
                }
            }
        })
        .await;
}

/// The budget that a growing body holds.
struct Room<'a> {
    allowance: &'a Allowance<'a>,
    hold: Hold,
    bytes: usize,
}

impl Room<'_> {
    /// Sees to it that `bytes` are held in all.
    async fn make(&mut self, bytes: usize) -> Result<(), Unread> {
        let Allowance { bytes_max, unproven, budget, clock } = *self.allowance;
        if bytes > bytes_max {
            return Err(Unread::TooLarge);
        }
        if bytes > self.bytes {
            let step = (bytes - self.bytes).next_multiple_of(BODY_STEP_BYTES);
            let step = if self.bytes == 0 { bytes } else { step.min(bytes_max - self.bytes) };
            let extended = budget.extend(&mut self.hold, step, unproven, clock).await;
            extended.map_err(|_exhausted| Unread::Busy)?;
            self.bytes += step;
        }
        Ok(())
    }
}

/// How fast a body comes, from when it was first waited for: most are there with their head.
struct Pace<'a> {
    clock: &'a Clock,
    started: Option<Duration>,
    bytes: u64,
}

impl<'a> Pace<'a> {
    fn new(clock: &'a Clock) -> Self {
        Pace { clock, started: None, bytes: 0 }
    }

    /// The next piece; `None` at the end.
    async fn frame<B>(&mut self, body: &mut B) -> Result<Option<Bytes>, Unread>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        loop {
            let frame = match poll_once(body).await {
                Some(frame) => frame,
                None => self.wait(body).await?,
            };
            match frame {
                None => return Ok(None),
                Some(Err(_)) => return Err(Unread::Cut),
                Some(Ok(frame)) => {
                    // Trailers mean nothing here.
                    if let Ok(data) = frame.into_data() {
                        self.bytes += data.len() as u64;
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// The next frame, which is not there yet.
    async fn wait<B>(&mut self, body: &mut B) -> Result<Option<NextFrame<B>>, Unread>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let now = self.clock.monotonic();
        let earned = Duration::from_millis(self.bytes * 1000 / BODY_BYTES_PER_SECOND_MIN);
        let due = *self.started.get_or_insert(now) + BODY_GRACE + earned;
        let waited = self.clock.timeout(due.saturating_sub(now), body.frame());
        waited.await.ok_or(Unread::TooSlow)
    }
}

type NextFrame<B> = Result<Frame<Bytes>, <B as Body>::Error>;

/// What a body has next, if it has come: without a look at the clock.
async fn poll_once<B>(body: &mut B) -> Option<Option<NextFrame<B>>>
where
    B: Body<Data = Bytes> + Unpin,
{
    let once = poll_fn(|context| match Pin::new(&mut *body).poll_frame(context) {
        Poll::Ready(frame) => Poll::Ready(Some(frame)),
        Poll::Pending => Poll::Ready(None),
    });
    once.await
}
