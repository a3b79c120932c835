//! The subcommands. Standard output is data, standard error is talk.

mod backup;
mod cat;
mod certs;
pub(crate) mod clock;
mod completions;
mod config;
mod deliver;
mod doctor;
mod du;
mod env;
mod fault;
mod put;
mod serve;
mod status;
mod tail;
mod top;
mod wait;

use crate::cli::{Command, Place, Target};
use crate::client::{Client, ClientError};
use crate::config::Invocation;
use crate::exit::Failure;
use crate::{demo, folder};

pub(crate) use serve::{Shutdown, start, tell_ready};
pub(crate) use tail::Follow;

/// Runs one subcommand.
pub(crate) async fn run(invocation: Invocation) -> Result<(), Failure> {
    let Invocation { cli, settings } = invocation;
    match cli.command {
        Command::Serve(options) => serve::run(options).await,
        Command::Demo(options) => demo::run(options).await,
        Command::Put(options) => put::run(options).await,
        Command::Tail(options) => tail::run(options).await,
        Command::Status(options) => status::run(options).await,
        Command::Clock(options) => clock::run(&options).await,
        Command::Fault(options) => fault::run(options).await,
        Command::Deliver(command) => deliver::run(command).await,
        Command::Top(options) => top::run(options).await,
        Command::Env(options) => env::run(&options),
        Command::Wait(options) => wait::run(&options).await,
        Command::Certs(options) => certs::run(&options),
        Command::Config(options) => config::run(&options, cli.config.as_deref(), &settings),
        Command::Doctor(options) => doctor::run(&options),
        Command::Backup(options) => backup::back_up(options).await,
        Command::Restore(options) => backup::restore(options).await,
        Command::Du(options) => du::run(&options),
        Command::Cat(options) => cat::run(&options),
        Command::Completions(options) => completions::run(&options),
    }
}

/// A client of the server that the options mean.
fn connect(target: &Target) -> Result<Client, Failure> {
    let pair = folder::client_key(&target.place.folder.path)?;
    Client::new(&endpoint_of(&target.place)?, pair, &target.region).map_err(failed)
}

/// Where the server is that the options mean.
fn endpoint_of(place: &Place) -> Result<String, Failure> {
    match &place.endpoint {
        Some(endpoint) => Ok(endpoint.clone()),
        None => folder::endpoint(&place.folder.path),
    }
}

/// Bytes as people read them.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut scaled = bytes as f64;
    while scaled >= 1024.0 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0);
    format!("{scaled:.digits$} {}", UNITS[unit])
}

/// Standard output in one piece; a reader that has gone away is no failure.
fn print(text: &str) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    let _nobody_reads = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// A client's error as the operator sees it.
fn failed(error: ClientError) -> Failure {
    match &error {
        ClientError::Connection(_) | ClientError::TimedOut => Failure::not_ready(error)
            .help("start a server with `levada serve`, or wait until it is ready"),
        ClientError::Endpoint(_) | ClientError::Fault(_) | ClientError::Unreadable(_) => {
            Failure::new(error)
        }
    }
}
