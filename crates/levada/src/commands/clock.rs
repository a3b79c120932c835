//! `levada clock`: what the service's clock says; `levada clock +25h` moves it ahead.

use api::operator::{ClockReading, GetClock, MoveClock, MoveClockInput, Nothing, SERVICE};
use jiff::Timestamp;
use serde::Serialize;

use super::{connect, failed};
use crate::cli::Clock;
use crate::client::ClientError;
use crate::exit::Failure;

/// What `--json` prints: times in RFC 3339, and by how many seconds the clock was moved.
#[derive(Serialize)]
struct Report {
    service: String,
    wall: String,
    shift_seconds: f64,
    movable: bool,
}

pub(crate) async fn run(options: &Clock) -> Result<(), Failure> {
    let client = connect(&options.target)?;
    let read = match options.by {
        None => client.call_of::<GetClock>(&SERVICE, &Nothing {}).await,
        Some(by) => {
            let by_millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
            client.call_of::<MoveClock>(&SERVICE, &MoveClockInput { by_millis }).await
        }
    };
    let reading = read.map_err(refused)?;
    let report = Report {
        service: rfc3339(reading.service_millis),
        wall: rfc3339(reading.wall_millis),
        shift_seconds: reading.shift_millis as f64 / 1000.0,
        movable: reading.movable,
    };
    if options.json {
        let json = serde_json::to_string(&report);
        println!("{}", json.map_err(|error| Failure::new(error.to_string()))?);
    } else {
        println!("{}", sentence(&report.service, &reading));
    }
    Ok(())
}

fn refused(error: ClientError) -> Failure {
    match &error {
        ClientError::Fault(fault) if fault.code == "NotInDevelopmentException" => {
            Failure::new("this server's clock cannot be moved: it is not in development mode")
                .help("start one with `levada serve --dev` on a new folder, or with --in-memory")
        }
        ClientError::Fault(fault) if fault.code == "ValidationException" => {
            Failure::usage(fault.message.as_deref().unwrap_or_default())
        }
        _ => failed(error),
    }
}

fn sentence(service: &str, reading: &ClockReading) -> String {
    let shift = span(reading.shift_millis);
    match (reading.shift_millis, reading.movable) {
        (0, false) => format!("{service}, the world's time"),
        (0, true) => format!("{service}, the world's time; it can be moved"),
        _ => format!("{service}, {shift} ahead"),
    }
}

/// `1d 1h`, without what is zero.
pub(crate) fn span(millis: u64) -> String {
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
    let mut rest = millis;
    let parts = units.into_iter().filter_map(|(unit, unit_ms)| {
        let count = rest / unit_ms;
        rest %= unit_ms;
        (count > 0).then(|| format!("{count}{unit}"))
    });
    parts.collect::<Vec<_>>().join(" ")
}

fn rfc3339(millis: u64) -> String {
    let timestamp = Timestamp::from_millisecond(millis as i64).unwrap_or(Timestamp::MAX);
    timestamp.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        assert_eq!(span(0), "");
        assert_eq!(span(90_000_000), "1d 1h");
        assert_eq!(span(61_001), "1m 1s 1ms");
    }
}
