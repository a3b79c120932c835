//! `@csv` and its sisters.

use std::fmt::Write;

use base64_simd::STANDARD;

use super::machine::Machine;
use super::natives::{Computed, to_json, to_string};
use super::operators::type_error;
use super::value::Value;
use super::{Stop, json};

/// Bytes that `@uri` leaves alone beside letters and digits.
const UNRESERVED: &[u8] = b"-_.!~*'()";

/// A value in the format of this name.
pub(super) fn format(machine: &Machine<'_>, input: Value, name: &Value) -> Computed {
    let Value::String(name) = name else {
        return Err(type_error(name, "is not a valid format"));
    };
    match &**name {
        "json" => to_json(machine, &input),
        "text" => to_string(machine, &input),
        "csv" => row(machine, &input, "csv", ',', &|text, row| {
            let _ = write!(row, "\"{}\"", text.replace('"', "\"\"").replace('\0', "\\0"));
        }),
        "tsv" => row(machine, &input, "tsv", '\t', &|text, row| {
            let escapes = [('\t', "\\t"), ('\r', "\\r"), ('\n', "\\n"), ('\\', "\\\\")];
            escape(text, &escapes, row);
        }),
        "html" => escaped(machine, &input, |text, html| {
            let escapes =
                [('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('\'', "&apos;"), ('"', "&quot;")];
            escape(text, &escapes, html);
        }),
        "uri" => escaped(machine, &input, |text, uri| {
            for byte in text.bytes() {
                if byte.is_ascii_alphanumeric() || UNRESERVED.contains(&byte) {
                    uri.push(char::from(byte));
                } else {
                    let _ = write!(uri, "%{byte:02X}");
                }
            }
        }),
        "sh" => shell(machine, input),
        "base64" => escaped(machine, &input, |text, encoded| {
            encoded.push_str(&STANDARD.encode_to_string(text.as_bytes()));
        }),
        "base64d" => decode_base64(machine, &input),
        name => Err(Stop::error(format!("{name} is not a valid format"))),
    }
}

/// A NUL is always escaped.
fn escape(text: &str, escapes: &[(char, &str)], out: &mut String) {
    for character in text.chars() {
        match escapes.iter().find(|(escaped, _)| *escaped == character) {
            Some((_, replacement)) => out.push_str(replacement),
            None if character == '\0' => out.push_str("\\0"),
            None => out.push(character),
        }
    }
}

fn escaped(machine: &Machine<'_>, input: &Value, write: fn(&str, &mut String)) -> Computed {
    let text = to_string(machine, input)?;
    let mut out = String::new();
    if let Value::String(text) = &text {
        machine.allocate(text.len().saturating_mul(3))?;
        write(text, &mut out);
    }
    Ok(out.into())
}

fn row(
    machine: &Machine<'_>,
    input: &Value,
    name: &str,
    separator: char,
    quote: &dyn Fn(&str, &mut String),
) -> Computed {
    let Value::Array(array) = input else {
        return Err(type_error(input, &format!("cannot be {name}-formatted, only array")));
    };
    machine.walk(input)?;
    let mut line = String::new();
    for (index, item) in array.items().iter().enumerate() {
        if index > 0 {
            line.push(separator);
        }
        match item {
            Value::Null => {}
            Value::Number(number) if number.is_nan() => {}
            Value::Bool(_) | Value::Number(_) => json::write(item, &mut line),
            Value::String(text) => quote(text, &mut line),
            _ => return Err(type_error(item, "is not valid in a csv row")),
        }
    }
    machine.allocate(line.len())?;
    Ok(line.into())
}

fn shell(machine: &Machine<'_>, input: Value) -> Computed {
    let array = match input {
        Value::Array(_) => input,
        other => Value::array(vec![other])?,
    };
    machine.walk(&array)?;
    let mut line = String::new();
    let Value::Array(items) = &array else {
        return Ok(line.into());
    };
    for (index, item) in items.items().iter().enumerate() {
        if index > 0 {
            line.push(' ');
        }
        match item {
            Value::Null | Value::Bool(_) | Value::Number(_) => json::write(item, &mut line),
            Value::String(text) => {
                line.push('\'');
                escape(text, &[('\'', "'\\''")], &mut line);
                line.push('\'');
            }
            _ => return Err(type_error(item, "can not be escaped for shell")),
        }
    }
    machine.allocate(line.len())?;
    Ok(line.into())
}

/// Reads up to the first `=`; what is left over of a last group may be short.
fn decode_base64(machine: &Machine<'_>, input: &Value) -> Computed {
    let text = to_string(machine, input)?;
    let Value::String(text) = &text else {
        return Ok(text);
    };
    machine.allocate(text.len())?;
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut code, mut count) = (0u32, 0);
    for byte in text.bytes().take_while(|byte| *byte != b'=') {
        let Some(value) = base64_value(byte) else {
            return Err(type_error(&Value::String(text.clone()), "is not valid base64 data"));
        };
        code = code << 6 | value;
        count += 1;
        if count == 4 {
            bytes.extend_from_slice(&code.to_be_bytes()[1..]);
            (code, count) = (0, 0);
        }
    }
    match count {
        3 => bytes.extend_from_slice(&[(code >> 10) as u8, (code >> 2) as u8]),
        2 => bytes.push((code >> 4) as u8),
        1 => {
            return Err(type_error(&Value::String(text.clone()), "trailing base64 byte found"));
        }
        _ => {}
    }
    Ok(json::decode(&bytes).into())
}

fn base64_value(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}
