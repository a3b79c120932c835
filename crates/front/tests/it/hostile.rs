//! Callers that mean no good.

use std::time::Duration;

use crate::harness::{JSON, Server, Setting, settle, still_clock};

const ECHO: &str = "Toy_20261124.Echo";

#[tokio::test]
async fn slow_starts_slow_heads_and_slow_bodies_are_cut_within_ten_seconds() {
    let server = Server::start(Setting { clock: still_clock(), ..Setting::default() });
    let mut silent = server.connect().await;
    let mut head = server.connect().await;
    head.write(b"POST / HTTP/1.1\r\nhost: a\r\nx-slow: ").await;
    let mut preface = server.connect().await;
    preface.write(b"PRI * HTTP/2.0\r\n").await;
    let mut body = server.connect().await;
    let message = server.call("Echo", r#"{"Text":"slow"}"#);
    body.write(message.head().as_bytes()).await;
    body.write(b"{").await;
    settle().await;
    server.pass(Duration::from_secs(10)).await;
    assert!(silent.is_closed().await);
    assert!(head.is_closed().await);
    assert!(preface.is_closed().await);
    assert_eq!(body.reply().await.fault().0, 408);
    assert!(body.is_closed().await);
}

#[tokio::test]
async fn a_steady_sender_is_not_slow() {
    let server = Server::start(Setting { clock: still_clock(), ..Setting::default() });
    let message = server.call("Echo", &format!(r#"{{"Text":"{}"}}"#, "x".repeat(400_000)));
    let mut wire = server.connect().await;
    wire.write(message.head().as_bytes()).await;
    for piece in message.body.chunks(20_000) {
        wire.write(piece).await;
        settle().await;
        server.pass(Duration::from_secs(1)).await;
    }
    assert_eq!(wire.reply().await.status, 200);
}

#[tokio::test]
async fn who_does_not_read_answers_is_cut_after_a_while() {
    let server = Server::start(Setting { clock: still_clock(), ..Setting::default() });
    let message = server.call("Echo", &format!(r#"{{"Text":"{}"}}"#, "x".repeat(450_000)));
    let mut wire = server.connect().await;
    // More than the sockets' buffers take in either direction.
    let writing = stdx::task::spawn(async move {
        let bytes = message.bytes();
        for _ in 0..100 {
            let written = tokio::io::AsyncWriteExt::write_all(&mut wire.stream, &bytes);
            if written.await.is_err() {
                return true;
            }
        }
        false
    });
    settle().await;
    server.pass(Duration::from_secs(330)).await;
    assert!(writing.await.unwrap(), "the connection was cut");
}

#[tokio::test]
async fn oversize_heads_are_refused() {
    let server = Server::plain();
    let mut wire = server.connect().await;
    let long = server.call("Echo", "{}").header("x-long", &"a".repeat(70_000));
    wire.write(&long.bytes()).await;
    assert_eq!(wire.reply().await.status, 431);
    let mut many = server.call("Echo", "{}");
    for index in 0..200 {
        many = many.header(&format!("x-{index}"), "v");
    }
    assert_eq!(server.send(&many).await.status, 431);
}

#[tokio::test]
async fn two_gibibytes_are_refused_at_once() {
    let server = Server::plain();
    let mut wire = server.connect().await;
    // Signed or not, nothing of it is waited for.
    let message = server.call("Echo", "{}").header("content-length", "2147483648");
    wire.write(message.head().as_bytes()).await;
    let fault = wire.reply().await.fault();
    assert_eq!((fault.0, fault.1.as_str()), (413, "RequestEntityTooLargeException"));
}

#[tokio::test]
async fn a_stranger_with_a_large_body_is_refused_from_the_head() {
    let server = Server::plain();
    let body = format!(r#"{{"Text":"{}"}}"#, "z".repeat(300_000));
    let headers = [("content-type", JSON), ("x-amz-target", ECHO)];
    let stranger = server.message(&headers, body.as_bytes());
    // The answer arrives although the body was not wanted.
    let fault = server.send(&stranger).await.fault();
    assert_eq!(fault.1, "MissingAuthenticationTokenException");
    // The same without an announced length.
    let mut wire = server.connect().await;
    let chunked = stranger.header("transfer-encoding", "chunked");
    wire.write(chunked.head().as_bytes()).await;
    wire.write(format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).as_bytes()).await;
    assert_eq!(wire.reply().await.fault().1, "MissingAuthenticationTokenException");
}

#[tokio::test]
async fn a_full_budget_makes_callers_wait_and_then_come_again() {
    let clock = still_clock();
    let server = Server::start(Setting { clock, budget_bytes: 400_000, ..Setting::default() });
    // Half of the budget is for the unproven, and this takes all of that half.
    let holding = server.call("Echo", &format!(r#"{{"Text":"{}"}}"#, "x".repeat(199_000)));
    let mut holder = server.connect().await;
    holder.write(holding.head().as_bytes()).await;
    holder.write(&holding.body[..100]).await;
    settle().await;
    let mut waiting = server.connect().await;
    waiting.write(&holding.bytes()).await;
    settle().await;
    server.pass(Duration::from_secs(1)).await;
    holder.write(&holding.body[100..]).await;
    assert_eq!(holder.reply().await.status, 200);
    assert_eq!(waiting.reply().await.status, 200, "room came free in time");

    let mut holder = server.connect().await;
    holder.write(holding.head().as_bytes()).await;
    holder.write(&holding.body[..100]).await;
    settle().await;
    let mut refused = server.connect().await;
    refused.write(&holding.bytes()).await;
    settle().await;
    server.pass(Duration::from_secs(3)).await;
    let fault = refused.reply().await.fault();
    assert_eq!((fault.0, fault.1.as_str()), (503, "ServiceUnavailableException"));
    // A caller that proves itself by its head has the other half.
    let hash = identity::sigv4::hex_of(&identity::sigv4::sha256(&holding.body));
    let headers =
        [("content-type", JSON), ("x-amz-target", ECHO), ("x-amz-content-sha256", hash.as_str())];
    let proven = server.message(&headers, &holding.body).signed(&server.pair, server.clock.wall());
    assert_eq!(server.send(&proven).await.status, 200);
}

#[tokio::test]
async fn a_stranger_who_asks_first_is_not_asked_for_the_body() {
    let server = Server::plain();
    let headers = [("content-type", JSON), ("x-amz-target", ECHO), ("expect", "100-continue")];
    let stranger = server.message(&headers, &[b' '; 300_000]);
    let mut wire = server.connect().await;
    wire.write(stranger.head().as_bytes()).await;
    assert_eq!(wire.reply().await.fault().1, "MissingAuthenticationTokenException");
}

#[tokio::test]
async fn a_body_beyond_the_routes_cap_is_answered_not_reset() {
    let server = Server::plain();
    let body = " ".repeat(crate::toy::ECHO_BYTES_MAX + 1);
    let message = server.call("Echo", &body);
    assert_eq!(server.send(&message).await.status, 413);
    // The same without an announced length.
    let mut wire = server.connect().await;
    wire.write(message.header("transfer-encoding", "chunked").head().as_bytes()).await;
    wire.write(format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).as_bytes()).await;
    assert_eq!(wire.reply().await.status, 413);
}

const H2_START: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// An HTTP/2 frame (RFC 9113 § 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend_from_slice(&[kind, flags]);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// Sends until the server closes; true if it did before all was sent.
async fn is_cut_off(server: &Server, pieces: impl Iterator<Item = Vec<u8>>) -> bool {
    let mut wire = server.connect().await;
    wire.write(H2_START).await;
    for piece in pieces {
        if tokio::io::AsyncWriteExt::write_all(&mut wire.stream, &piece).await.is_err() {
            return true;
        }
    }
    let clock = stdx::Clock::system();
    clock.timeout(Duration::from_secs(5), wire.rest()).await.is_some()
}

#[tokio::test]
async fn rapid_resets_and_endless_headers_close_the_connection() {
    /// `POST`, `http`, `/` from HPACK's static table, and an authority `a`.
    const HEADERS: &[u8] = &[0x83, 0x86, 0x84, 0x41, 0x01, b'a'];
    let server = Server::plain();
    let resets = (0..20_000u32).map(|index| {
        let stream = index * 2 + 1;
        let mut pair = frame(1, 4, stream, HEADERS);
        pair.extend(frame(3, 0, stream, &8u32.to_be_bytes()));
        pair
    });
    assert!(is_cut_off(&server, resets).await);
    let endless = std::iter::once(frame(1, 0, 1, HEADERS))
        .chain((0..10_000).map(|_| frame(9, 0, 1, &[0x40, 0x01, b'n', 0x01, b'v'].repeat(3_000))));
    assert!(is_cut_off(&server, endless).await);
    assert_eq!(server.send(&server.call("Echo", "{}")).await.status, 200);
}

#[tokio::test]
async fn nonsense_does_no_harm() {
    let server = Server::plain();
    for bytes in [&b"\x16\x03\x01\x02\x00"[..], b"\0\0\0\0", b"GET\r\n\r\n", b"\xff\xfe"] {
        let mut wire = server.connect().await;
        wire.write(bytes).await;
        let text = wire.rest().await;
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 400"), "{text}");
    }
    assert_eq!(server.send(&server.call("Echo", "{}")).await.status, 200);
}
