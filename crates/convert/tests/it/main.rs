//! Records in, a file out, and what Parquet's own reader finds in it.

mod file;
mod hive;
mod open_x;
mod parse_errors;
mod properties;
mod timestamps;

use bytes::Bytes;
use convert::{Converter, Options, RecordFailure, TableSchema};
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::{Value, json};

/// A configuration with one deserializer and AWS's way to write Parquet.
fn configuration(deserializer: &Value) -> Value {
    json!({
        "InputFormatConfiguration": { "Deserializer": deserializer },
        "OutputFormatConfiguration": { "Serializer": { "ParquetSerDe": {} } },
    })
}

fn open_x() -> Options {
    options(&configuration(&json!({ "OpenXJsonSerDe": {} })))
}

fn hive() -> Options {
    options(&configuration(&json!({ "HiveJsonSerDe": {} })))
}

fn options(configuration: &Value) -> Options {
    Options::of_configuration(configuration).expect("options")
}

fn converter(columns: &[(&str, &str)], options: &Options) -> Converter {
    let schema = TableSchema::parse(columns.iter().copied()).expect("a schema");
    Converter::new(&schema, options).expect("a converter")
}

/// The rows of a file as Parquet's reader shows them.
fn rows(file: Bytes) -> Vec<String> {
    let reader = SerializedFileReader::new(file).expect("a file");
    let rows = reader.get_row_iter(None).expect("rows");
    rows.map(|row| row.expect("a row").to_string()).collect()
}

/// What becomes of one record: its rows, or why there are none.
fn convert_one(
    columns: &[(&str, &str)],
    options: &Options,
    record: &str,
) -> Result<Vec<String>, RecordFailure> {
    let mut converter = converter(columns, options);
    converter.push(record.as_bytes())?;
    Ok(rows(converter.finish().expect("a file").expect("rows")))
}

/// The one row of a record, or the code and the words of its failure.
fn outcome(columns: &[(&str, &str)], options: &Options, record: &str) -> String {
    match convert_one(columns, options, record) {
        Ok(rows) => rows.join(" "),
        Err(failure) => failure.to_string(),
    }
}
