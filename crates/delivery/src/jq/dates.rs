//! Dates, as glibc's functions make them in the C locale. The zone is UTC everywhere: a record's
//! partition must not depend on where a server stands.

use super::Stop;
use super::machine::Machine;
use super::natives::Computed;
use super::number::{to_i32, to_i64};
use super::time_format::{TimeFields, format_fields};
use super::time_parse::parse_fields;
use super::value::Value;

/// Bytes that jq has for a formatted date, beside as many as the format has.
const FORMATTED_BYTES: usize = 100;
/// Years around which glibc's `int` for them ends.
const YEARS_MAX: i64 = 2_147_483_647 + 1900;

pub(super) const SECONDS_PER_DAY: i64 = 86_400;

/// Days from 1970 to the first of a month, which may be beyond its year.
pub(super) fn days_to_month(year: i64, month: i64) -> i64 {
    let (year, month) = (year + month.div_euclid(12), month.rem_euclid(12));
    // Years that begin in March have their odd day at the end.
    let (shifted, since_march) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let day_of_year = (153 * since_march + 2) / 5;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468
}

pub(super) fn day_of_week(days: i64) -> i64 {
    (days + 4).rem_euclid(7)
}

/// The fields of a moment in seconds since 1970; `None` if its year is out of reach.
pub(super) fn fields_of(seconds: i64) -> Option<TimeFields> {
    let (days, rest) = (seconds.div_euclid(SECONDS_PER_DAY), seconds.rem_euclid(SECONDS_PER_DAY));
    // An estimate that is off by one year at most.
    let mut year = 1970 + (i128::from(days) * 400).div_euclid(146_097) as i64;
    while days_to_month(year, 0) > days {
        year -= 1;
    }
    while days_to_month(year + 1, 0) <= days {
        year += 1;
    }
    if !(-YEARS_MAX + 3800..=YEARS_MAX).contains(&year) {
        return None;
    }
    let month = (0..12).rev().find(|month| days_to_month(year, *month) <= days)?;
    Some(TimeFields {
        year,
        month,
        day: days - days_to_month(year, month) + 1,
        hour: rest / 3600,
        minute: rest % 3600 / 60,
        second: rest % 60,
        week_day: day_of_week(days),
        year_day: days - days_to_month(year, 0),
    })
}

impl TimeFields {
    fn to_value(&self) -> Computed {
        let fields = [
            self.year,
            self.month,
            self.day,
            self.hour,
            self.minute,
            self.second,
            self.week_day,
            self.year_day,
        ];
        Value::array(fields.iter().map(|field| Value::Number(*field as f64)).collect())
    }

    /// The fields of an array that has them all.
    fn of_value(value: &Value) -> Option<TimeFields> {
        let Value::Array(array) = value else {
            return None;
        };
        let field = |index: usize| match array.items().get(index) {
            Some(Value::Number(number)) => Some(i64::from(to_i32(*number))),
            _ => None,
        };
        Some(TimeFields {
            year: field(0)?,
            month: field(1)?,
            day: field(2)?,
            hour: field(3)?,
            minute: field(4)?,
            second: field(5)?,
            week_day: field(6)?,
            year_day: field(7)?,
        })
    }

    /// Seconds since 1970, with fields beyond their ends carried over.
    pub(super) fn seconds(&self) -> i64 {
        let days = days_to_month(self.year, self.month) + self.day - 1;
        days * SECONDS_PER_DAY + self.hour * 3600 + self.minute * 60 + self.second
    }
}

/// `gmtime` and `localtime`.
pub(super) fn broken_down(input: &Value, name: &str) -> Computed {
    let Value::Number(seconds) = input else {
        return Err(Stop::error(format!("{name}() requires numeric inputs")));
    };
    let Some(fields) = fields_of(to_i64(*seconds)) else {
        let errror = if name == "gmtime" { "errror" } else { "error" };
        return Err(Stop::error(format!(
            "{errror} converting number of seconds since epoch to datetime"
        )));
    };
    let whole = fields.second as f64;
    let Value::Array(mut array) = fields.to_value()? else {
        return Ok(Value::Null);
    };
    let second = Value::Number(whole + (seconds - seconds.floor()));
    super::value::make_array(&mut array).set(5, second)?;
    Ok(Value::Array(array))
}

/// `mktime`.
pub(super) fn make_time(input: &Value) -> Computed {
    let Value::Array(array) = input else {
        return Err(Stop::error("mktime requires array inputs".to_owned()));
    };
    let fields = TimeFields::of_value(input).filter(|_| array.items().len() >= 6);
    let Some(fields) = fields else {
        return Err(Stop::error("mktime requires parsed datetime inputs".to_owned()));
    };
    match fields.seconds() {
        -1 => Err(Stop::error("invalid gmtime representation".to_owned())),
        seconds => Ok(Value::Number(seconds as f64)),
    }
}

/// `strftime` and `strflocaltime`.
pub(super) fn format_time(
    machine: &Machine<'_>,
    input: Value,
    format: &Value,
    name: &str,
) -> Computed {
    let broken = match &input {
        Value::Number(_) if name == "strftime" => broken_down(&input, "gmtime")?,
        Value::Number(_) => broken_down(&input, "localtime")?,
        Value::Array(_) => input,
        _ => return Err(Stop::error(format!("{name}/1 requires parsed datetime inputs"))),
    };
    let Value::String(format) = format else {
        return Err(Stop::error(format!("{name}/1 requires a string format")));
    };
    let Some(fields) = TimeFields::of_value(&broken) else {
        return Err(Stop::error(format!("{name}/1 requires parsed datetime inputs")));
    };
    machine.allocate(format.len() + FORMATTED_BYTES)?;
    let format = format.split('\0').next().unwrap_or_default();
    let room = format.len() + FORMATTED_BYTES;
    match format_fields(&fields, format, room) {
        Some(text) if !text.is_empty() => Ok(text.into()),
        _ => Err(Stop::error(format!("{name}/1: unknown system failure"))),
    }
}

/// `strptime`. What is left over behind white space is an element of its own.
pub(super) fn parse_time(machine: &Machine<'_>, input: &Value, format: &Value) -> Computed {
    let (Value::String(text), Value::String(format)) = (input, format) else {
        return Err(Stop::error("strptime/1 requires string inputs and arguments".to_owned()));
    };
    machine.charge((text.len() + format.len()) as u64)?;
    let [text, format] = [text, format].map(|text| text.split('\0').next().unwrap_or_default());
    // What eras are to glibc depends on more than the C locale.
    if format.contains("%E") {
        return Err(Stop::unsupported());
    }
    let parsed = parse_fields(text, format);
    let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    match parsed {
        Some((fields, rest)) if rest.as_bytes().first().is_none_or(is_space) => {
            let Value::Array(mut array) = fields.to_value()? else {
                return Ok(Value::Null);
            };
            if !rest.is_empty() {
                super::value::make_array(&mut array).push(rest.into())?;
            }
            Ok(Value::Array(array))
        }
        _ => Err(Stop::error(format!("date \"{text}\" does not match format \"{format}\""))),
    }
}
