//! The engine's handle: which delivery streams there are, and how one comes, changes and goes.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use model::firehose::shapes::DestinationDescription;
use stdx::{Clock, Entropy, UnixMillis, task};
use store::{Commit, CommitError, Expect, LogId, RowError, RowWrite, Store};
use streams::{Streams, World};
use tokio::sync::Notify;

use crate::budget::Budget;
use crate::catalog::{Catalog, Tables};
use crate::destination::Destination;
use crate::error::Error;
use crate::intake;
use crate::limits::{BUILD_BYTES_MAX, CHANGE_TRIES_MAX, STREAMS_MAX};
use crate::name::DeliveryStreamName;
use crate::outside::{Functions, ObjectStore};
use crate::owners::{Owners, Shared};
use crate::rows::{DeliveryStreamRow, EncryptionRow, Role, Secrets, Source, Status, Tags};
use crate::stream::{DeliveryStream, DeliveryStreamState};
use crate::{tables, transitions};

/// What an operator may choose.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// How long CREATING and DELETING last.
    pub state_delay: Duration,
    /// Whether AWS's rates and quotas hold.
    pub limits: bool,
    /// What a delivery stream holds undelivered, at most.
    pub backlog_bytes_max: u64,
}

impl Default for Config {
    fn default() -> Self {
        let backlog_bytes_max = crate::limits::BACKLOG_BYTES_MAX;
        Config { state_delay: Duration::ZERO, limits: false, backlog_bytes_max }
    }
}

/// A delivery stream to create. Everything in it has been validated.
#[derive(Clone, Debug)]
pub struct NewDeliveryStream {
    /// Where its records come from.
    pub source: NewSource,
    /// Where they go, with every default filled in.
    pub destination: DestinationDescription,
    /// Secrets of the destination that no description shows.
    pub secrets: Secrets,
    /// Its tags.
    pub tags: Tags,
    /// Its encryption.
    pub encryption: EncryptionRow,
}

/// Where a new delivery stream's records come from.
#[derive(Clone, Debug)]
pub enum NewSource {
    /// From PutRecord and PutRecordBatch.
    DirectPut {
        /// What is meant to be put, in MiB a second.
        throughput_hint_mibps: Option<u32>,
    },
    /// From elsewhere.
    Other(Source),
}

/// Data Firehose; clones share it.
#[derive(Clone)]
pub struct Delivery(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) config: Config,
    /// Told when something has been put off by `--state-delay`.
    pub(crate) pending: Arc<Notify>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) owners: Owners,
    directory: RwLock<BTreeMap<DeliveryStreamName, Arc<DeliveryStream>>>,
}

impl Delivery {
    /// Reads what there is and starts delivering it.
    ///
    /// # Errors
    /// If a row cannot be read.
    pub fn open(
        store: Store,
        streams: Streams,
        clock: Clock,
        entropy: Entropy,
        config: Config,
        (objects, functions, catalog): (Arc<dyn ObjectStore>, Arc<dyn Functions>, Arc<dyn Catalog>),
    ) -> Result<Self, Error> {
        let mut directory = BTreeMap::new();
        let rows = store.table::<tables::DeliveryStreams>().scan();
        for (name, row) in rows.map_err(|error| Error::Corrupt(error.reason))? {
            let state = state(row.row, row.version)?;
            directory.insert(name.clone(), Arc::new(DeliveryStream::new(name, state)));
        }
        let shared = Arc::new(Shared {
            store: store.clone(),
            streams,
            clock: clock.clone(),
            entropy,
            config,
            objects,
            functions,
            tables: Tables::new(catalog, clock.clone()),
            budget: Budget::new(BUILD_BYTES_MAX),
        });
        let owners = Owners::default();
        directory.values().for_each(|stream| owners.start(&shared, stream));
        let directory = RwLock::new(directory);
        let pending = Arc::default();
        let inner = Arc::new(Inner { store, clock, config, pending, shared, owners, directory });
        task::spawn(transitions::run(Arc::downgrade(&inner)));
        Ok(Delivery(inner))
    }

    /// The tables that records are converted into.
    pub fn tables(&self) -> &Tables {
        &self.0.shared.tables
    }

    /// The service's time.
    pub fn now(&self) -> UnixMillis {
        self.0.clock.service()
    }

    /// The delivery stream of this name, in whatever state.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn stream(&self, name: &DeliveryStreamName) -> Result<Arc<DeliveryStream>, Error> {
        let directory = self.0.directory.read().unwrap_or_else(PoisonError::into_inner);
        directory.get(name).map(Arc::clone).ok_or_else(|| Error::NotFound(name.clone()))
    }

    /// The delivery streams of `world` after the one named `after`, by name, at most `count_max`.
    pub fn list(&self, world: &World, after: &str, count_max: usize) -> Vec<Arc<DeliveryStream>> {
        let after = DeliveryStreamName { world: world.clone(), name: after.into() };
        let directory = self.0.directory.read().unwrap_or_else(PoisonError::into_inner);
        let own = directory.range((Bound::Excluded(&after), Bound::Unbounded));
        let own = own.take_while(|(name, _)| name.world == *world);
        own.take(count_max).map(|(_, stream)| Arc::clone(stream)).collect()
    }

    /// Every delivery stream there is.
    pub(crate) fn all(&self) -> Vec<Arc<DeliveryStream>> {
        let directory = self.0.directory.read().unwrap_or_else(PoisonError::into_inner);
        directory.values().map(Arc::clone).collect()
    }

    /// Creates a delivery stream.
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::StreamLimit`], or the store's.
    pub async fn create(
        &self,
        name: DeliveryStreamName,
        new: NewDeliveryStream,
    ) -> Result<Arc<DeliveryStream>, Error> {
        if self.stream(&name).is_ok() {
            return Err(Error::Exists(name));
        }
        self.check_stream_quota(&name)?;
        let mut opens = Vec::new();
        let (source, throughput_hint_mibps) = match new.source {
            NewSource::Other(source) => (source, None),
            NewSource::DirectPut { throughput_hint_mibps } => {
                let log = self.0.store.new_log_id();
                opens.push(log);
                (Source::DirectPut { log: log.0 }, throughput_hint_mibps)
            }
        };
        let now = self.now();
        let delay = self.0.config.state_delay;
        let row = DeliveryStreamRow {
            generation: self.0.store.new_log_id().0,
            created_ms: now.0,
            updated_ms: None,
            status: if delay.is_zero() { Status::Active } else { Status::Creating },
            due_ms: (!delay.is_zero()).then(|| now.after(delay).0),
            version: 1,
            source,
            destination: encode(&new.destination),
            secrets: new.secrets,
            tags: new.tags,
            encryption: new.encryption,
            throughput_hint_mibps,
        };
        let mut rows = vec![RowWrite::put::<tables::DeliveryStreams>(&name, &row, Expect::Absent)];
        let has_backup =
            Destination::read(&new.destination).is_ok_and(|served| served.backup.is_some());
        let from = (&self.0.store, &self.0.shared.streams);
        rows.extend(intake::first_rows(from, row.generation, &row.source, has_backup));
        let version = match self.0.store.commit(Commit { rows, opens, ..Commit::default() }).await {
            Ok(committed) => committed.versions[0],
            Err(CommitError::Conflict { .. }) => return Err(Error::Exists(name)),
            Err(error) => return Err(error.into()),
        };
        let state = DeliveryStreamState::new(row, version, new.destination);
        let stream = Arc::new(DeliveryStream::new(name.clone(), state));
        let mut directory = self.0.directory.write().unwrap_or_else(PoisonError::into_inner);
        directory.insert(name, Arc::clone(&stream));
        self.0.owners.start(&self.0.shared, &stream);
        self.0.pending.notify_one();
        Ok(stream)
    }

    /// Whether an account may have one more in a region.
    fn check_stream_quota(&self, name: &DeliveryStreamName) -> Result<(), Error> {
        if !self.0.config.limits {
            return Ok(());
        }
        let streams = self.list(&name.world, "", usize::MAX);
        if streams.len() < STREAMS_MAX {
            return Ok(());
        }
        let names = streams.iter().map(|stream| stream.name.to_string()).collect();
        Err(Error::StreamLimit { limit: STREAMS_MAX, names })
    }

    /// Plans a change of a row on its newest state and commits it, again until no other change came
    /// between. `None` changes nothing.
    ///
    /// # Errors
    /// The plan's; [`Error::NotFound`] if it is deleted meanwhile; [`Error::Contended`]; the store's.
    pub async fn change(
        &self,
        stream: &DeliveryStream,
        mut plan: impl FnMut(&DeliveryStreamState) -> Result<Option<DeliveryStreamRow>, Error>,
    ) -> Result<(), Error> {
        for _ in 0..CHANGE_TRIES_MAX {
            let seen = stream.state();
            let Some(row) = plan(&seen)? else { return Ok(()) };
            let expect = Expect::Version(seen.version);
            let rows = vec![RowWrite::put::<tables::DeliveryStreams>(&stream.name, &row, expect)];
            match self.0.store.commit(Commit { rows, ..Commit::default() }).await {
                Ok(committed) => {
                    stream.publish(state(row, committed.versions[0])?);
                    return Ok(());
                }
                // Whoever was first shows its state in a moment.
                Err(CommitError::Conflict { .. }) => {
                    self.check_is_there(stream)?;
                    let mut states = stream.watch();
                    let newer = states.wait_for(|state| state.version > seen.version);
                    let _timed_out =
                        self.0.clock.timeout(crate::limits::NEW_STATE_WAIT, newer).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Contended(stream.name.clone()))
    }

    /// Whether it has not been deleted meanwhile. Another of the same name does not count.
    fn check_is_there(&self, stream: &DeliveryStream) -> Result<(), Error> {
        if self.stream(&stream.name)?.generation == stream.generation {
            return Ok(());
        }
        Err(Error::NotFound(stream.name.clone()))
    }

    /// Deletes a delivery stream with everything that is not delivered yet, at once or when
    /// `--state-delay` is over. One that is going already goes on doing so.
    ///
    /// # Errors
    /// [`Error::NotActive`] while it is being created; [`Error::NotFound`] if somebody else was first;
    /// the store's.
    pub async fn delete(&self, stream: &DeliveryStream) -> Result<(), Error> {
        let status = stream.state().row.status;
        if status == Status::Creating {
            return Err(Error::NotActive(stream.name.clone()));
        }
        let delay = self.0.config.state_delay;
        if delay.is_zero() {
            return self.remove(stream).await;
        }
        let due_ms = Some(self.now().after(delay).0);
        self.change(stream, |state| {
            let row = &state.row;
            let going = DeliveryStreamRow { status: Status::Deleting, due_ms, ..row.clone() };
            Ok((row.status != Status::Deleting).then_some(going))
        })
        .await?;
        self.0.pending.notify_one();
        Ok(())
    }

    /// Takes a delivery stream away.
    pub(crate) async fn remove(&self, stream: &DeliveryStream) -> Result<(), Error> {
        self.0.owners.end(stream).await;
        for _ in 0..CHANGE_TRIES_MAX {
            match self.0.store.commit(self.removal_of(stream)?).await {
                Ok(_) => {
                    let mut directory =
                        self.0.directory.write().unwrap_or_else(PoisonError::into_inner);
                    directory.remove(&stream.name);
                    return Ok(());
                }
                // Somebody else has deleted it, or changed it, or its owner had rows on their way when
                // it ended.
                Err(CommitError::Conflict { .. }) => {
                    self.check_is_there(stream)?;
                    tokio::task::yield_now().await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Contended(stream.name.clone()))
    }

    /// Everything that there is of a delivery stream, as long as nothing is added.
    fn removal_of(&self, stream: &DeliveryStream) -> Result<Commit, Error> {
        let corrupt = |error: RowError| Error::Corrupt(error.reason);
        let own = stream.generation.to_be_bytes();
        let seen = stream.state();
        let expect = Expect::Version(seen.version);
        let mut rows = vec![RowWrite::delete::<tables::DeliveryStreams>(&stream.name, expect)];
        let mut forgets = Vec::new();
        if let Source::DirectPut { log } = seen.row.source {
            forgets.push(LogId(log));
        }
        let sources = self.0.store.table::<tables::Sources>().scan_prefix(&own);
        for (key, found) in sources.map_err(corrupt)? {
            if matches!(found.row.role, Role::Partition { .. } | Role::Failed { .. }) {
                forgets.push(LogId(key.1));
            }
            let expect = Expect::Version(found.version);
            rows.push(RowWrite::delete::<tables::Sources>(&key, expect));
        }
        for (key, _) in self.0.store.table::<tables::Plans>().scan_prefix(&own).map_err(corrupt)? {
            rows.push(RowWrite::delete::<tables::Plans>(&key, Expect::Any));
        }
        Ok(Commit { rows, forgets, ..Commit::default() })
    }
}

pub(crate) fn encode(destination: &DestinationDescription) -> String {
    serde_json::to_string(destination).expect("a shape is JSON")
}

fn state(row: DeliveryStreamRow, version: u64) -> Result<DeliveryStreamState, Error> {
    let destination = serde_json::from_str(&row.destination)
        .map_err(|_| Error::Corrupt("not a delivery stream's destination"))?;
    Ok(DeliveryStreamState::new(row, version, destination))
}
