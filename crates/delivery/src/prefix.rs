//! Prefixes of object names, with their expressions: `!{timestamp:…}`, `!{firehose:…}` and the keys
//! of partitions. Source: the developer guide, "Custom prefixes for Amazon S3 objects".

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use jiff::ZonedDateTime;
use minicbor::{Decode, Encode};

use crate::time_pattern::{TimePattern, TimePatternError};

/// What a prefix without expressions is followed by, and what no prefix is.
const TIME_DEFAULT: &str = "yyyy/MM/dd/HH/";
/// Characters of a random string (developer guide).
const RANDOM_LETTERS: usize = 11;

/// Why an object is written to the error prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum ErrorOutput {
    /// A processor failed.
    #[n(0)]
    Processing,
    /// A record could not be converted.
    #[n(1)]
    FormatConversion,
    /// A record could not be decompressed.
    #[n(2)]
    Decompression,
    /// There are as many active partitions as there may be (developer guide, buffering for dynamic
    /// partitioning).
    #[n(3)]
    ActivePartitionExceeded,
    /// The keys of a record's partition could not be made.
    #[n(4)]
    MetadataExtraction,
}

impl ErrorOutput {
    /// Every one.
    pub const ALL: [ErrorOutput; 5] = [
        ErrorOutput::Processing,
        ErrorOutput::FormatConversion,
        ErrorOutput::Decompression,
        ErrorOutput::ActivePartitionExceeded,
        ErrorOutput::MetadataExtraction,
    ];
}

impl fmt::Display for ErrorOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ErrorOutput::Processing => "processing-failed",
            ErrorOutput::FormatConversion => "format-conversion-failed",
            ErrorOutput::Decompression => "decompression-failed",
            ErrorOutput::MetadataExtraction => "metadata-extraction-failed",
            ErrorOutput::ActivePartitionExceeded => "activePartitionExceeded",
        })
    }
}

/// A prefix, read once and evaluated for many objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Timestamp(TimePattern),
    RandomString,
    ErrorOutputType,
    KeyFromQuery(String),
    KeyFromLambda(String),
}

/// Why a text is no prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrefixError {
    /// An expression without its end, or without a namespace.
    Malformed(String),
    /// A namespace, or a value of `firehose`, that there is none of.
    Unknown(String),
    /// A timestamp's pattern is none.
    Timestamp(String, TimePatternError),
}

/// What an object's prefix is made from.
pub struct Evaluation<'a> {
    /// When the oldest record of the object arrived, in the delivery stream's time zone.
    pub oldest: &'a ZonedDateTime,
    /// Why the object is written, if to the error prefix.
    pub error_output: Option<ErrorOutput>,
    /// The partition's keys from the query.
    pub keys_from_query: &'a BTreeMap<String, String>,
    /// The partition's keys from the function.
    pub keys_from_lambda: &'a BTreeMap<String, String>,
    /// Draws a number for a random string.
    pub random: &'a mut dyn FnMut() -> u64,
}

impl Prefix {
    /// Reads a prefix.
    ///
    /// # Errors
    /// If an expression in it is none.
    pub fn parse(text: &str) -> Result<Prefix, PrefixError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((literal, tail)) = rest.split_once("!{") {
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.to_owned()));
            }
            let malformed = || PrefixError::Malformed(text.to_owned());
            let (expression, tail) = tail.split_once('}').ok_or_else(malformed)?;
            let (namespace, value) = expression.split_once(':').ok_or_else(malformed)?;
            parts.push(part(namespace, value)?);
            rest = tail;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Ok(Prefix(parts))
    }

    /// Whether it has an expression.
    pub fn has_expression(&self) -> bool {
        self.0.iter().any(|part| !matches!(part, Part::Literal(_)))
    }

    /// Whether it says why an object is an error's.
    pub fn names_error_output(&self) -> bool {
        self.0.contains(&Part::ErrorOutputType)
    }

    /// The keys of partitions that it needs: from the query, and from the function.
    pub fn partition_keys(&self) -> (Vec<&str>, Vec<&str>) {
        let mut keys = (Vec::new(), Vec::new());
        for part in &self.0 {
            match part {
                Part::KeyFromQuery(key) => keys.0.push(key.as_str()),
                Part::KeyFromLambda(key) => keys.1.push(key.as_str()),
                _ => {}
            }
        }
        keys
    }

    /// The prefix of an object. A key that a partition lacks is empty: the caller has made sure that
    /// there is none.
    pub fn evaluate(&self, with: &mut Evaluation<'_>) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Timestamp(pattern) => pattern.write(with.oldest, &mut text),
                Part::RandomString => write_random(with.random, &mut text),
                Part::ErrorOutputType => {
                    if let Some(output) = with.error_output {
                        let _ = write!(text, "{output}");
                    }
                }
                Part::KeyFromQuery(key) => {
                    text.push_str(with.keys_from_query.get(key).map_or("", String::as_str));
                }
                Part::KeyFromLambda(key) => {
                    text.push_str(with.keys_from_lambda.get(key).map_or("", String::as_str));
                }
            }
        }
        if !self.has_expression() {
            let time = TimePattern::parse(TIME_DEFAULT).expect("a pattern");
            if let Some(output) = with.error_output {
                let _ = write!(text, "{output}/");
            }
            time.write(with.oldest, &mut text);
        }
        text
    }
}

fn part(namespace: &str, value: &str) -> Result<Part, PrefixError> {
    match (namespace, value) {
        ("timestamp", pattern) => TimePattern::parse(pattern)
            .map(Part::Timestamp)
            .map_err(|error| PrefixError::Timestamp(pattern.to_owned(), error)),
        ("firehose", "random-string") => Ok(Part::RandomString),
        ("firehose", "error-output-type") => Ok(Part::ErrorOutputType),
        ("partitionKeyFromQuery", key) if !key.is_empty() => Ok(Part::KeyFromQuery(key.to_owned())),
        ("partitionKeyFromLambda", key) if !key.is_empty() => {
            Ok(Part::KeyFromLambda(key.to_owned()))
        }
        _ => Err(PrefixError::Unknown(format!("!{{{namespace}:{value}}}"))),
    }
}

fn write_random(random: &mut dyn FnMut() -> u64, text: &mut String) {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for _ in 0..RANDOM_LETTERS {
        text.push(char::from(LETTERS[(random() % 62) as usize]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use jiff::tz::TimeZone;

    fn evaluated(prefix: &str, error_output: Option<ErrorOutput>) -> String {
        let oldest =
            date(2026, 7, 13).at(14, 5, 9, 0).to_zoned_datetime(TimeZone::UTC).expect("a moment");
        let keys = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        let mut drawn = 0;
        let mut random = || {
            drawn += 1;
            drawn
        };
        Prefix::parse(prefix).expect(prefix).evaluate(&mut Evaluation {
            oldest: &oldest,
            error_output,
            keys_from_query: &keys("symbol", "ACME"),
            keys_from_lambda: &keys("customer", "7"),
            random: &mut random,
        })
    }

    /// The second row is what AWS does (`facts/firehose.md` § 2.3): no slash is inserted.
    #[test]
    fn prefixes_are_evaluated_as_aws_does() {
        let rows = [
            ("", "2026/07/13/14/"),
            ("legacy", "legacy2026/07/13/14/"),
            ("logs/", "logs/2026/07/13/14/"),
            ("y=!{timestamp:yyyy}/m=!{timestamp:MM}/", "y=2026/m=07/"),
            ("!{firehose:random-string}/", "123456789AB/"),
            ("!{timestamp:'day='dd}!{timestamp:HH}", "day=1314"),
            (
                "s=!{partitionKeyFromQuery:symbol}/c=!{partitionKeyFromLambda:customer}/",
                "s=ACME/c=7/",
            ),
            ("a!b{c}", "a!b{c}2026/07/13/14/"),
        ];
        for (prefix, expected) in rows {
            assert_eq!(evaluated(prefix, None), expected, "{prefix}");
        }
    }

    #[test]
    fn error_prefixes_say_why() {
        let failed = Some(ErrorOutput::Processing);
        assert_eq!(evaluated("errors/", failed), "errors/processing-failed/2026/07/13/14/");
        assert_eq!(
            evaluated("!{firehose:error-output-type}/!{timestamp:yyyy}/", failed),
            "processing-failed/2026/"
        );
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for bad in [
            "!{timestamp}",
            "!{timestamp:yyyy",
            "!{firehose:uuid}",
            "!{env:HOME}",
            "!{partitionKeyFromQuery:}",
        ] {
            assert!(Prefix::parse(bad).is_err(), "{bad}");
        }
        assert!(matches!(Prefix::parse("!{timestamp:bb}"), Err(PrefixError::Timestamp(..))));
    }

    #[test]
    fn a_prefix_knows_its_partition_keys() {
        let prefix =
            Prefix::parse("!{partitionKeyFromQuery:a}!{partitionKeyFromLambda:b}").unwrap();
        assert_eq!(prefix.partition_keys(), (vec!["a"], vec!["b"]));
    }
}
