//! Connections over their life: HTTP/2, reuse, draining.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use identity::{Credentials, HeaderView, RequestView, sign};
use stdx::task;
use tokio::net::TcpStream;

use crate::harness::{JSON, Server, Setting, settle, still_clock};
use crate::toy;

/// A request as the JavaScript SDK makes it: signed over `:authority`, without `host`.
pub(crate) fn h2_request(
    server: &Server,
    operation: &str,
    body: &str,
) -> http::Request<Full<Bytes>> {
    let authority = server.addr.to_string();
    let target = format!("{}.{operation}", toy::PROFILE.target_prefix);
    let headers =
        [("content-type".to_owned(), JSON.to_owned()), ("x-amz-target".to_owned(), target)];
    let view = RequestView {
        method: "POST",
        path: "/",
        query: "",
        headers: headers.as_slice(),
        authority: Some(&authority),
    };
    let credentials =
        Credentials { pair: &server.pair, region: "us-east-1", service: toy::PROFILE.signing_name };
    let names = [":authority", "content-type", "x-amz-target"];
    let added = sign(&credentials, &view, &names, body.as_bytes(), server.clock.wall());
    let mut request = http::Request::builder().method("POST").uri(format!("http://{authority}/"));
    for (name, value) in headers.iter().map(|(name, value)| (name.as_str(), value)) {
        request = request.header(name, value);
    }
    for (name, value) in &added {
        request = request.header(*name, value);
    }
    assert!(headers.as_slice().value("host").is_none());
    request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()
}

pub(crate) async fn h2_client(server: &Server) -> http2::SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(server.addr).await.unwrap();
    let (client, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    task::spawn(async move {
        let _ended = connection.await;
    });
    client
}

#[tokio::test]
async fn http2_with_a_signed_authority() {
    let server = Server::plain();
    let mut client = h2_client(&server).await;
    let requests = (0..50).map(|index| {
        let body = format!(r#"{{"Text":"{index}"}}"#);
        client.send_request(h2_request(&server, "Echo", &body))
    });
    for (index, response) in requests.collect::<Vec<_>>().into_iter().enumerate() {
        let response = response.await.unwrap();
        assert_eq!(response.status(), 200);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(value["Text"], index.to_string());
    }
}

#[tokio::test]
async fn http2_carries_large_bodies_and_event_streams() {
    let mut server = Server::start(Setting { clock: still_clock(), ..Setting::default() });
    let mut client = h2_client(&server).await;
    let body = format!(r#"{{"Text":"{}"}}"#, "y".repeat(450_000));
    let response = client.send_request(h2_request(&server, "Echo", &body)).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.into_body().collect().await.unwrap().to_bytes().len() > 450_000);
    let response = client.send_request(h2_request(&server, "Ticks", "{}")).await.unwrap();
    let mut events = response.into_body();
    let first = events.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, "tick 0\n");
    server.begin_stop();
    assert!(events.collect().await.unwrap().to_bytes().is_empty());
    assert_eq!(server.stopped().await.connections_aborted, 0);
}

#[tokio::test]
async fn stopping_waits_for_open_requests_and_refuses_new_connections() {
    let mut server = Server::start(Setting { clock: still_clock(), ..Setting::default() });
    let mut busy = server.connect().await;
    busy.write(&server.call("Echo", r#"{"Text":"sleep 5"}"#).bytes()).await;
    let mut idle = server.connect().await;
    idle.write(&server.call("Echo", "{}").bytes()).await;
    assert_eq!(idle.reply().await.status, 200);
    server.begin_stop();
    assert!(idle.is_closed().await);
    assert!(TcpStream::connect(server.addr).await.is_err());
    server.pass(Duration::from_secs(5)).await;
    assert_eq!(busy.reply().await.status, 200);
    assert_eq!(server.stopped().await.connections_aborted, 0);
}

#[tokio::test]
async fn stopping_does_not_wait_for_ever() {
    let mut server = Server::start(Setting { clock: still_clock(), ..Setting::default() });
    let mut busy = server.connect().await;
    busy.write(&server.call("Echo", r#"{"Text":"sleep 3600"}"#).bytes()).await;
    settle().await;
    server.begin_stop();
    settle().await;
    server.pass(front::limits::DRAIN_MAX).await;
    assert!(busy.is_closed().await);
    assert_eq!(server.stopped().await.connections_aborted, 1);
}

#[tokio::test]
async fn idle_connections_are_closed_after_a_while() {
    let server = Server::start(Setting { clock: still_clock(), ..Setting::default() });
    let mut wire = server.connect().await;
    wire.write(&server.call("Echo", "{}").bytes()).await;
    assert_eq!(wire.reply().await.status, 200);
    server.pass(Duration::from_secs(60)).await;
    wire.write(&server.call("Echo", "{}").bytes()).await;
    assert_eq!(wire.reply().await.status, 200, "a minute is not long");
    server.pass(Duration::from_secs(130)).await;
    assert!(wire.is_closed().await);
}

#[tokio::test]
async fn a_change_is_carried_through_though_its_caller_hangs_up() {
    let server = Server::start(Setting { clock: still_clock(), ..Setting::default() });
    let mut wire = server.connect().await;
    wire.write(&server.call("Change", "{}").bytes()).await;
    settle().await;
    drop(wire);
    settle().await;
    server.pass(Duration::from_secs(toy::CHANGE_SECONDS)).await;
    assert_eq!(toy::CHANGES.load(std::sync::atomic::Ordering::SeqCst), 1);
}
