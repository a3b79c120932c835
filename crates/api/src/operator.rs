//! What an operator asks of a running server: a small service of our own, called like AWS's, so that
//! `levada clock` and its sisters are clients like everybody else.
//!
//! Every operation takes and gives JSON by `X-Amz-Target`, signed for `levada`. Reading is for whoever
//! is authorised; what changes the server is for the root of an account only, whatever policies say.
//! What the operations do is injected: this crate reaches no store and no listener.

mod clock;
mod deliveries;
mod faults;
mod statistics;

use std::sync::Arc;

use delivery::Delivery;
use stdx::Entropy;
use telemetry::Telemetry;
use wire::{Call, Codec, Endpoint, Fault, ServiceProfile, Throttling, endpoint};

use crate::kinesis::InjectedFaults;

pub use clock::{ClockReading, GetClock, MoveClock, MoveClockInput, VirtualClock};
pub use deliveries::{
    DeliveryInput, DeliveryStanding, DescribeDelivery, FlushDelivery, ListDeliveries,
    ListedDeliveries, ObjectStanding, RedriveDelivery, Redriven,
};
pub use faults::{
    AddFault, AddedFault, FaultSpec, FaultStanding, ListFaults, ListedFaults, RemoveFaults,
    RemoveFaultsInput, RemovedFaults,
};
pub use statistics::{
    GetStatistics, MetricStatistics, MinuteStatistics, OperationStatistics, Statistics,
};

/// The facts of the service.
pub static SERVICE: ServiceProfile = ServiceProfile {
    signing_name: "levada",
    target_prefix: "Levada_20261124",
    content_types: &[("application/x-amz-json-1.1", Codec::Json)],
    rpc_service: None,
    query: None,
    gzip: false,
    throttling: Throttling::Named,
};

/// The largest request: an operator asks short questions (our choice).
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Answers the operator.
pub struct Operator {
    /// Deliveries.
    pub delivery: Delivery,
    /// The service clock.
    pub clock: Arc<dyn VirtualClock>,
    /// Injected faults, where they are allowed.
    pub injected: Option<Arc<InjectedFaults>>,
    /// The operations that faults may be about.
    pub operations: Vec<&'static str>,
    /// Where seeds come from.
    pub entropy: Entropy,
    /// What is measured.
    pub telemetry: Telemetry,
}

impl Operator {
    /// Its operations.
    pub fn endpoints(self) -> Vec<Box<dyn Endpoint>> {
        let own = Arc::new(self);
        vec![
            endpoint::<_, GetClock>(Arc::clone(&own)),
            endpoint::<_, MoveClock>(Arc::clone(&own)),
            endpoint::<_, ListDeliveries>(Arc::clone(&own)),
            endpoint::<_, DescribeDelivery>(Arc::clone(&own)),
            endpoint::<_, FlushDelivery>(Arc::clone(&own)),
            endpoint::<_, RedriveDelivery>(Arc::clone(&own)),
            endpoint::<_, AddFault>(Arc::clone(&own)),
            endpoint::<_, ListFaults>(Arc::clone(&own)),
            endpoint::<_, RemoveFaults>(Arc::clone(&own)),
            endpoint::<_, GetStatistics>(own),
        ]
    }
}

/// An operation that takes nothing.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Declares an operation: its words, its name, its input and output, and what it changes.
macro_rules! operation {
    ($(#[$doc:meta])* $name:ident($input:ty) -> $output:ty, $access:ident) => {
        $(#[$doc])*
        pub struct $name;

        impl wire::Operation for $name {
            type Input = $input;
            type Output = $output;
            const INFO: wire::OperationInfo = wire::OperationInfo {
                name: stringify!($name),
                action: concat!("levada:", stringify!($name)),
                kind: wire::Kind::Unary,
                access: wire::Access::$access,
                calls_per_second: None,
                body_bytes_max: $crate::operator::BODY_BYTES_MAX,
            };

            fn decode(codec: wire::Codec, body: &bytes::Bytes) -> Result<$input, wire::Fault> {
                wire::codec::read(codec, body)
            }

            fn encode(codec: wire::Codec, output: $output) -> wire::Answer {
                wire::Answer::Body(wire::codec::encode(codec, &output, 256))
            }

            fn resource(_input: &$input) -> wire::Resource {
                wire::Resource::Any
            }
        }
    };
}
use operation;

/// Whether the caller may change the server.
///
/// # Errors
/// `AccessDeniedException` for everybody but a root.
fn check_root(call: &Call, action: &str) -> Result<(), Fault> {
    if identity::authorise::is_root(call) {
        return Ok(());
    }
    Err(Fault {
        capital_message: true,
        ..Fault::client(
            "AccessDeniedException",
            format!(
                "User: {} is not authorized to perform: {action} because it is for the root of an \
                 account only",
                call.principal
            ),
        )
    })
}
