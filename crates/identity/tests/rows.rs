//! AWS's errors for signatures, row by row (`facts/security.md` § 1.3).
#![allow(clippy::unwrap_used)]

use identity::sigv4::{Policy, hex_of, parse_basic, sha256};
use identity::{Authority, Credentials, Identity, KeyPair, KeyRing, RequestView, sign};
use proptest::prelude::*;
use stdx::{Entropy, UnixMillis};
use wire::Fault;

const POLICY: Policy<'_> = Policy { service: Some("kinesis"), must_sign: &["x-amz-target"] };
const BODY: &[u8] = b"{}";

fn at(timestamp: &str) -> UnixMillis {
    UnixMillis(parse_basic(timestamp).unwrap() * 1000)
}

fn now() -> UnixMillis {
    at("20261124T120000Z")
}

fn pair() -> KeyPair {
    KeyPair { access_key_id: "AKIDEXAMPLE".into(), secret_access_key: "secret".into() }
}

fn authority() -> Authority {
    let keys = [(pair(), Identity::root("123456789012"))];
    Authority::SigV4(KeyRing::new(keys, &Entropy::seeded(1)))
}

type Headers = Vec<(String, String)>;

fn headers(pairs: &[(&str, &str)]) -> Headers {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A request that verifies.
fn signed(pair: &KeyPair, service: &str, when: UnixMillis, extra: &[(&str, &str)]) -> Headers {
    let mut all =
        headers(&[("host", "localhost:4567"), ("x-amz-target", "Kinesis_20131202.ListStreams")]);
    all.extend(headers(extra));
    let names: Vec<String> = all.iter().map(|(name, _)| name.clone()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let view = view(&all, "");
    let credentials = Credentials { pair, region: "us-east-1", service };
    let added = sign(&credentials, &view, &names, BODY, when);
    all.extend(added.map(|(name, value)| (name.to_owned(), value)));
    all
}

fn view<'a>(headers: &'a Headers, query: &'a str) -> RequestView<'a, [(String, String)]> {
    RequestView { method: "POST", path: "/", query, headers, authority: None }
}

fn prove(headers: &Headers, query: &str) -> Result<String, Fault> {
    let (authority, view) = (authority(), view(headers, query));
    let standing = authority.examine(&view, POLICY, now())?;
    Ok(authority.conclude(standing, &view, BODY)?.identity.account.to_string())
}

fn with(mut headers: Headers, name: &str, change: impl Fn(&str) -> String) -> Headers {
    let found = headers.iter_mut().find(|(key, _)| key == name).unwrap();
    found.1 = change(&found.1);
    headers
}

fn assert_fault(got: Result<String, Fault>, code: &str, message: &str) {
    let fault = got.unwrap_err();
    assert_eq!((&*fault.code, fault.message.as_deref(), fault.status), (code, Some(message), 400));
}

const INCOMPLETE: &str = "IncompleteSignatureException";
const INVALID: &str = "InvalidSignatureException";
const MISMATCH: &str = "The request signature we calculated does not match the signature you \
    provided. Check your AWS Secret Access Key and signing method. Consult the service \
    documentation for details.";
const UNRECOGNIZED: &str = "The security token included in the request is invalid.";

#[test]
fn a_good_signature_proves_its_account() {
    assert_eq!(prove(&signed(&pair(), "kinesis", now(), &[]), ""), Ok("123456789012".into()));
    // From the cache the second time.
    let authority = authority();
    let headers = signed(&pair(), "kinesis", now(), &[]);
    for _ in 0..2 {
        let view = view(&headers, "");
        let standing = authority.examine(&view, POLICY, now()).unwrap();
        assert_eq!(&*authority.conclude(standing, &view, BODY).unwrap().region, "us-east-1");
    }
    let view = view(&headers, "");
    let standing = authority.examine(&view, POLICY, now()).unwrap();
    assert!(authority.conclude(standing, &view, b"{ }").is_err());
}

#[test]
fn rows_3_to_5_where_the_signature_stands() {
    let both = signed(&pair(), "kinesis", now(), &[]);
    assert_fault(
        prove(&both, "X-Amz-Algorithm"),
        INVALID,
        "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.",
    );
    let none = headers(&[("host", "h")]);
    let missing = "MissingAuthenticationTokenException";
    assert_fault(prove(&none, ""), missing, "Missing Authentication Token");
    let empty = headers(&[("host", "h"), ("authorization", "")]);
    assert_fault(prove(&empty, ""), missing, "Missing Authentication Token");
    let query = "X-Amz-Credential=a&X-Amz-Signature=b&X-Amz-SignedHeaders=c&X-Amz-Date=d";
    assert_fault(prove(&none, query), missing, "Missing Authentication Token");
    let lacking = |value: &str, date: bool| {
        let mut all = headers(&[("host", "h"), ("authorization", value)]);
        if date {
            all.extend(headers(&[("date", "a")]));
        }
        prove(&all, "")
    };
    assert_fault(
        lacking("X", false),
        INCOMPLETE,
        "Authorization header requires 'Credential' parameter. Authorization header requires \
         'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. \
         Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. \
         Authorization=X",
    );
    for value in [
        "AWS4- Signature=b Credential=a",
        "AWS4- Signature=b,Credential=a",
        "AWS4- Signature=b, Credential=a",
    ] {
        assert_fault(
            lacking(value, true),
            INCOMPLETE,
            &format!(
                "Authorization header requires 'SignedHeaders' parameter. Authorization={value}"
            ),
        );
    }
    assert_fault(
        lacking("AWS4- x", true),
        INCOMPLETE,
        "'x' not a valid key=value pair (missing equal-sign) in Authorization header: 'AWS4- x'.",
    );
    assert_fault(
        prove(&none, "X-Amz-Algorithm&X-Amz-Date=x"),
        INCOMPLETE,
        "AWS query-string parameters must include 'X-Amz-Algorithm'. AWS query-string parameters \
         must include 'X-Amz-Credential'. AWS query-string parameters must include \
         'X-Amz-Signature'. AWS query-string parameters must include 'X-Amz-SignedHeaders'. \
         Re-examine the query-string parameters.",
    );
}

#[test]
fn rows_6_and_7_when_it_was_made() {
    let good = signed(&pair(), "kinesis", now(), &[]);
    assert_fault(
        prove(&with(good, "x-amz-date", |_| "yesterday".into()), ""),
        INCOMPLETE,
        "Date must be in ISO-8601 'basic format'. Got 'yesterday'. See \
         http://en.wikipedia.org/wiki/ISO_8601",
    );
    let made = |when: &str| prove(&signed(&pair(), "kinesis", at(when), &[]), "");
    assert!(made("20261124T115500Z").is_ok());
    assert!(made("20261124T120500Z").is_ok());
    assert_fault(
        made("20261124T115459Z"),
        INVALID,
        "Signature expired: 20261124T115459Z is now earlier than 20261124T115500Z \
         (20261124T120000Z - 5 min.)",
    );
    assert_fault(
        made("20261124T120501Z"),
        INVALID,
        "Signature not yet current: 20261124T120501Z is still later than 20261124T120500Z \
         (20261124T120000Z + 5 min.)",
    );
}

#[test]
fn row_8_what_must_be_signed() {
    let change = |from: &'static str, to: &'static str| {
        let good = signed(&pair(), "kinesis", now(), &[]);
        prove(&with(good, "authorization", |value| value.replace(from, to)), "")
    };
    assert_fault(
        change("host;", ""),
        INVALID,
        "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
    );
    assert_fault(
        change(";x-amz-target", ""),
        INVALID,
        "'x-amz-target' must be a 'SignedHeader' in the AWS Authorization.",
    );
    let many = format!("host;{}x-amz-target", "h;".repeat(99));
    let good = signed(&pair(), "kinesis", now(), &[]);
    let many =
        with(good, "authorization", |value| value.replace("host;x-amz-date;x-amz-target", &many));
    assert_fault(prove(&many, ""), INCOMPLETE, "More than 100 headers are signed.");
    let long = signed(&pair(), "kinesis", now(), &[]);
    let long = with(long, "authorization", |value| format!("{value}{}", "0".repeat(8192)));
    assert_fault(prove(&long, ""), INCOMPLETE, "Authorization header is longer than 8192 bytes.");
}

#[test]
fn rows_9_to_11_what_it_is_for() {
    let change = |from: &str, to: &str| {
        let good = signed(&pair(), "kinesis", now(), &[]);
        prove(&with(good, "authorization", |value| value.replace(from, to)), "")
    };
    assert_fault(
        change("AWS4-HMAC-SHA256", "AWS4-HMAC-MD5"),
        INCOMPLETE,
        "Unsupported AWS 'algorithm': 'AWS4-HMAC-MD5' (only AWS4-HMAC-SHA256 for now).",
    );
    assert_fault(
        change("/aws4_request", ""),
        INCOMPLETE,
        "Credential must have exactly 5 slash-delimited elements, e.g. \
         keyid/date/region/service/term, got 'AKIDEXAMPLE/20261124/us-east-1/kinesis'",
    );
    assert_fault(
        change(
            "/20261124/us-east-1/kinesis/aws4_request",
            "/20261123/US EAST/s3/aws3".replace(' ', "_").as_str(),
        ),
        INVALID,
        "Credential should be scoped to a valid region, not 'US_EAST'. Credential should be scoped \
         to correct service: 'kinesis'. Credential should be scoped with a valid terminator: \
         'aws4_request', not 'aws3'. Date in Credential scope does not match YYYYMMDD from \
         ISO-8601 version of date from HTTP: '20261123' != '20261124', from '20261124T120000Z'.",
    );
}

#[test]
fn regions_are_short_words() {
    let scoped = |region: &str| {
        let pair = pair();
        let credentials = Credentials { pair: &pair, region, service: "kinesis" };
        let mut all = headers(&[("host", "h")]);
        let added = sign(&credentials, &view(&all, ""), &["host"], BODY, now());
        all.extend(added.map(|(name, value)| (name.to_owned(), value)));
        prove(&all, "")
    };
    assert!(scoped("ap-southeast-7").is_ok());
    assert!(scoped(&"r".repeat(32)).is_ok());
    for wrong in ["", "us_east", "US-EAST-1", "r.r", &"r".repeat(33)] {
        assert_fault(
            scoped(wrong),
            INVALID,
            &format!("Credential should be scoped to a valid region, not '{wrong}'."),
        );
    }
}

#[test]
fn host_and_authority_stand_in_for_each_other() {
    let prove = |signed: &str, authority: Option<&str>, host: Option<&str>| {
        let (pair, ring) = (pair(), self::authority());
        let view = |headers, authority| RequestView {
            method: "POST",
            path: "/",
            query: "",
            headers,
            authority,
        };
        let credentials = Credentials { pair: &pair, region: "us-east-1", service: "kinesis" };
        let made: Headers = headers(&[("host", "one")]);
        let added = sign(&credentials, &view(&*made, None), &[signed], BODY, now());
        let mut sent: Headers =
            host.map(|host| ("host".to_owned(), host.to_owned())).into_iter().collect();
        sent.extend(added.map(|(name, value)| (name.to_owned(), value)));
        let view = view(&*sent, authority);
        let standing = ring.examine(&view, POLICY, now()).unwrap();
        ring.conclude(standing, &view, BODY).is_ok()
    };
    for signed in ["host", ":authority"] {
        assert!(prove(signed, None, Some("one")));
        assert!(prove(signed, Some("one"), None));
        assert!(!prove(signed, Some("two"), None));
        assert!(!prove(signed, None, Some("two")));
        assert!(!prove(signed, None, None));
    }
    // Where both exist each is itself.
    assert!(prove("host", Some("two"), Some("one")));
    assert!(!prove("host", Some("one"), Some("two")));
    assert!(prove(":authority", Some("one"), Some("two")));
    assert!(!prove(":authority", Some("two"), Some("one")));
}

#[test]
fn rows_12_to_14_whose_it_is() {
    let stranger = KeyPair { access_key_id: "AKIDNOBODY".into(), secret_access_key: "s".into() };
    let unrecognized = "UnrecognizedClientException";
    assert_fault(prove(&signed(&stranger, "kinesis", now(), &[]), ""), unrecognized, UNRECOGNIZED);
    let token = [("x-amz-security-token", "token")];
    assert_fault(prove(&signed(&pair(), "kinesis", now(), &token), ""), unrecognized, UNRECOGNIZED);
    let wrong = KeyPair { secret_access_key: "other".into(), ..pair() };
    assert_fault(prove(&signed(&wrong, "kinesis", now(), &[]), ""), INVALID, MISMATCH);
    let short = with(signed(&pair(), "kinesis", now(), &[]), "authorization", |value| {
        value[..value.len() - 1].to_owned()
    });
    assert_fault(prove(&short, ""), INVALID, MISMATCH);
}

#[test]
fn what_the_body_is_said_to_be() {
    let stated = |hash: &str| {
        prove(&signed(&pair(), "kinesis", now(), &[("x-amz-content-sha256", hash)]), "")
    };
    assert!(stated(&hex_of(&sha256(BODY))).is_ok());
    for wrong in
        [&hex_of(&sha256(b"else")), "UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", ""]
    {
        assert_fault(stated(wrong), INVALID, MISMATCH);
    }
}

#[test]
fn a_stated_hash_proves_the_head_and_then_the_body() {
    let hash = hex_of(&sha256(BODY));
    let stated = [("x-amz-content-sha256", hash.as_str())];
    let ring = authority();
    let ask = |headers: &Headers, body: &[u8]| {
        let view = view(headers, "");
        let standing = ring.examine(&view, POLICY, now())?;
        Ok(ring.conclude(standing, &view, body)?.identity.account.to_string())
    };
    let stranger = KeyPair { access_key_id: "AKIDNOBODY".into(), secret_access_key: "s".into() };
    let wrong = KeyPair { secret_access_key: "other".into(), ..pair() };
    let token = [stated[0], ("x-amz-security-token", "token")];
    // Once without a derived key in the cache, and once with it.
    for _ in 0..2 {
        let unknown = ask(&signed(&stranger, "kinesis", now(), &stated), BODY);
        assert_fault(unknown, "UnrecognizedClientException", UNRECOGNIZED);
        let tokened = ask(&signed(&pair(), "kinesis", now(), &token), BODY);
        assert_fault(tokened, "UnrecognizedClientException", UNRECOGNIZED);
        assert_fault(ask(&signed(&wrong, "kinesis", now(), &stated), BODY), INVALID, MISMATCH);
        let good = signed(&pair(), "kinesis", now(), &stated);
        assert_fault(ask(&good, b"another body"), INVALID, MISMATCH);
        assert!(ask(&good, BODY).is_ok());
    }
}

#[test]
fn presigned_requests_live_as_long_as_they_say() {
    let query = |expires: &str| {
        format!(
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20261124%2Fus-east-1%2Fkinesis%2Faws4_request&X-Amz-Date=20261124T110000Z&X-Amz-Expires={expires}&X-Amz-SignedHeaders=host&X-Amz-Signature=00"
        )
    };
    let host = headers(&[("host", "h")]);
    assert_fault(
        prove(&host, &query("3599")),
        INVALID,
        "Signature expired: 20261124T110000Z is now earlier than 20261124T110001Z \
         (20261124T120000Z - 3599 sec.)",
    );
    for wrong in ["0", "604801", "-1", "x", ""] {
        let fault = prove(&host, &query(wrong)).unwrap_err();
        assert_eq!(fault.code, INCOMPLETE, "{wrong}");
    }
    assert_fault(prove(&host, &query("3600")), INVALID, MISMATCH);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, ..ProptestConfig::default() })]

    /// Whatever strangers send: a fault, never a panic, never belief.
    #[test]
    fn nonsense_is_refused(
        authorization in prop::option::of(AUTHORIZATION), query in QUERY, path in "[ -~]{0,20}",
        date in "(20261124T120000Z|[ -~]{0,18}|\\PC{0,10})", token in prop::option::of("[ -~]{0,8}"),
    ) {
        let mut all = headers(&[("host", "h"), ("x-amz-date", &date)]);
        let optional = [("authorization", authorization), ("x-amz-security-token", token)];
        for (name, value) in optional {
            all.extend(value.map(|value| (name.to_owned(), value)));
        }
        let view = RequestView { path: &path, ..view(&all, &query) };
        let authority = authority();
        let proven = authority
            .examine(&view, POLICY, now())
            .and_then(|standing| authority.conclude(standing, &view, BODY));
        prop_assert!(proven.is_err());
        // Without signatures nothing is refused either.
        prop_assert!(Authority::none("1").examine(&view, POLICY, now()).is_ok());
    }
}

const AUTHORIZATION: &str = "(AWS4-HMAC-SHA256|[ -~]{0,8})[ ,]?(Credential=(AKIDEXAMPLE|[ -~]{0,4})\
    (/(20261124|us-east-1|kinesis|aws4_request|[ -~]{0,3})){0,5})?,? ?(SignedHeaders=[a-z;:-]{0,12})?\
    ,? ?(Signature=([0-9a-f]{64}|\\PC{0,4}))?";
const QUERY: &str = "((X-Amz-(Algorithm|Credential|Signature|SignedHeaders|Date|Expires)=?\
    ([ -~]|%[0-9a-zA-Z]{0,2}){0,6}|\\PC{0,3})&){0,8}";
