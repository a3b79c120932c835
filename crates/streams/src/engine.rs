//! The engine's handle: what exists, and how a stream comes, changes and goes.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stdx::{Clock, Entropy, UnixMillis, task};
use store::{Commit, CommitError, Expect, LogId, RowWrite, Store};
use tokio::sync::Notify;

use crate::capacity;
use crate::directory::Directory;
use crate::error::Error;
use crate::limits::{
    CHANGE_TRIES_MAX, INITIAL_SHARD_AGE, NEW_MAP_WAIT, OPEN_SHARDS_PER_STREAM_MAX,
    RECORD_KIB_DEFAULT, RETENTION_HOURS_DEFAULT,
};
use crate::monitoring::ShardMetrics;
use crate::mutant::{self, Mutant};
use crate::name::{StreamName, World};
use crate::removal::Orphans;
use crate::rows::{Change, EncryptionChanges, Pending, ShardRow, StreamRow};
use crate::shard::{Shard, ShardMap};
use crate::stream::{Mode, Status, Stream, StreamState, parse_stream_id};
use crate::subscribe::Held;
use crate::tables;

/// What an operator may choose.
#[derive(Clone, Copy, Debug, Default)]
pub struct Config {
    /// How long CREATING, UPDATING and DELETING last.
    pub state_delay: Duration,
    /// Whether AWS's rates and quotas hold.
    pub limits: bool,
}

/// A stream to create.
#[derive(Clone, Debug)]
pub struct NewStream {
    /// How its capacity is chosen.
    pub mode: Mode,
    /// How many shards it starts with.
    pub shards: u32,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The largest record, in KiB; `None` for the default.
    pub record_kib_max: Option<u32>,
    /// Whether the service distributes records itself.
    pub distributes: bool,
    /// Throughput to keep warm, in MiB/s.
    pub warm_mibps: Option<u32>,
}

/// Data Streams; clones share it.
#[derive(Clone)]
pub struct Streams(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) entropy: Entropy,
    pub(crate) config: Config,
    pub(crate) directory: Directory,
    /// Wakes whoever carries out pending changes.
    pub(crate) pending: Arc<Notify>,
    /// Who holds which subscription.
    pub(crate) subscriptions: Mutex<HashMap<(u64, u32), Held>>,
}

/// A planned change of one stream: what its row becomes, and what happens to its shards with it.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) row: Option<StreamRow>,
    pub(crate) shards: Vec<Arc<Shard>>,
    pub(crate) shards_gone: Vec<u32>,
    pub(crate) opens: Vec<LogId>,
    pub(crate) closes: Vec<LogId>,
    pub(crate) forgets: Vec<LogId>,
}

impl Streams {
    /// Reads what there is and starts carrying out what is pending.
    ///
    /// # Errors
    /// If a row cannot be read.
    pub fn open(
        store: Store,
        clock: Clock,
        entropy: Entropy,
        config: Config,
    ) -> Result<Self, Error> {
        let due_max = clock.service().after(config.state_delay);
        let (directory, orphans) = load(&store, due_max)?;
        let streams = Streams(Arc::new(Inner {
            store,
            clock,
            entropy,
            config,
            directory,
            pending: Arc::default(),
            subscriptions: Mutex::default(),
        }));
        // The loops hold the engine weakly, so dropping its last handle ends them.
        task::spawn(crate::removal::sweep(Arc::downgrade(&streams.0), orphans));
        task::spawn(crate::transitions::run(Arc::downgrade(&streams.0)));
        task::spawn(crate::trimming::run(Arc::downgrade(&streams.0)));
        task::spawn(crate::on_demand::run(Arc::downgrade(&streams.0)));
        Ok(streams)
    }

    /// The service's time.
    pub fn now(&self) -> UnixMillis {
        self.0.clock.service()
    }

    /// Time since some fixed moment, for latencies.
    pub fn elapsed(&self) -> Duration {
        self.0.clock.monotonic()
    }

    /// The stream of this name, in whatever state.
    ///
    /// # Errors
    /// [`Error::StreamNotFound`].
    pub fn stream(&self, name: &StreamName) -> Result<Arc<Stream>, Error> {
        self.0.directory.get(name).ok_or_else(|| Error::StreamNotFound(name.clone()))
    }

    /// The stream of this name if it takes and gives records.
    ///
    /// # Errors
    /// [`Error::StreamNotFound`], also while it is being created.
    pub fn stream_with_data(&self, name: &StreamName) -> Result<Arc<Stream>, Error> {
        let stream = self.stream(name)?;
        if stream.state().row.status == Status::Creating {
            return Err(Error::StreamNotFound(name.clone()));
        }
        Ok(stream)
    }

    /// The stream of this id, if `world` has it.
    pub fn stream_of_id(&self, world: &World, id: &str) -> Option<Arc<Stream>> {
        let stream = self.stream_of_generation(parse_stream_id(id)?)?;
        (stream.name.world == *world).then_some(stream)
    }

    /// The stream of this generation, if it is still there.
    pub fn stream_of_generation(&self, generation: u64) -> Option<Arc<Stream>> {
        self.0.directory.by_generation(generation)
    }

    /// The streams of `world` after the one named `after`, by name, at most `count_max`.
    pub fn list(&self, world: &World, after: &str, count_max: usize) -> Vec<Arc<Stream>> {
        self.0.directory.list(world, after, count_max)
    }

    /// Creates a stream.
    ///
    /// # Errors
    /// If the name is taken or a quota would be exceeded.
    pub async fn create(&self, name: StreamName, mut new: NewStream) -> Result<(), Error> {
        if self.0.directory.get(&name).is_some() {
            return Err(Error::StreamExists(name));
        }
        if new.shards > OPEN_SHARDS_PER_STREAM_MAX {
            let (added, limit) = (new.shards, OPEN_SHARDS_PER_STREAM_MAX);
            return Err(Error::ShardLimit { stream: name, current: 0, limit, added });
        }
        self.check_warm(&name, new.warm_mibps)?;
        let warm_shards = new.warm_mibps.unwrap_or(0).min(self.on_demand_shards_max(&name));
        new.shards = new.shards.max(warm_shards);
        self.check_creation_quotas(&name, &new)?;
        let now = self.now();
        let (row, map) = self.first_state(now, new);
        let mut rows = vec![RowWrite::put::<tables::Streams>(&name, &row, Expect::Absent)];
        rows.extend(map.all().iter().map(|shard| put_shard(row.generation, shard)));
        let opens = map.all().iter().map(|shard| shard.log).collect();
        let committed = match self.0.store.commit(Commit { rows, opens, ..Commit::default() }).await
        {
            Ok(committed) => committed,
            Err(CommitError::Conflict { .. }) => return Err(Error::StreamExists(name)),
            Err(error) => return Err(error.into()),
        };
        let state = StreamState { row, version: committed.versions[0], shards: Arc::new(map) };
        self.0.directory.insert(Arc::new(Stream::new(name, state)));
        self.0.pending.notify_one();
        Ok(())
    }

    fn first_state(&self, now: UnixMillis, new: NewStream) -> (StreamRow, ShardMap) {
        let created_seconds = now.before(INITIAL_SHARD_AGE).seconds();
        let map = ShardMap::initial(new.shards, created_seconds, || self.0.store.new_log_id());
        let pending = self.delayed(now, Change::Activate);
        let generation = match mutant::is_on(Mutant::SameGeneration) {
            true => 1,
            false => self.0.store.new_log_id().0,
        };
        let row = StreamRow {
            generation,
            created_ms: now.0,
            mode: new.mode,
            retention_hours: RETENTION_HOURS_DEFAULT,
            status: if pending.is_some() { Status::Creating } else { Status::Active },
            pending,
            shards_made: new.shards,
            record_kib_max: new.record_kib_max.unwrap_or(RECORD_KIB_DEFAULT),
            kms_key: None,
            tags: new.tags,
            distributes: new.distributes,
            warm_mibps: new.warm_mibps,
            scaled_ms: Vec::new(),
            mode_changed_ms: Vec::new(),
            peaks: capacity::peaks_of_shards(new.mode, new.shards, now),
            shard_level_metrics: ShardMetrics::default(),
            encryption_changes: EncryptionChanges::default(),
            policy: None,
            trimmed_before_ms: None,
        };
        (row, map)
    }

    /// Deletes a stream with all its records.
    ///
    /// # Errors
    /// If it does not exist, or has consumers that must be deleted first.
    pub async fn delete(&self, name: &StreamName, with_consumers: bool) -> Result<(), Error> {
        let stream = self.stream(name)?;
        if !with_consumers && !self.consumers(&stream)?.is_empty() {
            return Err(Error::StreamHasConsumers(name.clone()));
        }
        let Some(pending) = self.delayed(self.now(), Change::Delete) else {
            return self.remove(&stream).await;
        };
        self.change(&stream, |state| {
            if state.row.status == Status::Deleting {
                return Ok(Plan::default());
            }
            let pending = Some(pending.clone());
            let row = StreamRow { status: Status::Deleting, pending, ..state.row.clone() };
            Ok(Plan { row: Some(row), ..Plan::default() })
        })
        .await?;
        self.0.pending.notify_one();
        Ok(())
    }

    /// Plans a change on the newest state and commits it, again until no other change came between.
    /// A plan without a row changes nothing.
    pub(crate) async fn change(
        &self,
        stream: &Stream,
        mut plan: impl FnMut(&StreamState) -> Result<Plan, Error>,
    ) -> Result<(), Error> {
        for _ in 0..CHANGE_TRIES_MAX {
            let state = stream.state();
            let plan = plan(&state)?;
            let Some(row) = plan.row else { return Ok(()) };
            let expect = Expect::Version(state.version);
            let mut rows = vec![RowWrite::put::<tables::Streams>(&stream.name, &row, expect)];
            rows.extend(plan.shards.iter().map(|shard| put_shard(stream.generation, shard)));
            make_mistakes(stream, &state, &row, &plan.shards, &mut rows);
            rows.extend(plan.shards_gone.iter().map(|&i| delete_shard(stream.generation, i)));
            let Plan { opens, closes, forgets, .. } = plan;
            let commit = Commit { rows, opens, closes, forgets, ..Commit::default() };
            match self.0.store.commit(commit).await {
                Ok(committed) => {
                    let shards = state.shards.with(&plan.shards).without(&plan.shards_gone);
                    let version = committed.versions[0];
                    stream.publish(StreamState { row, version, shards: Arc::new(shards) });
                    return Ok(());
                }
                Err(CommitError::Conflict { .. }) => self.await_newer(stream, &state).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Contended(stream.name.clone()))
    }

    /// Waits until a newer state than `seen` is shown, but not for ever: the change that made it
    /// may have failed.
    ///
    /// # Errors
    /// [`Error::StreamNotFound`] once the stream is gone: there will be no newer state.
    pub(crate) async fn await_newer(
        &self,
        stream: &Stream,
        seen: &StreamState,
    ) -> Result<(), Error> {
        self.check_there(stream)?;
        let mut states = stream.watch();
        let newer = states.wait_for(|state| state.version > seen.version);
        let _timed_out = self.0.clock.timeout(NEW_MAP_WAIT, newer).await;
        self.check_there(stream)
    }

    fn check_there(&self, stream: &Stream) -> Result<(), Error> {
        match self.stream_of_generation(stream.generation) {
            Some(_) => Ok(()),
            None => Err(Error::StreamNotFound(stream.name.clone())),
        }
    }

    /// The change, put off by the configured delay; `None` if it happens at once.
    pub(crate) fn delayed(&self, now: UnixMillis, change: Change) -> Option<Pending> {
        let delay = self.0.config.state_delay;
        (!delay.is_zero()).then(|| Pending { due_ms: now.after(delay).0, change })
    }
}

/// What a test builds into a change of a stream.
fn make_mistakes(
    stream: &Stream,
    state: &StreamState,
    row: &StreamRow,
    shards: &[Arc<Shard>],
    rows: &mut Vec<RowWrite>,
) {
    if mutant::is_on(Mutant::LoseChild) && shards.last().is_some_and(|last| last.is_open()) {
        rows.pop();
    }
    if mutant::is_on(Mutant::ForgetVersion) {
        rows[0].expect = Expect::Any;
    }
    if mutant::is_on(Mutant::ForgetPending) && row.pending.is_some() {
        let row = StreamRow { pending: None, ..row.clone() };
        rows[0] = RowWrite::put::<tables::Streams>(&stream.name, &row, rows[0].expect);
    }
    if mutant::is_on(Mutant::ShowEarly) {
        let (row, version) = (row.clone(), state.version + 1);
        let shards = Arc::new(state.shards.with(shards));
        stream.publish(StreamState { row, version, shards });
    }
}

fn put_shard(generation: u64, shard: &Shard) -> RowWrite {
    let row = ShardRow::from(shard);
    RowWrite::put::<tables::Shards>(&(generation, shard.index), &row, Expect::Any)
}

pub(crate) fn delete_shard(generation: u64, index: u32) -> RowWrite {
    RowWrite::delete::<tables::Shards>(&(generation, index), Expect::Any)
}

/// What there is, and what is left of streams that are gone. Nothing that was put off is due later
/// than `due_max`, whatever time of day it was in the process that put it off.
fn load(store: &Store, due_max: UnixMillis) -> Result<(Directory, Vec<Orphans>), Error> {
    let corrupt = |error: store::RowError| Error::Corrupt(error.reason);
    let mut shards: BTreeMap<u64, Vec<Arc<Shard>>> = BTreeMap::new();
    for ((generation, index), row) in store.table::<tables::Shards>().scan().map_err(corrupt)? {
        let shard = Arc::new(Shard::from_row(index, &row.row));
        shards.entry(generation).or_default().push(shard);
    }
    let directory = Directory::default();
    for (name, row) in store.table::<tables::Streams>().scan().map_err(corrupt)? {
        let map = ShardMap::new(shards.remove(&row.row.generation).unwrap_or_default());
        let (mut row, version) = (row.row, row.version);
        if let Some(pending) = &mut row.pending {
            pending.due_ms = pending.due_ms.min(due_max.0);
        }
        let state = StreamState { row, version, shards: Arc::new(map) };
        directory.insert(Arc::new(Stream::new(name, state)));
    }
    let orphans =
        shards.into_iter().map(|(generation, shards)| Orphans { generation, shards }).collect();
    Ok((directory, orphans))
}
