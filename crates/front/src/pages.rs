//! What is read with a browser or a probe rather than an SDK.

use std::net::IpAddr;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use telemetry::text::CONTENT_TYPE as METRICS_CONTENT_TYPE;

use crate::listener::{Condition, Shared};
use crate::respond::Refusal;
use crate::view::{Headers, view_of};

const TEXT: &str = "text/plain; charset=utf-8";
/// What somebody sees who opens the endpoint in a browser.
const WELCOME: &str = "This is Levada.\n\n\
    It speaks the AWS API: point an SDK or the AWS CLI at this address.\n\
    Run `levada env` for the variables to set.\n";

/// A page.
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) content_type: &'static str,
    pub(crate) text: String,
}

/// The page that a request asks for, or AWS's answer to everything that is not a POST.
pub(crate) fn find(shared: &Shared, peer: IpAddr, head: &Parts) -> Result<Page, Refusal> {
    if shared.answers_browsers() && is_preflight(&head.method, &head.headers) {
        return Err(Refusal::Preflight);
    }
    if head.method != Method::GET && head.method != Method::HEAD {
        return Err(Refusal::denied_xml());
    }
    match head.uri.path() {
        "/health/live" => Ok(page(StatusCode::OK, "live\n".into())),
        "/health/ready" => Ok(readiness(shared)),
        "/metrics" => metrics(shared, peer, head),
        "/" if is_browser(&head.headers) => Ok(page(StatusCode::OK, WELCOME.into())),
        _ => Err(Refusal::denied_xml()),
    }
}

/// Whether a head asks for one of the pages.
pub(crate) fn is_page(head: &Parts) -> bool {
    match head.uri.path() {
        "/health/live" | "/health/ready" | "/metrics" => true,
        path => path == "/" && is_browser(&head.headers),
    }
}

/// Whether this is a browser asking whether it may send another origin's request.
fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS && headers.contains_key("origin")
}

fn readiness(shared: &Shared) -> Page {
    let Condition { mut missing, warnings } = (shared.readiness)();
    if shared.is_stopping() {
        missing.push("stopping".into());
    }
    if missing.is_empty() {
        let warnings: String = warnings.iter().map(|own| format!("warning: {own}\n")).collect();
        return page(StatusCode::OK, format!("ready\n{warnings}"));
    }
    page(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", missing.join(", ")))
}

/// Metrics are for this machine and for those with a key: names of operations and their load are
/// nobody else's business.
fn metrics(shared: &Shared, peer: IpAddr, head: &Parts) -> Result<Page, Refusal> {
    if !peer.to_canonical().is_loopback() {
        let headers = Headers::of(&head.headers);
        let view = view_of(head, &headers);
        let proven = shared.authority.prove_bodiless(&view, shared.clock.wall());
        proven.map_err(|_unproven| Refusal::denied_xml())?;
    }
    shared.observe();
    let text = shared.telemetry.prometheus_text();
    Ok(Page { status: StatusCode::OK, content_type: METRICS_CONTENT_TYPE, text })
}

fn page(status: StatusCode, text: String) -> Page {
    Page { status, content_type: TEXT, text }
}

fn is_browser(headers: &HeaderMap) -> bool {
    let accept = headers.get(http::header::ACCEPT).map(HeaderValue::as_bytes).unwrap_or_default();
    accept.windows(9).any(|window| window == b"text/html")
}
