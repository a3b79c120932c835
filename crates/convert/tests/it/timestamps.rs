//! Timestamps, by deserializer and format.

use serde_json::json;

use super::{configuration, hive, open_x, options, outcome};

const REFUSED: &str = "DataFormatConversion.MalformedData: Data does not match the schema. ";
const NO_SQL: &str = "Timestamp format must be yyyy-mm-dd hh:mm:ss[.fffffffff]";

fn shown(outcome: &str) -> &str {
    outcome.strip_prefix("{c: ").and_then(|rest| rest.strip_suffix('}')).unwrap_or(outcome)
}

#[test]
fn open_x_reads_iso_sql_and_numbers() {
    let rows = [
        (r#""2017-02-07T15:13:01.392Z""#, "2017-02-07 15:13:01.392 +00:00"),
        (r#""2017-02-07T15:13:01.39256Z""#, "2017-02-07 15:13:01.392 +00:00"),
        (r#""2017-02-07 15:13:01.14""#, "2017-02-07 15:13:01.140 +00:00"),
        (r#""2026-9-7 1:2:3""#, "2026-09-07 01:02:03.000 +00:00"),
        ("1518033528", "2018-02-07 19:58:48.000 +00:00"),
        ("1518033528123", "2018-02-07 19:58:48.123 +00:00"),
        ("1518033528.123", "2018-02-07 19:58:48.123 +00:00"),
        (r#""1518033528""#, "2018-02-07 19:58:48.000 +00:00"),
        (r#""1518033528.123""#, "2018-02-07 19:58:48.123 +00:00"),
        ("-1", "1969-12-31 23:59:59.000 +00:00"),
    ];
    for (value, expected) in rows {
        let outcome = outcome(&[("c", "timestamp")], &open_x(), &format!(r#"{{"c":{value}}}"#));
        assert_eq!(shown(&outcome), expected, "{value}");
    }
    let refusals = [
        (r#""2026-9-7T12:00:02Z""#, NO_SQL),
        (r#""2026-09-07T12:00:02+02:00""#, NO_SQL),
        (r#""2026-02-30 12:00:00""#, NO_SQL),
        (r#""oops""#, r#"For input string: "oops""#),
        (r#""2026-09-07""#, r#"For input string: "2026-09-07""#),
        (r#""""#, r#"For input string: """#),
        ("true", r#"For input string: "true""#),
        ("1e30", r#"For input string: "1e30""#),
        ("[1]", "org.openx.data.jsonserde.json.JSONArray cannot be cast to java.sql.Timestamp"),
    ];
    for (value, expected) in refusals {
        let outcome = outcome(&[("c", "timestamp")], &open_x(), &format!(r#"{{"c":{value}}}"#));
        assert_eq!(outcome.strip_prefix(REFUSED), Some(expected), "{value}");
    }
}

#[test]
fn hive_reads_sql_unless_told_otherwise() {
    let rows = [
        (r#""2017-02-07 15:13:01.14""#, "2017-02-07 15:13:01.140 +00:00"),
        (r#""2026-9-7 1:2:3""#, "2026-09-07 01:02:03.000 +00:00"),
    ];
    for (value, expected) in rows {
        let outcome = outcome(&[("c", "timestamp")], &hive(), &format!(r#"{{"c":{value}}}"#));
        assert_eq!(shown(&outcome), expected, "{value}");
    }
    for value in ["1518033528", r#""2017-02-07T15:13:01Z""#, r#""x""#, "true"] {
        let outcome = outcome(&[("c", "timestamp")], &hive(), &format!(r#"{{"c":{value}}}"#));
        assert_eq!(outcome.strip_prefix(REFUSED), Some(NO_SQL), "{value}");
    }
}

#[test]
fn hive_tries_its_formats_in_order() {
    let formats = json!(["yyyy-MM-dd'T'HH:mm:ss.SSSZ", "dd/MMM/yyyy:HH:mm:ss Z", "millis"]);
    let configuration = configuration(&json!({ "HiveJsonSerDe": { "TimestampFormats": formats } }));
    let options = options(&configuration);
    let rows = [
        (r#""2026-09-07T12:34:56.789+0200""#, "2026-09-07 10:34:56.789 +00:00"),
        (r#""07/Sep/2026:12:34:56 +0000""#, "2026-09-07 12:34:56.000 +00:00"),
        ("1518033528123", "2018-02-07 19:58:48.123 +00:00"),
        (r#""1518033528123""#, "2018-02-07 19:58:48.123 +00:00"),
        (r#""2017-02-07 15:13:01""#, "2017-02-07 15:13:01.000 +00:00"),
    ];
    for (value, expected) in rows {
        let outcome = outcome(&[("c", "timestamp")], &options, &format!(r#"{{"c":{value}}}"#));
        assert_eq!(shown(&outcome), expected, "{value}");
    }
    let outcome = outcome(&[("c", "timestamp")], &options, r#"{"c":"nonsense"}"#);
    assert_eq!(outcome.strip_prefix(REFUSED), Some(NO_SQL));
}
