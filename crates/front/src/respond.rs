//! Answers and refusals as HTTP responses.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use wire::{Fault, Frames, Instead};

use crate::connection::InFlight;
use crate::dialect::Dialect;
use crate::handover::{BodyError, HandedBody};
use crate::ids::Ids;
use crate::precedence::Verdict;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const EXTENDED_ID: HeaderName = HeaderName::from_static("x-amz-id-2");
const QUERY_MODE: HeaderName = HeaderName::from_static("x-amzn-query-mode");
const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");
/// What AWS lets a browser's script read (kinesalite's recorded behaviour).
const EXPOSED_HEADERS: &str =
    "x-amzn-RequestId,x-amzn-ErrorType,x-amz-request-id,x-amz-id-2,x-amzn-ErrorMessage,Date";
/// How long a browser may remember its permission, in seconds (same source).
const PREFLIGHT_SECONDS: &str = "172800";
/// The content type of event streams.
pub(crate) const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";

/// A request that is not answered as it wished.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// In the caller's codec.
    Fault(Fault),
    /// In XML: what the caller speaks is unknown.
    Xml { status: StatusCode, code: &'static str, message: Option<&'static str> },
    /// The error in an envelope, as an older protocol had it.
    Legacy { status: StatusCode, code: &'static str },
    /// Not an error: permission for a browser.
    Preflight,
    /// No answer at all: the connection breaks.
    Silence,
}

impl Refusal {
    /// XML for a request that names no operation in a way AWS understands.
    pub(crate) fn denied_xml() -> Self {
        Refusal::Xml {
            status: StatusCode::FORBIDDEN,
            code: "AccessDeniedException",
            message: Some("Unable to determine service/operation name to be authorized"),
        }
    }

    /// The refusal behind a verdict; `fault` is what the failing step itself said.
    pub(crate) fn of(verdict: Verdict, fault: Fault) -> Self {
        match verdict {
            Verdict::Preflight => Refusal::Preflight,
            Verdict::DeniedXml => Refusal::denied_xml(),
            Verdict::UnknownXml => Refusal::Xml {
                status: StatusCode::NOT_FOUND,
                code: "UnknownOperationException",
                message: None,
            },
            Verdict::Unknown => Refusal::Fault(Fault::bare("UnknownOperationException")),
            Verdict::Serialization => Refusal::Fault(Fault::bare("SerializationException")),
            Verdict::LegacyUnknown => {
                Refusal::Legacy { status: StatusCode::NOT_FOUND, code: "UnknownOperationException" }
            }
            Verdict::LegacySerialization => {
                Refusal::Legacy { status: StatusCode::BAD_REQUEST, code: "SerializationException" }
            }
            Verdict::Signature | Verdict::Operation => Refusal::Fault(fault),
        }
    }

    /// The code that metrics and log show.
    pub(crate) fn code(&self) -> &str {
        match self {
            Refusal::Fault(fault) => &fault.code,
            Refusal::Xml { code, .. } | Refusal::Legacy { code, .. } => code,
            Refusal::Preflight => "Preflight",
            Refusal::Silence => "Silence",
        }
    }
}

impl From<Instead> for Refusal {
    fn from(instead: Instead) -> Self {
        match instead {
            Instead::Fault(fault) => Refusal::Fault(fault),
            Instead::Silence => Refusal::Silence,
        }
    }
}

/// A response's body.
pub(crate) struct AnswerBody {
    content: Content,
    /// Kept until the last byte is handed over, so that the connection counts as busy.
    pub(crate) in_flight: Option<InFlight>,
}

enum Content {
    Whole(Option<Bytes>),
    /// Frames, and what ends them when the server stops.
    Events(Frames, Ending),
    /// Whatever somebody streams.
    Handed(HandedBody),
    /// There is none: whoever would send it breaks the connection.
    Silence,
}

/// A future that is ready when open streams must end.
pub(crate) type Ending = Pin<Box<dyn Future<Output = ()> + Send>>;

impl AnswerBody {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        let content = Content::Whole(Some(bytes).filter(|bytes| !bytes.is_empty()));
        AnswerBody { content, in_flight: None }
    }

    pub(crate) fn events(frames: Frames, ending: Ending) -> Self {
        AnswerBody { content: Content::Events(frames, ending), in_flight: None }
    }

    pub(crate) fn handed(body: HandedBody) -> Self {
        AnswerBody { content: Content::Handed(body), in_flight: None }
    }

    /// The body of an answer that must not be sent.
    pub(crate) fn silence() -> Self {
        AnswerBody { content: Content::Silence, in_flight: None }
    }

    pub(crate) fn is_silence(&self) -> bool {
        matches!(self.content, Content::Silence)
    }

    pub(crate) fn bytes(&self) -> u64 {
        match &self.content {
            Content::Whole(bytes) => bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
            Content::Events(..) | Content::Handed(_) | Content::Silence => 0,
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match &mut self.content {
            Content::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Content::Handed(body) => body.as_mut().poll_frame(context),
            Content::Silence => Poll::Ready(None),
            // The ending first: frames that are always ready must not outlive the server.
            Content::Events(frames, ending) => match ending.as_mut().poll(context) {
                Poll::Ready(()) => {
                    self.content = Content::Whole(None);
                    Poll::Ready(None)
                }
                Poll::Pending => {
                    let frame = frames.as_mut().poll_next(context);
                    frame.map(|frame| frame.map(|bytes| Ok(Frame::data(bytes))))
                }
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Handed(body) => body.is_end_stream(),
            content => matches!(content, Content::Whole(None) | Content::Silence),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(_) | Content::Silence => SizeHint::with_exact(self.bytes()),
            Content::Events(..) => SizeHint::default(),
            Content::Handed(body) => body.size_hint(),
        }
    }
}

/// A response with the ids that every answer carries. `content_type` is the caller's codec's.
pub(crate) fn response(
    status: StatusCode,
    content_type: Option<&'static str>,
    body: AnswerBody,
    ids: &Ids,
) -> Response<AnswerBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, ids.request_id_header());
    headers.insert(EXTENDED_ID, ids.extended_header());
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    response
}

/// A refusal as a response.
pub(crate) fn refusal_response(
    refusal: &Refusal,
    dialect: Dialect,
    request: &HeaderMap,
    ids: &Ids,
) -> Response<AnswerBody> {
    match refusal {
        Refusal::Fault(fault) => {
            let mut answer = dialect.fault(fault, ids);
            // Clients of services that once spoke forms ask for the codes of that time.
            if request.contains_key(QUERY_MODE)
                && let Ok(value) = HeaderValue::try_from(wire::query::error_header(fault))
            {
                answer.headers_mut().insert(QUERY_ERROR, value);
            }
            answer
        }
        Refusal::Xml { status, code, message } => {
            let text = match message {
                Some(message) => format!("<{code}>\n  <Message>{message}</Message>\n</{code}>\n"),
                None => format!("<{code}/>\n"),
            };
            response(*status, None, AnswerBody::whole(text.into()), ids)
        }
        Refusal::Legacy { status, code } => {
            let text = format!(
                "{{\"Output\":{{\"__type\":\"com.amazon.coral.service#{code}\"}},\
                 \"Version\":\"1.0\"}}"
            );
            let body = AnswerBody::whole(text.into());
            response(*status, Some("application/json"), body, ids)
        }
        Refusal::Preflight => preflight_response(request, ids),
        Refusal::Silence => response(StatusCode::OK, None, AnswerBody::silence(), ids),
    }
}

fn preflight_response(request: &HeaderMap, ids: &Ids) -> Response<AnswerBody> {
    let mut answer = response(StatusCode::OK, None, AnswerBody::whole(Bytes::new()), ids);
    let headers = answer.headers_mut();
    headers.remove(EXTENDED_ID);
    headers.insert("access-control-allow-origin", HeaderValue::from_static("*"));
    headers.insert("access-control-max-age", HeaderValue::from_static(PREFLIGHT_SECONDS));
    let echoed = [
        ("access-control-request-headers", "access-control-allow-headers"),
        ("access-control-request-method", "access-control-allow-methods"),
    ];
    for (asked, granted) in echoed {
        if let Some(value) = request.get(asked) {
            headers.insert(granted, value.clone());
        }
    }
    answer
}

/// Lets a browser's script read the answer.
pub(crate) fn allow_origin(headers: &mut HeaderMap) {
    headers.insert("access-control-allow-origin", HeaderValue::from_static("*"));
    headers.insert("access-control-expose-headers", HeaderValue::from_static(EXPOSED_HEADERS));
}
