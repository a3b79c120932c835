//! Random tables, random records: nothing panics, and what is written is what a naive model expects.

use convert::{Column, ColumnType, Converter, TableSchema};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::Value;

use super::{hive, open_x};

/// Types whose values a model can compare by hand.
fn column_type() -> impl Strategy<Value = ColumnType> {
    let leaf = prop_oneof![
        Just(ColumnType::Boolean),
        Just(ColumnType::TinyInt),
        Just(ColumnType::Int),
        Just(ColumnType::BigInt),
        Just(ColumnType::Double),
        Just(ColumnType::String),
        Just(ColumnType::Binary),
        Just(ColumnType::Date),
        Just(ColumnType::Decimal { precision: 12, scale: 3 }),
    ];
    leaf.prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|element| ColumnType::Array(Box::new(element))),
            inner.clone().prop_map(|value| {
                ColumnType::Map(Box::new(ColumnType::String), Box::new(value))
            }),
            vec(inner, 1..4).prop_map(|types| ColumnType::Struct(members(types))),
        ]
    })
}

fn members(types: Vec<ColumnType>) -> Vec<Column> {
    let name = |index: usize| ["a", "b", "c", "d", "e"][index].to_owned();
    types
        .into_iter()
        .enumerate()
        .map(|(index, r#type)| Column { name: name(index), r#type })
        .collect()
}

/// A value of a type, or null.
fn value_of(r#type: &ColumnType) -> BoxedStrategy<Value> {
    let some: BoxedStrategy<Value> = match r#type {
        ColumnType::Boolean => any::<bool>().prop_map(Value::from).boxed(),
        ColumnType::TinyInt => any::<i8>().prop_map(Value::from).boxed(),
        ColumnType::Int => any::<i32>().prop_map(Value::from).boxed(),
        ColumnType::BigInt => any::<i64>().prop_map(Value::from).boxed(),
        ColumnType::Double => prop::num::f64::NORMAL.prop_map(Value::from).boxed(),
        ColumnType::Date => (1..=9999_u16, 1..=12_u8, 1..=28_u8)
            .prop_map(|(year, month, day)| Value::from(format!("{year:04}-{month:02}-{day:02}")))
            .boxed(),
        ColumnType::Decimal { .. } => (-999_999_999_i64..=999_999_999, 0..1000_i64)
            .prop_map(|(whole, rest)| Value::from(format!("{whole}.{rest:03}")))
            .boxed(),
        ColumnType::Array(element) => vec(value_of(element), 0..4).prop_map(Value::from).boxed(),
        ColumnType::Map(_, value) => btree_map("[a-z]{0,3}", value_of(value), 0..4)
            .prop_map(|entries| Value::Object(entries.into_iter().collect()))
            .boxed(),
        ColumnType::Struct(members) => object_of(members),
        _ => any::<String>().prop_map(Value::from).boxed(),
    };
    prop_oneof![5 => some, 1 => Just(Value::Null)].boxed()
}

/// An object with some of the members.
fn object_of(columns: &[Column]) -> BoxedStrategy<Value> {
    let members: Vec<_> = columns
        .iter()
        .map(|column| {
            let name = column.name.clone();
            (prop::bool::weighted(0.8), value_of(&column.r#type))
                .prop_map(move |(is_there, value)| (is_there, name.clone(), value))
        })
        .collect();
    members
        .prop_map(|members| {
            let there = members.into_iter().filter(|(is_there, ..)| *is_there);
            Value::Object(there.map(|(_, name, value)| (name, value)).collect())
        })
        .boxed()
}

/// Whether a field of the file is what the model expects.
fn is_same(field: &Field, expected: Option<&Value>, r#type: &ColumnType) -> bool {
    let Some(expected) = expected.filter(|value| !value.is_null()) else {
        return matches!(field, Field::Null);
    };
    match (field, r#type) {
        (Field::Bool(found), _) => expected.as_bool() == Some(*found),
        (Field::Byte(found), _) => expected.as_i64() == Some(i64::from(*found)),
        (Field::Int(found), _) => expected.as_i64() == Some(i64::from(*found)),
        (Field::Long(found), _) => expected.as_i64() == Some(*found),
        (Field::Double(found), _) => expected.as_f64() == Some(*found),
        (Field::Str(found), _) => expected.as_str() == Some(found),
        (Field::Bytes(found), _) => expected.as_str().map(str::as_bytes) == Some(found.data()),
        (Field::Date(_), _) => expected.as_str() == Some(&field.to_string()),
        // A naive model: "-0.500" loses its sign when its whole part is zero.
        (Field::Decimal(_), _) => {
            let shown = field.to_string();
            expected.as_str().map(|text| text.parse::<f64>()) == Some(shown.parse::<f64>())
        }
        (Field::ListInternal(found), ColumnType::Array(element)) => {
            let expected = expected.as_array().expect("an array");
            found.len() == expected.len()
                && found.elements().iter().zip(expected).all(|(f, e)| is_same(f, Some(e), element))
        }
        (Field::MapInternal(found), ColumnType::Map(_, value)) => {
            let expected = expected.as_object().expect("an object");
            found.len() == expected.len()
                && found.entries().iter().all(|(key, field)| match key {
                    Field::Str(key) => is_same(field, expected.get(key), value),
                    _ => false,
                })
        }
        (Field::Group(row), ColumnType::Struct(members)) => {
            let fields: Vec<&Field> = row.get_column_iter().map(|(_, field)| field).collect();
            fields.len() == members.len()
                && fields.iter().zip(members).all(|(field, member)| {
                    is_same(field, expected.get(&member.name), &member.r#type)
                })
        }
        _ => false,
    }
}

fn schema(columns: &[Column]) -> TableSchema {
    let types: Vec<String> = columns.iter().map(|column| column.r#type.to_string()).collect();
    let names = columns.iter().map(|column| column.name.as_str());
    TableSchema::parse(names.zip(types.iter().map(String::as_str))).expect("a schema")
}

fn table_and_records() -> impl Strategy<Value = (Vec<Column>, Vec<Value>)> {
    vec(column_type(), 1..5).prop_map(members).prop_flat_map(|columns| {
        let records = vec(object_of(&columns), 1..8);
        (Just(columns), records)
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back((columns, records) in table_and_records()) {
        let mut converter = Converter::new(&schema(&columns), &open_x()).expect("a converter");
        let mut again = Converter::new(&schema(&columns), &open_x()).expect("a converter");
        for record in &records {
            let record = record.to_string();
            prop_assert_eq!(converter.push(record.as_bytes()), Ok(1), "{}", record);
            prop_assert_eq!(again.push(record.as_bytes()), Ok(1));
        }
        let file = converter.finish().expect("a file").expect("rows");
        prop_assert!(again.finish() == Ok(Some(file.clone())));
        let reader = SerializedFileReader::new(file).expect("a file");
        let rows: Vec<_> = reader.get_row_iter(None).expect("rows").map(|row| row.expect("a row")).collect();
        prop_assert_eq!(rows.len(), records.len());
        for (row, record) in rows.iter().zip(&records) {
            for ((_, field), column) in row.get_column_iter().zip(&columns) {
                prop_assert!(
                    is_same(field, record.get(&column.name), &column.r#type),
                    "{} of {} is {}", column.name, record, field
                );
            }
        }
    }

    /// Values of one table pushed at another: rows or refusals, and a file that can be read.
    #[test]
    fn anything_pushed_at_anything(
        columns in vec(column_type(), 1..5).prop_map(members),
        (_, records) in table_and_records(),
        is_hive in any::<bool>(),
    ) {
        let options = if is_hive { hive() } else { open_x() };
        let mut converter = Converter::new(&schema(&columns), &options).expect("a converter");
        let mut rows = 0;
        for record in &records {
            rows += converter.push(record.to_string().as_bytes()).unwrap_or(0);
        }
        if let Some(file) = converter.finish().expect("a file") {
            prop_assert_eq!(super::rows(file).len() as u64, rows);
        }
    }

    #[test]
    fn broken_records_never_panic(
        columns in vec(column_type(), 1..4).prop_map(members),
        (_, records) in table_and_records(),
        cut in any::<prop::sample::Index>(),
        flip in any::<prop::sample::Index>(),
        bits in 1..=255_u8,
    ) {
        let mut converter = Converter::new(&schema(&columns), &open_x()).expect("a converter");
        let mut rows = 0;
        for record in &records {
            let mut record = record.to_string().into_bytes();
            rows += converter.push(&record[..cut.index(record.len())]).unwrap_or(0);
            let at = flip.index(record.len());
            record[at] ^= bits;
            rows += converter.push(&record).unwrap_or(0);
        }
        if let Some(file) = converter.finish().expect("a file") {
            prop_assert_eq!(super::rows(file).len() as u64, rows);
        }
    }

    /// What is taken for JSON is what a strict reader takes for it.
    #[test]
    fn json_is_json(record in r#"[\[\]{},:"\\a0-9.eE+tfn -]{0,24}"#) {
        let mut converter = Converter::new(&schema(&members(vec![ColumnType::String])), &open_x()).expect("a converter");
        let is_json = serde_json::from_str::<Value>(&record).is_ok();
        let failure = converter.push(record.as_bytes()).err();
        let is_taken = failure.as_ref().is_none_or(|failure| failure.code() != "DataFormatConversion.ParseError");
        // A record may hold several values, which a strict reader refuses.
        prop_assert!(is_taken || !is_json, "{record} {failure:?}");
        if is_taken {
            let values = serde_json::Deserializer::from_str(&record).into_iter::<Value>();
            for value in values {
                let error = value.err();
                // The strict reader alone wants numbers to be finite.
                let is_fine = error.as_ref().is_none_or(|error| error.to_string().contains("out of range"));
                prop_assert!(is_fine, "{record} {error:?}");
            }
        }
    }
}
