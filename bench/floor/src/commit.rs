//! Group commit: requests append to an open chunk while the last one is being synced.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::oneshot;

use crate::chunk::{Chunk, Entry};
use crate::ring::Ring;
use crate::{CHUNK_BYTES_SOFT, records::RefusedBase64};

/// Resolves when the records are on the disk; an error means they are not.
pub type Durable = oneshot::Receiver<()>;

/// The open chunks, and the thread that writes them.
#[derive(Clone)]
pub struct Committer {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    next_number: u64,
    open: VecDeque<Group>,
    spare: Vec<Group>,
    /// Whether the thread sleeps; waking it when it does not would be a wasted system call.
    idle: bool,
}

#[derive(Default)]
struct Group {
    chunk: Chunk,
    waiting: Vec<oneshot::Sender<()>>,
}

impl Committer {
    /// Starts the thread that writes to `ring`.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(ring: Ring) -> io::Result<Self> {
        let shared = Arc::new(Shared { state: Mutex::default(), work: Condvar::new() });
        let committer = Committer { shared: Arc::clone(&shared) };
        thread::Builder::new()
            .name("committer".into())
            .spawn(move || commit_forever(&shared, ring))?;
        Ok(committer)
    }

    /// Appends a request's records; answers the number of the first of them, and when they are
    /// durable.
    ///
    /// # Errors
    /// When some data is not base64; nothing is appended then.
    pub fn append(
        &self,
        entries: &[Entry<'_>],
        shards: &[u8],
    ) -> Result<(u64, Durable), RefusedBase64> {
        let (sender, durable) = oneshot::channel();
        let mut state = self.shared.lock();
        let state = &mut *state;
        let first = state.next_number;
        if state.open.back().is_none_or(|group| group.chunk.len() >= CHUNK_BYTES_SOFT) {
            state.open.push_back(state.spare.pop().unwrap_or_default());
        }
        if let Some(group) = state.open.back_mut() {
            group.chunk.append_block(first, entries, shards).ok_or(RefusedBase64)?;
            group.waiting.push(sender);
        }
        state.next_number += entries.len() as u64;
        if state.idle {
            state.idle = false;
            self.shared.work.notify_one();
        }
        Ok((first, durable))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the oldest group that holds anything, sleeping until there is one.
    fn take_group(&self) -> Group {
        let mut state = self.lock();
        loop {
            if state.open.front().is_some_and(|group| !group.chunk.is_empty())
                && let Some(group) = state.open.pop_front()
            {
                return group;
            }
            state.idle = true;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn commit_forever(shared: &Shared, mut ring: Ring) {
    loop {
        let mut group = shared.take_group();
        if let Err(error) = ring.write_synced(group.chunk.seal()) {
            // A failed sync leaves the disk's state unknown; the only honest answer is to stop.
            eprintln!("floor: the log cannot be written: {error}");
            std::process::exit(1);
        }
        for waiting in group.waiting.drain(..) {
            // A client that has gone needs no answer.
            let _ = waiting.send(());
        }
        group.chunk.clear();
        shared.lock().spare.push(group);
    }
}
