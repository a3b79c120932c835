//! A request's head as the signature code wants to see it.

use http::HeaderMap;
use http::request::Parts;
use identity::{HeaderView, RequestView};

/// A header map behind [`HeaderView`].
pub(crate) struct Headers<'a>(pub(crate) &'a HeaderMap);

impl HeaderView for Headers<'_> {
    fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.0.get_all(name).into_iter().map(http::HeaderValue::as_bytes)
    }
}

/// The view over `head`; `headers` must wrap the same head's map.
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
