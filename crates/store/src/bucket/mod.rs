//! The store over a bucket: objects that are made once and never changed.
//!
//! One primitive carries it: put-if-absent. What is asked of a bucket is a value ([`Ask`]) and so is
//! what comes back ([`Answer`]), so everything that decides is a step without threads, clocks or
//! sockets: [`put_once`] settles one object, [`window`] a lane's objects in order, [`take_over`] a
//! start. Threads drive them in production, a seed in the model check.

mod collect;
mod disk;
mod lane;
mod object;
mod objects;
mod open;
mod probe;
mod put_once;
mod take_over;
mod window;

#[cfg(test)]
mod bucket_tests;
#[cfg(test)]
mod check_tests;
#[cfg(test)]
mod sim_world;
#[cfg(test)]
pub(crate) mod test_bucket;

use std::fmt::Debug;
use std::io;
use std::time::Duration;

use bytes::Bytes;

pub(crate) use collect::sweep_step;
pub(crate) use disk::{BucketDisk, HeldObject};
pub(crate) use lane::BucketLane;
pub(crate) use object::{MEMORY_URL, ObjectBucket};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use objects::Mark;
#[cfg(test)]
pub(crate) use objects::MarkKind;
pub(crate) use open::open;

use crate::limits::{BUCKET_PAUSE_MAX, BUCKET_PAUSE_MIN};

/// One thing asked of a bucket.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    /// Make this object, unless there is one.
    PutNew(String, Bytes),
    /// The whole object.
    Get(String),
    /// Every object below this name.
    List(String),
}

/// What a bucket said.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// The object is made.
    Created,
    /// There is one already, or somebody is making one.
    Exists,
    /// The object.
    Found(Bytes),
    /// There is no such object.
    Missing,
    /// The objects below a name.
    Listed(Vec<Listed>),
    /// Nobody knows whether it was done: a time-out, a 5xx, a 409.
    Unknown(String),
}

/// An object as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// What follows the name that was asked for, without the `/`.
    pub(crate) name: String,
    pub(crate) bytes: u64,
}

/// A step machine: it asks until it is done. After [`Answer::Unknown`] it asks the same again.
pub(crate) trait Machine {
    type Done;
    fn ask(&self) -> Ask;
    fn answer(&mut self, answer: Answer) -> Option<Self::Done>;
}

/// What gets an answer, on whatever thread it comes.
pub(crate) type Reply = Box<dyn FnOnce(Answer) + Send>;

/// A bucket.
pub(crate) trait Bucket: Send + Sync + Debug {
    /// Begins to ask, after `pause`.
    fn start(&self, ask: Ask, pause: Duration, reply: Reply);
    /// Asks and waits.
    fn call(&self, ask: Ask) -> Answer;
    /// Asks all of these at once, and waits for all answers.
    fn call_all(&self, asks: Vec<Ask>) -> Vec<Answer>;
    /// Part of an object.
    fn get_range(&self, name: &str, at: u64, bytes: u64) -> io::Result<Bytes>;
    /// Begins an object that is put in parts. Nobody else may put one of this name: parts know no
    /// condition.
    fn begin_upload(&self, name: &str) -> io::Result<Box<dyn Upload>>;
    /// An object's length.
    fn length(&self, name: &str) -> io::Result<u64>;
    /// The names directly below the bucket's root.
    fn root(&self) -> io::Result<Vec<String>>;
    /// Removes objects; those that are not there already are.
    fn delete(&self, names: Vec<String>) -> io::Result<()>;
    /// Waits.
    fn pause(&self, pause: Duration);
    /// What people call this object.
    fn address(&self, name: &str) -> String;
}

/// An object on its way in parts. Unless it is completed there is no object.
pub(crate) trait Upload: Send + Debug {
    /// Puts the next part.
    fn put(&mut self, part: Bytes) -> io::Result<()>;
    /// Makes the parts an object.
    fn complete(&mut self) -> io::Result<()>;
    /// Gives the parts up.
    fn abort(&mut self);
}

/// How long to wait before asking again after `tries` answers that did not come.
pub(crate) fn pause_before(tries: u32) -> Duration {
    match tries {
        0 => Duration::ZERO,
        tries => BUCKET_PAUSE_MIN.saturating_mul(1 << (tries - 1).min(16)).min(BUCKET_PAUSE_MAX),
    }
}

/// Drives `machine` until it is done; an error once `give_up` says so after an unknown answer, which is
/// then for ever unknown.
pub(crate) fn drive<M: Machine>(
    bucket: &dyn Bucket,
    machine: &mut M,
    mut give_up: impl FnMut(u32) -> bool,
) -> io::Result<M::Done> {
    let mut tries = 0;
    loop {
        let answer = bucket.call(machine.ask());
        if let Answer::Unknown(why) = &answer {
            tries += 1;
            if give_up(tries) {
                return Err(io::Error::other(why.clone()));
            }
            tracing::warn!(why, tries, "the bucket has not answered and is asked again");
            bucket.pause(pause_before(tries));
        } else {
            tries = 0;
        }
        if let Some(done) = machine.answer(answer) {
            return Ok(done);
        }
    }
}
