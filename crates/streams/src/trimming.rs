//! Retention: gives up records that have outlived it, then the closed shards that held them.

use std::sync::Weak;

use stdx::UnixMillis;
use store::{LogId, Position, ReadBudget, ReadFrom};

use crate::engine::{Inner, Plan, Streams};
use crate::error::Error;
use crate::limits::{SHARDS_PER_COMMIT_MAX, TRIM_EVERY, TRIMS_PER_COMMIT_MAX};
use crate::shard::Shard;
use crate::stream::{Stream, StreamState};

/// Trims again and again until the engine is gone.
pub(crate) async fn run(engine: Weak<Inner>) {
    loop {
        let Some(inner) = engine.upgrade() else { return };
        let streams = Streams(inner);
        let clock = streams.0.clock.clone();
        // Nothing may be given up by a clock that nobody believes.
        if !clock.is_stepped() {
            streams.trim_all().await;
        }
        drop(streams);
        clock.sleep_service(TRIM_EVERY).await;
    }
}

impl Streams {
    async fn trim_all(&self) {
        for stream in self.0.directory.all() {
            if let Err(error) = self.trim_stream(&stream).await {
                tracing::warn!(stream = %stream.name, %error, "trimming failed and will be tried again");
            }
        }
    }

    async fn trim_stream(&self, stream: &Stream) -> Result<(), Error> {
        let state = stream.state();
        let now = self.now();
        let horizon = state.horizon(now);
        for shard in state.shards.all() {
            self.0.store.expect_retention(shard.log, now.since(horizon));
        }
        // A stream younger than its retention has nothing to trim.
        if state.created() >= horizon {
            return Ok(());
        }
        let mut trims = Vec::new();
        for shard in state.shards.all().iter().filter(|shard| !has_expired(shard, horizon)) {
            trims.extend(self.trim_of(shard, horizon).await?);
            if trims.len() == TRIMS_PER_COMMIT_MAX {
                self.0.store.trim_all(std::mem::take(&mut trims)).await?;
            }
        }
        if !trims.is_empty() {
            self.0.store.trim_all(trims).await?;
        }
        self.change(stream, |state| Ok(plan_expiry(state, horizon))).await
    }

    /// Where a shard's log is to be trimmed, if anything in it has outlived the retention period.
    async fn trim_of(
        &self,
        shard: &Shard,
        horizon: UnixMillis,
    ) -> Result<Option<(LogId, Position)>, Error> {
        if shard.created() >= horizon {
            return Ok(None);
        }
        let budget = ReadBudget { records_max: 1, bytes_max: 1 };
        let kept = self.0.store.read(shard.log, ReadFrom::Time(horizon), budget).await?;
        let below = kept.records.first().map_or(kept.next, |record| record.position);
        let tail = self.0.store.tail(shard.log);
        Ok(tail.is_some_and(|tail| tail.trimmed_below < below).then_some((shard.log, below)))
    }
}

/// A closed shard goes once everything in it has outlived the retention period.
fn has_expired(shard: &Shard, horizon: UnixMillis) -> bool {
    shard.closed.is_some_and(|closed| closed < horizon)
}

fn plan_expiry(state: &StreamState, horizon: UnixMillis) -> Plan {
    let gone = state.shards.all().iter().filter(|shard| has_expired(shard, horizon));
    let gone: Vec<_> = gone.take(SHARDS_PER_COMMIT_MAX).collect();
    if gone.is_empty() {
        return Plan::default();
    }
    Plan {
        row: Some(state.row.clone()),
        shards_gone: gone.iter().map(|shard| shard.index).collect(),
        forgets: gone.iter().map(|shard| shard.log).collect(),
        ..Plan::default()
    }
}
