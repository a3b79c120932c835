//! Numbers as text, exactly: no digit goes through a floating-point number.

/// Why a number is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DecimalError {
    /// The text is no number.
    NoNumber,
    /// It has more digits than asked for.
    OutOfRange,
}

/// The number times ten to the `scale`, rounded half up (away from zero), of at most `precision`
/// digits, which is at most 38. Reads what Java's `BigDecimal` reads.
pub(crate) fn scaled(text: &str, precision: usize, scale: usize) -> Result<i128, DecimalError> {
    let (is_negative, rest) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let mantissa_end = rest.iter().position(|byte| matches!(byte, b'e' | b'E'));
    let (mantissa, exponent) = match mantissa_end {
        Some(at) => (&rest[..at], exponent(&rest[at + 1..])?),
        None => (rest, 0),
    };
    let point = mantissa.iter().position(|byte| *byte == b'.').unwrap_or(mantissa.len());
    let fraction = mantissa.get(point + 1..).unwrap_or_default();
    let digits = || mantissa[..point].iter().chain(fraction);
    if digits().next().is_none() || !digits().all(u8::is_ascii_digit) {
        return Err(DecimalError::NoNumber);
    }
    let zeros = digits().take_while(|digit| **digit == b'0').count();
    if zeros == point + fraction.len() {
        return Ok(0);
    }
    // How many digits, from the first that is not zero, come before the scaled number's point.
    let whole = (point as i64 - zeros as i64).saturating_add(exponent).saturating_add(scale as i64);
    if whole > precision as i64 {
        return Err(DecimalError::OutOfRange);
    }
    if whole < 0 {
        return Ok(0);
    }
    let mut significant = digits().skip(zeros);
    let mut number: i128 = 0;
    for _ in 0..whole {
        let digit = significant.next().map_or(0, |digit| digit - b'0');
        number = number * 10 + i128::from(digit);
    }
    if significant.next().is_some_and(|digit| *digit >= b'5') {
        number += 1;
    }
    if number >= 10_i128.pow(precision as u32) {
        return Err(DecimalError::OutOfRange);
    }
    Ok(if is_negative { -number } else { number })
}

/// What follows the `e`. One too large for any use is as good as the largest.
fn exponent(bytes: &[u8]) -> Result<i64, DecimalError> {
    let (sign, digits) = match bytes {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] => (1, digits),
        digits => (1, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(DecimalError::NoNumber);
    }
    let value = digits.iter().fold(0_i64, |value, digit| {
        value.saturating_mul(10).saturating_add(i64::from(digit - b'0'))
    });
    Ok(sign * value.min(i64::MAX / 4))
}

/// Bytes that a number of so many decimal digits takes, as Hive lays it out.
pub(crate) fn bytes_of(precision: u8) -> usize {
    let most = 10_i128.pow(u32::from(precision)) - 1;
    // A bit for the sign.
    (128 - most.leading_zeros() as usize + 1).div_ceil(8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact() {
        let rows = [
            ("0", 0),
            ("-0.000", 0),
            ("0e1000000000", 0),
            ("1", 100),
            ("+1", 100),
            ("-12.345", -1235),
            ("12.344", 1234),
            ("0.005", 1),
            ("-0.005", -1),
            ("0.004999999", 0),
            ("1e2", 10_000),
            ("1.5E-1", 15),
            ("1e-999999999999999999999", 0),
            (".5", 50),
            ("5.", 500),
            ("99999999.99", 9_999_999_999),
        ];
        for (text, expected) in rows {
            assert_eq!(scaled(text, 10, 2), Ok(expected), "{text}");
        }
        for text in ["99999999.995", "100000000", "1e8", "1e999999999999999999999", "-1e9"] {
            assert_eq!(scaled(text, 10, 2), Err(DecimalError::OutOfRange), "{text}");
        }
        for text in ["", "-", "+-1", ".", "e5", "1e", "1e+", "1.2.3", "0x1", " 1", "1 ", "NaN", "١"]
        {
            assert_eq!(scaled(text, 10, 2), Err(DecimalError::NoNumber), "{text}");
        }
        let largest = "9".repeat(38);
        assert_eq!(scaled(&largest, 38, 0), Ok(10_i128.pow(38) - 1));
        assert_eq!(scaled(&format!("{largest}.4"), 38, 0), Ok(10_i128.pow(38) - 1));
        assert_eq!(scaled(&format!("{largest}.5"), 38, 0), Err(DecimalError::OutOfRange));
    }

    #[test]
    fn widths_are_hive_s() {
        let widths = [1, 2, 3, 4, 9, 10, 18, 19, 38].map(bytes_of);
        assert_eq!(widths, [1, 1, 2, 2, 4, 5, 8, 9, 16]);
    }
}
