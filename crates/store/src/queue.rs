//! Requests on their way to the sequencer, and the answers on their way back.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stdx::UnixMillis;
use tokio::sync::oneshot;

use crate::error::StoreError;
use crate::limits::{ENCODE_AHEAD_BYTES, GATHER_BYTES_MAX};
use crate::request::{AppendOutcome, Commit, CommitError, Committed, LogAppend};

pub(crate) type AppendReply = oneshot::Sender<Result<Vec<AppendOutcome>, StoreError>>;
pub(crate) type CommitReply = oneshot::Sender<Result<Committed, CommitError>>;

/// One request.
#[derive(Debug)]
pub(crate) enum Request {
    Append { batch: Vec<LogAppend>, bytes: usize, reply: AppendReply },
    Commit { commit: Box<Commit>, bytes: usize, reply: CommitReply },
}

impl Request {
    /// What it adds to a chunk, at most.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Request::Append { bytes, .. } | Request::Commit { bytes, .. } => *bytes,
        }
    }

    /// Whether it needs room for data.
    pub(crate) fn has_records(&self) -> bool {
        match self {
            Request::Append { .. } => true,
            Request::Commit { commit, .. } => !commit.records.is_empty(),
        }
    }

    /// Answers without having done anything.
    pub(crate) fn refuse(self, error: StoreError) {
        match self {
            Request::Append { reply, .. } => drop(reply.send(Err(error))),
            Request::Commit { reply, .. } => drop(reply.send(Err(error.into()))),
        }
    }
}

/// An answer that waits for the chunk it rests on.
#[derive(Debug)]
pub(crate) enum Waiter {
    Append { outcomes: Vec<AppendOutcome>, reply: AppendReply },
    Commit { result: Result<Committed, CommitError>, reply: CommitReply },
}

impl Waiter {
    /// Answers: what it rests on is durable. Nobody may be waiting any more, which is fine.
    pub(crate) fn answer(self, at: UnixMillis) {
        match self {
            Waiter::Append { mut outcomes, reply } => {
                stamp(&mut outcomes, at);
                let _gone = reply.send(Ok(outcomes));
            }
            Waiter::Commit { mut result, reply } => {
                if let Ok(committed) = &mut result {
                    stamp(&mut committed.appended, at);
                    committed.arrival = at;
                }
                let _gone = reply.send(result);
            }
        }
    }

    /// Whether it says no.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Waiter::Append { outcomes, .. } => {
                outcomes.iter().all(|outcome| !matches!(outcome, AppendOutcome::Appended { .. }))
            }
            Waiter::Commit { result, .. } => result.is_err(),
        }
    }

    /// Answers: what it rests on did not become durable.
    pub(crate) fn fail(self, error: StoreError) {
        match self {
            Waiter::Append { reply, .. } => drop(reply.send(Err(error))),
            Waiter::Commit { reply, .. } => drop(reply.send(Err(error.into()))),
        }
    }
}

fn stamp(outcomes: &mut [AppendOutcome], at: UnixMillis) {
    for outcome in outcomes {
        if let AppendOutcome::Appended { arrival, .. } = outcome {
            *arrival = at;
        }
    }
}

/// The requests that nobody has sequenced yet. What they hold is bounded by the store's permits.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<QueueState>,
    lane: Condvar,
    encoder: Condvar,
}

#[derive(Debug, Default)]
struct QueueState {
    requests: VecDeque<Request>,
    bytes: usize,
    lane_sleeps: bool,
    /// The lane sleeps until so many requests wait, or [`GATHER_BYTES_MAX`] of them; 0 if it does not.
    lane_gathers: usize,
    /// The lane sleeps and requests do not wake it.
    lane_is_full: bool,
    encoder_sleeps: bool,
    /// The encoder has put something into the open chunk.
    encoded: bool,
    closing: bool,
}

/// Why the lane's thread woke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    Requests,
    Idle,
    Closing,
}

impl QueueState {
    /// Whether the lane waits for as much as there is.
    fn has_gathered(&self) -> bool {
        let enough = self.requests.len() >= self.lane_gathers || self.bytes >= GATHER_BYTES_MAX;
        self.lane_gathers > 0 && (enough || self.closing)
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a request, and wakes a thread only if one sleeps that should not.
    pub(crate) fn push(&self, request: Request) {
        let mut state = self.state();
        if state.closing {
            drop(state);
            return request.refuse(StoreError::Unavailable("it is closing"));
        }
        state.bytes += request.bytes();
        state.requests.push_back(request);
        if std::mem::take(&mut state.lane_sleeps) || state.has_gathered() {
            state.lane_gathers = 0;
            drop(state);
            self.lane.notify_one();
        } else if state.encoder_sleeps && state.bytes >= ENCODE_AHEAD_BYTES {
            state.encoder_sleeps = false;
            drop(state);
            self.encoder.notify_one();
        }
    }

    /// Moves everything that waits to the end of `into`.
    pub(crate) fn drain(&self, into: &mut VecDeque<Request>) {
        let mut state = self.state();
        state.bytes = 0;
        if into.is_empty() {
            std::mem::swap(&mut state.requests, into);
        } else {
            into.append(&mut state.requests);
        }
    }

    /// Sleeps until there are requests, or the lane has been idle for `idle`, or the store closes.
    pub(crate) fn wait(&self, idle: Option<Duration>) -> Wake {
        let mut state = self.state();
        loop {
            let encoded = std::mem::take(&mut state.encoded);
            if encoded || !state.requests.is_empty() {
                return Wake::Requests;
            }
            if state.closing {
                return Wake::Closing;
            }
            state.lane_sleeps = true;
            match idle {
                None => state = self.lane.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(idle) => {
                    let woken = self.lane.wait_timeout(state, idle);
                    let (locked, timeout) = woken.unwrap_or_else(PoisonError::into_inner);
                    state = locked;
                    let nothing = state.requests.is_empty() && !state.encoded && !state.closing;
                    if timeout.timed_out() && nothing {
                        state.lane_sleeps = false;
                        return Wake::Idle;
                    }
                }
            }
            state.lane_sleeps = false;
        }
    }

    /// Requests that wait.
    pub(crate) fn len(&self) -> usize {
        self.state().requests.len()
    }

    /// Sleeps until `count` requests wait, or many bytes of them, or for `limit`.
    pub(crate) fn gather(&self, count: usize, limit: Duration) {
        let mut state = self.state();
        state.lane_gathers = count;
        if state.has_gathered() {
            state.lane_gathers = 0;
            return;
        }
        let asleep = |state: &mut QueueState| state.lane_gathers > 0;
        let woken = self.lane.wait_timeout_while(state, limit, asleep);
        woken.unwrap_or_else(PoisonError::into_inner).0.lane_gathers = 0;
    }

    /// Sleeps until enough waits to be worth encoding during a sync; `false` once the store closes.
    pub(crate) fn wait_ahead(&self) -> bool {
        let mut state = self.state();
        state.encoder_sleeps = true;
        while state.encoder_sleeps && !state.closing {
            state = self.encoder.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        !state.closing
    }

    /// Sleeps until something was encoded or has become durable, or for `limit`; whether the store
    /// takes requests. What waits in the queue wakes nobody here: the lane has no room for it.
    pub(crate) fn wait_encoded(&self, limit: Duration) -> bool {
        let state = self.state();
        let asleep = |state: &mut QueueState| {
            state.lane_is_full = !state.encoded;
            state.lane_is_full
        };
        let woken = self.lane.wait_timeout_while(state, limit, asleep);
        let (mut state, _) = woken.unwrap_or_else(PoisonError::into_inner);
        state.lane_is_full = false;
        state.encoded = false;
        !state.closing
    }

    /// Tells the lane that the open chunk may have something in it, or that a chunk is durable.
    pub(crate) fn encoded(&self) {
        let mut state = self.state();
        state.encoded = true;
        let sleeps = std::mem::take(&mut state.lane_sleeps);
        if sleeps || state.lane_is_full {
            drop(state);
            self.lane.notify_one();
        }
    }

    /// Takes no more requests and wakes everybody.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closing = true;
        state.lane_gathers = 0;
        drop(state);
        self.lane.notify_all();
        self.encoder.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use stdx::task::spawn_thread;

    use super::*;

    /// Longer than any test.
    const LONG: Duration = Duration::from_secs(3600);

    fn push(queue: &Queue, bytes: usize) {
        let (reply, _answer) = oneshot::channel();
        queue.push(Request::Append { batch: Vec::new(), bytes, reply });
    }

    #[test]
    fn the_lane_gathers_until_there_is_enough_and_no_longer_than_it_may() {
        let queue = Arc::new(Queue::default());
        push(&queue, 1);
        queue.gather(1, LONG);
        queue.gather(2, Duration::from_millis(1));
        assert_eq!(queue.len(), 1);
        push(&queue, GATHER_BYTES_MAX);
        queue.gather(1000, LONG);
        let mut drained = VecDeque::new();
        queue.drain(&mut drained);
        assert_eq!((drained.len(), queue.len()), (2, 0));

        let lane = Arc::clone(&queue);
        let gathering = spawn_thread("gathers", move || lane.gather(3, LONG)).unwrap();
        (0..3).for_each(|_| push(&queue, 1));
        gathering.join().unwrap();

        let lane = Arc::clone(&queue);
        let gathering = spawn_thread("gathers", move || lane.gather(1000, LONG)).unwrap();
        queue.close();
        gathering.join().unwrap();
    }
}
