//! The bucket lane: the window of puts, driven by whoever the bucket answers on.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::window::PutWindow;
use super::{Answer, Ask, Bucket, pause_before};
use crate::lane::Sabotage;
use crate::limits::{BUCKET_LANE_DEPTH, BUCKET_STALLED_TRIES};
use crate::queue::Queue;

/// One incarnation's lane in a bucket.
pub(crate) struct BucketLane(Arc<Shared>);

struct Shared {
    bucket: Arc<dyn Bucket>,
    window: Mutex<PutWindow>,
    /// Woken when a chunk is durable.
    queue: Arc<Queue>,
    /// Whether another process has taken over: shared with everything else that writes.
    fenced: Arc<AtomicBool>,
    /// Whether the bucket has not answered for a while.
    stalled: AtomicBool,
}

impl fmt::Debug for BucketLane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BucketLane").field(&*self.0.window()).finish()
    }
}

impl Shared {
    fn window(&self) -> MutexGuard<'_, PutWindow> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks, and whatever follows from the answer, until the chunk is settled.
    fn pursue(self: &Arc<Self>, number: u64, ask: Ask, tries: u32, pause: Duration) {
        let shared = Arc::clone(self);
        let reply = Box::new(move |answer: Answer| {
            let tries = match &answer {
                Answer::Unknown(why) => {
                    tracing::warn!(number, why, "a put has no answer and is tried again");
                    tries + 1
                }
                _ => 0,
            };
            shared.stalled.store(tries >= BUCKET_STALLED_TRIES, Ordering::Release);
            let next = shared.window().answer(number, answer);
            match next {
                Some(ask) => shared.pursue(number, ask, tries, pause_before(tries)),
                None => {
                    if shared.window().is_fenced() {
                        shared.fenced.store(true, Ordering::Release);
                    }
                    shared.queue.encoded();
                }
            }
        });
        self.bucket.start(ask, pause, reply);
    }
}

impl BucketLane {
    pub(crate) fn new(
        bucket: Arc<dyn Bucket>,
        lane: u64,
        queue: Arc<Queue>,
        fenced: Arc<AtomicBool>,
        sabotage: Sabotage,
    ) -> Self {
        let window = Mutex::new(PutWindow::new(lane, sabotage));
        let stalled = AtomicBool::new(false);
        BucketLane(Arc::new(Shared { bucket, window, queue, fenced, stalled }))
    }

    /// Sends a chunk on its way.
    pub(crate) fn submit(&self, number: u64, bytes: Bytes) {
        let ask = self.0.window().submit(number, bytes);
        self.0.pursue(number, ask, 0, Duration::ZERO);
    }

    /// Chunks below this number are durable.
    pub(crate) fn durable_below(&self) -> u64 {
        self.0.window().durable_below()
    }

    /// Whether another process has taken over. Once so, always so.
    pub(crate) fn is_fenced(&self) -> bool {
        self.0.fenced.load(Ordering::Acquire)
    }

    /// Whether the bucket has not answered for a while.
    pub(crate) fn is_stalled(&self) -> bool {
        self.0.stalled.load(Ordering::Acquire)
    }

    /// Whether a chunk may be sent now. One is always on its way; more only while each is worth its
    /// request: `bytes` wait for it, and less than `ahead` gain nothing over waiting for the answer.
    pub(crate) fn has_room(&self, bytes: usize, ahead: usize) -> bool {
        match self.0.window().in_flight() {
            0 => true,
            in_flight => in_flight < BUCKET_LANE_DEPTH && bytes >= ahead,
        }
    }
}
