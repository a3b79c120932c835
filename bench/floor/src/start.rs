//! Starting either floor: flags, key pair, log, and the line that says it is ready.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use kit::sigv4::KeyPair;

use crate::ring::Ring;

/// What both floors are told.
#[derive(Debug, Parser)]
#[command(about = "The cheapest program that does every step of a durable, signed PutRecords")]
pub struct Flags {
    /// The folder for the log's files (256 MiB).
    #[arg(long)]
    pub data: PathBuf,
    /// Where to listen; port 0 picks a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
}

/// A floor about to serve.
pub struct Start {
    /// Bound and ready to accept.
    pub listener: TcpListener,
    /// The log.
    pub ring: Ring,
    /// The key pair that requests must be signed with.
    pub pair: KeyPair,
    began: Instant,
    data: PathBuf,
}

impl Start {
    /// Reads the flags and the key pair (of the same variables that Levada reads), makes the log
    /// and binds the port.
    ///
    /// # Errors
    /// The file system's or the network's.
    pub fn prepare() -> io::Result<Self> {
        let began = Instant::now();
        let flags = Flags::parse();
        let pair = KeyPair {
            id: read_variable("LEVADA_ROOT_ACCESS_KEY_ID")?,
            secret: read_variable("LEVADA_ROOT_SECRET_ACCESS_KEY")?,
        };
        std::fs::create_dir_all(&flags.data)?;
        let ring = Ring::create(&flags.data)?;
        let listener = TcpListener::bind(flags.listen)?;
        listener.set_nonblocking(true)?;
        Ok(Start { listener, ring, pair, began, data: flags.data })
    }

    /// Prints the line that says where the floor listens, in the form that Levada prints it.
    ///
    /// # Errors
    /// When nobody reads standard output.
    pub fn announce(&self) -> io::Result<()> {
        let line = serde_json::json!({
            "ready_ms": self.began.elapsed().as_millis() as u64,
            "endpoint": format!("http://{}", self.listener.local_addr()?),
            "data": self.data,
        });
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{line}")?;
        stdout.flush()
    }
}

fn read_variable(name: &str) -> io::Result<String> {
    std::env::var(name).map_err(|_| io::Error::other(format!("{name} is not set")))
}
