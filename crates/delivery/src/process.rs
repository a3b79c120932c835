//! What happens to a record on its way, without a function: it is decompressed and taken apart, the keys
//! of its partition are extracted, and a delimiter is appended. Each step is pure: the same record gives
//! the same records again.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use stdx::UnixMillis;

use crate::deaggregate::{Parts, SubRecords};
use crate::decompress::{decompress, log_messages};
use crate::jq::{ExtractError, Query, QueryError};
use crate::prefix::ErrorOutput;

/// What AppendDelimiterToRecord appends unless it is told.
const DELIMITER_DEFAULT: &[u8] = b"\n";

/// The processors of a destination, but for its function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessorSettings {
    /// Decompression: records come compressed with GZIP.
    pub decompresses: bool,
    /// CloudWatchLogProcessing with DataMessageExtraction: of what CloudWatch Logs sends, only the
    /// messages go on.
    pub extracts_messages: bool,
    /// RecordDeAggregation.
    pub sub_records: Option<SubRecords>,
    /// MetadataExtraction: its query.
    pub query: Option<String>,
    /// AppendDelimiterToRecord: what is appended.
    pub delimiter: Option<Vec<u8>>,
}

/// Processors, compiled once and run on many records.
#[derive(Debug)]
pub struct Processing {
    decompresses: bool,
    extracts_messages: bool,
    sub_records: Option<SubRecords>,
    query: Option<Query>,
    delimiter: Option<Vec<u8>>,
}

/// A record that a processor failed on: where it goes, and AWS's code and words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessingError {
    /// The kind of error output that it belongs to.
    pub output: ErrorOutput,
    /// AWS's code.
    pub code: &'static str,
    /// AWS's words, where there are any to be had.
    pub message: String,
}

impl fmt::Display for ProcessingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for ProcessingError {}

/// The delimiter that a `Delimiter` parameter of AppendDelimiterToRecord stands for. Templates cannot
/// write a line break, so `\n` in two characters is one, and so are `\t`, `\r` and `\\`.
pub fn appended_delimiter(parameter: Option<&str>) -> Vec<u8> {
    let Some(text) = parameter else {
        return DELIMITER_DEFAULT.to_vec();
    };
    let mut delimiter = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        let escaped = match (character, rest.clone().next()) {
            ('\\', Some('n')) => '\n',
            ('\\', Some('t')) => '\t',
            ('\\', Some('r')) => '\r',
            ('\\', Some('\\')) => '\\',
            _ => {
                delimiter.push(character);
                continue;
            }
        };
        rest.next();
        delimiter.push(escaped);
    }
    delimiter.into_bytes()
}

impl Processing {
    /// Compiles the processors.
    ///
    /// # Errors
    /// If the query is none.
    pub fn compile(settings: ProcessorSettings) -> Result<Processing, QueryError> {
        let query = settings.query.as_deref().map(Query::compile).transpose()?;
        let ProcessorSettings { decompresses, extracts_messages, sub_records, delimiter, .. } =
            settings;
        Ok(Processing { decompresses, extracts_messages, sub_records, query, delimiter })
    }

    /// Whether it makes the keys of partitions.
    pub fn has_query(&self) -> bool {
        self.query.is_some()
    }

    /// What a record becomes before a function sees it: any number of records, in order. A record that
    /// is no JSON, or holds more than 500 others, is not taken apart by JSON.
    ///
    /// # Errors
    /// If it cannot be decompressed, or is no message of CloudWatch Logs.
    pub fn take_apart(&self, record: &Bytes) -> Result<Vec<Bytes>, ProcessingError> {
        let mut whole = record.clone();
        if self.decompresses {
            whole = decompress(record)?;
            if self.extracts_messages {
                match log_messages(&whole)? {
                    Some(messages) => whole = messages,
                    None => return Ok(Vec::new()),
                }
            }
        }
        match self.sub_records.as_ref().map(|sub_records| sub_records.split(&whole)) {
            Some(Parts::Records(records)) => Ok(records),
            None | Some(Parts::TooMany | Parts::Malformed) => Ok(vec![whole]),
        }
    }

    /// The keys of a record's partition, from the query; none without one. `now` is what the query
    /// takes for the time.
    ///
    /// # Errors
    /// If the record has no such keys.
    pub fn partition_keys(
        &self,
        record: &[u8],
        now: UnixMillis,
    ) -> Result<BTreeMap<String, String>, ProcessingError> {
        match &self.query {
            Some(query) => query.extract(record, now).map_err(ProcessingError::from),
            None => Ok(BTreeMap::new()),
        }
    }

    /// Appends a record as it is delivered.
    pub fn append(&self, record: &[u8], object: &mut Vec<u8>) {
        object.extend_from_slice(record);
        object.extend_from_slice(self.delimiter.as_deref().unwrap_or_default());
    }
}

/// AWS's words for a record that is no JSON, and for keys that are nothing, as users have met them; for
/// the rest there are none to be had.
impl From<ExtractError> for ProcessingError {
    fn from(error: ExtractError) -> Self {
        let message = match &error {
            ExtractError::NotJson(_) => "Non JSON record provided".to_owned(),
            ExtractError::BadValue(_) => crate::partition::EMPTY_KEY.to_owned(),
            ExtractError::Failed(_) | ExtractError::NotAnObject | ExtractError::Limit(_) => {
                error.to_string()
            }
        };
        ProcessingError::of_metadata(message)
    }
}

impl ProcessingError {
    /// Of dynamic partitioning.
    pub(crate) fn of_metadata(message: String) -> ProcessingError {
        ProcessingError {
            output: ErrorOutput::MetadataExtraction,
            code: "DynamicPartitioning.MetadataExtractionFailed",
            message,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    fn compressed(text: &[u8]) -> Bytes {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap().into()
    }

    fn processing(settings: ProcessorSettings) -> Processing {
        Processing::compile(settings).expect("settings")
    }

    fn texts(records: Result<Vec<Bytes>, ProcessingError>) -> Vec<String> {
        let records = records.expect("records");
        records.iter().map(|record| String::from_utf8(record.to_vec()).unwrap()).collect()
    }

    #[test]
    fn without_processors_a_record_stays_as_it_is() {
        let plain = processing(ProcessorSettings::default());
        let record = Bytes::from_static(b"{\"a\":1}{\"a\":2}");
        assert_eq!(plain.take_apart(&record), Ok(vec![record.clone()]));
        assert_eq!(plain.partition_keys(b"no JSON", UnixMillis(0)), Ok(BTreeMap::new()));
        let mut object = Vec::new();
        plain.append(b"x", &mut object);
        assert_eq!(object, b"x");
    }

    #[test]
    fn log_events_become_their_messages() {
        let settings = ProcessorSettings {
            decompresses: true,
            extracts_messages: true,
            ..ProcessorSettings::default()
        };
        let sent = br#"{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s",
            "subscriptionFilters":["f"],"logEvents":[
            {"id":"1","timestamp":1,"message":"{\"a\":1}"},{"id":"2","timestamp":2,"message":"two\n"}]}"#;
        let control = br#"{"messageType":"CONTROL_MESSAGE","owner":"","logGroup":"","logStream":"",
            "subscriptionFilters":[],"logEvents":[{"id":"","timestamp":1,"message":"CWL CONTROL MESSAGE"}]}"#;
        let logs = processing(settings.clone());
        assert_eq!(texts(logs.take_apart(&compressed(sent))), ["{\"a\":1}\ntwo\n"]);
        assert_eq!(logs.take_apart(&compressed(control)), Ok(vec![]));
        let apart = processing(ProcessorSettings {
            sub_records: Some(SubRecords::Delimited(b"\n".to_vec())),
            ..settings
        });
        assert_eq!(texts(apart.take_apart(&compressed(sent))), ["{\"a\":1}", "two"]);
        let whole = processing(ProcessorSettings { decompresses: true, ..Default::default() });
        assert_eq!(whole.take_apart(&compressed(control)), Ok(vec![Bytes::from_static(control)]));
    }

    #[test]
    fn what_cannot_be_decompressed_fails() {
        let logs = processing(ProcessorSettings {
            decompresses: true,
            extracts_messages: true,
            ..ProcessorSettings::default()
        });
        for bad in [&b"plain"[..], b"", &compressed(b"hello")[..10]] {
            let error = logs.take_apart(&Bytes::copy_from_slice(bad)).expect_err("an error");
            assert_eq!(error.output, ErrorOutput::Decompression);
        }
        let error = logs.take_apart(&compressed(b"{}")).expect_err("an error");
        assert_eq!(error.output, ErrorOutput::Processing);
    }

    #[test]
    fn what_grows_without_bound_is_refused() {
        let bomb = compressed(&vec![0; crate::limits::DECOMPRESSED_BYTES_MAX + 1]);
        let gzip = processing(ProcessorSettings { decompresses: true, ..Default::default() });
        let error = gzip.take_apart(&bomb).expect_err("an error");
        assert_eq!(error.output, ErrorOutput::Decompression);
        let large = compressed(&vec![b'x'; crate::limits::DECOMPRESSED_BYTES_MAX]);
        assert!(gzip.take_apart(&large).is_ok());
    }

    #[test]
    fn json_is_taken_apart_up_to_five_hundred() {
        let json = processing(ProcessorSettings {
            sub_records: Some(SubRecords::Json),
            ..Default::default()
        });
        let split = |text: &str| json.take_apart(&Bytes::copy_from_slice(text.as_bytes()));
        assert_eq!(texts(split("{\"a\":1}{\"a\":2}")), ["{\"a\":1}", "{\"a\":2}"]);
        assert_eq!(split(&"{}".repeat(501)).map(|records| records.len()), Ok(1));
        assert_eq!(texts(split("[1]")), ["[1]"]);
    }

    #[test]
    fn failures_have_aws_s_words() {
        let partitioned = processing(ProcessorSettings {
            query: Some("{a: .a}".to_owned()),
            ..ProcessorSettings::default()
        });
        let failed = |record: &[u8]| partitioned.partition_keys(record, UnixMillis(0)).unwrap_err();
        let error = failed(b"{}{}");
        assert_eq!(error.code, "DynamicPartitioning.MetadataExtractionFailed");
        assert_eq!(error.message, "Non JSON record provided");
        assert_eq!(error.output.to_string(), "metadata-extraction-failed");
        assert_eq!(failed(b"{}").message, "partitionKeys values must not be null or empty");
    }

    #[test]
    fn delimiters_may_be_spelled_out() {
        let rows = [
            (None, "\n"),
            (Some("\\n"), "\n"),
            (Some("\n"), "\n"),
            (Some("\\r\\n"), "\r\n"),
            (Some("\\\\n"), "\\n"),
            (Some("|"), "|"),
            (Some("\\x\\"), "\\x\\"),
        ];
        for (parameter, expected) in rows {
            assert_eq!(appended_delimiter(parameter), expected.as_bytes(), "{parameter:?}");
        }
        let lines = processing(ProcessorSettings {
            delimiter: Some(appended_delimiter(None)),
            ..ProcessorSettings::default()
        });
        let mut object = Vec::new();
        lines.append(b"a", &mut object);
        lines.append(b"b", &mut object);
        assert_eq!(object, b"a\nb\n");
    }

    proptest! {
        #[test]
        fn any_bytes_are_processed_or_fail(bytes: Vec<u8>, is_compressed: bool) {
            let all = processing(ProcessorSettings {
                decompresses: true,
                extracts_messages: true,
                sub_records: Some(SubRecords::Json),
                query: Some("{a: .a|tostring}".to_owned()),
                delimiter: None,
            });
            let record = if is_compressed { compressed(&bytes) } else { bytes.into() };
            for part in all.take_apart(&record).into_iter().flatten() {
                let _ = all.partition_keys(&part, UnixMillis(0));
            }
        }
    }
}
