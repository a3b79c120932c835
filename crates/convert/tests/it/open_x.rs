//! The OpenX JSON SerDe. Rows that say "observed" are what AWS was seen to do (`facts/firehose.md` § 2.7).

use serde_json::json;

use super::{configuration, open_x, options, outcome};

const TABLE: &[(&str, &str)] = &[
    ("id", "string"),
    ("tags", "array<string>"),
    ("person", "struct<name:string,age:int>"),
    ("items", "array<struct<sku:string,qty:int>>"),
    ("attrs", "map<string,array<string>>"),
];

/// Observed.
#[test]
fn values_of_the_wrong_shape_are_made_to_fit() {
    let rows = [
        (
            r#"{"id":"r1","tags":["a","b"],"person":{"name":"Alice","age":30},"items":[{"sku":"s1","qty":2}],"attrs":{"k1":["v1","v2"]}}"#,
            r#"{id: "r1", tags: ["a", "b"], person: {name: "Alice", age: 30}, items: [{sku: "s1", qty: 2}], attrs: {"k1" -> ["v1", "v2"]}}"#,
        ),
        (
            r#"{"id":"r6","tags":"notanarray","items":{"sku":"x","qty":1}}"#,
            r#"{id: "r6", tags: ["notanarray"], person: null, items: [{sku: "x", qty: 1}], attrs: null}"#,
        ),
        (
            r#"{"person":["Zoe",9,"ignored"]}"#,
            r#"{id: null, tags: null, person: {name: "Zoe", age: 9}, items: null, attrs: null}"#,
        ),
        (
            r#"{"person":["Zoe"]}"#,
            r#"{id: null, tags: null, person: {name: "Zoe", age: null}, items: null, attrs: null}"#,
        ),
        (
            r#"{"ID":"r2","PERSON":{"NAME":"Bob","AGE":41},"ITEMS":[{"SKU":"s2","QTY":"3"}]}"#,
            r#"{id: "r2", tags: null, person: {name: "Bob", age: 41}, items: [{sku: "s2", qty: 3}], attrs: null}"#,
        ),
        (
            r#"{"attrs":{"MixedKey":["v"]}}"#,
            r#"{id: null, tags: null, person: null, items: null, attrs: {"mixedkey" -> ["v"]}}"#,
        ),
        (
            r#"{"person":{"name":"Carol","extra":"dropped"},"unknown":[1,{"a":2}]}"#,
            r#"{id: null, tags: null, person: {name: "Carol", age: null}, items: null, attrs: null}"#,
        ),
        (
            r#"{"person":{},"tags":[],"attrs":{}}"#,
            r#"{id: null, tags: [], person: {name: null, age: null}, items: null, attrs: {}}"#,
        ),
        (
            r#"{"tags":["a",null,"c"],"items":[null],"attrs":{"k":null}}"#,
            r#"{id: null, tags: ["a", null, "c"], person: null, items: [null], attrs: {"k" -> null}}"#,
        ),
        (
            r#"{"tags":[1,2.50,true]}"#,
            r#"{id: null, tags: ["1", "2.50", "true"], person: null, items: null, attrs: null}"#,
        ),
        (
            r#"{"id":{"Outer": {"Inner" : 1} , "b":[ ] },"tags":[["a", "b"],{"MixedKey":1}]}"#,
            r#"{id: "{"outer":{"inner":1},"b":[]}", tags: ["["a","b"]", "{"mixedkey":1}"], person: null, items: null, attrs: null}"#,
        ),
        ("{}", "{id: null, tags: null, person: null, items: null, attrs: null}"),
    ];
    for (record, expected) in rows {
        assert_eq!(outcome(TABLE, &open_x(), record), expected, "{record}");
    }
}

#[test]
fn what_cannot_fit_fails_the_record() {
    const MALFORMED: &str = "DataFormatConversion.MalformedData: Data does not match the schema. ";
    let rows = [
        // Observed.
        (r#"{"person":42}"#, "Data is not JSONObject  but java.lang.Long with value 42"),
        (r#"{"items":[{"sku":"s5","qty":"oops"}]}"#, r#"For input string: "oops""#),
        // As the classes of OpenX's source would.
        (
            r#"{"attrs":[["k",["v"]]]}"#,
            "org.openx.data.jsonserde.json.JSONArray cannot be cast to org.openx.data.jsonserde.json.JSONObject",
        ),
        (
            r#"{"attrs":"k"}"#,
            "java.lang.String cannot be cast to org.openx.data.jsonserde.json.JSONObject",
        ),
        (
            r#"{"person":{"age":[1]}}"#,
            "org.openx.data.jsonserde.json.JSONArray cannot be cast to java.lang.Integer",
        ),
        (r#"{"person":{"age":true}}"#, "java.lang.Boolean cannot be cast to java.lang.Integer"),
        (
            r#"[{"id": 1}]"#,
            r#"Data is not JSONObject  but org.openx.data.jsonserde.json.JSONArray with value [{"id":1}]"#,
        ),
    ];
    for (record, expected) in rows {
        assert_eq!(outcome(TABLE, &open_x(), record), format!("{MALFORMED}{expected}"), "{record}");
    }
}

/// AWS's published words.
#[test]
fn records_without_an_object() {
    const PRIMITIVE: &str = "DataFormatConversion.MalformedData: The input JSON contained a primitive \
                             at the top level. The top level must be an object or array.";
    const BLANK: &str = "DataFormatConversion.MalformedData: The record was empty or contained only \
                         whitespace.";
    for (record, expected) in [
        ("42", PRIMITIVE),
        (r#""text""#, PRIMITIVE),
        ("null", PRIMITIVE),
        (r#"{"id":1}true"#, PRIMITIVE),
        ("", BLANK),
        (" \r\n\t", BLANK),
    ] {
        for options in [open_x(), super::hive()] {
            assert_eq!(outcome(TABLE, &options, record), expected, "{record}");
        }
    }
}

#[test]
fn numbers_words_and_text() {
    let ok = |r#type: &str, value: &str, expected: &str| {
        let record = format!(r#"{{"c":{value}}}"#);
        assert_eq!(
            outcome(&[("c", r#type)], &open_x(), &record),
            format!("{{c: {expected}}}"),
            "{type} {value}"
        );
    };
    for (r#type, value, expected) in [
        ("int", "1", "1"),
        ("int", r#""12""#, "12"),
        ("int", r#""+12""#, "12"),
        ("int", r#""0x1F""#, "31"),
        ("int", "-2147483648", "-2147483648"),
        ("tinyint", "127", "127"),
        ("smallint", "-32768", "-32768"),
        ("bigint", "9223372036854775807", "9223372036854775807"),
        ("double", "1.5", "1.5"),
        ("double", "3", "3.0"),
        ("double", r#"" 1e3 ""#, "1000.0"),
        ("double", r#""NaN""#, "NaN"),
        ("float", "0.1", "0.1"),
        ("boolean", "true", "true"),
        ("boolean", r#""TRUE""#, "true"),
        ("boolean", r#""yes""#, "false"),
        ("string", "12345678901234567890.10", r#""12345678901234567890.10""#),
        ("string", r#""caf\u00e9 \ud83d\ude00 \"q\"\n""#, "\"café 😀 \"q\"\n\""),
        ("string", r#""\ud83d""#, "\"\u{fffd}\""),
        ("varchar(3)", r#""äöüß""#, r#""äöü""#),
        ("char(5)", r#""ab   ""#, r#""ab""#),
        ("date", r#""2026-9-7""#, "2026-09-07"),
        ("decimal(10,2)", "1.005", "1.01"),
        ("decimal(10,2)", r#""-12""#, "-12.00"),
        (
            "decimal(38,10)",
            "1234567890123456789012345678.0123456789",
            "1234567890123456789012345678.0123456789",
        ),
        ("int", "null", "null"),
    ] {
        ok(r#type, value, expected);
    }
    let refused = |r#type: &str, value: &str, expected: &str| {
        let record = format!(r#"{{"c":{value}}}"#);
        let said = outcome(&[("c", r#type)], &open_x(), &record);
        let prefix = "DataFormatConversion.MalformedData: Data does not match the schema. ";
        assert_eq!(said.strip_prefix(prefix), Some(expected), "{type} {value}");
    };
    for (r#type, value, expected) in [
        ("int", "2147483648", r#"For input string: "2147483648""#),
        ("tinyint", "128", r#"For input string: "128""#),
        ("bigint", "9223372036854775808", r#"For input string: "9223372036854775808""#),
        ("int", "1.5", r#"For input string: "1.5""#),
        ("int", r#""""#, r#"For input string: """#),
        ("int", r#"" 1""#, r#"For input string: " 1""#),
        ("double", r#""""#, "empty String"),
        ("double", r#""inf""#, r#"For input string: "inf""#),
        ("double", "1e999", r#"For input string: "1e999""#),
        ("float", "1e39", r#"For input string: "1e39""#),
        ("boolean", "1", "java.lang.Long cannot be cast to java.lang.Boolean"),
        ("decimal(4,2)", "100", "Numeric value (100) out of range of decimal(4,2)"),
        ("decimal(4,2)", r#""x""#, r#"For input string: "x""#),
        ("date", r#""2026-02-30""#, r#"For input string: "2026-02-30""#),
        ("date", "1", r#"For input string: "1""#),
        ("date", "{}", "org.openx.data.jsonserde.json.JSONObject cannot be cast to java.sql.Date"),
    ] {
        refused(r#type, value, expected);
    }
}

#[test]
fn the_last_of_a_name_counts() {
    let columns = &[("a", "int"), ("m", "map<string,int>"), ("s", "struct<x:int>")];
    let record = r#"{"a":1,"s":{"x":1,"X":2},"A":2,"m":{"k":1,"j":2,"K":3},"a":"3"}"#;
    assert_eq!(
        outcome(columns, &open_x(), record),
        r#"{a: 3, m: {"k" -> 3, "j" -> 2}, s: {x: 2}}"#
    );
}

#[test]
fn a_record_may_be_several_documents() {
    let columns = &[("a", "int")];
    assert_eq!(
        outcome(columns, &open_x(), "{\"a\":1}{\"a\":2}\n {\"a\":3}\n"),
        "{a: 1} {a: 2} {a: 3}"
    );
    // Whole or not at all.
    let mut converter = super::converter(columns, &open_x());
    assert!(converter.push(br#"{"a":1}{"a":"x"}"#).is_err());
    assert_eq!(converter.push(br#"{"a":4}{"a":5}"#), Ok(2));
    assert_eq!(converter.rows(), 2);
    assert_eq!(
        super::rows(converter.finish().expect("a file").expect("rows")),
        ["{a: 4}", "{a: 5}"]
    );
}

/// Observed: names of members and keys of maps keep their case.
#[test]
fn case_can_count() {
    let options =
        options(&configuration(&json!({ "OpenXJsonSerDe": { "CaseInsensitive": false } })));
    let record =
        r#"{"ID":"x","person":{"NAME":"Bob","age":2},"attrs":{"MixedKey":["v"]},"tags":[{"K":1}]}"#;
    assert_eq!(
        outcome(TABLE, &options, record),
        r#"{id: null, tags: ["{"K":1}"], person: {name: null, age: 2}, items: null, attrs: {"MixedKey" -> ["v"]}}"#
    );
}

#[test]
fn dots_and_mapped_names() {
    let options = options(&configuration(&json!({ "OpenXJsonSerDe": {
        "ConvertDotsInJsonKeysToUnderscores": true,
        "ColumnToJsonKeyMappings": { "ts": "timestamp", "inner_id": "In.Ner" },
    } })));
    let columns = &[("ts", "string"), ("a_b", "int"), ("s", "struct<inner_id:int,x_y:int>")];
    let record = r#"{"Timestamp":"now","ts":"other","a.b":1,"s":{"in.ner":2,"X.Y":3}}"#;
    assert_eq!(
        outcome(columns, &options, record),
        r#"{ts: "now", a_b: 1, s: {inner_id: 2, x_y: 3}}"#
    );
    // Without the option a point is a point.
    assert_eq!(outcome(&[("a_b", "int")], &open_x(), r#"{"a.b":1}"#), "{a_b: null}");
}

#[test]
fn keys_of_maps_have_types() {
    let columns = &[("m", "map<int,double>"), ("d", "map<date,boolean>")];
    assert_eq!(
        outcome(columns, &open_x(), r#"{"m":{"1":1,"-2":"2.5"},"d":{"2026-9-7":true}}"#),
        "{m: {1 -> 1.0, -2 -> 2.5}, d: {2026-09-07 -> true}}"
    );
    assert_eq!(
        outcome(columns, &open_x(), r#"{"m":{"x":1}}"#),
        "DataFormatConversion.MalformedData: Data does not match the schema. For input string: \"x\""
    );
}

#[test]
fn lists_in_lists() {
    let columns = &[("a", "array<array<int>>"), ("m", "map<string,map<string,array<int>>>")];
    for (record, expected) in [
        (
            r#"{"a":[[1,2],[],null,[3]],"m":{"x":{"y":[1]},"z":{}}}"#,
            r#"{a: [[1, 2], [], null, [3]], m: {"x" -> {"y" -> [1]}, "z" -> {}}}"#,
        ),
        (r#"{"a":[[]]}"#, "{a: [[]], m: null}"),
        (r#"{"a":7}"#, "{a: [[7]], m: null}"),
        (r#"{"a":[null]}"#, "{a: [null], m: null}"),
    ] {
        assert_eq!(outcome(columns, &open_x(), record), expected, "{record}");
    }
}
