//! The command line, declared once. Whatever `serve` takes from a variable `LEVADA_…` is also a key
//! of the configuration file: `crate::config` reads the keys, their defaults and their words off
//! this declaration.

mod deliver;
mod operations;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::folder::default_folder;

pub(crate) use deliver::{DeliverCommand, DeliverOne, DeliverStatus, DeliverTest};
pub(crate) use operations::{Backup, Cat, Doctor, Du, Restore, Shown};

/// A self-hosted, wire-compatible Amazon Kinesis.
#[derive(Debug, Parser)]
#[command(name = "levada", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// The configuration file, if it is not in a usual place
    #[arg(long, global = true, env = "LEVADA_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve until stopped
    Serve(Serve),
    /// Serve, with a stream, a producer and a consumer to watch
    Demo(Demo),
    /// Put records: each argument, else each line of standard input
    Put(Put),
    /// Print a stream's records as they arrive
    Tail(Tail),
    /// Say whether the server is ready and what it holds
    Status(Status),
    /// Show the service's clock, or move it ahead in development mode
    Clock(Clock),
    /// Make calls fail, wait or break off, to see what clients do then
    #[command(subcommand)]
    Fault(FaultCommand),
    /// Show, test and hurry deliveries
    #[command(subcommand)]
    Deliver(DeliverCommand),
    /// Watch streams, consumers and operations: rates, latencies, errors, throttles
    Top(Top),
    /// Print the export lines that point AWS's tools here
    Env(Env),
    /// Print the certificate that TLS clients of the server must trust
    Certs(Certs),
    /// Wait until the server is ready: exit code 0, or 3 when the time is up
    Wait(Wait),
    /// Show, check and document the configuration
    #[command(subcommand)]
    Config(Config),
    /// Check every byte of a data folder, and mend what can be mended
    Doctor(Doctor),
    /// Back a data folder up, whether or not a server runs on it
    Backup(Backup),
    /// Restore a backup into an empty folder
    Restore(Restore),
    /// Say what takes the room, by stream and shard
    Du(Du),
    /// Print a file of a data folder: a segment, a file of the ring, a manifest
    Cat(Cat),
    /// Print a shell's completions
    Completions(Completions),
}

/// Where the data is.
#[derive(Clone, Debug, Args)]
pub(crate) struct Folder {
    /// The data folder
    #[arg(long = "data", env = "LEVADA_DATA", value_name = "DIR", default_value_os_t = default_folder())]
    pub(crate) path: PathBuf,
}

/// How to serve.
#[derive(Clone, Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) folder: Folder,
    /// Where to listen; port 0 picks a free one
    #[arg(long, env = "LEVADA_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:4567")]
    pub(crate) listen: SocketAddr,
    /// Keep everything in a bucket: s3://name/prefix, reached as LEVADA_BUCKET_… or AWS_… say
    #[arg(long, env = "LEVADA_BUCKET", value_name = "URL", conflicts_with = "in_memory")]
    pub(crate) bucket: Option<String>,
    /// Keep everything in memory: gone when the server stops
    #[arg(
        long,
        env = "LEVADA_IN_MEMORY",
        value_name = "true|false",
        action = ArgAction::Set,
        value_parser = BoolishValueParser::new(),
        num_args = 0..=1,
        require_equals = true,
        default_value = "false",
        default_missing_value = "true"
    )]
    pub(crate) in_memory: bool,
    /// What the server may hold in memory, at least 256MiB; otherwise 1GiB, and 4GiB of records that
    /// are kept in memory only
    #[arg(long, env = "LEVADA_MEMORY", value_name = "SIZE", value_parser = parse_memory)]
    pub(crate) memory: Option<u64>,
    /// What the data folder may take, at least 128MiB: beyond it records are refused until a trim or a
    /// deletion has made room
    #[arg(
        long,
        env = "LEVADA_DATA_MAX",
        value_name = "SIZE",
        value_parser = parse_data_max,
        conflicts_with = "bucket"
    )]
    pub(crate) data_max: Option<u64>,
    /// Whether signatures are checked
    #[arg(long, env = "LEVADA_AUTH", value_enum, default_value_t = AuthMode::Sigv4)]
    pub(crate) auth: AuthMode,
    /// Whether AWS's rates and quotas hold; sizes and structure always do
    #[arg(long, env = "LEVADA_LIMITS", value_enum, default_value_t = LimitsMode::Off)]
    pub(crate) limits: LimitsMode,
    /// The root key's account: twelve digits
    #[arg(
        long,
        env = "LEVADA_ACCOUNT",
        value_name = "DIGITS",
        default_value = "000000000000",
        value_parser = parse_account
    )]
    pub(crate) account: String,
    /// How long CREATING, UPDATING and DELETING last, such as 500ms or 2s
    #[arg(
        long,
        env = "LEVADA_STATE_DELAY",
        value_name = "DURATION",
        default_value = "0ms",
        value_parser = parse_duration
    )]
    pub(crate) state_delay: Duration,
    /// Deliver into this S3-compatible store, reached as LEVADA_S3_… or AWS_… say; otherwise into buckets
    /// of this server
    #[arg(long, env = "LEVADA_S3__ENDPOINT", value_name = "URL")]
    pub(crate) s3_endpoint: Option<String>,
    /// Where functions run whose ARN is given: an endpoint with Lambda's Invoke, called as AWS_… say
    #[arg(long, env = "LEVADA_LAMBDA__ENDPOINT", value_name = "URL")]
    pub(crate) lambda_endpoint: Option<String>,
    /// A folder of tables for format conversion: each .json as `aws glue get-table` prints it
    #[arg(long, env = "LEVADA_SCHEMAS", value_name = "DIR")]
    pub(crate) schemas: Option<PathBuf>,
    /// Where other tables are looked up: an endpoint with Glue's GetTable, called as AWS_… say
    #[arg(long, env = "LEVADA_GLUE__ENDPOINT", value_name = "URL")]
    pub(crate) glue_endpoint: Option<String>,
    /// Development mode, of a new folder or in memory: the clock can be moved, faults injected
    #[arg(
        long,
        env = "LEVADA_DEV",
        value_name = "true|false",
        action = ArgAction::Set,
        value_parser = BoolishValueParser::new(),
        num_args = 0..=1,
        require_equals = true,
        default_value = "false",
        default_missing_value = "true"
    )]
    pub(crate) dev: bool,
    /// Let faults be injected outside development mode too
    #[arg(
        long,
        env = "LEVADA_FAULTS",
        value_name = "true|false",
        action = ArgAction::Set,
        value_parser = BoolishValueParser::new(),
        num_args = 0..=1,
        require_equals = true,
        default_value = "false",
        default_missing_value = "true"
    )]
    pub(crate) faults: bool,
    /// The certificate shown to TLS clients, a chain in PEM; without it a local authority makes one
    #[arg(long, env = "LEVADA_TLS__CERT", value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's key in PEM
    #[arg(long, env = "LEVADA_TLS__KEY", value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
    /// More host names and addresses that the local authority's certificate is for, with commas
    #[arg(long, env = "LEVADA_TLS__NAMES", value_name = "NAMES")]
    pub(crate) tls_names: Option<String>,
    /// What is logged: a level, or levels by module, such as info,front=debug
    #[arg(
        long,
        env = "LEVADA_LOG",
        value_name = "FILTER",
        default_value = "info",
        value_parser = parse_log
    )]
    pub(crate) log: String,
    /// How log lines look
    #[arg(long, env = "LEVADA_LOG_FORMAT", value_enum, default_value_t = LogStyle::Text)]
    pub(crate) log_format: LogStyle,
}

/// How to show what it does.
#[derive(Clone, Debug, Args)]
pub(crate) struct Demo {
    #[command(flatten)]
    pub(crate) serve: Serve,
    /// Records that the demo's producer puts per second
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rate: u32,
}

/// Whom to ask.
#[derive(Clone, Debug, Args)]
pub(crate) struct Place {
    #[command(flatten)]
    pub(crate) folder: Folder,
    /// The server's address, if it is not the data folder's
    #[arg(long, env = "LEVADA_ENDPOINT", value_name = "URL")]
    pub(crate) endpoint: Option<String>,
}

/// Whom to ask, as whom.
#[derive(Clone, Debug, Args)]
pub(crate) struct Target {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The region
    #[arg(long, env = "AWS_REGION", default_value = "us-east-1")]
    pub(crate) region: String,
}

/// What to put.
#[derive(Debug, Args)]
pub(crate) struct Put {
    /// The stream
    pub(crate) stream: String,
    /// The records' data
    pub(crate) data: Vec<String>,
    /// The partition key of every record; otherwise each has one of its own
    #[arg(long)]
    pub(crate) key: Option<String>,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// What to watch.
#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// The stream
    pub(crate) stream: String,
    /// Where to begin
    #[arg(long, value_enum, default_value_t = From::Latest)]
    pub(crate) from: From,
    /// Print each record as a JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Stop at the tip instead of waiting for more
    #[arg(long)]
    pub(crate) no_follow: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// What to say about the server.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Print a JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Only whether it is ready, without its streams: cheap, and needs no key
    #[arg(long)]
    pub(crate) brief: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Whose clock, and how far to move it.
#[derive(Debug, Args)]
pub(crate) struct Clock {
    /// How far ahead to move it, such as +25h, +1d12h or +500ms; only retention, iterators and
    /// whatever else ages by it notice
    #[arg(value_name = "+DURATION", allow_hyphen_values = true, value_parser = parse_shift)]
    pub(crate) by: Option<Duration>,
    /// Print a JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// What to do with injected faults.
#[derive(Debug, Subcommand)]
pub(crate) enum FaultCommand {
    /// Add a fault: what goes wrong, for which calls, how often
    Add(Box<FaultAdd>),
    /// List the faults and how often they struck
    List(FaultList),
    /// Remove a fault, or all of them
    Remove(FaultRemove),
}

/// What goes wrong, and when.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").multiple(true).required(true)
    .args(["error", "latency", "abort", "reshard"]))]
pub(crate) struct FaultAdd {
    /// Only calls of this operation, such as PutRecords
    #[arg(long)]
    pub(crate) operation: Option<String>,
    /// Only calls about this stream
    #[arg(long)]
    pub(crate) stream: Option<String>,
    /// Only this shard of it, such as shardId-000000000000; of a PutRecords the records that go there
    #[arg(long, value_name = "SHARD", requires = "stream")]
    pub(crate) shard: Option<String>,
    /// Each record of a PutRecords by itself, not the whole call
    #[arg(long)]
    pub(crate) per_record: bool,
    /// How often it strikes, from 0 to 1
    #[arg(long, default_value_t = 1.0, value_parser = parse_rate)]
    pub(crate) rate: f64,
    /// Answer this error, such as ProvisionedThroughputExceededException or InternalFailure
    #[arg(long, value_name = "CODE")]
    pub(crate) error: Option<String>,
    /// The error's words, if not AWS's
    #[arg(long, value_name = "TEXT", requires = "error")]
    pub(crate) message: Option<String>,
    /// Let the call wait first, such as 200ms
    #[arg(long, value_name = "DURATION", value_parser = parse_long_duration)]
    pub(crate) latency: Option<Duration>,
    /// Break the connection instead of answering
    #[arg(long, conflicts_with = "error")]
    pub(crate) abort: bool,
    /// Carry the call out before the error or the break: the caller does not learn of its success
    #[arg(long)]
    pub(crate) after: bool,
    /// Change the stream at the moment of the call: split, merge, or a number of shards
    #[arg(long, value_name = "HOW", requires = "stream")]
    pub(crate) reshard: Option<String>,
    /// Strike this often at most
    #[arg(long, value_name = "COUNT")]
    pub(crate) times: Option<u64>,
    /// Stay in force for so long, such as 10m
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_long_duration)]
    pub(crate) lasts: Option<Duration>,
    /// What the dice start from: the same seed strikes the same calls
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// Print a JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Whose faults.
#[derive(Debug, Args)]
pub(crate) struct FaultList {
    /// Print a JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Which faults to remove.
#[derive(Debug, Args)]
pub(crate) struct FaultRemove {
    /// The fault's number
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub(crate) id: Option<u64>,
    /// All of them
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// What to watch, and how.
#[derive(Debug, Args)]
pub(crate) struct Top {
    /// How long to look before each picture, such as 500ms or 10s
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = parse_interval)]
    pub(crate) interval: Duration,
    /// One picture, and no more; off a terminal there is no more than one
    #[arg(long)]
    pub(crate) once: bool,
    /// Print a JSON object per picture
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Whose certificate, and where to.
#[derive(Debug, Args)]
pub(crate) struct Certs {
    #[command(flatten)]
    pub(crate) folder: Folder,
    /// Write it to a file instead
    #[arg(long, value_name = "FILE")]
    pub(crate) export: Option<PathBuf>,
}

/// How long to wait for whom.
#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// How long it may take to be ready, such as 500ms or 2m
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    pub(crate) ready: Duration,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Print what `serve` would use, as a configuration file
    Show(Box<Show>),
    /// Read the file and the variables as `serve` would, and say what is wrong with them
    Check,
    /// Print the annotated reference file
    Docs,
}

/// What to show of the configuration.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Say where each value comes from: a flag, a variable, a line of the file, the default
    #[arg(long)]
    pub(crate) origin: bool,
    /// Print a JSON array
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) serve: Serve,
}

/// Completions for whom.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: Shell,
}

/// What to export.
#[derive(Debug, Args)]
pub(crate) struct Env {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The region
    #[arg(long, default_value = "us-east-1")]
    pub(crate) region: String,
    /// Divert every AWS service of the process, not only the ones served here
    #[arg(long)]
    pub(crate) all: bool,
    /// Print a JSON object instead
    #[arg(long)]
    pub(crate) json: bool,
}

/// Whether signatures are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuthMode {
    /// Every request is signed with a known key
    Sigv4,
    /// Nobody is asked: only for tests
    None,
}

/// Whether AWS's rates and quotas hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LimitsMode {
    /// As fast as the machine
    Off,
    /// As AWS
    Aws,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogStyle {
    /// For people
    Text,
    /// One JSON object per line
    Json,
}

/// Where a tail begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum From {
    /// At the oldest record
    TrimHorizon,
    /// After the newest record
    Latest,
}

fn parse_account(text: &str) -> Result<String, &'static str> {
    let is_account = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_account { Ok(text.to_owned()) } else { Err("an account is twelve digits") }
}

fn parse_log(text: &str) -> Result<String, String> {
    telemetry::check_filter(text).map(|()| text.to_owned())
}

/// A number of bytes: a whole number, alone or with KiB, MiB, GiB or TiB.
fn parse_bytes(text: &str) -> Result<u64, &'static str> {
    const WANTED: &str = "a size is a whole number and KiB, MiB, GiB or TiB";
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let count: u64 = digits.parse().map_err(|_| WANTED)?;
    let shift = match &text[digits.len()..] {
        "" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return Err(WANTED),
    };
    count.checked_mul(1 << shift).ok_or(WANTED)
}

fn parse_memory(text: &str) -> Result<u64, &'static str> {
    match parse_bytes(text)? {
        bytes if bytes < store::limits::MEMORY_BYTES_MIN => Err("it must be at least 256MiB"),
        bytes => Ok(bytes),
    }
}

fn parse_data_max(text: &str) -> Result<u64, &'static str> {
    match parse_bytes(text)? {
        bytes if bytes < store::limits::DATA_BYTES_MIN => Err("it must be at least 128MiB"),
        bytes => Ok(bytes),
    }
}

fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    const WANTED: &str = "a duration is a whole number and ms, s or m";
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let count: u64 = digits.parse().map_err(|_| WANTED)?;
    match &text[digits.len()..] {
        "ms" => Ok(Duration::from_millis(count)),
        "s" => Ok(Duration::from_secs(count)),
        "m" => Ok(Duration::from_secs(count.saturating_mul(60))),
        _ => Err(WANTED),
    }
}

/// `+1d2h30m5s10ms`, the sign optional.
fn parse_shift(text: &str) -> Result<Duration, &'static str> {
    if text.starts_with('-') {
        return Err("the clock only moves ahead");
    }
    parse_long_duration(text.strip_prefix('+').unwrap_or(text))
}

/// How often a fault strikes. JSON knows no number that is none.
fn parse_rate(text: &str) -> Result<f64, &'static str> {
    let rate = text.parse().ok().filter(|rate| (0.0..=1.0).contains(rate));
    rate.ok_or("a rate is a number from 0 to 1")
}

/// How long to look: a rate needs some time.
fn parse_interval(text: &str) -> Result<Duration, &'static str> {
    let interval = parse_long_duration(text)?;
    let (least, most) = (Duration::from_millis(100), Duration::from_hours(1));
    if (least..=most).contains(&interval) {
        Ok(interval)
    } else {
        Err("an interval is between 100ms and 1h")
    }
}

/// Numbers with units, the larger ones first or not: `1d12h`, `90m`, `500ms`.
fn parse_long_duration(text: &str) -> Result<Duration, &'static str> {
    const WANTED: &str = "a duration is whole numbers with d, h, m, s or ms, such as 1d12h";
    let (mut rest, mut total) = (text, Duration::ZERO);
    while !rest.is_empty() || text.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let count: u64 = rest[..digits].parse().map_err(|_| WANTED)?;
        let unit = rest[digits..].split(|c: char| c.is_ascii_digit()).next().unwrap_or_default();
        let unit_ms = match unit {
            "d" => 86_400_000,
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1000,
            "ms" => 1,
            _ => return Err(WANTED),
        };
        let part = count.checked_mul(unit_ms).map(Duration::from_millis);
        total = part.and_then(|part| total.checked_add(part)).ok_or(WANTED)?;
        rest = &rest[digits + unit.len()..];
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_declaration_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations() {
        assert_eq!(parse_bytes("4096"), Ok(4096));
        assert_eq!(parse_bytes("3GiB"), Ok(3 << 30));
        assert_eq!(parse_memory("256MiB"), Ok(256 << 20));
        assert_eq!(parse_data_max("1TiB"), Ok(1 << 40));
        assert!(parse_data_max("127MiB").is_err());
        for wrong in ["", "GiB", "1GB", "1 GiB", "-1", "99999999999TiB", "255MiB"] {
            assert!(parse_memory(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse_duration("0ms"), Ok(Duration::ZERO));
        assert_eq!(parse_duration("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(parse_duration("1m"), Ok(Duration::from_secs(60)));
        for wrong in ["", "5", "ms", "-1s", "1h"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shifts() {
        let hour = Duration::from_hours(1);
        assert_eq!(parse_shift("+25h"), Ok(25 * hour));
        assert_eq!(parse_shift("1d12h"), Ok(36 * hour));
        assert_eq!(parse_shift("+1h30m500ms"), Ok(hour * 3 / 2 + Duration::from_millis(500)));
        for wrong in ["", "+", "-1h", "5", "1h5", "h", "1w", "+-1h", "99999999999999999999h", "1h "]
        {
            assert!(parse_shift(wrong).is_err(), "{wrong}");
        }
        assert!(parse_shift("18446744073709551615d").is_err());
    }

    #[test]
    fn rates() {
        assert_eq!(["0", "0.1", "1"].map(parse_rate), [Ok(0.0), Ok(0.1), Ok(1.0)]);
        for wrong in ["", "NaN", "inf", "-0.1", "1.1", "10%"] {
            assert!(parse_rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_unknown_flag_is_refused_with_a_hint() {
        let refused = Cli::try_parse_from(["levada", "serve", "--lisen", "x"]).unwrap_err();
        assert_eq!(refused.exit_code(), 2);
        assert!(refused.to_string().contains("--listen"), "{refused}");
    }
}
