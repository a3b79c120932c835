//! One request in, one answer out, and what is to be told of it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body, Frame};
use identity::{Authority, Identity};
use s3s::service::S3ServiceBuilder;
use s3s::{Body as WireBody, HttpError};

use super::body::WireError;
use super::chunked::{Dechunker, NotChunked, strip, strip_encoding};
use super::host::Localhost;
use super::keys::{Access, Keys};
use super::s3::Operations;
use crate::Bucket;

/// Who asked for what.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// The operation, such as `GetObject`, once it is known.
    pub operation: Option<String>,
    /// Whose key it was, once it is proven.
    pub identity: Option<Arc<Identity>>,
}

/// What is noted of a request while it is served.
#[derive(Clone, Debug, Default)]
pub(super) struct Noted(Arc<Mutex<Caller>>);

impl Noted {
    pub(super) fn note(&self, operation: String, identity: Option<Arc<Identity>>) {
        let mut caller = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *caller = Caller { operation: Some(operation), identity };
    }

    pub(super) fn caller(&self) -> Caller {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// An answer, and what is to be told of it.
pub struct Served {
    /// The answer.
    pub response: Response<WireBody>,
    /// Who asked for what.
    pub caller: Caller,
    /// The error's code, if it is one.
    pub fault: Option<String>,
}

/// The S3 protocol over a [`Bucket`]; clones share it.
#[derive(Clone)]
pub struct S3Service {
    service: s3s::service::S3Service,
    /// Whether nobody has to sign.
    trusts: bool,
}

impl S3Service {
    /// `authority` says whose signatures count.
    pub fn new(bucket: Bucket, authority: Arc<Authority>) -> Self {
        let trusts = matches!(&*authority, Authority::None(_));
        let mut builder = S3ServiceBuilder::new(Operations { bucket });
        builder.set_auth(Keys(Arc::clone(&authority)));
        builder.set_access(Access(authority));
        builder.set_host(Localhost);
        S3Service { service: builder.build(), trusts }
    }

    /// Serves a request. Its body is read as it comes, and the answer's as it goes.
    pub fn serve<B>(&self, request: Request<B>) -> Pin<Box<dyn Future<Output = Served> + Send>>
    where
        B: Body<Data = Bytes, Error = WireError> + Unpin + Send + 'static,
    {
        let (service, trusts) = (self.service.clone(), self.trusts);
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            let noted = Noted::default();
            head.extensions.insert(noted.clone());
            let body = match trusts {
                true => {
                    strip_query(&mut head);
                    match strip(&mut head.headers) {
                        true => WireBody::http_body_unsync(Dechunked::new(body)),
                        false => WireBody::http_body_unsync(body),
                    }
                }
                false => WireBody::http_body_unsync(body),
            };
            let answer = service.call(Request::from_parts(head, body)).await;
            let response = settle(answer.unwrap_or_else(|error| broken(&error)));
            let fault = fault_of(&response);
            Served { response, caller: noted.caller(), fault }
        })
    }
}

/// Takes a presigned URL's signature out of it: nobody asks for one.
fn strip_query(head: &mut http::request::Parts) {
    let Some(query) = head.uri.query() else { return };
    let signs = ["x-amz-", "awsaccesskeyid=", "signature=", "expires="];
    let is_own = |part: &&str| {
        let part = part.to_ascii_lowercase();
        !signs.iter().any(|own| part.starts_with(own))
    };
    let kept: Vec<&str> = query.split('&').filter(is_own).collect();
    let path = head.uri.path();
    let rest = match kept.is_empty() {
        true => path.to_owned(),
        false => format!("{path}?{}", kept.join("&")),
    };
    let mut parts = head.uri.clone().into_parts();
    if let Ok(rest) = rest.parse() {
        parts.path_and_query = Some(rest);
        if let Ok(uri) = http::Uri::from_parts(parts) {
            head.uri = uri;
        }
    }
}

/// What the protocol wants of an answer whatever its operation.
fn settle(mut response: Response<WireBody>) -> Response<WireBody> {
    strip_encoding(response.headers_mut());
    if response.status() == StatusCode::NOT_MODIFIED {
        let headers = response.headers_mut();
        headers.remove(http::header::CONTENT_TYPE);
        headers.remove(http::header::CONTENT_LENGTH);
        *response.body_mut() = WireBody::empty();
    }
    response
}

fn broken(error: &HttpError) -> Response<WireBody> {
    tracing::error!(?error, "an answer could not be written");
    let mut response = Response::new(WireBody::empty());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// The code in an error's document.
fn fault_of(response: &Response<WireBody>) -> Option<String> {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return None;
    }
    let text = response.body().bytes().unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    Some(code.map_or_else(|| status.as_u16().to_string(), |(code, _)| code.to_owned()))
}

/// A body whose chunks are taken apart as it comes.
struct Dechunked<B> {
    body: B,
    chunks: Dechunker,
    ready: std::collections::VecDeque<Bytes>,
}

impl<B> Dechunked<B> {
    fn new(body: B) -> Self {
        Dechunked { body, chunks: Dechunker::new(), ready: std::collections::VecDeque::new() }
    }
}

impl<B> Body for Dechunked<B>
where
    B: Body<Data = Bytes, Error = WireError> + Unpin,
{
    type Data = Bytes;
    type Error = WireError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, WireError>>> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            let frame = match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) if self.chunks.is_whole() => return Poll::Ready(None),
                Poll::Ready(None) => return Poll::Ready(Some(Err(NotChunked.into()))),
                Poll::Ready(Some(frame)) => frame?,
            };
            if let Ok(data) = frame.into_data() {
                let found = self.chunks.feed(&data)?;
                self.ready.extend(found);
            }
        }
    }
}

/// The header's text, if it has one.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
