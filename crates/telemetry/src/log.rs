//! The log: lines on standard error, filtered by `LEVADA_LOG`.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// The variable that holds the filter, in `tracing-subscriber`'s directive language.
pub const LOG_VARIABLE: &str = "LEVADA_LOG";
/// What is logged when the variable is absent or unreadable.
const FILTER_DEFAULT: &str = "info";

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Starts logging to standard error, in colour only on a terminal and without `NO_COLOR`. Does
/// nothing if a log was started already: a test may start several servers in one process.
pub fn start_log(format: LogFormat) {
    let filter = EnvFilter::try_from_env(LOG_VARIABLE)
        .unwrap_or_else(|_absent_or_unreadable| EnvFilter::new(FILTER_DEFAULT));
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
