//! Records that become rows of a file.

use delivery::{Destination, Unserved};
use model::firehose::shapes::{
    DataFormatConversionConfiguration, ExtendedS3DestinationDescription,
};
use serde_json::{Value, json};

use super::fixture::{Fixture, destination, extended};
use super::world::{Bucket, Stored};

fn converting(table: &str, serializer: Value) -> ExtendedS3DestinationDescription {
    let configuration = json!({
        "SchemaConfiguration": { "RoleARN": "arn:aws:iam::000000000000:role/r", "DatabaseName": "d", "TableName": table },
        "InputFormatConfiguration": { "Deserializer": { "OpenXJsonSerDe": {} } },
        "OutputFormatConfiguration": { "Serializer": serializer },
    });
    let configuration: DataFormatConversionConfiguration =
        serde_json::from_value(configuration).expect("a configuration");
    ExtendedS3DestinationDescription {
        prefix: Some("data/!{timestamp:yyyy}/".to_owned()),
        error_output_prefix: Some("errors/!{firehose:error-output-type}/".to_owned()),
        data_format_conversion_configuration: Some(configuration),
        ..extended(64, 60)
    }
}

fn parquet() -> Value {
    json!({ "ParquetSerDe": {} })
}

/// The objects whose names begin so.
fn objects(fixture: &Fixture, prefix: &str) -> Vec<(String, Stored)> {
    let objects = fixture.bucket.of("lake").into_iter();
    objects.filter(|(key, _)| key.starts_with(prefix)).collect()
}

/// The error lines.
fn lines(fixture: &Fixture) -> Vec<Value> {
    let objects = objects(fixture, "errors/format-conversion-failed/");
    let texts = objects.iter().map(|(_, stored)| String::from_utf8(stored.body.clone()));
    let texts: Vec<String> = texts.map(|text| text.expect("UTF-8")).collect();
    let lines = texts.iter().flat_map(|text| text.lines());
    lines.map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fits_is_a_file_and_what_does_not_is_a_line() {
    let fixture = Fixture::new(Bucket::honest()).await;
    let stream = fixture.create("s", converting("t", parquet())).await;
    fixture
        .put(
            &stream,
            &[r#"{"ticker":"AAA","price":1.5}"#, r#"{"price":"oops"}"#, r#"{"ticker":"B"}"#],
        )
        .await;
    fixture.until_delivered(&stream).await;
    let files = objects(&fixture, "data/2023/");
    let [(key, stored)] = &files[..] else { panic!("{files:?}") };
    assert!(key.ends_with(".parquet"), "{key}");
    assert_eq!(stored.encoding, Some("hadoop-snappy"));
    assert!(stored.body.starts_with(b"PAR1") && stored.body.ends_with(b"PAR1"));
    let lines = lines(&fixture);
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(line["lastErrorCode"], "DataFormatConversion.MalformedData");
    assert_eq!(
        line["lastErrorMessage"],
        "Data does not match the schema. For input string: \"oops\""
    );
    assert_eq!(line["dataCatalogTable"]["catalogId"], "000000000000");
    assert_eq!(line["dataCatalogTable"]["region"], "us-east-1");
    assert_eq!(line["dataCatalogTable"]["versionId"], "LATEST");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_table_every_record_fails() {
    let fixture = Fixture::new(Bucket::honest()).await;
    let stream = fixture.create("s", converting("missing", parquet())).await;
    fixture.put(&stream, &["{}", "{}"]).await;
    fixture.until_delivered(&stream).await;
    assert_eq!(objects(&fixture, "data/"), []);
    let codes: Vec<_> = lines(&fixture).iter().map(|line| line["lastErrorCode"].clone()).collect();
    assert_eq!(codes, ["DataFormatConversion.EntityNotFound"; 2]);
}

#[test]
fn orc_is_not_written() {
    let orc = destination(converting("t", json!({ "OrcSerDe": {} })));
    let refusal = Destination::read(&orc).expect_err("a refusal");
    assert!(matches!(refusal, Unserved::Conversion(_)), "{refusal:?}");
}
