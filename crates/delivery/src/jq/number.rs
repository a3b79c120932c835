//! Numbers as jq 1.6 reads and prints them: doubles, in as few digits as tell them apart.

use std::fmt::Write;

/// Digits beyond those of a number that still go without an exponent.
const PADDING_DIGITS: i32 = 15;
/// Digits that a number has at least if two of its shortest forms can be equally near.
const TIE_DIGITS_MIN: usize = 15;
/// Digits of a number whose fraction can end in a tie, all of them.
const EXACT_DIGITS: usize = 40;

/// Appends a number. There is no NaN in JSON: it is null; what is infinite is as large as can be.
pub(super) fn write_number(number: f64, text: &mut String) {
    if number.is_nan() {
        return text.push_str("null");
    }
    let number = number.clamp(f64::MIN, f64::MAX);
    if number.fract() == 0.0 && number.abs() < 1e15 && !(number == 0.0 && number.is_sign_negative())
    {
        let _ = write!(text, "{}", number as i64);
        return;
    }
    // Rust's shortest form is `-d.ddde-x`: the same digits, another layout.
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').expect("an exponent");
    if mantissa.starts_with('-') {
        text.push('-');
    }
    let mut digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    if digits.len() >= TIE_DIGITS_MIN {
        prefer_even(number, &mut digits);
    }
    let point = exponent.parse::<i32>().expect("a small number") + 1;
    let length = digits.len() as i32;
    if point <= -4 || point > length + PADDING_DIGITS {
        let (first, rest) = digits.split_at(1);
        text.push_str(first);
        if !rest.is_empty() {
            let _ = write!(text, ".{rest}");
        }
        let _ = write!(text, "e{:+03}", point - 1);
    } else if point <= 0 {
        text.push_str("0.");
        text.extend(std::iter::repeat_n('0', point.unsigned_abs() as usize));
        text.push_str(&digits);
    } else if point >= length {
        text.push_str(&digits);
        text.extend(std::iter::repeat_n('0', (point - length) as usize));
    } else {
        let (whole, fraction) = digits.split_at(point as usize);
        let _ = write!(text, "{whole}.{fraction}");
    }
}

/// Of two shortest forms that are equally near, Rust takes the larger one, and C the even one.
fn prefer_even(number: f64, digits: &mut String) {
    let exact = format!("{:.*e}", EXACT_DIGITS, number.abs());
    let all: String = exact.chars().take_while(|c| *c != 'e').filter(|c| *c != '.').collect();
    let (lower, rest) = all.split_at(digits.len());
    let is_tie = rest.starts_with('5') && rest[1..].bytes().all(|digit| digit == b'0');
    if is_tie && lower.ends_with(['0', '2', '4', '6', '8']) {
        *digits = lower.trim_end_matches('0').to_owned();
    }
}

/// Reads a number as C's `strtod` does in jq: signs, leading zeros and a bare point are fine, and so
/// are NaN and infinity in any case.
pub(super) fn parse_number(text: &[u8]) -> Option<f64> {
    if text.len() < 16 && !text.is_empty() && text.iter().all(u8::is_ascii_digit) {
        let digit = |number: i64, byte: &u8| number * 10 + i64::from(byte - b'0');
        return Some(text.iter().fold(0, digit) as f64);
    }
    let unsigned = match text {
        [b'+' | b'-', rest @ ..] => rest,
        _ => text,
    };
    let is_number = match unsigned {
        [first, ..] if first.is_ascii_digit() || *first == b'.' => is_decimal(unsigned),
        _ => [&b"nan"[..], b"infinity", b"inf"]
            .iter()
            .any(|name| unsigned.eq_ignore_ascii_case(name)),
    };
    if !is_number {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn is_decimal(text: &[u8]) -> bool {
    let exponent_at = text.iter().position(|byte| matches!(byte, b'e' | b'E'));
    let (mantissa, exponent) = match exponent_at {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let points = mantissa.iter().filter(|byte| **byte == b'.').count();
    let digits = mantissa.iter().filter(|byte| byte.is_ascii_digit()).count();
    let exponent_is_one = exponent.is_none_or(|exponent| {
        let digits = match exponent {
            [b'+' | b'-', rest @ ..] => rest,
            _ => exponent,
        };
        !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
    });
    points <= 1 && digits > 0 && points + digits == mantissa.len() && exponent_is_one
}

/// A C `int` made of a double, as x86 makes it.
pub(super) fn to_i32(number: f64) -> i32 {
    let fits = number > f64::from(i32::MIN) - 1.0 && number < f64::from(i32::MAX) + 1.0;
    if fits { number as i32 } else { i32::MIN }
}

/// A C `intmax_t` made of a double, as x86 makes it.
pub(super) fn to_i64(number: f64) -> i64 {
    let fits = number >= i64::MIN as f64 && number < i64::MAX as f64;
    if fits { number as i64 } else { i64::MIN }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(number: f64) -> String {
        let mut text = String::new();
        write_number(number, &mut text);
        text
    }

    #[test]
    fn numbers_are_laid_out_as_jq_does() {
        let rows = [
            (3.0, "3"),
            (-0.0, "-0"),
            (0.1, "0.1"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (1.25e-7, "1.25e-07"),
            (1e17, "1e+17"),
            (1e15, "1000000000000000"),
            (1e16, "1e+16"),
            (123_456_789_012_345_678.0, "123456789012345680"),
            (1.5e300, "1.5e+300"),
            (123.456, "123.456"),
            (5_587_132_778_256_981.0 / 4.0, "1396783194564245.2"),
            (5_587_132_778_256_983.0 / 4.0, "1396783194564245.8"),
            (f64::INFINITY, "1.7976931348623157e+308"),
            (f64::NEG_INFINITY, "-1.7976931348623157e+308"),
            (f64::NAN, "null"),
        ];
        for (number, expected) in rows {
            assert_eq!(printed(number), expected);
        }
    }

    #[test]
    fn numbers_are_read_as_c_does() {
        for (text, expected) in
            [("01", 1.0), ("+1", 1.0), (".5", 0.5), ("5.", 5.0), ("-1e2", -100.0)]
        {
            assert_eq!(parse_number(text.as_bytes()), Some(expected), "{text}");
        }
        assert!(parse_number(b"NaN").is_some_and(f64::is_nan));
        assert_eq!(parse_number(b"-Infinity"), Some(f64::NEG_INFINITY));
        for bad in ["", "-", ".", "1e", "1_0", "0x1", "1.2.3", "1e+"] {
            assert_eq!(parse_number(bad.as_bytes()), None, "{bad}");
        }
    }
}
