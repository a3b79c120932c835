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
use crate::iterate::{Record, Start, behind_ms, records_of};
use crate::limits::{
    EVENT_BYTES_MAX, EVENT_RECORDS_MAX, HEARTBEAT_EVERY, SUBSCRIPTION_EXCLUSIVE, SUBSCRIPTION_LIFE,
};
use crate::sequence::SequenceNumber;
use crate::shard::Shard;
use crate::stream::{Status, Stream};

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
}

impl Streams {
    /// Subscribes a consumer to a shard.
    ///
    /// # Errors
    /// If the consumer is not ACTIVE, holds the shard already, or `start` does not fit the shard.
    pub async fn subscribe(
        &self,
        stream: Arc<Stream>,
        consumer: &Consumer,
        shard: u32,
        start: &Start,
    ) -> Result<Subscription, Error> {
        if consumer.status != Status::Active {
            return Err(Error::ConsumerNotActive {
                stream: stream.name.clone(),
                consumer: consumer.name.clone(),
                created: consumer.created,
            });
        }
        let cursor = self.cursor(&stream, shard, start).await?;
        let state = stream.state();
        let log = state.shards.get(shard).map(|shard| shard.log);
        let log = log.ok_or_else(|| Error::ShardMissing(stream.name.clone(), shard))?;
        let key = (consumer.generation, shard);
        let (id, taken_over) = self.hold(key).ok_or_else(|| Error::SubscriptionInUse {
            stream: stream.name.clone(),
            consumer: consumer.name.clone(),
            shard,
        })?;
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
            stream,
        })
    }

    /// Takes a consumer's shard, from its holder if need be; `None` while that is too early.
    fn hold(&self, key: (u64, u32)) -> Option<(u64, oneshot::Receiver<()>)> {
        let now = self.0.clock.service_elapsed();
        let mut holders = self.holders();
        if let Some(held) = holders.get(&key)
            && now.saturating_sub(held.since) < SUBSCRIPTION_EXCLUSIVE
        {
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
            let quiet = heartbeat_at.saturating_sub(clock.monotonic());
            // A log closes a moment before its shard is shown as closed, so both are waited for.
            let mut states = self.stream.watch();
            let event = self.read().await.inspect_err(|_| self.ended = true)?;
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
        let page = self.streams.read_kept(shard, self.position, horizon, budget).await?;
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
