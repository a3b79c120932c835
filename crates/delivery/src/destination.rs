//! A destination, read from the model's description into what delivering needs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64_simd::STANDARD;
use convert::OptionsError;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};
use model::firehose::shapes::{
    BufferingHints, CloudWatchLoggingOptions, CompressionFormat, DestinationDescription,
    ExtendedS3DestinationDescription, Processor, ProcessorParameterName, ProcessorType,
    S3BackupMode, S3DestinationDescription,
};
use stdx::{Entropy, UnixMillis};

use crate::buffer::Hints;
use crate::compress::Compression;
use crate::conversion::Conversion;
use crate::deaggregate::SubRecords;
use crate::jq::QueryError;
use crate::limits::{
    FUNCTION_ANSWER_BYTES_MAX, FUNCTION_INTERVAL_SECONDS_DEFAULT, FUNCTION_RETRIES_DEFAULT,
    FUNCTION_SIZE_MIB_DEFAULT, INTERVAL_SECONDS_DEFAULT, SIZE_MIB_DEFAULT, STAGE_BYTES,
};
use crate::partition::Partitioner;
use crate::prefix::{ErrorOutput, Evaluation, Prefix, PrefixError};
use crate::process::{Processing, ProcessorSettings, appended_delimiter};
use crate::rows::Content;

/// What the names of Parquet objects end in (`facts/firehose.md` § 2.3).
const PARQUET_EXTENSION: &str = ".parquet";

/// Why a destination takes no records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unserved {
    /// It is of a type that nothing is delivered to yet, such as `Splunk`.
    Type(&'static str),
    /// A prefix of it is none.
    Prefix(PrefixError),
    /// Its time zone is none.
    TimeZone(String),
    /// Its format of compression is none.
    Compression(String),
    /// Its query is none of jq 1.6's.
    Query(QueryError),
    /// Its objects are to be in a format that its records are not converted into, such as ORC.
    Conversion(OptionsError),
}

/// Where a delivery stream's records go.
#[derive(Clone, Debug)]
pub struct Destination {
    /// Where objects go.
    pub data: Target,
    /// Where records go as they came in, if anywhere.
    pub backup: Option<Target>,
    /// The function that transforms records, if any.
    pub function: Option<Function>,
    /// What is done to records without a function, if anything.
    pub processing: Option<Arc<Processing>>,
    /// What tells objects apart by partition keys, if anything.
    pub partitioner: Option<Partitioner>,
    /// What records are converted into, if anything.
    pub conversion: Option<Arc<Conversion>>,
}

/// A function that transforms records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its ARN, or its `http(s)://` URL.
    pub arn: String,
    /// How often it is called again after it failed.
    pub retries: u32,
    /// How much it gets at once.
    pub hints: Hints,
}

/// A place for objects, and how they look there.
#[derive(Clone, Debug)]
pub struct Target {
    /// The bucket's name.
    pub bucket: String,
    /// When an object is full.
    pub hints: Hints,
    /// How it is compressed.
    pub compression: Compression,
    /// The group and the stream of CloudWatch's logs that failures are told to, if any.
    pub logs: Option<(String, String)>,
    prefix: Prefix,
    error_prefix: Prefix,
    extension: String,
    zone: TimeZone,
}

/// When an object is full where nobody says.
pub(crate) const HINTS_DEFAULT: Hints = Hints {
    bytes: SIZE_MIB_DEFAULT.unsigned_abs() as u64 * 1024 * 1024,
    interval: Duration::from_secs(INTERVAL_SECONDS_DEFAULT.unsigned_abs() as u64),
    weight: u64::MAX,
};

/// What an object's name is made from, besides its target.
pub(crate) struct Naming<'a> {
    /// The delivery stream's name.
    pub(crate) stream: &'a str,
    /// The version of its configuration.
    pub(crate) version: u64,
    /// When the oldest record arrived.
    pub(crate) oldest: UnixMillis,
    /// The partition's keys, from the query and from the function.
    pub(crate) keys: (&'a BTreeMap<String, String>, &'a BTreeMap<String, String>),
}

impl Destination {
    /// Reads a description.
    ///
    /// # Errors
    /// Why nothing is delivered there.
    pub fn read(description: &DestinationDescription) -> Result<Self, Unserved> {
        if let Some(extended) = &description.extended_s3_destination_description {
            return Destination::of_extended(extended);
        }
        match &description.s3_destination_description {
            Some(plain) => Ok(Destination {
                data: Target::of_plain(plain)?,
                backup: None,
                function: None,
                processing: None,
                partitioner: None,
                conversion: None,
            }),
            None => Err(Unserved::Type(other_type(description))),
        }
    }

    fn of_extended(extended: &ExtendedS3DestinationDescription) -> Result<Self, Unserved> {
        let ExtendedS3DestinationDescription { prefix, error_output_prefix, .. } = extended;
        let mut data = Target::new(
            &extended.bucket_arn,
            (prefix.as_deref(), error_output_prefix.as_deref()),
            &extended.buffering_hints,
            &extended.compression_format,
            extended.cloud_watch_logging_options.as_ref(),
        )?;
        if let Some(zone) = extended.custom_time_zone.as_deref().filter(|zone| !zone.is_empty()) {
            data.zone = time_zone(zone).ok_or_else(|| Unserved::TimeZone(zone.to_owned()))?;
        }
        let conversion = extended.data_format_conversion_configuration.as_ref();
        let conversion = conversion.filter(|own| own.enabled != Some(false));
        let conversion = conversion.map(Conversion::read).transpose();
        let conversion = conversion.map_err(Unserved::Conversion)?.map(Arc::new);
        if conversion.is_some() {
            PARQUET_EXTENSION.clone_into(&mut data.extension);
        }
        if let Some(extension) = extended.file_extension.as_ref().filter(|own| !own.is_empty()) {
            data.extension.clone_from(extension);
        }
        let backup = match (&extended.s3_backup_mode, &extended.s3_backup_description) {
            (Some(S3BackupMode::Enabled), Some(backup)) => Some(Target::of_plain(backup)?),
            _ => None,
        };
        let processors = extended.processing_configuration.as_ref();
        let processors = processors.filter(|own| own.enabled == Some(true));
        let processors = processors.and_then(|own| own.processors.as_deref()).unwrap_or_default();
        let function = processors.iter().find(|own| own.r#type == ProcessorType::Lambda);
        let settings = settings_of(processors);
        let processing = match settings == ProcessorSettings::default() {
            true => None,
            false => Some(Arc::new(Processing::compile(settings).map_err(Unserved::Query)?)),
        };
        let partitioning = extended.dynamic_partitioning_configuration.as_ref();
        let is_partitioned = partitioning.is_some_and(|own| own.enabled == Some(true));
        Ok(Destination {
            partitioner: is_partitioned.then(|| Partitioner::new(data.prefix.clone())),
            data,
            backup,
            function: function.and_then(function_of),
            processing,
            conversion,
        })
    }

    /// The kinds of failures that building an object may meet.
    pub(crate) fn failures(&self, content: &Content) -> Vec<ErrorOutput> {
        let mut failures = Vec::new();
        if self.processing.is_some() && *content == Content::Source {
            failures.extend([ErrorOutput::Processing, ErrorOutput::Decompression]);
        }
        if self.conversion_of(content).is_some() {
            failures.push(ErrorOutput::FormatConversion);
        }
        failures
    }

    /// What the records of an object are converted into, if they are.
    pub(crate) fn conversion_of(&self, content: &Content) -> Option<&Arc<Conversion>> {
        match content {
            Content::Source | Content::Staged => self.conversion.as_ref(),
            Content::Backup | Content::Failed { .. } => None,
        }
    }

    /// Whether records go through staging logs: where what becomes of them is not the same each time
    /// they are looked at, or depends on the record which object they are in.
    pub fn is_staged(&self) -> bool {
        self.function.is_some() || self.partitioner.is_some()
    }

    /// When a batch is full, where records are staged.
    pub(crate) fn batch_hints(&self) -> Hints {
        let looked_at = Hints { bytes: STAGE_BYTES, interval: Duration::ZERO, weight: u64::MAX };
        self.function.as_ref().map_or(looked_at, |function| function.hints)
    }
}

impl Target {
    fn of_plain(plain: &S3DestinationDescription) -> Result<Self, Unserved> {
        Target::new(
            &plain.bucket_arn,
            (plain.prefix.as_deref(), plain.error_output_prefix.as_deref()),
            &plain.buffering_hints,
            &plain.compression_format,
            plain.cloud_watch_logging_options.as_ref(),
        )
    }

    fn new(
        bucket_arn: &str,
        (prefix, error_prefix): (Option<&str>, Option<&str>),
        hints: &BufferingHints,
        compression: &CompressionFormat,
        logs: Option<&CloudWatchLoggingOptions>,
    ) -> Result<Self, Unserved> {
        let prefix = prefix.unwrap_or_default();
        let parse = |text: &str| Prefix::parse(text).map_err(Unserved::Prefix);
        let compression = compression_of(compression)?;
        let logs = logs.filter(|logs| logs.enabled == Some(true));
        Ok(Target {
            bucket: bucket_arn.rsplit(':').next().unwrap_or_default().to_owned(),
            hints: hints_of(hints),
            compression,
            logs: logs.and_then(|logs| {
                Some((logs.log_group_name.clone()?, logs.log_stream_name.clone()?))
            }),
            prefix: parse(prefix)?,
            // Without one of their own, errors go under the prefix (developer guide, custom prefixes).
            error_prefix: parse(error_prefix.filter(|own| !own.is_empty()).unwrap_or(prefix))?,
            extension: compression.extension().to_owned(),
            zone: TimeZone::UTC,
        })
    }

    /// A time in its zone.
    pub(crate) fn zoned(&self, time: UnixMillis) -> ZonedDateTime {
        zoned(time, &self.zone)
    }

    /// An object's name: for records that failed, if `error_output` says so, whose objects are neither
    /// compressed nor given an extension. Draws what is random in it.
    pub(crate) fn key(
        &self,
        naming: &Naming<'_>,
        error_output: Option<ErrorOutput>,
        uuid: &str,
        entropy: &Entropy,
    ) -> String {
        let oldest = zoned(naming.oldest, &self.zone);
        let (keys_from_query, keys_from_lambda) = naming.keys;
        let mut with = Evaluation {
            oldest: &oldest,
            error_output,
            keys_from_query,
            keys_from_lambda,
            random: &mut || entropy.u64(),
        };
        let (prefix, extension) = match error_output {
            Some(_) => (&self.error_prefix, ""),
            None => (&self.prefix, self.extension.as_str()),
        };
        let prefix = prefix.evaluate(&mut with);
        let time = oldest.strftime("%Y-%m-%d-%H-%M-%S");
        let Naming { stream, version, .. } = naming;
        format!("{prefix}{stream}-{version}-{time}-{uuid}{extension}")
    }
}

/// A random UUID (version 4 of RFC 9562), as text.
pub(crate) fn uuid(entropy: &Entropy) -> String {
    let mut bytes: [u8; 16] = entropy.array();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for nibble in [byte >> 4, byte & 0xf] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    text
}

/// A parameter's value.
fn value_of<'a>(processor: &'a Processor, name: &ProcessorParameterName) -> Option<&'a str> {
    let parameters = processor.parameters.as_deref().unwrap_or_default();
    let found = parameters.iter().find(|parameter| parameter.parameter_name == *name);
    found.map(|parameter| parameter.parameter_value.as_str())
}

fn settings_of(processors: &[Processor]) -> ProcessorSettings {
    let mut settings = ProcessorSettings::default();
    for processor in processors {
        let value = |name| value_of(processor, &name);
        match processor.r#type {
            ProcessorType::Decompression => settings.decompresses = true,
            ProcessorType::CloudWatchLogProcessing => {
                let extracts = value(ProcessorParameterName::DataMessageExtraction);
                settings.extracts_messages =
                    extracts.is_some_and(|own| own.eq_ignore_ascii_case("true"));
            }
            ProcessorType::RecordDeAggregation => {
                let delimiter = value(ProcessorParameterName::Delimiter);
                settings.sub_records = match value(ProcessorParameterName::SubRecordType) {
                    Some("DELIMITED") => {
                        delimiter.map(|own| SubRecords::Delimited(delimiter_of(own)))
                    }
                    _ => Some(SubRecords::Json),
                };
            }
            ProcessorType::MetadataExtraction => {
                let query = value(ProcessorParameterName::MetadataExtractionQuery);
                settings.query = query.map(str::to_owned);
            }
            ProcessorType::AppendDelimiterToRecord => {
                let delimiter = value(ProcessorParameterName::Delimiter);
                settings.delimiter = Some(appended_delimiter(delimiter));
            }
            ProcessorType::Lambda | ProcessorType::Unknown(_) => {}
        }
    }
    settings
}

/// What separates records is in base64 (API reference, RecordDeAggregation); what is none, is itself.
fn delimiter_of(text: &str) -> Vec<u8> {
    STANDARD.decode_to_vec(text).unwrap_or_else(|_| text.as_bytes().to_vec())
}

fn function_of(processor: &Processor) -> Option<Function> {
    let value = |name| value_of(processor, &name).map(str::trim);
    let number = |name| value(name).and_then(|text| text.parse::<f64>().ok());
    let size_mib = number(ProcessorParameterName::BufferSizeInMBs);
    let interval = value(ProcessorParameterName::BufferIntervalInSeconds);
    let retries = value(ProcessorParameterName::NumberOfRetries);
    Some(Function {
        arn: value(ProcessorParameterName::LambdaArn)?.to_owned(),
        retries: retries.and_then(|text| text.parse().ok()).unwrap_or(FUNCTION_RETRIES_DEFAULT),
        hints: Hints {
            bytes: (size_mib.unwrap_or(FUNCTION_SIZE_MIB_DEFAULT).max(0.0) * 1024.0 * 1024.0)
                as u64,
            interval: Duration::from_secs(
                interval
                    .and_then(|text| text.parse().ok())
                    .unwrap_or(FUNCTION_INTERVAL_SECONDS_DEFAULT),
            ),
            weight: FUNCTION_ANSWER_BYTES_MAX as u64,
        },
    })
}

/// The time zone of this name.
pub fn time_zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

fn zoned(time: UnixMillis, zone: &TimeZone) -> ZonedDateTime {
    let time = Timestamp::from_millisecond(time.0 as i64).unwrap_or(Timestamp::MAX);
    time.to_zoned_datetime(zone.clone())
}

fn hints_of(hints: &BufferingHints) -> Hints {
    let size_mib = hints.size_in_m_bs.unwrap_or(SIZE_MIB_DEFAULT).max(1);
    let interval = hints.interval_in_seconds.unwrap_or(INTERVAL_SECONDS_DEFAULT).max(0);
    Hints {
        bytes: u64::from(size_mib.unsigned_abs()) * 1024 * 1024,
        interval: Duration::from_secs(u64::from(interval.unsigned_abs())),
        weight: u64::MAX,
    }
}

fn compression_of(format: &CompressionFormat) -> Result<Compression, Unserved> {
    Ok(match format {
        CompressionFormat::Uncompressed => Compression::Uncompressed,
        CompressionFormat::Gzip => Compression::Gzip,
        CompressionFormat::Zip => Compression::Zip,
        CompressionFormat::Snappy => Compression::Snappy,
        CompressionFormat::HadoopSnappy => Compression::HadoopSnappy,
        CompressionFormat::Unknown(other) => return Err(Unserved::Compression(other.clone())),
    })
}

/// The type of a destination that is not Amazon S3, as the API names it.
fn other_type(description: &DestinationDescription) -> &'static str {
    let types = [
        ("Redshift", description.redshift_destination_description.is_some()),
        ("Elasticsearch", description.elasticsearch_destination_description.is_some()),
        (
            "Amazonopensearchservice",
            description.amazonopensearchservice_destination_description.is_some(),
        ),
        ("Splunk", description.splunk_destination_description.is_some()),
        ("HttpEndpoint", description.http_endpoint_destination_description.is_some()),
        ("Snowflake", description.snowflake_destination_description.is_some()),
        (
            "AmazonOpenSearchServerless",
            description.amazon_open_search_serverless_destination_description.is_some(),
        ),
        ("Iceberg", description.iceberg_destination_description.is_some()),
    ];
    types.into_iter().find(|(_, is_there)| *is_there).map_or("none", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: BTreeMap<String, String> = BTreeMap::new();

    fn extended() -> ExtendedS3DestinationDescription {
        ExtendedS3DestinationDescription {
            bucket_arn: "arn:aws:s3:::lake".to_owned(),
            compression_format: CompressionFormat::Gzip,
            ..ExtendedS3DestinationDescription::default()
        }
    }

    fn read(extended: ExtendedS3DestinationDescription) -> Result<Destination, Unserved> {
        Destination::read(&DestinationDescription {
            extended_s3_destination_description: Some(extended),
            ..DestinationDescription::default()
        })
    }

    fn key(destination: &Destination, error_output: Option<ErrorOutput>) -> String {
        let oldest = UnixMillis(1_700_000_000_000);
        let naming = Naming { stream: "clicks", version: 3, oldest, keys: (&NONE, &NONE) };
        destination.data.key(&naming, error_output, "u-u-i-d", &Entropy::seeded(1))
    }

    #[test]
    fn defaults_are_aws_s() {
        let destination = read(extended()).expect("served");
        assert_eq!(destination.data.bucket, "lake");
        assert_eq!(destination.data.hints.bytes, 5 << 20);
        assert_eq!(destination.data.hints.interval, Duration::from_secs(300));
        assert!(destination.backup.is_none());
        let name = "2023/11/14/22/clicks-3-2023-11-14-22-13-20-u-u-i-d.gz";
        assert_eq!(key(&destination, None), name);
        let failed = "processing-failed/2023/11/14/22/clicks-3-2023-11-14-22-13-20-u-u-i-d";
        assert_eq!(key(&destination, Some(ErrorOutput::Processing)), failed);
    }

    /// The zone rules the suffix too, and an extension replaces the compression's
    /// (`facts/firehose.md` § 2.3).
    #[test]
    fn zones_and_extensions() {
        let mut extended = extended();
        extended.custom_time_zone = Some("America/New_York".to_owned());
        extended.file_extension = Some(".json.gz".to_owned());
        let destination = read(extended.clone()).expect("served");
        let name = "2023/11/14/17/clicks-3-2023-11-14-17-13-20-u-u-i-d.json.gz";
        assert_eq!(key(&destination, None), name);
        extended.custom_time_zone = Some("Mars/Olympus".to_owned());
        let unserved = read(extended).expect_err("no zone");
        assert_eq!(unserved, Unserved::TimeZone("Mars/Olympus".to_owned()));
    }

    #[test]
    fn a_uuid_looks_like_one() {
        let uuid = uuid(&Entropy::seeded(1));
        assert_eq!(uuid.len(), 36);
        let dashes: Vec<_> = uuid.match_indices('-').map(|(at, _)| at).collect();
        assert_eq!(dashes, [8, 13, 18, 23]);
        assert_eq!(&uuid[14..15], "4");
        assert!(matches!(&uuid[19..20], "8" | "9" | "a" | "b"));
    }

    #[test]
    fn other_types_are_named() {
        let unserved = Destination::read(&DestinationDescription {
            splunk_destination_description: Some(Default::default()),
            ..DestinationDescription::default()
        });
        assert_eq!(unserved.expect_err("not served"), Unserved::Type("Splunk"));
    }
}
