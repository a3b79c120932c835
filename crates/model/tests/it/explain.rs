//! Runs `tests/explain/*.txt`: an operation and a body, and what AWS answers.
//!
//! ```text
//! PutRecords {"StreamName": "<a*129>"}      an operation, and JSON or `hex:` CBOR
//!     ValidationException                   a code, or `ok`
//!     2 validation errors detected: …       the message; its lines are joined by spaces
//! ```
//!
//! `<text*n>` is the text n times, `<text*n|, >` with something between.

use bytes::Bytes;
use wire::{Codec, Fault};

use crate::service::endpoints;

const FILES: &[(&str, &str)] = &[
    ("cbor", include_str!("../explain/cbor.txt")),
    ("constraints", include_str!("../explain/constraints.txt")),
    ("newer", include_str!("../explain/newer.txt")),
    ("types", include_str!("../explain/types.txt")),
];

#[test]
fn refusals_are_in_awss_words() {
    let mut failures = Vec::new();
    let mut count = 0;
    for (file, text) in FILES {
        for case in cases(text) {
            count += 1;
            let actual = decode(&case);
            if actual != case.expected {
                failures.push(format!(
                    "{file}: {}\n  expected {}\n  actual   {actual}",
                    case.request, case.expected
                ));
            }
        }
    }
    assert!(count >= 80, "only {count} cases");
    assert!(failures.is_empty(), "{}\n{} of {count} fail", failures.join("\n"), failures.len());
}

struct Case {
    request: String,
    expected: String,
}

fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        match (line.strip_prefix("    "), cases.last_mut()) {
            (Some(part), Some(case)) => {
                if !case.expected.is_empty() {
                    case.expected.push(' ');
                }
                case.expected.push_str(&expand(part));
            }
            _ => cases.push(Case { request: line.to_string(), expected: String::new() }),
        }
    }
    cases
}

/// Replaces every `<text*n>` and `<text*n|between>`.
fn expand(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        let (inside, after) = after.split_once('>').unwrap();
        let (part, count) = inside.rsplit_once('*').unwrap();
        let (count, between) = count.split_once('|').unwrap_or((count, ""));
        out.push_str(before);
        out.push_str(&vec![part; count.parse().unwrap()].join(between));
        rest = after;
    }
    out + rest
}

fn decode(case: &Case) -> String {
    let (operation, body) = case.request.split_once(' ').unwrap();
    let endpoints = endpoints();
    let endpoint = endpoints
        .iter()
        .find(|endpoint| endpoint.info().name == operation)
        .unwrap_or_else(|| panic!("no operation {operation}"));
    let (codec, body) = match body.strip_prefix("hex:") {
        Some(hex) => (Codec::Cbor, unhex(&expand(hex))),
        None => (Codec::Json, Bytes::from(expand(body))),
    };
    match endpoint.decode(codec, &body) {
        Ok(_) => "ok".to_string(),
        Err(fault) => written(&fault),
    }
}

fn written(fault: &Fault) -> String {
    assert_eq!(fault.status, 400);
    assert_eq!(
        fault.capital_message,
        fault.message.is_some() && fault.code == "SerializationException"
    );
    match &fault.message {
        Some(message) => format!("{} {message}", fault.code),
        None => fault.code.to_string(),
    }
}

fn unhex(text: &str) -> Bytes {
    let digits: Vec<u8> =
        text.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
