//! The logs as everybody may see them: durable state only.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// One log's durable state.
#[derive(Debug, Default)]
pub(crate) struct LogEntry {
    moves: AtomicU64,
    wake: Notify,
}

impl LogEntry {
    /// Rises whenever the tail moves or the log closes.
    pub(crate) fn moves(&self) -> u64 {
        self.moves.load(Ordering::Acquire)
    }

    pub(crate) fn wake(&self) -> &Notify {
        &self.wake
    }
}
