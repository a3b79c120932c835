//! The arguments of `levada deliver`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::{Target, parse_duration};

/// What to do about deliveries.
#[derive(Debug, Subcommand)]
pub(crate) enum DeliverCommand {
    /// Say what is on its way, and what keeps it
    Status(DeliverStatus),
    /// Put a record, deliver it at once, and say when it is there
    Test(DeliverTest),
    /// Deliver what there is, without waiting for size or interval
    Flush(DeliverOne),
    /// Try again at once what waits for another attempt
    Redrive(DeliverOne),
}

/// Which delivery streams to show.
#[derive(Debug, Args)]
pub(crate) struct DeliverStatus {
    /// The delivery stream; otherwise all
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) target: Target,
    /// Print a JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to put.
#[derive(Debug, Args)]
pub(crate) struct DeliverTest {
    /// The delivery stream
    pub(crate) name: String,
    /// The record's data
    #[arg(default_value = "{\"levada\":\"a test\"}\n")]
    pub(crate) data: String,
    #[command(flatten)]
    pub(crate) target: Target,
    /// How long to wait for it, such as 30s
    #[arg(long, default_value = "30s", value_parser = parse_duration, value_name = "DURATION")]
    pub(crate) wait: Duration,
}

/// Which delivery stream.
#[derive(Debug, Args)]
pub(crate) struct DeliverOne {
    /// The delivery stream
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) target: Target,
}
