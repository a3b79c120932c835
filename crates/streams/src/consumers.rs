//! Registered consumers (enhanced fan-out).

use std::collections::BTreeMap;

use stdx::UnixMillis;
use store::{Commit, CommitError, Expect, RowWrite, Versioned};

use crate::engine::Streams;
use crate::error::Error;
use crate::limits::{
    CHANGE_TRIES_MAX, CONSUMERS_CREATING_MAX, CONSUMERS_PER_ADVANTAGE_STREAM_MAX,
    CONSUMERS_PER_STREAM_MAX,
};
use crate::name::StreamName;
use crate::rows::ConsumerRow;
use crate::stream::{Mode, Status, Stream};
use crate::tables;

/// A registered consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// Its stream.
    pub stream: StreamName,
    /// Its name.
    pub name: String,
    /// Tells it from an earlier consumer of the same name.
    pub generation: u64,
    /// When it was registered.
    pub created: UnixMillis,
    /// What is happening to it.
    pub status: Status,
}

impl Consumer {
    /// Its ARN.
    pub fn arn(&self) -> String {
        self.stream.consumer_arn(&self.name, self.created.seconds())
    }
}

impl Streams {
    /// Registers a consumer; it is CREATING for a while.
    ///
    /// # Errors
    /// If the name is taken, or the stream has as many as it may have.
    pub async fn register_consumer(
        &self,
        stream: &Stream,
        name: &str,
        tags: BTreeMap<String, String>,
    ) -> Result<Consumer, Error> {
        let known = self.consumers(stream)?;
        if known.iter().any(|consumer| consumer.name == name) {
            return Err(Error::ConsumerExists(stream.name.clone(), name.to_owned()));
        }
        let creating = known.iter().filter(|consumer| consumer.status == Status::Creating).count();
        if known.len() >= self.consumers_max(stream)? || creating >= CONSUMERS_CREATING_MAX {
            return Err(Error::ConsumerLimit(stream.name.clone()));
        }
        let now = self.now();
        let row = ConsumerRow {
            generation: self.0.store.new_log_id().0,
            created_ms: now.0,
            active_ms: now.after(self.0.config.state_delay).0,
            deleted_ms: None,
            tags,
            policy: None,
        };
        let key = (stream.generation, name.to_owned());
        let rows = vec![RowWrite::put::<tables::Consumers>(&key, &row, Expect::Absent)];
        match self.0.store.commit(Commit { rows, ..Commit::default() }).await {
            Ok(_) => Ok(consumer(stream, name.to_owned(), &row, now)),
            Err(CommitError::Conflict { .. }) => {
                Err(Error::ConsumerExists(stream.name.clone(), name.to_owned()))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn consumers_max(&self, stream: &Stream) -> Result<usize, Error> {
        let on_demand = stream.state().row.mode == Mode::OnDemand;
        let committed = self.commitment(&stream.name.world)?.holds(self.now());
        Ok(if on_demand && committed {
            CONSUMERS_PER_ADVANTAGE_STREAM_MAX
        } else {
            CONSUMERS_PER_STREAM_MAX
        })
    }

    /// The row of a consumer that is still the same.
    pub(crate) fn consumer_row(
        &self,
        stream: &Stream,
        consumer: &Consumer,
    ) -> Result<Versioned<ConsumerRow>, Error> {
        let key = (stream.generation, consumer.name.clone());
        let found = self.0.store.table::<tables::Consumers>().get(&key);
        let found = found.map_err(|error| Error::Corrupt(error.reason))?;
        let same = found.filter(|found| found.row.generation == consumer.generation);
        same.ok_or_else(|| Error::ConsumerNotFound(stream.name.clone(), key.1))
    }

    /// Changes a consumer's newest row and commits it, again until no other change came between.
    pub(crate) async fn change_consumer(
        &self,
        stream: &Stream,
        consumer: &Consumer,
        change: impl Fn(&mut ConsumerRow) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let key = (stream.generation, consumer.name.clone());
        for _ in 0..CHANGE_TRIES_MAX {
            let found = self.consumer_row(stream, consumer)?;
            let mut row = found.row.clone();
            change(&mut row)?;
            if row == found.row {
                return Ok(());
            }
            let expect = Expect::Version(found.version);
            let rows = vec![RowWrite::put::<tables::Consumers>(&key, &row, expect)];
            match self.0.store.commit(Commit { rows, ..Commit::default() }).await {
                Ok(_) => return Ok(()),
                Err(CommitError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Contended(stream.name.clone()))
    }

    /// The consumer of this name.
    ///
    /// # Errors
    /// [`Error::ConsumerNotFound`].
    pub fn consumer(&self, stream: &Stream, name: &str) -> Result<Consumer, Error> {
        let key = (stream.generation, name.to_owned());
        let found = self.0.store.table::<tables::Consumers>().get(&key);
        let found = found.map_err(|error| Error::Corrupt(error.reason))?;
        let now = self.now();
        let found = found.filter(|found| !is_gone(&found.row, now));
        let found =
            found.ok_or_else(|| Error::ConsumerNotFound(stream.name.clone(), name.to_owned()))?;
        Ok(consumer(stream, key.1, &found.row, now))
    }

    /// All consumers of a stream, by name.
    ///
    /// # Errors
    /// If a row cannot be read.
    pub fn consumers(&self, stream: &Stream) -> Result<Vec<Consumer>, Error> {
        let now = self.now();
        let table = self.0.store.table::<tables::Consumers>();
        let rows = table.scan_prefix(&stream.generation.to_be_bytes());
        let rows = rows.map_err(|error| Error::Corrupt(error.reason))?;
        let there = rows.into_iter().filter(|(_, found)| !is_gone(&found.row, now));
        Ok(there.map(|((_, name), found)| consumer(stream, name, &found.row, now)).collect())
    }

    /// Deregisters a consumer; its subscriptions end.
    ///
    /// # Errors
    /// [`Error::ConsumerNotFound`].
    pub async fn deregister_consumer(&self, stream: &Stream, name: &str) -> Result<(), Error> {
        let gone = self.consumer(stream, name)?;
        self.end_subscriptions(gone.generation);
        let key = (stream.generation, name.to_owned());
        let delay = self.0.config.state_delay;
        let write = if delay.is_zero() {
            RowWrite::delete::<tables::Consumers>(&key, Expect::Any)
        } else {
            let table = self.0.store.table::<tables::Consumers>();
            let found = table.get(&key).map_err(|error| Error::Corrupt(error.reason))?;
            let Some(found) = found else { return Ok(()) };
            let deleted_ms = Some(self.now().after(delay).0);
            let row = ConsumerRow { deleted_ms, ..found.row };
            RowWrite::put::<tables::Consumers>(&key, &row, Expect::Version(found.version))
        };
        match self.0.store.commit(Commit { rows: vec![write], ..Commit::default() }).await {
            // Somebody else deregistered it just now.
            Ok(_) | Err(CommitError::Conflict { .. }) => {
                self.0.pending.notify_one();
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

pub(crate) fn is_gone(row: &ConsumerRow, now: UnixMillis) -> bool {
    row.deleted_ms.is_some_and(|deleted_ms| deleted_ms <= now.0)
}

fn consumer(stream: &Stream, name: String, row: &ConsumerRow, now: UnixMillis) -> Consumer {
    let status = if row.deleted_ms.is_some() {
        Status::Deleting
    } else if now.0 < row.active_ms {
        Status::Creating
    } else {
        Status::Active
    };
    Consumer {
        stream: stream.name.clone(),
        name,
        generation: row.generation,
        created: UnixMillis(row.created_ms),
        status,
    }
}
