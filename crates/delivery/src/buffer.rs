//! When an object is full: a state per source of what has been read and not planned yet. It holds
//! numbers and no payload, so that a thousand partitions cost nothing; the log is the spill.

use std::time::Duration;

use stdx::UnixMillis;

/// When a buffer closes (BufferingHints): by whichever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hints {
    /// At this many bytes, before compression.
    pub bytes: u64,
    /// This long after its oldest record arrived; zero delivers what there is.
    pub interval: Duration,
}

/// What a buffer holds: records of one source, by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The first record's position.
    pub from: u64,
    /// Behind the last record.
    pub to: u64,
    /// How many.
    pub records: u64,
    /// Their bytes together.
    pub bytes: u64,
    /// When the oldest arrived.
    pub oldest: UnixMillis,
}

/// What happens to a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A record was read: its position, its bytes, when it arrived.
    Read {
        /// Where.
        position: u64,
        /// How long.
        bytes: u64,
        /// Since when.
        arrival: UnixMillis,
    },
    /// Time has passed.
    Tick,
    /// Somebody wants everything delivered now.
    Flush,
}

/// A source's buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buffer(Option<Held>);

impl Buffer {
    /// What happens to the buffer, and what is to be delivered because of it: at most one object. A
    /// record that does not fit beside what is held closes that, and is held itself.
    pub fn apply(&mut self, event: Event, hints: Hints, now: UnixMillis) -> Option<Held> {
        match event {
            Event::Read { position, bytes, arrival } => {
                let is_over = |held: &Held| held.bytes + bytes > hints.bytes;
                let closed = self.0.take_if(|held| is_over(held));
                let held = self.0.get_or_insert(Held {
                    from: position,
                    to: position,
                    records: 0,
                    bytes: 0,
                    oldest: arrival,
                });
                held.to = position + 1;
                held.records += 1;
                held.bytes += bytes;
                held.oldest = held.oldest.min(arrival);
                // One that is full by itself waits for nobody; after a closed one, for the next event.
                closed.or_else(|| self.0.take_if(|held| held.bytes >= hints.bytes))
            }
            Event::Tick => self.0.take_if(|held| is_due(held, hints, now)),
            Event::Flush => self.0.take(),
        }
    }

    /// When a tick will close it, if nothing else does before.
    pub fn due(&self, hints: Hints) -> Option<UnixMillis> {
        self.0.map(|held| held.oldest.after(hints.interval))
    }
}

fn is_due(held: &Held, hints: Hints, now: UnixMillis) -> bool {
    held.bytes >= hints.bytes || now >= held.oldest.after(hints.interval)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HINTS: Hints = Hints { bytes: 100, interval: Duration::from_secs(60) };

    fn read(position: u64, bytes: u64, arrival_ms: u64) -> Event {
        Event::Read { position, bytes, arrival: UnixMillis(arrival_ms) }
    }

    #[test]
    fn a_full_buffer_is_delivered_at_once() {
        let mut buffer = Buffer::default();
        assert_eq!(buffer.apply(read(7, 60, 1000), HINTS, UnixMillis(1000)), None);
        let full = buffer.apply(read(8, 40, 1001), HINTS, UnixMillis(1001)).expect("full");
        assert_eq!((full.from, full.to, full.records, full.bytes), (7, 9, 2, 100));
        assert_eq!(full.oldest, UnixMillis(1000));
        assert_eq!(buffer, Buffer::default());
    }

    #[test]
    fn a_record_that_does_not_fit_waits_for_the_next_object() {
        let mut buffer = Buffer::default();
        buffer.apply(read(0, 60, 1000), HINTS, UnixMillis(1000));
        let closed = buffer.apply(read(1, 60, 2000), HINTS, UnixMillis(2000)).expect("closed");
        assert_eq!((closed.from, closed.to), (0, 1));
        assert_eq!(buffer.due(HINTS), Some(UnixMillis(62_000)));
    }

    #[test]
    fn the_interval_counts_from_the_oldest_record() {
        let mut buffer = Buffer::default();
        buffer.apply(read(0, 1, 1000), HINTS, UnixMillis(5000));
        assert_eq!(buffer.apply(Event::Tick, HINTS, UnixMillis(60_999)), None);
        assert!(buffer.apply(Event::Tick, HINTS, UnixMillis(61_000)).is_some());
        assert_eq!(buffer.apply(Event::Tick, HINTS, UnixMillis(99_000)), None);
    }

    #[test]
    fn a_flush_delivers_what_there_is() {
        let mut buffer = Buffer::default();
        assert_eq!(buffer.apply(Event::Flush, HINTS, UnixMillis(0)), None);
        buffer.apply(read(0, 1, 0), HINTS, UnixMillis(0));
        assert!(buffer.apply(Event::Flush, HINTS, UnixMillis(0)).is_some());
    }

    proptest! {
        /// Objects are adjacent, hold every record once, and are no larger than asked for unless a
        /// single record is.
        #[test]
        fn every_record_is_in_one_object(sizes in prop::collection::vec(0u64..150, 0..60), ticks: u64) {
            let mut buffer = Buffer::default();
            let mut objects = Vec::new();
            for (position, bytes) in (0u64..).zip(&sizes) {
                let now = UnixMillis(position * 1000);
                objects.extend(buffer.apply(read(position, *bytes, now.0), HINTS, now));
                if ticks >> (position % 64) & 1 == 1 {
                    objects.extend(buffer.apply(Event::Tick, HINTS, now));
                }
            }
            objects.extend(buffer.apply(Event::Flush, HINTS, UnixMillis(0)));
            let mut next = 0;
            for object in &objects {
                prop_assert_eq!(object.from, next);
                prop_assert_eq!(object.records, object.to - object.from);
                let bytes: u64 = sizes[object.from as usize..object.to as usize].iter().sum();
                prop_assert_eq!(object.bytes, bytes);
                prop_assert!(bytes <= HINTS.bytes || object.records == 1);
                next = object.to;
            }
            prop_assert_eq!(next, sizes.len() as u64);
        }
    }
}
