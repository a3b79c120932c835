//! Bugs that random work has found, each by itself, and what once needed luck to be tested: the engine
//! runs on a machine that does nothing unless it is told to.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use stdx::{Entropy, task};
use store::StoreError;
use store::simulation::{Ending, Machine, Weather};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use crate::{
    Config, Error, HashKey, Mode, NewRecord, NewStream, Placed, Start, Status, Stream, StreamName,
    Streams, Throttled, World,
};

const HOUR: Duration = Duration::from_hours(1);
const LOW: HashKey = HashKey(0);
const HIGH: HashKey = HashKey(u128::MAX);
const MIDDLE: HashKey = HashKey(1 << 127);

/// An engine on a machine.
struct Server {
    machine: Machine,
    runtime: Runtime,
    config: Config,
    engine: Streams,
}

fn name() -> StreamName {
    World { account: "000000000000".into(), region: "us-east-1".into() }.stream("orders")
}

fn begin(machine: &mut Machine, config: Config) -> (Runtime, Streams) {
    machine.open().unwrap();
    let runtime = Builder::new_current_thread().build().unwrap();
    let entered = runtime.enter();
    let (clock, entropy) = (machine.clock().clone(), Entropy::seeded(1));
    let engine = Streams::open(machine.store(), clock, entropy, config).unwrap();
    drop(entered);
    (runtime, engine)
}

impl Server {
    fn new(state_delay: Duration, shards: u32) -> (Server, Arc<Stream>) {
        let mut machine = Machine::new(1, Weather::default());
        let config = Config { state_delay, limits: false };
        let (runtime, engine) = begin(&mut machine, config);
        let server = Server { machine, runtime, config, engine };
        let (engine, new) = (
            server.engine.clone(),
            NewStream {
                mode: Mode::Provisioned,
                shards,
                tags: Default::default(),
                record_kib_max: None,
                distributes: false,
                warm_mibps: None,
            },
        );
        server.done(server.ask(async move { engine.create(name(), new).await })).unwrap();
        server.pass(state_delay);
        let stream = server.stream();
        assert_eq!(stream.state().row.status, Status::Active);
        (server, stream)
    }

    /// The process ends and another begins, after `prepare`.
    fn restart(&mut self, prepare: impl FnOnce(&mut Machine)) {
        self.runtime = Builder::new_current_thread().build().unwrap();
        // The engine holds the store, and the store the folder.
        self.engine = {
            let mut spare = Machine::new(2, Weather::default());
            let (runtime, engine) = begin(&mut spare, self.config);
            drop(std::mem::replace(&mut self.engine, engine));
            drop(runtime);
            self.machine.end(Ending::Killed);
            prepare(&mut self.machine);
            let (runtime, engine) = begin(&mut self.machine, self.config);
            self.runtime = runtime;
            engine
        };
    }

    fn stream(&self) -> Arc<Stream> {
        self.engine.stream(&name()).unwrap()
    }

    /// Lets tasks run that can.
    fn poll(&self) {
        self.runtime.block_on(async {
            for _ in 0..32 {
                tokio::task::yield_now().await;
            }
        });
    }

    fn ask<T: Send + 'static>(
        &self,
        ask: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let entered = self.runtime.enter();
        let asked = task::spawn(ask);
        drop(entered);
        self.poll();
        asked
    }

    /// The answer, once the store has done what it can.
    fn done<T>(&self, asked: JoinHandle<T>) -> T {
        for _ in 0..64 {
            self.machine.drive();
            self.poll();
        }
        assert!(asked.is_finished(), "it waits for something");
        self.runtime.block_on(asked).unwrap()
    }

    /// Lets time pass, and whoever wakes do its work.
    fn pass(&self, by: Duration) {
        self.machine.clock().advance(by);
        for _ in 0..64 {
            self.poll();
            self.machine.drive();
        }
    }

    fn put(
        &self,
        stream: &Arc<Stream>,
        keys: &[HashKey],
    ) -> JoinHandle<Result<Vec<Result<Placed, Throttled>>, Error>> {
        let record = |key: &HashKey| NewRecord {
            data: Bytes::from_static(b"data"),
            partition_key: Some("k".to_owned()),
            explicit_hash_key: Some(*key),
        };
        let records: Vec<_> = keys.iter().map(record).collect();
        let (engine, stream) = (self.engine.clone(), Arc::clone(stream));
        self.ask(async move { engine.put(&stream, &records).await })
    }

    fn split(
        &self,
        stream: &Arc<Stream>,
        shard: u32,
        at: HashKey,
    ) -> JoinHandle<Result<(), Error>> {
        let (engine, stream) = (self.engine.clone(), Arc::clone(stream));
        self.ask(async move { engine.split(&stream, shard, at).await })
    }

    /// How many records a shard shows; `None` if there is no such shard.
    fn records(&self, stream: &Stream, shard: u32) -> Option<usize> {
        stream.state().shards.get(shard)?;
        let cursor = self.engine.cursor(stream, shard, &Start::TrimHorizon);
        let cursor = self.runtime.block_on(cursor).unwrap();
        Some(self.runtime.block_on(self.engine.page(stream, cursor, 100)).unwrap().records.len())
    }
}

#[test]
fn a_put_that_is_partly_there_is_not_refused_for_want_of_room() {
    let (server, stream) = Server::new(Duration::ZERO, 2);
    let (split, put) =
        (server.split(&stream, 0, HashKey(1 << 126)), server.put(&stream, &[LOW, HIGH]));
    // Both were planned on the same map: one record finds its shard, the other finds it closed.
    server.machine.drive();
    server.machine.fill();
    let refused = server.done(put).unwrap_err();
    assert!(matches!(refused, Error::Store(StoreError::Unavailable(_))), "{refused}");
    server.done(split).unwrap();
    assert_eq!(server.records(&stream, 1), Some(1));
    server.machine.heal();
    server.machine.flush();
    assert!(server.done(server.put(&stream, &[LOW])).is_ok());
}

#[test]
fn a_closed_shard_keeps_what_arrived_after_it_was_closed() {
    let (server, stream) = Server::new(Duration::ZERO, 1);
    let (put, split) = (server.put(&stream, &[LOW]), server.split(&stream, 0, MIDDLE));
    // The close was planned two hours before its commit, and the record before it.
    server.machine.clock().advance(HOUR * 2);
    server.done(put).unwrap();
    server.done(split).unwrap();
    server.pass(HOUR * 23);
    assert_eq!(
        server.records(&stream, 0),
        Some(1),
        "25 hours after the close, 23 after the record"
    );
    server.pass(HOUR * 2);
    assert_eq!(server.records(&stream, 0), None);
}

#[test]
fn what_was_put_off_is_due_in_time_though_the_clock_has_gone_back() {
    let delay = Duration::from_secs(3);
    let (mut server, stream) = Server::new(delay, 1);
    server.done(server.split(&stream, 0, MIDDLE)).unwrap();
    assert_eq!(stream.state().row.status, Status::Updating);
    let earlier = server.machine.clock().service().before(HOUR * 2);
    drop(stream);
    server.restart(|machine| machine.set_clock(earlier));
    let stream = server.stream();
    assert_eq!(stream.state().row.status, Status::Updating);
    server.pass(delay);
    assert_eq!(stream.state().row.status, Status::Active);
    assert_eq!(stream.state().shards.open().len(), 2);
}

#[test]
fn a_pending_change_is_carried_out_after_a_restart() {
    let delay = Duration::from_secs(60);
    let (mut server, stream) = Server::new(delay, 1);
    server.done(server.put(&stream, &[LOW])).unwrap();
    server.done(server.split(&stream, 0, MIDDLE)).unwrap();
    server.pass(delay / 2);
    drop(stream);
    server.restart(|_| {});
    let stream = server.stream();
    assert_eq!(stream.state().row.status, Status::Updating);
    assert_eq!(stream.state().shards.open().len(), 1, "it is not due yet");
    server.done(server.put(&stream, &[HIGH])).unwrap();
    server.pass(delay / 2);
    assert_eq!(stream.state().row.status, Status::Active);
    assert_eq!(stream.state().shards.open().len(), 2);
    assert_eq!(server.records(&stream, 0), Some(2));
}

#[test]
fn closed_shards_go_with_their_records_after_a_decrease() {
    let (server, stream) = Server::new(Duration::ZERO, 1);
    let retain = |hours: i64, longer: bool| {
        let (engine, stream) = (server.engine.clone(), Arc::clone(&stream));
        server.done(server.ask(async move {
            match longer {
                true => engine.increase_retention(&stream, hours).await,
                false => engine.decrease_retention(&stream, hours).await,
            }
        }))
    };
    retain(72, true).unwrap();
    server.done(server.put(&stream, &[LOW, HIGH])).unwrap();
    server.done(server.split(&stream, 0, MIDDLE)).unwrap();
    server.done(server.put(&stream, &[LOW])).unwrap();
    server.pass(HOUR * 30);
    assert_eq!(server.records(&stream, 0), Some(2));
    server.done(server.put(&stream, &[HIGH])).unwrap();
    retain(24, false).unwrap();
    server.pass(Duration::from_secs(60));
    assert_eq!(server.records(&stream, 0), None, "the parent has gone with what it held");
    assert_eq!(server.records(&stream, 1), Some(0), "an open shard stays");
    assert_eq!(server.records(&stream, 2), Some(1));
    assert_eq!(stream.state().shards.all().len(), 2);
    // What has gone does not come back.
    retain(72, true).unwrap();
    assert_eq!(server.records(&stream, 1), Some(0));
}
