//! Streams on demand: their shards follow the throughput that was observed.
//!
//! Such a stream can always carry twice the highest throughput of the last 30 days (developer
//! guide, on-demand mode). The plan is a pure function of what was observed; a loop on the service
//! clock observes, and the machinery of UpdateShardCount carries the plan out.

use std::sync::Weak;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use stdx::UnixMillis;

use crate::engine::{Inner, Plan, Streams};
use crate::error::Error;
use crate::limits::{
    OBSERVE_EVERY, PEAK_LIFE, SHARD_WRITE_BYTES_PER_SECOND, SHARD_WRITE_RECORDS_PER_SECOND,
    SHARDS_DEFAULT,
};
use crate::rows::{Peak, StreamRow};
use crate::stream::{Mode, Status, Stream};

/// What a stream has taken since somebody last looked.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    bytes: AtomicU64,
    records: AtomicU64,
}

impl Intake {
    pub(crate) fn add(&self, records: u64, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.records.fetch_add(records, Ordering::Relaxed);
    }

    /// What it takes to carry what came in since the last look, in thousandths of a shard.
    fn take_millishards(&self, elapsed: Duration) -> u32 {
        let millis = elapsed.max(Duration::from_secs(1)).as_millis();
        let of_shard = |count: u64, per_second: u64| {
            (u128::from(count) * 1_000_000 / (millis * u128::from(per_second))) as u32
        };
        let bytes = of_shard(self.bytes.swap(0, Ordering::Relaxed), SHARD_WRITE_BYTES_PER_SECOND);
        let records = self.records.swap(0, Ordering::Relaxed);
        bytes.max(of_shard(records, SHARD_WRITE_RECORDS_PER_SECOND))
    }
}

/// What a stream has to carry, in thousandths of a shard where not said otherwise.
pub(crate) struct Demand<'a> {
    /// What it carries now.
    observed: u32,
    /// What it has carried.
    peaks: &'a [Peak],
    /// What is to be kept warm, in shards.
    warm_shards: u32,
    /// How many open shards it may have.
    shards_max: u32,
}

impl<'a> Demand<'a> {
    pub(crate) fn of(row: &'a StreamRow, observed: u32, shards_max: u32) -> Self {
        let warm_shards = row.warm_mibps.unwrap_or(0);
        Demand { observed, peaks: &row.peaks, warm_shards, shards_max }
    }
}

/// Shards that carry twice `millishards`.
fn shards_for_twice(millishards: u32) -> u32 {
    millishards.saturating_mul(2).div_ceil(1000)
}

/// The fewest shards that a stream needs.
pub(crate) fn needed(demand: &Demand<'_>, now: UnixMillis) -> u32 {
    let recent = demand.peaks.iter().filter(|peak| is_recent(peak, now));
    let peak = recent.map(|peak| peak.millishards).max().unwrap_or(0).max(demand.observed);
    shards_for_twice(peak).max(demand.warm_shards).max(SHARDS_DEFAULT).min(demand.shards_max)
}

fn is_recent(peak: &Peak, now: UnixMillis) -> bool {
    peak.at_ms > now.before(PEAK_LIFE).0
}

/// How many shards a stream of `shards` is to have; `None` if it is to stay as it is.
///
/// It at most doubles in one step, except for what is to be kept warm. It is merged only once three
/// quarters of its shards would do, to no less than half and no less than it needs.
pub(crate) fn plan(demand: &Demand<'_>, shards: u32, now: UnixMillis) -> Option<u32> {
    let warm_shards = demand.warm_shards.min(demand.shards_max);
    let carries = shards_for_twice(demand.observed).min(demand.shards_max);
    let more = carries.min(shards.saturating_mul(2)).max(warm_shards);
    if more > shards {
        return Some(more);
    }
    let needed = needed(demand, now);
    (needed <= shards.saturating_mul(3) / 4).then(|| needed.max(shards.div_ceil(2)))
}

/// The peaks to remember after `observed` was seen; `None` if that is nothing new.
///
/// At most one is kept for each day, a tenth higher than what was seen, so that a stream whose
/// traffic creeps up is not written again and again.
fn with_peak(peaks: &[Peak], observed: u32, now: UnixMillis) -> Option<Vec<Peak>> {
    const DAY_MS: u64 = 86_400_000;
    let today = |peak: &Peak| peak.at_ms / DAY_MS == now.0 / DAY_MS;
    let is_known = peaks.iter().any(|peak| today(peak) && peak.millishards >= observed);
    if observed == 0 || is_known {
        return None;
    }
    let millishards = observed.saturating_add(observed / 10);
    let kept = |peak: &&Peak| is_recent(peak, now) && peak.millishards > millishards;
    let mut after: Vec<Peak> = peaks.iter().filter(kept).copied().collect();
    after.push(Peak { at_ms: now.0, millishards });
    Some(after)
}

/// Observes and scales until the engine is gone.
pub(crate) async fn run(engine: Weak<Inner>) {
    let mut looked = None;
    loop {
        let Some(inner) = engine.upgrade() else { return };
        let streams = Streams(inner);
        let clock = streams.0.clock.clone();
        // Traffic flows by real time, also when the service's clock is moved.
        let now = clock.monotonic();
        if let Some(before) = looked.replace(now) {
            streams.scale_on_demand(now.saturating_sub(before)).await;
        }
        drop(streams);
        clock.sleep_service(OBSERVE_EVERY).await;
    }
}

impl Streams {
    async fn scale_on_demand(&self, elapsed: Duration) {
        for stream in self.0.directory.all() {
            if stream.state().row.mode == Mode::OnDemand
                && let Err(error) = self.follow_demand(&stream, elapsed).await
            {
                tracing::warn!(stream = %stream.name, %error, "an on-demand stream could not be scaled and will be looked at again");
            }
        }
    }

    async fn follow_demand(&self, stream: &Stream, elapsed: Duration) -> Result<(), Error> {
        let (observed, now) = (stream.intake.take_millishards(elapsed), self.now());
        let shards_max = self.on_demand_shards_max(&stream.name);
        self.change(stream, |state| {
            if state.row.mode != Mode::OnDemand || state.row.status != Status::Active {
                return Ok(Plan::default());
            }
            let noted = with_peak(&state.row.peaks, observed, now);
            let is_noted = noted.is_some();
            let peaks = noted.unwrap_or_else(|| state.row.peaks.clone());
            let row = StreamRow { peaks, ..state.row.clone() };
            let open = state.shards.open().len() as u32;
            match plan(&Demand::of(&row, observed, shards_max), open, now) {
                None if !is_noted => Ok(Plan::default()),
                None => Ok(Plan { row: Some(row), ..Plan::default() }),
                target => self.plan_with(state, row, target),
            }
        })
        .await?;
        self.0.pending.notify_one();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn demand(observed: u32, peaks: &[Peak]) -> Demand<'_> {
        Demand { observed, peaks, warm_shards: 0, shards_max: 10_000 }
    }

    fn peak(days_ago: u64, millishards: u32) -> Peak {
        Peak { at_ms: NOW.before(Duration::from_hours(24 * days_ago)).0, millishards }
    }

    #[test]
    fn twice_what_is_carried() {
        assert_eq!(plan(&demand(0, &[]), 4, NOW), None);
        assert_eq!(plan(&demand(2000, &[]), 4, NOW), None);
        assert_eq!(plan(&demand(2001, &[]), 4, NOW), Some(5));
        assert_eq!(plan(&demand(4000, &[]), 4, NOW), Some(8));
        assert_eq!(plan(&demand(40_000, &[]), 4, NOW), Some(8), "at most twice as many");
    }

    #[test]
    fn a_stream_that_came_with_few_shards_is_not_split_without_traffic() {
        assert_eq!(plan(&demand(0, &[]), 1, NOW), None);
        assert_eq!(plan(&demand(900, &[]), 1, NOW), Some(2));
    }

    #[test]
    fn a_peak_holds_for_thirty_days() {
        let (recent, old) = ([peak(29, 16_000)], [peak(30, 16_000)]);
        assert_eq!(plan(&demand(100, &recent), 32, NOW), None);
        assert_eq!(plan(&demand(100, &old), 32, NOW), Some(16));
        assert_eq!(plan(&demand(100, &old), 9, NOW), Some(5));
        assert_eq!(plan(&demand(100, &old), 8, NOW), Some(4));
        assert_eq!(plan(&demand(100, &old), 5, NOW), None, "not for one shard");
        assert_eq!(plan(&demand(100, &[]), 2, NOW), None, "never below four");
    }

    #[test]
    fn warmth_is_a_floor_at_once() {
        let warm = Demand { warm_shards: 100, ..demand(0, &[]) };
        assert_eq!(plan(&warm, 4, NOW), Some(100));
        assert_eq!(plan(&warm, 100, NOW), None);
        assert_eq!(plan(&warm, 300, NOW), Some(150));
        let beyond = Demand { warm_shards: 10_240, ..demand(0, &[]) };
        assert_eq!(plan(&beyond, 4, NOW), Some(10_000));
        assert_eq!(plan(&beyond, 10_000, NOW), None);
    }

    #[test]
    fn a_peak_is_noted_once_a_day_unless_it_rises() {
        let first = with_peak(&[], 1000, NOW).expect("the first");
        assert_eq!(first, [Peak { at_ms: NOW.0, millishards: 1100 }]);
        assert_eq!(with_peak(&first, 1100, NOW), None);
        assert_eq!(with_peak(&first, 0, NOW), None);
        let risen = with_peak(&first, 1101, NOW).expect("higher");
        assert_eq!(risen.len(), 1);
        let tomorrow = NOW.after(Duration::from_hours(24));
        let lower = with_peak(&risen, 10, tomorrow).expect("another day");
        assert_eq!(lower.iter().map(|peak| peak.millishards).collect::<Vec<_>>(), [1211, 11]);
        let month = NOW.after(Duration::from_hours(24 * 30));
        assert_eq!(with_peak(&lower, 10, month).expect("a month later").len(), 1);
    }

    #[test]
    fn the_dearer_of_bytes_and_records_counts() {
        let intake = Intake::default();
        intake.add(1000, 3 * 1024 * 1024);
        assert_eq!(intake.take_millishards(Duration::from_secs(1)), 3000);
        intake.add(5000, 1024);
        assert_eq!(intake.take_millishards(Duration::from_secs(10)), 500);
        assert_eq!(intake.take_millishards(Duration::from_secs(10)), 0);
    }

    proptest! {
        #[test]
        fn a_plan_is_a_change_that_carries_the_load(
            observed in 0u32..20_000_000,
            old in 0u32..20_000_000,
            warm_shards in 0u32..12_000,
            shards_max in prop_oneof![Just(200u32), Just(10_000)],
            shards in 1u32..10_000,
        ) {
            let shards = shards.min(shards_max);
            let peaks = [peak(3, old)];
            let demand = Demand { observed, peaks: &peaks, warm_shards, shards_max };
            if let Some(target) = plan(&demand, shards, NOW) {
                prop_assert_ne!(target, shards);
                prop_assert!(target <= shards_max);
                let warm_shards = warm_shards.min(shards_max);
                if target > shards {
                    prop_assert!(target <= shards * 2 || target == warm_shards);
                } else {
                    prop_assert!(target >= needed(&demand, NOW));
                    prop_assert!(target * 2 >= shards);
                }
            }
        }

        /// Load that stays is carried twice over after some steps, and then nothing changes.
        #[test]
        fn steps_come_to_rest(observed in 0u32..3_000_000, shards in 1u32..4000) {
            let (peaks, mut open) = ([peak(0, observed)], shards);
            for _ in 0..32 {
                match plan(&demand(observed, &peaks), open, NOW) {
                    Some(target) => open = target,
                    None => break,
                }
            }
            prop_assert_eq!(plan(&demand(observed, &peaks), open, NOW), None);
            prop_assert!(open >= shards_for_twice(observed));
        }
    }
}
