//! The file itself: its schema, its row groups, its encodings, and that it is the same every time.

use bytes::Bytes;
use convert::{Options, OptionsError};
use parquet::basic::{Compression, Encoding};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::printer::print_schema;
use serde_json::{Value, json};

use super::{converter, open_x, options, rows};

fn with_parquet(parquet: &Value) -> Value {
    json!({
        "Enabled": true,
        "InputFormatConfiguration": { "Deserializer": { "OpenXJsonSerDe": {} } },
        "OutputFormatConfiguration": { "Serializer": { "ParquetSerDe": parquet } },
        "SchemaConfiguration": { "DatabaseName": "d", "TableName": "t" },
    })
}

fn metadata(file: &Bytes) -> ParquetMetaData {
    SerializedFileReader::new(file.clone()).expect("a file").metadata().clone()
}

#[test]
fn the_schema_is_hive_s() {
    let columns = &[
        ("b", "boolean"),
        ("t", "tinyint"),
        ("s", "smallint"),
        ("i", "int"),
        ("l", "bigint"),
        ("f", "float"),
        ("d", "double"),
        ("dec", "decimal(18,4)"),
        ("str", "string"),
        ("c", "char(4)"),
        ("v", "varchar(9)"),
        ("bin", "binary"),
        ("day", "date"),
        ("ts", "timestamp"),
        ("a", "array<struct<x:int,y:map<string,decimal(4,1)>>>"),
    ];
    let mut converter = converter(columns, &open_x());
    converter.push(b"{}").expect("a row");
    let file = converter.finish().expect("a file").expect("rows");
    let mut printed = Vec::new();
    print_schema(&mut printed, metadata(&file).file_metadata().schema());
    let expected = "\
message hive_schema {
  OPTIONAL BOOLEAN b;
  OPTIONAL INT32 t (INTEGER(8,true));
  OPTIONAL INT32 s (INTEGER(16,true));
  OPTIONAL INT32 i;
  OPTIONAL INT64 l;
  OPTIONAL FLOAT f;
  OPTIONAL DOUBLE d;
  OPTIONAL FIXED_LEN_BYTE_ARRAY (8) dec (DECIMAL(18,4));
  OPTIONAL BYTE_ARRAY str (STRING);
  OPTIONAL BYTE_ARRAY c (STRING);
  OPTIONAL BYTE_ARRAY v (STRING);
  OPTIONAL BYTE_ARRAY bin;
  OPTIONAL INT32 day (DATE);
  OPTIONAL INT96 ts;
  OPTIONAL group a (LIST) {
    REPEATED group bag {
      OPTIONAL group array_element {
        OPTIONAL INT32 x;
        OPTIONAL group y (MAP) {
          REPEATED group key_value {
            REQUIRED BYTE_ARRAY key (STRING);
            OPTIONAL FIXED_LEN_BYTE_ARRAY (2) value (DECIMAL(4,1));
          }
        }
      }
    }
  }
}
";
    assert_eq!(String::from_utf8(printed).expect("text"), expected);
}

#[test]
fn the_options_are_kept() {
    let file = |parquet: Value| {
        let mut converter =
            converter(&[("s", "string"), ("n", "bigint")], &options(&with_parquet(&parquet)));
        for index in 0..20_000 {
            let record = format!(r#"{{"s":"value {}","n":{index}}}"#, index % 7);
            converter.push(record.as_bytes()).expect("a row");
        }
        converter.finish().expect("a file").expect("rows")
    };
    let column = |file: &Bytes, index: usize| metadata(file).row_group(0).column(index).clone();

    let plain = file(json!({}));
    assert_eq!(column(&plain, 0).compression(), Compression::SNAPPY);
    assert!(column(&plain, 0).dictionary_page_offset().is_none());
    assert_eq!(metadata(&plain).file_metadata().version(), 1);
    assert_eq!(metadata(&plain).file_metadata().created_by(), Some("levada"));

    let rich = file(json!({
        "BlockSizeBytes": 67_108_864, "PageSizeBytes": 65_536, "Compression": "GZIP",
        "EnableDictionaryCompression": true, "MaxPaddingBytes": 0, "WriterVersion": "V2",
    }));
    assert!(matches!(column(&rich, 0).compression(), Compression::GZIP(_)));
    assert!(column(&rich, 0).dictionary_page_offset().is_some());
    assert_eq!(metadata(&rich).file_metadata().version(), 2);
    assert!(rich.len() < plain.len());
    assert_eq!(rows(rich), rows(plain.clone()));

    let none = file(json!({ "Compression": "UNCOMPRESSED" }));
    assert_eq!(column(&none, 0).compression(), Compression::UNCOMPRESSED);
    assert!(column(&none, 1).encodings().any(|encoding| encoding == Encoding::PLAIN));
    assert_eq!(rows(none), rows(plain));
}

#[test]
fn pages_end_at_about_their_size() {
    let pages = |bytes: u64| {
        let options = options(&with_parquet(
            &json!({ "PageSizeBytes": bytes, "Compression": "UNCOMPRESSED" }),
        ));
        let mut converter = converter(&[("s", "string")], &options);
        let record = format!(r#"{{"s":"{}"}}"#, "x".repeat(50_000));
        for _ in 0..100 {
            converter.push(record.as_bytes()).expect("a row");
        }
        let file = converter.finish().expect("a file").expect("rows");
        let reader = SerializedFileReader::new(file).expect("a file");
        let group = reader.get_row_group(0).expect("a row group");
        group.get_column_page_reader(0).expect("pages").count()
    };
    assert_eq!(pages(65_536), 50);
    assert_eq!(pages(1_048_576), 5);
}

/// A file of 100 rows of 900,000 bytes, and how many bytes were held at most.
fn large_file(parquet: &Value) -> (Bytes, usize) {
    let mut converter =
        converter(&[("s", "string"), ("a", "array<int>")], &options(&with_parquet(parquet)));
    let record = format!(r#"{{"s":"{}","a":[1,2]}}"#, "x".repeat(900_000));
    let mut most = 0;
    for _ in 0..100 {
        converter.push(record.as_bytes()).expect("a row");
        most = most.max(converter.held_bytes());
    }
    (converter.finish().expect("a file").expect("rows"), most)
}

#[test]
fn a_block_ends_a_row_group() {
    // The smallest block that AWS allows.
    const BLOCK: usize = 67_108_864;
    let (file, most) = large_file(&json!({ "BlockSizeBytes": BLOCK }));
    let metadata = metadata(&file);
    let counts: Vec<i64> = metadata.row_groups().iter().map(|group| group.num_rows()).collect();
    assert_eq!(counts, [75, 25]);
    assert!(most < 2 * BLOCK + 8 * 1024 * 1024, "{most} bytes held");
    assert_eq!(rows(file).len(), 100);
}

#[test]
fn a_row_group_begins_at_a_block_if_it_may() {
    let (file, _) =
        large_file(&json!({ "BlockSizeBytes": 67_108_864, "MaxPaddingBytes": 67_108_864 }));
    assert_eq!(metadata(&file).row_group(1).column(0).data_page_offset(), 67_108_864);
    assert_eq!(rows(file).len(), 100);
}

#[test]
fn wide_tables_of_empty_records_are_bounded() {
    let names: Vec<String> = (0..5000).map(|index| format!("c{index}")).collect();
    let columns: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "bigint")).collect();
    let mut converter = converter(&columns, &open_x());
    for _ in 0..1000 {
        converter.push(b"{}").expect("a row");
    }
    // A byte for each null, or two that are reserved.
    assert!(converter.held_bytes() < 12_000_000, "{} bytes held", converter.held_bytes());
    assert_eq!(converter.finish().map(|file| file.is_some()), Ok(true));
}

#[test]
fn no_rows_no_file() {
    let mut empty = converter(&[("a", "int")], &open_x());
    assert!(empty.push(b"x").is_err());
    assert_eq!(empty.rows(), 0);
    assert_eq!(empty.finish(), Ok(None));
}

#[test]
fn failures_leave_no_trace() {
    let columns =
        &[("a", "array<string>"), ("b", "int"), ("d", "decimal(20,2)"), ("m", "map<string,int>")];
    let good = [r#"{"a":["x","y"],"b":1,"d":1.5,"m":{"k":1}}"#, r#"{"a":[],"b":2}"#];
    let bad =
        [r#"{"a":["z","z"],"b":"no"}"#, r#"{"a":["z"],"b":3,"d":1,"m":{"k":1,"j":"no"}}"#, "{"];
    let mut clean = converter(columns, &open_x());
    let mut mixed = converter(columns, &open_x());
    for record in good {
        for broken in bad {
            mixed.push(broken.as_bytes()).expect_err(broken);
        }
        assert_eq!(clean.push(record.as_bytes()), Ok(1));
        assert_eq!(mixed.push(record.as_bytes()), Ok(1));
    }
    assert_eq!(clean.finish(), mixed.finish());
}

/// A plan that is built twice gives the same object.
#[test]
fn the_same_records_are_the_same_bytes() {
    let build = || {
        let options = options(&with_parquet(&json!({ "EnableDictionaryCompression": true })));
        let mut converter = converter(&[("s", "string"), ("m", "map<string,double>")], &options);
        for index in 0..5000 {
            let record = format!(r#"{{"s":"{}","m":{{"a":{index},"b":null}}}}"#, index % 100);
            converter.push(record.as_bytes()).expect("a row");
        }
        converter.finish().expect("a file").expect("rows")
    };
    let first = build();
    for _ in 0..3 {
        assert!(build() == first);
    }
}

#[test]
fn configurations_that_cannot_be() {
    let refusal =
        |configuration: Value| Options::of_configuration(&configuration).expect_err("a refusal");
    assert_eq!(refusal(json!({ "Enabled": false })), OptionsError::Disabled);
    assert_eq!(refusal(json!({})), OptionsError::Incomplete);
    let mut orc = with_parquet(&json!({}));
    orc["OutputFormatConfiguration"]["Serializer"] = json!({ "OrcSerDe": {} });
    assert_eq!(refusal(orc.clone()), OptionsError::Orc);
    orc["OutputFormatConfiguration"]["Serializer"] = json!({ "OrcSerDe": {}, "ParquetSerDe": {} });
    assert_eq!(refusal(orc), OptionsError::Incomplete);
    let hive =
        super::configuration(&json!({ "HiveJsonSerDe": { "TimestampFormats": ["yyyy", "b"] } }));
    let error = refusal(hive).to_string();
    assert_eq!(error, "the timestamp format 'b' cannot be read: Illegal pattern component: b");
    assert!(matches!(refusal(json!({ "Enabled": 1 })), OptionsError::Unreadable(_)));
}
