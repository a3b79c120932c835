//! Delivery streams as AWS describes them.

use delivery::{Delivery, DeliveryStream, EncryptionStatus, Source, Status};
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
