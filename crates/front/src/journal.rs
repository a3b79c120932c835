//! What is left of a call: its metrics, a line for those who watch access, and one for those who audit.
//!
//! | target | level | which calls |
//! |---|---|---|
//! | `levada::access` | `debug`; `warn` if the server failed | all |
//! | `levada::audit` | `info` | those that change the control plane, once their caller is believed |
//! | `levada::call` | a `debug` span around what a call logs | all |

use std::sync::Arc;

use http::StatusCode;
use identity::authorise::arn_of;
use telemetry::Observation;
use tracing::{Level, Span};
use wire::{Access, Call, OperationInfo, Resource};

use crate::connection::Peer;
use crate::ids::Ids;

/// Where a line per call goes.
const ACCESS: &str = "levada::access";
/// Where a line per change goes.
const AUDIT: &str = "levada::audit";
/// What the lines show that is not known.
pub(crate) const UNKNOWN: &str = "-";

/// The span of a call.
pub(crate) fn span(operation: Option<&OperationInfo>, ids: &Ids) -> Span {
    let name = operation.map_or(UNKNOWN, |operation| operation.name);
    tracing::debug_span!(
        target: "levada::call",
        "call",
        operation = name,
        request_id = %ids.request_id,
    )
}

/// Who asked, and about what.
pub(crate) struct Believed {
    call: Arc<Call>,
    resource: Option<String>,
}

impl Believed {
    /// Remembers what a line will want; for most calls nobody wants any.
    pub(crate) fn new(call: &Arc<Call>, operation: &OperationInfo, resource: &Resource) -> Self {
        let is_told =
            operation.access == Access::Mutate || tracing::enabled!(target: ACCESS, Level::DEBUG);
        let resource = is_told.then(|| arn_of(call, operation.action, resource));
        Believed { call: Arc::clone(call), resource }
    }
}

/// What the lines say of a call.
pub(crate) struct Line<'a> {
    pub(crate) operation: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) account: Option<&'a str>,
    pub(crate) region: Option<&'a str>,
    /// Who changed the control plane, if it was changed.
    pub(crate) changed_by: Option<&'a str>,
}

impl<'a> Line<'a> {
    pub(crate) fn of(operation: Option<&'a OperationInfo>, believed: Option<&'a Believed>) -> Self {
        let call = believed.map(|believed| &*believed.call);
        let changes = operation.is_some_and(|operation| operation.access == Access::Mutate);
        Line {
            operation: operation.map_or(UNKNOWN, |operation| operation.name),
            resource: believed.and_then(|own| own.resource.as_deref()).unwrap_or(UNKNOWN),
            account: call.map(|call| &*call.account),
            region: call.map(|call| &*call.region),
            changed_by: call.filter(|_| changes).map(|call| &*call.principal),
        }
    }
}

/// Writes the lines of a call that is over.
pub(crate) fn write(
    line: &Line<'_>,
    ids: &Ids,
    peer: &Peer,
    status: StatusCode,
    seen: Observation<'_>,
) {
    let Line { operation: name, resource, .. } = *line;
    let (account, region) = (line.account.unwrap_or(UNKNOWN), line.region.unwrap_or(UNKNOWN));
    let fault = seen.fault.unwrap_or(UNKNOWN);
    let micros = seen.latency.as_micros() as u64;
    macro_rules! access {
        ($level:ident) => {
            tracing::$level!(
                target: ACCESS,
                request_id = %ids.request_id,
                operation = name,
                resource,
                account,
                region,
                status = status.as_u16(),
                fault,
                micros,
                bytes_in = seen.bytes_in,
                bytes_out = seen.bytes_out,
                peer = %peer.ip,
                "call"
            )
        };
    }
    if status.is_server_error() {
        access!(warn);
    } else {
        access!(debug);
    }
    if let Some(principal) = line.changed_by {
        tracing::info!(
            target: AUDIT,
            request_id = %ids.request_id,
            operation = name,
            resource,
            account,
            region,
            principal,
            status = status.as_u16(),
            fault,
            peer = %peer.ip,
            "change"
        );
    }
}
