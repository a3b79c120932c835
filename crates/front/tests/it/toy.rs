//! Three operations by hand: one answers what it is told, one changes something, one streams.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use front::Service;
use futures_core::Stream;
use stdx::Clock;
use wire::{
    Access, Answer, Call, CallRate, Codec, Elsewhere, EventStream, Fault, Kind, Operation,
    OperationInfo, QueryForm, Resource, Serve, ServiceProfile, Throttling, endpoint,
};

pub(crate) static PROFILE: ServiceProfile = ServiceProfile {
    signing_name: "toy",
    target_prefix: "Toy_20261124",
    content_types: &[
        ("application/x-amz-json-1.1", Codec::Json),
        ("application/x-amz-cbor-1.1", Codec::Cbor),
    ],
    rpc_service: None,
    query: None,
    gzip: false,
    throttling: Throttling::Named,
};

/// A service of more protocols, of which one operation is served.
pub(crate) static OLD: ServiceProfile = ServiceProfile {
    signing_name: "oldtoy",
    target_prefix: "OldToy",
    content_types: &[("application/x-amz-json-1.0", Codec::Json)],
    rpc_service: Some("OldToy"),
    query: Some(QueryForm { version: "2010-01-01", xml_namespace: "urn:old" }),
    gzip: true,
    throttling: Throttling::Named,
};

/// What is not here, or only in part.
pub(crate) static ELSEWHERE: [Elsewhere; 3] = [
    Elsewhere {
        signing_name: "oldtoy",
        name: "Old Toys",
        variable: "OLD_TOYS",
        is_rest_xml: false,
    },
    Elsewhere { signing_name: "shelf", name: "Shelf", variable: "SHELF", is_rest_xml: true },
    Elsewhere { signing_name: "box", name: "Toy Box", variable: "TOY_BOX", is_rest_xml: false },
];

/// The largest body that `Echo` takes.
pub(crate) const ECHO_BYTES_MAX: usize = 1024 * 1024;
/// The longest text that `Echo` takes.
pub(crate) const TEXT_CHARS_MAX: usize = 500_000;

#[derive(serde::Deserialize, serde::Serialize)]
pub(crate) struct Text {
    #[serde(rename = "Text", default)]
    pub(crate) text: String,
    #[serde(rename = "Account", default)]
    pub(crate) account: String,
    #[serde(rename = "Region", default)]
    pub(crate) region: String,
}

pub(crate) struct Echo;

impl Operation for Echo {
    type Input = Text;
    type Output = Text;
    const INFO: OperationInfo = OperationInfo {
        name: "Echo",
        action: "toy:Echo",
        kind: Kind::Unary,
        access: Access::Read,
        calls_per_second: None,
        body_bytes_max: ECHO_BYTES_MAX,
    };

    fn decode(codec: Codec, body: &Bytes) -> Result<Text, Fault> {
        let text: Text = wire::codec::read(codec, body)
            .map_err(|_| Fault::serialization("NUMBER_VALUE can not be converted to a String"))?;
        if text.text.len() > TEXT_CHARS_MAX {
            return Err(Fault::validation("1 validation error detected: text too long"));
        }
        Ok(text)
    }

    fn encode(codec: Codec, output: Text) -> Answer {
        Answer::Body(wire::codec::encode(codec, &output, 64))
    }

    fn resource(_input: &Text) -> Resource {
        Resource::Any
    }
}

/// Waits five seconds and then has happened.
pub(crate) struct Change;

/// How often it may be called, where rates hold.
pub(crate) const CHANGES_PER_SECOND: u32 = 3;
/// How long a `Change` takes.
pub(crate) const CHANGE_SECONDS: u64 = 5;
/// How often a `Change` has happened, over all servers of this test.
pub(crate) static CHANGES: AtomicU32 = AtomicU32::new(0);

impl Operation for Change {
    type Input = ();
    type Output = ();
    const INFO: OperationInfo = OperationInfo {
        name: "Change",
        action: "toy:Change",
        kind: Kind::Unary,
        access: Access::Mutate,
        calls_per_second: Some(CallRate::PerAccount(CHANGES_PER_SECOND)),
        body_bytes_max: 1024,
    };

    fn decode(_codec: Codec, _body: &Bytes) -> Result<(), Fault> {
        Ok(())
    }

    fn encode(_codec: Codec, (): ()) -> Answer {
        Answer::Body(Bytes::new())
    }

    fn resource(_input: &()) -> Resource {
        Resource::Any
    }
}

/// Answers frames `tick 0`, `tick 1`, … for ever, one per second of the clock.
pub(crate) struct Ticks;

impl Operation for Ticks {
    type Input = ();
    type Output = EventStream<u64>;
    const INFO: OperationInfo = OperationInfo {
        name: "Ticks",
        action: "toy:Ticks",
        kind: Kind::EventStream,
        access: Access::Data,
        calls_per_second: None,
        body_bytes_max: 1024,
    };

    fn decode(_codec: Codec, _body: &Bytes) -> Result<(), Fault> {
        Ok(())
    }

    fn encode(_codec: Codec, output: EventStream<u64>) -> Answer {
        Answer::Events(Box::pin(Spoken(output)))
    }

    fn resource(_input: &()) -> Resource {
        Resource::Own("ticks".into())
    }
}

struct Spoken(EventStream<u64>);

impl Stream for Spoken {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.0.as_mut().poll_next(context).map(|event| match event {
            Some(Ok(number)) => Some(Bytes::from(format!("tick {number}\n"))),
            Some(Err(_)) | None => None,
        })
    }
}

pub(crate) struct Toy {
    clock: Clock,
}

impl Serve<Echo> for Toy {
    async fn serve(&self, call: &Call, input: Text) -> Result<Text, Fault> {
        if input.text == "break" {
            return Err(Fault::internal());
        }
        if input.text == "secure?" {
            let text = call.secure_transport.to_string();
            return Ok(Text { text, ..input });
        }
        if let Some(seconds) = input.text.strip_prefix("sleep ") {
            let seconds = seconds.parse().unwrap();
            self.clock.sleep(std::time::Duration::from_secs(seconds)).await;
        }
        let (account, region) = (call.account.to_string(), call.region.to_string());
        Ok(Text { text: input.text, account, region })
    }
}

impl Serve<Change> for Toy {
    async fn serve(&self, _call: &Call, (): ()) -> Result<(), Fault> {
        self.clock.sleep(std::time::Duration::from_secs(CHANGE_SECONDS)).await;
        CHANGES.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

impl Serve<Ticks> for Toy {
    async fn serve(&self, _call: &Call, (): ()) -> Result<EventStream<u64>, Fault> {
        Ok(Box::pin(Ticking { clock: self.clock.clone(), next: 0, wait: None }))
    }
}

struct Ticking {
    clock: Clock,
    next: u64,
    wait: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Stream for Ticking {
    type Item = Result<u64, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(wait) = &mut self.wait
            && wait.as_mut().poll(context).is_pending()
        {
            return Poll::Pending;
        }
        let clock = self.clock.clone();
        self.wait =
            Some(Box::pin(async move { clock.sleep(std::time::Duration::from_secs(1)).await }));
        self.next += 1;
        Poll::Ready(Some(Ok(self.next - 1)))
    }
}

pub(crate) fn services(clock: &Clock) -> Vec<Service> {
    let toy = Arc::new(Toy { clock: clock.clone() });
    let old = vec![endpoint::<_, Echo>(Arc::clone(&toy))];
    let endpoints = vec![
        endpoint::<_, Echo>(Arc::clone(&toy)),
        endpoint::<_, Change>(Arc::clone(&toy)),
        endpoint::<_, Ticks>(toy),
    ];
    vec![Service { profile: &PROFILE, endpoints }, Service { profile: &OLD, endpoints: old }]
}
