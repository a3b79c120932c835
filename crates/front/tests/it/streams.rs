//! Event streams over HTTP/1.1.

use std::time::Duration;

use crate::harness::{Server, Setting, still_clock};

#[tokio::test]
async fn events_flow_until_the_server_stops() {
    let mut server = Server::start(Setting { clock: still_clock(), ..Setting::default() });
    let mut wire = server.connect().await;
    wire.write(&server.call("Ticks", "{}").bytes()).await;
    let head = wire.until("tick 0\n").await;
    assert!(head.contains("content-type: application/vnd.amazon.eventstream"), "{head}");
    assert!(head.contains("transfer-encoding: chunked"), "{head}");
    assert!(!head.contains("tick 1"));
    server.pass(Duration::from_secs(3)).await;
    wire.until("tick 3\n").await;
    server.begin_stop();
    // The last chunk and then the end of the connection.
    assert!(wire.rest().await.ends_with("0\r\n\r\n"));
    assert_eq!(server.stopped().await.connections_aborted, 0);
}
