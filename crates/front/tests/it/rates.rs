//! AWS's rates of calls: held when asked for, and only then.

use std::time::Duration;

use crate::harness::{ACCOUNT, Server, Setting, still_clock};
use crate::toy::CHANGES_PER_SECOND;

/// Calls `Change` as often as may be and once more; whether that last one was refused.
async fn refused_at_last(server: &Server) -> bool {
    let mut wires = Vec::new();
    for _ in 0..CHANGES_PER_SECOND {
        let mut wire = server.connect().await;
        wire.write(&server.call("Change", "").bytes()).await;
        wires.push(wire);
        crate::harness::settle().await;
    }
    let mut last = server.connect().await;
    last.write(&server.call("Change", "").bytes()).await;
    crate::harness::settle().await;
    // Nobody who was let through answers before the clock moves.
    server.pass(Duration::from_secs(6)).await;
    for wire in &mut wires {
        assert_eq!(wire.reply().await.status, 200);
    }
    let reply = last.reply().await;
    if reply.status == 200 {
        return false;
    }
    let message = format!("Rate exceeded for account {ACCOUNT}.");
    assert_eq!(reply.fault(), (400, "LimitExceededException".to_owned(), message));
    true
}

#[tokio::test]
async fn a_call_too_many_is_refused_and_a_second_later_it_is_not() {
    let server =
        Server::start(Setting { clock: still_clock(), limits: true, ..Setting::default() });
    assert!(refused_at_last(&server).await);
    assert!(refused_at_last(&server).await, "the rate is there again after a second");
    // An operation without a rate is never refused.
    for _ in 0..20 {
        assert_eq!(server.send(&server.call("Echo", "{}")).await.status, 200);
    }
}

#[tokio::test]
async fn without_limits_nothing_is_refused() {
    let server = Server::start(Setting { clock: still_clock(), ..Setting::default() });
    assert!(!refused_at_last(&server).await);
}

#[tokio::test]
async fn what_is_refused_for_other_reasons_does_not_count() {
    let server =
        Server::start(Setting { clock: still_clock(), limits: true, ..Setting::default() });
    for _ in 0..10 {
        let mut unsigned = server.call("Change", "");
        unsigned.headers.retain(|(name, _)| name != "authorization");
        assert_eq!(server.send(&unsigned).await.status, 400);
    }
    assert!(refused_at_last(&server).await);
}
