//! Timestamps in formats that the operator gives, in the letters of Joda-Time's `DateTimeFormat`, as
//! Hive's JSON deserializer reads them: in UTC unless the text says otherwise, to the millisecond,
//! fields that are not written being those of 1970-01-01T00:00:00.
//! Source: the Javadoc of `org.joda.time.format.DateTimeFormat`.

use std::fmt;

use jiff::civil::{Date, ISOWeekDate, Weekday};
use jiff::tz::TimeZone;

use crate::moment::{Digits, Moment};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
/// The zones that Joda reads by name, with their hours from UTC.
const ZONES: [(&str, i64); 11] = [
    ("UTC", 0),
    ("UT", 0),
    ("GMT", 0),
    ("EST", -5),
    ("EDT", -4),
    ("CST", -6),
    ("CDT", -5),
    ("MST", -7),
    ("MDT", -6),
    ("PST", -8),
    ("PDT", -7),
];
/// The digits of a year that has as many as it likes.
const YEAR_DIGITS_MAX: usize = 9;
/// Two digits of a year mean the one from 1950 to 2049. Joda's window moves with the day it runs on,
/// which would make the same record different values.
const TWO_DIGIT_YEARS_FROM: u32 = 50;

/// A way to read timestamps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimestampFormat {
    /// A number of milliseconds, what follows its point not counting.
    Millis,
    /// A pattern.
    Pattern(Pattern),
}

/// A pattern such as `yyyy-MM-dd'T'HH:mm:ss.SSSZ`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// A letter, how often it is written, and whether another number follows at once.
    Field {
        letter: char,
        count: usize,
        is_joined: bool,
    },
}

/// Why a pattern is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError(String);

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PatternError {}

impl TimestampFormat {
    /// Reads a format: `millis`, or a pattern.
    ///
    /// # Errors
    /// If Joda would refuse the pattern, or it has the century of an era (`C`), which says too little.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        match text {
            "millis" => Ok(TimestampFormat::Millis),
            _ => Pattern::parse(text).map(TimestampFormat::Pattern),
        }
    }

    /// The moment that a text means.
    pub(crate) fn read(&self, text: &str) -> Option<Moment> {
        match self {
            TimestampFormat::Millis => {
                let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
                let is_fraction =
                    !fraction.is_empty() && fraction.bytes().all(|digit| digit.is_ascii_digit());
                let digits = whole.strip_prefix('-').unwrap_or(whole);
                let is_whole = digits.bytes().all(|digit| digit.is_ascii_digit());
                (is_fraction && is_whole).then(|| whole.parse().ok().map(Moment::from_millis))?
            }
            TimestampFormat::Pattern(pattern) => pattern.read(text),
        }
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError("Invalid pattern specification".to_owned()));
        }
        let mut parts: Vec<Part> = Vec::new();
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                '\'' => literal(&mut parts, &quoted(&mut letters)),
                'A'..='Z' | 'a'..='z' => {
                    if !"GYxyMdahHkKmsSEewDzZ".contains(letter) {
                        return Err(PatternError(format!("Illegal pattern component: {letter}")));
                    }
                    let mut count = 1;
                    while letters.next_if_eq(&letter).is_some() {
                        count += 1;
                    }
                    parts.push(Part::Field { letter, count, is_joined: false });
                }
                letter => literal(&mut parts, &letter.to_string()),
            }
        }
        for index in 1..parts.len() {
            let follows = matches!(&parts[index], Part::Field { letter, count, .. } if is_number(*letter, *count));
            if let Part::Field { is_joined, .. } = &mut parts[index - 1] {
                *is_joined = follows;
            }
        }
        Ok(Pattern(parts))
    }

    fn read(&self, text: &str) -> Option<Moment> {
        let mut fields = Fields::default();
        let mut rest = Digits(text);
        for part in &self.0 {
            match part {
                Part::Literal(literal) => {
                    let taken = prefix_ignoring_case(rest.0, literal)?;
                    rest.0 = &rest.0[taken..];
                }
                Part::Field { letter, count, is_joined } => {
                    fields.read(*letter, *count, *is_joined, &mut rest)?;
                }
            }
        }
        rest.0.is_empty().then(|| fields.moment())?
    }
}

/// What a quote begins: text up to the next one, or a quote itself if that is at once.
fn quoted(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    if letters.next_if_eq(&'\'').is_some() {
        return "'".to_owned();
    }
    let mut text = String::new();
    // Joda forgives a quote that is not closed.
    while let Some(letter) = letters.next() {
        match letter {
            '\'' if letters.next_if_eq(&'\'').is_none() => break,
            letter => text.push(letter),
        }
    }
    text
}

fn literal(parts: &mut Vec<Part>, more: &str) {
    match parts.last_mut() {
        Some(Part::Literal(text)) => text.push_str(more),
        _ => parts.push(Part::Literal(more.to_owned())),
    }
}

fn is_number(letter: char, count: usize) -> bool {
    match letter {
        'G' | 'a' | 'E' | 'z' | 'Z' => false,
        'M' => count < 3,
        _ => true,
    }
}

/// How many bytes of `text` are `literal`, case aside.
fn prefix_ignoring_case(text: &str, literal: &str) -> Option<usize> {
    let mut letters = text.chars();
    for wanted in literal.chars() {
        let found = letters.next()?;
        if found != wanted && !found.to_lowercase().eq(wanted.to_lowercase()) {
            return None;
        }
    }
    Some(text.len() - letters.as_str().len())
}

/// The first name of a list that the text begins with, in full or in three letters.
fn name(rest: &mut Digits<'_>, names: &[&str]) -> Option<usize> {
    let full = names.iter().map(|name| (*name, *name));
    let short = names.iter().map(|name| (*name, &name[..3]));
    let (found, taken) = full
        .chain(short)
        .find_map(|(name, text)| Some((name, prefix_ignoring_case(rest.0, text)?)))?;
    rest.0 = &rest.0[taken..];
    names.iter().position(|name| *name == found)
}

/// What a text has said.
#[derive(Default)]
struct Fields {
    year: Option<i32>,
    is_before_christ: bool,
    month: Option<u32>,
    day: Option<u32>,
    day_of_year: Option<u32>,
    week_year: Option<i32>,
    week: Option<u32>,
    weekday: Option<u32>,
    hour: Option<u32>,
    /// 0 to 11, with the half of the day.
    half_hour: Option<u32>,
    is_afternoon: bool,
    minute: u32,
    second: u32,
    millis: u32,
    zone: Option<Zone>,
}

enum Zone {
    /// Seconds east of UTC.
    Offset(i64),
    Named(TimeZone),
}

impl Fields {
    /// Takes one field. `None` if the text has something else.
    fn read(
        &mut self,
        letter: char,
        count: usize,
        is_joined: bool,
        rest: &mut Digits<'_>,
    ) -> Option<()> {
        // Joda reads as many digits as a field can have, also if the pattern has fewer letters.
        let two = |rest: &mut Digits<'_>| rest.number(1, count.max(2));
        let within = |number: Option<u32>, least: u32, most: u32| {
            number.filter(|number| (least..=most).contains(number))
        };
        match letter {
            'y' | 'Y' => self.year = Some(read_year(count, is_joined, rest)?),
            'x' => self.week_year = Some(read_year(count, is_joined, rest)?),
            'M' if count < 3 => self.month = Some(within(two(rest), 1, 12)?),
            'M' => self.month = Some(name(rest, &MONTHS)? as u32 + 1),
            'd' => self.day = Some(within(two(rest), 1, 31)?),
            'D' => self.day_of_year = Some(within(rest.number(1, count.max(3)), 1, 366)?),
            'w' => self.week = Some(within(two(rest), 1, 53)?),
            'e' => self.weekday = Some(within(rest.number(1, count), 1, 7)?),
            'E' => self.weekday = Some(name(rest, &WEEKDAYS)? as u32 + 1),
            'H' => self.hour = Some(within(two(rest), 0, 23)?),
            'k' => self.hour = Some(within(two(rest), 1, 24)? % 24),
            'K' => self.half_hour = Some(within(two(rest), 0, 11)?),
            'h' => self.half_hour = Some(within(two(rest), 1, 12)? % 12),
            'm' => self.minute = within(two(rest), 0, 59)?,
            's' => self.second = within(two(rest), 0, 59)?,
            'S' => self.millis = read_millis(count, rest)?,
            'a' | 'G' => {
                let words = if letter == 'a' { ["AM", "PM"] } else { ["AD", "BC"] };
                let found =
                    words.iter().position(|word| prefix_ignoring_case(rest.0, word).is_some())?;
                rest.0 = &rest.0[2..];
                match letter {
                    'a' => self.is_afternoon = found == 1,
                    _ => self.is_before_christ = found == 1,
                }
            }
            _ => self.zone = Some(read_zone(letter, count, rest)?),
        }
        Some(())
    }

    fn moment(&self) -> Option<Moment> {
        let year = self.year.unwrap_or(1970);
        let year = i16::try_from(if self.is_before_christ { 1 - year } else { year }).ok()?;
        let day = match (self.day_of_year, self.week) {
            (Some(day), _) => Date::new(year, 1, 1)
                .ok()?
                .with()
                .day_of_year(i16::try_from(day).ok()?)
                .build()
                .ok()?,
            (None, Some(week)) => {
                let year = i16::try_from(self.week_year.unwrap_or(i32::from(year))).ok()?;
                let weekday =
                    Weekday::from_monday_one_offset(self.weekday.unwrap_or(1) as i8).ok()?;
                ISOWeekDate::new(year, week as i8, weekday).ok()?.date()
            }
            _ => {
                let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
                Date::new(year, month as i8, day as i8).ok()?
            }
        };
        let half = self.half_hour.map(|hour| hour + if self.is_afternoon { 12 } else { 0 });
        let hour = self.hour.or(half).unwrap_or(0);
        let second_of_day = hour * 3600 + self.minute * 60 + self.second;
        let local = Moment::new(day, second_of_day, self.millis * 1_000_000);
        let offset = match &self.zone {
            None => 0,
            Some(Zone::Offset(seconds)) => *seconds,
            Some(Zone::Named(zone)) => {
                let time = day.at(hour as i8, self.minute as i8, self.second as i8, 0);
                i64::from(
                    zone.to_ambiguous_timestamp(time)
                        .compatible()
                        .ok()
                        .map(|instant| zone.to_offset(instant).seconds())?,
                )
            }
        };
        Some(local.minus_seconds(offset))
    }
}

fn read_year(count: usize, is_joined: bool, rest: &mut Digits<'_>) -> Option<i32> {
    let before = rest.0.len();
    let is_negative = rest.literal('-').is_some();
    if !is_negative {
        let _ = rest.literal('+');
    }
    let signed = before != rest.0.len();
    let start = rest.0.len();
    let year = rest.number(1, if is_joined { count } else { YEAR_DIGITS_MAX })?;
    if count == 2 && start - rest.0.len() == 2 && !signed {
        let century = if year >= TWO_DIGIT_YEARS_FROM { 1900 } else { 2000 };
        return Some((century + year) as i32);
    }
    Some(if is_negative { -(year as i32) } else { year as i32 })
}

/// A fraction of a second: digits beyond milliseconds do not count.
fn read_millis(count: usize, rest: &mut Digits<'_>) -> Option<u32> {
    let length = rest.0.bytes().take(count).take_while(u8::is_ascii_digit).count();
    let (digits, after) =
        rest.0.split_at_checked(length).filter(|(digits, _)| !digits.is_empty())?;
    rest.0 = after;
    let millis: u32 = digits[..length.min(3)].parse().ok()?;
    Some(millis * 10_u32.pow(3_usize.saturating_sub(length) as u32))
}

fn read_zone(letter: char, count: usize, rest: &mut Digits<'_>) -> Option<Zone> {
    if letter == 'z' {
        let (found, hours) =
            ZONES.iter().find(|(name, _)| prefix_ignoring_case(rest.0, name).is_some())?;
        rest.0 = &rest.0[found.len()..];
        return Some(Zone::Offset(hours * 3600));
    }
    if count >= 3 {
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || "/_+-".contains(letter);
        let length = rest.0.find(|letter| !is_part(letter)).unwrap_or(rest.0.len());
        // The longest name that is one, as a literal may follow at once.
        for end in (1..=length).rev() {
            if let Ok(zone) = TimeZone::get(&rest.0[..end]) {
                rest.0 = &rest.0[end..];
                return Some(Zone::Named(zone));
            }
        }
        return None;
    }
    if rest.literal('Z').is_some() {
        return Some(Zone::Offset(0));
    }
    let sign = if rest.literal('+').is_some() {
        1
    } else {
        rest.literal('-')?;
        -1
    };
    let hours = rest.number(2, 2).filter(|hours| *hours < 24)?;
    let has_colon = rest.literal(':').is_some();
    let minutes = match rest.number(2, 2) {
        Some(minutes) => Some(minutes).filter(|minutes| *minutes < 60)?,
        None if has_colon => return None,
        None => 0,
    };
    Some(Zone::Offset(sign * i64::from(hours * 3600 + minutes * 60)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::parse_iso;

    fn read(format: &str, text: &str) -> Option<Moment> {
        TimestampFormat::parse(format).expect(format).read(text)
    }

    #[test]
    fn patterns_read_what_joda_reads() {
        let rows = [
            (
                "yyyy-MM-dd'T'HH:mm:ss.SSSZ",
                "2026-09-07T12:34:56.789+0200",
                "2026-09-07T10:34:56.789Z",
            ),
            ("yyyy-MM-dd'T'HH:mm:ssZZ", "2026-09-07T12:34:56-05:30", "2026-09-07T18:04:56Z"),
            ("yyyy-MM-dd'T'HH:mm:ssZ", "2026-09-07T12:34:56Z", "2026-09-07T12:34:56Z"),
            (
                "yyyy-MM-dd HH:mm:ss ZZZ",
                "2026-07-07 12:00:00 America/New_York",
                "2026-07-07T16:00:00Z",
            ),
            ("yyyy-MM-dd HH:mm:ss z", "2026-07-07 12:00:00 pst", "2026-07-07T20:00:00Z"),
            ("dd/MMM/yyyy:HH:mm:ss Z", "07/Sep/2026:12:34:56 +0000", "2026-09-07T12:34:56Z"),
            ("MMMM d, yyyy h:mm a", "september 7, 2026 1:05 PM", "2026-09-07T13:05:00Z"),
            ("EEE MMM dd HH:mm:ss yyyy", "Mon Sep 07 12:34:56 2026", "2026-09-07T12:34:56Z"),
            ("EEEE, dd-MMM-yy HH:mm:ss", "Monday, 07-Sep-26 12:34:56", "2026-09-07T12:34:56Z"),
            ("yyyyMMddHHmmss", "20260907123456", "2026-09-07T12:34:56Z"),
            ("yyyyMMdd", "20260907", "2026-09-07T00:00:00Z"),
            ("M/d/yy", "9/7/26", "2026-09-07T00:00:00Z"),
            ("M/d/yy", "9/7/2026", "2026-09-07T00:00:00Z"),
            ("M/d/yy", "9/7/68", "1968-09-07T00:00:00Z"),
            ("yyyy-DDD", "2026-250", "2026-09-07T00:00:00Z"),
            ("xxxx-'W'ww-e", "2026-W37-1", "2026-09-07T00:00:00Z"),
            ("HH:mm", "12:34", "1970-01-01T12:34:00Z"),
            ("K:mm a", "0:05 pm", "1970-01-01T12:05:00Z"),
            ("h:mm a", "12:05 am", "1970-01-01T00:05:00Z"),
            ("kk:mm", "24:05", "1970-01-01T00:05:00Z"),
            ("ss.SSSSSS", "01.123456", "1970-01-01T00:00:01.123Z"),
            ("ss.S", "01.1", "1970-01-01T00:00:01.1Z"),
            ("yyyy 'o''clock' G", "2026 O'CLOCK ad", "2026-01-01T00:00:00Z"),
        ];
        for (format, text, expected) in rows {
            assert_eq!(read(format, text), parse_iso(expected), "{format} {text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_no_moment() {
        let rows = [
            ("yyyy-MM-dd", "2026-09-07 12:00:00"),
            ("yyyy-MM-dd", "2026-02-29"),
            ("yyyy-MM-dd", "2026-13-01"),
            ("yyyy-MM-dd HH:mm", "2026-09-07 24:00"),
            ("yyyy-MM-dd'T'HH:mm:ss", "2026-09-07 12:00:00"),
            ("ss.SSS", "01.1234"),
            ("yyyy-DDD", "2026-366"),
            ("MMM", "Sop"),
            ("Z", "+1"),
            ("ZZZ", "Nowhere/Land"),
            ("yyyy", "é"),
            ("yyyy", ""),
        ];
        for (format, text) in rows {
            assert_eq!(read(format, text), None, "{format} {text}");
        }
    }

    #[test]
    fn milliseconds() {
        let iso = |text| parse_iso(text);
        assert_eq!(read("millis", "1518033528123"), iso("2018-02-07T19:58:48.123Z"));
        assert_eq!(read("millis", "1518033528123.9"), iso("2018-02-07T19:58:48.123Z"));
        assert_eq!(read("millis", "-1"), iso("1969-12-31T23:59:59.999Z"));
        for text in ["", "-", "1.", "1e3", "+1", "x", "99999999999999999999"] {
            assert_eq!(read("millis", text), None, "{text}");
        }
    }

    #[test]
    fn what_joda_refuses_is_refused() {
        let refusal = |format| TimestampFormat::parse(format).expect_err(format).to_string();
        assert_eq!(refusal("yyyy-Jan"), "Illegal pattern component: J");
        assert_eq!(refusal("Milli"), "Illegal pattern component: i");
        assert_eq!(refusal("CC"), "Illegal pattern component: C");
        assert_eq!(refusal(""), "Invalid pattern specification");
    }
}
