//! Conversion of records to a columnar format, in the order in which AWS looks (floci-io/floci issue
//! 3235 probed it).

use model::firehose::shapes::{
    CompressionFormat, DataFormatConversionConfiguration, Deserializer,
    ExtendedS3DestinationUpdate, SchemaConfiguration, Serializer,
};
use wire::Fault;

use super::{invalid_argument, prefixes};

/// What buffers of a converting stream are at least.
const SIZE_MIB_MIN: i32 = 64;

/// Checks a conversion that is switched on, or does not say that it is not.
pub(super) fn check(s3: &ExtendedS3DestinationUpdate) -> Result<(), Fault> {
    let Some(conversion) = &s3.data_format_conversion_configuration else { return Ok(()) };
    if conversion.enabled == Some(false) {
        return Ok(());
    }
    if s3.compression_format.as_ref().is_some_and(|f| *f != CompressionFormat::Uncompressed) {
        return Err(invalid_argument(
            "The S3 destination's compression format must be set to UNCOMPRESSED when data format conversion is enabled. To enable compression within the converted output format, set the appropriate serialization option in the output format configuration.",
        ));
    }
    let size = s3.buffering_hints.as_ref().and_then(|hints| hints.size_in_m_bs);
    if size.is_some_and(|size| size < SIZE_MIB_MIN) {
        return Err(invalid_argument(
            "BufferingHints.SizeInMBs must be at least 64 when data format conversion is enabled.",
        ));
    }
    let DataFormatConversionConfiguration {
        schema_configuration,
        input_format_configuration,
        output_format_configuration,
        ..
    } = conversion;
    let input = present(input_format_configuration.as_ref(), "InputFormatConfiguration")?;
    let output = present(output_format_configuration.as_ref(), "OutputFormatConfiguration")?;
    let schema = present(schema_configuration.as_ref(), "SchemaConfiguration")?;
    check_deserializer(input.deserializer.as_ref())?;
    check_serializer(output.serializer.as_ref())?;
    check_schema(schema)
}

fn present<'a, T>(part: Option<&'a T>, name: &str) -> Result<&'a T, Fault> {
    part.ok_or_else(|| invalid_argument(format!("{name} must not be null")))
}

fn check_deserializer(deserializer: Option<&Deserializer>) -> Result<(), Fault> {
    let given = present(deserializer, "Deserializer")?;
    match (&given.open_x_json_ser_de, &given.hive_json_ser_de) {
        (None, None) => Err(invalid_argument("Deserializer must not be null")),
        (Some(_), Some(_)) => {
            Err(invalid_argument("More than one deserializer specified. Only one may be chosen."))
        }
        (None, Some(hive)) => {
            let formats = hive.timestamp_formats.as_deref().unwrap_or_default();
            let is_wrong =
                |format: &&String| *format != "millis" && prefixes::has_letter_refused(format);
            match formats.iter().find(is_wrong) {
                None => Ok(()),
                Some(format) => Err(invalid_argument(format!(
                    "One or more SerDe options are invalid for org.apache.hcatalog.data.JsonSerDe: [Key: timestamp.formats Value: {format}]"
                ))),
            }
        }
        (Some(_), None) => Ok(()),
    }
}

fn check_serializer(serializer: Option<&Serializer>) -> Result<(), Fault> {
    let given = present(serializer, "Serializer")?;
    match (&given.parquet_ser_de, &given.orc_ser_de) {
        (None, None) => Err(invalid_argument("Serializer must not be null")),
        (Some(_), Some(_)) => {
            Err(invalid_argument("More than one serializer specified. Only one may be chosen."))
        }
        _ => Ok(()),
    }
}

fn check_schema(schema: &SchemaConfiguration) -> Result<(), Fault> {
    let members = [
        ("RoleArn", &schema.role_arn),
        ("DatabaseName", &schema.database_name),
        ("TableName", &schema.table_name),
    ];
    match members.iter().find(|(_, value)| value.as_ref().is_none_or(String::is_empty)) {
        None => Ok(()),
        Some((name, _)) => {
            Err(invalid_argument(format!("SchemaConfiguration.{name} must not be null or empty")))
        }
    }
}
