//! The kinds of destinations, and what AWS fills in (API reference; facts/firehose.md § 2.2).

use serde_json::{Value, json};

use super::Members;

/// A kind of destination.
pub(super) struct Kind {
    /// What stands before `DestinationConfiguration` and `DestinationUpdate`.
    pub(super) name: &'static str,
    /// The member that describes it.
    pub(super) description: &'static str,
    /// What its members are unless somebody says otherwise.
    defaults: fn() -> Value,
    /// What a Lambda processor waits for, unless somebody says otherwise: mebibytes, seconds.
    pub(super) lambda_buffer: (&'static str, &'static str),
}

impl Kind {
    /// Whether it is S3, and nothing else.
    pub(super) fn is_s3(&self) -> bool {
        self.description == EXTENDED_S3
    }
}

const EXTENDED_S3: &str = "ExtendedS3DestinationDescription";
const LAMBDA_BUFFER: (&str, &str) = ("1", "60");

/// Every kind. What was asked for as plain S3 is described as extended S3 too.
pub(super) static KINDS: [Kind; 10] = [
    Kind {
        name: "ExtendedS3",
        description: EXTENDED_S3,
        defaults: || json!({"S3BackupMode": "Disabled"}),
        lambda_buffer: LAMBDA_BUFFER,
    },
    Kind {
        name: "S3",
        description: EXTENDED_S3,
        defaults: || json!({"S3BackupMode": "Disabled"}),
        lambda_buffer: LAMBDA_BUFFER,
    },
    Kind {
        name: "Redshift",
        description: "RedshiftDestinationDescription",
        defaults: || json!({"RetryOptions": retry(3600), "S3BackupMode": "Disabled"}),
        lambda_buffer: LAMBDA_BUFFER,
    },
    Kind {
        name: "Elasticsearch",
        description: "ElasticsearchDestinationDescription",
        defaults: || search(&json!({"IndexRotationPeriod": "OneDay"})),
        lambda_buffer: LAMBDA_BUFFER,
    },
    Kind {
        name: "Amazonopensearchservice",
        description: "AmazonopensearchserviceDestinationDescription",
        defaults: || search(&json!({"IndexRotationPeriod": "OneDay"})),
        lambda_buffer: LAMBDA_BUFFER,
    },
    Kind {
        name: "AmazonOpenSearchServerless",
        description: "AmazonOpenSearchServerlessDestinationDescription",
        defaults: || search(&json!({})),
        lambda_buffer: LAMBDA_BUFFER,
    },
    Kind {
        name: "Splunk",
        description: "SplunkDestinationDescription",
        defaults: || {
            json!({
                "BufferingHints": hints(5, 60),
                "HECAcknowledgmentTimeoutInSeconds": 180,
                "RetryOptions": retry(300),
                "S3BackupMode": "FailedEventsOnly",
            })
        },
        lambda_buffer: ("0.25", "60"),
    },
    Kind {
        name: "HttpEndpoint",
        description: "HttpEndpointDestinationDescription",
        defaults: || {
            json!({
                "BufferingHints": hints(5, 300),
                "RetryOptions": retry(300),
                "S3BackupMode": "FailedDataOnly",
            })
        },
        lambda_buffer: LAMBDA_BUFFER,
    },
    Kind {
        name: "Snowflake",
        description: "SnowflakeDestinationDescription",
        defaults: || {
            json!({
                "BufferingHints": hints(128, 0),
                "DataLoadingOption": "JSON_MAPPING",
                "RetryOptions": retry(60),
                "S3BackupMode": "FailedDataOnly",
            })
        },
        lambda_buffer: ("0.25", "30"),
    },
    Kind {
        name: "Iceberg",
        description: "IcebergDestinationDescription",
        defaults: || {
            json!({
                "BufferingHints": hints(5, 300),
                "RetryOptions": retry(300),
                "S3BackupMode": "FailedDataOnly",
            })
        },
        lambda_buffer: LAMBDA_BUFFER,
    },
];

/// Where another destination keeps its S3 part, and where any keeps its backup.
pub(super) const S3_PARTS: [&str; 2] = ["S3DestinationDescription", "S3BackupDescription"];

/// The members of plain S3.
pub(super) const S3_MEMBERS: [&str; 8] = [
    "RoleARN",
    "BucketARN",
    "Prefix",
    "ErrorOutputPrefix",
    "BufferingHints",
    "CompressionFormat",
    "EncryptionConfiguration",
    "CloudWatchLoggingOptions",
];

/// The size that objects are buffered to where they are converted, or partitioned.
const SIZE_MIB_LARGE: u32 = 128;
const SIZE_MIB: u32 = 5;
const INTERVAL_SECONDS: u32 = 300;
const PARTITION_RETRY_SECONDS: u32 = 300;

/// Fills in what nobody has said.
pub(super) fn complete(kind: &Kind, members: &mut Members) {
    if kind.is_s3() {
        let large = ["DataFormatConversionConfiguration", "DynamicPartitioningConfiguration"];
        let large = large.iter().any(|member| is_enabled(members, member));
        let size_mib = if large { SIZE_MIB_LARGE } else { SIZE_MIB };
        fill(members, s3(size_mib));
        switch_on(members, "DataFormatConversionConfiguration");
        if is_enabled(members, "DynamicPartitioningConfiguration")
            && let Some(Value::Object(partitioning)) =
                members.get_mut("DynamicPartitioningConfiguration")
        {
            fill(partitioning, json!({"RetryOptions": retry(PARTITION_RETRY_SECONDS)}));
        }
    }
    for part in S3_PARTS {
        if let Some(Value::Object(part)) = members.get_mut(part) {
            fill(part, s3(SIZE_MIB));
        }
    }
    fill(members, (kind.defaults)());
    fill(members, json!({"CloudWatchLoggingOptions": {"Enabled": false}}));
}

/// Whether a member is there and switched on: conversion without `Enabled` is, partitioning is not.
pub(super) fn is_enabled(members: &Members, member: &str) -> bool {
    let enabled = members.get(member).map(|part| part.get("Enabled"));
    match enabled {
        None => false,
        Some(None) => member == "DataFormatConversionConfiguration",
        Some(Some(enabled)) => enabled.as_bool() == Some(true),
    }
}

fn switch_on(members: &mut Members, member: &str) {
    if let Some(Value::Object(part)) = members.get_mut(member) {
        fill(part, json!({"Enabled": true}));
    }
}

fn fill(members: &mut Members, defaults: Value) {
    let Value::Object(defaults) = defaults else { return };
    for (name, value) in defaults {
        members.entry(name).or_insert(value);
    }
}

fn s3(size_mib: u32) -> Value {
    json!({
        "BufferingHints": hints(size_mib, INTERVAL_SECONDS),
        "CloudWatchLoggingOptions": {"Enabled": false},
        "CompressionFormat": "UNCOMPRESSED",
        "EncryptionConfiguration": {"NoEncryptionConfig": "NoEncryption"},
    })
}

fn search(more: &Value) -> Value {
    let mut defaults = json!({
        "BufferingHints": hints(SIZE_MIB, INTERVAL_SECONDS),
        "RetryOptions": retry(300),
        "S3BackupMode": "FailedDocumentsOnly",
    });
    if let (Value::Object(defaults), Value::Object(more)) = (&mut defaults, more) {
        defaults.extend(more.clone());
    }
    defaults
}

fn hints(size_mib: u32, interval_seconds: u32) -> Value {
    json!({"SizeInMBs": size_mib, "IntervalInSeconds": interval_seconds})
}

fn retry(seconds: u32) -> Value {
    json!({"DurationInSeconds": seconds})
}
