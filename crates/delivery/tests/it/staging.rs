//! Records that a function transforms, and partitions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64_simd::STANDARD;
use bytes::Bytes;
use delivery::{Config, Functions, InvokeError, Invoked};
use model::firehose::shapes::{
    DynamicPartitioningConfiguration, ExtendedS3DestinationDescription, ProcessingConfiguration,
    Processor, ProcessorParameter,
};
use serde_json::{Value, json};
use stdx::Entropy;

use super::crashes::put_through_crashes;
use super::fixture::{Fixture, delivered, extended};
use super::world::{Bucket, Fate, Function};

/// A destination with a function.
pub(crate) fn transforming(interval_seconds: i32) -> ExtendedS3DestinationDescription {
    let parameter = |name: &str, value: &str| ProcessorParameter {
        parameter_name: name.into(),
        parameter_value: value.to_owned(),
    };
    let parameters = vec![
        parameter("LambdaArn", "arn:aws:lambda:us-east-1:000000000000:function:f"),
        parameter("NumberOfRetries", "2"),
        parameter("BufferIntervalInSeconds", "1"),
    ];
    let processor = Processor { r#type: "Lambda".into(), parameters: Some(parameters) };
    ExtendedS3DestinationDescription {
        prefix: Some("data/!{timestamp:yyyy}/".to_owned()),
        error_output_prefix: Some("errors/!{firehose:error-output-type}/".to_owned()),
        processing_configuration: Some(ProcessingConfiguration {
            enabled: Some(true),
            processors: Some(vec![processor]),
        }),
        ..extended(1, interval_seconds)
    }
}

pub(crate) fn partitioned(interval_seconds: i32) -> ExtendedS3DestinationDescription {
    ExtendedS3DestinationDescription {
        prefix: Some("key=!{partitionKeyFromLambda:key}/".to_owned()),
        dynamic_partitioning_configuration: Some(DynamicPartitioningConfiguration {
            enabled: Some(true),
            ..DynamicPartitioningConfiguration::default()
        }),
        ..transforming(interval_seconds)
    }
}

/// A function that decides for each record.
pub(crate) fn function(
    mut decide: impl FnMut(&str) -> Value + Send + 'static,
) -> Arc<dyn Functions> {
    let decide = std::sync::Mutex::new(move |text: &str| decide(text));
    Arc::new(Function(move |_: &str, event: Bytes| -> Result<Invoked, InvokeError> {
        let event: Value = serde_json::from_slice(&event).expect("JSON");
        let records = event["records"].as_array().expect("records");
        let answered = records.iter().map(|record| {
            let data = record["data"].as_str().expect("data");
            let text =
                String::from_utf8(STANDARD.decode_to_vec(data).expect("base64")).expect("UTF-8");
            let mut answer = (decide.lock().expect("no panic"))(&text);
            answer["recordId"] = record["recordId"].clone();
            answer
        });
        let answer = json!({ "records": answered.collect::<Vec<_>>() });
        Ok(Invoked::Answer(answer.to_string().into()))
    }))
}

pub(crate) fn ok(text: &str) -> Value {
    json!({ "result": "Ok", "data": STANDARD.encode_to_string(text) })
}

async fn fixture(functions: Arc<dyn Functions>) -> Fixture {
    Fixture::with(Bucket::honest(), functions, 1, Config::default()).await
}

pub(crate) fn lines(bucket: &Bucket) -> Vec<Value> {
    let objects = bucket.of("lake");
    let errors = objects.iter().filter(|(key, _)| key.starts_with("errors/"));
    let texts = errors.map(|(_, stored)| String::from_utf8(stored.body.clone()).expect("UTF-8"));
    let lines = texts.flat_map(|text| {
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect::<Vec<_>>()
    });
    lines.collect()
}

#[tokio::test]
async fn each_record_becomes_what_the_function_says() {
    let functions = function(|text| match text {
        "drop;" => json!({ "result": "Dropped" }),
        "fail;" => json!({ "result": "ProcessingFailed" }),
        text => ok(&text.to_uppercase()),
    });
    let fixture = fixture(functions).await;
    let clicks = fixture.create("clicks", transforming(5)).await;
    fixture.put(&clicks, &["a;", "drop;", "fail;", "b;"]).await;
    fixture.until_delivered(&clicks).await;
    let objects = fixture.bucket.of("lake");
    let data: Vec<_> = objects.iter().filter(|(key, _)| key.starts_with("data/2023/")).collect();
    assert_eq!(data.len(), 1);
    assert_eq!(data[0].1.body, b"A;B;");
    let lines = lines(&fixture.bucket);
    assert_eq!(lines.len(), 1);
    assert!(objects.iter().any(|(key, _)| key.starts_with("errors/processing-failed/clicks-1-")));
    assert_eq!(lines[0]["rawData"], STANDARD.encode_to_string("fail;"));
    assert_eq!(lines[0]["errorCode"], "Lambda.ProcessingFailedStatus");
    assert_eq!(lines[0]["attemptsMade"], 1);
    assert_eq!(lines[0]["arrivalTimestamp"], 1_700_000_000_000u64);
}

#[tokio::test]
async fn a_function_that_fails_is_called_as_often_as_it_says() {
    let calls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&calls);
    let functions = Function(move |_: &str, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok(Invoked::FunctionError)
    });
    let fixture = fixture(Arc::new(functions)).await;
    let clicks = fixture.create("clicks", transforming(5)).await;
    fixture.put(&clicks, &["a;"]).await;
    fixture.until_delivered(&clicks).await;
    assert_eq!(calls.load(Ordering::Relaxed), 3);
    let lines = lines(&fixture.bucket);
    assert_eq!(
        (&lines[0]["errorCode"], &lines[0]["attemptsMade"]),
        (&json!("Lambda.FunctionError"), &json!(3))
    );
}

#[tokio::test]
async fn a_function_that_cannot_be_reached_is_waited_for() {
    let calls = AtomicU64::new(0);
    let functions =
        Function(move |_: &str, event: Bytes| match calls.fetch_add(1, Ordering::Relaxed) {
            0..6 => {
                Err(InvokeError { code: "Lambda.ConnectionError", message: "nobody".to_owned() })
            }
            _ => {
                let event: Value = serde_json::from_slice(&event).expect("JSON");
                let id = &event["records"][0]["recordId"];
                let record = json!({ "recordId": id, "result": "Ok", "data": "YTs=" });
                Ok(Invoked::Answer(json!({ "records": [record] }).to_string().into()))
            }
        });
    let fixture = fixture(Arc::new(functions)).await;
    let clicks = fixture.create("clicks", transforming(5)).await;
    fixture.put(&clicks, &["a;"]).await;
    fixture.until_delivered(&clicks).await;
    assert_eq!(delivered(&fixture.bucket, "lake"), ["a;"]);
}

#[tokio::test]
async fn partitions_have_objects_of_their_own_and_are_forgotten() {
    let functions = function(|text| {
        let mut answer = ok(text);
        answer["metadata"] = json!({ "partitionKeys": { "key": text[..1] } });
        answer
    });
    let fixture = fixture(functions).await;
    let clicks = fixture.create("clicks", partitioned(5)).await;
    for _ in 0..3 {
        fixture.put(&clicks, &["a1;", "b1;", "a2;"]).await;
        fixture.until_delivered(&clicks).await;
    }
    let mut by_key: BTreeMap<String, String> = BTreeMap::new();
    for (key, stored) in fixture.bucket.of("lake") {
        let text = String::from_utf8(stored.body).expect("UTF-8");
        by_key.entry(key[..6].to_owned()).or_default().push_str(&text);
    }
    assert_eq!(by_key["key=a/"], "a1;a2;".repeat(3));
    assert_eq!(by_key["key=b/"], "b1;".repeat(3));
    fixture.settle().await;
    let status = fixture.delivery.status(&clicks).await.expect("it is there");
    assert_eq!(status.partitions, 0);
}

#[tokio::test]
async fn more_partitions_than_there_may_be_go_to_the_error_prefix() {
    let functions = function(|text| {
        let mut answer = ok(text);
        answer["metadata"] = json!({ "partitionKeys": { "key": text } });
        answer
    });
    let fixture = fixture(functions).await;
    let clicks = fixture.create("clicks", partitioned(900)).await;
    let records: Vec<_> = (0..510).map(|number| format!("{number:03};")).collect();
    fixture.put(&clicks, &records.iter().map(String::as_str).collect::<Vec<_>>()).await;
    fixture.until_delivered(&clicks).await;
    let objects = fixture.bucket.of("lake");
    let data = objects.iter().filter(|(key, _)| key.starts_with("key="));
    assert_eq!(data.count(), 500);
    assert!(objects.iter().any(|(key, _)| key.starts_with("errors/activePartitionExceeded/")));
    assert_eq!(lines(&fixture.bucket).len(), 10);
}

#[tokio::test]
async fn a_record_without_its_partition_key_goes_to_the_error_prefix() {
    let fixture = fixture(function(ok)).await;
    let clicks = fixture.create("clicks", partitioned(5)).await;
    fixture.put(&clicks, &["a;"]).await;
    fixture.until_delivered(&clicks).await;
    let lines = lines(&fixture.bucket);
    assert_eq!(lines[0]["errorCode"], "DynamicPartitioning.MetadataExtractionFailed");
}

/// A destination with processors that are no function, as types and parameters.
fn processed(processors: &[(&str, &[(&str, &str)])]) -> ExtendedS3DestinationDescription {
    let parameter = |(name, value): &(&str, &str)| ProcessorParameter {
        parameter_name: (*name).into(),
        parameter_value: (*value).to_owned(),
    };
    let processor = |(kind, parameters): &(&str, &[(&str, &str)])| Processor {
        r#type: (*kind).into(),
        parameters: Some(parameters.iter().map(parameter).collect()),
    };
    let processors = Some(processors.iter().map(processor).collect());
    ExtendedS3DestinationDescription {
        processing_configuration: Some(ProcessingConfiguration { enabled: Some(true), processors }),
        ..transforming(5)
    }
}

#[tokio::test]
async fn pure_processors_work_while_an_object_is_built() {
    let fixture = fixture(function(ok)).await;
    let clicks = fixture
        .create(
            "clicks",
            processed(&[
                ("RecordDeAggregation", &[("SubRecordType", "JSON")]),
                ("AppendDelimiterToRecord", &[]),
            ]),
        )
        .await;
    fixture.put(&clicks, &["{\"a\":1}{\"a\":2}", "{\"a\":3}"]).await;
    fixture.until_delivered(&clicks).await;
    let objects = fixture.bucket.of("lake");
    assert_eq!(objects.len(), 1);
    assert_eq!(objects[0].1.body, b"{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n");
}

#[tokio::test]
async fn what_does_not_decompress_goes_to_the_error_prefix_as_it_is() {
    let fixture = fixture(function(ok)).await;
    let processors = processed(&[("Decompression", &[("CompressionFormat", "GZIP")])]);
    let clicks = fixture.create("clicks", processors).await;
    fixture.put(&clicks, &["no GZIP;"]).await;
    fixture.until_delivered(&clicks).await;
    let objects = fixture.bucket.of("lake");
    assert_eq!(objects.len(), 1);
    assert!(objects[0].0.starts_with("errors/decompression-failed/"), "{}", objects[0].0);
    assert_eq!(objects[0].1.body, b"no GZIP;");
}

#[tokio::test]
async fn queries_make_partitions() {
    let fixture = fixture(function(ok)).await;
    let clicks = fixture
        .create(
            "clicks",
            ExtendedS3DestinationDescription {
                prefix: Some("s=!{partitionKeyFromQuery:s}/".to_owned()),
                dynamic_partitioning_configuration: Some(DynamicPartitioningConfiguration {
                    enabled: Some(true),
                    ..DynamicPartitioningConfiguration::default()
                }),
                ..processed(&[
                    (
                        "MetadataExtraction",
                        &[
                            ("MetadataExtractionQuery", "{s: .symbol}"),
                            ("JsonParsingEngine", "JQ-1.6"),
                        ],
                    ),
                    ("AppendDelimiterToRecord", &[("Delimiter", ";")]),
                ])
            },
        )
        .await;
    let records = ["{\"symbol\":\"A\"}", "{\"symbol\":\"B\"}", "none", "{\"symbol\":\"A\"}"];
    fixture.put(&clicks, &records).await;
    fixture.until_delivered(&clicks).await;
    let objects = fixture.bucket.of("lake");
    let body = |prefix: &str| {
        let (_, stored) = objects.iter().find(|(key, _)| key.starts_with(prefix)).expect(prefix);
        String::from_utf8(stored.body.clone()).expect("UTF-8")
    };
    assert_eq!(objects.len(), 3);
    assert_eq!(body("s=A/"), "{\"symbol\":\"A\"};{\"symbol\":\"A\"};");
    assert_eq!(body("s=B/"), "{\"symbol\":\"B\"};");
    assert!(body("errors/metadata-extraction-failed/").contains("Non JSON record provided"));
}

/// A function that answers differently each time: every source record is delivered once, whatever
/// answer it was that counted.
#[tokio::test]
async fn every_record_once_through_a_function_whatever_crashes() {
    for seed in 0..30 {
        let entropy = Entropy::seeded(seed);
        let (mut calls, drawn) = (0, Entropy::seeded(seed ^ 99));
        let functions = function(move |text| {
            calls += 1;
            let mut answer = ok(&format!("{}{}", text.trim_end_matches(';'), "=")
                .replace('=', &format!("={calls};")));
            answer["metadata"] = json!({ "partitionKeys": { "key": drawn.below(5).to_string() } });
            answer
        });
        let fates = Entropy::seeded(seed);
        let bucket = Bucket::with(move |_| match fates.below(8) {
            0 => Fate::Fails,
            1 => Fate::StoredButFails,
            _ => Fate::Honest,
        });
        let mut fixture = Fixture::with(bucket, functions, seed, Config::default()).await;
        fixture.create("clicks", partitioned(5)).await;
        let (_, put) = put_through_crashes(&mut fixture, "clicks", &entropy).await;
        let delivered = delivered(&fixture.bucket, "lake");
        let mut sources: Vec<_> = delivered
            .iter()
            .map(|text| format!("{};", text.split('=').next().expect("a record")))
            .collect();
        sources.sort_unstable();
        assert_eq!(sources, put, "seed {seed}");
    }
}
