//! Calls over HTTP/1.1: what works, and AWS's precedence of what does not.

use std::time::Duration;

use identity::KeyPair;
use stdx::UnixMillis;

use crate::harness::{ACCOUNT, CBOR, JSON, Message, Reply, Server, Setting};

const ECHO: &str = "Toy_20261124.Echo";

#[tokio::test]
async fn a_signed_call_is_answered() {
    let server = Server::plain();
    let reply = server.send(&server.call("Echo", r#"{"Text":"hello"}"#)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some(JSON));
    assert_eq!(reply.header("x-amzn-requestid").map(str::len), Some(36));
    assert_eq!(reply.header("x-amz-id-2").map(str::len), Some(96));
    assert!(reply.header("date").is_some());
    let value: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(value["Text"], "hello");
    assert_eq!(value["Account"], ACCOUNT);
    assert_eq!(value["Region"], "eu-west-1");
    let metrics = server.telemetry.prometheus_text();
    assert!(
        metrics.contains("levada_operation_seconds_count{service=\"toy\",operation=\"Echo\"} 1")
    );
}

#[tokio::test]
async fn a_large_body_in_many_pieces_is_one_body() {
    let server = Server::plain();
    let text = "x".repeat(400_000);
    let message = server.call("Echo", &format!(r#"{{"Text":"{text}"}}"#));
    let mut wire = server.connect().await;
    for piece in message.bytes().chunks(7_777) {
        wire.write(piece).await;
    }
    let reply = wire.reply().await;
    assert_eq!(reply.status, 200);
    assert!(reply.body.len() > 400_000);
}

#[tokio::test]
async fn a_head_in_single_bytes_is_a_head() {
    let server = Server::plain();
    let message = server.call("Echo", "{}");
    let mut wire = server.connect().await;
    wire.stream.set_nodelay(true).unwrap();
    for byte in message.bytes() {
        wire.write(&[byte]).await;
    }
    assert_eq!(wire.reply().await.status, 200);
}

#[tokio::test]
async fn chunked_bodies_and_continue_work() {
    let server = Server::plain();
    let message = server.call("Echo", r#"{"Text":"chunky"}"#);
    let mut wire = server.connect().await;
    let chunked = message.clone().header("transfer-encoding", "chunked");
    wire.write(chunked.head().as_bytes()).await;
    wire.write(b"8\r\n{\"Text\":\r\n9\r\n\"chunky\"}\r\n0\r\n\r\n").await;
    let reply = wire.reply().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    // The same connection, now waiting to be asked for the body.
    let expecting = message.header("expect", "100-continue");
    wire.write(expecting.head().as_bytes()).await;
    assert_eq!(wire.reply().await.status, 100);
    wire.write(&expecting.body).await;
    assert_eq!(wire.reply().await.status, 200);
}

#[tokio::test]
async fn a_stated_hash_is_verified_before_the_body_and_again_after() {
    let server = Server::plain();
    let body = r#"{"Text":"hashed"}"#;
    let hash = identity::sigv4::hex_of(&identity::sigv4::sha256(body.as_bytes()));
    let message = server
        .message(
            &[("content-type", JSON), ("x-amz-target", ECHO), ("x-amz-content-sha256", &hash)],
            body.as_bytes(),
        )
        .signed(&server.pair, server.clock.wall());
    assert_eq!(server.send(&message).await.status, 200);
    let mut forged = message.clone();
    forged.body = br#"{"Text":"forged"}"#.to_vec();
    assert_eq!(server.send(&forged).await.fault().1, "InvalidSignatureException");
}

#[tokio::test]
async fn a_large_body_of_unknown_length_grows_as_it_comes() {
    let server = Server::plain();
    let message = server.call("Echo", &format!(r#"{{"Text":"{}"}}"#, "x".repeat(450_000)));
    let mut wire = server.connect().await;
    wire.write(message.clone().header("transfer-encoding", "chunked").head().as_bytes()).await;
    for piece in message.body.chunks(10_000) {
        wire.write(format!("{:x}\r\n", piece.len()).as_bytes()).await;
        wire.write(piece).await;
        wire.write(b"\r\n").await;
    }
    wire.write(b"0\r\n\r\n").await;
    let reply = wire.reply().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let mut metrics = server.message(&[], b"");
    (metrics.method, metrics.path) = ("GET".into(), "/metrics".into());
    let text = server.send(&metrics).await.text();
    assert!(text.contains("levada_request_body_bytes 0\n"), "nothing is held: {text}");
}

/// Sends messages over one connection, which errors keep open, and compares what comes back.
async fn assert_answers(server: &Server, cases: Vec<(&str, Message, u16, &str)>) {
    let mut wire = server.connect().await;
    for (name, message, status, code) in cases {
        wire.write(&message.bytes()).await;
        let fault = wire.reply().await.fault();
        assert_eq!((fault.0, fault.1.as_str()), (status, code), "{name}: {}", fault.2);
    }
    wire.write(&server.call("Echo", "{}").bytes()).await;
    assert_eq!(wire.reply().await.status, 200);
}

#[tokio::test]
async fn who_is_not_root_is_denied_in_awss_words() {
    let principal = "arn:aws:iam::123456789012:user/ann".to_owned();
    let server = Server::start(Setting { principal: Some(principal), ..Setting::default() });
    let fault = server.send(&server.call("Ticks", "{}")).await.fault();
    let words = "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: toy:Ticks \
                 on resource: arn:aws:toy:eu-west-1:123456789012:ticks because no identity-based \
                 policy allows the toy:Ticks action";
    assert_eq!(fault, (400, "AccessDeniedException".into(), words.into()));
}

#[tokio::test]
async fn syntax_comes_before_target_before_signature() {
    let (server, nope) = (Server::plain(), "Toy_20261124.Nope");
    let no_target = |body: &[u8]| server.message(&[("content-type", JSON)], body);
    let (serialization, unknown) = ("SerializationException", "UnknownOperationException");
    let missing = "MissingAuthenticationTokenException";
    let cases = vec![
        ("broken syntax first", unsigned(&server, nope, "{"), 400, serialization),
        ("a number is no body", unsigned(&server, ECHO, "17"), 400, serialization),
        ("an unknown target", unsigned(&server, nope, "{}"), 400, unknown),
        ("no target", no_target(b"{}"), 400, unknown),
        ("no body", unsigned(&server, ECHO, ""), 400, serialization),
        ("no body and no target", no_target(b""), 400, unknown),
        ("no signature before types", unsigned(&server, ECHO, r#"{"Text":1}"#), 400, missing),
    ];
    assert_answers(&server, cases).await;
}

#[tokio::test]
async fn signatures_come_before_types_before_constraints() {
    let server = Server::plain();
    let half = unsigned(&server, ECHO, "{}").header("authorization", "X");
    let mut forged = server.call("Echo", "{}");
    forged.body = br#"{"Text":1}"#.to_vec();
    let mut broken = server.call("Echo", "{}");
    broken.body = b"{".to_vec();
    let stranger = KeyPair { access_key_id: "AKIANOBODY".into(), ..server.pair.clone() };
    let stranger = unsigned(&server, ECHO, "{}").signed(&stranger, server.clock.wall());
    let token = server.call("Echo", "{}").header("x-amz-security-token", "t");
    let old = unsigned(&server, ECHO, "{}").signed(&server.pair, minutes_ago(&server, 6));
    let types = server.call("Echo", r#"{"Text":1}"#);
    let long = server.call("Echo", &format!(r#"{{"Text":"{}"}}"#, "x".repeat(500_001)));
    let ours = server.call("Echo", r#"{"Text":"break"}"#);
    let cases = vec![
        ("half a signature", half, 400, "IncompleteSignatureException"),
        ("a wrong signature before types", forged, 400, "InvalidSignatureException"),
        ("broken syntax before a wrong signature", broken, 400, "SerializationException"),
        ("an unknown key", stranger, 400, "UnrecognizedClientException"),
        ("a token for a root key", token, 400, "UnrecognizedClientException"),
        ("an old signature", old, 400, "InvalidSignatureException"),
        ("types before constraints", types, 400, "SerializationException"),
        ("constraints", long, 400, "ValidationException"),
        ("a failure of ours", ours, 500, "InternalFailure"),
    ];
    assert_answers(&server, cases).await;
}

fn unsigned(server: &Server, target: &str, body: &str) -> Message {
    server.message(&[("content-type", JSON), ("x-amz-target", target)], body.as_bytes())
}

fn minutes_ago(server: &Server, minutes: u64) -> UnixMillis {
    server.clock.wall().before(Duration::from_secs(minutes * 60))
}

#[tokio::test]
async fn what_is_no_awsjson_is_answered_in_xml() {
    let server = Server::plain();
    let denied = "<AccessDeniedException>\n  <Message>Unable to determine service/operation name to \
                  be authorized</Message>\n</AccessDeniedException>\n";
    let reply = server.send(&server.message(&[], b"{}")).await;
    assert_eq!((reply.status, reply.text().as_str()), (403, denied));
    assert_eq!(reply.header("content-type"), None);
    let reply = server.send(&server.message(&[("x-amz-target", ECHO)], b"{}")).await;
    assert_eq!((reply.status, reply.text().as_str()), (404, "<UnknownOperationException/>\n"));
    for method in ["PUT", "DELETE", "PATCH", "GET"] {
        let mut message = server.call("Echo", "");
        message.method = method.into();
        assert_eq!(server.send(&message).await.text(), denied);
    }
}

#[tokio::test]
async fn plain_json_is_answered_as_long_ago() {
    let server = Server::plain();
    let send = async |body: &str| {
        let headers = [("content-type", "application/json"), ("x-amz-target", ECHO)];
        server.send(&server.message(&headers, body.as_bytes())).await
    };
    let told = |code: &str| {
        format!(r#"{{"Output":{{"__type":"com.amazon.coral.service#{code}"}},"Version":"1.0"}}"#)
    };
    for (body, status, code) in
        [("{}", 404, "UnknownOperationException"), ("hello", 400, "SerializationException")]
    {
        let reply: Reply = send(body).await;
        assert_eq!((reply.status, reply.text()), (status, told(code)), "{body}");
    }
    let empty = send("").await;
    assert_eq!((empty.status, empty.header("content-type")), (400, Some(CBOR)));
    assert!(empty.body.windows(22).any(|window| window == b"SerializationException"));
}

#[tokio::test]
async fn cbor_callers_get_cbor() {
    let server = Server::plain();
    let sent = |body: &[u8]| {
        server
            .message(&[("content-type", CBOR), ("x-amz-target", ECHO)], body)
            .signed(&server.pair, server.clock.wall())
    };
    let reply = server.send(&sent(b"\xbf\x64Text\x65hello\xff")).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some(CBOR));
    assert!(reply.body.windows(5).any(|window| window == b"hello"));
    let reply = server.send(&sent(b"\xbf\x64Te")).await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.header("content-type"), Some(CBOR));
    assert!(reply.body.windows(22).any(|window| window == b"SerializationException"));
}

#[tokio::test]
async fn without_signatures_everyone_is_root() {
    let server = Server::start(Setting { unsigned: true, ..Setting::default() });
    let reply = server.send(&unsigned(&server, ECHO, "{}")).await;
    let value: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(value["Region"], "us-east-1");
    assert_eq!(value["Account"], ACCOUNT);
    let scoped = unsigned(&server, ECHO, "{}").header(
        "authorization",
        "AWS4-HMAC-SHA256 Credential=test/20200101/ap-south-1/toy/aws4_request, SignedHeaders=host, Signature=0",
    );
    let value: serde_json::Value =
        serde_json::from_slice(&server.send(&scoped).await.body).unwrap();
    assert_eq!(value["Region"], "ap-south-1");
    let mut presigned = unsigned(&server, ECHO, "{}");
    presigned.path = "/?X-Amz-Algorithm=a&X-Amz-Credential=k%2Fd%2Fsa-east-1%2Ftoy%2Faws4_request&\
                      X-Amz-Signature=s&X-Amz-SignedHeaders=host&X-Amz-Date=d"
        .into();
    let value: serde_json::Value =
        serde_json::from_slice(&server.send(&presigned).await.body).unwrap();
    assert_eq!(value["Region"], "sa-east-1");
}

#[tokio::test]
async fn browsers_are_answered_only_if_requests_are_signed() {
    let server = Server::plain();
    let mut preflight =
        server.message(&[("origin", "http://a"), ("access-control-request-headers", "a, b")], b"");
    preflight.method = "OPTIONS".into();
    let reply = server.send(&preflight).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    assert_eq!(reply.header("access-control-allow-headers"), Some("a, b"));
    assert_eq!(reply.header("access-control-max-age"), Some("172800"));
    assert_eq!(reply.header("x-amz-id-2"), None);
    let reply = server.send(&server.call("Echo", "{}").header("origin", "http://a")).await;
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));

    let open = Server::start(Setting { unsigned: true, ..Setting::default() });
    let reply = open.send(&preflight).await;
    assert_eq!(reply.status, 403);
    assert_eq!(reply.header("access-control-allow-origin"), None);
}
