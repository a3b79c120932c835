//! A request's head as the signature code wants to see it.

use http::HeaderMap;
use http::request::Parts;
use identity::{HeaderView, RequestView};

/// A head's headers behind [`HeaderView`], listed once: a signature asks for a dozen of them by name,
/// and the map would parse and hash each name.
pub(crate) struct Headers<'a>(Vec<(&'a str, &'a [u8])>);

impl<'a> Headers<'a> {
    pub(crate) fn of(headers: &'a HeaderMap) -> Self {
        Headers(headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect())
    }
}

impl HeaderView for Headers<'_> {
    fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |(key, _)| *key == name).map(|(_, value)| *value)
    }
}

/// The view over `head`; `headers` must list the same head's.
pub(crate) fn view_of<'a>(
    head: &'a Parts,
    headers: &'a Headers<'a>,
) -> RequestView<'a, Headers<'a>> {
    RequestView {
        method: head.method.as_str(),
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        headers,
        authority: head.uri.authority().map(http::uri::Authority::as_str),
    }
}
