//! What probes and browsers see.

use crate::harness::{Message, Server, Setting};

fn get(server: &Server, path: &str) -> Message {
    let mut message = server.message(&[], b"");
    message.method = "GET".into();
    message.path = path.into();
    message
}

#[tokio::test]
async fn health_and_metrics() {
    let server = Server::plain();
    assert_eq!(server.send(&get(&server, "/health/live")).await.status, 200);
    assert_eq!(server.send(&get(&server, "/health/ready")).await.status, 200);
    server.send(&server.call("Echo", "{}")).await;
    let reply = server.send(&get(&server, "/metrics")).await;
    assert_eq!(reply.status, 200);
    assert!(reply.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    assert!(reply.text().contains("levada_operation_seconds_count"), "{}", reply.text());
}

#[tokio::test]
async fn what_is_not_ready_is_named() {
    let unready = vec!["store".to_owned(), "clock".to_owned()];
    let server = Server::start(Setting { unready, ..Setting::default() });
    let reply = server.send(&get(&server, "/health/ready")).await;
    assert_eq!((reply.status, reply.text().as_str()), (503, "not ready: store, clock\n"));
    assert_eq!(server.send(&get(&server, "/health/live")).await.status, 200);
}

#[tokio::test]
async fn a_browser_is_told_what_this_is() {
    let server = Server::plain();
    let reply = server.send(&get(&server, "/").header("accept", "text/html,*/*")).await;
    assert_eq!(reply.status, 200);
    assert!(reply.text().contains("Levada"));
    assert_eq!(server.send(&get(&server, "/")).await.status, 403);
    assert_eq!(server.send(&get(&server, "/nothing")).await.status, 403);
}
