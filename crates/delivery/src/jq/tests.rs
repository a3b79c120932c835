//! Held against jq 1.6: `conformance/jq/record.py` records what it answers.

use std::io::BufRead;

use proptest::prelude::*;
use serde::Deserialize;
use stdx::UnixMillis;

use super::value::Value;
use super::{ExtractError, Limit, Query, QueryError, Stop, json};

const RECORDED: &str = include_str!("../../../../conformance/jq/recorded.jsonl");

/// What jq 1.6 answered to a query.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    input: String,
    query: String,
    #[serde(default)]
    outputs: Vec<String>,
    #[serde(default)]
    error: Option<String>,
    /// It did not compile.
    #[serde(default)]
    no_query: bool,
    /// It ran until it was stopped.
    #[serde(default)]
    endless: bool,
    /// jq's process died.
    #[serde(default)]
    died: bool,
    /// We refuse to compile it.
    #[serde(default)]
    refused: bool,
}

/// What we answer.
#[derive(Debug, PartialEq)]
enum Answer {
    NoQuery,
    Refused,
    Ended { outputs: Vec<String>, error: Option<String> },
    Stopped,
}

fn printed(value: &Value) -> String {
    let mut text = String::new();
    json::write(value, &mut text);
    text
}

fn answer(input: &str, query: &str) -> Answer {
    let query = match Query::compile(query) {
        Ok(query) => query,
        Err(QueryError::Refused { .. }) => return Answer::Refused,
        Err(_) => return Answer::NoQuery,
    };
    let mut outputs = Vec::new();
    let input = match json::parse(input.as_bytes()) {
        Ok(input) => input,
        Err(_) => return Answer::Ended { outputs, error: Some("no JSON".to_owned()) },
    };
    let ended = query.run(input, UnixMillis(0), &mut |value| outputs.push(printed(&value)));
    match ended {
        Ok(()) => Answer::Ended { outputs, error: None },
        Err(Stop::Error(Value::String(message))) => {
            Answer::Ended { outputs, error: Some(message.to_string()) }
        }
        Err(Stop::Error(other)) => Answer::Ended { outputs, error: Some(printed(&other)) },
        Err(Stop::Limit(_)) => Answer::Stopped,
    }
}

/// How we differ from what was recorded, if we do.
fn difference(line: &str) -> Option<String> {
    let recorded: Recorded = serde_json::from_str(line).expect(line);
    let ours = answer(&recorded.input, &recorded.query);
    let theirs = if recorded.refused {
        Answer::Refused
    } else if recorded.no_query {
        Answer::NoQuery
    } else if recorded.endless {
        Answer::Stopped
    } else {
        Answer::Ended { outputs: recorded.outputs, error: recorded.error }
    };
    let (input, query) = (recorded.input, recorded.query);
    // Where jq dies, nothing can be the same; what jq does not compile, we may refuse.
    let is_fine = recorded.died || (ours == Answer::Refused && theirs == Answer::NoQuery);
    (ours != theirs && !is_fine)
        .then(|| format!("{input}\n  {query}\n  ours   {ours:?}\n  theirs {theirs:?}"))
}

/// The recorded answers; with `LEVADA_JQ_PIPED` set, those that are piped in, for expressions of the
/// day: `record.py EXPRESSIONS | LEVADA_JQ_PIPED=1 cargo test -p delivery answers_are`.
fn recorded() -> Vec<String> {
    if std::env::var_os("LEVADA_JQ_PIPED").is_some() {
        return std::io::stdin().lock().lines().map(|line| line.expect("a line")).collect();
    }
    let lines: Vec<_> = RECORDED.lines().map(str::to_owned).collect();
    assert!(lines.len() >= 1_400, "{} expressions", lines.len());
    lines
}

#[test]
fn answers_are_those_of_jq_1_6() {
    let lines = recorded();
    let differences: Vec<_> = lines.iter().filter_map(|line| difference(line)).collect();
    let count = format!("{} of {} differ", differences.len(), lines.len());
    assert!(differences.is_empty(), "{count}:\n{}", differences.join("\n"));
}

fn extract(query: &str, record: &str) -> Result<Vec<(String, String)>, ExtractError> {
    let query = Query::compile(query).expect(query);
    let keys = query.extract(record.as_bytes(), UnixMillis(1_700_000_000_000))?;
    Ok(keys.into_iter().collect())
}

#[test]
fn keys_are_the_members_of_one_object() {
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let record = r#"{"customer_id":"c1","event_timestamp":1565382027,"type":{"device":"mobile"}}"#;
    let query =
        r#"{customer_id:.customer_id, year:.event_timestamp|strftime("%Y"), device:.type.device}"#;
    let expected = vec![pair("customer_id", "c1"), pair("device", "mobile"), pair("year", "2019")];
    assert_eq!(extract(query, record), Ok(expected));
    assert_eq!(
        extract("{a: .a, b: .b, n: now|floor}", r#"{"a":1.50,"b":false}"#),
        Ok(vec![pair("a", "1.5"), pair("b", "false"), pair("n", "1700000000")])
    );
}

#[test]
fn what_is_no_set_of_keys_fails_the_record() {
    let bad = |key: &str| Err(ExtractError::BadValue(key.to_owned()));
    assert_eq!(extract("{a: .a}", "{}"), bad("a"));
    assert_eq!(extract("{a: .a}", r#"{"a":""}"#), bad("a"));
    assert_eq!(extract("{a: .a}", r#"{"a":[1]}"#), bad("a"));
    assert_eq!(extract("{a: nan}", "{}"), bad("a"));
    for query in [".a", "empty", "{a:1}, {a:2}", "[1]"] {
        assert_eq!(extract(query, "{}"), Err(ExtractError::NotAnObject), "{query}");
    }
    assert!(matches!(extract(".", "{"), Err(ExtractError::NotJson(_))));
    assert!(matches!(extract(".", "{}{}"), Err(ExtractError::NotJson(_))));
    assert!(matches!(extract(".", ""), Err(ExtractError::NotJson(_))));
    let failed = ExtractError::Failed("Cannot index number with string \"b\"".to_owned());
    assert_eq!(extract("{a: .a.b}", r#"{"a":1}"#), Err(failed));
}

#[test]
fn what_never_ends_is_ended() {
    let rows = [
        ("[repeat(1)]", Limit::Steps),
        ("last(repeat(1))", Limit::Steps),
        ("def f: f; f", Limit::Steps),
        ("def f: 1 + f; f", Limit::Depth),
        ("def f(g): f(g | .); f(1)", Limit::Depth),
        ("[range(1e9)]", Limit::Memory),
        ("reduce range(1e9) as $i (0; . + 1)", Limit::Steps),
        ("reduce range(64) as $i (\"x\"; . + .)", Limit::Memory),
        ("reduce range(64) as $i ([1]; . + .)", Limit::Memory),
        ("reduce range(64) as $i ([1]; [., .])", Limit::Memory),
        ("reduce range(100000) as $i ([]; [.])", Limit::Depth),
        ("\"x\" * 1e9", Limit::Memory),
        (".[1e9] = 1", Limit::Memory),
        ("\"a\" | gsub(\"\"; \"b\")", Limit::Depth),
        ("path(repeat(.a))", Limit::Steps),
        ("[recurse(.a)]", Limit::Steps),
        ("[repeat(try (\"a\" * 40 + \"b\" | test(\"^(a+)+$\")) catch 0)]", Limit::Steps),
    ];
    for (query, limit) in rows {
        let ended =
            Query::compile(query).expect(query).run(Value::Null, UnixMillis(0), &mut |_| {});
        assert!(matches!(ended, Err(Stop::Limit(ended)) if ended == limit), "{query}: {ended:?}");
    }
}

/// Of everything that can stand around a call, so that the depth that is allowed fits any stack.
#[test]
fn endless_recursion_is_ended_within_the_stack() {
    let bodies = [
        "[f]",
        "{a: f}",
        "{(f): f}",
        "-f",
        "1 + f",
        "f // 1",
        "f and f",
        "if f then 1 else 2 end",
        "try f catch f",
        "f?",
        ".[f]",
        ".[f:f]?",
        "\"\\(f)\"",
        "f, f",
        "(f | f) | 1",
        "label $x | f",
        "path(f)",
        "f as $x | 1",
        "f as [$x] ?// {a: $x} | 1",
        "(f, f) as {a: $x} | 1",
        "reduce f as $x (0; 1)",
        "reduce 1 as $x (0; f)",
        "[foreach 1 as [$x] (0; f; f)]",
        "range(f; f)",
        "setpath([f]; f)",
        "test(f; f)",
        "f |= f",
        ".a |= f",
        ".a += f",
        "limit(1; f)",
        "first(f)",
        "last(f)",
        "any(f; f)",
        "map(f)",
        "[1] | map(f)",
        "recurse(f)",
        "with_entries(f)",
        "[paths(f)]",
        "walk(f)",
        "[1] | walk(f)",
        "sub(\"a\"; f)",
        "\"a\" | gsub(\"a\"; f)",
        "until(f; f)",
        "group_by(f)",
        "[1] | sort_by(f)",
        "INDEX(f)",
        "getpath([f])",
        "error(f)",
        "def g(h): [h]; g(f)",
        "def g(h): h | h; g(f)",
        "def g($x): $x; g(f)",
    ];
    for body in bodies {
        let query = Query::compile(&format!("def f: {body}; f")).expect(body);
        let ended = query.run(Value::Null, UnixMillis(0), &mut |_| {});
        let is_fine = matches!(ended, Ok(()) | Err(Stop::Error(_) | Stop::Limit(_)));
        assert!(is_fine, "{body}");
    }
}

#[test]
fn a_loop_needs_no_stack() {
    let rows = [
        ("0 | until(. >= 100000; . + 1)", "100000"),
        ("[limit(100000; repeat(1))] | length", "100000"),
        ("def f: if . >= 100000 then . else . + 1 | f end; 0 | f", "100000"),
        ("last(range(300000))", "299999"),
        ("[0 | while(. < 50000; . + 1)] | length", "50000"),
        ("reduce range(20000) as $i ([]; . + [$i]) | length", "20000"),
        ("reduce range(1000) as $i ({}; .[\"k\\($i)\"] = $i) | length", "1000"),
    ];
    for (query, expected) in rows {
        let expected = Answer::Ended { outputs: vec![expected.to_owned()], error: None };
        assert_eq!(answer("null", query), expected, "{query}");
    }
}

#[test]
fn what_is_too_deep_is_refused() {
    for query in [
        "(".repeat(2000),
        format!("{}1{}", "[".repeat(2000), "]".repeat(2000)),
        "-".repeat(4000) + "1",
        ".a+".repeat(1700) + ".a",
        "\"\\(".repeat(1000),
        ". as $x | ".repeat(500) + ".",
        "def f: ".repeat(500),
        "try ".repeat(1000) + ".",
        "if . then ".repeat(400),
        "{a:".repeat(1000),
        ". as ".to_owned() + &"[".repeat(2000),
        ".[".repeat(2000),
        "x".repeat(30_000),
    ] {
        assert!(Query::compile(&query).is_err(), "{}", &query[..40]);
    }
    let long = ".a|".repeat(1700) + ".a";
    assert!(
        Query::compile(&long).is_err() || matches!(answer("null", &long), Answer::Ended { .. })
    );
}

proptest! {
    #[test]
    fn any_text_is_a_query_or_refused(text in "\\PC{0,60}", record: Vec<u8>) {
        if let Ok(query) = Query::compile(&text) {
            let _ = query.extract(&record, UnixMillis(0));
        }
    }

    #[test]
    fn words_of_the_language_are_a_query_or_refused(
        words in prop::collection::vec(prop::sample::select(WORDS), 0..24),
        record in prop::sample::select(vec!["null", "{\"a\":[1,{\"b\":\"x\"}]}", "[3,1,2]", "\"a,b\""]),
    ) {
        if let Ok(query) = Query::compile(&words.join(" ")) {
            let _ = query.extract(record.as_bytes(), UnixMillis(0));
        }
    }

    #[test]
    fn json_survives(value in any_value()) {
        let text = value.to_string();
        let parsed = json::parse(text.as_bytes()).expect("JSON");
        let again: serde_json::Value = serde_json::from_str(&printed(&parsed)).unwrap();
        prop_assert_eq!(again, value);
    }
}

const WORDS: &[&str] = &[
    ".",
    "..",
    ".a",
    ".b",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    ":",
    ",",
    "|",
    "//",
    "?",
    "=",
    "|=",
    "+=",
    "+",
    "-",
    "*",
    "/",
    "%",
    "==",
    "<",
    "and",
    "or",
    "not",
    "if",
    "then",
    "else",
    "end",
    "try",
    "catch",
    "reduce",
    "foreach",
    "as",
    "$x",
    ";",
    "1",
    "0",
    "-1",
    "\"x\"",
    "\"\\(.)\"",
    "@json",
    "@csv",
    "map",
    "select",
    "recurse",
    "path",
    "del",
    "keys",
    "length",
    "add",
    "sort",
    "test",
    "sub",
    "split",
    "first",
    "limit",
    "range",
    "until",
    "def",
    "f",
    "label",
    "break",
    "empty",
    "error",
    "getpath",
    "tojson",
];

fn any_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i32>().prop_map(Into::into),
        "\\PC{0,8}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map("\\PC{0,4}", inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}
