//! When an object is full: a state per series of objects of what has been read and not planned yet. It
//! holds numbers and no payload, so that a thousand partitions cost nothing; the log is the spill.

use std::time::Duration;

use stdx::UnixMillis;

use crate::rows::Part;

/// When a buffer closes (BufferingHints): by whichever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hints {
    /// At this many bytes, before compression.
    pub bytes: u64,
    /// This long after its oldest record arrived; zero delivers what there is.
    pub interval: Duration,
    /// At this weight, if a batch is to be sent somewhere that takes only so much.
    pub weight: u64,
}

/// What a buffer holds: records of one log or of several, by position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Where they are, each log once, in the order in which the logs were first read.
    pub parts: Vec<Part>,
    /// How many.
    pub records: u64,
    /// Their bytes together.
    pub bytes: u64,
    /// When the oldest arrived.
    pub oldest: UnixMillis,
    /// Their weight together.
    pub weight: u64,
}

impl Held {
    fn starting(read: Read) -> Self {
        let Read { log, position, arrival, .. } = read;
        let part = Part { log, from: position, to: position };
        Held { parts: vec![part], records: 0, bytes: 0, oldest: arrival, weight: 0 }
    }

    fn add(&mut self, Read { log, position, bytes, arrival, weight }: Read) {
        // Records come page by page, so it is nearly always the last one.
        let to = position + 1;
        match self.parts.iter_mut().rfind(|part| part.log == log) {
            Some(part) => part.to = to,
            None => self.parts.push(Part { log, from: position, to }),
        }
        self.records += 1;
        self.bytes += bytes;
        self.weight += weight;
        self.oldest = self.oldest.min(arrival);
    }
}

/// A record that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// From which log.
    pub log: u64,
    /// Where it stands.
    pub position: u64,
    /// How long it is.
    pub bytes: u64,
    /// When it arrived.
    pub arrival: UnixMillis,
    /// What it takes where [`Hints::weight`] counts.
    pub weight: u64,
}

/// What happens to a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A record was read.
    Read(Read),
    /// Time has passed.
    Tick,
    /// Somebody wants everything delivered now.
    Flush,
}

/// A buffer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buffer(Option<Held>);

impl Buffer {
    /// What happens to the buffer, and what is to be delivered because of it: at most one object. A
    /// record that does not fit beside what is held closes that, and is held itself.
    pub fn apply(&mut self, event: Event, hints: Hints, now: UnixMillis) -> Option<Held> {
        match event {
            Event::Read(read) => {
                let is_over = |held: &Held| {
                    held.bytes + read.bytes > hints.bytes
                        || held.weight + read.weight > hints.weight
                };
                let closed = self.0.take_if(|held| is_over(held));
                let held = self.0.get_or_insert_with(|| Held::starting(read));
                held.add(read);
                // One that is full by itself waits for nobody; after a closed one, for the next event.
                closed.or_else(|| self.0.take_if(|held| held.bytes >= hints.bytes))
            }
            Event::Tick => self.0.take_if(|held| is_due(held, hints, now)),
            Event::Flush => self.0.take(),
        }
    }

    /// When a tick will close it, if nothing else does before.
    pub fn due(&self, hints: Hints) -> Option<UnixMillis> {
        self.0.as_ref().map(|held| match held.bytes >= hints.bytes {
            true => held.oldest,
            false => held.oldest.after(hints.interval),
        })
    }

    /// What it holds.
    pub fn held(&self) -> Option<&Held> {
        self.0.as_ref()
    }
}

fn is_due(held: &Held, hints: Hints, now: UnixMillis) -> bool {
    held.bytes >= hints.bytes || now >= held.oldest.after(hints.interval)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HINTS: Hints = Hints { bytes: 100, interval: Duration::from_secs(60), weight: u64::MAX };

    fn read(position: u64, bytes: u64, arrival_ms: u64) -> Event {
        Event::Read(Read { log: 1, position, bytes, arrival: UnixMillis(arrival_ms), weight: 0 })
    }

    fn range(held: &Held) -> (u64, u64) {
        (held.parts[0].from, held.parts[0].to)
    }

    #[test]
    fn a_full_buffer_is_delivered_at_once() {
        let mut buffer = Buffer::default();
        assert_eq!(buffer.apply(read(7, 60, 1000), HINTS, UnixMillis(1000)), None);
        let full = buffer.apply(read(8, 40, 1001), HINTS, UnixMillis(1001)).expect("full");
        assert_eq!((range(&full), full.records, full.bytes), ((7, 9), 2, 100));
        assert_eq!(full.oldest, UnixMillis(1000));
        assert_eq!(buffer, Buffer::default());
    }

    #[test]
    fn a_record_that_does_not_fit_waits_for_the_next_object() {
        let mut buffer = Buffer::default();
        buffer.apply(read(0, 60, 1000), HINTS, UnixMillis(1000));
        let closed = buffer.apply(read(1, 60, 2000), HINTS, UnixMillis(2000)).expect("closed");
        assert_eq!(range(&closed), (0, 1));
        assert_eq!(buffer.due(HINTS), Some(UnixMillis(62_000)));
    }

    #[test]
    fn one_that_is_larger_than_an_object_waits_for_no_interval() {
        let mut buffer = Buffer::default();
        buffer.apply(read(0, 60, 1000), HINTS, UnixMillis(1000));
        buffer.apply(read(1, 200, 2000), HINTS, UnixMillis(2000));
        assert_eq!(buffer.due(HINTS), Some(UnixMillis(2000)));
        assert!(buffer.apply(Event::Tick, HINTS, UnixMillis(2000)).is_some());
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

    #[test]
    fn a_batch_is_no_heavier_than_it_may_be() {
        let hints = Hints { weight: 10, ..HINTS };
        let mut buffer = Buffer::default();
        let heavy = |position, weight| {
            let arrival = UnixMillis(0);
            Event::Read(Read { log: 1, position, bytes: 1, arrival, weight })
        };
        assert_eq!(buffer.apply(heavy(0, 6), hints, UnixMillis(0)), None);
        let closed = buffer.apply(heavy(1, 6), hints, UnixMillis(0)).expect("too heavy for one");
        assert_eq!((range(&closed), closed.weight), ((0, 1), 6));
    }

    #[test]
    fn logs_keep_the_order_in_which_they_were_first_read() {
        let mut buffer = Buffer::default();
        for (log, position) in [(4, 10), (4, 11), (2, 5), (4, 12)] {
            let read = Read { log, position, bytes: 1, arrival: UnixMillis(0), weight: 0 };
            buffer.apply(Event::Read(read), HINTS, UnixMillis(0));
        }
        let held = buffer.apply(Event::Flush, HINTS, UnixMillis(0)).expect("four records");
        let parts = [Part { log: 4, from: 10, to: 13 }, Part { log: 2, from: 5, to: 6 }];
        assert_eq!(held.parts, parts);
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
                let (from, to) = range(object);
                prop_assert_eq!(from, next);
                prop_assert_eq!(object.records, to - from);
                let bytes: u64 = sizes[from as usize..to as usize].iter().sum();
                prop_assert_eq!(object.bytes, bytes);
                prop_assert!(bytes <= HINTS.bytes || object.records == 1);
                next = to;
            }
            prop_assert_eq!(next, sizes.len() as u64);
        }
    }
}
