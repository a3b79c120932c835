//! Mistakes that tests build into the engine, to prove that they would be seen. Outside of tests none
//! is ever on, and the compiler removes them.

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// A reshard leaves the parents' logs open.
    SkipClose,
    /// A reshard leaves out the row of its last child.
    LoseChild,
    /// A shard's row forgets that it is closed.
    ForgetClose,
    /// Children are dated like their parents.
    SameBirth,
    /// A change is shown before it is durable.
    ShowEarly,
    /// A change does not look whether another one came between.
    ForgetVersion,
    /// What a closed shard refused goes where the old map would have it among the new shards.
    OldRoute,
    /// What one shard refused takes the rest of its request along once more.
    PutAgain,
    /// All records of a request in one shard get the number of the first.
    OneNumber,
    /// A page ends its shard as soon as the shard is closed.
    EndEarly,
    /// The next page begins one record too far.
    SkipOne,
    /// Once its first record has expired all of a shard is trimmed.
    TrimAll,
    /// A closed shard expires by its birth.
    ExpireEarly,
    /// What expired comes back when records live longer again.
    ForgetFloor,
    /// A change that was put off is not written down.
    ForgetPending,
    /// A stream that is deleted keeps its row.
    KeepRow,
    /// A stream gets the generation of the one before it.
    SameGeneration,
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

    /// Does `work` with a mistake in the engine, as far as it is done by this thread.
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
