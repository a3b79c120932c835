//! A self-hosted, wire-compatible Amazon Kinesis.
//!
//! The binary is [`run`]; a Rust test starts a whole server with [`Server::start`].

mod cli;
mod client;
mod commands;
mod demo;
mod exit;
mod folder;
mod server;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

pub use client::{Client, ClientError};
pub use server::{Auth, Server, ServerConfig, StartError};

/// Parses a command line, runs it, and says how it ended: 0, 1 (failed), 2 (usage) or 3 (not
/// ready).
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match cli::Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(usage) => {
            // clap's own codes: 0 for help and version, 2 for everything else.
            let _broken_pipe = usage.print();
            return ExitCode::from(usage.exit_code() as u8);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the runtime could not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(commands::run(cli.command));
    // Tasks that are still waiting for a peer are nobody's business any more.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
