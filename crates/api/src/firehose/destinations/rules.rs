//! What a destination must be, beyond the model's constraints, and in which order AWS looks.
//!
//! The words are AWS's: floci-io/floci's probes (its issues 2328 and 3235, its pull requests 3236 and
//! 3375) and badmintoncryer/cdk-preflight's recordings of September 2026. Where there is none, a line
//! says so.

use std::collections::BTreeSet;

use delivery::Secrets;
use model::firehose::shapes::{
    ExtendedS3DestinationUpdate, HttpEndpointDestinationUpdate, IcebergDestinationUpdate,
    ProcessorType, S3BackupMode, S3DestinationUpdate, SecretsManagerConfiguration,
    SnowflakeDestinationUpdate,
};
use serde_json::Value;
use wire::Fault;

use super::super::encryption::region_of;
use super::kinds::{Kind, S3_PARTS};
use super::{Members, Place, conversion, invalid_argument, prefixes, processors, view, zones};

/// Checks a destination as it was asked for, or as an update would make it.
pub(super) fn check(
    place: Place<'_>,
    kind: &Kind,
    members: &Members,
    secrets: &Secrets,
) -> Result<(), Fault> {
    // Members of extended S3 that other kinds have too are the same there.
    let own: ExtendedS3DestinationUpdate = view(&Value::Object(members.clone()))?;
    check_hints(own.buffering_hints.as_ref().map(|h| (h.size_in_m_bs, h.interval_in_seconds)))?;
    check_logging(own.cloud_watch_logging_options.as_ref())?;
    if kind.is_s3() {
        let plain: S3DestinationUpdate = view(&Value::Object(members.clone()))?;
        check_s3(&plain)?;
        zones::check(own.custom_time_zone.as_deref())?;
        prefixes::check_partitions(&own)?;
    }
    for part in S3_PARTS {
        let Some(members) = members.get(part) else { continue };
        check_place(part, members)?;
        let part: S3DestinationUpdate = view(members)?;
        check_hints(
            part.buffering_hints.as_ref().map(|h| (h.size_in_m_bs, h.interval_in_seconds)),
        )?;
        check_logging(part.cloud_watch_logging_options.as_ref())?;
        check_s3(&part)?;
    }
    check_kind(place, kind, members, secrets)?;
    processors::check(kind, &own)?;
    if kind.is_s3() {
        conversion::check(&own)?;
    }
    let backs_up = own.s3_backup_mode == Some(S3BackupMode::Enabled);
    if backs_up && !members.contains_key("S3BackupDescription") {
        return Err(invalid_argument(
            "S3 backup destination configuration is required when enabling S3 backup.",
        ));
    }
    Ok(())
}

/// What an update adds may lack what the model asks of a configuration.
fn check_place(part: &str, members: &Value) -> Result<(), Fault> {
    match ["RoleARN", "BucketARN"].iter().find(|member| members.get(member).is_none()) {
        None => Ok(()),
        Some(member) => {
            let part = if part == "S3BackupDescription" { "S3BackupUpdate" } else { "S3Update" };
            Err(invalid_argument(format!("{part}.{member} must not be null")))
        }
    }
}

/// One of them without the other says nothing (API reference, BufferingHints). The words follow those
/// for a Lambda processor's.
fn check_hints(hints: Option<(Option<i32>, Option<i32>)>) -> Result<(), Fault> {
    match hints {
        Some((Some(_), None) | (None, Some(_))) => Err(invalid_argument(
            "Both SizeInMBs and IntervalInSeconds are required to configure buffering hints.",
        )),
        _ => Ok(()),
    }
}

fn check_logging(
    options: Option<&model::firehose::shapes::CloudWatchLoggingOptions>,
) -> Result<(), Fault> {
    let Some(options) = options.filter(|options| options.enabled == Some(true)) else {
        return Ok(());
    };
    let names = [("Group", &options.log_group_name), ("Stream", &options.log_stream_name)];
    match names.iter().find(|(_, name)| name.as_ref().is_none_or(String::is_empty)) {
        None => Ok(()),
        Some((what, _)) => Err(invalid_argument(format!(
            "CloudWatch Log {what} Name is required if CloudWatch Logging is enabled"
        ))),
    }
}

fn check_s3(s3: &S3DestinationUpdate) -> Result<(), Fault> {
    if let Some(encryption) = &s3.encryption_configuration
        && encryption.no_encryption_config.is_some() == encryption.kms_encryption_config.is_some()
    {
        return Err(invalid_argument(
            "Exactly one of NoEncryptionConfig or KMSEncryptionConfig must be specified",
        ));
    }
    prefixes::check(s3.prefix.as_deref(), s3.error_output_prefix.as_deref())
}

fn check_kind(
    place: Place<'_>,
    kind: &Kind,
    members: &Members,
    secrets: &Secrets,
) -> Result<(), Fault> {
    let has_secret = check_secret(place, members)?;
    let has = |member: &str| members.contains_key(member) || secrets.contains_key(member);
    let requires = |member: &str, words: &'static str| {
        if has(member) || has_secret { Ok(()) } else { Err(invalid_argument(words)) }
    };
    match kind.name {
        "Redshift" => {
            requires(
                "Username",
                "Redshift Database Username is required for Redshift Destination",
            )?;
            requires(
                "Password",
                "Redshift Database Password is required for Redshift Destination",
            )?;
            check_redshift(members)
        }
        "Elasticsearch" | "Amazonopensearchservice" => {
            match (has("DomainARN"), has("ClusterEndpoint")) {
                (false, false) => Err(invalid_argument(
                    "Provide either the Elasticsearch cluster endpoint or domain arn.",
                )),
                (true, true) => Err(invalid_argument(
                    "Cannot provide both Elasticsearch cluster endpoint and domain ARN. Provide either the cluster endpoint or domain arn.",
                )),
                _ => Ok(()),
            }
        }
        "AmazonOpenSearchServerless" if !has("CollectionEndpoint") => Err(invalid_argument(
            "Must specify collection endpoint for delivery to OpenSearch serverless.",
        )),
        "Splunk" => {
            let endpoint = members.get("HECEndpoint").and_then(Value::as_str).unwrap_or_default();
            if !endpoint.starts_with("https://") && !is_of_this_machine(endpoint) {
                return Err(invalid_argument(
                    "Invalid HECEndpoint. Supported endpoint format is https://<domain>:<port>.",
                ));
            }
            requires("HECToken", "HECToken must be provided.")
        }
        "HttpEndpoint" => check_http(members),
        "Snowflake" => {
            requires("User", "User must be provided.")?;
            requires("PrivateKey", "PrivateKey must be provided.")?;
            check_snowflake(members)
        }
        "Iceberg" => check_iceberg(members),
        _ => Ok(()),
    }
}

/// A collector for tests listens on this machine, without a certificate.
fn is_of_this_machine(endpoint: &str) -> bool {
    ["http://localhost:", "http://127.0.0.1:"].iter().any(|start| endpoint.starts_with(start))
}

/// Whether the credentials are somewhere else.
fn check_secret(place: Place<'_>, members: &Members) -> Result<bool, Fault> {
    let Some(secret) = members.get("SecretsManagerConfiguration") else { return Ok(false) };
    let secret: SecretsManagerConfiguration = view(secret)?;
    if !secret.enabled {
        return Ok(false);
    }
    match secret.secret_arn.as_deref() {
        None => Err(invalid_argument("Invalid secret ARN: null")),
        Some(arn) if region_of(arn) != Some(place.region) => Err(invalid_argument(
            "Cross-region secrets are not allowed. Please provide a secret in the same region as firehose",
        )),
        Some(_) => Ok(true),
    }
}

fn check_redshift(members: &Members) -> Result<(), Fault> {
    let Some(s3) = members.get("S3DestinationDescription") else { return Ok(()) };
    let s3: S3DestinationUpdate = view(s3)?;
    let has_expression =
        |prefix: &Option<String>| prefix.as_ref().is_some_and(|p| p.contains("!{"));
    let has_error_prefix = s3.error_output_prefix.as_ref().is_some_and(|prefix| !prefix.is_empty());
    if has_expression(&s3.prefix) || has_error_prefix {
        return Err(invalid_argument(
            "Prefix Expressions or ErrorOutputPrefix is currently not supported for this destination",
        ));
    }
    let format = s3.compression_format.as_ref().map_or("UNCOMPRESSED", |format| format.as_str());
    if !["UNCOMPRESSED", "GZIP"].contains(&format) {
        return Err(invalid_argument(
            "Only the following compression formats are allowed when using Redshift: [UNCOMPRESSED, GZIP]",
        ));
    }
    Ok(())
}

fn check_http(members: &Members) -> Result<(), Fault> {
    let own: HttpEndpointDestinationUpdate = view(&Value::Object(members.clone()))?;
    let attributes = own.request_configuration.and_then(|request| request.common_attributes);
    let mut names = BTreeSet::new();
    for attribute in attributes.unwrap_or_default() {
        let name = attribute.attribute_name;
        if !names.insert(name.clone()) {
            return Err(invalid_argument(format!(
                "Http Endpoint Common Attributes have duplicate name {name}"
            )));
        }
    }
    Ok(())
}

fn check_snowflake(members: &Members) -> Result<(), Fault> {
    let own: SnowflakeDestinationUpdate = view(&Value::Object(members.clone()))?;
    let role = own.snowflake_role_configuration.as_ref();
    if role.is_some_and(|role| role.enabled == Some(true) && role.snowflake_role.is_none()) {
        return Err(invalid_argument(
            "Must provide SnowflakeRole when SnowflakeRoleConfiguration is enabled.",
        ));
    }
    let columns = [
        ("ContentColumnName", &own.content_column_name),
        ("MetaDataColumnName", &own.meta_data_column_name),
    ];
    match own.data_loading_option.as_ref().map_or("JSON_MAPPING", |option| option.as_str()) {
        "JSON_MAPPING" => match columns.iter().find(|(_, column)| column.is_some()) {
            None => Ok(()),
            Some((name, _)) => Err(invalid_argument(format!(
                "Can't configure {name} when Data Loading Option is not VARIANT_CONTENT_MAPPING or VARIANT_CONTENT_AND_METADATA_MAPPING"
            ))),
        },
        "VARIANT_CONTENT_AND_METADATA_MAPPING"
            if columns.iter().any(|(_, column)| column.is_none()) =>
        {
            Err(invalid_argument(
                "Must provide ContentColumnName and MetadataColumnName when Data Loading Option is VARIANT_CONTENT_AND_METADATA_MAPPING.",
            ))
        }
        _ => Ok(()),
    }
}

fn check_iceberg(members: &Members) -> Result<(), Fault> {
    let own: IcebergDestinationUpdate = view(&Value::Object(members.clone()))?;
    if let Some(mode) = own.s3_backup_mode.as_ref().map(|mode| mode.as_str())
        && mode != "FailedDataOnly"
    {
        return Err(invalid_argument(format!(
            "S3BackupMode.{mode} is not supported for Iceberg as destination."
        )));
    }
    let processors = own.processing_configuration.and_then(|processing| processing.processors);
    let is_routed = processors.unwrap_or_default().iter().any(|processor| {
        matches!(processor.r#type, ProcessorType::Lambda | ProcessorType::MetadataExtraction)
    });
    let tables = own.destination_table_configuration_list.map_or(0, |tables| tables.len());
    if !is_routed && tables != 1 {
        return Err(invalid_argument(
            "A single default destination table configuration must be provided when both Lambda and MetadataExtraction processors are not provided",
        ));
    }
    Ok(())
}

/// Whether the destination of one kind may become another's.
pub(super) fn check_switch(old: &Kind, new: &Kind) -> Result<(), Fault> {
    // API reference, UpdateDestination, for search; getmoto/moto found the same for HTTP endpoints.
    let fixed = [
        ("Elasticsearch", "Elasticsearch"),
        ("Amazonopensearchservice", "AmazonOpenSearchService"),
        ("AmazonOpenSearchServerless", "AmazonOpenSearchServerless"),
        ("HttpEndpoint", "HttpEndpoint"),
    ];
    let named = |kind: &Kind| fixed.iter().find(|(name, _)| *name == kind.name);
    match named(new).or_else(|| named(old)) {
        None => Ok(()),
        Some((_, name)) => Err(invalid_argument(format!(
            "Changing the destination type to or from {name} is not supported at this time."
        ))),
    }
}

/// Whether an update holds what a new destination of its kind must have. The words are those of the
/// model's constraints, which hold such members of a configuration.
pub(super) fn check_complete(kind: &Kind, members: &Members) -> Result<(), Fault> {
    let required: &[&str] = match kind.name {
        "ExtendedS3" | "S3" => &["RoleARN", "BucketARN"],
        "Redshift" => &["RoleARN", "ClusterJDBCURL", "CopyCommand", "S3DestinationDescription"],
        "Splunk" => &["HECEndpoint", "HECEndpointType", "S3DestinationDescription"],
        "Snowflake" => {
            &["AccountUrl", "Database", "Schema", "Table", "RoleARN", "S3DestinationDescription"]
        }
        "Iceberg" => &["RoleARN", "CatalogConfiguration", "S3DestinationDescription"],
        _ => &["S3DestinationDescription"],
    };
    let missing = |member: &&&str| !members.contains_key(**member);
    if let Some(member) = required.iter().find(missing) {
        let member = if *member == "S3DestinationDescription" { "S3Update" } else { member };
        return Err(invalid_argument(format!("{member} must not be null")));
    }
    Ok(())
}

/// Whether a destination may change so.
pub(super) fn check_change(kind: &Kind, old: &Members, update: &Members) -> Result<(), Fault> {
    let text = |members: &Members, member: &str| {
        members.get(member).and_then(Value::as_str).map(str::to_owned)
    };
    // awsdocs/amazon-kinesis-data-firehose-developer-guide issue 11 shows AWS's words for Splunk.
    let one_way = [("Enabled", "Disabled"), ("AllEvents", "FailedEventsOnly")];
    let modes = (text(old, "S3BackupMode"), text(update, "S3BackupMode"));
    if let (Some(old), Some(new)) = modes
        && one_way.contains(&(old.as_str(), new.as_str()))
    {
        return Err(invalid_argument("Disabling S3 backup is not currently supported."));
    }
    if kind.is_s3() && update.contains_key("DynamicPartitioningConfiguration") {
        let enabled = |members: &Members| {
            let partitioning = members.get("DynamicPartitioningConfiguration");
            partitioning.and_then(|part| part.get("Enabled")).and_then(Value::as_bool)
        };
        // The developer guide forbids both; no recording has AWS's words.
        match (enabled(old) == Some(true), enabled(update).unwrap_or(enabled(old) == Some(true))) {
            (false, true) => {
                return Err(invalid_argument(
                    "Dynamic Partitioning cannot be enabled for an existing delivery stream.",
                ));
            }
            (true, false) => {
                return Err(invalid_argument(
                    "Dynamic Partitioning cannot be disabled once it is enabled.",
                ));
            }
            _ => {}
        }
    }
    Ok(())
}
