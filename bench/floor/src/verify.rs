//! Whether a request was signed by the one key pair that the floor knows.

use std::sync::{PoisonError, RwLock};

use aws_lc_rs::{constant_time, hmac};
use kit::sigv4::{KeyPair, derive_signing_key, sign_request, write_hex};

/// Where a request's headers are found, by lower-case name.
pub trait Headers {
    /// The value of a header.
    fn find(&self, name: &str) -> Option<&[u8]>;
}

/// Verifies signatures; the key of the day's scope is derived once.
pub struct Verifier {
    pair: KeyPair,
    cached: RwLock<Option<(Vec<u8>, hmac::Key)>>,
}

impl Verifier {
    /// Knows one key pair.
    pub fn new(pair: KeyPair) -> Self {
        Verifier { pair, cached: RwLock::new(None) }
    }

    /// Whether the request is signed by the key pair. `None` if anything about it is wrong: the
    /// floor does not explain itself.
    #[must_use]
    pub fn verify(&self, headers: &impl Headers, body_hash: &[u8; 32]) -> Option<()> {
        let authorization = headers.find("authorization")?.strip_prefix(b"AWS4-HMAC-SHA256 ")?;
        let credential = find_field(authorization, b"Credential=")?;
        let names = find_field(authorization, b"SignedHeaders=")?;
        let signature = find_field(authorization, b"Signature=")?;
        let slash = memchr::memchr(b'/', credential)?;
        let (key_id, scope) = (&credential[..slash], &credential[slash + 1..]);
        if key_id != self.pair.id.as_bytes() {
            return None;
        }
        let mut canonical = Vec::with_capacity(512);
        for name in names.split(|byte| *byte == b';') {
            canonical.extend_from_slice(name);
            canonical.push(b':');
            canonical.extend_from_slice(headers.find(std::str::from_utf8(name).ok()?)?);
            canonical.push(b'\n');
        }
        let date = headers.find("x-amz-date")?;
        let expected = self
            .with_key(scope, |key| sign_request(key, date, scope, &canonical, names, body_hash))?;
        constant_time::verify_slices_are_equal(&write_hex(&expected), signature).ok()
    }

    fn with_key<R>(&self, scope: &[u8], sign: impl FnOnce(&hmac::Key) -> R) -> Option<R> {
        let cached = self.cached.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, key)) = &*cached
            && known == scope
        {
            return Some(sign(key));
        }
        drop(cached);
        let key = derive_signing_key(&self.pair.secret, std::str::from_utf8(scope).ok()?);
        let answer = sign(&key);
        *self.cached.write().unwrap_or_else(PoisonError::into_inner) = Some((scope.to_vec(), key));
        Some(answer)
    }
}

fn find_field<'a>(authorization: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let start = memchr::memmem::find(authorization, name)? + name.len();
    let rest = &authorization[start..];
    Some(&rest[..memchr::memchr(b',', rest).unwrap_or(rest.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Parsed(Vec<(String, Vec<u8>)>);

    impl Headers for Parsed {
        fn find(&self, name: &str) -> Option<&[u8]> {
            self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_slice())
        }
    }

    #[test]
    fn what_the_signer_wrote_is_believed_and_a_changed_body_is_not() {
        let pair = KeyPair { id: "AKIDEXAMPLE".into(), secret: "secret".into() };
        let request =
            kit::sigv4::Signer::new("127.0.0.1:1", &pair).write_request("PutRecord", b"{}");
        let text = String::from_utf8(request).unwrap();
        let headers = text
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.as_bytes().to_vec()))
            .collect();
        let headers = Parsed(headers);
        let verifier = Verifier::new(pair);
        assert!(verifier.verify(&headers, &kit::sigv4::hash_body(b"{}")).is_some());
        assert!(verifier.verify(&headers, &kit::sigv4::hash_body(b"{ }")).is_none());
    }
}
