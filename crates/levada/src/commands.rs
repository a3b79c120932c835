//! The subcommands. Standard output is data, standard error is talk.

mod env;
mod put;
mod serve;
mod status;
mod tail;

use crate::cli::{Command, Target};
use crate::client::{Client, ClientError};
use crate::exit::Failure;
use crate::{demo, folder};

pub(crate) use serve::{shutdown_signal, start, tell_ready};
pub(crate) use tail::Follow;

/// Runs one subcommand.
pub(crate) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(options) => serve::run(options).await,
        Command::Demo(options) => demo::run(options).await,
        Command::Put(options) => put::run(options).await,
        Command::Tail(options) => tail::run(options).await,
        Command::Status(options) => status::run(options).await,
        Command::Env(options) => env::run(&options),
    }
}

/// A client of the server that the options mean.
fn connect(target: &Target) -> Result<Client, Failure> {
    let endpoint = match &target.endpoint {
        Some(endpoint) => endpoint.clone(),
        None => folder::endpoint(&target.folder.path)?,
    };
    let pair = folder::client_key(&target.folder.path)?;
    Client::new(&endpoint, pair, &target.region).map_err(failed)
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
