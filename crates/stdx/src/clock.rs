//! Three clocks in one handle.
//!
//! | clock | for | runs by |
//! |---|---|---|
//! | `wall` | signatures, credentials, TLS, logs | the operating system |
//! | `service` | retention, iterators, quotas, windows, arrival times | `monotonic`, slewed towards `wall` |
//! | `monotonic` | time-outs, heartbeats, back-off | the operating system |
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
pub struct Clock(Arc<Source>);

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
        Clock(Arc::new(Source::System(System {
            origin: Instant::now(),
            offset_ms: AtomicI64::new(wall.0 as i64),
            observed_ms: AtomicU64::new(0),
            stepped: AtomicBool::new(false),
            follower: Mutex::new(WallFollower::default()),
        })))
    }

    /// Clocks that stand at `start` until [`Clock::advance`] moves them.
    pub fn manual(start: UnixMillis) -> Self {
        Clock(Arc::new(Source::Manual(Manual {
            start,
            wall_offset_ms: AtomicI64::new(0),
            monotonic: watch::Sender::new(Duration::ZERO),
        })))
    }

    /// Moves manual clocks on and wakes whoever slept that long.
    ///
    /// # Panics
    /// On the operating system's clocks.
    pub fn advance(&self, by: Duration) {
        match &*self.0 {
            Source::Manual(manual) => manual.monotonic.send_modify(|now| *now += by),
            Source::System(_) => panic!("the system's clocks cannot be moved"),
        }
    }

    /// The time of day, for signatures and logs.
    pub fn wall(&self) -> UnixMillis {
        match &*self.0 {
            Source::System(_) => system_wall(),
            Source::Manual(manual) => {
                let offset = manual.wall_offset_ms.load(Ordering::Relaxed);
                UnixMillis(manual.now().0.saturating_add_signed(offset))
            }
        }
    }

    /// The service's time, for everything that ages.
    pub fn service(&self) -> UnixMillis {
        match &*self.0 {
            Source::System(system) => system.service(),
            Source::Manual(manual) => manual.now(),
        }
    }

    /// Time since some fixed moment, for time-outs.
    pub fn monotonic(&self) -> Duration {
        match &*self.0 {
            Source::System(system) => system.origin.elapsed(),
            Source::Manual(manual) => *manual.monotonic.borrow(),
        }
    }

    /// Whether the wall stepped away from the service clock and is not believed yet.
    pub fn is_stepped(&self) -> bool {
        match &*self.0 {
            Source::System(system) => system.stepped.load(Ordering::Relaxed),
            Source::Manual(_) => false,
        }
    }

    /// Waits for `duration` of monotonic time.
    pub async fn sleep(&self, duration: Duration) {
        match &*self.0 {
            Source::System(_) => tokio::time::sleep(duration).await,
            Source::Manual(manual) => {
                let mut time = manual.monotonic.subscribe();
                let until = *time.borrow() + duration;
                let _closed = time.wait_for(|now| *now >= until).await;
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
}
