//! Retention: gives up records that have outlived it, then the closed shards that held them.

use std::sync::Weak;

use stdx::UnixMillis;
use store::{Position, ReadBudget, ReadFrom};

use crate::engine::{Inner, Plan, Streams};
use crate::error::Error;
use crate::limits::{SHARDS_PER_COMMIT_MAX, TRIM_EVERY, TRIMS_PER_COMMIT_MAX};
use crate::mutant::{self, Mutant};
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
        let (mut trims, mut gone) = (Vec::new(), Vec::new());
        for shard in state.shards.all() {
            match self.outlived(shard, horizon).await? {
                Outlived::Nothing => {}
                Outlived::Below(below) => trims.push((shard.log, below)),
                Outlived::Everything => gone.push(shard.index),
            }
            if trims.len() == TRIMS_PER_COMMIT_MAX {
                self.0.store.trim_all(std::mem::take(&mut trims)).await?;
            }
        }
        if !trims.is_empty() {
            self.0.store.trim_all(trims).await?;
        }
        gone.truncate(SHARDS_PER_COMMIT_MAX);
        self.change(stream, |state| Ok(plan_expiry(state, &gone))).await
    }

    /// What of a shard has outlived the retention period. Its last record may have arrived later than
    /// it was closed: the close waited for its commit, or a process had another time of day.
    async fn outlived(&self, shard: &Shard, horizon: UnixMillis) -> Result<Outlived, Error> {
        if shard.created() >= horizon {
            return Ok(Outlived::Nothing);
        }
        if mutant::is_on(Mutant::ExpireEarly) && !shard.is_open() {
            return Ok(Outlived::Everything);
        }
        let budget = ReadBudget { records_max: 1, bytes_max: 1 };
        let kept = self.0.store.read(shard.log, ReadFrom::Time(horizon), budget).await?;
        let closed = shard.closed.is_some_and(|closed| closed < horizon);
        if closed && kept.records.is_empty() {
            return Ok(Outlived::Everything);
        }
        let below = kept.records.first().map_or(kept.next, |record| record.position);
        let tail = self.0.store.tail(shard.log).filter(|tail| tail.trimmed_below < below);
        let all = mutant::is_on(Mutant::TrimAll);
        let below = tail.map(|tail| if all { tail.next } else { below });
        Ok(below.map_or(Outlived::Nothing, Outlived::Below))
    }
}

/// What of a shard has outlived the retention period.
enum Outlived {
    Nothing,
    /// What is below this.
    Below(Position),
    /// All of it, and it is closed.
    Everything,
}

/// The commit that takes these shards away, if they are still there.
fn plan_expiry(state: &StreamState, gone: &[u32]) -> Plan {
    let gone: Vec<_> = gone.iter().filter_map(|&index| state.shards.get(index)).collect();
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
