//! The objects of one delivery stream that are planned and not delivered, and when each is tried. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use stdx::UnixMillis;

use crate::destination::Destination;
use crate::limits::{
    GIVES_UP_AFTER, PARKED_RETRY, PLANS_MAX, PUTS_MAX, RETRY_FIRST, RETRY_JITTER_PERCENT, RETRY_MAX,
};
use crate::outside::PutError;
use crate::rows::PlanRow;

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Its row, and the row's version.
    pub(crate) row: Arc<PlanRow>,
    pub(crate) version: u64,
    /// Where it goes, as it was when it was planned.
    pub(crate) destination: Arc<Destination>,
    /// Attempts that failed.
    pub(crate) failures: u32,
    /// Why the last one did.
    pub(crate) error: Option<PutError>,
    /// Whether AWS would have given up: it is tried now and then.
    pub(crate) parked: bool,
    /// From when on it may be tried; `None` while it is.
    due: Option<Duration>,
    /// Since when it is tried.
    since: UnixMillis,
}

impl Plan {
    /// One that may be tried at once.
    pub(crate) fn new(row: PlanRow, version: u64, destination: Arc<Destination>) -> Self {
        let since = UnixMillis(row.planned_ms);
        Plan {
            row: Arc::new(row),
            version,
            destination,
            failures: 0,
            error: None,
            parked: false,
            due: Some(Duration::ZERO),
            since,
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Plans {
    pub(crate) all: BTreeMap<u64, Plan>,
    /// How many are being tried.
    active: usize,
    /// Whether the last attempt failed: then one at a time is tried.
    failing: bool,
}

impl Plans {
    /// How many more may be planned.
    pub(crate) fn room(&self) -> usize {
        PLANS_MAX.saturating_sub(self.all.values().filter(|plan| !plan.parked).count())
    }

    /// What is to be tried now, if anything: what has waited longest.
    pub(crate) fn start(&mut self, now: Duration) -> Option<(u64, Plan)> {
        if self.active >= if self.failing { 1 } else { PUTS_MAX } {
            return None;
        }
        let due = |plan: &Plan| plan.due.filter(|due| *due <= now);
        let ready =
            self.all.iter_mut().filter_map(|(number, plan)| Some((due(plan)?, number, plan)));
        let (_, number, plan) = ready.min_by_key(|(due, number, _)| (*due, **number))?;
        plan.due = None;
        self.active += 1;
        Some((*number, plan.clone()))
    }

    /// When [`Plans::start`] has something to do, if nothing else happens.
    pub(crate) fn due(&self) -> Option<Duration> {
        match self.active >= if self.failing { 1 } else { PUTS_MAX } {
            true => None,
            false => self.all.values().filter_map(|plan| plan.due).min(),
        }
    }

    /// It is delivered.
    pub(crate) fn succeeded(&mut self, number: u64, now: Duration) -> Option<Plan> {
        self.active -= 1;
        self.failing = false;
        // The destination answers: what waits long need not.
        for plan in self.all.values_mut().filter(|plan| plan.parked) {
            plan.due = plan.due.map(|due| due.min(now + RETRY_MAX));
        }
        self.all.remove(&number)
    }

    /// An attempt failed. `random` is any number.
    pub(crate) fn failed(
        &mut self,
        number: u64,
        error: PutError,
        now: (Duration, UnixMillis),
        random: u64,
    ) {
        self.active -= 1;
        self.failing = true;
        let Some(plan) = self.all.get_mut(&number) else { return };
        plan.failures += 1;
        plan.error = Some(error);
        plan.parked = now.1.since(plan.since) >= GIVES_UP_AFTER;
        let pause = if plan.parked { PARKED_RETRY } else { pause(plan.failures, random) };
        plan.due = Some(now.0 + pause);
    }

    /// Everything that waits is tried now, and has a day again.
    pub(crate) fn redrive(&mut self, now: UnixMillis) -> usize {
        let waiting = self.all.values_mut().filter(|plan| plan.due.is_some());
        let redriven = waiting.map(|plan| {
            plan.due = Some(Duration::ZERO);
            plan.parked = false;
            plan.since = now;
        });
        redriven.count()
    }
}

/// How long to wait after so many failures in a row.
pub(crate) fn pause(failures: u32, random: u64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let pause = RETRY_FIRST.saturating_mul(1 << doublings).min(RETRY_MAX);
    let percent = 100 - RETRY_JITTER_PERCENT + random % (2 * RETRY_JITTER_PERCENT + 1);
    pause * percent as u32 / 100
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Content;

    fn plans(count: u64) -> Plans {
        let destination = Destination::read(&model::firehose::shapes::DestinationDescription {
            s3_destination_description: Some(model::firehose::shapes::S3DestinationDescription {
                bucket_arn: "arn:aws:s3:::lake".to_owned(),
                compression_format: "GZIP".into(),
                ..Default::default()
            }),
            ..Default::default()
        });
        let destination = Arc::new(destination.expect("served"));
        let row = PlanRow {
            parts: Vec::new(),
            content: Content::Source,
            key: "k".to_owned(),
            error_keys: BTreeMap::new(),
            destination: String::new(),
            version: 1,
            planned_ms: 0,
            oldest_ms: 0,
            records: 0,
            bytes: 0,
            uuid: String::new(),
            table: None,
        };
        let plan = |number| (number, Plan::new(row.clone(), 1, Arc::clone(&destination)));
        Plans { all: (0..count).map(plan).collect(), ..Plans::default() }
    }

    fn error() -> PutError {
        PutError { code: "S3.AccessDenied".to_owned(), message: String::new() }
    }

    #[test]
    fn pauses_double_up_to_two_minutes_and_vary() {
        let seconds: Vec<_> = (1..=9).map(|failures| pause(failures, 15).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 120, 120]);
        assert_eq!(pause(1, 0), Duration::from_millis(850));
        assert_eq!(pause(1, 30), Duration::from_millis(1150));
        assert_eq!(pause(u32::MAX, 30), Duration::from_secs(138));
    }

    #[test]
    fn several_are_tried_at_once_and_one_at_a_time_after_a_failure() {
        let mut plans = plans(20);
        let now = Duration::from_secs(5);
        let started: Vec<_> = std::iter::from_fn(|| Some(plans.start(now)?.0)).collect();
        assert_eq!(started.len(), PUTS_MAX);
        for number in started {
            plans.failed(number, error(), (now, UnixMillis(0)), 15);
        }
        assert!(plans.start(now).is_some());
        assert!(plans.start(now).is_none() && plans.due().is_none());
    }

    #[test]
    fn others_get_their_turn_while_one_fails() {
        let mut plans = plans(2);
        let mut tried = Vec::new();
        for second in 0..8 {
            let now = Duration::from_secs(second);
            while let Some((number, _)) = plans.start(now) {
                tried.push(number);
                plans.failed(number, error(), (now, UnixMillis(0)), 15);
            }
        }
        assert_eq!(tried, [0, 1, 0, 1, 0, 1, 0, 1]);
    }

    #[test]
    fn after_a_day_a_plan_is_parked_until_somebody_redrives_it() {
        let mut plans = plans(1);
        let day = UnixMillis(0).after(GIVES_UP_AFTER);
        plans.start(Duration::ZERO);
        plans.failed(0, error(), (Duration::ZERO, day), 15);
        assert!(plans.all[&0].parked);
        assert_eq!((plans.room(), plans.due()), (PLANS_MAX, Some(PARKED_RETRY)));
        assert_eq!(plans.redrive(day), 1);
        let (number, plan) = plans.start(Duration::ZERO).expect("at once");
        assert!(!plan.parked);
        plans.failed(number, error(), (Duration::ZERO, day), 15);
        assert!(!plans.all[&0].parked);
        plans.start(Duration::from_secs(9));
        assert!(plans.succeeded(0, Duration::ZERO).is_some());
        assert_eq!(plans.room(), PLANS_MAX);
    }
}
