//! Prefixes of objects' names, and the partitions that they name.

use delivery::{Prefix, PrefixError};
use model::firehose::shapes::{ExtendedS3DestinationUpdate, ProcessorType};
use wire::Fault;

use super::invalid_argument;

/// Characters that an evaluated prefix may have (developer guide).
const EVALUATED_LENGTH_MAX: usize = 512;
const NAMESPACES: [&str; 4] =
    ["timestamp", "firehose", "partitionKeyFromQuery", "partitionKeyFromLambda"];
/// Letters that Java knows in a time's pattern and AWS refuses (recorded over all letters).
const LETTERS_REFUSED: &str = "CIJPRTUVbfijloprt";
/// What buffers of a partitioned stream are at least.
const PARTITION_SIZE_MIB_MIN: i32 = 64;
const PARTITION_INTERVAL_SECONDS_MIN: i32 = 60;

/// Checks the prefixes of S3.
pub(super) fn check(prefix: Option<&str>, error_prefix: Option<&str>) -> Result<(), Fault> {
    let parsed = parse("Prefix", prefix.unwrap_or_default())?;
    let parsed_error = parse("ErrorOutputPrefix", error_prefix.unwrap_or_default())?;
    if parsed.names_error_output() {
        return Err(unsatisfied(
            "Prefix must not contain any occurrence of !{firehose:error-output-type}",
        ));
    }
    let (from_query, from_lambda) = parsed_error.partition_keys();
    if !from_query.is_empty() || !from_lambda.is_empty() {
        return Err(invalid_argument(
            "Dynamic Partitioning Namespaces can't be part of an error prefix expression",
        ));
    }
    if parsed.has_expression() && error_prefix.is_none_or(str::is_empty) {
        return Err(unsatisfied(
            "ErrorOutputPrefix cannot be null or empty when Prefix contains expressions",
        ));
    }
    if parsed_error.has_expression() && !parsed_error.names_error_output() {
        return Err(unsatisfied(
            "ErrorOutputPrefix must contain at least one occurrence of !{firehose:error-output-type}",
        ));
    }
    for (name, prefix) in [("prefix", prefix), ("ErrorOutputPrefix", error_prefix)] {
        if prefix.is_some_and(|prefix| evaluated_length_min(prefix) > EVALUATED_LENGTH_MAX) {
            return Err(unsatisfied(&format!(
                "Length of evaluated {name} cannot be greater than {EVALUATED_LENGTH_MAX}"
            )));
        }
    }
    Ok(())
}

/// AWS's words, as serverless/serverless issue 6015 and hashicorp/terraform-provider-aws issue 13416
/// show them, typing error included.
fn unsatisfied(constraint: &str) -> Fault {
    invalid_argument(format!(
        "Ths supplied prefix(es) do not satisfy the following constraint: {constraint}"
    ))
}

fn parse(name: &str, text: &str) -> Result<Prefix, Fault> {
    let conversion = || {
        invalid_argument(format!(
            "Invalid conversion character used in the value of the expression in {name}"
        ))
    };
    for (namespace, value) in expressions(text) {
        if !NAMESPACES.contains(&namespace) {
            return Err(invalid_argument(format!(
                "Namespace to the left of colon ({namespace}) is an invalid keyword!"
            )));
        }
        if namespace == "timestamp" && has_letter_refused(value) {
            return Err(conversion());
        }
    }
    Prefix::parse(text).map_err(|error| match error {
        PrefixError::Malformed(_) => invalid_argument("Invalid expression usage"),
        PrefixError::Unknown(_) | PrefixError::Timestamp(..) => conversion(),
    })
}

/// The well-formed expressions of a prefix: namespace and value.
fn expressions(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split("!{").skip(1).filter_map(|rest| rest.split_once('}')?.0.split_once(':'))
}

/// Whether a pattern of a time has a letter, outside quotes, that AWS refuses.
pub(super) fn has_letter_refused(pattern: &str) -> bool {
    pattern.split('\'').step_by(2).any(|plain| plain.contains(|c| LETTERS_REFUSED.contains(c)))
}

/// Every literal character stays, and every expression becomes at least one.
fn evaluated_length_min(prefix: &str) -> usize {
    let mut parts = prefix.split("!{");
    let literal = parts.next().map_or(0, |literal| literal.chars().count());
    let after = |rest: &str| rest.split_once('}').map_or(0, |(_, tail)| tail.chars().count());
    literal + parts.map(|rest| 1 + after(rest)).sum::<usize>()
}

/// Checks what partitioning needs, and that nothing needs it where it is not.
pub(super) fn check_partitions(s3: &ExtendedS3DestinationUpdate) -> Result<(), Fault> {
    let prefix = parse("Prefix", s3.prefix.as_deref().unwrap_or_default())?;
    let (from_query, from_lambda) = prefix.partition_keys();
    let names_keys = !from_query.is_empty() || !from_lambda.is_empty();
    let partitioning = s3.dynamic_partitioning_configuration.as_ref();
    if partitioning.is_none_or(|partitioning| partitioning.enabled != Some(true)) {
        return if names_keys {
            Err(invalid_argument(
                "Dynamic Partitioning Namespaces can only be part of a prefix expression when Dynamic Partitioning is enabled.",
            ))
        } else {
            Ok(())
        };
    }
    let processing = s3.processing_configuration.as_ref();
    let processing = processing.filter(|processing| processing.enabled == Some(true));
    let processors = processing.and_then(|processing| processing.processors.as_deref());
    let has =
        |kind| processors.unwrap_or_default().iter().any(|processor| processor.r#type == kind);
    let (has_lambda, has_query) =
        (has(ProcessorType::Lambda), has(ProcessorType::MetadataExtraction));
    let refusal = if !has_lambda && !has_query {
        "Processing Configuration is not enabled when DataPartitioning is enabled"
    } else if !names_keys {
        "S3 Prefix should contain Dynamic Partitioning namespaces when Dynamic Partitioning is enabled"
    } else if !has_lambda && !from_lambda.is_empty() {
        "Lambda should be present when S3 Prefix contains keys from partitionKeyFromLambda namespace"
    } else if !has_query && !from_query.is_empty() {
        "MetadataExtraction processor should be present when S3 Prefix has partitionKeyFromQuery namespace"
    } else {
        return check_partition_hints(s3);
    };
    Err(invalid_argument(refusal))
}

fn check_partition_hints(s3: &ExtendedS3DestinationUpdate) -> Result<(), Fault> {
    let Some(hints) = &s3.buffering_hints else { return Ok(()) };
    if hints.size_in_m_bs.is_some_and(|size| size < PARTITION_SIZE_MIB_MIN) {
        return Err(invalid_argument(
            "BufferingHints.SizeInMBs must be at least 64 when Dynamic Partitioning is enabled.",
        ));
    }
    if hints.interval_in_seconds.is_some_and(|seconds| seconds < PARTITION_INTERVAL_SECONDS_MIN) {
        return Err(invalid_argument(
            "BufferingHints.IntervalInSeconds must be at least 60 seconds when Dynamic Partitioning is enabled.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(prefix: &str, error_prefix: &str) -> String {
        let refused = check(Some(prefix), Some(error_prefix)).expect_err(prefix);
        refused.message.expect("words").into_owned()
    }

    #[test]
    fn each_rule_has_its_words() {
        let long = "x".repeat(513);
        let rows = [
            ("!{timestamp:yyyy}/", "", "cannot be null or empty when Prefix contains expressions"),
            ("a", "!{timestamp:yyyy}", "must contain at least one occurrence"),
            ("!{firehose:error-output-type}", "e", "must not contain any occurrence"),
            (
                "a",
                "!{partitionKeyFromQuery:k}!{firehose:error-output-type}",
                "error prefix expression",
            ),
            ("!{env:HOME}", "e", "Namespace to the left of colon (env) is an invalid keyword!"),
            ("!{timestamp:yyyy", "e", "Invalid expression usage"),
            (
                "!{timestamp:iii}",
                "e",
                "Invalid conversion character used in the value of the expression in Prefix",
            ),
            ("!{firehose:uuid}", "e", "Invalid conversion character"),
            (&long, "", "Length of evaluated prefix cannot be greater than 512"),
            ("", &long, "Length of evaluated ErrorOutputPrefix cannot be greater than 512"),
        ];
        for (prefix, error_prefix, expected) in rows {
            let words = words(prefix, error_prefix);
            assert!(words.contains(expected), "{prefix}: {words}");
        }
        let allowed = "y=!{timestamp:yyyy'ti'}/";
        assert_eq!(check(Some(allowed), Some("e/!{firehose:error-output-type}/")), Ok(()));
        assert_eq!(check(None, None), Ok(()));
    }
}
