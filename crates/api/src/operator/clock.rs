//! The virtual clock: the service's time, moved ahead in development.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stdx::UnixMillis;
use wire::{Call, Fault, Operation, Serve};

use super::{Nothing, Operator, check_root, operation};

/// By how much the clock may be ahead in all: what AWS keeps longest, twice (retention is at most
/// 8,760 hours), and room for a test's own ideas (our choice).
const SHIFT_MAX: Duration = Duration::from_hours(10 * 8760);

/// The service clock, as far as an operator moves it.
pub trait VirtualClock: Send + Sync {
    /// Whether it may be moved: only in development.
    fn is_movable(&self) -> bool;
    /// The service's time.
    fn service(&self) -> UnixMillis;
    /// The time of day.
    fn wall(&self) -> UnixMillis;
    /// By how much it was moved in all.
    fn shift(&self) -> Duration;
    /// Moves it ahead, durably; the service's time is then the new one.
    ///
    /// The error is for the operator: a sentence.
    fn advance(
        &self,
        by: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>>;
}

operation! {
    /// `GetClock`: what the clock says.
    GetClock(Nothing) -> ClockReading, Read
}

operation! {
    /// `MoveClock`: moves the service clock ahead.
    MoveClock(MoveClockInput) -> ClockReading, Mutate
}

/// What the clocks say, in milliseconds since 1970 or of difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ClockReading {
    /// The service's time, by which everything ages.
    pub service_millis: u64,
    /// The time of day, by which signatures are dated.
    pub wall_millis: u64,
    /// By how much the service clock was moved ahead in all.
    pub shift_millis: u64,
    /// Whether it may be moved.
    pub movable: bool,
}

/// How far to move the clock.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct MoveClockInput {
    /// By how many milliseconds; negative is refused.
    pub by_millis: i64,
}

impl Serve<GetClock> for Operator {
    async fn serve(&self, _call: &Call, _input: Nothing) -> Result<ClockReading, Fault> {
        Ok(self.read_clock())
    }
}

impl Serve<MoveClock> for Operator {
    async fn serve(&self, call: &Call, input: MoveClockInput) -> Result<ClockReading, Fault> {
        check_root(call, MoveClock::INFO.action)?;
        if !self.clock.is_movable() {
            return Err(Fault::client(
                "NotInDevelopmentException",
                "The clock moves only in development mode.",
            ));
        }
        let by =
            u64::try_from(input.by_millis).map(Duration::from_millis).map_err(|_backwards| {
                Fault::validation(
                    "The clock only moves ahead: what was written does not become newer.",
                )
            })?;
        if self.clock.shift().saturating_add(by) > SHIFT_MAX {
            let days = SHIFT_MAX.as_secs() / 86_400;
            return Err(Fault::validation(format!(
                "The clock cannot be more than {days} days ahead."
            )));
        }
        self.clock.advance(by).await.map_err(|error| {
            tracing::error!(error, "the clock could not be moved");
            Fault::internal()
        })?;
        Ok(self.read_clock())
    }
}

impl Operator {
    fn read_clock(&self) -> ClockReading {
        ClockReading {
            service_millis: self.clock.service().0,
            wall_millis: self.clock.wall().0,
            shift_millis: self.clock.shift().as_millis() as u64,
            movable: self.clock.is_movable(),
        }
    }
}
