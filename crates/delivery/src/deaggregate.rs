//! Many records in one: what producers have put together is taken apart again.

use bytes::Bytes;

use crate::limits::SUB_RECORDS_MAX;

/// How the records within a record are told apart (RecordDeAggregation's `SubRecordType`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubRecords {
    /// JSON objects, one after the other, with or without white space between them.
    Json,
    /// Between delimiters, which are left out.
    Delimited(Vec<u8>),
}

/// A record's parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parts {
    /// The records within.
    Records(Vec<Bytes>),
    /// More than [`SUB_RECORDS_MAX`]: the record is passed on as it is (`facts/firehose.md` § 2.4).
    TooMany,
    /// No JSON objects.
    Malformed,
}

impl SubRecords {
    /// Takes a record apart. The parts share its bytes.
    pub fn split(&self, record: &Bytes) -> Parts {
        let parts = match self {
            SubRecords::Json => json_objects(record),
            SubRecords::Delimited(delimiter) => Some(delimited(record, delimiter)),
        };
        match parts {
            None => Parts::Malformed,
            Some(parts) if parts.len() > SUB_RECORDS_MAX => Parts::TooMany,
            Some(parts) => {
                Parts::Records(parts.into_iter().map(|part| record.slice(part)).collect())
            }
        }
    }
}

type Range = std::ops::Range<usize>;

/// Where objects begin and end, by counting brackets outside strings: whether an object is sound
/// JSON is for whoever reads it.
fn json_objects(bytes: &[u8]) -> Option<Vec<Range>> {
    let mut objects = Vec::new();
    let (mut start, mut depth, mut in_string, mut escaped) = (0, 0usize, false, false);
    for (at, &byte) in bytes.iter().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'{' | b'[' if depth > 0 => depth += 1,
            b'{' => (start, depth) = (at, 1),
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    objects.push(start..at + 1);
                }
            }
            b'"' if depth > 0 => in_string = true,
            _ if depth > 0 || byte.is_ascii_whitespace() => {}
            // An array, a number or a text is no record.
            _ => return None,
        }
    }
    (depth == 0 && !in_string).then_some(objects)
}

/// The pieces between delimiters; empty ones are none.
fn delimited(bytes: &[u8], delimiter: &[u8]) -> Vec<Range> {
    if delimiter.is_empty() {
        return std::iter::once(0..bytes.len()).collect();
    }
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut ends = memchr::memmem::find_iter(bytes, delimiter);
    loop {
        let end = ends.next();
        let piece = start..end.unwrap_or(bytes.len());
        if !piece.is_empty() {
            pieces.push(piece);
        }
        match end {
            Some(end) => start = end + delimiter.len(),
            None => return pieces,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(sub_records: &SubRecords, record: &str) -> Parts {
        sub_records.split(&Bytes::copy_from_slice(record.as_bytes()))
    }

    fn records(parts: &[&str]) -> Parts {
        Parts::Records(parts.iter().map(|part| Bytes::copy_from_slice(part.as_bytes())).collect())
    }

    #[test]
    fn json_objects_are_told_apart() {
        let rows = [
            (r#"{"a":1}{"b":2}"#, records(&[r#"{"a":1}"#, r#"{"b":2}"#])),
            ("{\"a\":1}\n {\"b\":[{}]}\n", records(&[r#"{"a":1}"#, r#"{"b":[{}]}"#])),
            (r#"{"a":"}{\"\\"}{}"#, records(&[r#"{"a":"}{\"\\"}"#, "{}"])),
            ("", records(&[])),
            (r#"[{"a":1}]"#, Parts::Malformed),
            ("{}1", Parts::Malformed),
            ("{", Parts::Malformed),
            ("}", Parts::Malformed),
            (r#"{"a"#, Parts::Malformed),
        ];
        for (record, expected) in rows {
            assert_eq!(split(&SubRecords::Json, record), expected, "{record}");
        }
    }

    #[test]
    fn delimiters_are_left_out() {
        let delimited = |delimiter: &str| SubRecords::Delimited(delimiter.as_bytes().to_vec());
        assert_eq!(split(&delimited("##"), "a##b####c"), records(&["a", "b", "c"]));
        assert_eq!(split(&delimited("\n"), "a\nb\n"), records(&["a", "b"]));
        assert_eq!(split(&delimited("|"), ""), records(&[]));
    }

    #[test]
    fn more_than_five_hundred_stay_together() {
        assert!(matches!(split(&SubRecords::Json, &"{}".repeat(500)), Parts::Records(_)));
        assert_eq!(split(&SubRecords::Json, &"{}".repeat(501)), Parts::TooMany);
    }

    proptest! {
        #[test]
        fn objects_that_were_joined_are_found(
            numbers in prop::collection::vec(".{0,12}", 0..20),
            gap in "[ \n]{0,2}",
        ) {
            let objects: Vec<_> = numbers.iter().map(|text| {
                format!("{{\"text\":{}}}", serde_json::to_string(text).unwrap())
            }).collect();
            let joined = objects.join(&gap);
            let expected: Vec<_> = objects.iter().map(String::as_str).collect();
            prop_assert_eq!(split(&SubRecords::Json, &joined), records(&expected));
        }

        #[test]
        fn any_bytes_are_split_or_refused(bytes: Vec<u8>) {
            let _ = SubRecords::Json.split(&Bytes::from(bytes));
        }
    }
}
