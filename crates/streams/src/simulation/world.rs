//! One run: a seed decides what clients ask, when the store's steps and the engine's tasks run, what
//! the disk does to them and when the process ends.

use std::fmt::Write as _;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use stdx::{Entropy, UnixMillis, task};
use store::ReadError;
use store::simulation::{Ending, Machine, Weather, owner, payload};
use tokio::runtime::{Builder, Runtime};

use super::history::{Answer, Asked, Event, Map, Read, RecordId, RequestId, Seen, check};
use crate::{
    Config, Cursor, Error, HashKey, Mode, NewRecord, NewStream, Placed, Shard, Start, Status,
    Stream, StreamName, Streams, Throttled, World as Place,
};

const NAMES: [&str; 3] = ["carrots", "onions", "peas"];
/// Partition keys; some of their records have a hash key of their own.
const KEYS: usize = 6;
/// A stream with more open shards is not split any more.
const OPEN_SHARDS_MAX: usize = 8;
/// What a delay of states is, where there is one.
const STATE_DELAY: Duration = Duration::from_secs(3);
/// Seconds that a healthy server may take to answer everything: sixteen waits for a newer map, and
/// the time between two tries of what was put off.
const SETTLE_SECONDS: usize = 400;
/// How many tries to put into a healthy server can has.
const RESUME_TRIES: usize = 6;

/// A server, its machine, and what has happened.
pub(super) struct World {
    pub(super) machine: Machine,
    runtime: Runtime,
    engine: Option<Streams>,
    history: Arc<Mutex<Vec<Event>>>,
    requests: RequestId,
    /// Whether changes are put off.
    delayed: bool,
}

fn runtime() -> Runtime {
    // No timer and no I/O: nothing but the seed wakes anybody.
    Builder::new_current_thread().build().expect("a runtime")
}

fn name(index: usize) -> StreamName {
    let place = Place { account: "000000000000".into(), region: "us-east-1".into() };
    place.stream(NAMES[index])
}

impl World {
    pub(super) fn new(seed: u64, weather: Weather) -> Self {
        let machine = Machine::new(seed, weather);
        let delayed = machine.below(4) == 0;
        World {
            machine,
            runtime: runtime(),
            engine: None,
            history: Arc::default(),
            requests: 0,
            delayed,
        }
    }

    pub(super) fn events(&self) -> MutexGuard<'_, Vec<Event>> {
        self.history.lock().unwrap()
    }

    fn push(&self, event: Event) {
        self.events().push(event);
    }

    fn below(&self, bound: usize) -> usize {
        self.machine.below(bound)
    }

    fn engine(&self) -> &Streams {
        self.engine.as_ref().unwrap()
    }

    fn now(&self) -> UnixMillis {
        self.machine.clock().service()
    }

    /// A process begins.
    fn open(&mut self) -> Result<(), String> {
        self.machine.open()?;
        let state_delay = if self.delayed { STATE_DELAY } else { Duration::ZERO };
        let config = Config { state_delay, limits: false };
        let (clock, entropy) =
            (self.machine.clock(), Entropy::seeded(self.machine.entropy().u64()));
        let _runtime = self.runtime.enter();
        let engine = Streams::open(self.machine.store(), clock.clone(), entropy, config);
        self.engine = Some(engine.map_err(|error| error.to_string())?);
        self.push(Event::Now(self.now()));
        self.see_maps();
        Ok(())
    }

    /// Lets tasks run that can, for a while.
    fn poll(&self, rounds: usize) {
        self.runtime.block_on(async {
            for _ in 0..rounds {
                tokio::task::yield_now().await;
            }
        });
    }

    fn advance(&self, by: Duration) {
        self.machine.clock().advance(by);
        self.push(Event::Now(self.now()));
    }

    /// The process ends, and another one begins.
    fn restart(&mut self, how: Ending) -> Result<(), String> {
        if how == Ending::Closed {
            self.machine.drive();
            self.machine.prove();
            self.poll(8);
        }
        // Dropping the runtime drops every task, and with them every handle of the store.
        self.runtime = runtime();
        self.engine = None;
        self.machine.end(how);
        self.push(Event::Restarted);
        self.machine.jump_clock();
        self.open()
    }

    /// The process ends while the lane works or a flush runs.
    fn die(&mut self) -> Result<(), String> {
        self.put();
        self.poll(4);
        self.machine.doom();
        self.machine.drive();
        self.poll(4);
        if self.below(3) == 0 {
            self.machine.flush();
        }
        if self.below(2) == 0 {
            return self.restart(Ending::PowerCut);
        }
        self.machine.heal();
        self.restart(Ending::Killed)
    }

    /// A client asks for something, and takes down what it is told.
    fn ask<T>(
        &mut self,
        asked: Asked,
        ask: impl Future<Output = Result<T, Error>> + Send + 'static,
        numbers: impl FnOnce(T) -> Vec<crate::SequenceNumber> + Send + 'static,
    ) {
        self.requests += 1;
        let request = self.requests;
        self.push(Event::Sent { request, asked });
        let history = Arc::clone(&self.history);
        let _runtime = self.runtime.enter();
        task::spawn(async move {
            let answer = match ask.await {
                Ok(done) => Answer::Done(numbers(done)),
                Err(error) => refusal(&error),
            };
            history.lock().unwrap().push(Event::Answered { request, answer });
        });
    }

    fn any_stream(&self) -> Option<Arc<Stream>> {
        let streams = self.engine().list(&name(0).world, "", NAMES.len());
        (!streams.is_empty()).then(|| Arc::clone(&streams[self.below(streams.len())]))
    }

    fn any_shard(&self, stream: &Stream) -> Arc<Shard> {
        let shards = Arc::clone(&stream.state().shards);
        let of = if self.below(8) == 0 { shards.all() } else { shards.open() };
        Arc::clone(&of[self.below(of.len())])
    }

    fn create(&mut self) {
        let name = name(self.below(NAMES.len()));
        let new = NewStream {
            mode: Mode::Provisioned,
            shards: 1 + self.below(3) as u32,
            tags: Default::default(),
            record_kib_max: None,
            distributes: false,
            warm_mibps: None,
        };
        let (engine, asked) = (self.engine().clone(), Asked::Create { name: name.to_string() });
        self.ask(asked, async move { engine.create(name, new).await }, |()| Vec::new());
    }

    fn delete(&mut self) {
        let Some(stream) = self.any_stream() else { return };
        let (engine, generation) = (self.engine().clone(), stream.generation);
        let name = stream.name.to_string();
        let deletion = async move { engine.delete(&stream.name, true).await };
        self.ask(Asked::Delete { generation, name }, deletion, |()| Vec::new());
    }

    fn record(&self, request: RequestId, index: u32) -> NewRecord {
        let sizes = [20, 20, 300, 2500];
        let bytes = 8 + self.below(sizes[self.below(sizes.len())]);
        let key = format!("key-{}", self.below(KEYS));
        let hashes = [0, u128::MAX, u128::MAX / 2, u128::MAX / 3];
        let own = (self.below(3) == 0).then(|| HashKey(hashes[self.below(hashes.len())]));
        NewRecord {
            data: Bytes::from(payload(request, index, bytes)),
            partition_key: Some(key),
            explicit_hash_key: own,
        }
    }

    fn put(&mut self) {
        let Some(stream) = self.any_stream() else { return };
        let count = 1 + self.below(6) as u32;
        let request = self.requests + 1;
        let records: Vec<NewRecord> = (0..count).map(|i| self.record(request, i)).collect();
        self.put_records(stream, records);
    }

    fn put_records(&mut self, stream: Arc<Stream>, records: Vec<NewRecord>) {
        let key_of = |record: &NewRecord| {
            let key = record.partition_key.as_deref().unwrap_or_default();
            record.explicit_hash_key.unwrap_or_else(|| HashKey::of(key))
        };
        let (keys, generation) = (records.iter().map(key_of).collect(), stream.generation);
        let engine = self.engine().clone();
        let numbers = |placed: Vec<Result<Placed, Throttled>>| {
            placed.into_iter().flatten().map(|placed| placed.sequence).collect()
        };
        let put = async move { engine.put(&stream, &records).await };
        self.ask(Asked::Put { generation, keys }, put, numbers);
    }

    fn split(&mut self) {
        let Some(stream) = self.any_stream() else { return };
        if stream.state().shards.open().len() >= OPEN_SHARDS_MAX {
            return;
        }
        let shard = self.any_shard(&stream);
        let width = shard.range.end.0 - shard.range.start.0;
        let at = HashKey(shard.range.start.0 + width / [2, 3, 7][self.below(3)] + 1);
        let (engine, generation, shard) = (self.engine().clone(), stream.generation, shard.index);
        let split = async move { engine.split(&stream, shard, at).await };
        self.ask(Asked::Split { generation, shard }, split, |()| Vec::new());
    }

    fn merge(&mut self) {
        let Some(stream) = self.any_stream() else { return };
        let state = stream.state();
        let open = state.shards.open();
        if open.len() < 2 {
            return;
        }
        let at = self.below(open.len() - 1);
        let shards = [open[at].index, open[at + 1].index];
        let (engine, generation) = (self.engine().clone(), stream.generation);
        let merge = async move { engine.merge(&stream, shards[0], shards[1]).await };
        self.ask(Asked::Merge { generation, shards }, merge, |()| Vec::new());
    }

    fn scale(&mut self) {
        let Some(stream) = self.any_stream() else { return };
        let target = 1 + self.below(OPEN_SHARDS_MAX) as u32;
        let (engine, generation) = (self.engine().clone(), stream.generation);
        let scale = async move { engine.scale(&stream, target).await };
        self.ask(Asked::Scale { generation, target }, scale, |_| Vec::new());
    }

    fn retain(&mut self) {
        let Some(stream) = self.any_stream() else { return };
        self.retain_hours(Arc::clone(&stream), [24, 30, 48][self.below(3)]);
        if self.below(2) == 0 {
            self.retain_hours(stream, 48);
        }
    }

    fn retain_hours(&mut self, stream: Arc<Stream>, hours: u32) {
        let current = stream.state().row.retention_hours;
        let longer = hours >= current || hours == 48;
        let cuts = hours < current && !longer;
        let (engine, generation) = (self.engine().clone(), stream.generation);
        let retain = async move {
            match longer {
                true => engine.increase_retention(&stream, i64::from(hours)).await,
                false => engine.decrease_retention(&stream, i64::from(hours)).await,
            }
        };
        self.ask(Asked::Retain { generation, hours, cuts }, retain, |()| Vec::new());
    }

    fn see_maps(&self) {
        let streams = self.engine().list(&name(0).world, "", NAMES.len());
        let maps = streams.iter().map(|stream| {
            let state = stream.state();
            Map {
                name: stream.name.to_string(),
                generation: stream.generation,
                active: state.row.status == Status::Active,
                shards: state.shards.all().iter().map(|shard| Shard::clone(shard)).collect(),
            }
        });
        let maps = maps.collect();
        self.push(Event::Maps(maps));
    }

    fn read_somewhere(&self) -> Result<(), String> {
        let Some(stream) = self.any_stream() else { return Ok(()) };
        let shard = self.any_shard(&stream).index;
        let back = Duration::from_millis(self.machine.entropy().below(40 * 3_600_000));
        let start = match self.below(3) {
            0 => Start::TrimHorizon,
            1 => Start::Latest,
            _ => Start::Time(self.now().before(back)),
        };
        let cursor = self.runtime.block_on(self.engine().cursor(&stream, shard, &start));
        let Some(mut cursor) = readable(cursor)? else { return Ok(()) };
        let mut time = match start {
            Start::Time(time) => Some(time),
            _ => None,
        };
        for _ in 0..1 + self.below(3) {
            match self.read(&stream, cursor, time.take(), 1 + self.below(9))? {
                Some(next) => cursor = next,
                None => break,
            }
        }
        Ok(())
    }

    /// One page; where to read on.
    fn read(
        &self,
        stream: &Stream,
        cursor: Cursor,
        time: Option<UnixMillis>,
        records_max: usize,
    ) -> Result<Option<Cursor>, String> {
        let page = self.runtime.block_on(self.engine().page(stream, cursor, records_max));
        let Some(page) = readable(page)? else { return Ok(None) };
        let seen = |record: &crate::Record| -> Result<Seen, String> {
            let record_id: RecordId = owner(&record.body.data).ok_or("wrong bytes")?;
            Ok(Seen { number: record.sequence, arrival: record.arrival, record: record_id })
        };
        self.push(Event::Read(Read {
            generation: stream.generation,
            shard: cursor.shard,
            from: cursor.position.0,
            time,
            records: page.records.iter().map(seen).collect::<Result<_, _>>()?,
            next: page.next.map(|next| next.position.0),
            children: page.children.iter().map(|child| child.index).collect(),
        }));
        Ok(page.next)
    }

    /// Reads all there is.
    fn look(&self) -> Result<(), String> {
        self.see_maps();
        for stream in self.engine().list(&name(0).world, "", NAMES.len()) {
            for shard in stream.state().shards.all() {
                let start = self.engine().cursor(&stream, shard.index, &Start::TrimHorizon);
                let mut cursor = readable(self.runtime.block_on(start))?.ok_or("no cursor")?;
                while let Some(next) = self.read(&stream, cursor, None, 7)? {
                    if next.position == cursor.position {
                        break;
                    }
                    cursor = next;
                }
            }
        }
        Ok(())
    }

    /// Whatever the seed says.
    fn step(&mut self) -> Result<(), String> {
        self.machine.relieve();
        match self.below(100) {
            0..22 => self.put(),
            22..27 => self.split(),
            27..31 => self.merge(),
            31..33 => self.scale(),
            33..36 => self.create(),
            36 => self.delete(),
            37..40 => self.retain(),
            40..52 => self.machine.drive(),
            52..58 => self.machine.step_lane(),
            58..66 => self.poll(1 + self.below(6)),
            66..70 => self.machine.flush(),
            70 => {
                self.machine.compact();
                self.push(Event::Now(self.now()));
            }
            71 => self.machine.delete_trimmed(),
            72 => self.machine.prepare_ring(),
            73 => self.machine.prove(),
            74..82 => self.read_somewhere()?,
            82..84 => self.see_maps(),
            84..88 => self.advance(Duration::from_millis(self.below(3000) as u64)),
            88..90 => self.advance(Duration::from_mins(self.below(20 * 60) as u64)),
            90 => self.die()?,
            91 => self.restart(Ending::Killed)?,
            92 => self.restart(Ending::PowerCut)?,
            93 => self.restart(Ending::Closed)?,
            94..96 => self.machine.heal(),
            _ => self.machine.arm(),
        }
        self.poll(self.below(3));
        Ok(())
    }

    fn unanswered(&self) -> usize {
        let events = self.events();
        let since = events.iter().rposition(|event| matches!(event, Event::Restarted)).unwrap_or(0);
        let sent = events[since..].iter().filter(|event| matches!(event, Event::Sent { .. }));
        let answered = events[since..].iter().filter(|e| matches!(e, Event::Answered { .. }));
        sent.count() - answered.count()
    }

    /// Lets everything come to its end that can.
    fn rest(&self) -> Result<(), String> {
        for _ in 0..SETTLE_SECONDS {
            self.machine.relieve();
            self.machine.drive();
            self.poll(8);
            let streams = self.engine().list(&name(0).world, "", NAMES.len());
            let changing = streams.iter().any(|s| s.state().row.status != Status::Active);
            if self.unanswered() == 0 && !changing {
                return Ok(());
            }
            self.advance(Duration::from_secs(1));
        }
        Err(format!("{} requests wait for ever, or a change does", self.unanswered()))
    }

    /// Without a restart, every shard takes records again.
    fn resume(&mut self) -> Result<(), String> {
        let mut missing = String::new();
        for _ in 0..RESUME_TRIES {
            missing.clear();
            for stream in self.engine().list(&name(0).world, "", NAMES.len()) {
                let request = self.requests + 1;
                let state = stream.state();
                let records = state.shards.open().iter().zip(0..).map(|(shard, index)| NewRecord {
                    data: Bytes::from(payload(request, index, 12)),
                    partition_key: Some("key-0".to_owned()),
                    explicit_hash_key: Some(shard.range.start),
                });
                let records = records.collect();
                self.put_records(Arc::clone(&stream), records);
                self.rest()?;
                let events = self.events();
                let answer = events.iter().rev().find_map(|event| match event {
                    Event::Answered { request: own, answer } if *own == request => Some(answer),
                    _ => None,
                });
                if !matches!(answer, Some(Answer::Done(_))) {
                    write!(missing, "{}: {answer:?}; ", stream.name).unwrap();
                }
            }
            if missing.is_empty() {
                return Ok(());
            }
            self.machine.flush();
        }
        Err(format!("no service on a healthy disk: {missing}"))
    }

    /// Nothing goes wrong any more: all there is is found, and stays.
    fn settle(&mut self) -> Result<(), String> {
        self.machine.heal();
        self.rest()?;
        self.resume()?;
        self.look()?;
        for ending in [Ending::Killed, Ending::PowerCut] {
            self.restart(ending)?;
            self.rest()?;
            self.look()?;
        }
        self.runtime = runtime();
        self.engine = None;
        let events = self.events();
        check(&events, self.delayed)
    }
}

fn refusal(error: &Error) -> Answer {
    match error {
        Error::Store(store::StoreError::Unavailable(_)) | Error::Contended(_) => Answer::InDoubt,
        _ => Answer::Refused,
    }
}

/// What was read; nothing if the disk did not answer, or what was asked for has gone.
fn readable<T>(read: Result<T, Error>) -> Result<Option<T>, String> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(Error::Read(why)) if matches!(*why, ReadError::Io(_)) => Ok(None),
        Err(Error::ShardMissing(..) | Error::IteratorExpired { .. }) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// A whole run, after `prepare`.
pub(super) fn run_with(
    seed: u64,
    steps: usize,
    weather: Weather,
    prepare: impl FnOnce(&mut World),
) -> Result<World, String> {
    let mut world = World::new(seed, weather);
    prepare(&mut world);
    let ran = (|| {
        world.open()?;
        world.create();
        (0..steps).try_for_each(|_| world.step())?;
        world.settle()
    })();
    if std::env::var_os("LEVADA_SEED").is_some() {
        world.events().iter().enumerate().for_each(|(at, event)| eprintln!("{at}: {event:?}"));
    }
    ran.map(|()| world).map_err(|why| format!("seed {seed}: {why}"))
}

/// A whole run.
pub(super) fn run(seed: u64, steps: usize, weather: Weather) -> Result<World, String> {
    run_with(seed, steps, weather, |_| {})
}
