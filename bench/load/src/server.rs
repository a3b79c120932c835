//! A server started for measuring, and ended when it is dropped.

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use kit::sigv4::KeyPair;
use serde::Deserialize;

use crate::target::Target;

const READY_WITHIN: Duration = Duration::from_secs(60);
const END_WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// What to start.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its name in the tables.
    pub name: &'static str,
    /// The file to execute.
    pub path: PathBuf,
    /// What comes before the flags that all programs share.
    pub arguments: Vec<String>,
}

/// A running server.
pub struct Server {
    child: Child,
    /// Where it listens, and whose requests it believes.
    pub target: Target,
    /// From the start of the process to its ready line, seen from outside.
    pub started_in: Duration,
    /// The same in the server's own words.
    pub ready_ms: f64,
}

#[derive(Deserialize)]
struct ReadyLine {
    ready_ms: f64,
    endpoint: String,
}

impl Program {
    /// Starts it on a folder and waits for its ready line. Its log goes to `log`.
    ///
    /// # Errors
    /// When it cannot be started, or is not ready in time.
    pub fn start(&self, data: &Path, log: &Path) -> io::Result<Server> {
        // Any pair will do: the server lives for minutes and listens on the loopback interface.
        let pair = KeyPair { id: "AKIAMEASUREMENT00000".into(), secret: "measurement".repeat(4) };
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
        let began = Instant::now();
        let mut child = Command::new(&self.path)
            .args(&self.arguments)
            .arg("--data")
            .arg(data)
            .args(["--listen", "127.0.0.1:0"])
            .env("LEVADA_ROOT_ACCESS_KEY_ID", &pair.id)
            .env("LEVADA_ROOT_SECRET_ACCESS_KEY", &pair.secret)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let ready = read_ready_line(&mut child);
        let started_in = began.elapsed();
        match ready.and_then(|line| Ok((Target::parse(&line.endpoint, child.id(), pair)?, line))) {
            Ok((target, line)) => Ok(Server { child, target, started_in, ready_ms: line.ready_ms }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(io::Error::other(format!("{} is not ready: {error}", self.name)))
            }
        }
    }
}

impl Server {
    /// Asks it to end, and waits until it has; answers how long that took.
    ///
    /// # Errors
    /// When it does not end in time, or not with success.
    pub fn end(mut self) -> io::Result<Duration> {
        let began = Instant::now();
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        while began.elapsed() < END_WITHIN {
            if self.child.try_wait()?.is_some() {
                return Ok(began.elapsed());
            }
            thread::sleep(POLL);
        }
        Err(io::Error::other("the server does not end when asked to"))
    }

    /// Ends it as a crash would.
    ///
    /// # Errors
    /// The operating system's.
    pub fn kill(mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads lines until one says where the server listens; the rest of its output is read and dropped,
/// so that it never blocks.
fn read_ready_line(child: &mut Child) -> io::Result<ReadyLine> {
    let stdout = child.stdout.take().ok_or_else(|| io::Error::other("no standard output"))?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Ok(ready) = serde_json::from_str::<ReadyLine>(&line) {
                let _ = sender.send(ready);
            }
        }
    });
    receiver.recv_timeout(READY_WITHIN).map_err(|_| io::Error::other("no ready line"))
}
