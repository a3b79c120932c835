//! Three clocks in one handle.
//!
//! | clock | for | runs by |
//! |---|---|---|
//! | `wall` | signatures, credentials, TLS, logs | the operating system |
//! | `service` | retention, iterators, quotas, windows, arrival times | `monotonic`, slewed towards `wall` |
//! | `monotonic` | time-outs, heartbeats, back-off | the operating system |
//!
//! In development `service` can be moved ahead of the wall ([`Clock::move_service`]): whoever sleeps by
//! it ([`Clock::sleep_service`]) wakes as if that time had passed, and nothing else notices.
//!
//! `service` never jumps while the wall merely drifts. A step of more than [`STEP_MAX`] is not
//! followed until the wall has agreed with itself for [`STEP_SETTLE`]; meanwhile [`Clock::is_stepped`]
//! tells readiness to say so and trimming to pause.
#![allow(clippy::disallowed_methods)]

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;

/// A wall step beyond this is reported and not followed at once.
pub const STEP_MAX: Duration = Duration::from_secs(60);
/// How long the wall must agree with itself before a step is believed.
pub const STEP_SETTLE: Duration = Duration::from_secs(600);
/// How often the service clock looks at the wall.
const OBSERVE_EVERY: Duration = Duration::from_secs(1);
/// The service clock gains or loses at most one part in this many while slewing.
const SLEW_DIVISOR: i64 = 100;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// Whole seconds since 1970, rounded down.
    pub fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// This time and `duration` more.
    pub fn after(self, duration: Duration) -> Self {
        UnixMillis(self.0.saturating_add(duration.as_millis() as u64))
    }

    /// This time and `duration` less, not below 1970.
    pub fn before(self, duration: Duration) -> Self {
        UnixMillis(self.0.saturating_sub(duration.as_millis() as u64))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    pub fn since(self, earlier: UnixMillis) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

/// A handle to the clocks; clones share them.
#[derive(Clone)]
pub struct Clock(Arc<Clocks>);

struct Clocks {
    source: Source,
    /// By how much the service clock was moved ahead, in milliseconds.
    shift_ms: AtomicU64,
    /// Tells sleepers that it was moved again.
    moved: watch::Sender<()>,
}

enum Source {
    System(System),
    Manual(Manual),
}

struct System {
    origin: Instant,
    /// Service time minus monotonic time, in milliseconds.
    offset_ms: AtomicI64,
    observed_ms: AtomicU64,
    stepped: AtomicBool,
    follower: Mutex<WallFollower>,
}

struct Manual {
    start: UnixMillis,
    wall_offset_ms: AtomicI64,
    monotonic: watch::Sender<Duration>,
}

impl Clock {
    /// The operating system's clocks.
    pub fn system() -> Self {
        let wall = system_wall();
        Clock::of(Source::System(System {
            origin: Instant::now(),
            offset_ms: AtomicI64::new(wall.0 as i64),
            observed_ms: AtomicU64::new(0),
            stepped: AtomicBool::new(false),
            follower: Mutex::new(WallFollower::default()),
        }))
    }

    fn of(source: Source) -> Self {
        let (shift_ms, moved) = (AtomicU64::new(0), watch::Sender::new(()));
        Clock(Arc::new(Clocks { source, shift_ms, moved }))
    }

    /// Clocks that stand at `start` until [`Clock::advance`] moves them.
    pub fn manual(start: UnixMillis) -> Self {
        Clock::of(Source::Manual(Manual {
            start,
            wall_offset_ms: AtomicI64::new(0),
            monotonic: watch::Sender::new(Duration::ZERO),
        }))
    }

    /// Moves manual clocks on and wakes whoever slept that long.
    ///
    /// # Panics
    /// On the operating system's clocks.
    pub fn advance(&self, by: Duration) {
        match &self.0.source {
            Source::Manual(manual) => manual.monotonic.send_modify(|now| *now += by),
            Source::System(_) => panic!("the system's clocks cannot be moved"),
        }
    }

    /// The time of day, for signatures and logs.
    pub fn wall(&self) -> UnixMillis {
        match &self.0.source {
            Source::System(_) => system_wall(),
            Source::Manual(manual) => {
                let offset = manual.wall_offset_ms.load(Ordering::Relaxed);
                UnixMillis(manual.now().0.saturating_add_signed(offset))
            }
        }
    }

    /// The service's time, for everything that ages.
    pub fn service(&self) -> UnixMillis {
        let unmoved = match &self.0.source {
            Source::System(system) => system.service(),
            Source::Manual(manual) => manual.now(),
        };
        unmoved.after(self.shift())
    }

    /// Moves the service clock ahead, for good, and wakes whoever slept by it that long.
    pub fn move_service(&self, by: Duration) {
        self.0.shift_ms.fetch_add(by.as_millis() as u64, Ordering::Relaxed);
        self.0.moved.send_replace(());
    }

    /// By how much the service clock was moved ahead of the wall's time.
    pub fn shift(&self) -> Duration {
        Duration::from_millis(self.0.shift_ms.load(Ordering::Relaxed))
    }

    /// Monotonic time, and what the service clock was moved by: for what ages within one process and
    /// must not be confused by steps of the wall, such as a subscription's life or a rate's bucket.
    pub fn service_elapsed(&self) -> Duration {
        self.monotonic() + self.shift()
    }

    /// Time since some fixed moment, for time-outs.
    pub fn monotonic(&self) -> Duration {
        match &self.0.source {
            Source::System(system) => system.origin.elapsed(),
            Source::Manual(manual) => *manual.monotonic.borrow(),
        }
    }

    /// Whether the wall stepped away from the service clock and is not believed yet.
    pub fn is_stepped(&self) -> bool {
        match &self.0.source {
            Source::System(system) => system.stepped.load(Ordering::Relaxed),
            Source::Manual(_) => false,
        }
    }

    /// Waits for `duration` of monotonic time.
    pub async fn sleep(&self, duration: Duration) {
        match &self.0.source {
            Source::System(_) => tokio::time::sleep(duration).await,
            Source::Manual(manual) => {
                let mut time = manual.monotonic.subscribe();
                let until = *time.borrow() + duration;
                let _closed = time.wait_for(|now| *now >= until).await;
            }
        }
    }

    /// Waits for `duration` of [`Clock::service_elapsed`]: moving the service clock shortens it.
    pub async fn sleep_service(&self, duration: Duration) {
        // Subscribed before the first look, so that no move is missed.
        let mut moved = self.0.moved.subscribe();
        let until = self.service_elapsed() + duration;
        loop {
            let left = until.saturating_sub(self.service_elapsed());
            if left.is_zero() {
                return;
            }
            tokio::select! {
                biased;
                () = self.sleep(left) => {}
                _ = moved.changed() => {}
            }
        }
    }

    /// `future`'s output, or `None` once `limit` has passed.
    pub async fn timeout<F: Future>(&self, limit: Duration, future: F) -> Option<F::Output> {
        tokio::select! {
            biased;
            output = future => Some(output),
            () = self.sleep(limit) => None,
        }
    }
}

impl System {
    fn service(&self) -> UnixMillis {
        let monotonic_ms = self.origin.elapsed().as_millis() as u64;
        let observed_ms = self.observed_ms.load(Ordering::Relaxed);
        if monotonic_ms.saturating_sub(observed_ms) >= OBSERVE_EVERY.as_millis() as u64
            && let Ok(mut follower) = self.follower.try_lock()
        {
            self.observed_ms.store(monotonic_ms, Ordering::Relaxed);
            let offset_ms = self.offset_ms.load(Ordering::Relaxed);
            let seen = follower.observe(system_wall().0 as i64, monotonic_ms as i64, offset_ms);
            self.offset_ms.store(seen.offset_ms, Ordering::Relaxed);
            self.stepped.store(seen.stepped, Ordering::Relaxed);
        }
        let offset_ms = self.offset_ms.load(Ordering::Relaxed);
        UnixMillis(monotonic_ms.saturating_add_signed(offset_ms))
    }
}

impl Manual {
    fn now(&self) -> UnixMillis {
        self.start.after(*self.monotonic.borrow())
    }
}

/// How the service clock follows the wall: pure, so that hours of misbehaviour test in no time.
#[derive(Default)]
struct WallFollower {
    last_monotonic_ms: i64,
    /// The wall's offset while it disagrees, and since when it has kept that offset.
    disagreement: Option<(i64, i64)>,
}

struct Observation {
    offset_ms: i64,
    stepped: bool,
}

impl WallFollower {
    fn observe(&mut self, wall_ms: i64, monotonic_ms: i64, offset_ms: i64) -> Observation {
        let elapsed_ms = monotonic_ms - self.last_monotonic_ms;
        self.last_monotonic_ms = monotonic_ms;
        let wall_offset_ms = wall_ms - monotonic_ms;
        let error_ms = wall_offset_ms - offset_ms;
        let step_max_ms = STEP_MAX.as_millis() as i64;
        if error_ms.abs() <= step_max_ms {
            self.disagreement = None;
            let slew_ms = (elapsed_ms / SLEW_DIVISOR).max(1);
            let offset_ms = offset_ms + error_ms.clamp(-slew_ms, slew_ms);
            return Observation { offset_ms, stepped: false };
        }
        match self.disagreement {
            Some((kept_ms, since_ms)) if (kept_ms - wall_offset_ms).abs() <= step_max_ms => {
                if monotonic_ms - since_ms >= STEP_SETTLE.as_millis() as i64 {
                    self.disagreement = None;
                    return Observation { offset_ms: wall_offset_ms, stepped: false };
                }
            }
            _ => self.disagreement = Some((wall_offset_ms, monotonic_ms)),
        }
        Observation { offset_ms, stepped: true }
    }
}

fn system_wall() -> UnixMillis {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(since_epoch.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drift_is_slewed_not_jumped() {
        let mut follower = WallFollower::default();
        let seen = follower.observe(1_000_500, 1000, 999_000);
        assert_eq!(seen.offset_ms, 999_010);
        assert!(!seen.stepped);
    }

    #[test]
    fn a_step_is_reported_and_believed_after_it_settles() {
        let mut follower = WallFollower::default();
        let hour_ms = 3_600_000;
        let seen = follower.observe(hour_ms + 1000, 1000, 0);
        assert!(seen.stepped);
        assert_eq!(seen.offset_ms, 0);
        assert!(follower.observe(hour_ms + 300_000, 300_000, 0).stepped);
        let seen = follower.observe(hour_ms + 601_000, 601_000, 0);
        assert!(!seen.stepped);
        assert_eq!(seen.offset_ms, hour_ms);
    }

    #[test]
    fn a_step_taken_back_leaves_no_trace() {
        let mut follower = WallFollower::default();
        assert!(follower.observe(7_200_000, 1000, 0).stepped);
        let seen = follower.observe(2000, 2000, 0);
        assert!(!seen.stepped);
        assert_eq!(seen.offset_ms, 0);
    }

    #[tokio::test]
    async fn manual_sleep_wakes_when_time_passes() {
        let clock = Clock::manual(UnixMillis(5));
        let sleeper = clock.clone();
        let slept = crate::task::spawn(async move { sleeper.sleep(Duration::from_secs(3)).await });
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(3));
        slept.await.unwrap();
        assert_eq!(clock.service(), UnixMillis(3005));
    }

    #[tokio::test]
    async fn moving_the_service_clock_moves_nothing_else() {
        let clock = Clock::manual(UnixMillis(5));
        clock.move_service(Duration::from_hours(25));
        clock.advance(Duration::from_secs(1));
        let day_and_hour_ms = 25 * 3_600_000;
        assert_eq!(clock.service(), UnixMillis(day_and_hour_ms + 1005));
        assert_eq!(clock.service_elapsed(), Duration::from_millis(day_and_hour_ms + 1000));
        assert_eq!(clock.wall(), UnixMillis(1005));
        assert_eq!(clock.monotonic(), Duration::from_secs(1));
        assert!(!clock.is_stepped());
    }

    #[tokio::test]
    async fn sleepers_by_the_service_clock_wake_when_it_moves_and_others_do_not() {
        for clock in [Clock::manual(UnixMillis(0)), Clock::system()] {
            let asleep = |by_service: bool| {
                let sleeper = clock.clone();
                crate::task::spawn(async move {
                    let hour = Duration::from_hours(1);
                    match by_service {
                        true => sleeper.sleep_service(hour).await,
                        false => sleeper.sleep(hour).await,
                    }
                })
            };
            let (by_service, by_monotonic) = (asleep(true), asleep(false));
            // Let both begin, however the runtime orders them.
            while clock.0.moved.receiver_count() == 0 {
                tokio::task::yield_now().await;
            }
            clock.move_service(Duration::from_mins(59));
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            assert!(!by_service.is_finished());
            clock.move_service(Duration::from_mins(1));
            by_service.await.unwrap();
            assert!(!by_monotonic.is_finished());
            by_monotonic.abort();
        }
    }

    #[test]
    fn the_wall_is_followed_as_before_when_the_clock_was_moved() {
        let clock = Clock::system();
        clock.move_service(Duration::from_hours(25));
        let ahead = clock.service().since(clock.wall());
        assert!(ahead.abs_diff(Duration::from_hours(25)) < Duration::from_secs(5), "{ahead:?}");
        assert!(!clock.is_stepped());
    }
}
