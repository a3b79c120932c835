//! Starting a server, signing for it, and talking to it byte by byte.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use front::{Certificates, Condition, Drained, Front, FrontConfig};
use identity::{Authority, Credentials, Identity, KeyPair, KeyRing, RequestView, sign};
use stdx::{Clock, Entropy, UnixMillis, task};
use telemetry::Telemetry;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use wire::Injector;

use crate::toy;

pub(crate) const ACCOUNT: &str = "123456789012";
pub(crate) const JSON: &str = "application/x-amz-json-1.1";
pub(crate) const CBOR: &str = "application/x-amz-cbor-1.1";
/// More than any answer over loopback takes.
const ANSWER_WAIT: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    pub(crate) pair: KeyPair,
    pub(crate) clock: Clock,
    pub(crate) telemetry: Telemetry,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<Drained>,
}

pub(crate) struct Setting {
    pub(crate) clock: Clock,
    pub(crate) unsigned: bool,
    /// Whom the key stands for, if not the root.
    pub(crate) principal: Option<String>,
    pub(crate) unready: Vec<String>,
    pub(crate) budget_bytes: usize,
    pub(crate) certificates: Option<Certificates>,
    pub(crate) injector: Option<Arc<dyn Injector>>,
    pub(crate) limits: bool,
}

impl Default for Setting {
    fn default() -> Self {
        Setting {
            clock: Clock::system(),
            unsigned: false,
            principal: None,
            unready: Vec::new(),
            budget_bytes: front::limits::BODY_BUDGET_BYTES_DEFAULT,
            certificates: None,
            injector: None,
            limits: false,
        }
    }
}

/// A clock that stands until it is moved.
pub(crate) fn still_clock() -> Clock {
    Clock::manual(UnixMillis(1_795_500_000_000))
}

impl Server {
    pub(crate) fn start(setting: Setting) -> Self {
        let Setting {
            clock,
            unsigned,
            principal,
            unready,
            budget_bytes,
            certificates,
            limits,
            injector,
        } = setting;
        let entropy = Entropy::system();
        let pair = KeyPair::generate(&entropy);
        let authority = if unsigned {
            Authority::none(ACCOUNT)
        } else {
            let mut identity = Identity::root(ACCOUNT);
            if let Some(principal) = principal {
                identity.principal = principal.into();
            }
            Authority::SigV4(KeyRing::new([(pair.clone(), identity)], &entropy))
        };
        let telemetry = Telemetry::new(clock.clone());
        let mut config = FrontConfig::new("127.0.0.1:0".parse().unwrap());
        config.body_budget_bytes = budget_bytes;
        config.certificates = certificates;
        config.injector = injector;
        config.limits = limits;
        config.elsewhere = &toy::ELSEWHERE;
        let front = Front::bind(
            &config,
            toy::services(&clock),
            authority,
            Arc::new(move || Condition { missing: unready.clone(), ..Condition::default() }),
            telemetry.clone(),
            clock.clone(),
            entropy,
        )
        .unwrap();
        let addr = front.local_addr();
        let (stop, stopped) = oneshot::channel();
        let served = task::spawn(front.serve(async move {
            let _stopped_or_dropped = stopped.await;
        }));
        Server { addr, pair, clock, telemetry, stop: Some(stop), served }
    }

    pub(crate) fn plain() -> Self {
        Server::start(Setting::default())
    }

    pub(crate) fn begin_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    pub(crate) async fn stopped(self) -> Drained {
        self.served.await.unwrap()
    }

    /// A signed call of `operation`.
    pub(crate) fn call(&self, operation: &str, body: &str) -> Message {
        let target = format!("{}.{operation}", toy::PROFILE.target_prefix);
        self.message(&[("content-type", JSON), ("x-amz-target", &target)], body.as_bytes())
            .signed(&self.pair, self.clock.wall())
    }

    /// An unsigned POST with these headers besides `host`.
    pub(crate) fn message(&self, headers: &[(&str, &str)], body: &[u8]) -> Message {
        let mut all = vec![("host".to_owned(), self.addr.to_string())];
        all.extend(headers.iter().map(|(name, value)| ((*name).into(), (*value).into())));
        Message { method: "POST".into(), path: "/".into(), headers: all, body: body.to_vec() }
    }

    pub(crate) async fn connect(&self) -> Wire {
        Wire { stream: TcpStream::connect(self.addr).await.unwrap(), buffer: Vec::new() }
    }

    /// Sends a message on a connection of its own.
    pub(crate) async fn send(&self, message: &Message) -> Reply {
        let mut wire = self.connect().await;
        wire.write(&message.bytes()).await;
        wire.reply().await
    }

    /// Lets `duration` pass in small steps, so that everyone who waits gets to act.
    pub(crate) async fn pass(&self, duration: Duration) {
        // Long times in the steps of the slowest waiter, or it would oversleep.
        let long = duration > Duration::from_secs(40);
        let step = if long { front::limits::WATCH_EVERY } else { Duration::from_millis(500) };
        let mut left = duration;
        while !left.is_zero() {
            let by = left.min(step);
            self.clock.advance(by);
            left -= by;
            settle().await;
        }
    }
}

/// Real time for sockets to do what they do.
pub(crate) async fn settle() {
    Clock::system().sleep(Duration::from_millis(15)).await;
}

/// A request to be written.
#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Message {
    pub(crate) fn signed(self, pair: &KeyPair, now: UnixMillis) -> Self {
        self.signed_for(toy::PROFILE.signing_name, pair, now)
    }

    pub(crate) fn signed_for(mut self, service: &str, pair: &KeyPair, now: UnixMillis) -> Self {
        let names: Vec<String> = self.headers.iter().map(|(name, _)| name.clone()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let added = {
            let view = RequestView {
                method: &self.method,
                path: &self.path,
                query: "",
                headers: self.headers.as_slice(),
                authority: None,
            };
            let credentials = Credentials { pair, region: "eu-west-1", service };
            sign(&credentials, &view, &names, &self.body, now)
        };
        self.headers.extend(added.map(|(name, value)| (name.to_owned(), value)));
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(key, _)| key != name);
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn head(&self) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let sets_length = self
            .headers
            .iter()
            .any(|(name, _)| name == "content-length" || name == "transfer-encoding");
        if !sets_length {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        head + "\r\n"
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head().into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// A connection.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Wire {
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// More bytes; false at the end.
    pub(crate) async fn more(&mut self) -> bool {
        let clock = Clock::system();
        let read = clock.timeout(ANSWER_WAIT, self.stream.read_buf(&mut self.buffer));
        matches!(read.await.expect("an answer in time"), Ok(1..))
    }

    /// Whether the server closed without another byte.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && !self.more().await
    }

    /// Everything until the server closes.
    pub(crate) async fn rest(mut self) -> String {
        while self.more().await {}
        String::from_utf8_lossy(&self.buffer).into_owned()
    }

    /// Bytes until `needle` has come.
    pub(crate) async fn until(&mut self, needle: &str) -> String {
        loop {
            let text = String::from_utf8_lossy(&self.buffer).into_owned();
            if text.contains(needle) {
                return text;
            }
            assert!(self.more().await, "closed before {needle:?}: {text:?}");
        }
    }

    /// One reply with a content length.
    pub(crate) async fn reply(&mut self) -> Reply {
        let text = self.until("\r\n\r\n").await;
        let length = text.find("\r\n\r\n").unwrap();
        let mut lines = text[..length].split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let mut reply = Reply { status, headers, body: Vec::new() };
        self.buffer.drain(..length + 4);
        let length: usize = reply.header("content-length").map_or(0, |text| text.parse().unwrap());
        while self.buffer.len() < length {
            assert!(self.more().await, "closed within the body");
        }
        reply.body = self.buffer.drain(..length).collect();
        reply
    }
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Status, `__type` and message, whichever way it is spelt.
    pub(crate) fn fault(&self) -> (u16, String, String) {
        let value: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        (self.status, text("__type"), text("message") + &text("Message"))
    }
}
