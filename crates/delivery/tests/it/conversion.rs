//! Records that become rows of a table.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64_simd::STANDARD;
use bytes::Bytes;
use convert::{Table, TableSchema};
use delivery::{Answer, Catalog, CatalogError, Config, Functions, TableName, Unserved};
use model::firehose::shapes::ExtendedS3DestinationDescription;
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::{Value, json};
use stdx::Entropy;

use super::fixture::{Fixture, destination, extended, stream_name};
use super::staging::{function, lines, ok, partitioned};
use super::world::{Bucket, Fate, no_functions};

type Answerer = Box<dyn FnMut(&TableName) -> Result<Table, CatalogError> + Send>;

/// A catalog that answers as it is told.
struct Told(Mutex<Answerer>);

impl Catalog for Told {
    fn table<'a>(&'a self, name: &'a TableName) -> Answer<'a, Result<Table, CatalogError>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            (self.0.lock().expect("no panic"))(name)
        })
    }
}

fn told(
    answer: impl FnMut(&TableName) -> Result<Table, CatalogError> + Send + 'static,
) -> Arc<dyn Catalog> {
    Arc::new(Told(Mutex::new(Box::new(answer))))
}

fn table(columns: &[(&str, &str)]) -> Table {
    Table {
        database: "d".to_owned(),
        name: "t".to_owned(),
        version_id: Some("1".to_owned()),
        schema: TableSchema::parse(columns.iter().copied()).expect("a schema"),
    }
}

/// What converts `base` with one deserializer and one serializer.
fn converting(
    base: ExtendedS3DestinationDescription,
    deserializer: &str,
    serializer: &Value,
) -> ExtendedS3DestinationDescription {
    let configuration = json!({
        "Enabled": true,
        "SchemaConfiguration": {
            "RoleARN": "arn:aws:iam::000000000000:role/r", "DatabaseName": "d", "TableName": "t",
            "VersionId": "LATEST",
        },
        "InputFormatConfiguration": { "Deserializer": { deserializer: {} } },
        "OutputFormatConfiguration": { "Serializer": serializer },
    });
    ExtendedS3DestinationDescription {
        data_format_conversion_configuration: Some(
            serde_json::from_value(configuration).expect("a configuration"),
        ),
        ..base
    }
}

fn errors_apart(size_mib: i32) -> ExtendedS3DestinationDescription {
    ExtendedS3DestinationDescription {
        prefix: Some("data/".to_owned()),
        error_output_prefix: Some("errors/!{firehose:error-output-type}/".to_owned()),
        ..extended(size_mib, 900)
    }
}

fn to_parquet(size_mib: i32) -> ExtendedS3DestinationDescription {
    converting(errors_apart(size_mib), "OpenXJsonSerDe", &json!({ "ParquetSerDe": {} }))
}

async fn fixture(catalog: Arc<dyn Catalog>, functions: Arc<dyn Functions>) -> Fixture {
    Fixture::with_catalog(Bucket::honest(), functions, 1, Config::default(), catalog).await
}

fn rows(file: &[u8]) -> Vec<String> {
    let reader = SerializedFileReader::new(Bytes::copy_from_slice(file)).expect("a file");
    reader.get_row_iter(None).expect("rows").map(|row| row.expect("a row").to_string()).collect()
}

#[tokio::test]
async fn records_become_rows_and_what_fits_no_table_a_line() {
    let catalog = told(|_| Ok(table(&[("a", "int"), ("b", "string")])));
    let fixture = fixture(catalog, no_functions()).await;
    let clicks = fixture.create("clicks", to_parquet(64)).await;
    let records = [r#"{"a":1,"b":"x"}"#, "no JSON", r#"{"a":"oops"}"#, r#"{"A":2}{"a":3}"#];
    fixture.put(&clicks, &records).await;
    fixture.until_delivered(&clicks).await;
    let objects = fixture.bucket.of("lake");
    assert_eq!(objects.len(), 2);
    let (key, stored) = &objects[0];
    assert!(key.starts_with("data/2023/11/14/22/clicks-1-") && key.ends_with(".parquet"), "{key}");
    assert_eq!(stored.encoding, Some("hadoop-snappy"));
    assert_eq!(rows(&stored.body), ["{a: 1, b: \"x\"}", "{a: 2, b: null}", "{a: 3, b: null}"]);
    let (key, stored) = &objects[1];
    assert!(key.starts_with("errors/format-conversion-failed/clicks-1-"), "{key}");
    assert!(!key.ends_with(".parquet") && stored.encoding.is_none(), "{key}");
    let lines = lines(&fixture.bucket);
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["lastErrorCode"], "DataFormatConversion.ParseError");
    assert_eq!(lines[0]["rawData"], STANDARD.encode_to_string("no JSON"));
    assert_eq!(lines[1]["lastErrorCode"], "DataFormatConversion.MalformedData");
    assert_eq!(lines[1]["dataCatalogTable"]["tableName"], "t");
    assert_eq!(lines[1]["dataCatalogTable"]["region"], "us-east-1");
    assert_eq!(lines[1]["dataCatalogTable"]["catalogId"], "000000000000");
    assert_eq!(lines[1]["dataCatalogTable"]["versionId"], "LATEST");
    assert_eq!(
        lines[1]["lastErrorMessage"],
        "Data does not match the schema. For input string: \"oops\""
    );
}

#[tokio::test]
async fn hive_reads_and_gzip_needs_no_encoding() {
    let catalog = told(|_| Ok(table(&[("a", "array<int>")])));
    let fixture = fixture(catalog, no_functions()).await;
    let gzip = json!({ "ParquetSerDe": { "Compression": "GZIP" } });
    let mut extended = converting(errors_apart(64), "HiveJsonSerDe", &gzip);
    extended.file_extension = Some(".pq".to_owned());
    let clicks = fixture.create("clicks", extended).await;
    fixture.put(&clicks, &[r#"{"a":[1,2]}"#, r#"{"a":3}"#]).await;
    fixture.until_delivered(&clicks).await;
    let objects = fixture.bucket.of("lake");
    assert!(objects[0].0.ends_with(".pq"), "{}", objects[0].0);
    assert_eq!(objects[0].1.encoding, None);
    assert_eq!(rows(&objects[0].1.body), ["{a: [1, 2]}"]);
    assert_eq!(lines(&fixture.bucket).len(), 1);
}

#[tokio::test]
async fn without_a_table_every_record_fails() {
    for (error, code) in [
        (CatalogError::NotFound, "DataFormatConversion.EntityNotFound"),
        (CatalogError::Denied("no".to_owned()), "DataFormatConversion.AccessDenied"),
    ] {
        let catalog = told(move |_| Err(error.clone()));
        let fixture = fixture(catalog, no_functions()).await;
        let clicks = fixture.create("clicks", to_parquet(64)).await;
        fixture.put(&clicks, &[r#"{"a":1}"#, r#"{"a":2}"#]).await;
        fixture.until_delivered(&clicks).await;
        assert_eq!(fixture.bucket.of("lake").len(), 1);
        let lines = lines(&fixture.bucket);
        assert_eq!((lines.len(), &lines[1]["lastErrorCode"]), (2, &json!(code)));
    }
}

#[tokio::test]
async fn a_catalog_that_is_away_is_waited_for() {
    let is_away = Arc::new(AtomicU64::new(1));
    let away = Arc::clone(&is_away);
    let catalog = told(move |_| match away.load(Ordering::Relaxed) {
        0 => Ok(table(&[("a", "int")])),
        _ => Err(CatalogError::Unavailable("as told".to_owned())),
    });
    let fixture = fixture(catalog, no_functions()).await;
    let clicks = fixture.create("clicks", to_parquet(64)).await;
    fixture.put(&clicks, &[r#"{"a":1}"#]).await;
    fixture.delivery.flush(&clicks).await.expect("it is there");
    let mut trouble = None;
    for _ in 0..1000 {
        fixture.clock.advance(Duration::from_secs(1));
        fixture.settle().await;
        trouble = fixture.delivery.status(&clicks).await.expect("it is there").trouble;
        if trouble.is_some() {
            break;
        }
    }
    assert_eq!(trouble.as_deref(), Some("the catalog cannot be reached: as told"));
    assert!(fixture.bucket.of("lake").is_empty());
    is_away.store(0, Ordering::Relaxed);
    fixture.until_delivered(&clicks).await;
    assert_eq!(rows(&fixture.bucket.of("lake")[0].1.body), ["{a: 1}"]);
    assert_eq!(fixture.delivery.status(&clicks).await.expect("it is there").trouble, None);
}

#[tokio::test]
async fn what_a_function_makes_is_converted_in_its_partition() {
    let functions = function(|text| {
        let mut answer = ok(&text.replace('n', "a"));
        let key = if text.contains('1') { "one" } else { "other" };
        answer["metadata"] = json!({ "partitionKeys": { "key": key } });
        answer
    });
    let fixture = fixture(told(|_| Ok(table(&[("a", "int")]))), functions).await;
    let serializer = json!({ "ParquetSerDe": {} });
    let extended = converting(partitioned(900), "OpenXJsonSerDe", &serializer);
    let clicks = fixture.create("clicks", extended).await;
    fixture.put(&clicks, &[r#"{"n":1}"#, r#"{"n":2}"#, "{"]).await;
    fixture.until_delivered(&clicks).await;
    let file = |prefix: &str| {
        let objects = fixture.bucket.of("lake");
        let found = objects.iter().find(|(key, _)| key.starts_with(prefix)).expect(prefix);
        rows(&found.1.body)
    };
    assert_eq!(file("key=one/"), ["{a: 1}"]);
    assert_eq!(file("key=other/"), ["{a: 2}"]);
    let lines = lines(&fixture.bucket);
    assert_eq!(lines[0]["lastErrorCode"], "DataFormatConversion.ParseError");
    assert_eq!(lines.len(), 1);
}

/// The table changes with every look, and the bucket compares what is put twice.
#[tokio::test]
async fn a_crash_gives_the_same_file_again() {
    for seed in 0..10 {
        let (entropy, fates) = (Entropy::seeded(seed), Entropy::seeded(seed));
        let bucket = Bucket::with(move |_| match fates.below(4) {
            0 => Fate::Fails,
            1 | 2 => Fate::StoredButFails,
            _ => Fate::Honest,
        });
        let mut looks = 0;
        let catalog = told(move |_| {
            looks += 1;
            Ok(table(&[("n", if looks % 2 == 0 { "int" } else { "string" })]))
        });
        let config = Config::default();
        let mut fixture =
            Fixture::with_catalog(bucket, no_functions(), seed, config, catalog).await;
        fixture.create("clicks", to_parquet(64)).await;
        let mut put = Vec::new();
        for _ in 0..8 {
            let stream = fixture.delivery.stream(&stream_name("clicks")).expect("it is there");
            let number = 1000 + put.len();
            put.push(number.to_string());
            fixture.put(&stream, &[&format!("{{\"n\":{number}}}"), "oops"]).await;
            fixture.delivery.flush(&stream).await.expect("it is there");
            for _ in 0..entropy.below(200) {
                fixture.clock.advance(Duration::from_millis(entropy.below(900)));
                tokio::task::yield_now().await;
                std::thread::yield_now();
            }
            fixture.crash().await;
        }
        let stream = fixture.delivery.stream(&stream_name("clicks")).expect("it is there");
        fixture.until_delivered(&stream).await;
        let objects = fixture.bucket.of("lake");
        let files = objects.iter().filter(|(key, _)| key.ends_with(".parquet"));
        let rows = files.flat_map(|(_, stored)| rows(&stored.body));
        let number = |row: String| row.chars().filter(char::is_ascii_digit).collect::<String>();
        let mut found: Vec<_> = rows.map(number).collect();
        found.sort_unstable();
        assert_eq!((found, lines(&fixture.bucket).len()), (put, 8), "seed {seed}");
    }
}

#[test]
fn orc_is_not_served() {
    let orc = converting(errors_apart(64), "OpenXJsonSerDe", &json!({ "OrcSerDe": {} }));
    let unserved = delivery::Destination::read(&destination(orc)).expect_err("not served");
    assert_eq!(unserved, Unserved::Conversion(convert::OptionsError::Orc));
}
