//! AWS's own signing test suite: 38 cases, each signed in the header and in the query.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::path::{Path, PathBuf};

use identity::sigv4::{
    CONTENT_SHA256, HeaderView, PathStyle, Policy, derive_key, hex_of, parse_basic, read, sha256,
    signature_matches,
};
use identity::{Credentials, KeyPair, RequestView, sign};
use stdx::UnixMillis;

const CASES: usize = 38;
/// Cases of the same folder that only have a canonical request: paths that are encoded twice.
const CANONICAL_ONLY: [&str; 2] = ["double-encode-path", "double-url-encode"];

struct Parsed {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Parsed {
    fn view(&self) -> RequestView<'_, [(String, String)]> {
        RequestView {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &self.headers,
            authority: None,
        }
    }

    fn payload_hash(&self) -> String {
        let stated = self.headers.as_slice().value(CONTENT_SHA256);
        stated.map_or_else(
            || hex_of(&sha256(&self.body)),
            |value| String::from_utf8_lossy(value).into(),
        )
    }
}

/// A request as the suite writes it: spaces in the target, folded header lines.
fn parse(text: &str) -> Parsed {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let start = lines.next().unwrap();
    let (method, target) = start.split_once(' ').unwrap();
    let target = target.strip_suffix(" HTTP/1.1").unwrap_or(target);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        if line.starts_with(' ') {
            headers.last_mut().unwrap().1.push_str(&format!("\n{line}"));
        } else {
            let (name, value) = line.split_once(':').unwrap();
            headers.push((name.to_lowercase(), value.to_owned()));
        }
    }
    Parsed {
        method: method.into(),
        path: path.into(),
        query: query.into(),
        headers,
        body: body.trim_end_matches('\n').as_bytes().to_vec(),
    }
}

struct Context {
    secret: String,
    now: UnixMillis,
    path_style: PathStyle,
    timestamp: String,
}

fn context(case: &Path) -> Context {
    let text = std::fs::read_to_string(case.join("context.json")).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let timestamp = value["timestamp"].as_str().unwrap().replace(['-', ':'], "");
    Context {
        secret: value["credentials"]["secret_access_key"].as_str().unwrap().into(),
        now: UnixMillis(parse_basic(&timestamp).unwrap() * 1000),
        path_style: PathStyle { normalize: value["normalize"].as_bool().unwrap(), encode: true },
        timestamp,
    }
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/aws-signing-test-suite");
    let mut cases: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|case| case.is_dir());
    cases.sort();
    cases
}

const POLICY: Policy<'_> = Policy { service: Some("service"), must_sign: &[] };

#[test]
fn all_76_signed_requests_verify_and_none_of_their_forgeries() {
    let mut verified = 0;
    for case in
        cases().iter().filter(|case| !CANONICAL_ONLY.iter().any(|name| case.ends_with(name)))
    {
        let context = context(case);
        for form in ["header", "query"] {
            let text =
                std::fs::read_to_string(case.join(format!("{form}-signed-request.txt"))).unwrap();
            let request = parse(&text);
            let view = request.view();
            let presented = read(&view, POLICY, context.now)
                .unwrap_or_else(|fault| panic!("{case:?} {form}: {fault:?}"));
            let key = derive_key(&context.secret, &presented.scope());
            let hash = request.payload_hash();
            let verify = |view: &RequestView<'_, _>, hash: &str| {
                signature_matches(&key, &presented, view, context.path_style, hash)
            };
            assert!(verify(&view, &hash), "{case:?} {form}");
            verified += 1;
            assert!(!verify(&RequestView { method: "PUT", ..request.view() }, &hash));
            assert!(!verify(&RequestView { path: "/elsewhere", ..request.view() }, &hash));
            assert!(!verify(&view, &hex_of(&sha256(b"another body"))));
            let more = format!("{}&More=1", request.query);
            assert!(!verify(&RequestView { query: &more, ..request.view() }, &hash));
        }
    }
    assert_eq!(verified, 2 * CASES);
}

#[test]
fn our_signer_makes_the_suites_signatures() {
    let mut signed = 0;
    for case in
        cases().iter().filter(|case| !CANONICAL_ONLY.iter().any(|name| case.ends_with(name)))
    {
        let context = context(case);
        // The signer is for our own services, whose paths are normalised.
        if !context.path_style.normalize {
            continue;
        }
        let text = std::fs::read_to_string(case.join("header-signed-request.txt")).unwrap();
        let mut request = parse(&text);
        let expected = request.headers.pop().unwrap().1;
        request.headers.retain(|(name, _)| name != "x-amz-date");
        let names = expected.split("SignedHeaders=").nth(1).unwrap().split(',').next().unwrap();
        let names: Vec<&str> = names.split(';').collect();
        let pair = KeyPair {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: context.secret.clone(),
        };
        let credentials = Credentials { pair: &pair, region: "us-east-1", service: "service" };
        let [date, authorization] =
            sign(&credentials, &request.view(), &names, &request.body, context.now);
        assert_eq!(date.1, context.timestamp);
        assert_eq!(authorization.1, expected, "{case:?}");
        signed += 1;
    }
    assert!(signed > 25, "{signed}");
}

#[test]
fn paths_are_encoded_once_more_than_they_came() {
    for name in CANONICAL_ONLY {
        let case = cases().into_iter().find(|case| case.ends_with(name)).unwrap();
        let text = std::fs::read_to_string(case.join("header-signed-request.txt")).unwrap();
        let canonical = std::fs::read_to_string(case.join("header-canonical-request.txt")).unwrap();
        let request = parse(&text);
        let lines: Vec<&str> = canonical.lines().collect();
        // A signature over the expected canonical request verifies exactly if ours is the same.
        let timestamp = lines.iter().find_map(|line| line.strip_prefix("x-amz-date:")).unwrap();
        let now = UnixMillis(parse_basic(timestamp).unwrap() * 1000);
        let mut headers = request.headers.clone();
        headers.retain(|(name, _)| name != "authorization" && name != "x-amz-date");
        let pair = KeyPair { access_key_id: "AKID".into(), secret_access_key: "secret".into() };
        let credentials = Credentials { pair: &pair, region: "r", service: "service" };
        let unsigned = Parsed { headers, ..request };
        let [_, authorization] =
            sign(&credentials, &unsigned.view(), &["host"], &unsigned.body, now);
        let day = &timestamp[..8];
        let scope = format!("{day}/r/service/aws4_request");
        let hash = hex_of(&sha256(canonical.trim_end().as_bytes()));
        let text = format!("AWS4-HMAC-SHA256\n{timestamp}\n{scope}\n{hash}");
        let credential = format!("AKID/{scope}");
        let key = derive_key("secret", &identity::sigv4::Scope::parse(&credential).unwrap());
        let tag = aws_lc_rs::hmac::sign(&key, text.as_bytes());
        let mut expected = [0; 32];
        expected.copy_from_slice(tag.as_ref());
        assert!(authorization.1.ends_with(&hex_of(&expected)), "{name}");
    }
}
