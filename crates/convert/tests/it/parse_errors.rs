//! Records that are no JSON, in Jackson's words.

use super::{hive, open_x, outcome};

/// Records, and what is wrong with them.
const BROKEN: &[(&str, &str)] = &[
    ("\u{feff}", "No content to map due to end-of-input\n at [Source: record; line: 1, column: 1]"),
    (
        "this is not json at all\n",
        "Unrecognized token 'this': was expecting ('true', 'false' or 'null')\n at [Source: record; line: 1, column: 6]",
    ),
    (
        "tru",
        "Unrecognized token 'tru': was expecting ('true', 'false' or 'null')\n at [Source: record; line: 1, column: 4]",
    ),
    (
        r#"{"a":1,}"#,
        "Unexpected character ('}' (code 125)): was expecting double-quote to start field name\n at [Source: record; line: 1, column: 9]",
    ),
    (
        "{\n\"a\" 1}",
        "Unexpected character ('1' (code 49)): was expecting a colon to separate field name and value\n at [Source: record; line: 2, column: 6]",
    ),
    (
        r#"{"a":1 "b":2}"#,
        "Unexpected character ('\"' (code 34)): was expecting comma to separate Object entries\n at [Source: record; line: 1, column: 9]",
    ),
    (
        "[1 2]",
        "Unexpected character ('2' (code 50)): was expecting comma to separate Array entries\n at [Source: record; line: 1, column: 5]",
    ),
    (
        r#"{"a":1"#,
        "Unexpected end-of-input: expected close marker for Object (start marker at [Source: record; line: 1, column: 1])\n at [Source: record; line: 1, column: 7]",
    ),
    (
        r#"{"a":[1,"#,
        "Unexpected end-of-input: expected close marker for Array (start marker at [Source: record; line: 1, column: 6])\n at [Source: record; line: 1, column: 9]",
    ),
    (
        r#"{"a":[1}"#,
        "Unexpected close marker '}': expected ']' (for ARRAY starting at [Source: record; line: 1, column: 6])\n at [Source: record; line: 1, column: 9]",
    ),
    (
        r#"{"a":"x"#,
        "Unexpected end-of-input in VALUE_STRING\n at [Source: record; line: 1, column: 8]",
    ),
    (r#"{"a"#, "Unexpected end-of-input in field name\n at [Source: record; line: 1, column: 4]"),
    (
        "{\"a\":\"x\ny\"}",
        "Illegal unquoted character ((CTRL-CHAR, code 10)): has to be escaped using backslash to be included in string value\n at [Source: record; line: 2, column: 1]",
    ),
    (
        r#"{"a":"\x"}"#,
        "Unrecognized character escape 'x' (code 120)\n at [Source: record; line: 1, column: 9]",
    ),
    (
        r#"{"a":"\u12g4"}"#,
        "Unexpected character ('g' (code 103)): expected a hex-digit for character escape sequence\n at [Source: record; line: 1, column: 12]",
    ),
    (
        r#"{"a":01}"#,
        "Invalid numeric value: Leading zeroes not allowed\n at [Source: record; line: 1, column: 7]",
    ),
    (
        r#"{"a":-x}"#,
        "Unexpected character ('x' (code 120)) in numeric value: expected digit (0-9) to follow minus sign, for valid numeric value\n at [Source: record; line: 1, column: 8]",
    ),
    (
        r#"{"a":1.}"#,
        "Unexpected character ('}' (code 125)) in numeric value: Decimal point not followed by a digit\n at [Source: record; line: 1, column: 9]",
    ),
    (
        r#"{"a":NaN}"#,
        "Non-standard token 'NaN': enable JsonParser.Feature.ALLOW_NON_NUMERIC_NUMBERS to allow\n at [Source: record; line: 1, column: 10]",
    ),
    (
        "{'a':1}",
        "Unexpected character (''' (code 39)): was expecting double-quote to start field name\n at [Source: record; line: 1, column: 3]",
    ),
    (
        r#"{"a":€}"#,
        "Unexpected character ('€' (code 8364 / 0x20ac)): expected a valid value (number, String, array, object, 'true', 'false' or 'null')\n at [Source: record; line: 1, column: 7]",
    ),
    (
        "\u{1f}\u{8b}",
        "Illegal character ((CTRL-CHAR, code 31)): only regular white space (\\r, \\n, \\t) is allowed between tokens\n at [Source: record; line: 1, column: 2]",
    ),
    (
        r#"{"a":1},{"a":2}"#,
        "Unexpected character (',' (code 44)): expected a valid value (number, String, array, object, 'true', 'false' or 'null')\n at [Source: record; line: 1, column: 9]",
    ),
    (
        r#"{"a":1}x"#,
        "Unrecognized token 'x': was expecting ('true', 'false' or 'null')\n at [Source: record; line: 1, column: 9]",
    ),
];

#[test]
fn every_way_to_break_json() {
    for (record, expected) in BROKEN {
        let expected =
            format!("DataFormatConversion.ParseError: Encountered malformed JSON. {expected}");
        for options in [open_x(), hive()] {
            assert_eq!(outcome(&[("a", "int")], &options, record), expected, "{record}");
        }
    }
}

#[test]
fn bytes_that_are_no_utf_8() {
    let rows: [(&[u8], &str); 5] = [
        (
            b"{\"a\":\"\xff\"}",
            "Invalid UTF-8 start byte 0xff\n at [Source: record; line: 1, column: 8]",
        ),
        (
            b"{\"a\":\"\xc3\x28\"}",
            "Invalid UTF-8 middle byte 0x28\n at [Source: record; line: 1, column: 9]",
        ),
        (
            b"{\"a\":\"\xe2\x82",
            "Unexpected end-of-input in VALUE_STRING\n at [Source: record; line: 1, column: 9]",
        ),
        (
            b"{\"a\":\"\xed\xa0\x80\"}",
            "Invalid UTF-8 middle byte 0xa0\n at [Source: record; line: 1, column: 9]",
        ),
        (b"\x80", "Invalid UTF-8 start byte 0x80\n at [Source: record; line: 1, column: 2]"),
    ];
    for (record, expected) in rows {
        let mut converter = super::converter(&[("a", "string")], &open_x());
        let failure = converter.push(record).expect_err("a failure");
        assert_eq!(failure.message, format!("Encountered malformed JSON. {expected}"));
        assert_eq!(failure.code(), "DataFormatConversion.ParseError");
    }
}

/// A record that breaks off after a value that does not fit is no JSON first.
#[test]
fn broken_json_goes_before_a_mismatch() {
    let said = outcome(&[("a", "int")], &open_x(), r#"{"a":"x","b":"#);
    assert!(said.starts_with("DataFormatConversion.ParseError"), "{said}");
}

#[test]
fn nesting_costs_no_stack() {
    let deep = format!(r#"{{"a":{}1{}}}"#, "[".repeat(200_000), "]".repeat(200_000));
    assert_eq!(outcome(&[("b", "int")], &open_x(), &deep), "{b: null}");
    let row = outcome(&[("a", "string")], &open_x(), &deep);
    assert_eq!(row.len(), deep.len() + "{a: \"\"}".len() - r#"{"a":}"#.len());
    let unclosed = "[".repeat(200_000);
    assert!(
        outcome(&[("a", "int")], &open_x(), &unclosed).contains("expected close marker for Array")
    );
}

#[test]
fn a_byte_order_mark_is_skipped() {
    assert_eq!(outcome(&[("a", "string")], &open_x(), "\u{feff}{\"a\":\"ü\"}"), "{a: \"ü\"}");
}
