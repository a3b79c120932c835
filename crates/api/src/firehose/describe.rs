//! Delivery streams as AWS describes them.

use delivery::{Delivery, DeliveryStatus, DeliveryStream, EncryptionStatus, Source, Status};
use model::firehose::shapes;
use wire::Timestamp;

use super::sources;

pub(super) fn stream(
    delivery: &Delivery,
    stream: &DeliveryStream,
    after_destination: Option<&str>,
) -> shapes::DeliveryStreamDescription {
    let state = stream.state();
    let row = &state.row;
    let own = &*state.destination;
    let shown = after_destination.is_none_or(|after| *own.destination_id > *after);
    let takes_keys = matches!(row.source, Source::DirectPut { .. });
    shapes::DeliveryStreamDescription {
        delivery_stream_name: stream.name.to_string(),
        delivery_stream_arn: stream.name.arn(),
        delivery_stream_status: status(row.status),
        failure_description: None,
        delivery_stream_encryption_configuration: takes_keys.then(|| {
            let encryption = delivery.encryption(&state);
            shapes::DeliveryStreamEncryptionConfiguration {
                key_arn: row.encryption.key_arn.clone(),
                key_type: row.encryption.key_type.as_deref().map(Into::into),
                status: Some(encryption_status(encryption)),
                failure_description: None,
            }
        }),
        delivery_stream_type: sources::kind_of(&row.source),
        version_id: row.version.to_string(),
        create_timestamp: Some(Timestamp::from_millis(row.created_ms)),
        last_update_timestamp: row.updated_ms.map(Timestamp::from_millis),
        source: sources::describe(row),
        destinations: shown.then(|| own.clone()).into_iter().collect(),
        has_more_destinations: false,
    }
}

/// What its owner should know: a bucket that writes over objects makes exactly-once at-least-once. AWS has
/// no member for it; this one is the nearest.
pub(super) fn warning(status: &DeliveryStatus) -> Option<shapes::FailureDescription> {
    if status.at_least_once.is_empty() {
        return None;
    }
    let buckets = status.at_least_once.join(", ");
    Some(shapes::FailureDescription {
        r#type: shapes::DeliveryStreamFailureType::UnknownError,
        details: format!(
            "Delivery is at-least-once: {buckets} ignores conditional writes, so a record may be \
             delivered twice after a failure."
        ),
    })
}

fn status(status: Status) -> shapes::DeliveryStreamStatus {
    match status {
        Status::Creating => shapes::DeliveryStreamStatus::Creating,
        Status::Active => shapes::DeliveryStreamStatus::Active,
        Status::Deleting => shapes::DeliveryStreamStatus::Deleting,
    }
}

fn encryption_status(status: EncryptionStatus) -> shapes::DeliveryStreamEncryptionStatus {
    match status {
        EncryptionStatus::Enabling => shapes::DeliveryStreamEncryptionStatus::Enabling,
        EncryptionStatus::Enabled => shapes::DeliveryStreamEncryptionStatus::Enabled,
        EncryptionStatus::Disabling => shapes::DeliveryStreamEncryptionStatus::Disabling,
        EncryptionStatus::Disabled => shapes::DeliveryStreamEncryptionStatus::Disabled,
    }
}
