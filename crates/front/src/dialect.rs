//! How an answer is phrased: one row per protocol of AWS.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use wire::{Codec, Fault, query};

use crate::ids::Ids;
use crate::respond::{AnswerBody, response};

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const SMITHY_PROTOCOL: HeaderName = HeaderName::from_static("smithy-protocol");
const XML: &str = "text/xml";

/// A protocol's way to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Calls by `X-Amz-Target`: the codec, and its content type.
    Target(Codec, &'static str),
    /// Smithy RPC v2 in CBOR.
    Rpc,
    /// Forms and XML.
    Query { xml_namespace: &'static str },
    /// Paths and JSON. Nothing here is served in it: it only says so.
    RestJson,
    /// Paths and XML, likewise.
    RestXml,
}

impl Dialect {
    /// How bodies are read and written.
    pub(crate) fn codec(self) -> Codec {
        match self {
            Dialect::Target(codec, _) => codec,
            Dialect::Rpc => Codec::RpcCbor,
            Dialect::Query { .. } => Codec::Query,
            Dialect::RestJson | Dialect::RestXml => Codec::Json,
        }
    }

    /// The content type of answers.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Dialect::Target(_, content_type) => content_type,
            Dialect::Rpc => "application/cbor",
            Dialect::Query { .. } => XML,
            Dialect::RestJson => "application/json",
            Dialect::RestXml => "application/xml",
        }
    }

    /// An operation's answer as a response.
    pub(crate) fn answer(self, operation: &str, body: Bytes, ids: &Ids) -> Response<AnswerBody> {
        let body = match self {
            Dialect::Query { xml_namespace } => {
                let members = String::from_utf8_lossy(&body);
                query::answer(operation, xml_namespace, &members, ids.request_id).into()
            }
            // The book asks for a map, an empty one too.
            Dialect::Rpc if body.is_empty() => Bytes::from_static(b"\xbf\xff"),
            _ => body,
        };
        self.respond(StatusCode::OK, body, ids)
    }

    /// A fault as a response.
    pub(crate) fn fault(self, fault: &Fault, ids: &Ids) -> Response<AnswerBody> {
        let (status, body) = match self {
            Dialect::Query { xml_namespace } => {
                let text = query::fault(fault, xml_namespace, ids.request_id);
                (query::status_of(fault), text.into())
            }
            Dialect::RestXml => (fault.status, query::bare_fault(fault, ids.request_id).into()),
            _ => (fault.status, wire::codec::encode_fault(self.codec(), fault)),
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        let mut response = self.respond(status, body, ids);
        if self == Dialect::RestJson
            && let Ok(code) = HeaderValue::from_str(&fault.code)
        {
            response.headers_mut().insert(ERROR_TYPE, code);
        }
        response
    }

    fn respond(self, status: StatusCode, body: Bytes, ids: &Ids) -> Response<AnswerBody> {
        let mut response =
            response(status, Some(self.content_type()), AnswerBody::whole(body), ids);
        if self == Dialect::Rpc {
            let protocol = HeaderValue::from_static("rpc-v2-cbor");
            response.headers_mut().insert(SMITHY_PROTOCOL, protocol);
        }
        response
    }
}
