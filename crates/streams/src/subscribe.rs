//! Subscriptions (SubscribeToShard): a cursor that is pulled, never a queue that fills.
//!
//! The connection asks for the next event when it has room; only then is anything read. One call
//! holds a consumer's shard: a second within [`SUBSCRIPTION_EXCLUSIVE`] is refused, a later one
//! takes over and ends the first.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use store::{Follower, Position, ReadBudget};
use tokio::sync::oneshot;

use crate::consumers::Consumer;
use crate::engine::Streams;
use crate::error::Error;
use crate::iterate::{Record, Start, behind_ms, bytes_of, records_of};
use crate::limits::{
    EVENT_BYTES_MAX, EVENT_RECORDS_MAX, HEARTBEAT_EVERY, SUBSCRIPTION_EXCLUSIVE, SUBSCRIPTION_LIFE,
};
use crate::sequence::SequenceNumber;
use crate::shard::Shard;
use crate::stream::{Status, Stream};
use crate::traffic::Pace;

type Holders = std::collections::HashMap<(u64, u32), Held>;

/// What is pushed to a subscriber.
#[derive(Clone, Debug)]
pub struct Event {
    /// The records, in order; none in a heartbeat.
    pub records: Vec<Record>,
    /// Where to subscribe again after this event; `None` at the end of a closed shard.
    pub continuation: Option<SequenceNumber>,
    /// How far behind the tip the event is, in milliseconds.
    pub behind_ms: u64,
    /// The shards that follow, at the end of a closed shard.
    pub children: Vec<Arc<Shard>>,
}

impl Event {
    /// What AWS counts of its records: data and partition keys.
    pub fn bytes(&self) -> u64 {
        bytes_of(&self.records)
    }
}

/// Who holds a consumer's shard, since when; dropping it ends that subscription.
pub(crate) struct Held {
    since: Duration,
    id: u64,
    _until_dropped: oneshot::Sender<()>,
}

/// One consumer's subscription to one shard.
pub struct Subscription {
    streams: Streams,
    stream: Arc<Stream>,
    shard: u32,
    position: Position,
    follower: Follower,
    key: (u64, u32),
    id: u64,
    taken_over: oneshot::Receiver<()>,
    expires: Duration,
    ended: bool,
    pace: Pace,
}

impl Held {
    /// Whether it is too early to take the shard over.
    fn is_exclusive(&self, now: Duration) -> bool {
        now.saturating_sub(self.since) < SUBSCRIPTION_EXCLUSIVE
    }
}

fn check_active(consumer: &Consumer) -> Result<(), Error> {
    match consumer.status {
        Status::Active => Ok(()),
        _ => Err(Error::ConsumerNotActive {
            stream: consumer.stream.clone(),
            consumer: consumer.name.clone(),
            created: consumer.created,
        }),
    }
}

fn in_use(consumer: &Consumer, shard: u32) -> Error {
    let (stream, consumer) = (consumer.stream.clone(), consumer.name.clone());
    Error::SubscriptionInUse { stream, consumer, shard }
}

fn just_subscribed(consumer: &Consumer, shard: u32) -> Error {
    let (stream, consumer) = (consumer.stream.clone(), consumer.name.clone());
    Error::SubscribedJustNow { stream, consumer, shard }
}

impl Streams {
    /// Subscribes a consumer to a shard.
    ///
    /// # Errors
    /// If the consumer is not ACTIVE, holds the shard already or asks too often, or `start` does not
    /// fit the shard.
    pub async fn subscribe(
        &self,
        stream: Arc<Stream>,
        consumer: &Consumer,
        shard: u32,
        start: &Start,
    ) -> Result<Subscription, Error> {
        check_active(consumer)?;
        let cursor = self.cursor(&stream, shard, start).await?;
        let state = stream.state();
        let known = state.shards.get(shard);
        let known = known.ok_or_else(|| Error::ShardMissing(stream.name.clone(), shard))?;
        let key = (consumer.generation, shard);
        self.check_hold(consumer, key)?;
        let now = self.0.clock.service_elapsed();
        if self.0.config.limits && !known.traffic.admit_subscription(consumer.generation, now) {
            return Err(just_subscribed(consumer, shard));
        }
        let (id, taken_over) = self.hold(key).ok_or_else(|| in_use(consumer, shard))?;
        let log = known.log;
        Ok(Subscription {
            streams: self.clone(),
            shard,
            position: cursor.position,
            follower: self.0.store.follow(log),
            key,
            id,
            taken_over,
            expires: self.0.clock.service_elapsed() + SUBSCRIPTION_LIFE,
            ended: false,
            pace: Pace::default(),
            stream,
        })
    }

    /// Whether [`Streams::subscribe`] would subscribe a consumer to a shard.
    ///
    /// # Errors
    /// As [`Streams::subscribe`].
    pub async fn check_subscribe(
        &self,
        stream: &Stream,
        consumer: &Consumer,
        shard: u32,
        start: &Start,
    ) -> Result<(), Error> {
        check_active(consumer)?;
        self.cursor(stream, shard, start).await?;
        self.check_hold(consumer, (consumer.generation, shard))?;
        let (state, now) = (stream.state(), self.0.clock.service_elapsed());
        let known = state.shards.get(shard).filter(|_| self.0.config.limits);
        match known {
            Some(known) if !known.traffic.would_admit_subscription(consumer.generation, now) => {
                Err(just_subscribed(consumer, shard))
            }
            _ => Ok(()),
        }
    }

    /// Whether a consumer's shard can be taken.
    fn check_hold(&self, consumer: &Consumer, key: (u64, u32)) -> Result<(), Error> {
        let now = self.0.clock.service_elapsed();
        match self.holders().get(&key) {
            Some(held) if held.is_exclusive(now) => Err(in_use(consumer, key.1)),
            _ => Ok(()),
        }
    }

    /// Takes a consumer's shard, from its holder if need be; `None` while that is too early.
    fn hold(&self, key: (u64, u32)) -> Option<(u64, oneshot::Receiver<()>)> {
        let now = self.0.clock.service_elapsed();
        let mut holders = self.holders();
        if holders.get(&key).is_some_and(|held| held.is_exclusive(now)) {
            return None;
        }
        let id = self.0.entropy.u64();
        let (until_dropped, taken_over) = oneshot::channel();
        holders.insert(key, Held { since: now, id, _until_dropped: until_dropped });
        Some((id, taken_over))
    }

    /// Ends every subscription of a consumer.
    pub(crate) fn end_subscriptions(&self, consumer: u64) {
        self.holders().retain(|key, _| key.0 != consumer);
    }

    fn holders(&self) -> MutexGuard<'_, Holders> {
        self.0.subscriptions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    /// The next event; `None` once the subscription has ended, for whatever reason.
    ///
    /// # Errors
    /// If the log fails. The subscription has then ended.
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        let clock = self.streams.0.clock.clone();
        // Heartbeats keep a connection alive, so they are the world's; the rest is the service's.
        let heartbeat_at = clock.monotonic() + HEARTBEAT_EVERY;
        while !self.ended {
            let life = self.expires.saturating_sub(clock.service_elapsed());
            if life.is_zero() || self.is_taken_over() {
                break;
            }
            let early = self.pace.wait(clock.service_elapsed());
            if !early.is_zero() {
                tokio::select! {
                    _ = &mut self.taken_over => self.ended = true,
                    () = clock.sleep_service(early.min(life)) => {}
                }
                continue;
            }
            let quiet = heartbeat_at.saturating_sub(clock.monotonic());
            // A log closes a moment before its shard is shown as closed, so both are waited for.
            let mut states = self.stream.watch();
            let event = self.read().await.inspect_err(|_| self.ended = true)?;
            if self.streams.0.config.limits {
                self.pace.charge(bytes_of(&event.records), clock.service_elapsed());
            }
            if !event.records.is_empty() || event.continuation.is_none() || quiet.is_zero() {
                return Ok(Some(event));
            }
            tokio::select! {
                _ = &mut self.taken_over => self.ended = true,
                () = self.follower.changed() => {}
                _ = states.changed() => {}
                () = clock.sleep(quiet) => {}
                () = clock.sleep_service(life) => {}
            }
        }
        self.ended = true;
        Ok(None)
    }

    fn is_taken_over(&mut self) -> bool {
        !matches!(self.taken_over.try_recv(), Err(oneshot::error::TryRecvError::Empty))
    }

    async fn read(&mut self) -> Result<Event, Error> {
        let now = self.streams.now();
        let state = self.stream.state();
        let missing = || Error::ShardMissing(self.stream.name.clone(), self.shard);
        let shard = state.shards.get(self.shard).ok_or_else(missing)?;
        let budget = ReadBudget { records_max: EVENT_RECORDS_MAX, bytes_max: EVENT_BYTES_MAX };
        let horizon = state.horizon(now);
        let page =
            self.streams.read_kept(&self.stream, shard, self.position, horizon, budget).await?;
        self.position = page.next;
        let behind_ms = behind_ms(&page, now);
        if page.closed_end && !shard.is_open() {
            self.ended = true;
            let children = state.shards.children_of(shard.index);
            let records = records_of(shard, page)?;
            return Ok(Event { records, continuation: None, behind_ms, children });
        }
        // The number before the next position: subscribing again after it repeats nothing.
        let last = page.next.0.saturating_sub(1);
        let arrival = page.records.last().map_or(now, |record| record.arrival);
        let continuation = Some(shard.sequence_at(last, arrival));
        let records = records_of(shard, page)?;
        Ok(Event { records, continuation, behind_ms, children: Vec::new() })
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut holders = self.streams.holders();
        if holders.get(&self.key).is_some_and(|held| held.id == self.id) {
            holders.remove(&self.key);
        }
    }
}
