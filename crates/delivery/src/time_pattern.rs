//! The letters of Java's `DateTimeFormatter`, which object names are written with, in its English
//! (United States) locale: weeks start on Sunday, and the first one holds the first of January.
//! Source: the Javadoc of `java.time.format.DateTimeFormatter` and `DateTimeFormatterBuilder`.

use std::fmt::{self, Write};

use jiff::ZonedDateTime;
use jiff::civil::Weekday;

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
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const QUARTERS: [&str; 4] = ["1st quarter", "2nd quarter", "3rd quarter", "4th quarter"];
const ERAS: [&str; 2] = ["Anno Domini", "Before Christ"];

/// A pattern such as `yyyy/MM/dd/HH`, read once and written for many instants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimePattern(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Field {
        letter: char,
        count: usize,
        /// Spaces in front up to this width.
        width: usize,
    },
}

/// Why a pattern is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimePatternError {
    /// A letter that means nothing.
    UnknownLetter(char),
    /// A letter written too often, or a pad without a field.
    TooMany(char),
    /// A character kept for later: `{`, `}` or `#`.
    Reserved(char),
    /// A quote, or an optional section, that is not closed or never began.
    Unbalanced(char),
}

impl fmt::Display for TimePatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TimePatternError::UnknownLetter(letter) => {
                write!(f, "Unknown pattern letter: {letter}")
            }
            TimePatternError::TooMany(letter) => write!(f, "Too many pattern letters: {letter}"),
            TimePatternError::Reserved(letter) => {
                write!(f, "Pattern includes reserved character: '{letter}'")
            }
            TimePatternError::Unbalanced(letter) => {
                write!(f, "Pattern ends with an incomplete section: {letter}")
            }
        }
    }
}

impl std::error::Error for TimePatternError {}

impl TimePattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// If Java would refuse it, or it names what Levada has no text for: a zone's full name (`zzzz`),
    /// its generic name (`v`), or a period of the day (`B`).
    pub fn parse(pattern: &str) -> Result<Self, TimePatternError> {
        let mut reader = Reader { letters: pattern.chars().peekable(), parts: Vec::new(), open: 0 };
        reader.read()?;
        Ok(TimePattern(reader.parts))
    }

    /// Writes an instant in its time zone.
    pub fn write(&self, at: &ZonedDateTime, text: &mut String) {
        for part in &self.0 {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Field { letter, count, width } => {
                    let mut field = String::new();
                    write_field(*letter, *count, at, &mut field);
                    let _ = write!(text, "{field:>width$}");
                }
            }
        }
    }
}

struct Reader<'a> {
    letters: std::iter::Peekable<std::str::Chars<'a>>,
    parts: Vec<Part>,
    /// How many optional sections are open. Formatting has every field, so all are written.
    open: usize,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<(), TimePatternError> {
        let mut width = 0;
        while let Some(letter) = self.letters.next() {
            match letter {
                'p' => {
                    width = self.run('p');
                    if !self.letters.peek().is_some_and(char::is_ascii_alphabetic) {
                        return Err(TimePatternError::TooMany('p'));
                    }
                }
                letter if letter.is_ascii_alphabetic() => {
                    let count = self.run(letter);
                    check(letter, count)?;
                    let width = std::mem::take(&mut width);
                    self.parts.push(Part::Field { letter, count, width });
                }
                '\'' => self.quoted()?,
                '[' => self.open += 1,
                ']' => {
                    self.open =
                        self.open.checked_sub(1).ok_or(TimePatternError::Unbalanced(']'))?;
                }
                '{' | '}' | '#' => return Err(TimePatternError::Reserved(letter)),
                letter => self.literal(letter),
            }
        }
        Ok(())
    }

    /// How often `letter` is written, the one already taken included.
    fn run(&mut self, letter: char) -> usize {
        let mut count = 1;
        while self.letters.next_if_eq(&letter).is_some() {
            count += 1;
        }
        count
    }

    /// What follows a quote: text up to the next one, or a quote itself if that is at once.
    fn quoted(&mut self) -> Result<(), TimePatternError> {
        if self.letters.next_if_eq(&'\'').is_some() {
            self.literal('\'');
            return Ok(());
        }
        loop {
            match self.letters.next() {
                None => return Err(TimePatternError::Unbalanced('\'')),
                Some('\'') if self.letters.next_if_eq(&'\'').is_none() => return Ok(()),
                Some(letter) => self.literal(letter),
            }
        }
    }

    fn literal(&mut self, letter: char) {
        match self.parts.last_mut() {
            Some(Part::Literal(text)) => text.push(letter),
            _ => self.parts.push(Part::Literal(letter.to_string())),
        }
    }
}

/// Whether a letter may be written that often.
fn check(letter: char, count: usize) -> Result<(), TimePatternError> {
    let most = match letter {
        'a' | 'F' | 'W' => 1,
        'd' | 'h' | 'H' | 'k' | 'K' | 'm' | 's' | 'w' => 2,
        'D' | 'z' => 3,
        'E' | 'e' | 'c' | 'G' | 'L' | 'M' | 'Q' | 'q' | 'X' | 'x' | 'Z' => 5,
        'S' => 9,
        'A' | 'n' | 'N' | 'u' | 'y' | 'Y' => 19,
        'O' | 'V' => 4,
        _ => return Err(TimePatternError::UnknownLetter(letter)),
    };
    let exactly = match letter {
        'V' => Some(&[2][..]),
        'O' => Some(&[1, 4][..]),
        'c' => Some(&[1, 3, 4, 5][..]),
        _ => None,
    };
    if count > most || exactly.is_some_and(|counts| !counts.contains(&count)) {
        return Err(TimePatternError::TooMany(letter));
    }
    Ok(())
}

fn write_field(letter: char, count: usize, at: &ZonedDateTime, text: &mut String) {
    let month = at.month() as usize;
    let quarter = (month - 1) / 3;
    let hour = at.hour() as usize;
    // Days since Sunday.
    let weekday = at.weekday().since(Weekday::Sunday) as usize;
    let nanos_of_day = (at.hour() as u64 * 3600 + at.minute() as u64 * 60 + at.second() as u64)
        * 1_000_000_000
        + at.subsec_nanosecond() as u64;
    let padded = |text: &mut String, value: u64| {
        let _ = write!(text, "{value:0count$}");
    };
    match letter {
        'G' => write_name(count.max(3), ERAS[usize::from(at.year() <= 0)], "AD", text),
        'u' | 'y' => write_year(count, i64::from(at.year()), text),
        'Y' => write_year(count, week_of_year(at).0, text),
        'w' => padded(text, week_of_year(at).1),
        'W' => padded(text, (at.day() as u64 + 6 - weekday as u64).div_ceil(7)),
        'F' => padded(text, (at.day() as u64 - 1) % 7 + 1),
        'D' => padded(text, at.day_of_year() as u64),
        'd' => padded(text, at.day() as u64),
        'M' | 'L' if count < 3 => padded(text, month as u64),
        'M' | 'L' => write_name(count, MONTHS[month - 1], &MONTHS[month - 1][..3], text),
        'Q' | 'q' if count < 3 => padded(text, quarter as u64 + 1),
        'Q' | 'q' => {
            let short = format!("Q{}", quarter + 1);
            write_name(count, QUARTERS[quarter], &short, text);
        }
        'e' | 'c' if count < 3 => padded(text, weekday as u64 + 1),
        'E' | 'e' | 'c' => {
            write_name(count.max(3), WEEKDAYS[weekday], &WEEKDAYS[weekday][..3], text);
        }
        'a' => text.push_str(if hour < 12 { "AM" } else { "PM" }),
        'H' => padded(text, hour as u64),
        'k' => padded(text, if hour == 0 { 24 } else { hour as u64 }),
        'K' => padded(text, hour as u64 % 12),
        'h' => padded(text, (hour as u64 + 11) % 12 + 1),
        'm' => padded(text, at.minute() as u64),
        's' => padded(text, at.second() as u64),
        'S' => text.push_str(&format!("{:09}", at.subsec_nanosecond())[..count]),
        'A' => padded(text, nanos_of_day / 1_000_000),
        'n' => padded(text, at.subsec_nanosecond() as u64),
        'N' => padded(text, nanos_of_day),
        _ => write_zone(letter, count, at, text),
    }
}

/// A year of era or of weeks: two letters mean its last two digits.
fn write_year(count: usize, year: i64, text: &mut String) {
    let _ = match count {
        2 => write!(text, "{:02}", year.rem_euclid(100)),
        _ => write!(text, "{year:0count$}"),
    };
}

/// A name in full (four letters), short (up to three), or its first character (five).
fn write_name(count: usize, full: &str, short: &str, text: &mut String) {
    match count {
        5 => text.extend(full.chars().next()),
        4 => text.push_str(full),
        _ => text.push_str(short),
    }
}

/// The year that a week belongs to, and its number in it.
fn week_of_year(at: &ZonedDateTime) -> (i64, u64) {
    let year = i64::from(at.year());
    let weekday = i64::from(at.weekday().since(Weekday::Sunday));
    let days_in_year = if at.date().in_leap_year() { 366 } else { 365 };
    let day = i64::from(at.day_of_year());
    // The last days of December share a week with the first of January.
    if day + (6 - weekday) > days_in_year {
        return (year + 1, 1);
    }
    let first_weekday = (weekday - (day - 1)).rem_euclid(7);
    (year, ((day - 1 + first_weekday) / 7 + 1) as u64)
}

fn write_zone(letter: char, count: usize, at: &ZonedDateTime, text: &mut String) {
    let seconds = at.offset().seconds();
    let zero_is_z = letter == 'X' || (letter == 'Z' && count == 5);
    let _ = match (letter, count) {
        ('V', _) => write!(text, "{}", at.time_zone().iana_name().unwrap_or("UTC")),
        ('z', _) => {
            let info = at.time_zone().to_offset_info(at.timestamp());
            write!(text, "{}", info.abbreviation())
        }
        _ if seconds == 0 && zero_is_z => write!(text, "Z"),
        ('O', _) | ('Z', 4) if seconds == 0 => write!(text, "GMT"),
        ('O', 1) => write_offset(Offset { prefix: "GMT", hour_width: 1, ..COLONS }, seconds, text),
        ('O', _) | ('Z', 4) => write_offset(Offset { prefix: "GMT", ..COLONS }, seconds, text),
        ('X' | 'x', 1) => write_offset(Offset { minutes: false, ..PLAIN }, seconds, text),
        ('X' | 'x', 3 | 5) | ('Z', 5) => write_offset(COLONS, seconds, text),
        _ => write_offset(PLAIN, seconds, text),
    };
}

/// How an offset from UTC is written.
#[derive(Clone, Copy)]
struct Offset {
    prefix: &'static str,
    hour_width: usize,
    colon: &'static str,
    /// Whether minutes are written when there are none.
    minutes: bool,
}

const PLAIN: Offset = Offset { prefix: "", hour_width: 2, colon: "", minutes: true };
const COLONS: Offset = Offset { colon: ":", minutes: true, ..PLAIN };

fn write_offset(style: Offset, seconds: i32, text: &mut String) -> fmt::Result {
    let Offset { prefix, hour_width, colon, minutes } = style;
    let sign = if seconds < 0 { '-' } else { '+' };
    let (hours, rest) = (seconds.abs() / 3600, seconds.abs() % 3600 / 60);
    write!(text, "{prefix}{sign}{hours:0hour_width$}")?;
    // The short localized form leaves minutes out when there are none, too.
    if rest != 0 || (minutes && hour_width == 2) {
        write!(text, "{colon}{rest:02}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use jiff::tz::{Offset as Zone, TimeZone};

    fn zoned(year: i16, month: i8, day: i8, hour: i8) -> ZonedDateTime {
        date(year, month, day)
            .at(hour, 5, 9, 12_345_678)
            .to_zoned_datetime(TimeZone::UTC)
            .expect("a moment of UTC")
    }

    fn text(pattern: &str, at: &ZonedDateTime) -> String {
        let mut text = String::new();
        TimePattern::parse(pattern).expect(pattern).write(at, &mut text);
        text
    }

    /// Each row as Java 17's `DateTimeFormatter.ofPattern(pattern, Locale.US)` writes
    /// 2026-07-04T15:05:09.012345678Z, a Saturday.
    #[test]
    fn letters_are_java_s() {
        let at = zoned(2026, 7, 4, 15);
        let rows = [
            ("yyyy/MM/dd/HH", "2026/07/04/15"),
            ("y u yy uuuuu", "2026 2026 26 02026"),
            ("M L MMM MMMM MMMMM", "7 7 Jul July J"),
            ("d D DDD F", "4 185 185 4"),
            ("Q QQ QQQ QQQQ", "3 03 Q3 3rd quarter"),
            ("E EEEE EEEEE e ee eee c", "Sat Saturday S 7 07 Sat 7"),
            ("Y w ww W", "2026 27 27 1"),
            ("h hh H k K a", "3 03 15 15 3 PM"),
            ("m mm s ss", "5 05 9 09"),
            ("S SSS SSSSSSSSS n", "0 012 012345678 12345678"),
            ("A N", "54309012 54309012345678"),
            ("G GGGG", "AD Anno Domini"),
            ("X XX XXX x xx xxx Z ZZZZ ZZZZZ O OOOO", "Z Z Z +00 +0000 +00:00 +0000 GMT Z GMT GMT"),
            ("VV z", "UTC UTC"),
            ("'year='yyyy'/it''s'", "year=2026/it's"),
            ("''yy''", "'26'"),
            ("yyyy[-MM]", "2026-07"),
            ("pppd|ppH", "  4|15"),
            ("yyyy-MM-dd'T'HH:mm:ss.SSSZ", "2026-07-04T15:05:09.012+0000"),
        ];
        for (pattern, expected) in rows {
            assert_eq!(text(pattern, &at), expected, "{pattern}");
        }
    }

    #[test]
    fn midnight_and_noon() {
        assert_eq!(text("h H k K a", &zoned(2026, 1, 1, 0)), "12 0 24 0 AM");
        assert_eq!(text("h H k K a", &zoned(2026, 1, 1, 12)), "12 12 12 0 PM");
    }

    #[test]
    fn weeks_are_american() {
        // 2026 begins on a Thursday; the Sunday before is in its first week.
        assert_eq!(text("Y-w", &zoned(2025, 12, 27, 0)), "2025-52");
        assert_eq!(text("Y-w", &zoned(2025, 12, 28, 0)), "2026-1");
        assert_eq!(text("Y-w", &zoned(2026, 1, 3, 0)), "2026-1");
        assert_eq!(text("Y-w", &zoned(2026, 1, 4, 0)), "2026-2");
        // 2000 ended on a Sunday.
        assert_eq!(text("Y-w", &zoned(2000, 12, 30, 0)), "2000-53");
        assert_eq!(text("Y-w", &zoned(2000, 12, 31, 0)), "2001-1");
    }

    #[test]
    fn offsets_of_half_hours() {
        let at = zoned(2026, 7, 4, 0).with_time_zone(TimeZone::fixed(Zone::constant(-3)));
        assert_eq!(text("X XX XXX x O OOOO Z", &at), "-03 -0300 -03:00 -03 GMT-3 GMT-03:00 -0300");
        let half = Zone::from_seconds(5 * 3600 + 1800).expect("India's offset");
        let at = at.with_time_zone(TimeZone::fixed(half));
        assert_eq!(text("X XXX O OOOO", &at), "+0530 +05:30 GMT+5:30 GMT+05:30");
    }

    #[test]
    fn what_java_refuses_is_refused() {
        for (pattern, why) in [
            ("yyyy-J", TimePatternError::UnknownLetter('J')),
            ("ddd", TimePatternError::TooMany('d')),
            ("V", TimePatternError::TooMany('V')),
            ("'open", TimePatternError::Unbalanced('\'')),
            ("yyyy]", TimePatternError::Unbalanced(']')),
            ("{yyyy}", TimePatternError::Reserved('{')),
            ("pp-d", TimePatternError::TooMany('p')),
        ] {
            assert_eq!(TimePattern::parse(pattern), Err(why), "{pattern}");
        }
    }
}
