//! Processors: which there may be, and what they are given.

use delivery::{Prefix, jq};
use model::firehose::shapes::{
    ExtendedS3DestinationUpdate, Processor, ProcessorParameter, ProcessorParameterName as Name,
    ProcessorType as Type,
};
use serde_json::{Value, json};
use wire::Fault;

use super::kinds::Kind;
use super::{Members, invalid_argument, query};

/// Processors of one destination (recorded).
const PROCESSORS_MAX: usize = 5;
/// Tries after the first, unless somebody says otherwise (API reference, ProcessorParameter).
const RETRIES: &str = "3";
const JQ: &str = "JQ-1.6";

/// The parameters of a Lambda processor, in the order in which AWS keeps them (floci-io/floci pull
/// request 3375).
const LAMBDA_PARAMETERS: [Name; 5] = [
    Name::LambdaArn,
    Name::NumberOfRetries,
    Name::RoleArn,
    Name::BufferSizeInMBs,
    Name::BufferIntervalInSeconds,
];

/// Checks the processors of a destination.
pub(super) fn check(kind: &Kind, own: &ExtendedS3DestinationUpdate) -> Result<(), Fault> {
    let Some(processing) = &own.processing_configuration else { return Ok(()) };
    let processors = processing.processors.as_deref().unwrap_or_default();
    if processing.enabled == Some(true) && !(1..=PROCESSORS_MAX).contains(&processors.len()) {
        return Err(invalid_argument(
            "A maximum of 5 and a minimum of 1 processor needs to be supplied when processing is enabled.",
        ));
    }
    if processors.iter().any(has_duplicate) {
        return Err(invalid_argument(
            "Duplicate ProcessorParameter passed to ProcessingConfiguration.",
        ));
    }
    if let Some(twice) = first_twice(processors) {
        return Err(invalid_argument(format!("Cannot have more than 1 {twice} processor.")));
    }
    let partitioning = own.dynamic_partitioning_configuration.as_ref();
    let is_partitioned =
        partitioning.is_some_and(|partitioning| partitioning.enabled == Some(true));
    for processor in processors {
        let only_partitioned =
            matches!(processor.r#type, Type::RecordDeAggregation | Type::MetadataExtraction);
        if kind.is_s3() && only_partitioned && !is_partitioned {
            return Err(invalid_argument(format!(
                "class com.amazonaws.services.firehose.internal.model.{}Processor can only be present when Dynamic Partitioning is enabled.",
                processor.r#type
            )));
        }
        match processor.r#type {
            Type::Lambda => check_lambda(processor)?,
            Type::MetadataExtraction => check_query(kind, processor, own)?,
            Type::RecordDeAggregation => check_deaggregation(processor)?,
            Type::Decompression => check_decompression(processor)?,
            Type::CloudWatchLogProcessing => check_log_processing(processor, processors)?,
            _ => {}
        }
    }
    Ok(())
}

fn parameter<'a>(processor: &'a Processor, name: &Name) -> Option<&'a str> {
    let parameters = processor.parameters.as_deref().unwrap_or_default();
    let found = parameters.iter().find(|parameter| parameter.parameter_name == *name);
    found.map(|parameter| parameter.parameter_value.as_str())
}

fn has_duplicate(processor: &Processor) -> bool {
    let parameters = processor.parameters.as_deref().unwrap_or_default();
    let names = |at: usize| &parameters[at].parameter_name;
    (1..parameters.len()).any(|at| (0..at).any(|before| names(before) == names(at)))
}

fn first_twice(processors: &[Processor]) -> Option<&Type> {
    let kind = |at: usize| &processors[at].r#type;
    (1..processors.len()).find(|at| (0..*at).any(|before| kind(before) == kind(*at))).map(kind)
}

fn check_lambda(processor: &Processor) -> Result<(), Fault> {
    let Some(function) = parameter(processor, &Name::LambdaArn) else {
        return Err(invalid_argument("LambdaArn is required when Lambda processor is used."));
    };
    if !is_function(function) {
        return Err(invalid_argument("Invalid lambda ARN."));
    }
    let within = |name, least: f64, most: f64, words: &'static str| {
        let Some(given) = parameter(processor, &name) else { return Ok(()) };
        let is_within = given.parse().is_ok_and(|given: f64| (least..=most).contains(&given));
        if is_within { Ok(()) } else { Err(invalid_argument(words)) }
    };
    within(
        Name::NumberOfRetries,
        0.0,
        300.0,
        "Number of retries for lambda must be between 0 and 300.",
    )?;
    let (size, interval) = (Name::BufferSizeInMBs, Name::BufferIntervalInSeconds);
    if parameter(processor, &size).is_some() != parameter(processor, &interval).is_some() {
        return Err(invalid_argument(
            "Both BufferSizeInMBs and BufferIntervalInSeconds are required to configure buffering for lambda processor.",
        ));
    }
    within(size, 0.2, 3.0, "BufferSizeInMBs for lambda processor must be between 0.2 and 3.")?;
    within(
        interval,
        0.0,
        900.0,
        "BufferIntervalInSeconds for lambda processor must be between 0 and 900.",
    )
}

/// A function's ARN as Lambda has them, with a version or an alias or without; or the URL of a
/// webhook, which AWS has not.
fn is_function(function: &str) -> bool {
    let is_url = |scheme| function.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty());
    if is_url("http://") || is_url("https://") {
        return true;
    }
    let is_word = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    };
    let parts: Vec<&str> = function.split(':').collect();
    let [arn, partition, "lambda", region, account, "function", name, qualifier @ ..] = &parts[..]
    else {
        return false;
    };
    let has_qualifier = match qualifier {
        [] => true,
        [qualifier] => *qualifier == "$LATEST" || is_word(qualifier),
        _ => false,
    };
    let is_account = account.len() == 12 && account.bytes().all(|digit| digit.is_ascii_digit());
    *arn == "arn"
        && partition.starts_with("aws")
        && is_word(region)
        && is_account
        && is_word(name)
        && has_qualifier
}

fn check_query(
    kind: &Kind,
    processor: &Processor,
    own: &ExtendedS3DestinationUpdate,
) -> Result<(), Fault> {
    if parameter(processor, &Name::JsonParsingEngine) != Some(JQ) {
        return Err(invalid_argument(format!(
            "MetaDataExtraction JSON Parsing Engine has to be one of {JQ}"
        )));
    }
    let Some(query) = parameter(processor, &Name::MetadataExtractionQuery) else {
        // No recording has AWS's words.
        return Err(invalid_argument("MetaDataExtraction JQ Query must not be null or empty"));
    };
    // AWS says something too; no recording has its words.
    jq::Query::compile(query).map_err(|error| {
        invalid_argument(format!("MetaDataExtraction JQ Query is invalid: {error}"))
    })?;
    if !kind.is_s3() {
        // Its keys are not about prefixes, but about tables.
        return Ok(());
    }
    let prefix = own.prefix.as_deref().unwrap_or_default();
    let prefix = Prefix::parse(prefix);
    let named = prefix.as_ref().map(|prefix| prefix.partition_keys().0).unwrap_or_default();
    let made = query::keys(query).unwrap_or_default();
    if made.iter().any(|key| !named.contains(&key.as_str())) {
        return Err(invalid_argument(
            "MetaDataExtraction JQ Query can't contain keys that are not present in the S3 Prefix expression",
        ));
    }
    Ok(())
}

fn check_deaggregation(processor: &Processor) -> Result<(), Fault> {
    let delimiter = parameter(processor, &Name::Delimiter);
    match parameter(processor, &Name::SubRecordType) {
        Some("JSON") => Ok(()),
        Some("DELIMITED") => match delimiter {
            None => Err(invalid_argument("Delimiter should be present for DELIMITED")),
            Some(text) => match base64_simd::STANDARD.decode_to_vec(text) {
                Ok(bytes) if !bytes.is_empty() => Ok(()),
                // The API reference wants base64; no recording has AWS's words.
                _ => Err(invalid_argument("Delimiter should be a base64 encoded string")),
            },
        },
        _ => Err(invalid_argument("SubRecordType has to be one of JSON, DELIMITED")),
    }
}

/// API reference, ProcessorParameter; no recording has AWS's words.
fn check_decompression(processor: &Processor) -> Result<(), Fault> {
    match parameter(processor, &Name::CompressionFormat) {
        None | Some("GZIP") => Ok(()),
        Some(_) => Err(invalid_argument(
            "Invalid parameter value for CompressionFormat. Allowed value is GZIP.",
        )),
    }
}

fn check_log_processing(processor: &Processor, all: &[Processor]) -> Result<(), Fault> {
    if !all.iter().any(|other| other.r#type == Type::Decompression) {
        return Err(invalid_argument(
            "CloudWatchLogProcessingProcessor can only be enabled with DecompressionProcessor",
        ));
    }
    let extracts = parameter(processor, &Name::DataMessageExtraction).unwrap_or_default();
    if !["true", "false"].contains(&extracts.to_ascii_lowercase().as_str()) {
        return Err(invalid_argument(
            "Invalid parameter value for DataMessageExtraction. Allowed values are True and False.",
        ));
    }
    Ok(())
}

/// Fills in what nobody has said: processing without `Enabled` is off, and a Lambda processor has five
/// parameters, in AWS's order.
pub(super) fn complete(kind: &Kind, members: &mut Members) {
    let role = members
        .get("RoleARN")
        .or_else(|| members.get("S3DestinationDescription").and_then(|s3| s3.get("RoleARN")));
    let role = role.and_then(Value::as_str).unwrap_or_default().to_owned();
    let Some(Value::Object(processing)) = members.get_mut("ProcessingConfiguration") else {
        return;
    };
    processing.entry("Enabled").or_insert(false.into());
    let Some(Value::Array(processors)) = processing.get_mut("Processors") else { return };
    for processor in processors {
        if processor.get("Type") != Some(&json!("Lambda")) {
            continue;
        }
        let Ok(read) = super::view::<Processor>(processor) else { continue };
        let (size, interval) = kind.lambda_buffer;
        let defaults = ["", RETRIES, &role, size, interval];
        let parameters = LAMBDA_PARAMETERS.iter().zip(defaults).map(|(name, default)| {
            let value = parameter(&read, name).unwrap_or(default);
            ProcessorParameter { parameter_name: name.clone(), parameter_value: value.to_owned() }
        });
        processor["Parameters"] = json!(parameters.collect::<Vec<_>>());
    }
}

#[cfg(test)]
mod tests {
    use super::is_function;

    #[test]
    fn functions_are_named_as_lambda_names_them() {
        let good = [
            "arn:aws:lambda:us-east-1:000000000000:function:transform",
            "arn:aws:lambda:us-east-1:000000000000:function:transform:$LATEST",
            "arn:aws-cn:lambda:cn-north-1:000000000000:function:transform:prod",
            "http://127.0.0.1:9000/hook",
        ];
        for function in good {
            assert!(is_function(function), "{function}");
        }
        let bad = [
            "not-an-arn",
            "arn:aws:lambda:us-east-1:000000000000:function:bad name",
            "arn:aws:lambda:us-east-1:000000000000:function:name/with/slashes",
            "arn:aws:lambda:us-east-1:000000000000:function:bad?name",
            "arn:aws:lambda:us-east-1:1:function:transform",
            "https://",
        ];
        for function in bad {
            assert!(!is_function(function), "{function}");
        }
    }
}
