//! What fuzzers run, by name. Each panics if something does harm.

use std::borrow::Cow;

use crate::{ColumnType, Converter, Deserializer, Hive, OpenX, Options, Parquet};
use crate::{TableSchema, TimestampFormat, tables_of_document};

/// Every type once, and lists, maps and structures within each other.
const COLUMNS: &[(&str, &str)] = &[
    ("b", "boolean"),
    ("t", "tinyint"),
    ("s", "smallint"),
    ("i", "int"),
    ("l", "bigint"),
    ("f", "float"),
    ("d", "double"),
    ("dec", "decimal(10,2)"),
    ("str", "string"),
    ("c", "char(3)"),
    ("v", "varchar(3)"),
    ("bin", "binary"),
    ("day", "date"),
    ("ts", "timestamp"),
    ("a", "array<array<int>>"),
    ("m", "map<string,map<int,string>>"),
    ("st", "struct<x:int,y:struct<z:array<string>>>"),
];

/// An entry: its fuzz target's name, and what it does with bytes.
pub type Entry = (&'static str, fn(&[u8]));

/// The entries by name.
pub const ENTRIES: &[Entry] = &[
    ("convert_document", document),
    ("convert_record", record),
    ("convert_timestamp", timestamp),
    ("convert_type", column_type),
];

/// A record, read by both deserializers, gives rows or a reason, and a file of as many rows.
fn record(bytes: &[u8]) {
    let schema = TableSchema::parse(COLUMNS.iter().copied()).expect("a schema");
    for deserializer in [Deserializer::OpenX(OpenX::default()), Deserializer::Hive(Hive::default())]
    {
        let options = Options { deserializer, parquet: Parquet::default() };
        let mut converter = Converter::new(&schema, &options).expect("a converter");
        let first = converter.push(bytes);
        assert_eq!(first, converter.push(bytes), "a record is what it is");
        let rows = converter.rows();
        assert_eq!(rows, 2 * first.unwrap_or(0));
        assert_eq!(converter.finish().expect("a file").is_some(), rows > 0);
    }
}

/// A type that can be read is written as one that reads the same.
fn column_type(bytes: &[u8]) {
    if let Ok(read) = ColumnType::parse(&text(bytes)) {
        assert_eq!(ColumnType::parse(&read.to_string()), Ok(read));
    }
}

/// A line with a format, and a line that it reads.
fn timestamp(bytes: &[u8]) {
    let text = text(bytes);
    let (format, value) = text.split_once('\n').unwrap_or((&text, ""));
    if let Ok(format) = TimestampFormat::parse(format) {
        let _read_or_not = format.read(value);
    }
}

/// A catalog's answer.
fn document(bytes: &[u8]) {
    let _tables_or_not = tables_of_document(bytes);
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

#[cfg(test)]
mod tests;
