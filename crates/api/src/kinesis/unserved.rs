//! What is not served yet: visible debt, answered with a clear fault.

use model::kinesis::op;
use wire::{Call, Fault, Operation, Serve};

use super::Kinesis;

macro_rules! unserved {
    ($($operation:ident,)+) => {
        /// The operations that answer "not served yet".
        pub const UNSERVED: &[&str] = &[$(stringify!($operation),)+];

        $(impl Serve<op::$operation> for Kinesis {
            async fn serve(
                &self,
                _: &Call,
                _: <op::$operation as Operation>::Input,
            ) -> Result<<op::$operation as Operation>::Output, Fault> {
                Err(not_served_yet(stringify!($operation)))
            }
        })+
    };
}

unserved! {
    AcknowledgeDeadLetterQueueRecords,
    AcknowledgeQueueRecords,
    CreateChannel,
    CreateQueue,
    DeleteChannel,
    DeleteQueue,
    DescribeChannel,
    DescribeQueue,
    ListChannels,
    ListQueues,
    ReceiveDeadLetterQueueRecords,
    ReceiveQueueRecords,
    RestoreDeadLetterQueueRecords,
    UpdateChannel,
    UpdateDeadLetterQueueRecordsVisibility,
    UpdateQueue,
    UpdateQueueRecordsVisibility,
}

/// 501, so that no client retries it for long, and nobody takes it for an empty answer.
fn not_served_yet(operation: &str) -> Fault {
    Fault {
        status: 501,
        ..Fault::client(
            "UnsupportedOperationException",
            format!("Levada does not serve {operation} yet; docs/coverage.md lists what it does."),
        )
    }
}
