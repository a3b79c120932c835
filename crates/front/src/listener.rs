//! Accepting connections, and stopping.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use identity::Authority;
use stdx::{Clock, Entropy, task};
use telemetry::{Counter, Gauge, Telemetry};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Semaphore, watch};
use wire::{Elsewhere, Injector};

use crate::budget::Budget;
use crate::connection;
use crate::handover::{Desk, Handover};
use crate::limits::{
    ACCEPT_PAUSE, BODY_BUDGET_BYTES_DEFAULT, CONNECTIONS_MAX, DRAIN_MAX, LISTEN_BACKLOG,
};
use crate::respond::Ending;
use crate::routes::{Routes, Service};
use crate::throttle::Throttle;
use crate::tls::Certificates;

/// What a server says of itself.
#[derive(Clone, Debug, Default)]
pub struct Condition {
    /// The parts that are not ready; none means ready.
    pub missing: Vec<String>,
    /// What will be a trouble soon.
    pub warnings: Vec<String>,
}

/// Tells the server's condition. Called per probe and per scrape of the metrics: keep it cheap.
pub type Readiness = Arc<dyn Fn() -> Condition + Send + Sync>;

/// Whether scripts of other origins are answered in a browser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CorsRule {
    /// Only if requests must be signed: without signatures any web page could use a server on its
    /// visitor's machine.
    #[default]
    WhenSigned,
    /// As AWS does, whatever the authority.
    Always,
    /// Never.
    Never,
}

/// How to listen.
#[derive(Clone, Debug)]
pub struct FrontConfig {
    /// Where; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The most bytes that all request bodies in flight may hold together.
    pub body_budget_bytes: usize,
    /// How long open requests get when the server stops.
    pub drain: Duration,
    /// Whether scripts of other origins are answered.
    pub cors: CorsRule,
    /// What TLS connections are shown; without it they are closed.
    pub certificates: Option<Certificates>,
    /// What callers of services that are not here, or only in part, are told.
    pub elsewhere: &'static [Elsewhere],
    /// Whether AWS's rates of calls hold.
    pub limits: bool,
    /// What befalls calls, where somebody tests failures.
    pub injector: Option<Arc<dyn Injector>>,
    /// A service whose requests are handed over as streams.
    pub handover: Option<Handover>,
}

impl FrontConfig {
    /// Everything else by default.
    pub fn new(listen: SocketAddr) -> Self {
        FrontConfig {
            listen,
            body_budget_bytes: BODY_BUDGET_BYTES_DEFAULT,
            drain: DRAIN_MAX,
            cors: CorsRule::default(),
            certificates: None,
            elsewhere: &[],
            limits: false,
            injector: None,
            handover: None,
        }
    }
}

/// Where a server is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(crate) enum Phase {
    Serving,
    /// Open requests are finished, event streams end.
    Draining,
    /// Whatever is still open is dropped.
    Aborted,
}

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) routes: Routes,
    pub(crate) authority: Arc<Authority>,
    pub(crate) desk: Option<Desk>,
    pub(crate) readiness: Readiness,
    pub(crate) telemetry: Telemetry,
    pub(crate) clock: Clock,
    pub(crate) entropy: Entropy,
    pub(crate) budget: Budget,
    /// If AWS's rates of calls hold.
    pub(crate) throttle: Option<Throttle>,
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) refused: Counter,
    pub(crate) certificates: Option<Certificates>,
    pub(crate) injector: Option<Arc<dyn Injector>>,
    pub(crate) handshakes_failed: Counter,
    cors: CorsRule,
    body_bytes: Gauge,
}

impl Shared {
    pub(crate) fn is_stopping(&self) -> bool {
        *self.phase.borrow() > Phase::Serving
    }

    /// Whether scripts of other origins get an answer.
    pub(crate) fn answers_browsers(&self) -> bool {
        match self.cors {
            CorsRule::WhenSigned => matches!(*self.authority, Authority::SigV4(_)),
            CorsRule::Always => true,
            CorsRule::Never => false,
        }
    }

    /// Ready once open event streams must end.
    pub(crate) fn ending(&self) -> Ending {
        let mut phases = self.phase.subscribe();
        Box::pin(async move {
            let _stopping_or_gone = phases.wait_for(|phase| *phase > Phase::Serving).await;
        })
    }

    /// Brings gauges up to date that nobody keeps.
    pub(crate) fn observe(&self) {
        self.body_bytes.set(self.budget.held_bytes() as i64);
        let _measured = (self.readiness)();
    }
}

/// A bound listener, about to serve.
pub struct Front {
    listener: TcpListener,
    local_addr: SocketAddr,
    shared: Arc<Shared>,
    drain: Duration,
    connections: Gauge,
}

/// How a server stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still busy at the deadline and were dropped.
    pub connections_aborted: usize,
}

impl Front {
    /// Binds the listener. Connections queue in the kernel until [`Front::serve`].
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub fn bind(
        config: &FrontConfig,
        services: Vec<Service>,
        authority: impl Into<Arc<Authority>>,
        readiness: Readiness,
        telemetry: Telemetry,
        clock: Clock,
        entropy: Entropy,
    ) -> io::Result<Self> {
        let socket = match config.listen {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // A restarted server must not wait for its predecessor's connections to be forgotten.
        socket.set_reuseaddr(true)?;
        socket.bind(config.listen)?;
        let listener = socket.listen(LISTEN_BACKLOG)?;
        let connections = telemetry.gauge("connections", "Open connections.");
        let shared = Shared {
            routes: Routes::new(services, config.elsewhere, &telemetry),
            authority: authority.into(),
            desk: config.handover.clone().map(|handover| Desk::new(handover, &telemetry)),
            readiness,
            clock,
            entropy,
            budget: Budget::new(config.body_budget_bytes),
            throttle: config.limits.then(Throttle::new),
            phase: watch::Sender::new(Phase::Serving),
            refused: telemetry
                .counter("requests_refused_total", "Requests that reached no operation."),
            certificates: config.certificates.clone(),
            injector: config.injector.clone(),
            handshakes_failed: telemetry
                .counter("tls_handshakes_failed_total", "TLS connections that came to nothing."),
            cors: config.cors,
            body_bytes: telemetry.gauge("request_body_bytes", "Request bodies in flight."),
            telemetry,
        };
        Ok(Front {
            local_addr: listener.local_addr()?,
            listener,
            shared: Arc::new(shared),
            drain: config.drain,
            connections,
        })
    }

    /// The bound address.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves until `until` is ready, then drains: no new connections, open requests are
    /// finished, event streams end, and what is left at the deadline is dropped.
    pub async fn serve(self, until: impl Future<Output = ()>) -> Drained {
        let Front { listener, shared, drain, connections, .. } = self;
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        {
            let accept = accept(&listener, &shared, &places, &connections);
            let (mut accept, mut until) = (pin!(accept), pin!(until));
            tokio::select! {
                () = until.as_mut() => {}
                () = accept.as_mut() => {}
            }
        }
        drop(listener);
        let _nobody_connected = shared.phase.send(Phase::Draining);
        let all = places.acquire_many(CONNECTIONS_MAX as u32);
        let drained = shared.clock.timeout(drain, all).await.is_some();
        let left = CONNECTIONS_MAX - places.available_permits();
        let _all_gone = shared.phase.send(Phase::Aborted);
        Drained { connections_aborted: if drained { 0 } else { left } }
    }
}

/// Accepts for ever. The number of connections is bounded before the kernel hands one over, so
/// the rest wait in its queue.
async fn accept(
    listener: &TcpListener,
    shared: &Arc<Shared>,
    places: &Arc<Semaphore>,
    connections: &Gauge,
) {
    while let Ok(place) = Arc::clone(places).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let (shared, open) = (Arc::clone(shared), connections.clone());
                task::spawn(async move {
                    let _counted = Open::new(open);
                    connection::serve(shared, stream, peer.ip()).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                shared.clock.sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Counts a connection until dropped, however it ends.
struct Open(Gauge);

impl Open {
    fn new(gauge: Gauge) -> Self {
        gauge.add(1);
        Open(gauge)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.add(-1);
    }
}
