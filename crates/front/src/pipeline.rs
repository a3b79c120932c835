//! The pipeline: one function that reads like the specification.

use std::cell::LazyCell;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::ORIGIN;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use identity::authorise;
use identity::keys::Proof;
use identity::sigv4::Policy;
use stdx::task;
use telemetry::Observation;
use tracing::Instrument;
use wire::{Access, Answer, Call, Codec, Fate, Fault, OperationInfo, Resource, ServiceProfile};

use crate::body::{Allowance, Received, Unread, discard, receive};
use crate::connection::Peer;
use crate::dialect::Dialect;
use crate::handover::BodyError;
use crate::ids::Ids;
use crate::inflate;
use crate::journal::{self, Believed, Line};
use crate::limits::{DISCARD_BYTES_MAX, UNPROVEN_BODY_BYTES_MAX};
use crate::listener::Shared;
use crate::pages;
use crate::precedence::{BodyState, Facts, Named, body_state, judge};
use crate::respond::{AnswerBody, EVENT_STREAM, Refusal, allow_origin, refusal_response, response};
use crate::routes::{Content, Operation, Route, Routes, Target};
use crate::view::{Headers, view_of};

/// An operation being served.
type Serving = Pin<Box<dyn Future<Output = Result<Answer, Fault>> + Send>>;

/// The header that chooses the operation: a signature must cover it.
const MUST_SIGN: &[&str] = &["x-amz-target"];

/// Answers one request, whatever it is.
pub(crate) async fn answer<B>(
    shared: &Arc<Shared>,
    peer: &Peer,
    request: Request<B>,
) -> Response<AnswerBody>
where
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<BodyError>,
{
    let in_flight = peer.activity.begin();
    let started = shared.clock.monotonic();
    let ids = Ids::new(&shared.entropy);
    let (head, mut body) = request.into_parts();
    let is_preflight = head.method == Method::OPTIONS;
    let has_origin = head.headers.contains_key(ORIGIN);
    let mut response = match &shared.desk {
        Some(desk) if desk.takes(shared, &head) => {
            desk.answer(shared, peer, Request::from_parts(head, body), &ids, started).await
        }
        _ if head.method == Method::POST => {
            answer_call(shared, peer, &head, &mut body, &ids, started).await
        }
        _ => answer_page(shared, peer, &head, &ids),
    };
    if !is_preflight && shared.answers_browsers() && has_origin {
        allow_origin(response.headers_mut());
    }
    response.body_mut().in_flight = Some(in_flight);
    response
}

fn answer_page(shared: &Shared, peer: &Peer, head: &Parts, ids: &Ids) -> Response<AnswerBody> {
    match pages::find(shared, peer.ip, head) {
        Ok(page) => {
            let body = AnswerBody::whole(page.text.into());
            response(page.status, Some(page.content_type), body, ids)
        }
        Err(refusal) => {
            let claimed = Routes::claimed(head);
            let routes = &shared.routes;
            match claimed.filter(|service| routes.is_elsewhere(service)) {
                Some(service) if refusal != Refusal::Preflight => {
                    routes.dialect_elsewhere(head, &service).fault(&routes.not_here(&service), ids)
                }
                _ => refusal_response(&refusal, Dialect::RestJson, &head.headers, ids),
            }
        }
    }
}

/// Routes, serves, encodes and accounts for one call.
async fn answer_call<B>(
    shared: &Arc<Shared>,
    peer: &Peer,
    head: &Parts,
    body: &mut B,
    ids: &Ids,
    started: Duration,
) -> Response<AnswerBody>
where
    B: Body<Data = Bytes> + Unpin,
{
    let claimed = LazyCell::new(|| Routes::claimed(head));
    let route = shared.routes.route(head, || claimed.as_deref());
    let dialect = dialect_of(&shared.routes, head, route);
    let named = match route {
        Route::Target(Target::Known(operation), _) | Route::Rpc(operation) => Some(operation.info),
        _ => None,
    };
    let span = journal::span(named, ids);
    let mut request =
        CallRequest { shared, peer, head, ids, route, dialect, operation: None, believed: None };
    let mut bytes_in = 0;
    let outcome = request.serve(body, &mut bytes_in).instrument(span).await;
    let fault = outcome.as_ref().err().map(|refusal| refusal.code().to_owned());
    let response = match outcome {
        Ok(Answer::Body(bytes)) => {
            let name = request.operation.map_or("", |operation| operation.info.name);
            dialect.answer(name, bytes, ids)
        }
        Ok(Answer::Events(frames)) => {
            let body = AnswerBody::events(frames, shared.ending());
            response(StatusCode::OK, Some(EVENT_STREAM), body, ids)
        }
        Err(refusal) => refusal_response(&refusal, dialect, &head.headers, ids),
    };
    let seen = Observation {
        fault: fault.as_deref(),
        latency: shared.clock.monotonic().saturating_sub(started),
        bytes_in,
        bytes_out: response.body().bytes(),
    };
    account(&request, response.status(), seen);
    response
}

/// How a request wants to be answered. An empty body of another type is answered in CBOR
/// (kinesalite's recorded behaviour).
fn dialect_of(routes: &Routes, head: &Parts, route: Route<'_>) -> Dialect {
    match route {
        Route::Target(target, content) => {
            let codec = match content {
                Content::Codec(codec) => codec,
                Content::Legacy | Content::Unknown => Codec::Cbor,
            };
            Dialect::Target(codec, routes.content_type_of(codec, target))
        }
        Route::Rpc(_) => Dialect::Rpc,
        Route::Query(profile) => {
            Dialect::Query { xml_namespace: profile.query.map_or("", |query| query.xml_namespace) }
        }
        Route::Elsewhere(service) => routes.dialect_elsewhere(head, service),
    }
}

/// One call and everything that was known of it from its head.
struct CallRequest<'a> {
    shared: &'a Arc<Shared>,
    peer: &'a Peer,
    head: &'a Parts,
    ids: &'a Ids,
    route: Route<'a>,
    dialect: Dialect,
    /// Once it is known.
    operation: Option<&'a Operation>,
    /// Once its caller is.
    believed: Option<Believed>,
}

/// What a believed request asks, of whom, and for whom.
struct Asked<'a> {
    operation: &'a Operation,
    body: Received,
    proof: Proof,
}

impl<'a> CallRequest<'a> {
    /// The specification's order: route, head of the signature, body under its cap, signature,
    /// decode and validate, authorise, throttle, serve.
    async fn serve<B>(&mut self, body: &mut B, bytes_in: &mut u64) -> Result<Answer, Refusal>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let Asked { operation, body, proof } = self.believe(body, bytes_in).await?;
        let call = Arc::new(Call {
            request_id: self.ids.request_id,
            account: Arc::clone(&proof.identity.account),
            region: proof.region,
            principal: Arc::clone(&proof.identity.principal),
            source_ip: self.peer.ip,
            secure_transport: self.peer.secure_transport,
        });
        // Only its share of the budget stays, for what has been made of it.
        let Received { bytes, hold: _held } = body;
        let prepared = operation
            .endpoint
            .decode(self.dialect.codec(), &bytes)
            .map_err(|fault| self.refuse(&bytes, Ok(fault)))?;
        drop(bytes);
        let resource = prepared.resource(&call);
        self.believed = Some(Believed::new(&call, operation.info, &resource));
        authorise(&call, operation.info.action, &resource).map_err(Refusal::Fault)?;
        if let Some(throttle) = &self.shared.throttle {
            let now = self.shared.clock.service_elapsed();
            let of = (operation.info, operation.profile.throttling);
            throttle.admit(of, &call, &resource, now).map_err(Refusal::Fault)?;
        }
        let fate = self.fate(&call, operation.info, &resource).await;
        if let Fate::Refused(instead) = fate {
            return Err(instead.into());
        }
        let served = prepared.serve(call);
        let answer = match operation.info.access {
            Access::Mutate => finish(served).await,
            Access::Read | Access::Data => served.await,
        };
        match fate {
            Fate::Served(instead) => Err(instead.into()),
            _ => answer.map_err(Refusal::Fault),
        }
    }

    /// How the call goes on: nearly always as its caller wishes.
    async fn fate(
        &self,
        call: &Arc<Call>,
        operation: &'static OperationInfo,
        resource: &Resource,
    ) -> Fate {
        let injector = self.shared.injector.as_ref();
        match injector.and_then(|injector| injector.inject(call, operation, resource)) {
            Some(befalling) => befalling.await,
            None => Fate::Answered,
        }
    }

    /// The first half: up to a proven body and the operation that it is for.
    async fn believe<B>(&mut self, body: &mut B, bytes_in: &mut u64) -> Result<Asked<'a>, Refusal>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let shared = self.shared;
        let headers = Headers::of(&self.head.headers);
        let view = view_of(self.head, &headers);

        let Some((profile, bytes_max)) = self.routed() else {
            let received = self.receive_unproven(body).await?;
            return Err(self.refuse(&received, Err(self.unrouted())));
        };
        let policy = Policy { service: Some(profile.signing_name), must_sign: MUST_SIGN };
        let standing = match shared.authority.examine(&view, policy, shared.clock.wall()) {
            Ok(standing) => standing,
            Err(fault) => {
                let received = self.receive_unproven(body).await?;
                return Err(self.refuse(&received, Err(fault)));
            }
        };
        let unproven = matches!(standing, identity::Standing::Plausible(_));
        let allowance = self.allowance(bytes_max, unproven);
        let mut received = match receive(body, self.content_length(), &allowance).await {
            Ok(received) => received,
            Err(unread) => return Err(self.refuse_unread(body, &unread).await),
        };
        *bytes_in = received.bytes.len() as u64;
        let proof = shared
            .authority
            .conclude(standing, &view, &received.bytes)
            .map_err(|fault| self.refuse(&received.bytes, Err(fault)))?;
        received.hold.prove();
        if profile.gzip && self.is_gzip() {
            self.inflate(&mut received, bytes_max).await?;
        }
        let operation = match self.operation {
            Some(operation) => operation,
            None => shared.routes.action(profile, &received.bytes).map_err(Refusal::Fault)?,
        };
        self.operation = Some(operation);
        Ok(Asked { operation, body: received, proof })
    }

    /// The service and the largest body of what is asked for, if the head tells; and the
    /// operation, if the body is not needed for that.
    fn routed(&mut self) -> Option<(&'static ServiceProfile, usize)> {
        match self.route {
            Route::Target(Target::Known(operation), content) => {
                self.operation = Some(operation);
                let is_readable = matches!(content, Content::Codec(_));
                is_readable.then_some((operation.profile, operation.info.body_bytes_max))
            }
            Route::Rpc(operation) => {
                self.operation = Some(operation);
                Some((operation.profile, operation.info.body_bytes_max))
            }
            Route::Query(profile) => Some((profile, self.shared.routes.body_bytes_max(profile))),
            Route::Target(..) | Route::Elsewhere(_) => None,
        }
    }

    /// What those hear who ask for nothing that is here.
    fn unrouted(&self) -> Fault {
        match self.route {
            Route::Elsewhere(service) => self.shared.routes.not_here(service),
            _ => Fault::bare("UnknownOperationException"),
        }
    }

    fn is_gzip(&self) -> bool {
        let encoding = self.head.headers.get(http::header::CONTENT_ENCODING);
        encoding.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"gzip"))
    }

    /// Replaces a compressed body by what it was before, within the budget.
    async fn inflate(&self, received: &mut Received, bytes_max: usize) -> Result<(), Refusal> {
        let bytes_max = inflate::bytes_max(received.bytes.len(), bytes_max);
        let Shared { budget, clock, .. } = &**self.shared;
        let room = budget.extend(&mut received.hold, bytes_max, false, clock).await;
        room.map_err(|_exhausted| Refusal::Fault(unread_fault(&Unread::Busy)))?;
        received.bytes = inflate::gunzip(&received.bytes, bytes_max).map_err(|refused| {
            Refusal::Fault(match refused {
                inflate::Refused::TooLarge => unread_fault(&Unread::TooLarge),
                inflate::Refused::Broken => Fault::serialization("The body is not gzip."),
            })
        })?;
        Ok(())
    }

    fn content_length(&self) -> Option<u64> {
        let value = self.head.headers.get(http::header::CONTENT_LENGTH)?;
        value.to_str().ok()?.parse().ok()
    }

    fn allowance(&self, bytes_max: usize, unproven: bool) -> Allowance<'_> {
        let Shared { budget, clock, .. } = &**self.shared;
        Allowance { bytes_max, unproven, budget, clock }
    }

    /// Reads what a request that will be refused may send, so that its syntax can decide which
    /// refusal it gets. A longer body is thrown away, and the head decides.
    async fn receive_unproven<B>(&self, body: &mut B) -> Result<Bytes, Refusal>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        /// Stands for a body that was not read: well-formed as far as anybody knows.
        const UNREAD: &[u8] = b"{}";
        let allowance = self.allowance(UNPROVEN_BODY_BYTES_MAX, true);
        match receive(body, self.content_length(), &allowance).await {
            Ok(received) => Ok(received.bytes),
            Err(Unread::TooLarge) => {
                self.discard(body).await;
                Ok(Bytes::from_static(UNREAD))
            }
            Err(unread) => Err(self.refuse_unread(body, &unread).await),
        }
    }

    /// Throws a body away that is not wanted, unless its sender waits to be asked for it or it is
    /// so long that closing the connection is the better answer.
    async fn discard<B>(&self, body: &mut B)
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let waits = self.head.headers.contains_key(http::header::EXPECT);
        let endless = self.content_length().is_some_and(|bytes| bytes > DISCARD_BYTES_MAX as u64);
        if !waits && !endless {
            discard(body, &self.shared.clock).await;
        }
    }

    /// A body that could not be read is refused without asking what it would have meant.
    async fn refuse_unread<B>(&self, body: &mut B, unread: &Unread) -> Refusal
    where
        B: Body<Data = Bytes> + Unpin,
    {
        if matches!(unread, Unread::TooLarge | Unread::Busy) {
            self.discard(body).await;
        }
        Refusal::Fault(unread_fault(unread))
    }

    /// Chooses the refusal by AWS's precedence. `fault` is what the failing step said: `Err` if
    /// that was before the signature was believed, `Ok` after.
    fn refuse(&self, body: &[u8], fault: Result<Fault, Fault>) -> Refusal {
        let signed = fault.is_ok();
        let Route::Target(target, content) = self.route else {
            let (Ok(fault) | Err(fault)) = fault;
            return Refusal::Fault(fault);
        };
        let facts = Facts {
            preflight: false,
            post: true,
            content,
            target: match target {
                Target::Absent => Named::Nothing,
                Target::Unknown => Named::Stranger,
                Target::Known(_) => Named::Operation,
            },
            body: match body_state(content, body) {
                // Nothing is inflated for strangers, so nobody knows how it looks inside.
                BodyState::Broken if self.is_gzip() && !signed => BodyState::Sound,
                state => state,
            },
            signed,
        };
        let (Ok(fault) | Err(fault)) = fault;
        Refusal::of(judge(facts), fault)
    }
}

/// What those hear whose body was not taken.
fn unread_fault(unread: &Unread) -> Fault {
    let (status, code, message) = match unread {
        Unread::TooLarge => {
            (413, "RequestEntityTooLargeException", "The request body is longer than allowed.")
        }
        Unread::TooSlow => (408, "RequestTimeoutException", "The request body came too slowly."),
        Unread::Busy => (
            503,
            "ServiceUnavailableException",
            "The server holds as many request bodies as it may. Please try again.",
        ),
        Unread::Cut => (400, "SerializationException", "The request body broke off."),
    };
    Fault { status, ..Fault::client(code, message) }
}

/// Carries a change through even if its caller hangs up: a dropped future would stop half-way.
async fn finish(served: Serving) -> Result<Answer, Fault> {
    match task::spawn(served).await {
        Ok(answer) => answer,
        Err(_panicked) => Err(Fault::internal()),
    }
}

/// Metrics and the log.
fn account(request: &CallRequest<'_>, status: StatusCode, seen: Observation<'_>) {
    match request.operation {
        Some(operation) => operation.meter.record(seen),
        None => request.shared.refused.add(1),
    }
    let operation = request.operation.map(|operation| operation.info);
    let CallRequest { believed, ids, peer, .. } = request;
    journal::write(&Line::of(operation, believed.as_ref()), ids, peer, status, seen);
}
