//! Requests of a service that reads and answers in its own way: they are handed over as streams, after the
//! cheap refusals and within the same budgets, and told of like the others.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONNECTION;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use identity::{Authority, Identity};
use stdx::Clock;
use telemetry::{Observation, OperationMeter, Telemetry};

use crate::body::discard;
use crate::budget::Hold;
use crate::connection::Peer;
use crate::dialect::Dialect;
use crate::ids::Ids;
use crate::journal::{self, Line};
use crate::limits::{
    BODY_BYTES_PER_SECOND_MIN, BODY_GRACE, DISCARD_BYTES_MAX, STREAMED_BODY_BYTES,
};
use crate::listener::Shared;
use crate::pages;
use crate::respond::{AnswerBody, Ending, Refusal, refusal_response};
use crate::routes::{Routes, SMITHY_PROTOCOL, TARGET};

/// Why a streamed body breaks off.
pub type BodyError = Box<dyn Error + Send + Sync>;

/// A body of an answer that is streamed.
pub type HandedBody = Pin<Box<dyn Body<Data = Bytes, Error = BodyError> + Send>>;

/// What is done with what is handed over.
pub type Handling = Pin<Box<dyn Future<Output = Handled> + Send>>;

/// Whoever reads and answers requests in its own way.
pub trait Handler: Send + Sync {
    /// Serves a request whose signature nobody has looked at.
    fn handle(&self, request: Request<StreamedBody>) -> Handling;
}

/// An answer, and what is to be told of it.
pub struct Handled {
    /// The answer.
    pub response: Response<HandedBody>,
    /// The operation, once it is known.
    pub operation: Option<String>,
    /// Whose key it was, once it is proven.
    pub identity: Option<Arc<Identity>>,
    /// The error's code, if it is one.
    pub fault: Option<String>,
}

/// A service whose requests are handed over.
#[derive(Clone)]
pub struct Handover {
    /// Its name in credential scopes. Where nobody has to sign, requests that nothing else answers are its
    /// own, too.
    pub signing_name: &'static str,
    /// Whether a request is its own although no scope says so: by a signature of an older kind.
    pub also: fn(&Parts) -> bool,
    /// Its operations, which metrics tell apart.
    pub operations: &'static [&'static str],
    /// Those of them that change the control plane, of which the audit is told.
    pub audited: &'static [&'static str],
    /// Who serves them.
    pub handler: Arc<dyn Handler>,
}

impl fmt::Debug for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handover").field(&self.signing_name).finish()
    }
}

/// A [`Handover`] at work.
pub(crate) struct Desk {
    handover: Handover,
    meters: HashMap<&'static str, OperationMeter>,
}

impl Desk {
    pub(crate) fn new(handover: Handover, telemetry: &Telemetry) -> Self {
        let meter = |name: &&'static str| (*name, telemetry.operation(handover.signing_name, name));
        let meters = handover.operations.iter().map(meter).collect();
        Desk { handover, meters }
    }

    /// Whether a request is to be handed over.
    pub(crate) fn takes(&self, shared: &Shared, head: &Parts) -> bool {
        // First what nearly every call has.
        let is_named = |name| head.headers.contains_key(name);
        if is_named(&TARGET) || head.method == Method::OPTIONS || is_named(&SMITHY_PROTOCOL) {
            return false;
        }
        match Routes::claimed(head) {
            Some(service) => service == self.handover.signing_name,
            None if (self.handover.also)(head) => true,
            None => matches!(*shared.authority, Authority::None(_)) && is_plain(head),
        }
    }

    /// Hands a request over.
    pub(crate) async fn answer<B>(
        &self,
        shared: &Arc<Shared>,
        peer: &Peer,
        request: Request<B>,
        ids: &Ids,
        started: Duration,
    ) -> Response<AnswerBody>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        let (head, body) = request.into_parts();
        let mut hold = Hold::default();
        if !body.is_end_stream() {
            let room = shared.budget.extend(&mut hold, STREAMED_BODY_BYTES, true, &shared.clock);
            if room.await.is_err() {
                return refusal_response(&BUSY, Dialect::RestXml, &head.headers, ids);
            }
        }
        let (path, version) = (head.uri.path().to_owned(), head.version);
        let waits = head.headers.contains_key(http::header::EXPECT);
        let body = StreamedBody::new(body, hold, shared.clock.clone());
        let mut left = body.clone();
        let handled = self.handover.handler.handle(Request::from_parts(head, body)).await;
        let Handled { response, operation, identity, fault } = handled;
        // Who is still sending would see a reset connection and not the answer.
        if !waits && !left.is_end_stream() && left.ends_within(DISCARD_BYTES_MAX as u64) {
            discard(&mut left, &shared.clock).await;
        }
        let (mut head, body) = response.into_parts();
        if version < Version::HTTP_2 && !left.is_end_stream() {
            // What was not read stands in the way of the next request.
            head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        head.headers.insert("x-amz-request-id", ids.request_id_header());
        head.headers.insert("x-amz-id-2", ids.extended_header());
        let seen = Observation {
            fault: fault.as_deref(),
            latency: shared.clock.monotonic().saturating_sub(started),
            bytes_in: left.bytes(),
            bytes_out: content_length(head.headers.get(http::header::CONTENT_LENGTH)),
        };
        let name = operation.as_deref().unwrap_or(journal::UNKNOWN);
        match self.meters.get(name) {
            Some(meter) => meter.record(seen),
            None => shared.refused.add(1),
        }
        let line = Line {
            operation: name,
            resource: &path,
            account: identity.as_ref().map(|own| &*own.account),
            region: None,
            changed_by: identity
                .as_ref()
                .filter(|_| self.handover.audited.contains(&name))
                .map(|own| &*own.principal),
        };
        journal::write(&line, ids, peer, head.status, seen);
        Response::from_parts(head, AnswerBody::handed(body))
    }
}

const BUSY: Refusal = Refusal::Xml {
    status: StatusCode::SERVICE_UNAVAILABLE,
    code: "SlowDown",
    message: Some("Please reduce your request rate."),
};

/// Whether an unsigned request asks for nothing that is answered otherwise.
fn is_plain(head: &Parts) -> bool {
    let is_known = [Method::GET, Method::HEAD, Method::PUT, Method::DELETE].contains(&head.method);
    let is_post = head.method == Method::POST && head.uri.query().is_some();
    (is_known || is_post) && !pages::is_page(head)
}

fn content_length(value: Option<&HeaderValue>) -> u64 {
    value.and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0)
}

/// A request's body as it comes: bounded in memory, and cut off where its sender is too slow. Time in which
/// nobody asks for more does not count.
#[derive(Clone)]
pub struct StreamedBody(Arc<Mutex<Streamed>>);

struct Streamed {
    body: HandedBody,
    clock: Clock,
    /// Time spent in waiting for the sender, all in all.
    waited: Duration,
    /// Since when it is waited, and what ends that.
    waiting: Option<(Duration, Ending)>,
    bytes: u64,
    /// Nobody wants more of it, or there is none.
    ended: bool,
    _hold: Hold,
}

impl StreamedBody {
    fn new<B>(body: B, hold: Hold, clock: Clock) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        let body: HandedBody = Box::pin(body.map_err(Into::into));
        let (waited, waiting, bytes, ended) = Default::default();
        let own = Streamed { body, clock, waited, waiting, bytes, ended, _hold: hold };
        StreamedBody(Arc::new(Mutex::new(own)))
    }

    fn streamed(&self) -> MutexGuard<'_, Streamed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that have come.
    fn bytes(&self) -> u64 {
        self.streamed().bytes
    }

    /// Whether what is still to come is known, and no more than this.
    fn ends_within(&self, bytes: u64) -> bool {
        self.streamed().body.size_hint().upper().is_some_and(|left| left <= bytes)
    }
}

impl Streamed {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let polled = self.body.as_mut().poll_frame(context);
        let now = self.clock.monotonic();
        match polled {
            Poll::Ready(frame) => {
                if let Some((since, _)) = self.waiting.take() {
                    self.waited += now.saturating_sub(since);
                }
                let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
                self.bytes += data.map_or(0, |data| data.len() as u64);
                self.ended = !matches!(frame, Some(Ok(_)));
                Poll::Ready(frame)
            }
            Poll::Pending => {
                let earned = Duration::from_millis(self.bytes * 1000 / BODY_BYTES_PER_SECOND_MIN);
                let left = (BODY_GRACE + earned).saturating_sub(self.waited);
                let clock = self.clock.clone();
                let (_, end) = self
                    .waiting
                    .get_or_insert_with(|| (now, Box::pin(async move { clock.sleep(left).await })));
                if end.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                self.ended = true;
                Poll::Ready(Some(Err("the body came too slowly: too slow".into())))
            }
        }
    }
}

impl Body for StreamedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.streamed().poll(context)
    }

    fn is_end_stream(&self) -> bool {
        let own = self.streamed();
        own.ended || own.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.streamed().body.size_hint()
    }
}
