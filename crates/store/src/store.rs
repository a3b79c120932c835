//! The store's handle.

use std::io;

use stdx::{Clock, Entropy};

use crate::config::Config;
use crate::error::{OpenError, ReadError, StoreError};
use crate::follow::Follower;
use crate::health::Health;
use crate::id::{LogId, Position};
use crate::request::{
    AppendOutcome, Commit, CommitError, Committed, LogAppend, LogTail, ReadBudget, ReadFrom,
    ReadPage,
};
use crate::table::{Table, TableView};

/// A store; clones share it.
#[derive(Clone)]
pub struct Store {}

impl Store {
    /// Opens a store, recovering what the last process acknowledged.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(config: Config, clock: Clock, entropy: Entropy) -> Result<Store, OpenError> {
        drop((config, clock, entropy));
        unimplemented!()
    }

    /// A name for a log that a commit will open, never used before.
    pub fn new_log_id(&self) -> LogId {
        unimplemented!()
    }

    /// Appends records; answers, per log and in order, once they are durable.
    ///
    /// # Errors
    /// If nothing of the batch was (knowingly) written.
    pub async fn append(&self, batch: Vec<LogAppend>) -> Result<Vec<AppendOutcome>, StoreError> {
        drop(batch);
        unimplemented!()
    }

    /// Does all of `commit` or nothing; answers once it is durable and [`Store::table`] shows it.
    ///
    /// # Errors
    /// See [`CommitError`].
    pub async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        drop(commit);
        unimplemented!()
    }

    /// Table `T`'s durable rows.
    pub fn table<T: Table>(&self) -> TableView<T> {
        unimplemented!()
    }

    /// Reads a log's durable records.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn read(
        &self,
        log: LogId,
        from: ReadFrom,
        budget: ReadBudget,
    ) -> Result<ReadPage, ReadError> {
        unimplemented!("{log} {from:?} {budget:?}")
    }

    /// A log's durable end; `None` if there is no such log.
    pub fn tail(&self, log: LogId) -> Option<LogTail> {
        unimplemented!("{log}")
    }

    /// Follows a log.
    pub fn follow(&self, log: LogId) -> Follower {
        unimplemented!("{log}")
    }

    /// Gives up a log's records below `below`; their space comes back in time.
    ///
    /// # Errors
    /// If it could not be made durable.
    pub async fn trim(&self, log: LogId, below: Position) -> Result<(), StoreError> {
        unimplemented!("{log} {below}")
    }

    /// How the store is.
    pub fn health(&self) -> Health {
        unimplemented!()
    }

    /// A file of the folder that only its owner may read.
    pub fn private_file(&self, name: &'static str) -> PrivateFile {
        unimplemented!("{name}")
    }

    /// Publishes a small file in the folder, whole or not at all; [`crate::folder::read_published`] reads it.
    ///
    /// # Errors
    /// The operating system's.
    pub fn publish_file(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        unimplemented!("{name} {bytes:?}")
    }

    /// Removes a published file, if it is there.
    ///
    /// # Errors
    /// The operating system's.
    pub fn remove_file(&self, name: &str) -> io::Result<()> {
        unimplemented!("{name}")
    }

    /// Makes the last chunk provable, stops the threads and lets the folder go. Later calls answer
    /// [`StoreError::Unavailable`].
    pub async fn close(&self) {
        unimplemented!()
    }
}

/// A small file that only its owner may read.
pub struct PrivateFile {}

impl PrivateFile {
    /// What the file holds; if there is none, what `make` gives, written whole and synced first.
    ///
    /// # Errors
    /// The operating system's.
    pub fn read_or_create(&self, make: impl FnOnce() -> Vec<u8>) -> io::Result<Vec<u8>> {
        drop(make);
        unimplemented!()
    }
}
