//! A report as people read it.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::Duration;

use super::report::{ConsumerReport, OperationReport, Report, StreamReport};
use crate::commands::clock::span;

/// How many pictures the curves go back.
const HISTORY_MAX: usize = 48;
/// The curves' heights.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The widest name that is shown whole; stream names are up to 128 characters.
const NAME_WIDTH: usize = 32;

/// Whether there is colour.
#[derive(Clone, Copy)]
pub(crate) struct Style {
    is_coloured: bool,
}

impl Style {
    pub(crate) fn new(is_coloured: bool) -> Self {
        Style { is_coloured }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.is_coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// A number that should be zero.
    fn alarm(self, value: f64, text: &str) -> String {
        if value > 0.0 { self.paint("31;1", text) } else { self.dim(text) }
    }
}

/// Rates of the last pictures.
#[derive(Default)]
pub(crate) struct History {
    incoming: VecDeque<f64>,
    outgoing: VecDeque<f64>,
}

impl History {
    pub(crate) fn add(&mut self, report: &Report) {
        let total = |of: fn(&StreamReport) -> f64| report.streams.iter().map(of).sum();
        for (curve, rate) in [
            (&mut self.incoming, total(|stream| stream.in_bytes)),
            (&mut self.outgoing, total(|stream| stream.out_bytes)),
        ] {
            curve.push_back(rate);
            if curve.len() > HISTORY_MAX {
                curve.pop_front();
            }
        }
    }
}

/// The picture, each line wiped to its end on a live screen; at most `rows` lines.
pub(crate) fn draw(
    report: &Report,
    history: &History,
    style: Style,
    rows: Option<usize>,
) -> String {
    let mut lines = head(report, history, style);
    // Operations are few; the streams get what they leave.
    let operations = operation_lines(&report.operations, style);
    let streams = stream_lines(&report.streams, style);
    let room = rows.map(|rows| rows.saturating_sub(lines.len() + operations.len() + 1));
    let shown = room.unwrap_or(streams.len()).max(2).min(streams.len());
    lines.extend(streams.into_iter().take(shown));
    lines.push(String::new());
    lines.extend(operations);
    lines.truncate(rows.unwrap_or(lines.len()));
    match rows {
        None => lines.join("\n") + "\n",
        Some(_) => lines.join("\x1b[K\r\n") + "\x1b[K",
    }
}

fn head(report: &Report, history: &History, style: Style) -> Vec<String> {
    let uptime = Duration::from_secs_f64(report.uptime_seconds).as_secs() * 1000;
    let mut first = format!("{}  {}", style.bold(&report.endpoint), report.region);
    let _infallible = write!(first, "  up {}", span(uptime));
    if let Some(bytes) = report.resident_bytes {
        let _infallible = write!(first, "  {}", bytes_of(bytes as f64));
    }
    let errors = style.alarm(report.errors, &format!("{} errors/s", rate(report.errors)));
    let _infallible = write!(first, "  {} calls/s  {errors}", rate(report.calls));
    let total = |of: fn(&StreamReport) -> f64| report.streams.iter().map(of).sum::<f64>();
    let line = |name: &str, records: f64, bytes: f64, curve: &VecDeque<f64>| {
        let records = format!("{:>8} records/s", rate(records));
        format!(
            "{name} {records} {:>10}/s  {}",
            bytes_of(bytes),
            style.paint("36", &curve_of(curve))
        )
    };
    vec![
        first,
        line("in ", total(|it| it.in_records), total(|it| it.in_bytes), &history.incoming),
        line("out", total(|it| it.out_records), total(|it| it.out_bytes), &history.outgoing),
        String::new(),
    ]
}

fn stream_lines(streams: &[StreamReport], style: Style) -> Vec<String> {
    let title = format!(
        "{:<NAME_WIDTH$} {:>8} {:>10} {:>8} {:>10} {:>9} {:>8} {:>8}",
        "STREAM", "IN REC/S", "IN/S", "OUT R/S", "OUT/S", "THROTTLED", "FAILED", "AGE"
    );
    let mut lines = vec![style.bold(&title)];
    for stream in streams {
        let throttled = format!("{:>9}", rate(stream.throttled));
        let failed = format!("{:>8}", rate(stream.failed));
        lines.push(format!(
            "{:<NAME_WIDTH$} {:>8} {:>10} {:>8} {:>10} {} {} {:>8}",
            shorten(&stream.name),
            rate(stream.in_records),
            bytes_of(stream.in_bytes),
            rate(stream.out_records),
            bytes_of(stream.out_bytes),
            style.alarm(stream.throttled, &throttled),
            style.alarm(stream.failed, &failed),
            milliseconds(stream.iterator_age_ms),
        ));
        lines.extend(stream.consumers.iter().map(|consumer| consumer_line(consumer, style)));
    }
    if streams.is_empty() {
        lines.push(style.dim("no stream was written or read yet"));
    }
    lines
}

fn consumer_line(consumer: &ConsumerReport, style: Style) -> String {
    let name = format!("  ↳ {}", consumer.name);
    style.dim(&format!(
        "{:<NAME_WIDTH$} {:>8} {:>10} {:>8} {:>10} {:>9} {:>8} {:>8}",
        shorten(&name),
        "",
        "",
        rate(consumer.records),
        bytes_of(consumer.bytes),
        "",
        "",
        milliseconds(consumer.behind_ms),
    ))
}

fn operation_lines(operations: &[OperationReport], style: Style) -> Vec<String> {
    let title = format!(
        "{:<NAME_WIDTH$} {:>8} {:>10} {:>8} {:>10}",
        "OPERATION", "CALLS/S", "ERRORS/S", "P50", "P99"
    );
    let mut lines = vec![style.bold(&title)];
    for operation in operations {
        let errors = format!("{:>10}", rate(operation.errors));
        lines.push(format!(
            "{:<NAME_WIDTH$} {:>8} {} {:>8} {:>10}",
            shorten(&operation.name),
            rate(operation.calls),
            style.alarm(operation.errors, &errors),
            milliseconds(operation.p50_ms),
            milliseconds(operation.p99_ms),
        ));
    }
    lines
}

fn shorten(name: &str) -> String {
    if name.chars().count() <= NAME_WIDTH {
        return name.to_owned();
    }
    name.chars().take(NAME_WIDTH - 1).chain(['…']).collect()
}

/// `0`, `0.5`, `12`, `3.4k`, `1.2M`.
fn rate(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        value if value < 9.95 => format!("{value:.1}"),
        value if value < 999.5 => format!("{value:.0}"),
        value if value < 999_500.0 => format!("{:.1}k", value / 1e3),
        value => format!("{:.1}M", value / 1e6),
    }
}

/// `0 B`, `12 B`, `3.4 KiB`, `1.2 GiB`.
fn bytes_of(value: f64) -> String {
    let (mut value, mut unit) = (value, "B");
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1023.95 {
            break;
        }
        (value, unit) = (value / 1024.0, larger);
    }
    if unit == "B" { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") }
}

/// `-`, `0 ms`, `1.5 ms`, `12 s`, `3 h`.
fn milliseconds(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value < 9.95 => format!("{} ms", (value * 10.0).round() / 10.0),
        Some(value) if value < 10_000.0 => format!("{value:.0} ms"),
        Some(value) if value < 600_000.0 => format!("{:.0} s", value / 1000.0),
        Some(value) if value < 36_000_000.0 => format!("{:.0} m", value / 60_000.0),
        Some(value) => format!("{:.0} h", value / 3_600_000.0),
    }
}

fn curve_of(values: &VecDeque<f64>) -> String {
    let greatest = values.iter().copied().fold(0.0, f64::max);
    let bar = |value: &f64| {
        let height = if greatest > 0.0 { value / greatest * (BARS.len() - 1) as f64 } else { 0.0 };
        BARS[height.round() as usize]
    };
    values.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let consumer = ConsumerReport {
            name: "analytics".to_owned(),
            records: 40.0,
            bytes: 400.0,
            behind_ms: Some(12.0),
        };
        let stream = StreamReport {
            name: "orders".to_owned(),
            in_records: 1234.0,
            in_bytes: 1_300_000.0,
            throttled: 3.0,
            consumers: vec![consumer],
            ..StreamReport::default()
        };
        let operation = OperationReport {
            name: "PutRecords".to_owned(),
            calls: 12.0,
            p50_ms: Some(1.52),
            p99_ms: Some(20.0),
            ..OperationReport::default()
        };
        Report {
            endpoint: "http://127.0.0.1:4567".to_owned(),
            region: "us-east-1".to_owned(),
            uptime_seconds: 3725.4,
            resident_bytes: Some(24 * 1024 * 1024),
            calls: 12.0,
            streams: vec![stream, StreamReport { name: "n".repeat(128), ..Default::default() }],
            operations: vec![operation],
            ..Report::default()
        }
    }

    #[test]
    fn a_picture() {
        let (report, mut history) = (report(), History::default());
        history.add(&Report::default());
        history.add(&report);
        let expected = "\
http://127.0.0.1:4567  us-east-1  up 1h 2m 5s  24.0 MiB  12 calls/s  0 errors/s
in      1.2k records/s    1.2 MiB/s  ▁█
out        0 records/s        0 B/s  ▁▁

STREAM                           IN REC/S       IN/S  OUT R/S      OUT/S THROTTLED   FAILED      AGE
orders                               1.2k    1.2 MiB        0        0 B       3.0        0        -
  ↳ analytics                                              40      400 B                       12 ms
nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn…        0        0 B        0        0 B         0        0        -

OPERATION                         CALLS/S   ERRORS/S      P50        P99
PutRecords                             12          0   1.5 ms      20 ms
";
        assert_eq!(draw(&report, &history, Style::new(false), None), expected);
        let coloured = draw(&report, &history, Style::new(true), None);
        assert!(coloured.contains("\x1b[31;1m      3.0\x1b[0m"), "{coloured:?}");
    }

    #[test]
    fn a_picture_fits_its_screen() {
        let mut report = report();
        report.streams = (0..100).map(|_| StreamReport::default()).collect();
        for rows in 1..40 {
            let picture = draw(&report, &History::default(), Style::new(true), Some(rows));
            assert!(picture.lines().count() <= rows, "{rows}");
        }
        assert!(draw(&report, &History::default(), Style::new(false), Some(24)).contains("PutRec"));
    }

    #[test]
    fn units() {
        assert_eq!(
            [0.0, 0.04, 9.9, 9.96, 999.6, 1e6].map(rate),
            ["0", "0.0", "9.9", "10", "1.0k", "1.0M"]
        );
        assert_eq!(
            [0.0, 1023.0, 1024.0, 1_048_576.0].map(bytes_of),
            ["0 B", "1023 B", "1.0 KiB", "1.0 MiB"]
        );
        let times = [None, Some(0.0), Some(1.53), Some(9999.0), Some(60_000.0), Some(7.2e7)];
        assert_eq!(times.map(milliseconds), ["-", "0 ms", "1.5 ms", "9999 ms", "60 s", "20 h"]);
    }
}
