//! A self-hosted, wire-compatible Amazon Kinesis.
//!
//! The binary is [`run`]; a Rust test starts a whole server with [`Server::start`], in memory and on a
//! free port unless it says otherwise, and as many of them as it likes:
//!
//! ```
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use levada::{Server, ServerConfig};
//!
//! let server = Server::start(ServerConfig::in_memory()).await?;
//!
//! // What an AWS SDK needs to know; any region will do.
//! let (endpoint, key) = (server.endpoint(), server.root_key());
//! assert!(endpoint.starts_with("http://127.0.0.1:"));
//! println!("{endpoint} {} {}", key.access_key_id, key.secret_access_key);
//!
//! // Without an SDK there is a small client.
//! let client = levada::Client::new(endpoint, key.clone(), "us-east-1")?;
//! assert_eq!(client.get("/health/ready").await?.0, 200);
//!
//! server.stop().await;
//! # Ok(()) }
//! ```

mod cli;
mod client;
mod commands;
mod config;
mod demo;
mod development;
mod embedded;
mod exit;
mod folder;
mod notify;
mod outside;
mod server;
mod tls;

use std::ffi::OsString;
use std::process::ExitCode;

use config::Refusal;

pub use client::{Client, ClientError};
pub use outside::S3Location;
pub use server::{Auth, Server, ServerConfig, StartError};
pub use tls::Tls;

/// Parses a command line, runs it, and says how it ended: 0, 1 (failed), 2 (usage) or 3 (not
/// ready).
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let invocation = match config::parse(arguments) {
        Ok(invocation) => invocation,
        Err(Refusal::Usage(usage)) => {
            // clap's own codes: 0 for help and version, 2 for everything else.
            let _broken_pipe = usage.print();
            return ExitCode::from(usage.exit_code() as u8);
        }
        Err(Refusal::Configuration(failure)) => return failure.report(),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the runtime could not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(commands::run(invocation));
    // Tasks that are still waiting for a peer are nobody's business any more.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
