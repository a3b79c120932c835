//! A service of AWS's somewhere else, or one that speaks like it, and as whom it is called.

use http::{HeaderName, HeaderValue};
use identity::{Credentials, KeyPair, RequestView, sign};
use reqwest::Request;
use stdx::UnixMillis;

/// Where a service is, and the key pair that requests are signed with.
#[derive(Clone)]
pub(crate) struct Endpoint {
    /// Its address without a slash at the end, such as `http://127.0.0.1:3001`.
    pub(crate) address: String,
    pair: KeyPair,
    /// What goes with a temporary key pair.
    session_token: Option<String>,
}

impl Endpoint {
    /// The endpoint, called as the environment says, else as `own`.
    pub(crate) fn new(address: &str, own: &KeyPair) -> Self {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let address = address.trim_end_matches('/').to_owned();
        match (set("AWS_ACCESS_KEY_ID"), set("AWS_SECRET_ACCESS_KEY")) {
            (Some(access_key_id), Some(secret_access_key)) => Endpoint {
                address,
                pair: KeyPair { access_key_id, secret_access_key },
                session_token: set("AWS_SESSION_TOKEN"),
            },
            _ => Endpoint { address, pair: own.clone(), session_token: None },
        }
    }

    /// Signs a POST for a service in a region, and gives it these headers, which the signature covers.
    pub(crate) fn sign(
        &self,
        request: &mut Request,
        (service, region): (&str, &str),
        mut headers: Vec<(String, String)>,
        now: UnixMillis,
    ) {
        let url = request.url();
        let host = match url.port() {
            Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
            None => url.host_str().unwrap_or_default().to_owned(),
        };
        headers.push(("host".to_owned(), host));
        let token = self.session_token.iter();
        headers.extend(token.map(|token| ("x-amz-security-token".to_owned(), token.clone())));
        let path = url.path().to_owned();
        let view = RequestView {
            method: "POST",
            path: &path,
            query: "",
            headers: headers.as_slice(),
            authority: None,
        };
        let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        let credentials = Credentials { pair: &self.pair, region, service };
        let body = request.body().and_then(|body| body.as_bytes()).unwrap_or_default();
        let signed = sign(&credentials, &view, &names, body, now);
        headers.extend(signed.map(|(name, value)| (name.to_owned(), value)));
        for (name, value) in headers {
            if let (Ok(name), Ok(value)) =
                (name.parse::<HeaderName>(), value.parse::<HeaderValue>())
            {
                request.headers_mut().insert(name, value);
            }
        }
    }
}
