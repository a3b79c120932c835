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
        if !core.has_work() {
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
        while core.must_wait_for_flush() {
            core.flush_signal.wake();
            core.flush_signal.wait_flushed(ROOM_POLL);
        }
        core.lane_step();
    }
    core.prove_step();
}

fn run_encoder(core: &Core) {
    while core.queue.wait_ahead() {
        core.encode_step();
        core.queue.encoded();
    }
}

fn run_flusher(core: &Core) {
    loop {
        let again = core.flush_step();
        if !core.flush_signal.wait(again) {
            return;
        }
    }
}
