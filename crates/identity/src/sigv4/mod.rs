//! Signature Version 4 as pure functions over a borrowed request.
//!
//! [`read`] parses what a request claims and checks everything that needs no key, in AWS's order;
//! [`signature_matches`] does the arithmetic. The signer ([`crate::sign()`]) canonicalises with
//! the same code.

mod canonical;
mod date;
mod fault;
mod header;
mod presigned;
mod read;
mod scope;

use std::borrow::Cow;

use aws_lc_rs::{constant_time, digest, hmac};

pub(crate) use canonical::{canonical_request, header_rule, string_to_sign};
pub use canonical::{hex_of, sha256};
pub use date::{basic_format, parse_basic};
pub use fault::{expired_token, signature_mismatch, unrecognized_client};
pub use read::{Policy, read};
pub(crate) use read::{claimed_credential, is_region};
pub use scope::Scope;

/// The only algorithm of the Kinesis family (`facts/security.md` § 1.1).
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The header by which a caller states its body's hash.
pub const CONTENT_SHA256: &str = "x-amz-content-sha256";
/// What stands for a hash when the body is not signed.
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// Headers, looked up by lower-case name.
pub trait HeaderView {
    /// Every value under `name`, in the order of arrival.
    fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]>;

    /// The first value under `name`.
    fn value<'a>(&'a self, name: &str) -> Option<&'a [u8]> {
        self.values(name).next()
    }
}

/// Headers as a slice of names and values; names compare without case.
impl HeaderView for [(String, String)] {
    fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_bytes())
    }
}

/// A request as it stood on the wire.
pub struct RequestView<'a, H: HeaderView + ?Sized> {
    /// The method, such as `POST`.
    pub method: &'a str,
    /// The path as sent, not decoded.
    pub path: &'a str,
    /// The query as sent, without the question mark; empty if there was none.
    pub query: &'a str,
    /// The headers.
    pub headers: &'a H,
    /// The authority of the request's URI: HTTP/2 clients send no `Host`.
    pub authority: Option<&'a str>,
}

/// How a path is canonicalised. Every service but S3 does both.
#[derive(Clone, Copy, Debug)]
pub struct PathStyle {
    /// Whether `.`, `..` and empty segments are resolved.
    pub normalize: bool,
    /// Whether the path as sent is percent-encoded once more.
    pub encode: bool,
}

impl PathStyle {
    /// Everyone's style.
    pub const ORDINARY: PathStyle = PathStyle { normalize: true, encode: true };
    /// S3's style.
    pub const S3: PathStyle = PathStyle { normalize: false, encode: false };
}

/// Where a request carries its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In `Authorization`.
    Header,
    /// In the query: presigned.
    Query,
}

/// What a request claims about its own signature, well-formed and in time, not proven yet.
#[derive(Clone, Debug)]
pub struct Presented<'a> {
    /// Where it stood.
    pub form: Form,
    /// The whole credential, `key/date/region/service/aws4_request`.
    pub credential: Cow<'a, str>,
    /// Where its first four parts end.
    scope_ends: [usize; 4],
    /// The names under the signature, as sent: lower case, joined by `;`.
    pub signed_headers: Cow<'a, str>,
    /// The signature.
    pub signature: [u8; 32],
    /// The request's time in basic format.
    pub timestamp: Cow<'a, str>,
    /// The session token, if any.
    pub token: Option<Cow<'a, str>>,
    /// What `x-amz-content-sha256` says.
    pub payload: Payload,
}

impl Presented<'_> {
    /// The parts of the credential.
    pub fn scope(&self) -> Scope<'_> {
        Scope::of_parsed(&self.credential, self.scope_ends)
    }
}

/// What a request claims about its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Nothing: the body's own hash is under the signature.
    Absent,
    /// This hash: signature and body can be checked apart.
    Hash([u8; 32]),
    /// That it is not signed.
    Unsigned,
    /// Something no client of ours sends, such as `STREAMING-…`; never matches.
    Unsupported,
}

/// The signing key of one day, region and service.
pub fn derive_key(secret: &str, scope: &Scope<'_>) -> hmac::Key {
    let mut seed = Vec::with_capacity(4 + secret.len());
    seed.extend_from_slice(b"AWS4");
    seed.extend_from_slice(secret.as_bytes());
    let mut key = hmac::Key::new(hmac::HMAC_SHA256, &seed);
    for part in [scope.date, scope.region, scope.service, scope.terminator] {
        key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref());
    }
    key
}

/// Whether `presented` was made with `key` over this request, in constant time.
///
/// `payload_hash` is the hash under the signature: the stated one, or the body's.
pub fn signature_matches<H: HeaderView + ?Sized>(
    key: &hmac::Key,
    presented: &Presented<'_>,
    request: &RequestView<'_, H>,
    path_style: PathStyle,
    payload_hash: &str,
) -> bool {
    let matches = |token_signed: bool| {
        let canonical = canonical_request(
            request,
            path_style,
            &presented.signed_headers,
            canonical::QueryRule { form: presented.form, token_signed },
            payload_hash,
        );
        let text =
            string_to_sign(&presented.timestamp, presented.scope().without_key(), &canonical);
        let expected = hmac::sign(key, &text);
        constant_time::verify_slices_are_equal(expected.as_ref(), &presented.signature).is_ok()
    };
    // Some services' clients add the token to a presigned URL after signing (the suite's
    // `post-sts-header-after`). It proves itself, so it need not be under the signature.
    matches(true) || (presented.form == Form::Query && presented.token.is_some() && matches(false))
}

/// SHA-256 of nothing, as text.
pub const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Whether two hashes are the same, in constant time.
pub fn hashes_equal(a: &[u8; 32], b: &[u8; 32]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// A running SHA-256, for bodies that are never whole in memory.
pub fn sha256_context() -> digest::Context {
    digest::Context::new(&digest::SHA256)
}
