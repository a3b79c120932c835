//! The threads that drive the store's steps.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use stdx::task::spawn_thread;

use crate::core::Core;
use crate::error::StoreError;
use crate::limits::BUCKET_CLOSE_MAX;
use crate::queue::Wake;

/// How often the lane looks again whether a flush has made room.
const ROOM_POLL: Duration = Duration::from_millis(100);

/// Starts them. They end after [`crate::queue::Queue::close`].
pub(crate) fn start(core: &Arc<Core>) -> io::Result<Vec<JoinHandle<()>>> {
    let (lane, encoder, flusher) = (Arc::clone(core), Arc::clone(core), Arc::clone(core));
    let mut threads = vec![
        spawn_thread("store-lane", move || run_lane(&lane))?,
        spawn_thread("store-encode", move || run_encoder(&encoder))?,
    ];
    if core.folder.is_some() {
        threads.push(spawn_thread("store-flush", move || run_flusher(&flusher))?);
        let sweeper = Arc::clone(core);
        threads.push(spawn_thread("store-blobs", move || sweeper.sweep_blobs())?);
    }
    Ok(threads)
}

/// However the lane's thread ends, nobody waits for it in vain.
struct LaneEnd<'a>(&'a Core);

impl Drop for LaneEnd<'_> {
    fn drop(&mut self) {
        self.0.queue.close();
        let mut left = VecDeque::new();
        self.0.queue.drain(&mut left);
        left.into_iter().for_each(|left| left.refuse(StoreError::Unavailable("it is closed")));
        self.0.flush_signal.close();
        self.0.condition.closed.store(true, Ordering::Release);
    }
}

fn run_lane(core: &Core) {
    let _end = LaneEnd(core);
    loop {
        if core.lane_is_full() {
            if !core.queue.wait_encoded(ROOM_POLL) {
                finish_in_flight(core);
            }
        } else if !core.has_work() {
            match core.queue.wait(core.idle_limit()) {
                Wake::Requests => {}
                Wake::Idle if !core.condition.is_poisoned() => {
                    core.prove_step();
                    continue;
                }
                Wake::Idle => {}
                Wake::Closing => break,
            }
        }
        core.gather_step();
        while core.must_wait_for_flush() {
            core.flush_signal.wake();
            core.flush_signal.wait_flushed(ROOM_POLL);
        }
        core.lane_step();
    }
    core.prove_step();
    finish_in_flight(core);
}

/// What is on its way when the store closes has a while to arrive.
fn finish_in_flight(core: &Core) {
    let polls_max = BUCKET_CLOSE_MAX.as_millis() / ROOM_POLL.as_millis();
    let mut polls = 0;
    while core.is_in_flight() && polls < polls_max {
        if core.lane_step() {
            polls = 0;
        } else {
            core.queue.wait_encoded(ROOM_POLL);
            polls += 1;
        }
    }
    if core.is_in_flight() {
        core.give_up_in_flight();
    }
}

fn run_encoder(core: &Core) {
    while core.queue.wait_ahead() {
        core.encode_step();
        core.queue.encoded();
    }
}

fn run_flusher(core: &Core) {
    loop {
        let flush_in = core.flush_step();
        let compact_in = core.compact_step();
        let again = flush_in.into_iter().chain(compact_in).min();
        if !core.flush_signal.wait(again) {
            return;
        }
    }
}
