//! What befalls calls where somebody tests failures.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use http_body_util::BodyExt;
use wire::{Befalling, Call, Fate, Fault, Injector, Instead, OperationInfo, Resource};

use crate::connections::{h2_client, h2_request};
use crate::harness::{ACCOUNT, Server, Setting};

/// Befalls every `Echo` alike; counts the calls it was asked about.
#[derive(Debug, Default)]
struct Fates {
    asked: AtomicU32,
    then: Option<fn() -> Fate>,
}

impl Injector for Fates {
    fn inject(
        &self,
        call: &Arc<Call>,
        operation: &'static OperationInfo,
        _resource: &Resource,
    ) -> Option<Befalling> {
        assert_eq!(&*call.account, ACCOUNT);
        self.asked.fetch_add(1, Ordering::SeqCst);
        let then = self.then.filter(|_| operation.name == "Echo")?;
        Some(Box::pin(async move { then() }))
    }
}

fn server(then: fn() -> Fate) -> (Server, Arc<Fates>) {
    let fates = Arc::new(Fates { then: Some(then), ..Fates::default() });
    let injector = Some(Arc::clone(&fates) as Arc<dyn Injector>);
    (Server::start(Setting { injector, ..Setting::default() }), fates)
}

fn fault() -> Instead {
    Instead::Fault(Fault { status: 503, ..Fault::client("Busy", "Later.") })
}

#[tokio::test]
async fn a_call_is_refused_or_goes_on() {
    let (server, fates) = server(|| Fate::Refused(fault()));
    let refused = server.send(&server.call("Echo", r#"{"Text":"a"}"#)).await;
    assert_eq!((refused.status, refused.text().contains("Busy")), (503, true));
    // Nobody is befallen whose signature is wrong.
    let strange = server.call("Echo", r#"{"Text":"a"}"#).header("x-amz-date", "20200101T000000Z");
    assert_eq!(server.send(&strange).await.status, 400);
    assert_eq!(fates.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_served_call_is_told_otherwise() {
    let (server, _) = server(|| Fate::Served(fault()));
    let told = server.send(&server.call("Echo", r#"{"Text":"a"}"#)).await;
    assert_eq!(told.status, 503);
    let (server, _) = self::server(|| Fate::Answered);
    assert_eq!(server.send(&server.call("Echo", r#"{"Text":"a"}"#)).await.status, 200);
}

#[tokio::test]
async fn silence_breaks_a_connection_without_a_byte() {
    let (server, _) = server(|| Fate::Refused(Instead::Silence));
    let mut wire = server.connect().await;
    wire.write(&server.call("Echo", r#"{"Text":"a"}"#).bytes()).await;
    assert!(wire.is_closed().await);
}

#[tokio::test]
async fn silence_over_http2_breaks_the_stream_only() {
    let (server, _) = server(|| Fate::Refused(Instead::Silence));
    let mut client = h2_client(&server).await;
    let silent = client.send_request(h2_request(&server, "Echo", r#"{"Text":"a"}"#)).await;
    assert!(silent.is_err());
    let answer = client.send_request(h2_request(&server, "Ticks", "{}")).await.unwrap();
    let mut body = answer.into_body();
    let frame = body.frame().await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "tick 0\n");
}
