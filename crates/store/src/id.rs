//! The numbers that name things: logs, positions, tables.

use std::fmt;

/// Bits of the counter below a log id's epoch.
pub(crate) const LOG_COUNTER_BITS: u32 = 40;
/// Bits of the counter below a position's epoch.
pub(crate) const POSITION_COUNTER_BITS: u32 = 39;
/// The largest epoch: 24 bits.
pub(crate) const EPOCH_MAX: u32 = (1 << 24) - 1;

/// A log's name: the epoch of its birth (24 bits) and a counter (40 bits). Never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(pub u64);

impl LogId {
    /// The log of the table with this number: epoch 0, which no start is ever given.
    pub const fn table(number: u8) -> Self {
        LogId(number as u64)
    }

    pub(crate) const fn new(epoch: u32, counter: u64) -> Self {
        LogId(((epoch as u64) << LOG_COUNTER_BITS) | counter)
    }

    /// The epoch in which the log was born.
    pub const fn epoch(self) -> u32 {
        (self.0 >> LOG_COUNTER_BITS) as u32
    }

    /// Whether this is a table's log.
    pub const fn is_table(self) -> bool {
        self.0 <= u8::MAX as u64
    }
}

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counter = self.0 & ((1 << LOG_COUNTER_BITS) - 1);
        write!(f, "log {}.{counter}", self.epoch())
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Where an entry stands in its log: the log's epoch (24 bits) and a counter (39 bits), rising.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl Position {
    /// Below every entry.
    pub const ZERO: Position = Position(0);
    /// Above every entry.
    pub const MAX: Position = Position((1 << 63) - 1);

    pub(crate) const fn new(epoch: u32, counter: u64) -> Self {
        Position(((epoch as u64) << POSITION_COUNTER_BITS) | counter)
    }

    /// The epoch in which the entry was written.
    pub const fn epoch(self) -> u32 {
        (self.0 >> POSITION_COUNTER_BITS) as u32
    }

    /// The entry's number within its log and epoch.
    pub const fn counter(self) -> u64 {
        self.0 & ((1 << POSITION_COUNTER_BITS) - 1)
    }

    /// The lowest position above this one.
    #[must_use]
    pub const fn next_lower_bound(self) -> Self {
        Position(self.0 + 1)
    }

    /// The position `count` entries further in the same epoch.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Position(self.0 + count)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch(), self.counter())
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A table's number. 0 is the store's own table of logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub u8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_rise_over_epochs_and_fit_63_bits() {
        let late = Position::new(7, (1 << POSITION_COUNTER_BITS) - 1);
        assert!(late < Position::new(8, 0));
        assert_eq!(late.next_lower_bound(), Position::new(8, 0));
        assert_eq!(Position::new(EPOCH_MAX, (1 << POSITION_COUNTER_BITS) - 1), Position::MAX);
        assert_eq!((late.epoch(), late.counter()), (7, (1 << POSITION_COUNTER_BITS) - 1));
    }

    #[test]
    fn tables_live_in_epoch_zero() {
        assert!(LogId::table(255).is_table());
        assert!(!LogId::new(1, 0).is_table());
        assert_eq!(LogId::new(3, 9).epoch(), 3);
    }
}
