//! A lane's objects on their way: several at once, acknowledged strictly in order.

use std::collections::VecDeque;

use bytes::Bytes;

use super::objects::chunk_name;
use super::put_once::{PutOnce, Settled};
use super::{Answer, Ask, Machine};
use crate::lane::Sabotage;

/// One incarnation's puts. Once a foreign object is found at one of its numbers it is fenced, and
/// nothing more becomes durable, whatever else arrives.
#[derive(Debug)]
pub(crate) struct PutWindow {
    lane: u64,
    durable_below: u64,
    /// The puts from `durable_below` on; `None` once settled.
    puts: VecDeque<Option<PutOnce>>,
    fenced: bool,
    sabotage: Sabotage,
}

impl PutWindow {
    pub(crate) fn new(lane: u64, sabotage: Sabotage) -> Self {
        PutWindow { lane, durable_below: 1, puts: VecDeque::new(), fenced: false, sabotage }
    }

    /// Takes the next chunk; what to ask for it.
    pub(crate) fn submit(&mut self, number: u64, bytes: Bytes) -> Ask {
        assert_eq!(number, self.durable_below + self.puts.len() as u64, "chunks come in order");
        let put = PutOnce::new(chunk_name(self.lane, number), bytes, self.sabotage);
        let ask = put.ask();
        self.puts.push_back(Some(put));
        ask
    }

    /// Takes the answer for a chunk; what to ask next for it, if anything.
    pub(crate) fn answer(&mut self, number: u64, answer: Answer) -> Option<Ask> {
        if self.fenced {
            return None;
        }
        let index = number.checked_sub(self.durable_below)? as usize;
        let slot = self.puts.get_mut(index)?;
        let put = slot.as_mut()?;
        match put.answer(answer) {
            None => return Some(put.ask()),
            Some(Settled::Foreign(_)) => self.fenced = true,
            Some(Settled::Own) => {
                *slot = None;
                let waits = self.sabotage.waits_for_order();
                while self.puts.front().is_some_and(|put| put.is_none())
                    || !waits && self.durable_below <= number
                {
                    self.puts.pop_front();
                    self.durable_below += 1;
                }
            }
        }
        None
    }

    /// Chunks below this number are durable and may be acknowledged.
    pub(crate) fn durable_below(&self) -> u64 {
        self.durable_below
    }

    /// Chunks that are not durable yet.
    pub(crate) fn in_flight(&self) -> usize {
        self.puts.len()
    }

    /// Whether another process has ended this lane.
    pub(crate) fn is_fenced(&self) -> bool {
        self.fenced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(chunks: u64) -> PutWindow {
        let mut window = PutWindow::new(1, Sabotage::None);
        for number in 1..=chunks {
            window.submit(number, Bytes::from(vec![number as u8]));
        }
        window
    }

    #[test]
    fn chunks_are_durable_in_order_however_they_are_answered() {
        let mut window = window(3);
        assert!(window.answer(3, Answer::Created).is_none());
        assert!(window.answer(2, Answer::Created).is_none());
        assert_eq!((window.durable_below(), window.in_flight()), (1, 3));
        assert!(window.answer(1, Answer::Created).is_none());
        assert_eq!((window.durable_below(), window.in_flight()), (4, 0));
    }

    #[test]
    fn a_foreign_object_ends_the_incarnation_for_good() {
        let mut window = window(2);
        assert!(matches!(window.answer(2, Answer::Exists), Some(Ask::Get(_))));
        assert!(window.answer(2, Answer::Found(Bytes::from_static(b"seal"))).is_none());
        assert!(window.is_fenced());
        assert!(window.answer(1, Answer::Created).is_none());
        assert_eq!(window.durable_below(), 1);
    }
}
