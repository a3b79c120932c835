//! Signature Version 4 as Kinesis clients use it: header form, path `/`, no query.

use aws_lc_rs::{digest, hmac};

/// The region that every measured request is signed for.
pub const REGION: &str = "us-east-1";
/// The service that the floors believe requests for.
pub const SERVICE: &str = "kinesis";

/// A service, as a request names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Data Streams.
    Kinesis,
    /// Data Firehose.
    Firehose,
    /// Levada's own, for operators.
    Levada,
    /// S3.
    S3,
}

impl Service {
    /// Its name in a credential scope, and what stands before an operation's name.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Service::Kinesis => (SERVICE, "Kinesis_20131202"),
            Service::Firehose => ("firehose", "Firehose_20150804"),
            Service::Levada => ("levada", "Levada_20261124"),
            Service::S3 => ("s3", ""),
        }
    }
}

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";

/// A key pair.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// The access key id.
    pub id: String,
    /// The secret access key.
    pub secret: String,
}

/// The instant now, as `x-amz-date` writes it: `20261124T120000Z`.
pub fn write_date_now() -> String {
    jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Hashes a body.
pub fn hash_body(body: &[u8]) -> [u8; 32] {
    to_array(digest::digest(&digest::SHA256, body).as_ref())
}

/// Writes bytes as lower-case hexadecimal digits.
pub fn write_hex(bytes: &[u8; 32]) -> [u8; 64] {
    let mut hex = [0; 64];
    for (pair, byte) in hex.chunks_exact_mut(2).zip(bytes) {
        pair[0] = HEX_DIGITS[usize::from(byte >> 4)];
        pair[1] = HEX_DIGITS[usize::from(byte & 15)];
    }
    hex
}

/// Derives the key that signs everything of one scope (`date/region/service/aws4_request`).
pub fn derive_signing_key(secret: &str, scope: &str) -> hmac::Key {
    let mut key = hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{secret}").as_bytes());
    for part in scope.split('/') {
        key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref());
    }
    key
}

/// The signature of a request: `canonical_headers` is its signed headers, each `name:value\n`, in
/// order; `names` their names, joined by `;`.
pub fn sign_request(
    key: &hmac::Key,
    date: &[u8],
    scope: &[u8],
    canonical_headers: &[u8],
    names: &[u8],
    body_hash: &[u8; 32],
) -> [u8; 32] {
    sign_line(key, date, scope, b"POST\n/\n\n", canonical_headers, names, body_hash)
}

/// The same for any method, path and query, each ending a line of `line`.
fn sign_line(
    key: &hmac::Key,
    date: &[u8],
    scope: &[u8],
    line: &[u8],
    canonical_headers: &[u8],
    names: &[u8],
    body_hash: &[u8; 32],
) -> [u8; 32] {
    let mut request = digest::Context::new(&digest::SHA256);
    request.update(line);
    request.update(canonical_headers);
    request.update(b"\n");
    request.update(names);
    request.update(b"\n");
    request.update(&write_hex(body_hash));
    let request = to_array(request.finish().as_ref());

    let mut signer = hmac::Context::with_key(key);
    signer.update(ALGORITHM.as_bytes());
    signer.update(b"\n");
    signer.update(date);
    signer.update(b"\n");
    signer.update(scope);
    signer.update(b"\n");
    signer.update(&write_hex(&request));
    to_array(signer.sign().as_ref())
}

/// Writes whole signed requests for one server and key pair.
pub struct Signer {
    host: String,
    key_id: String,
    date: String,
    scope: String,
    key: hmac::Key,
    /// What stands before an operation's name.
    target: &'static str,
}

impl Signer {
    /// Signs with the time of now, so what it writes is good for the five minutes that Kinesis
    /// allows clocks to differ.
    pub fn new(host: &str, pair: &KeyPair) -> Self {
        Signer::for_service(host, pair, Service::Kinesis)
    }

    /// The same for another service.
    pub fn for_service(host: &str, pair: &KeyPair, service: Service) -> Self {
        let date = write_date_now();
        let (name, target) = service.names();
        let scope = format!("{}/{REGION}/{name}/aws4_request", &date[..8]);
        let key = derive_signing_key(&pair.secret, &scope);
        Signer { host: host.to_owned(), key_id: pair.id.clone(), date, scope, key, target }
    }

    /// Writes a PUT without a body, as S3 wants it.
    pub fn write_put(&self, path: &str) -> Vec<u8> {
        const NAMES: &str = "host;x-amz-content-sha256;x-amz-date";
        let Signer { host, key_id, date, scope, key, .. } = self;
        let body_hash = hash_body(b"");
        let hash = write_hex(&body_hash);
        let hash = String::from_utf8_lossy(&hash);
        let canonical = format!("host:{host}\nx-amz-content-sha256:{hash}\nx-amz-date:{date}\n");
        let line = format!("PUT\n{path}\n\n");
        let signature = sign_line(
            key,
            date.as_bytes(),
            scope.as_bytes(),
            line.as_bytes(),
            canonical.as_bytes(),
            NAMES.as_bytes(),
            &body_hash,
        );
        let hex = write_hex(&signature);
        let signature = String::from_utf8_lossy(&hex);
        format!(
            "PUT {path} HTTP/1.1\r\nHost: {host}\r\nX-Amz-Date: {date}\r\n\
             X-Amz-Content-Sha256: {hash}\r\nAuthorization: {ALGORITHM} \
             Credential={key_id}/{scope}, SignedHeaders={NAMES}, Signature={signature}\r\n\
             Content-Length: 0\r\n\r\n"
        )
        .into_bytes()
    }

    /// Writes one HTTP/1.1 request, head and body, with the headers that common SDKs send.
    pub fn write_request(&self, operation: &str, body: &[u8]) -> Vec<u8> {
        const TYPE: &str = "application/x-amz-json-1.1";
        const NAMES: &str = "content-type;host;x-amz-date;x-amz-target";
        let Signer { host, key_id, date, scope, key, target } = self;
        let target = format!("{target}.{operation}");
        let canonical =
            format!("content-type:{TYPE}\nhost:{host}\nx-amz-date:{date}\nx-amz-target:{target}\n");
        let signature = sign_request(
            key,
            date.as_bytes(),
            scope.as_bytes(),
            canonical.as_bytes(),
            NAMES.as_bytes(),
            &hash_body(body),
        );
        let hex = write_hex(&signature);
        let signature = String::from_utf8_lossy(&hex);
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: identity\r\n\
             User-Agent: levada-load/0.1\r\nContent-Type: {TYPE}\r\nX-Amz-Target: {target}\r\n\
             X-Amz-Date: {date}\r\namz-sdk-request: attempt=1\r\nAuthorization: {ALGORITHM} \
             Credential={key_id}/{scope}, SignedHeaders={NAMES}, Signature={signature}\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        let mut request = Vec::with_capacity(head.len() + body.len());
        request.extend_from_slice(head.as_bytes());
        request.extend_from_slice(body);
        request
    }
}

/// Both digests used here are 32 bytes long.
fn to_array(bytes: &[u8]) -> [u8; 32] {
    let mut array = [0; 32];
    array.copy_from_slice(bytes);
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_digits_are_lower_case() {
        let mut bytes = [0; 32];
        bytes[0] = 0xaf;
        assert_eq!(&write_hex(&bytes)[..4], b"af00");
    }

    #[test]
    fn a_body_hash_is_sha_256() {
        let hex = write_hex(&hash_body(b""));
        assert_eq!(&hex[..16], b"e3b0c44298fc1c14");
    }
}
