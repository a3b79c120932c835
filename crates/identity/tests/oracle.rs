//! AWS's own signer as the oracle: what it signs we believe, and nothing that differs from it.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use identity::sigv4::Policy;
use identity::{Authority, Identity, KeyPair, KeyRing, RequestView};
use proptest::prelude::*;
use stdx::{Entropy, UnixMillis};

const ID: &str = "AKIAORACLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const NOW_SECONDS: u64 = 1_795_500_000;

#[derive(Clone, Debug)]
struct Request {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn uri(&self) -> String {
        let mark = if self.query.is_empty() { "" } else { "?" };
        format!("http://localhost:4567{}{mark}{}", self.path, self.query)
    }

    fn verify(&self, authority: &Authority) -> bool {
        let view = RequestView {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: self.headers.as_slice(),
            authority: None,
        };
        let policy = Policy { service: Some("kinesis"), must_sign: &[] };
        authority
            .examine(&view, policy, UnixMillis(NOW_SECONDS * 1000))
            .and_then(|standing| authority.conclude(standing, &view, &self.body))
            .is_ok()
    }
}

fn authority() -> Authority {
    let pair = KeyPair { access_key_id: ID.into(), secret_access_key: SECRET.into() };
    Authority::SigV4(KeyRing::new([(pair, Identity::root("1"))], &Entropy::seeded(1)))
}

fn signed(mut request: Request, location: SignatureLocation, checksum: bool) -> Request {
    let identity = Credentials::from_keys(ID, SECRET, None).into();
    let mut settings = SigningSettings::default();
    settings.signature_location = location;
    if location == SignatureLocation::QueryParams {
        settings.expires_in = Some(Duration::from_secs(60));
    }
    if checksum {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("kinesis")
        .time(SystemTime::UNIX_EPOCH + Duration::from_secs(NOW_SECONDS))
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let uri = request.uri();
    let headers = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let body = SignableBody::Bytes(&request.body);
    let signable = SignableRequest::new(&request.method, &uri, headers, body).unwrap();
    let (instructions, _) = sign(signable, &params).unwrap().into_parts();
    let (added, params) = instructions.into_parts();
    request
        .headers
        .extend(added.iter().map(|header| (header.name().to_owned(), header.value().to_owned())));
    let mut query = vec![request.query.clone()].into_iter().filter(|query| !query.is_empty());
    let added = params.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
    request.query = query.by_ref().chain(added).collect::<Vec<_>>().join("&");
    request
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

fn requests() -> impl Strategy<Value = Request> {
    let path = "(/([a-zA-Z0-9._~@:-]|%[0-9A-F]{2}){0,6}){1,4}/?";
    let pair = "[a-zA-Z0-9._~-]{1,6}(=([a-zA-Z0-9._~-]|%2[0-9A-F]){0,6})?";
    let query = prop::collection::vec(pair, 0..4).prop_map(|pairs| pairs.join("&"));
    let header = ("x-[a-z]{1,6}", "[!-~]([ -~]{0,12}[!-~])?");
    let headers = prop::collection::btree_map(header.0, header.1, 0..4);
    let body = prop::collection::vec(any::<u8>(), 0..64);
    ("POST|GET|PUT", path, query, headers, body).prop_map(|(method, path, query, headers, body)| {
        let mut headers: Vec<_> = headers.into_iter().collect();
        headers.push(("host".into(), "localhost:4567".into()));
        Request { method, path, query, headers, body }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn what_awss_signer_signs_is_believed(
        request in requests(), query in any::<bool>(), checksum in any::<bool>(),
    ) {
        let location =
            if query { SignatureLocation::QueryParams } else { SignatureLocation::Headers };
        let request = signed(request, location, checksum);
        prop_assert!(request.verify(&authority()), "{request:#?}");
    }

    #[test]
    fn a_changed_byte_is_not_believed(
        request in requests(), part in 0..4usize, at in any::<prop::sample::Index>(), bit in 0..7u32,
    ) {
        let good = signed(request, SignatureLocation::Headers, false);
        let mut forged = good.clone();
        let flip = |text: &mut String, keep: &str| {
            let index = at.index(text.len());
            let byte = text.as_bytes()[index] ^ (1 << bit);
            let change = byte.is_ascii_graphic() && !keep.as_bytes().contains(&byte);
            let old = text.as_bytes()[index];
            if change && !keep.as_bytes().contains(&old) {
                text.replace_range(index..=index, &char::from(byte).to_string());
            }
        };
        match part {
            0 if !forged.body.is_empty() => {
                let index = at.index(forged.body.len());
                forged.body[index] ^= 1 << bit;
            }
            // Dots and slashes may normalise to the same path; escapes to the same byte.
            1 => flip(&mut forged.path, "/.%?#"),
            2 if !forged.query.is_empty() => flip(&mut forged.query, "%&=?#"),
            _ => {
                let index = at.index(forged.headers.len());
                let (name, value) = &mut forged.headers[index];
                // The algorithm's field names may be spelt in any order, but not differently.
                if name != "x-amz-user-agent" {
                    flip(value, " ,");
                }
            }
        }
        let same = forged.body == good.body
            && decoded(&forged.path) == decoded(&good.path)
            && decoded(&forged.query) == decoded(&good.query)
            && forged.headers == good.headers;
        prop_assert!(same || !forged.verify(&authority()), "{forged:#?}");
    }
}

/// Escapes in one spelling, so that `%2f` and `%2F` count as the same.
fn decoded(text: &str) -> String {
    text.to_uppercase().chars().zip(text.chars()).fold(String::new(), |mut all, (upper, plain)| {
        let in_escape = all.ends_with('%') || all.chars().rev().nth(1) == Some('%');
        all.push(if in_escape { upper } else { plain });
        all
    })
}
