//! The Hive JSON SerDe.

use convert::{Converter, ConverterError, TableSchema};

use super::{hive, outcome};

const TABLE: &[(&str, &str)] = &[
    ("id", "string"),
    ("tags", "array<string>"),
    ("person", "struct<name:string,age:int>"),
    ("items", "array<struct<sku:string,qty:int>>"),
    ("attrs", "map<string,array<string>>"),
];

/// Observed at AWS (`facts/firehose.md` § 2.7).
#[test]
fn some_things_still_fit() {
    let rows = [
        (
            r#"{"id":7,"tags":[1,2.50,true],"person":{"name":"Dan","extra":1},"items":[{"sku":"s","qty":2,"extra":1}]}"#,
            r#"{id: "7", tags: ["1", "2.50", "true"], person: {name: "Dan", age: null}, items: [{sku: "s", qty: 2}], attrs: null}"#,
        ),
        (
            r#"{"person":{},"tags":["a",null]}"#,
            r#"{id: null, tags: ["a", null], person: {name: null, age: null}, items: null, attrs: null}"#,
        ),
        (
            r#"{"ATTRS":{"MixedKey":["v"]},"PERSON":{"NAME":"Bob","AGE":2}}"#,
            r#"{id: null, tags: null, person: {name: "Bob", age: 2}, items: null, attrs: {"MixedKey" -> ["v"]}}"#,
        ),
    ];
    for (record, expected) in rows {
        assert_eq!(outcome(TABLE, &hive(), record), expected, "{record}");
    }
}

#[test]
fn what_open_x_makes_fit_is_refused() {
    const ARRAY: &str =
        "Data does not match the schema. java.io.IOException: Start of Array expected";
    const OBJECT: &str =
        "Data does not match the schema. java.io.IOException: Start of Object expected";
    const FIELD: &str =
        "One or more fields have incorrect format. Exception when validating field (root)";
    let rows = [
        // Observed at AWS.
        (r#"{"id":"a","tags":"solo"}"#, ARRAY),
        (r#"{"id":"b","items":{"sku":"x","qty":1}}"#, ARRAY),
        (r#"{"id":"c","attrs":{"k":"notanarray"}}"#, ARRAY),
        (r#"{"id":"d","person":["Bob",41]}"#, OBJECT),
        (r#"{"id":"e","person":42}"#, OBJECT),
        (
            r#"{"id":"f","person":{"name":"Eve","age":"7"}}"#,
            "Data does not match the schema. Current token (VALUE_STRING) not numeric, can not use numeric value accessors",
        ),
        (r#"{"id":{"nested":1}}"#, FIELD),
        (r#"{"id":"g","tags":[{"MixedKey":1}]}"#, FIELD),
        // As Hive's source would.
        (r#"{"attrs":[1]}"#, OBJECT),
        (r#"{"person":{"age":[7]}}"#, FIELD),
        (
            r#"{"person":{"age":true}}"#,
            "Data does not match the schema. Current token (VALUE_TRUE) not numeric, can not use numeric value accessors",
        ),
        (
            r#"{"person":{"age":2147483648}}"#,
            "Data does not match the schema. Numeric value (2147483648) out of range of int",
        ),
        (
            "[]",
            "Data does not match the schema. java.io.IOException: Start token not found where expected",
        ),
    ];
    for (record, expected) in rows {
        let expected = format!("DataFormatConversion.MalformedData: {expected}");
        assert_eq!(outcome(TABLE, &hive(), record), expected, "{record}");
    }
}

#[test]
fn numbers_as_jackson_reads_them() {
    for (r#type, value, expected) in [
        ("int", "3.7", "{c: 3}"),
        ("int", "-3.7e0", "{c: -3}"),
        ("bigint", "1e3", "{c: 1000}"),
        ("boolean", "1", "{c: false}"),
        ("boolean", r#""True""#, "{c: true}"),
        ("double", "3", "{c: 3.0}"),
        ("decimal(5,1)", "3.25", "{c: 3.3}"),
        ("map<int,int>", r#"{"7":8}"#, "{c: {7 -> 8}}"),
        (
            "tinyint",
            "300",
            "DataFormatConversion.MalformedData: Data does not match the schema. Numeric value (300) out of range of Java byte",
        ),
        (
            "bigint",
            "1e19",
            "DataFormatConversion.MalformedData: Data does not match the schema. Numeric value (1e19) out of range of long",
        ),
        (
            "decimal(5,1)",
            r#""3""#,
            "DataFormatConversion.MalformedData: Data does not match the schema. Current token (VALUE_STRING) not numeric, can not use numeric value accessors",
        ),
    ] {
        let record = format!(r#"{{"c":{value}}}"#);
        assert_eq!(outcome(&[("c", r#type)], &hive(), &record), expected, "{type} {value}");
    }
}

#[test]
fn no_name_has_a_point() {
    let refusal = |name: &str, r#type: &str| {
        let schema = TableSchema::parse([(name, r#type)]).expect("a schema");
        Converter::new(&schema, &hive()).err()
    };
    let dot = |name: &str| Some(ConverterError::DotInName(name.to_owned()));
    assert_eq!(refusal("a.b", "int"), dot("a.b"));
    assert_eq!(refusal("a", "array<map<int,struct<x.y:int>>>"), dot("x.y"));
    assert_eq!(refusal("a", "struct<x:int>"), None);
    let schema = TableSchema::parse([("a.b", "int")]).expect("a schema");
    assert!(Converter::new(&schema, &super::open_x()).is_ok());
}
