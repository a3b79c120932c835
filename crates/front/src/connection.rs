//! One connection: its protocol, its watchdog, its end.

use std::fmt;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use stdx::{Clock, task};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::limits::{
    H2_CONNECTION_WINDOW_BYTES, H2_FRAME_BYTES_MAX, H2_LOCAL_RESETS_MAX, H2_PENDING_RESETS_MAX,
    H2_PING_EVERY, H2_PING_WAIT, H2_SEND_BUFFER_BYTES_MAX, H2_STREAM_WINDOW_BYTES, H2_STREAMS_MAX,
    HEADER_BYTES_MAX, IDLE_LOOKS_MAX, SNIFF_WAIT, STALLED_LOOKS_MAX, WATCH_EVERY,
};
use crate::listener::{Phase, Shared};
use crate::pipeline;
use crate::respond::AnswerBody;
use crate::sniff::{Protocol, sniff};
use crate::tls;
use crate::transport::{Transport, Watched};

/// The other end, as the pipeline sees it.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) ip: IpAddr,
    pub(crate) secure_transport: bool,
    pub(crate) activity: Arc<Activity>,
}

/// What happens on a connection, counted for its watchdog. Nothing here reads a clock: the
/// watchdog compares what it sees from look to look.
#[derive(Default)]
pub(crate) struct Activity {
    in_flight: AtomicU32,
    requests: AtomicU32,
    /// Bytes came while no request was in flight: a head is under way.
    head_begun: AtomicBool,
    /// Bytes wait to be taken.
    write_blocked: AtomicBool,
    /// Bytes that were taken have not gone out.
    flush_blocked: AtomicBool,
    writes: AtomicU32,
}

/// Marks a connection as busy until dropped.
pub(crate) struct InFlight(Arc<Activity>);

impl Activity {
    /// A request's head is complete.
    pub(crate) fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.head_begun.store(false, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    /// Bytes came.
    pub(crate) fn note_read(&self) {
        if self.in_flight.load(Ordering::Relaxed) == 0 {
            self.head_begun.store(true, Ordering::Relaxed);
        }
    }

    /// A write was taken, or was not.
    pub(crate) fn note_write(&self, taken: bool) {
        self.write_blocked.store(!taken, Ordering::Relaxed);
        if taken {
            self.writes.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Everything written went out, or did not. Encryption takes bytes before the peer does.
    pub(crate) fn note_flush(&self, done: bool) {
        let was_blocked = self.flush_blocked.swap(!done, Ordering::Relaxed);
        if done && was_blocked {
            self.writes.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Looks at a connection every [`WATCH_EVERY`].
#[derive(Default)]
struct Watchdog {
    requests_seen: u32,
    head_seen: bool,
    idle_looks: u32,
    writes_seen: u32,
    stalled_looks: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum Look {
    Fine,
    /// Nobody has asked anything for long.
    Idle,
    /// A head has been under way for a whole look.
    SlowHead,
    /// The peer does not read what it asked for.
    Stalled,
}

impl Watchdog {
    fn look(&mut self, activity: &Activity) -> Look {
        let requests = activity.requests.load(Ordering::Relaxed);
        let head = activity.head_begun.load(Ordering::Relaxed);
        let writes = activity.writes.load(Ordering::Relaxed);
        let blocked = activity.write_blocked.load(Ordering::Relaxed)
            || activity.flush_blocked.load(Ordering::Relaxed);
        // An answer may still be on its way out when its body has been handed over.
        let busy = blocked || activity.in_flight.load(Ordering::Relaxed) > 0;
        let moved = requests != self.requests_seen;
        let stalled = blocked && writes == self.writes_seen;
        let slow = head && self.head_seen && !moved && !busy;
        self.idle_looks = if busy || moved { 0 } else { self.idle_looks + 1 };
        self.stalled_looks = if stalled { self.stalled_looks + 1 } else { 0 };
        self.requests_seen = requests;
        self.head_seen = head;
        self.writes_seen = writes;
        if slow {
            Look::SlowHead
        } else if self.stalled_looks >= STALLED_LOOKS_MAX {
            Look::Stalled
        } else if self.idle_looks >= IDLE_LOOKS_MAX {
            Look::Idle
        } else {
            Look::Fine
        }
    }
}

/// Serves a connection until it ends.
pub(crate) async fn serve(shared: Arc<Shared>, stream: TcpStream, ip: IpAddr) {
    let _without_it_answers_are_late = stream.set_nodelay(true);
    // Who has asked nothing yet is not waited for when the server stops.
    let opened = tokio::select! {
        biased;
        opened = open(&shared, stream, ip) => opened,
        () = shared.ending() => return,
    };
    let Some((protocol, transport)) = opened else {
        return;
    };
    let secure_transport = matches!(transport, Transport::Encrypted(_));
    let peer = Peer { ip, secure_transport, activity: Arc::new(Activity::default()) };
    match protocol {
        Protocol::Http2 => serve_http2(shared, transport, peer).await,
        // TLS within TLS was refused above.
        Protocol::Http1 | Protocol::Tls => serve_http1(shared, transport, peer).await,
    }
}

/// Tells the protocol, after a handshake if there is one.
async fn open(shared: &Shared, stream: TcpStream, ip: IpAddr) -> Option<(Protocol, Transport)> {
    let told = shared.clock.timeout(SNIFF_WAIT, sniff(stream)).await;
    let Some(Ok((protocol, stream))) = told else {
        return None;
    };
    match (protocol, &shared.certificates) {
        (Protocol::Tls, Some(certificates)) => {
            match tls::accept(certificates, stream, &shared.clock).await {
                Ok((protocol, stream)) => Some((protocol, Transport::Encrypted(Box::new(stream)))),
                Err(reason) => {
                    shared.handshakes_failed.add(1);
                    tracing::debug!(%ip, reason, "TLS came to nothing");
                    None
                }
            }
        }
        (Protocol::Tls, None) => {
            tracing::debug!(%ip, "closed: TLS is not configured");
            None
        }
        (protocol, _) => Some((protocol, Transport::Plain(stream))),
    }
}

async fn serve_http1(shared: Arc<Shared>, transport: Transport, peer: Peer) {
    let io = Watched::new(transport, Arc::clone(&peer.activity));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // The watchdog does this without a timer per request, and knows a slow head from an idle
        // connection.
        .header_read_timeout(None)
        // A head has at most 100 fields, which is hyper's own limit: asking for it costs every request
        // two arrays of that size.
        .max_buf_size(HEADER_BYTES_MAX)
        .keep_alive(true)
        .pipeline_flush(false);
    let service = service_of(&shared, &peer);
    let connection = builder.serve_connection(TokioIo::new(io), service);
    let shut_down = |connection: Pin<&mut _>| http1::Connection::graceful_shutdown(connection);
    drive(&shared, &peer, pin!(connection), shut_down, true).await;
}

async fn serve_http2(shared: Arc<Shared>, transport: Transport, peer: Peer) {
    let io = Watched::new(transport, Arc::clone(&peer.activity));
    let mut builder = http2::Builder::new(Executor);
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(H2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(H2_CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(H2_STREAMS_MAX)
        .max_frame_size(H2_FRAME_BYTES_MAX)
        .max_header_list_size(HEADER_BYTES_MAX as u32)
        .max_send_buf_size(H2_SEND_BUFFER_BYTES_MAX)
        .max_pending_accept_reset_streams(H2_PENDING_RESETS_MAX)
        .max_local_error_reset_streams(H2_LOCAL_RESETS_MAX)
        .keep_alive_interval(H2_PING_EVERY)
        .keep_alive_timeout(H2_PING_WAIT);
    let service = service_of(&shared, &peer);
    let connection = builder.serve_connection(TokioIo::new(io), service);
    let shut_down = |connection: Pin<&mut _>| http2::Connection::graceful_shutdown(connection);
    // Frames between requests look like heads here; HTTP/2 bounds them itself.
    drive(&shared, &peer, pin!(connection), shut_down, false).await;
}

/// The pipeline, for one connection.
fn service_of(
    shared: &Arc<Shared>,
    peer: &Peer,
) -> impl Service<
    http::Request<Incoming>,
    Response = http::Response<AnswerBody>,
    Error = Silent,
    Future = impl Future<Output = Result<http::Response<AnswerBody>, Silent>> + Send + use<>,
> + use<> {
    let (shared, peer) = (Arc::clone(shared), peer.clone());
    service_fn(move |request| {
        let (shared, peer) = (Arc::clone(&shared), peer.clone());
        async move {
            let answer = pipeline::answer(&shared, &peer, request).await;
            if answer.body().is_silence() { Err(Silent) } else { Ok(answer) }
        }
    })
}

/// Why a connection breaks without an answer: somebody tests what its client does then.
#[derive(Debug)]
struct Silent;

impl fmt::Display for Silent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no answer, as an injected fault has it")
    }
}

impl std::error::Error for Silent {}

/// What concerns a connection and does not come over it.
enum News {
    Phase(Phase),
    TimeToLook,
}

async fn next_news(phases: &mut watch::Receiver<Phase>, clock: &Clock) -> News {
    tokio::select! {
        biased;
        changed = phases.changed() => match changed {
            Ok(()) => News::Phase(*phases.borrow()),
            Err(_gone) => News::Phase(Phase::Aborted),
        },
        () = clock.sleep(WATCH_EVERY) => News::TimeToLook,
    }
}

/// Serves a connection until it ends, the server stops, or the watchdog has seen enough.
async fn drive<C: Future>(
    shared: &Shared,
    peer: &Peer,
    mut connection: Pin<&mut C>,
    shut_down: impl Fn(Pin<&mut C>),
    cuts_slow_heads: bool,
) {
    let mut phases = shared.phase.subscribe();
    // The server may be stopping already.
    phases.mark_changed();
    let mut watchdog = Watchdog::default();
    loop {
        // A set polls what it has only if that has woken it, so that news are not looked for whenever
        // the connection has something to do.
        let mut coming = FuturesUnordered::from_iter([next_news(&mut phases, &shared.clock)]);
        let news = tokio::select! {
            biased;
            _ended = connection.as_mut() => return,
            news = coming.select_next_some() => news,
        };
        match news {
            News::Phase(Phase::Serving) => {}
            News::Phase(Phase::Draining) => shut_down(connection.as_mut()),
            News::Phase(Phase::Aborted) => return,
            News::TimeToLook => match watchdog.look(&peer.activity) {
                Look::Fine => {}
                Look::Idle => shut_down(connection.as_mut()),
                Look::Stalled => return,
                Look::SlowHead if cuts_slow_heads => return,
                Look::SlowHead => {}
            },
        }
    }
}

/// Starts HTTP/2's streams.
#[derive(Clone, Copy)]
struct Executor;

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        task::spawn(future);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_head_is_caught_at_the_second_look() {
        let activity = Arc::new(Activity::default());
        let mut watchdog = Watchdog::default();
        activity.head_begun.store(true, Ordering::Relaxed);
        assert_eq!(watchdog.look(&activity), Look::Fine);
        assert_eq!(watchdog.look(&activity), Look::SlowHead);
    }

    #[test]
    fn who_does_not_read_is_cut_and_who_reads_slowly_is_not() {
        let activity = Arc::new(Activity::default());
        let mut watchdog = Watchdog::default();
        let _answering = activity.begin();
        activity.write_blocked.store(true, Ordering::Relaxed);
        for _ in 0..STALLED_LOOKS_MAX * 2 {
            activity.writes.fetch_add(1, Ordering::Relaxed);
            assert_eq!(watchdog.look(&activity), Look::Fine);
        }
        for _ in 1..STALLED_LOOKS_MAX {
            assert_eq!(watchdog.look(&activity), Look::Fine);
        }
        assert_eq!(watchdog.look(&activity), Look::Stalled);
    }

    #[test]
    fn what_encryption_took_must_go_out_too() {
        let activity = Arc::new(Activity::default());
        let mut watchdog = Watchdog::default();
        activity.note_write(true);
        for _ in 0..STALLED_LOOKS_MAX * 2 {
            activity.note_flush(false);
            activity.note_flush(true);
            activity.note_flush(false);
            assert_eq!(watchdog.look(&activity), Look::Fine);
        }
        for _ in 1..STALLED_LOOKS_MAX {
            assert_eq!(watchdog.look(&activity), Look::Fine);
        }
        assert_eq!(watchdog.look(&activity), Look::Stalled);
    }

    #[test]
    fn a_busy_connection_is_left_alone_and_an_idle_one_is_not() {
        let activity = Arc::new(Activity::default());
        let mut watchdog = Watchdog::default();
        let busy = activity.begin();
        for _ in 0..IDLE_LOOKS_MAX * 2 {
            assert_eq!(watchdog.look(&activity), Look::Fine);
        }
        drop(busy);
        for _ in 1..IDLE_LOOKS_MAX {
            assert_eq!(watchdog.look(&activity), Look::Fine);
        }
        assert_eq!(watchdog.look(&activity), Look::Idle);
    }
}
