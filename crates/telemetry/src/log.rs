//! The log: lines on standard error, filtered.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// What is logged when the filter makes no sense.
const FILTER_DEFAULT: &str = "info";

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Whether `filter` is one in `tracing-subscriber`'s directive language; else why not.
///
/// # Errors
/// The reason, as a sentence.
pub fn check_filter(filter: &str) -> Result<(), String> {
    EnvFilter::try_new(filter).map(drop).map_err(|error| error.to_string())
}

/// Starts logging to standard error, in colour only on a terminal and without `NO_COLOR`. Does
/// nothing if a log was started already: a test may start several servers in one process.
pub fn start_log(format: LogFormat, filter: &str) {
    // The crate that reads S3's protocol logs every refusal as an error; the access log has them.
    let filter = EnvFilter::try_new(format!("s3s=off,{filter}"))
        .unwrap_or_else(|_checked_before| EnvFilter::new(FILTER_DEFAULT));
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour);
    let _already_started = match format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
}
