//! One object, made once: whatever the network says, in the end it is known whose object is there.

use bytes::Bytes;

use super::{Answer, Ask, Machine};
use crate::lane::Sabotage;

/// Whose object has the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// It is the one that was to be put.
    Own,
    /// It is another.
    Foreign(Bytes),
}

/// Puts one object if there is none. The same name and bytes are tried until the answer is known; a
/// refusal is settled by reading the object. Every object carries the nonce of who made it, and chunks
/// their number, so that equal bytes mean the same maker.
#[derive(Clone, Debug)]
pub(crate) struct PutOnce {
    name: String,
    bytes: Bytes,
    reading: bool,
    sabotage: Sabotage,
}

impl PutOnce {
    pub(crate) fn new(name: String, bytes: Bytes, sabotage: Sabotage) -> Self {
        PutOnce { name, bytes, reading: false, sabotage }
    }
}

impl Machine for PutOnce {
    type Done = Settled;

    fn ask(&self) -> Ask {
        if self.reading {
            Ask::Get(self.name.clone())
        } else {
            Ask::PutNew(self.name.clone(), self.bytes.clone())
        }
    }

    fn answer(&mut self, answer: Answer) -> Option<Settled> {
        match answer {
            Answer::Created => return Some(Settled::Own),
            Answer::Exists if self.sabotage.trusts_refusals() => return Some(Settled::Own),
            Answer::Exists => self.reading = true,
            Answer::Found(bytes) if bytes == self.bytes => return Some(Settled::Own),
            Answer::Found(bytes) => return Some(Settled::Foreign(bytes)),
            // A 409 came from an attempt that then failed, or the object has been collected since.
            Answer::Missing => self.reading = false,
            Answer::Unknown(_) | Answer::Listed(_) => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put() -> PutOnce {
        PutOnce::new("n".to_owned(), Bytes::from_static(b"own"), Sabotage::None)
    }

    #[test]
    fn an_unknown_answer_is_settled_by_reading() {
        let mut put = put();
        assert_eq!(put.answer(Answer::Unknown("504".to_owned())), None);
        assert!(matches!(put.ask(), Ask::PutNew(..)));
        assert_eq!(put.answer(Answer::Exists), None);
        assert!(matches!(put.ask(), Ask::Get(_)));
        assert_eq!(put.answer(Answer::Unknown("504".to_owned())), None);
        assert_eq!(put.answer(Answer::Found(Bytes::from_static(b"own"))), Some(Settled::Own));
    }

    #[test]
    fn a_foreign_object_is_nobodys_success() {
        let mut put = put();
        assert_eq!(put.answer(Answer::Exists), None);
        let other = Bytes::from_static(b"other");
        assert_eq!(put.answer(Answer::Found(other.clone())), Some(Settled::Foreign(other)));
    }

    #[test]
    fn a_conflict_that_left_nothing_is_tried_again() {
        let mut put = put();
        assert_eq!(put.answer(Answer::Exists), None);
        assert_eq!(put.answer(Answer::Missing), None);
        assert!(matches!(put.ask(), Ask::PutNew(..)));
        assert_eq!(put.answer(Answer::Created), Some(Settled::Own));
    }
}
