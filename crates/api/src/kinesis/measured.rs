//! What is measured of calls that carry data: once, here, where what was asked and what came of it
//! meet. The metrics themselves are the engine's (`streams/src/meters.rs`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ::streams::{
    ConsumerMeters, Error, Event, NewRecord, Page, Placed, PutBy, PutOutcome, Stream, Subscription,
    Throttled,
};

use super::Kinesis;
use super::injected::RecordFailure;

/// What a put came to, record by record.
type PutResults = Result<Vec<Result<Placed, Throttled>>, Error>;

impl Kinesis {
    /// A put that began at `started` is over.
    pub(super) fn measure_put(
        &self,
        stream: &Stream,
        by: PutBy,
        records: &[NewRecord],
        injected: &[(usize, RecordFailure)],
        results: &PutResults,
        started: Duration,
    ) {
        let latency = self.streams.elapsed().saturating_sub(started);
        let injected_throttles = injected.iter().filter(|(_, failure)| failure.is_throttle());
        let mut outcome = PutOutcome {
            total: (records.len() + injected.len()) as u64,
            throttled: injected_throttles.count() as u64,
            ..PutOutcome::default()
        };
        for (record, result) in records.iter().zip(results.iter().flatten()) {
            outcome.add(record, result.is_ok());
        }
        stream.meters.put(by, outcome, latency);
        if stream.has_shard_level_metrics() {
            let mut shards: BTreeMap<u32, PutOutcome> = BTreeMap::new();
            for (record, result) in records.iter().zip(results.iter().flatten()) {
                let shard = match result {
                    Ok(placed) => placed.shard,
                    Err(throttled) => throttled.shard,
                };
                shards.entry(shard).or_default().add(record, result.is_ok());
            }
            shards.into_iter().for_each(|(shard, part)| stream.meters.shard_put(shard, part));
        }
    }

    /// A GetRecords that began at `started` is over.
    pub(super) fn measure_get(
        &self,
        stream: &Stream,
        shard: u32,
        page: &Result<Page, Error>,
        started: Duration,
    ) {
        let latency = self.streams.elapsed().saturating_sub(started);
        let shard = stream.has_shard_level_metrics().then_some(shard);
        match page {
            Ok(page) => {
                let (records, bytes) = (page.records.len() as u64, page.bytes());
                stream.meters.got(records, bytes, page.behind_ms, latency);
                if let Some(shard) = shard {
                    stream.meters.shard_got(shard, records, bytes, Some(page.behind_ms));
                }
            }
            Err(error) => {
                let throttled = matches!(error, Error::Throttled { .. });
                stream.meters.get_failed(throttled, latency);
                if let (true, Some(shard)) = (throttled, shard) {
                    stream.meters.shard_throttled(shard);
                }
            }
        }
    }
}

/// A subscription whose events are measured.
pub(super) struct MeasuredSubscription {
    subscription: Subscription,
    stream: Arc<Stream>,
    shard: u32,
    meters: Arc<ConsumerMeters>,
}

impl MeasuredSubscription {
    /// Measures how a subscription of `consumer` began, and from now on what it gives.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn begin(
        subscription: Result<Subscription, Error>,
        stream: Arc<Stream>,
        shard: u32,
        consumer: &str,
    ) -> Result<Self, Error> {
        let meters = stream.meters.consumer(consumer);
        let in_use =
            matches!(&subscription, Err(Error::SubscriptionInUse { .. } | Error::Throttled { .. }));
        meters.subscribed(subscription.is_ok(), in_use);
        Ok(MeasuredSubscription { subscription: subscription?, stream, shard, meters })
    }

    /// The next event; `None` once the subscription has ended.
    ///
    /// # Errors
    /// If the log fails. The subscription has then ended.
    pub(super) async fn next(&mut self) -> Result<Option<Event>, Error> {
        let event = self.subscription.next().await;
        match &event {
            Ok(Some(event)) => {
                let (records, bytes) = (event.records.len() as u64, event.bytes());
                self.meters.published(records, bytes, event.behind_ms);
                if self.stream.has_shard_level_metrics() {
                    self.stream.meters.shard_got(self.shard, records, bytes, None);
                }
            }
            Ok(None) => {}
            Err(_) => self.meters.failed(),
        }
        event
    }
}
