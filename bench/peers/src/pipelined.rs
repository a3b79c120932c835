//! The same records to servers with protocols of their own: 1 KiB each, a bounded number in flight.

use std::io;
use std::time::{Duration, Instant};

use kit::process::read_cpu_seconds;
use load::target::Target;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time;

use crate::peer::Protocol;
use crate::table::Figures;

const RECORD_BYTES: usize = 1024;
/// Records that one connection has sent and that are not acknowledged.
const IN_FLIGHT: usize = 64;
const CONNECTIONS: usize = 8;
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Writes for a while and counts acknowledgements.
pub(crate) async fn run(
    protocol: Protocol,
    target: &Target,
    warm_up: Duration,
    measured: Duration,
) -> io::Result<Figures> {
    if protocol == Protocol::Nats {
        create_nats_stream(target).await?;
    }
    let end = Instant::now() + warm_up + measured;
    let mut writers = JoinSet::new();
    let from = Instant::now() + warm_up;
    for number in 0..CONNECTIONS {
        let target = target.clone();
        writers.spawn(async move {
            let mut connection = Connection::open(protocol, &target, number).await?;
            let mut counted = 0_u64;
            while Instant::now() < end {
                let within = time::timeout(ANSWER_WITHIN, connection.exchange());
                within.await.map_err(io::Error::other)??;
                if Instant::now() >= from {
                    counted += IN_FLIGHT as u64;
                }
            }
            io::Result::Ok(counted)
        });
    }
    time::sleep(warm_up).await;
    let (began, before) = (Instant::now(), read_cpu_seconds(target.pid)?);
    time::sleep_until(end.into()).await;
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), read_cpu_seconds(target.pid)? - before);
    let mut records = 0;
    while let Some(counted) = writers.join_next().await {
        records += counted.map_err(io::Error::other)??;
    }
    Ok(Figures {
        phase: "put-records",
        per_second: records as f64 / seconds,
        per_cpu_second: records as f64 / cpu,
        p50_ms: None,
    })
}

struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    /// What each acknowledgement begins with.
    mark: &'static [u8],
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(protocol: Protocol, target: &Target, number: usize) -> io::Result<Self> {
        let mut stream = TcpStream::connect(target.address).await?;
        stream.set_nodelay(true)?;
        let data = "x".repeat(RECORD_BYTES);
        let (hello, one, mark): (String, String, &'static [u8]) = match protocol {
            Protocol::Redis => {
                let words = ["XADD", &format!("stream-{number}"), "*", "data", &data];
                let words = words.map(|word| format!("${}\r\n{word}\r\n", word.len())).concat();
                // Each answer is a bulk string: the id.
                (String::new(), format!("*5\r\n{words}"), b"$")
            }
            _ => (
                format!(
                    "CONNECT {{\"verbose\":false,\"pedantic\":false}}\r\nSUB acks.{number} 1\r\n"
                ),
                format!("PUB bench acks.{number} {RECORD_BYTES}\r\n{data}\r\n"),
                b"MSG ",
            ),
        };
        stream.write_all(hello.as_bytes()).await?;
        let request = one.repeat(IN_FLIGHT).into_bytes();
        Ok(Connection { stream, request, mark, buffer: Vec::new() })
    }

    /// Sends what may be in flight, and waits until all of it is acknowledged.
    async fn exchange(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.request).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            // An error has a code, in either protocol; an acknowledgement ends in a line of its own.
            let refused = self.buffer.starts_with(b"-")
                || memchr::memmem::find(&self.buffer, b"-ERR").is_some()
                || memchr::memmem::find(&self.buffer, b"\"error\"").is_some();
            if refused {
                let text = String::from_utf8_lossy(&self.buffer[..self.buffer.len().min(300)]);
                return Err(io::Error::other(format!("not a success: {text}")));
            }
            let marks = memchr::memmem::find_iter(&self.buffer, self.mark).count();
            if marks >= IN_FLIGHT && self.buffer.ends_with(b"\r\n") {
                return Ok(());
            }
        }
    }
}

/// A stream of files for the subject that is written to.
async fn create_nats_stream(target: &Target) -> io::Result<()> {
    let mut stream = TcpStream::connect(target.address).await?;
    let config = r#"{"name":"bench","subjects":["bench"],"storage":"file","num_replicas":1}"#;
    let request = format!(
        "CONNECT {{\"verbose\":false}}\r\nSUB made 1\r\nPUB $JS.API.STREAM.CREATE.bench made {}\r\n{config}\r\n",
        config.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut buffer = Vec::new();
    loop {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if memchr::memmem::find(&buffer, b"\"created\"").is_some() {
            return Ok(());
        }
        if memchr::memmem::find(&buffer, b"\"error\"").is_some() {
            return Err(io::Error::other(String::from_utf8_lossy(&buffer).into_owned()));
        }
    }
}
