//! Signing, for our own clients.

use aws_lc_rs::hmac;
use stdx::UnixMillis;

use crate::keys::KeyPair;
use crate::sigv4::{
    ALGORITHM, HeaderView, PathStyle, RequestView, Scope, basic_format, canonical_request,
    derive_key, header_rule, hex_of, sha256, string_to_sign,
};

/// What a signer signs with, and for whom.
pub struct Credentials<'a> {
    /// The key pair.
    pub pair: &'a KeyPair,
    /// The region of the scope.
    pub region: &'a str,
    /// The service's signing name.
    pub service: &'a str,
}

/// Signs a request: returns the headers to add, `x-amz-date` and `authorization`.
///
/// Every name in `signed_names` (lower case) is covered; `host` must be among them and in the
/// request's headers.
pub fn sign<H: HeaderView + ?Sized>(
    credentials: &Credentials<'_>,
    request: &RequestView<'_, H>,
    signed_names: &[&str],
    body: &[u8],
    now: UnixMillis,
) -> [(&'static str, String); 2] {
    let timestamp = basic_format(now.seconds());
    let day = &timestamp[..8];
    let Credentials { pair, region, service } = credentials;
    let credential = format!("{}/{day}/{region}/{service}/aws4_request", pair.access_key_id);
    let mut names: Vec<&str> = signed_names.to_vec();
    names.push("x-amz-date");
    names.sort_unstable();
    names.dedup();
    let signed_headers = names.join(";");
    let dated = Dated { headers: request.headers, timestamp: timestamp.as_bytes() };
    let request = RequestView {
        method: request.method,
        path: request.path,
        query: request.query,
        headers: &dated,
        authority: request.authority,
    };
    let payload_hash = hex_of(&sha256(body));
    let canonical = canonical_request(
        &request,
        PathStyle::ORDINARY,
        &signed_headers,
        header_rule(),
        &payload_hash,
    );
    let scope = Scope {
        credential: &credential,
        access_key_id: &pair.access_key_id,
        date: day,
        region,
        service,
        terminator: "aws4_request",
    };
    let text = string_to_sign(&timestamp, scope.without_key(), &canonical);
    let tag = hmac::sign(&derive_key(&pair.secret_access_key, &scope), &text);
    let mut signature = [0; 32];
    signature.copy_from_slice(tag.as_ref());
    let authorization = format!(
        "{ALGORITHM} Credential={credential}, SignedHeaders={signed_headers}, Signature={}",
        hex_of(&signature)
    );
    [("x-amz-date", timestamp), ("authorization", authorization)]
}

/// The request's headers and the date that signing adds.
struct Dated<'a, H: ?Sized> {
    headers: &'a H,
    timestamp: &'a [u8],
}

impl<H: HeaderView + ?Sized> HeaderView for Dated<'_, H> {
    fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let is_date = name == "x-amz-date";
        let added = is_date.then_some(self.timestamp).into_iter();
        added.chain(self.headers.values(name).filter(move |_| !is_date))
    }
}
