//! Days and moments, as text and as Parquet has them.

use jiff::civil::Date;
use parquet::data_type::Int96;

use crate::decimal::scaled;

const NANOS_PER_SECOND: i128 = 1_000_000_000;
const NANOS_PER_DAY: i128 = 86_400 * NANOS_PER_SECOND;
/// The Julian day of 1970-01-01.
const EPOCH_JULIAN_DAY: i128 = 2_440_588;
/// Numbers from here on are milliseconds, numbers below are seconds (observed at AWS).
const MILLIS_FROM: i128 = 1_000_000_000_000;

/// Nanoseconds since 1970, without a time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(i128);

impl Moment {
    pub(crate) fn new(day: Date, second_of_day: u32, nanos: u32) -> Self {
        let seconds = i128::from(days_since_epoch(day)) * 86_400 + i128::from(second_of_day);
        Moment(seconds * NANOS_PER_SECOND + i128::from(nanos))
    }

    pub(crate) fn from_millis(millis: i64) -> Self {
        Moment(i128::from(millis) * 1_000_000)
    }

    pub(crate) fn minus_seconds(self, seconds: i64) -> Self {
        Moment(self.0 - i128::from(seconds) * NANOS_PER_SECOND)
    }

    /// A number of seconds, or of milliseconds if it is large enough. Digits beyond nanoseconds are
    /// rounded.
    pub(crate) fn from_epoch(text: &str) -> Option<Self> {
        let number = scaled(text, 38, 9).ok()?;
        match number.abs() >= MILLIS_FROM * NANOS_PER_SECOND {
            true => Some(Moment(number.div_euclid(1000))),
            false => Some(Moment(number)),
        }
    }

    /// As Hive and Impala write it: nanoseconds of the day, and the Julian day. `None` if that day
    /// has no number.
    pub(crate) fn to_int96(self) -> Option<Int96> {
        let day = self.0.div_euclid(NANOS_PER_DAY) + EPOCH_JULIAN_DAY;
        let nanos = self.0.rem_euclid(NANOS_PER_DAY) as u64;
        let mut value = Int96::new();
        value.set_data(nanos as u32, (nanos >> 32) as u32, i32::try_from(day).ok()? as u32);
        Some(value)
    }
}

/// Days since 1970-01-01.
pub(crate) fn days_since_epoch(day: Date) -> i32 {
    let since = day.duration_since(Date::constant(1970, 1, 1));
    (since.as_secs() / 86_400) as i32
}

/// Takes text apart.
pub(crate) struct Digits<'a>(pub(crate) &'a str);

impl Digits<'_> {
    /// The next number, of `least` to `most` digits.
    pub(crate) fn number(&mut self, least: usize, most: usize) -> Option<u32> {
        let length = self.0.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let (digits, rest) = (length >= least).then(|| self.0.split_at(length))?;
        self.0 = rest;
        digits.parse().ok()
    }

    pub(crate) fn literal(&mut self, literal: char) -> Option<()> {
        self.0 = self.0.strip_prefix(literal)?;
        Some(())
    }

    /// A point and up to nine digits, as nanoseconds; nothing is nothing.
    fn fraction(&mut self) -> Option<u32> {
        if self.literal('.').is_none() {
            return Some(0);
        }
        let before = self.0.len();
        let number = self.number(1, 9)?;
        Some(number * 10_u32.pow(9 - (before - self.0.len()) as u32))
    }
}

fn time(digits: &mut Digits<'_>, least: usize) -> Option<(u32, u32)> {
    let hour = digits.number(least, 2).filter(|hour| *hour < 24)?;
    digits.literal(':')?;
    let minute = digits.number(least, 2).filter(|minute| *minute < 60)?;
    digits.literal(':')?;
    let second = digits.number(least, 2).filter(|second| *second < 60)?;
    Some((hour * 3600 + minute * 60 + second, digits.fraction()?))
}

fn day(digits: &mut Digits<'_>, least: usize) -> Option<Date> {
    let year = digits.number(4, 4)?;
    digits.literal('-')?;
    let month = digits.number(least, 2)?;
    digits.literal('-')?;
    let day = digits.number(least, 2)?;
    Date::new(year as i16, month as i8, day as i8).ok()
}

/// `yyyy-[M]M-[d]d`, as `java.sql.Date.valueOf` reads it, but for days that no calendar has.
pub(crate) fn parse_day(text: &str) -> Option<Date> {
    let mut digits = Digits(text);
    day(&mut digits, 1).filter(|_| digits.0.is_empty())
}

/// `yyyy-[M]M-[d]d [H]H:[m]m:[s]s[.f]`, as `java.sql.Timestamp.valueOf` reads it, but for days and
/// times that do not exist. Space around it does not count.
pub(crate) fn parse_sql(text: &str) -> Option<Moment> {
    let mut digits = Digits(text.trim_matches(|letter| letter <= ' '));
    let day = day(&mut digits, 1)?;
    digits.literal(' ')?;
    let (second, nanos) = time(&mut digits, 1)?;
    digits.0.is_empty().then(|| Moment::new(day, second, nanos))
}

/// `yyyy-MM-ddTHH:mm:ss[.f][Z]`, every field with all its digits.
pub(crate) fn parse_iso(text: &str) -> Option<Moment> {
    let mut digits = Digits(text.strip_suffix('Z').unwrap_or(text));
    let day = day(&mut digits, 2)?;
    digits.literal('T')?;
    let (second, nanos) = time(&mut digits, 2)?;
    digits.0.is_empty().then(|| Moment::new(day, second, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The moment as text, for comparing.
    fn shown(moment: Option<Moment>) -> String {
        let Some(Moment(nanos)) = moment else { return "-".to_owned() };
        match jiff::Timestamp::from_nanosecond(nanos) {
            Ok(timestamp) => timestamp.to_string(),
            Err(_) => format!("{nanos}"),
        }
    }

    #[test]
    fn sql_timestamps() {
        let rows = [
            ("2017-02-07 15:13:01.14", "2017-02-07T15:13:01.14Z"),
            ("2026-9-7 1:2:3", "2026-09-07T01:02:03Z"),
            ("2026-09-07 12:00:00", "2026-09-07T12:00:00Z"),
            ("2026-09-07 12:00:00.123456789", "2026-09-07T12:00:00.123456789Z"),
            (" 2026-09-07 12:00:00\n", "2026-09-07T12:00:00Z"),
            ("1969-12-31 23:59:59.999999999", "1969-12-31T23:59:59.999999999Z"),
            ("0001-01-01 00:00:00", "0001-01-01T00:00:00Z"),
            ("9999-12-31 23:59:59", "253402300799000000000"),
            ("2026-09-07 12:00:00.1234567890", "-"),
            ("2026-09-07 12:00:00.", "-"),
            ("2026-09-07 12:00", "-"),
            ("2026-09-07", "-"),
            ("2026-02-29 00:00:00", "-"),
            ("2026-13-01 00:00:00", "-"),
            ("2026-09-07 24:00:00", "-"),
            ("2026-09-07 12:60:00", "-"),
            ("26-09-07 12:00:00", "-"),
            ("2026-09-07T12:00:00", "-"),
            ("2026-09-07 12:00:00 x", "-"),
            ("", "-"),
        ];
        for (text, expected) in rows {
            assert_eq!(shown(parse_sql(text)), expected, "{text}");
        }
    }

    #[test]
    fn iso_timestamps_are_strict() {
        let rows = [
            ("2017-02-07T15:13:01.39256Z", "2017-02-07T15:13:01.39256Z"),
            ("2017-02-07T15:13:01Z", "2017-02-07T15:13:01Z"),
            ("2017-02-07T15:13:01", "2017-02-07T15:13:01Z"),
            ("2026-9-7T12:00:02Z", "-"),
            ("2017-02-07T15:13:01+02:00", "-"),
            ("2017-02-07T15:13Z", "-"),
            ("2017-02-07 15:13:01Z", "-"),
        ];
        for (text, expected) in rows {
            assert_eq!(shown(parse_iso(text)), expected, "{text}");
        }
    }

    #[test]
    fn numbers_are_seconds_or_milliseconds() {
        let rows = [
            ("1518033528", "2018-02-07T19:58:48Z"),
            ("1518033528123", "2018-02-07T19:58:48.123Z"),
            ("1518033528.123", "2018-02-07T19:58:48.123Z"),
            ("1.518033528E9", "2018-02-07T19:58:48Z"),
            ("0", "1970-01-01T00:00:00Z"),
            ("-1", "1969-12-31T23:59:59Z"),
            ("999999999999", "999999999999000000000"),
            ("1000000000000", "2001-09-09T01:46:40Z"),
            ("-1000000000000", "1938-04-24T22:13:20Z"),
            ("0.0000000001", "1970-01-01T00:00:00Z"),
            ("x", "-"),
            ("", "-"),
        ];
        for (text, expected) in rows {
            assert_eq!(shown(Moment::from_epoch(text)), expected, "{text}");
        }
    }

    #[test]
    fn days() {
        let days = |text| parse_day(text).map(days_since_epoch);
        assert_eq!(days("1970-01-01"), Some(0));
        assert_eq!(days("2026-9-7"), Some(20_703));
        assert_eq!(days("1969-12-31"), Some(-1));
        assert_eq!(days("9999-12-31"), Some(2_932_896));
        for text in ["2026-02-29", "2026-09-07 ", "2026-09-07T00:00:00Z", "26-9-7", "x", ""] {
            assert_eq!(days(text), None, "{text}");
        }
    }

    #[test]
    fn moments_are_julian_days_and_nanoseconds() {
        let int96 = |moment: Moment| moment.to_int96().map(|value| value.data().to_vec());
        assert_eq!(int96(Moment(0)), Some(vec![0, 0, 2_440_588]));
        let last = 86_399_999_999_999_u64;
        assert_eq!(int96(Moment(-1)), Some(vec![last as u32, (last >> 32) as u32, 2_440_587]));
        assert_eq!(int96(Moment(i128::MAX)), None);
    }
}
