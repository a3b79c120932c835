//! The real binary, as a process.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use identity::KeyPair;
use stdx::task;
use tokio::net::TcpStream;

/// What is kept of its log.
const LOG_BYTES_MAX: usize = 1024 * 1024;

pub(super) struct Process {
    child: Child,
    pub(super) endpoint: String,
    pub(super) pair: KeyPair,
    log: Arc<Mutex<String>>,
}

/// What a caller needs to know of it.
pub(super) struct Caller {
    pub(super) authority: String,
    pub(super) pair: KeyPair,
}

impl Process {
    /// Starts it on a folder and a free port, and waits until it is ready.
    pub(super) fn start(data: &Path) -> Self {
        let pair = KeyPair {
            access_key_id: "AKIAHOSTILE000000001".to_owned(),
            secret_access_key: "hostile/secret+hostile/secret0000000000".to_owned(),
        };
        let mut child = Command::new(env!("CARGO_BIN_EXE_levada"))
            .args(["serve", "--listen", "127.0.0.1:0", "--memory", "256MiB", "--data"])
            .arg(data)
            .env("LEVADA_ROOT_ACCESS_KEY_ID", &pair.access_key_id)
            .env("LEVADA_ROOT_SECRET_ACCESS_KEY", &pair.secret_access_key)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let log = Arc::new(Mutex::new(String::new()));
        let (kept, stderr) = (Arc::clone(&log), child.stderr.take().expect("a pipe"));
        let reader = task::spawn_thread("log", move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut log = kept.lock().expect("no panic while held");
                let is_worth_it = line.contains("panicked") || line.contains("ERROR");
                if is_worth_it && log.len() < LOG_BYTES_MAX {
                    *log += &line;
                    log.push('\n');
                }
            }
        });
        drop(reader.expect("a thread"));
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("the ready line");
        let ready: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let endpoint = ready["endpoint"].as_str().expect("an endpoint").to_owned();
        Process { child, endpoint, pair, log }
    }

    pub(super) fn caller(&self) -> Caller {
        let authority = self.endpoint.trim_start_matches("http://").to_owned();
        Caller { authority, pair: self.pair.clone() }
    }

    #[expect(clippy::disallowed_methods, reason = "the kernel's word on a process is no data")]
    pub(super) fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/statm", self.child.id());
        let statm = std::fs::read_to_string(path).expect("a running process");
        let pages = statm.split(' ').nth(1).expect("resident pages");
        pages.parse::<u64>().expect("a number") * rustix::param::page_size() as u64
    }

    /// Errors and panics that it has logged.
    pub(super) fn log(&self) -> String {
        self.log.lock().expect("no panic while held").clone()
    }

    /// Asks it to drain; it must end well. Returns the log.
    pub(super) fn stop(mut self) -> String {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        let mut rest = Vec::new();
        let stdout = self.child.stdout.as_mut().expect("a pipe");
        stdout.read_to_end(&mut rest).expect("its end");
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "{status}; log: {}", self.log());
        self.log()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A test that failed leaves nothing running.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Caller {
    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.authority).await.expect("it listens")
    }
}
