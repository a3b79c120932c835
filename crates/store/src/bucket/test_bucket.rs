//! A bucket in memory whose network does its worst, as a seed says.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutOptions};
use stdx::{Clock, Entropy, UnixMillis};

use super::{Answer, Ask, Bucket, ObjectBucket, Reply, Upload};
use crate::config::Config;
use crate::core::Core;
use crate::error::OpenError;
use crate::lane::Sabotage;

/// What it does with a condition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Condition {
    #[default]
    Kept,
    /// Every put is accepted.
    Ignored,
    /// Puts at the same time are all accepted.
    Racy,
}

struct Shared {
    memory: Arc<InMemory>,
    bucket: ObjectBucket,
    condition: Condition,
    /// How many of a hundred requests go wrong.
    harm: u64,
    held: Mutex<Vec<Held>>,
    opened: AtomicU64,
    clock: Clock,
    chance: Entropy,
}

struct Held(Ask, Reply);

impl std::fmt::Debug for TestBucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TestBucket")
    }
}

/// A bucket for tests; clones share it.
#[derive(Clone)]
pub(crate) struct TestBucket(Arc<Shared>);

/// Opens a store on it, with a clock that stands still and puts that do not wait for one another.
pub(crate) fn open_bucket(bucket: &TestBucket) -> Result<Core, OpenError> {
    let seed = bucket.0.opened.fetch_add(1, Ordering::Relaxed);
    let config = Config {
        flush_bytes: u64::MAX,
        flush_after: Duration::MAX,
        bucket_ahead_bytes: 0,
        compact_fan_in: 2,
        compact_step_bytes: 3000,
        compact_bytes_per_second: u64::MAX,
        compact_dead_bytes_min: 1,
        ..Config::in_memory_bucket()
    };
    let (clock, entropy) = (bucket.0.clock.clone(), Entropy::seeded(seed));
    super::open(Arc::new(bucket.clone()), config, clock, entropy, Sabotage::None)
}

impl TestBucket {
    fn with(harm: u64, condition: Condition, seed: u64) -> Self {
        let memory = Arc::new(InMemory::new());
        TestBucket(Arc::new(Shared {
            bucket: ObjectBucket::memory(Arc::clone(&memory)),
            memory,
            condition,
            harm,
            held: Mutex::default(),
            opened: AtomicU64::new(seed << 32),
            clock: Clock::manual(UnixMillis(1_700_000_000_000)),
            chance: Entropy::seeded(seed),
        }))
    }

    /// One that loses a fifth of all answers.
    pub(crate) fn hostile(seed: u64) -> Self {
        TestBucket::with(20, Condition::Kept, seed)
    }

    /// One that always answers.
    pub(crate) fn faithful() -> Self {
        TestBucket::with(0, Condition::Kept, 1)
    }

    pub(crate) fn unfit(condition: Condition) -> Self {
        TestBucket::with(0, condition, 1)
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Lets one put that is on its way arrive; whether there was one.
    pub(crate) fn release(&self) -> bool {
        let Held(ask, reply) = {
            let mut held = self.0.held.lock().unwrap();
            if held.is_empty() {
                return false;
            }
            let index = self.0.chance.below(held.len() as u64) as usize;
            held.swap_remove(index)
        };
        reply(self.uncertain(ask));
        true
    }

    /// Lets `core` work until nothing of it is on its way.
    pub(crate) fn settle(&self, core: &Core) {
        loop {
            while core.lane_step() {}
            if !core.is_in_flight() && !core.has_work() {
                return;
            }
            self.release();
        }
    }

    /// The names of all objects, and their bytes.
    pub(crate) fn objects(&self, folder: &str) -> Vec<String> {
        match self.0.bucket.call(Ask::List(folder.to_owned())) {
            Answer::Listed(listed) => listed.into_iter().map(|object| object.name).collect(),
            answer => panic!("{answer:?}"),
        }
    }

    pub(crate) fn read(&self, name: &str) -> Bytes {
        match self.0.bucket.call(Ask::Get(name.to_owned())) {
            Answer::Found(bytes) => bytes,
            answer => panic!("{name}: {answer:?}"),
        }
    }

    /// Puts an object behind everybody's back.
    pub(crate) fn overwrite(&self, name: &str, bytes: Bytes) {
        let path = Path::from(name);
        let put = self.0.memory.put_opts(&path, bytes.into(), PutOptions::default());
        futures_util::FutureExt::now_or_never(put).unwrap().unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        let path = Path::from(name);
        futures_util::FutureExt::now_or_never(self.0.memory.delete(&path)).unwrap().unwrap();
    }

    fn uncertain(&self, ask: Ask) -> Answer {
        let unknown = || Answer::Unknown("the test lost it".to_owned());
        if self.0.chance.below(100) >= self.0.harm {
            return self.0.bucket.call(ask);
        }
        match (&ask, self.0.chance.below(3)) {
            (Ask::PutNew(..), 0) => {
                self.0.bucket.call(ask);
                unknown()
            }
            // A 409: somebody else seemed to be at it.
            (Ask::PutNew(..), 1) => Answer::Exists,
            _ => unknown(),
        }
    }
}

impl Bucket for TestBucket {
    fn start(&self, ask: Ask, _: Duration, reply: Reply) {
        self.0.held.lock().unwrap().push(Held(ask, reply));
    }

    fn call(&self, ask: Ask) -> Answer {
        match ask {
            Ask::PutNew(name, bytes) if self.0.condition == Condition::Ignored => {
                self.overwrite(&name, bytes);
                Answer::Created
            }
            ask => self.uncertain(ask),
        }
    }

    fn call_all(&self, asks: Vec<Ask>) -> Vec<Answer> {
        let racy = self.0.condition == Condition::Racy;
        let each = asks.into_iter().map(|ask| match ask {
            Ask::PutNew(name, bytes) if racy => {
                self.overwrite(&name, bytes);
                Answer::Created
            }
            ask => self.call(ask),
        });
        each.collect()
    }

    fn get_range(&self, name: &str, at: u64, bytes: u64) -> io::Result<Bytes> {
        self.0.bucket.get_range(name, at, bytes)
    }

    fn begin_upload(&self, name: &str) -> io::Result<Box<dyn Upload>> {
        self.0.bucket.begin_upload(name)
    }

    fn length(&self, name: &str) -> io::Result<u64> {
        self.0.bucket.length(name)
    }

    fn root(&self) -> io::Result<Vec<String>> {
        self.0.bucket.root()
    }

    fn delete(&self, names: Vec<String>) -> io::Result<()> {
        self.0.bucket.delete(names)
    }

    fn pause(&self, _: Duration) {}

    fn address(&self, name: &str) -> String {
        self.0.bucket.address(name)
    }
}
