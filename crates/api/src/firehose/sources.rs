//! Where a delivery stream's records come from.

use delivery::{DeliveryStreamRow, NewSource, Source};
use model::firehose::shapes::{
    self, CreateDeliveryStreamInput, DeliveryStreamType as Kind, SourceDescription,
};
use serde_json::Value;
use wire::{Fault, Timestamp};

use super::faults::invalid_argument;

/// The type that a request asks for.
pub(super) fn kind(input: &CreateDeliveryStreamInput) -> Kind {
    input.delivery_stream_type.clone().unwrap_or(Kind::DirectPut)
}

/// The type of what there is.
pub(super) fn kind_of(source: &Source) -> Kind {
    match source {
        Source::DirectPut { .. } => Kind::DirectPut,
        Source::KinesisStream { .. } => Kind::KinesisStreamAsSource,
        Source::Elsewhere { kind, .. } => Kind::from(&**kind),
    }
}

/// The source that a request asks for. The words are AWS's: getmoto/moto's for what does not belong to
/// the type, badmintoncryer/cdk-preflight's recordings for what is missing.
pub(super) fn read(input: &CreateDeliveryStreamInput, kind: &Kind) -> Result<NewSource, Fault> {
    if input.kinesis_stream_source_configuration.is_some() && *kind != Kind::KinesisStreamAsSource {
        return Err(invalid_argument(
            "KinesisSourceStreamConfig is only applicable for KinesisStreamAsSource stream type.",
        ));
    }
    if input.msk_source_configuration.is_some() && *kind != Kind::MskAsSource {
        return Err(invalid_argument(
            "MSKSourceConfig is only applicable for MSK as Source stream type.",
        ));
    }
    if input.database_source_configuration.is_some() && *kind != Kind::DatabaseAsSource {
        return Err(invalid_argument(
            "DatabaseSourceConfig is only applicable for Database as Source stream type.",
        ));
    }
    if input.direct_put_source_configuration.is_some() && *kind != Kind::DirectPut {
        return Err(invalid_argument(
            "DirectPutSourceConfig is only applicable for DirectPut stream type.",
        ));
    }
    match kind {
        Kind::KinesisStreamAsSource => {
            let Some(stream) = &input.kinesis_stream_source_configuration else {
                return Err(invalid_argument(
                    "KinesisSourceStreamConfig is mandatory for KinesisStreamAsSource stream type.",
                ));
            };
            Ok(NewSource::Other(Source::KinesisStream {
                arn: stream.kinesis_stream_arn.clone(),
                role_arn: stream.role_arn.clone(),
            }))
        }
        Kind::MskAsSource => {
            let Some(cluster) = &input.msk_source_configuration else {
                return Err(invalid_argument(
                    "MSKSourceConfig is mandatory for MSK as Source stream type.",
                ));
            };
            elsewhere(kind, "MSKSourceDescription", cluster)
        }
        Kind::DatabaseAsSource => {
            let Some(database) = &input.database_source_configuration else {
                return Err(invalid_argument(
                    "DatabaseSourceConfig is mandatory for Database as Source stream type.",
                ));
            };
            if input.iceberg_destination_configuration.is_none() {
                return Err(invalid_argument(
                    "IcebergDestinationConfiguration must be specified for Database as Source.",
                ));
            }
            elsewhere(kind, "DatabaseSourceDescription", database)
        }
        _ => Ok(NewSource::DirectPut {
            throughput_hint_mibps: input
                .direct_put_source_configuration
                .as_ref()
                .map(|hint| hint.throughput_hint_in_m_bs.unsigned_abs()),
        }),
    }
}

/// A source that is described and not read: its description has the members of its configuration.
fn elsewhere(
    kind: &Kind,
    member: &str,
    configuration: &impl serde::Serialize,
) -> Result<NewSource, Fault> {
    let configuration = serde_json::to_value(configuration).map_err(|_| Fault::internal())?;
    let mut description = serde_json::Map::new();
    description.insert(member.to_owned(), configuration);
    let (kind, description) = (kind.to_string(), Value::Object(description).to_string());
    Ok(NewSource::Other(Source::Elsewhere { kind, description }))
}

/// The source as AWS describes it. DirectPut has one only with a hint.
pub(super) fn describe(row: &DeliveryStreamRow) -> Option<SourceDescription> {
    // Reading starts when the delivery stream is created.
    let started = Some(Timestamp::from_millis(row.created_ms));
    match &row.source {
        Source::DirectPut { .. } => {
            let hint = row.throughput_hint_mibps?;
            let throughput_hint_in_m_bs = i32::try_from(hint).ok();
            Some(SourceDescription {
                direct_put_source_description: Some(shapes::DirectPutSourceDescription {
                    throughput_hint_in_m_bs,
                }),
                ..SourceDescription::default()
            })
        }
        Source::KinesisStream { arn, role_arn } => Some(SourceDescription {
            kinesis_stream_source_description: Some(shapes::KinesisStreamSourceDescription {
                kinesis_stream_arn: Some(arn.clone()),
                role_arn: Some(role_arn.clone()),
                delivery_start_timestamp: started,
            }),
            ..SourceDescription::default()
        }),
        Source::Elsewhere { description, .. } => {
            let mut source: SourceDescription = serde_json::from_str(description).ok()?;
            if let Some(cluster) = &mut source.msk_source_description {
                cluster.delivery_start_timestamp = started;
            }
            Some(source)
        }
    }
}
