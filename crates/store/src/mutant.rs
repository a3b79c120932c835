//! Mistakes that tests build into the store, to prove that they would be seen. Outside of tests none
//! is ever on, and the compiler removes them.

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// What failed to be written is taken for not written at all.
    RetryInDoubt,
    /// The last chunk of a killed process is not written again.
    TrustPageCache,
    /// A new ring file's name is not synced.
    RingNameUnsynced,
    /// A ring file is used again while chunks in it are needed.
    RecycleEarly,
    /// A manifest's bytes are not synced.
    ManifestUnsynced,
    /// A manifest's name is not synced.
    ManifestNameUnsynced,
    /// A segment's bytes are not synced.
    SegmentUnsynced,
    /// A segment's name is not synced.
    SegmentNameUnsynced,
    /// Segments are removed before the manifest that does without them.
    RemoveBeforeManifest,
    /// A flush forgets that rows were deleted.
    LoseTombstone,
    /// A flush leaves out the last block of the segments that it joins.
    DropLiveBlock,
    /// A flush leaves out a block of which only the beginning is trimmed.
    TrimTooFar,
    /// A flush counts one chunk too many as flushed.
    FlushOneTooMany,
    /// A new lane gets the epoch of the last.
    ReuseEpoch,
    /// A chunk is shown before it is durable.
    PublishEarly,
    /// A refusal is answered before what it rests on is durable.
    RefuseEarly,
    /// After a failure the rows that are not durable are still taken for the newest.
    KeepOverlay,
    /// Rows that are not durable yet are forgotten.
    DropOverlay,
    /// Records of one log in one chunk change places.
    ReorderInChunk,
    /// A closed log takes records.
    AppendAfterClose,
    /// A refused commit leaves its records behind.
    HalfCommit,
    /// Arrival follows the clock, wherever that goes.
    ArrivalFalls,
    /// The index by time begins after the block that holds the time.
    WrongTimeIndex,
}

#[cfg(test)]
pub(crate) use switch::{is_on, with};

#[cfg(not(test))]
pub(crate) const fn is_on(_: Mutant) -> bool {
    false
}

#[cfg(test)]
mod switch {
    use std::cell::Cell;

    use super::Mutant;

    thread_local! {
        static ON: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    pub(crate) fn is_on(mutant: Mutant) -> bool {
        ON.get() == Some(mutant)
    }

    /// Does `work` with a mistake in the store, as far as it is done by this thread.
    pub(crate) fn with<T>(mutant: Mutant, work: impl FnOnce() -> T) -> T {
        struct Off;
        impl Drop for Off {
            fn drop(&mut self) {
                ON.set(None);
            }
        }
        let _off = Off;
        ON.set(Some(mutant));
        work()
    }
}
