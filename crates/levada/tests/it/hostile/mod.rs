//! Requests that mean no good, by the thousand, and by the million with `LEVADA_LONG`: nothing
//! panics, nothing is answered with a fault of the server, nothing hangs, memory stays flat, and
//! what was there before is there after.

mod generate;
mod process;
mod requests;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use levada::Client;
use stdx::{Clock, Entropy, task};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use generate::Dice;
use process::Process;
use requests::{Request, Way};

const SEED: u64 = 20_261_124;
const WORKERS: usize = 8;
/// Longer than the server lets anybody be slow.
const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// Connections that a worker leaves unfinished, the oldest given up first.
const STUCK_MAX: usize = 20;
/// Its `--memory`, and half of that for what is not counted there; after any number of requests.
const RESIDENT_BYTES_MAX: u64 = (256 + 128) * 1024 * 1024;
const KEPT_RECORDS: usize = 50;
const KEPT: &str = "kept";

fn requests_total() -> usize {
    if std::env::var_os("LEVADA_LONG").is_some() { 1_000_000 } else { 20_000 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_requests_do_no_harm() {
    let folder = tempfile::tempdir().expect("a folder");
    let process = Process::start(&folder.path().join("data"));
    let client = Client::new(&process.endpoint, process.pair.clone(), "us-east-1");
    let client = client.expect("its endpoint is one");
    crate::create_stream(&client, KEPT).await;
    for index in 0..KEPT_RECORDS {
        crate::put_record(&client, KEPT, format!("record-{index}")).await;
    }
    let total = requests_total();
    let sent = Arc::new(AtomicUsize::new(0));
    let spawn = |index| {
        let worker = Worker {
            dice: Dice(Entropy::seeded(SEED + index as u64)),
            process: process.caller(),
            clock: Clock::system(),
            iterators: Vec::new(),
            kept: None,
            stuck: Vec::new(),
        };
        task::spawn(worker.work(Arc::clone(&sent), total))
    };
    let workers: Vec<_> = (0..WORKERS).map(spawn).collect();
    for worker in workers {
        if let Err(broken) = worker.await {
            panic!("{broken}; log: {}", process.log());
        }
    }
    let resident = process.resident_bytes();
    println!("{total} requests; resident {} MiB", resident >> 20);
    assert!(resident < RESIDENT_BYTES_MAX, "it holds {resident} bytes");
    assert_eq!(client.get("/health/ready").await.expect("an answer").0, 200);
    let records = crate::read_stream(&client, KEPT).await;
    let expected: Vec<_> = (0..KEPT_RECORDS).map(|index| format!("record-{index}")).collect();
    assert_eq!(records, expected);
    let log = process.stop();
    assert!(!log.contains("panicked"), "{log}");
}

struct Worker {
    dice: Dice,
    process: process::Caller,
    clock: Clock,
    /// Shard iterators that were answered.
    iterators: Vec<String>,
    kept: Option<TcpStream>,
    /// Connections whose requests never end.
    stuck: Vec<TcpStream>,
}

/// Ends the run when one of its workers has found something.
struct StopOthers {
    sent: Arc<AtomicUsize>,
    total: usize,
}

impl Drop for StopOthers {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.sent.store(self.total, Ordering::Relaxed);
        }
    }
}

impl Worker {
    async fn work(mut self, sent: Arc<AtomicUsize>, total: usize) {
        let _others_stop = StopOthers { sent: Arc::clone(&sent), total };
        while sent.fetch_add(1, Ordering::Relaxed) < total {
            let (pair, authority) = (&self.process.pair, &self.process.authority);
            let now = self.clock.wall();
            let request = requests::draw(&self.dice, pair, authority, &self.iterators, now);
            let clock = self.clock.clone();
            let shown = request.bytes[..request.bytes.len().min(2000)].to_vec();
            let way = request.way;
            if clock.timeout(ANSWER_WAIT, self.play(request)).await.is_none() {
                panic!("no end to {way:?} {}", shown.escape_ascii());
            }
        }
    }

    async fn play(&mut self, request: Request) {
        if request.way == Way::Kept {
            return self.exchange(&request.bytes).await;
        }
        let mut stream = self.process.connect().await;
        // The server may have seen enough before the end.
        let _all_sent = stream.write_all(&request.bytes).await;
        if request.way == Way::Stuck {
            if self.stuck.len() == STUCK_MAX {
                self.stuck.remove(0);
            }
            return self.stuck.push(stream);
        }
        let _half_closed = stream.shutdown().await;
        let mut answer = Vec::new();
        let _reset = stream.read_to_end(&mut answer).await;
        let failed = match request.way {
            Way::Frames => holds_failed_frame(&answer),
            _ => is_failed(&answer),
        };
        assert!(!failed, "{}\n{}", request.bytes.escape_ascii(), answer.escape_ascii());
    }

    /// One request and its answer on the kept connection.
    async fn exchange(&mut self, request: &[u8]) {
        for _ in 0..2 {
            let mut stream = match self.kept.take() {
                Some(stream) => stream,
                None => self.process.connect().await,
            };
            // A kept connection may have been closed meanwhile: then once more on a new one.
            if stream.write_all(request).await.is_err() {
                continue;
            }
            let mut answer = Vec::new();
            let is_whole = read_answer(&mut stream, &mut answer).await;
            if answer.is_empty() {
                continue;
            }
            let shown = &request[..request.len().min(4000)];
            let failed = is_failed(&answer);
            assert!(!failed, "{}\n{}", shown.escape_ascii(), answer.escape_ascii());
            self.remember(&answer);
            if is_whole {
                self.kept = Some(stream);
            }
            return;
        }
        panic!("no answer to {}", request[..request.len().min(4000)].escape_ascii());
    }

    fn remember(&mut self, answer: &[u8]) {
        let text = String::from_utf8_lossy(answer);
        let Some((_, rest)) = text.split_once("ShardIterator\":\"") else { return };
        let iterator = rest.split('"').next().unwrap_or_default().to_owned();
        if self.iterators.len() == STUCK_MAX {
            self.iterators.remove(0);
        }
        self.iterators.push(iterator);
    }
}

/// Reads an answer with a length; false if the connection cannot be used again.
async fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) -> bool {
    let head_end = loop {
        if let Some(at) = answer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if !matches!(stream.read_buf(answer).await, Ok(1..)) {
            return false;
        }
    };
    let head = String::from_utf8_lossy(&answer[..head_end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    // Without one it is a subscription, which lasts.
    let Some(length) = length.and_then(|length| length.trim().parse::<usize>().ok()) else {
        return false;
    };
    while answer.len() < head_end + length {
        if !matches!(stream.read_buf(answer).await, Ok(1..)) {
            return false;
        }
    }
    !head.contains("connection: close")
}

/// Whether an answer in HTTP/1.1 blames the server. What is not served yet says so with 501.
fn is_failed(answer: &[u8]) -> bool {
    answer.starts_with(b"HTTP/1.1 5") && !answer.starts_with(b"HTTP/1.1 501")
}

/// Whether a HEADERS frame begins with the table's `:status: 500` (RFC 7541, appendix A).
fn holds_failed_frame(mut answer: &[u8]) -> bool {
    while let [a, b, c, kind, _, _, _, _, _, rest @ ..] = answer {
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        if *kind == 1 && rest.first() == Some(&0x8e) {
            return true;
        }
        answer = rest.get(length..).unwrap_or_default();
    }
    false
}
