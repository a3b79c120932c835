//! What the two deserializers make of a JSON value in a column of a primitive type.
//!
//! OpenX coerces and Hive refuses. What each does was observed at AWS where `facts/firehose.md` § 2.7
//! says so, and follows its public source elsewhere; `docs/delivery.md` has the table.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::decimal::{DecimalError, scaled};
use crate::failure::RecordFailure;
use crate::joda::TimestampFormat;
use crate::moment::{Moment, parse_day, parse_iso, parse_sql};
use crate::tape::{Kind, Value};

/// What `java.sql.Timestamp.valueOf` says of what it cannot read.
const NO_SQL_TIMESTAMP: &str = "Timestamp format must be yyyy-mm-dd hh:mm:ss[.fffffffff]";

/// Who reads the JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deserializer {
    /// The OpenX JSON SerDe.
    OpenX(OpenX),
    /// The Hive JSON SerDe.
    Hive(Hive),
}

/// The options of the OpenX JSON SerDe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenX {
    /// Whether names are read in lower case.
    pub case_insensitive: bool,
    /// Whether `a.b` is the column `a_b`.
    pub dots_to_underscores: bool,
    /// Names of members for columns that are called otherwise.
    pub column_keys: BTreeMap<String, String>,
}

impl Default for OpenX {
    fn default() -> Self {
        OpenX { case_insensitive: true, dots_to_underscores: false, column_keys: BTreeMap::new() }
    }
}

/// The options of the Hive JSON SerDe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hive {
    /// How timestamps are written; `java.sql.Timestamp`'s way is understood besides.
    pub timestamp_formats: Vec<TimestampFormat>,
}

/// Whole numbers, by Java's names and Jackson's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Integer {
    pub(crate) bits: u32,
    boxed: &'static str,
    jackson: &'static str,
}

pub(crate) const BYTE: Integer = Integer { bits: 8, boxed: "Byte", jackson: "Java byte" };
pub(crate) const SHORT: Integer = Integer { bits: 16, boxed: "Short", jackson: "Java short" };
pub(crate) const INT: Integer = Integer { bits: 32, boxed: "Integer", jackson: "int" };
pub(crate) const LONG: Integer = Integer { bits: 64, boxed: "Long", jackson: "long" };

impl Integer {
    fn fits(self, number: i64) -> bool {
        let most = i64::MAX >> (64 - self.bits);
        (-most - 1..=most).contains(&number)
    }
}

type Read<T> = Result<T, RecordFailure>;

impl Deserializer {
    /// Whether values of the wrong shape are made to fit.
    pub(crate) fn is_lenient(&self) -> bool {
        matches!(self, Deserializer::OpenX(_))
    }

    /// Whether the names of members that are data, not schema, are kept in lower case.
    pub(crate) fn lowers_keys(&self) -> bool {
        matches!(self, Deserializer::OpenX(OpenX { case_insensitive: true, .. }))
    }

    /// Who reads the keys of maps: they are text, and both deserializers make values of it.
    pub(crate) fn for_keys(&self) -> &Deserializer {
        static LENIENT: Deserializer = Deserializer::OpenX(OpenX {
            case_insensitive: true,
            dots_to_underscores: false,
            column_keys: BTreeMap::new(),
        });
        match self {
            Deserializer::OpenX(_) => self,
            Deserializer::Hive(_) => &LENIENT,
        }
    }

    pub(crate) fn boolean(&self, value: Value<'_>) -> Read<bool> {
        match (value.kind(), self) {
            (Kind::True, _) => Ok(true),
            (Kind::False, _) => Ok(false),
            (Kind::Plain | Kind::Escaped, _) => Ok(value.text().eq_ignore_ascii_case("true")),
            (Kind::Integer | Kind::Fraction, Deserializer::Hive(_)) => Ok(false),
            (_, Deserializer::Hive(_)) => Err(RecordFailure::invalid_field()),
            _ => Err(cannot_be(value, "Boolean")),
        }
    }

    pub(crate) fn integer(&self, value: Value<'_>, of: Integer) -> Read<i64> {
        match self {
            Deserializer::OpenX(_) => {
                if value.is_nested() || matches!(value.kind(), Kind::True | Kind::False) {
                    return Err(cannot_be(value, of.boxed));
                }
                let text = value.text();
                let number = java_integer(&text).filter(|number| of.fits(*number));
                number.ok_or_else(|| RecordFailure::for_input(&text))
            }
            Deserializer::Hive(_) => {
                let text = hive_number(value)?;
                let number = match value.kind() {
                    Kind::Integer => text.parse::<i64>().ok(),
                    // Jackson cuts off what follows the point.
                    _ => text.parse::<f64>().ok().filter(|number| number.abs() < 9.3e18).and_then(
                        |number| {
                            let whole = number.trunc() as i128;
                            i64::try_from(whole).ok()
                        },
                    ),
                };
                number.filter(|number| of.fits(*number)).ok_or_else(|| {
                    let jackson = of.jackson;
                    RecordFailure::mismatch(format_args!(
                        "Numeric value ({text}) out of range of {jackson}"
                    ))
                })
            }
        }
    }

    pub(crate) fn double(&self, value: Value<'_>) -> Read<f64> {
        match self {
            Deserializer::OpenX(_) => {
                if value.is_nested() || matches!(value.kind(), Kind::True | Kind::False) {
                    return Err(cannot_be(value, "Double"));
                }
                let text = value.text();
                if text.is_empty() {
                    return Err(RecordFailure::mismatch("empty String"));
                }
                java_double(&text, !value.is_text()).ok_or_else(|| RecordFailure::for_input(&text))
            }
            Deserializer::Hive(_) => {
                let text = hive_number(value)?;
                java_double(text, true).ok_or_else(|| RecordFailure::for_input(text))
            }
        }
    }

    pub(crate) fn float(&self, value: Value<'_>) -> Read<f32> {
        let number = self.double(value)?;
        let float = number as f32;
        match number.is_finite() && !float.is_finite() {
            true => Err(RecordFailure::for_input(&value.text())),
            false => Ok(float),
        }
    }

    /// The number times ten to the `scale`.
    pub(crate) fn decimal(&self, value: Value<'_>, precision: u8, scale: u8) -> Read<i128> {
        let text = match self {
            Deserializer::OpenX(_) => {
                if value.is_nested() || matches!(value.kind(), Kind::True | Kind::False) {
                    return Err(cannot_be(value, "BigDecimal"));
                }
                value.text()
            }
            Deserializer::Hive(_) => Cow::Borrowed(hive_number(value)?),
        };
        scaled(&text, usize::from(precision), usize::from(scale)).map_err(|error| match error {
            DecimalError::NoNumber => RecordFailure::for_input(&text),
            DecimalError::OutOfRange => RecordFailure::mismatch(format_args!(
                "Numeric value ({text}) out of range of decimal({precision},{scale})"
            )),
        })
    }

    /// Text as it is, and everything else as it is written.
    pub(crate) fn text<'a>(&self, value: Value<'a>) -> Read<Cow<'a, str>> {
        match (self, value.is_nested()) {
            (_, false) => Ok(value.text()),
            (Deserializer::OpenX(_), true) => {
                let mut json = String::new();
                value.write_json(self.lowers_keys(), &mut json);
                Ok(Cow::Owned(json))
            }
            (Deserializer::Hive(_), true) => Err(RecordFailure::invalid_field()),
        }
    }

    pub(crate) fn day(&self, value: Value<'_>) -> Read<Date> {
        let text = self.scalar(value, "Date")?;
        parse_day(&text).ok_or_else(|| RecordFailure::for_input(&text))
    }

    pub(crate) fn moment(&self, value: Value<'_>) -> Read<Moment> {
        let text = self.scalar(value, "Timestamp")?;
        match self {
            Deserializer::OpenX(_) => {
                let has_time = text.find(':').is_some_and(|at| at > 0);
                match parse_iso(&text).or_else(|| parse_sql(&text)) {
                    Some(moment) => Ok(moment),
                    None if has_time => Err(RecordFailure::mismatch(NO_SQL_TIMESTAMP)),
                    None => Moment::from_epoch(text.trim_matches(|letter| letter <= ' '))
                        .ok_or_else(|| RecordFailure::for_input(&text)),
                }
            }
            Deserializer::Hive(hive) => hive
                .timestamp_formats
                .iter()
                .find_map(|format| format.read(&text))
                .or_else(|| parse_sql(&text))
                .ok_or_else(|| RecordFailure::mismatch(NO_SQL_TIMESTAMP)),
        }
    }

    fn scalar<'a>(&self, value: Value<'a>, boxed: &str) -> Read<Cow<'a, str>> {
        match (self, value.is_nested()) {
            (_, false) => Ok(value.text()),
            (Deserializer::OpenX(_), true) => Err(cannot_be(value, boxed)),
            (Deserializer::Hive(_), true) => Err(RecordFailure::invalid_field()),
        }
    }
}

/// The class that OpenX reads a value as.
pub(crate) fn java_class(value: Value<'_>) -> &'static str {
    match value.kind() {
        Kind::True | Kind::False => "java.lang.Boolean",
        Kind::Integer => "java.lang.Long",
        Kind::Fraction => "java.lang.Double",
        Kind::Array => "org.openx.data.jsonserde.json.JSONArray",
        Kind::Object => "org.openx.data.jsonserde.json.JSONObject",
        Kind::Null | Kind::Plain | Kind::Escaped => "java.lang.String",
    }
}

/// What Java says of a value that is not of the class it should be.
fn cannot_be(value: Value<'_>, boxed: &str) -> RecordFailure {
    let class = java_class(value);
    let package = match boxed {
        "BigDecimal" => "java.math",
        "Date" | "Timestamp" => "java.sql",
        _ => "java.lang",
    };
    RecordFailure::mismatch(format_args!("{class} cannot be cast to {package}.{boxed}"))
}

/// The text of a number. Hive's deserializer takes nothing else for one.
fn hive_number(value: Value<'_>) -> Read<&str> {
    let token = match value.kind() {
        Kind::Integer | Kind::Fraction => return Ok(value.raw()),
        Kind::Array | Kind::Object => return Err(RecordFailure::invalid_field()),
        Kind::True => "VALUE_TRUE",
        Kind::False => "VALUE_FALSE",
        Kind::Null | Kind::Plain | Kind::Escaped => "VALUE_STRING",
    };
    Err(RecordFailure::mismatch(format_args!(
        "Current token ({token}) not numeric, can not use numeric value accessors"
    )))
}

/// Digits behind a sign, or hexadecimal ones behind `0x`, as OpenX reads them.
fn java_integer(text: &str) -> Option<i64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// What `Double.parseDouble` reads, but for hexadecimal fractions. A number of JSON is finite.
fn java_double(text: &str, is_json: bool) -> Option<f64> {
    let text = text.trim_matches(|letter| letter <= ' ');
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    match unsigned {
        "NaN" => return Some(f64::NAN),
        "Infinity" => return Some(sign * f64::INFINITY),
        _ => {}
    }
    let digits = unsigned.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(unsigned);
    // Rust reads words besides: `inf`, `infinity` and `nan`.
    let is_number = digits.starts_with(|letter: char| letter.is_ascii_digit() || letter == '.')
        && digits.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    let number: f64 = is_number.then(|| digits.parse().ok())??;
    (number.is_finite() || !is_json).then_some(sign * number)
}
