//! A scanner for just the JSON that producers send: no tree, no escapes, no second pass.
//!
//! It knows PutRecords and PutRecord with members in any order, and skips members that it does not
//! know only if they are strings. Anything else is refused; this is a bound, not a parser.

use crate::chunk::Entry;

/// Finds the records of a PutRecords or PutRecord body. `None` if the body is not of the plain form
/// that this scanner knows.
#[must_use]
pub fn scan_records<'a>(body: &'a [u8], entries: &mut Vec<Entry<'a>>) -> Option<()> {
    let mut cursor = Cursor { rest: body };
    let whole = scan_object(&mut cursor, Some(entries))?;
    if let (Some(key), Some(data)) = whole {
        entries.push(Entry { key, data });
    }
    cursor.skip_space();
    cursor.rest.is_empty().then_some(())
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn skip_space(&mut self) {
        while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    /// Takes the next byte that is not white space.
    fn take(&mut self) -> Option<u8> {
        self.skip_space();
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    fn expect(&mut self, wanted: u8) -> Option<()> {
        (self.take()? == wanted).then_some(())
    }

    fn take_string(&mut self) -> Option<&'a [u8]> {
        self.expect(b'"')?;
        let end = memchr::memchr2(b'"', b'\\', self.rest)?;
        let (string, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.expect(b'"')?;
        Some(string)
    }
}

type KeyAndData<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// Reads an object, and where records are wanted, the records in it.
fn scan_object<'a>(
    cursor: &mut Cursor<'a>,
    mut entries: Option<&mut Vec<Entry<'a>>>,
) -> Option<KeyAndData<'a>> {
    let (mut key, mut data) = (None, None);
    cursor.expect(b'{')?;
    loop {
        let name = cursor.take_string()?;
        cursor.expect(b':')?;
        match name {
            b"Data" => data = Some(cursor.take_string()?),
            b"PartitionKey" => key = Some(cursor.take_string()?),
            b"Records" => scan_array(cursor, entries.as_deref_mut()?)?,
            _ => {
                cursor.take_string()?;
            }
        }
        match cursor.take()? {
            b',' => {}
            b'}' => return Some((key, data)),
            _ => return None,
        }
    }
}

fn scan_array<'a>(cursor: &mut Cursor<'a>, entries: &mut Vec<Entry<'a>>) -> Option<()> {
    cursor.expect(b'[')?;
    loop {
        let (key, data) = scan_object(cursor, None)?;
        entries.push(Entry { key: key?, data: data? });
        match cursor.take()? {
            b',' => {}
            b']' => return Some(()),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(body: &str) -> Option<Vec<(String, String)>> {
        let mut entries = Vec::new();
        scan_records(body.as_bytes(), &mut entries)?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Some(entries.iter().map(|entry| (text(entry.key), text(entry.data))).collect())
    }

    #[test]
    fn members_may_come_in_any_order() {
        let found = scan(
            r#" {"Records": [{"Data":"AAAA","PartitionKey":"k1"} , {"PartitionKey":"k2","Data":""}],
              "StreamName":"s"} "#,
        )
        .unwrap();
        assert_eq!(found, [("k1".into(), "AAAA".into()), ("k2".into(), String::new())]);
        let found = scan(r#"{"StreamName":"s","Data":"AA==","PartitionKey":"k"}"#).unwrap();
        assert_eq!(found, [("k".into(), "AA==".into())]);
    }

    #[test]
    fn every_truncation_is_refused() {
        let body = r#"{"StreamName":"s","Records":[{"Data":"AAAA","PartitionKey":"k1"}]}"#;
        for length in 0..body.len() {
            assert!(scan(&body[..length]).is_none(), "{length}");
        }
    }

    #[test]
    fn escapes_and_numbers_are_not_known() {
        assert!(scan(r#"{"Records":[{"Data":"A\u0041","PartitionKey":"k"}]}"#).is_none());
        assert!(scan(r#"{"Limit":1}"#).is_none());
    }
}
