//! JSON as jq 1.6 reads and prints it, with its errors' words and places.

use std::fmt::Write;
use std::sync::Arc;

use super::number::{parse_number, write_number};
use super::value::{Object, Value};
use super::{Limit, Stop};

/// Arrays and objects in one another that jq reads.
const PARSE_DEPTH_MAX: usize = 256;
/// Arrays and objects in one another that jq prints.
const PRINT_DEPTH_MAX: usize = 256;
const TOO_DEEP: &str = "<skipped: too deep>";

/// What is open, and what of it there is.
enum Open {
    Array(Vec<Value>),
    Object(Object),
    Key(Object, Arc<str>),
}

/// A parser of one text. jq's is a machine that takes tokens; what it accepts and where it
/// complains follow from that, so this is one, too.
struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    open: Vec<Open>,
    next: Option<Value>,
}

type Step = Result<(), Failure>;

enum Failure {
    Syntax(&'static str),
    Limit(Limit),
}

impl From<&'static str> for Failure {
    fn from(message: &'static str) -> Self {
        Failure::Syntax(message)
    }
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Limit(limit) => Failure::Limit(limit),
            Stop::Error(_) => Failure::Syntax("Invalid value"),
        }
    }
}

/// Reads a text that is one value.
///
/// # Errors
/// jq's words, as an error of jq; or a limit.
pub(super) fn parse(text: &[u8]) -> Result<Value, Stop> {
    let content = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    let mut parser = Parser { text: content, at: 0, open: Vec::new(), next: None };
    let message = match parser.parse_all() {
        Ok(Some(value)) => return Ok(value),
        Ok(None) => "Expected JSON value".to_owned(),
        Err(Failure::Limit(limit)) => return Err(Stop::Limit(limit)),
        Err(Failure::Syntax(message)) if message.starts_with("Unexpected extra") => {
            message.to_owned()
        }
        Err(Failure::Syntax(message)) => {
            let read = &content[..parser.at.min(content.len())];
            let line = 1 + read.iter().filter(|byte| **byte == b'\n').count();
            let column =
                read.len() - read.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let end = if parser.at > content.len() { "EOF at " } else { "" };
            format!("{message} at {end}line {line}, column {column}")
        }
    };
    let shown = text.split(|byte| *byte == 0).next().unwrap_or_default();
    Err(Stop::error(format!("{message} (while parsing '{}')", decode(shown))))
}

impl Parser<'_> {
    /// On failure, `at` is behind the byte that was too much, or beyond the end.
    fn parse_all(&mut self) -> Result<Option<Value>, Failure> {
        let mut done = None;
        while let Some(&byte) = self.text.get(self.at) {
            self.at += 1;
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => {}
                b'"' => self.take_string()?,
                b'[' | b'{' | b':' | b',' | b']' | b'}' => self.take_structure(byte)?,
                _ => self.take_literal()?,
            }
            if self.open.is_empty() && self.next.is_some() {
                if done.is_some() {
                    return Err("Unexpected extra JSON values".into());
                }
                done = self.next.take();
            }
        }
        if !self.open.is_empty() {
            self.at = self.text.len() + 1;
            return Err("Unfinished JSON term".into());
        }
        Ok(done)
    }

    fn take_value(&mut self, value: Value) -> Step {
        if self.next.is_some() {
            return Err("Expected separator between values".into());
        }
        self.next = Some(value);
        Ok(())
    }

    fn take_literal(&mut self) -> Step {
        let start = self.at - 1;
        let is_end = |byte: &u8| {
            matches!(
                byte,
                b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'[' | b'{' | b':' | b',' | b']' | b'}'
            )
        };
        let length = self.text[start..].iter().position(is_end);
        let end = length.map_or(self.text.len(), |length| start + length);
        // A literal is only looked at when the byte behind it is read.
        self.at = end + 1;
        let value = match &self.text[start..end] {
            b"true" => Value::Bool(true),
            b"false" => Value::Bool(false),
            b"null" => Value::Null,
            [b't' | b'f' | b'n', ..] => return Err("Invalid literal".into()),
            digits => Value::Number(parse_number(digits).ok_or("Invalid numeric literal")?),
        };
        self.take_value(value)?;
        self.at = end;
        Ok(())
    }

    fn take_string(&mut self) -> Step {
        let start = self.at;
        loop {
            let rest = &self.text[self.at.min(self.text.len())..];
            match memchr::memchr2(b'"', b'\\', rest) {
                Some(length) if rest[length] == b'"' => {
                    let body = &self.text[start..self.at + length];
                    self.at += length + 1;
                    let text = unescape(body)?;
                    return self.take_value(Value::String(text));
                }
                Some(length) => self.at += length + 2,
                None => {
                    self.at = self.text.len() + 1;
                    return Err("Unfinished string".into());
                }
            }
        }
    }

    fn take_structure(&mut self, byte: u8) -> Step {
        match byte {
            b'[' => self.enter(Open::Array(Vec::new())),
            b'{' => self.enter(Open::Object(Object::with_capacity(8))),
            b':' => self.take_colon(),
            b',' => self.take_comma(),
            b']' => self.close_array(),
            _ => self.close_object(),
        }
    }

    fn enter(&mut self, open: Open) -> Step {
        // A key counts as well.
        let keys = self.open.iter().filter(|open| matches!(open, Open::Key(..))).count();
        if self.open.len() + keys >= PARSE_DEPTH_MAX {
            return Err("Exceeds depth limit for parsing".into());
        }
        if self.next.is_some() {
            return Err("Expected separator between values".into());
        }
        self.open.push(open);
        Ok(())
    }

    fn take_colon(&mut self) -> Step {
        let Some(key) = self.next.take() else {
            return Err("Expected string key before ':'".into());
        };
        match self.open.pop() {
            Some(Open::Object(object)) => {
                let Value::String(key) = key else {
                    return Err("Object keys must be strings".into());
                };
                self.open.push(Open::Key(object, key));
                Ok(())
            }
            _ => Err("':' not as part of an object".into()),
        }
    }

    fn take_comma(&mut self) -> Step {
        let Some(value) = self.next.take() else {
            return Err("Expected value before ','".into());
        };
        match self.open.pop() {
            None => Err("',' not as part of an object or array".into()),
            Some(Open::Array(mut items)) => {
                items.push(value);
                self.open.push(Open::Array(items));
                Ok(())
            }
            Some(Open::Key(mut object, key)) => {
                object.insert(key, value)?;
                self.open.push(Open::Object(object));
                Ok(())
            }
            Some(Open::Object(_)) => Err("Objects must consist of key:value pairs".into()),
        }
    }

    fn close_array(&mut self) -> Step {
        let Some(Open::Array(mut items)) = self.open.pop() else {
            return Err("Unmatched ']'".into());
        };
        match self.next.take() {
            Some(value) => items.push(value),
            None if items.is_empty() => {}
            None => return Err("Expected another array element".into()),
        }
        self.next = Some(Value::array(items)?);
        Ok(())
    }

    fn close_object(&mut self) -> Step {
        let object = match (self.open.pop(), self.next.take()) {
            (None, _) => return Err("Unmatched '}'".into()),
            (Some(Open::Key(mut object, key)), Some(value)) => {
                object.insert(key, value)?;
                object
            }
            (Some(_), Some(_)) => return Err("Objects must consist of key:value pairs".into()),
            (Some(Open::Object(object)), None) if object.len() == 0 => object,
            (Some(Open::Object(_)), None) => return Err("Expected another key-value pair".into()),
            (Some(_), None) => return Err("Unmatched '}'".into()),
        };
        self.next = Some(object.into());
        Ok(())
    }
}

/// A string's text, of what is between its quotes.
pub(super) fn unescape(body: &[u8]) -> Result<Arc<str>, &'static str> {
    const CONTROL: &str =
        "Invalid string: control characters from U+0000 through U+001F must be escaped";
    let is_control = |byte: &u8| (1..0x1f).contains(byte);
    if !body.contains(&b'\\') {
        if body.iter().any(is_control) {
            return Err(CONTROL);
        }
        return Ok(match std::str::from_utf8(body) {
            Ok(text) => Arc::from(text),
            Err(_) => Arc::from(decode(body)),
        });
    }
    let mut bytes = Vec::with_capacity(body.len());
    let mut at = 0;
    while let Some(&byte) = body.get(at) {
        at += 1;
        if byte != b'\\' {
            if is_control(&byte) {
                return Err(CONTROL);
            }
            bytes.push(byte);
            continue;
        }
        let escaped = *body.get(at).ok_or("Expected escape character at end of string")?;
        at += 1;
        match escaped {
            b'\\' | b'"' | b'/' => bytes.push(escaped),
            b'b' => bytes.push(8),
            b'f' => bytes.push(12),
            b't' => bytes.push(b'\t'),
            b'n' => bytes.push(b'\n'),
            b'r' => bytes.push(b'\r'),
            b'u' => at = take_code_point(body, at, &mut bytes)?,
            _ => return Err("Invalid escape"),
        }
    }
    Ok(Arc::from(decode(&bytes)))
}

/// Takes the digits at `at`, behind `\u`, and a second surrogate; where they end.
fn take_code_point(body: &[u8], at: usize, bytes: &mut Vec<u8>) -> Result<usize, &'static str> {
    let unpaired = "Invalid \\uXXXX\\uXXXX surrogate pair escape";
    let digits = body.get(at..at + 4).ok_or("Invalid \\uXXXX escape")?;
    let first = hexadecimal(digits).ok_or("Invalid characters in \\uXXXX escape")?;
    let (code_point, end) = if (0xD800..0xDC00).contains(&first) {
        let second = body.get(at + 4..at + 10).filter(|rest| rest.starts_with(b"\\u"));
        let second = second.and_then(|rest| hexadecimal(&rest[2..])).ok_or(unpaired)?;
        if !(0xDC00..0xE000).contains(&second) {
            return Err(unpaired);
        }
        (0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00), at + 10)
    } else {
        (first, at + 4)
    };
    let character = char::from_u32(code_point).unwrap_or(char::REPLACEMENT_CHARACTER);
    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    Ok(end)
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| Some(number * 16 + char::from(*digit).to_digit(16)?))
}

/// Bytes as text. What is no UTF-8 is replaced in the units that jq takes: a whole sequence that is
/// overlong, a surrogate or out of range is one.
pub(super) fn decode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        match std::str::from_utf8(rest) {
            Ok(valid) => {
                text.push_str(valid);
                return text;
            }
            Err(error) => {
                let (valid, bad) = rest.split_at(error.valid_up_to());
                text.push_str(std::str::from_utf8(valid).unwrap_or_default());
                text.push(char::REPLACEMENT_CHARACTER);
                rest = &bad[bad_length(bad)..];
            }
        }
    }
}

/// Bytes of a bad sequence at the beginning of `bytes`.
fn bad_length(bytes: &[u8]) -> usize {
    let length = match bytes[0] {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return 1,
    };
    if length > bytes.len() {
        return bytes.len();
    }
    let is_continuation = |byte: &u8| (0x80..0xC0).contains(byte);
    1 + bytes[1..length].iter().take_while(|byte| is_continuation(byte)).count()
}

/// Appends a value's JSON.
pub(super) fn write(value: &Value, text: &mut String) {
    write_within(value, 0, usize::MAX, text);
}

/// Stops early once there are `bytes` of text: the rest is cut off anyway.
fn write_within(value: &Value, depth: usize, bytes: usize, text: &mut String) {
    if depth > PRINT_DEPTH_MAX {
        return text.push_str(TOO_DEEP);
    }
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        Value::Number(number) => write_number(*number, text),
        Value::String(string) => write_string(string, bytes, text),
        Value::Array(array) => {
            text.push('[');
            for (index, item) in array.items().iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                if text.len() >= bytes {
                    return;
                }
                write_within(item, depth + 1, bytes, text);
            }
            text.push(']');
        }
        Value::Object(object) => {
            text.push('{');
            for (index, (key, item)) in object.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                if text.len() >= bytes {
                    return;
                }
                write_string(key, bytes, text);
                text.push(':');
                write_within(item, depth + 1, bytes, text);
            }
            text.push('}');
        }
    }
}

fn write_string(string: &str, bytes: usize, text: &mut String) {
    text.push('"');
    for character in string.chars().take(bytes) {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\0'..='\u{1f}' | '\u{7f}' => {
                let _ = write!(text, "\\u{:04x}", u32::from(character));
            }
            _ => text.push(character),
        }
    }
    text.push('"');
}

/// A value's JSON, cut to what fits into a C buffer of this many bytes, as jq's errors show it.
pub(super) fn excerpt(value: &Value, buffer_bytes: usize) -> String {
    let mut text = String::new();
    write_within(value, 0, buffer_bytes, &mut text);
    if text.len() < buffer_bytes {
        return text;
    }
    let mut cut = text.as_bytes()[..buffer_bytes - 4].to_vec();
    cut.extend_from_slice(b"...");
    decode(&cut)
}
