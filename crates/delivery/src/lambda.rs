//! The contract with a transforming function: the event it is sent, and what its answer means for
//! each record. Sources: the developer guide, "Data transformation"; `facts/firehose.md` § 2.5, which
//! has the codes and words as AWS was seen to write them.

use std::collections::{BTreeMap, HashMap};

use base64_simd::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stdx::UnixMillis;

/// A record on its way to the function.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Unique within the invocation.
    pub id: String,
    /// When it arrived.
    pub arrival: UnixMillis,
    /// What it carries.
    pub data: Bytes,
    /// Where it came from, if from a Kinesis stream.
    pub source: Option<SourceRecord>,
}

/// A record of a Kinesis stream.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceRecord {
    /// Its shard.
    pub shard_id: String,
    /// Its key.
    pub partition_key: String,
    /// When it arrived in the stream, in milliseconds.
    pub approximate_arrival_timestamp: u64,
    /// Its number.
    pub sequence_number: String,
    /// Its place within an aggregated record, or empty.
    pub subsequence_number: String,
}

/// The event, as the function gets it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    invocation_id: &'a str,
    delivery_stream_arn: &'a str,
    region: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_kinesis_stream_arn: Option<&'a str>,
    records: Vec<EventRecord<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EventRecord<'a> {
    record_id: &'a str,
    approximate_arrival_timestamp: u64,
    data: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kinesis_record_metadata: Option<&'a SourceRecord>,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Invocation<'a> {
    /// Unique; the same for every attempt.
    pub id: &'a str,
    /// The delivery stream.
    pub delivery_stream_arn: &'a str,
    /// Its region.
    pub region: &'a str,
    /// The Kinesis stream that it reads, if any.
    pub source_stream_arn: Option<&'a str>,
}

/// What became of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on as this.
    Ok {
        /// What it carries now.
        data: Bytes,
        /// The keys of its partition.
        partition_keys: BTreeMap<String, String>,
    },
    /// It is wanted no more, and leaves no trace.
    Dropped,
    /// It goes to the error prefix.
    Failed(Failed),
}

/// Why a record failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// The function said so.
    Status,
    /// The function did not mention it.
    MissingRecordId,
    /// The function mentioned it twice.
    DuplicatedRecordId,
    /// The answer, or what it says of the record, is none.
    InvalidReturnFormat,
    /// The function failed, as often as it was tried.
    FunctionError,
}

impl Failed {
    /// AWS's code.
    pub fn code(self) -> &'static str {
        match self {
            Failed::Status => "Lambda.ProcessingFailedStatus",
            Failed::MissingRecordId => "Lambda.MissingRecordId",
            Failed::DuplicatedRecordId => "Lambda.DuplicatedRecordId",
            Failed::InvalidReturnFormat => "Lambda.InvalidReturnFormat",
            Failed::FunctionError => "Lambda.FunctionError",
        }
    }

    /// AWS's words for it.
    pub fn message(self) -> &'static str {
        match self {
            Failed::Status => "ProcessingFailed status set for record",
            Failed::MissingRecordId => {
                "One or more record Ids were not returned. Ensure that the Lambda function returns all received record Ids."
            }
            Failed::DuplicatedRecordId => {
                "Multiple records were returned with the same record Id. Ensure that the Lambda function returns a unique record Id for each record."
            }
            Failed::InvalidReturnFormat => {
                "The data field cannot be null when the SourceType is DirectPut or KinesisStreamAsSource and processing result is Ok. The value field cannot be null when the SourceType is MSKAsSource and processing result is Ok."
            }
            Failed::FunctionError => {
                "The Lambda function was successfully invoked but it returned an error result."
            }
        }
    }
}

/// The body of the invocation.
pub fn event(invocation: &Invocation<'_>, records: &[Sent]) -> Vec<u8> {
    let event = Event {
        invocation_id: invocation.id,
        delivery_stream_arn: invocation.delivery_stream_arn,
        region: invocation.region,
        source_kinesis_stream_arn: invocation.source_stream_arn,
        records: records
            .iter()
            .map(|record| EventRecord {
                record_id: &record.id,
                approximate_arrival_timestamp: record.arrival.0,
                data: STANDARD.encode_to_string(&record.data),
                kinesis_record_metadata: record.source.as_ref(),
            })
            .collect(),
    };
    serde_json::to_vec(&event).expect("texts and numbers")
}

#[derive(Deserialize)]
struct Answer {
    records: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct AnswerRecord {
    result: String,
    data: Option<String>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    partition_keys: Option<BTreeMap<String, serde_json::Value>>,
}

/// What an answer says of each record that was sent, in their order. Records that were not sent are
/// ignored. A malformed answer fails its records and is not asked for again.
pub fn verdicts(records: &[Sent], answer: &[u8]) -> Vec<Verdict> {
    // An answer that is none mentions no record (seen on AWS: floci-io/floci issue 3349).
    let answered =
        serde_json::from_slice(answer).map_or_else(|_| Vec::new(), |Answer { records }| records);
    let mut by_id: HashMap<String, Vec<Result<AnswerRecord, ()>>> = HashMap::new();
    for value in answered {
        let Some(id) = value.get("recordId").and_then(|id| id.as_str().map(str::to_owned)) else {
            continue;
        };
        let record = serde_json::from_value(value).map_err(drop);
        by_id.entry(id).or_default().push(record);
    }
    records
        .iter()
        .map(|record| match by_id.remove(&record.id) {
            None => Verdict::Failed(Failed::MissingRecordId),
            Some(mut found) if found.len() == 1 => verdict(found.remove(0)),
            Some(_) => Verdict::Failed(Failed::DuplicatedRecordId),
        })
        .collect()
}

fn verdict(record: Result<AnswerRecord, ()>) -> Verdict {
    let invalid = Verdict::Failed(Failed::InvalidReturnFormat);
    let Ok(AnswerRecord { result, data, metadata }) = record else { return invalid };
    match result.as_str() {
        "Ok" => {
            let Some(data) = data.and_then(|data| STANDARD.decode_to_vec(data).ok()) else {
                return invalid;
            };
            let keys = metadata.and_then(|metadata| metadata.partition_keys).unwrap_or_default();
            let partition_keys = keys.into_iter().map(|(key, value)| (key, text_of(value)));
            Verdict::Ok { data: data.into(), partition_keys: partition_keys.collect() }
        }
        "Dropped" => Verdict::Dropped,
        "ProcessingFailed" => Verdict::Failed(Failed::Status),
        _ => invalid,
    }
}

/// Keys are texts; a number or a truth value is written as one.
fn text_of(value: serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(ids: &[&str]) -> Vec<Sent> {
        let record = |id: &&str| Sent {
            id: (*id).to_owned(),
            arrival: UnixMillis(1_700_000_000_000),
            data: Bytes::from_static(b"hi"),
            source: None,
        };
        ids.iter().map(record).collect()
    }

    #[test]
    fn the_event_is_aws_s() {
        let invocation = Invocation {
            id: "i",
            delivery_stream_arn: "arn:d",
            region: "us-east-1",
            source_stream_arn: Some("arn:s"),
        };
        let mut records = sent(&["r"]);
        records[0].source = Some(SourceRecord {
            shard_id: "shardId-000000000000".to_owned(),
            partition_key: "k".to_owned(),
            approximate_arrival_timestamp: 1,
            sequence_number: "49".to_owned(),
            subsequence_number: String::new(),
        });
        assert_eq!(
            String::from_utf8(event(&invocation, &records)).unwrap(),
            "{\"invocationId\":\"i\",\"deliveryStreamArn\":\"arn:d\",\"region\":\"us-east-1\",\
             \"sourceKinesisStreamArn\":\"arn:s\",\"records\":[{\"recordId\":\"r\",\
             \"approximateArrivalTimestamp\":1700000000000,\"data\":\"aGk=\",\
             \"kinesisRecordMetadata\":{\"shardId\":\"shardId-000000000000\",\"partitionKey\":\"k\",\
             \"approximateArrivalTimestamp\":1,\"sequenceNumber\":\"49\",\"subsequenceNumber\":\"\"}}]}"
        );
    }

    /// Each row as AWS was seen to judge it (`facts/firehose.md` § 2.5).
    #[test]
    fn each_record_gets_its_verdict() {
        let failed = Verdict::Failed;
        let ok = |data: &'static [u8]| Verdict::Ok {
            data: Bytes::from_static(data),
            partition_keys: BTreeMap::new(),
        };
        let rows = [
            (r#"{"recordId":"r","result":"Ok","data":"eW8="}"#, ok(b"yo")),
            (r#"{"recordId":"r","result":"Ok","data":""}"#, ok(b"")),
            (r#"{"recordId":"r","result":"Dropped"}"#, Verdict::Dropped),
            (r#"{"recordId":"r","result":"ProcessingFailed"}"#, failed(Failed::Status)),
            (r#"{"recordId":"r","result":"Ok"}"#, failed(Failed::InvalidReturnFormat)),
            (r#"{"recordId":"r","result":"Ok","data":"?"}"#, failed(Failed::InvalidReturnFormat)),
            (r#"{"recordId":"r","result":"Fine"}"#, failed(Failed::InvalidReturnFormat)),
            (r#"{"recordId":"other","result":"Dropped"}"#, failed(Failed::MissingRecordId)),
            (
                r#"{"recordId":"r","result":"Dropped"},{"recordId":"r","result":"Dropped"}"#,
                failed(Failed::DuplicatedRecordId),
            ),
        ];
        for (record, expected) in rows {
            let answer = format!("{{\"records\":[{record}]}}");
            assert_eq!(verdicts(&sent(&["r"]), answer.as_bytes()), [expected], "{record}");
        }
    }

    #[test]
    fn a_malformed_answer_fails_every_record() {
        for answer in ["", "[]", "{}", r#"{"records":{}}"#] {
            let expected = Verdict::Failed(Failed::MissingRecordId);
            assert_eq!(
                verdicts(&sent(&["a", "b"]), answer.as_bytes()),
                [expected.clone(), expected],
                "{answer}"
            );
        }
    }

    #[test]
    fn partition_keys_are_texts() {
        let answer = r#"{"records":[{"recordId":"r","result":"Ok","data":"",
            "metadata":{"partitionKeys":{"customer":"7","year":2026}}}]}"#;
        let [Verdict::Ok { partition_keys, .. }] = &verdicts(&sent(&["r"]), answer.as_bytes())[..]
        else {
            panic!("the record goes on")
        };
        assert_eq!(partition_keys["customer"], "7");
        assert_eq!(partition_keys["year"], "2026");
    }
}
