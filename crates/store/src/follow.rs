//! Following a log: a cursor and a wake-up, never a queue.

use std::sync::Arc;

use crate::logs::LogEntry;

/// Waits for a log to move.
#[derive(Debug)]
pub struct Follower {
    entry: Option<Arc<LogEntry>>,
    seen: u64,
}

impl Follower {
    pub(crate) fn new(entry: Option<Arc<LogEntry>>) -> Self {
        let seen = entry.as_ref().map_or(0, |entry| entry.moves());
        Follower { entry, seen }
    }

    /// Waits until the log's durable tail has moved, or the log has been closed or forgotten, since
    /// this follower was made or last woke. At once if the log does not exist.
    pub async fn changed(&mut self) {
        let Some(entry) = &self.entry else { return };
        loop {
            let wake = entry.wake().notified();
            let moves = entry.moves();
            if moves != self.seen {
                self.seen = moves;
                return;
            }
            wake.await;
        }
    }
}
