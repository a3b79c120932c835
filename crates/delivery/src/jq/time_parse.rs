//! glibc's `strptime` in the C locale.

use super::dates::{day_of_week, days_to_month, fields_of};
use super::time_format::{ABBREVIATED, MONTHS, TimeFields, WEEK_DAYS};

/// What jq has in the place of a day of the week that is not known.
const NO_WEEK_DAY: i64 = 8;
/// What jq has in the place of a day of the year that is not known.
const NO_YEAR_DAY: i64 = 367;
/// Composite conversions contain no composites.
const COMPOSITE_DEPTH_MAX: u8 = 2;

/// Reads a text by a format: its fields, and the rest of the text.
pub(super) fn parse_fields<'t>(text: &'t str, format: &str) -> Option<(TimeFields, &'t str)> {
    let fields = TimeFields {
        year: 1900,
        week_day: NO_WEEK_DAY,
        year_day: NO_YEAR_DAY,
        ..TimeFields::default()
    };
    let mut parser = Parser { text, at: 0, fields, known: Known::default() };
    parser.parse(format.as_bytes(), 0)?;
    parser.complete();
    Some((parser.fields, text.get(parser.at..)?))
}

/// What has been read, of what the rest may follow from.
#[derive(Default)]
struct Known {
    hour_of_half: bool,
    afternoon: bool,
    /// Whether a date was read that has a day of the week and of the year.
    date: bool,
    week_day: bool,
    year_day: bool,
    month: bool,
    day: bool,
    century: Option<i64>,
    year_of_century: bool,
    week: Option<Week>,
}

struct Week {
    number: i64,
    from_sunday: bool,
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    fields: TimeFields,
    known: Known,
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | 9..=13)
}

impl Parser<'_> {
    fn rest(&self) -> &[u8] {
        &self.text.as_bytes()[self.at..]
    }

    fn skip_spaces(&mut self) {
        self.at += self.rest().iter().take_while(|byte| is_space(**byte)).count();
    }

    fn parse(&mut self, format: &[u8], depth: u8) -> Option<()> {
        let mut at = 0;
        while let Some(&byte) = format.get(at) {
            at += 1;
            if is_space(byte) {
                self.skip_spaces();
                continue;
            }
            if byte != b'%' {
                self.take(byte)?;
                continue;
            }
            while matches!(format.get(at)?, b'-' | b'_' | b'0' | b'^' | b'#') {
                at += 1;
            }
            let mut letter = *format.get(at)?;
            at += 1;
            if matches!(letter, b'E' | b'O') {
                let allowed: &[u8] = if letter == b'E' { b"cCyYxX" } else { b"bBdeHImMSUVwWy" };
                letter = *format.get(at).filter(|letter| allowed.contains(letter))?;
                at += 1;
            }
            self.convert(letter, depth)?;
        }
        Some(())
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        let is_it = self.rest().first() == Some(&byte);
        self.at += usize::from(is_it);
        is_it.then_some(())
    }

    /// A number of so many digits at most. It ends where a further digit would make it too large.
    fn number(&mut self, from: i64, upto: i64, digits: usize) -> Option<i64> {
        self.skip_spaces();
        let mut number = 0;
        let mut count = 0;
        while let Some(&digit) = self.rest().first().filter(|byte| byte.is_ascii_digit()) {
            if count > 0 && (count >= digits || number * 10 > upto) {
                break;
            }
            number = number * 10 + i64::from(digit - b'0');
            count += 1;
            self.at += 1;
        }
        (count > 0 && (from..=upto).contains(&number)).then_some(number)
    }

    /// The index of a name, in full or abbreviated, in any case.
    fn name(&mut self, names: &[&str]) -> Option<i64> {
        let rest = self.rest();
        let begins = |name: &str| {
            rest.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()))
        };
        let found = names.iter().enumerate().find_map(|(index, name)| {
            let short = &name[..ABBREVIATED];
            let length = if begins(name) { name.len() } else { ABBREVIATED };
            begins(short).then_some((index, length))
        });
        let (index, length) = found?;
        self.at += length;
        Some(index as i64)
    }

    fn convert(&mut self, letter: u8, depth: u8) -> Option<()> {
        let composite: &[u8] = match letter {
            b'c' => b"%a %b %e %H:%M:%S %Y",
            b'D' | b'x' => b"%m/%d/%y",
            b'F' => b"%Y-%m-%d",
            b'R' => b"%H:%M",
            b'r' => b"%I:%M:%S %p",
            b'T' | b'X' => b"%H:%M:%S",
            _ => b"",
        };
        if !composite.is_empty() {
            if depth >= COMPOSITE_DEPTH_MAX {
                return None;
            }
            self.known.date |= matches!(letter, b'D' | b'x' | b'F');
            return self.parse(composite, depth + 1);
        }
        match letter {
            b'%' => self.take(b'%')?,
            b'n' | b't' => self.skip_spaces(),
            b'p' => {
                self.known.afternoon = self.half()? == 1;
            }
            b'z' => self.zone()?,
            b'Z' => {
                self.skip_spaces();
                self.at += self.rest().iter().take_while(|byte| !is_space(**byte)).count();
            }
            b's' => self.epoch()?,
            b'H' | b'k' | b'I' | b'l' | b'M' | b'S' => self.time_of_day(letter)?,
            _ => self.date(letter)?,
        }
        Some(())
    }

    fn half(&mut self) -> Option<i64> {
        let half = self.rest().get(..2)?.to_ascii_uppercase();
        let index = [b"AM", b"PM"].iter().position(|name| half == *name)?;
        self.at += 2;
        Some(index as i64)
    }

    fn zone(&mut self) -> Option<()> {
        self.skip_spaces();
        match self.rest().first()? {
            b'Z' => {
                self.at += 1;
                return Some(());
            }
            b'+' | b'-' => self.at += 1,
            _ => return None,
        }
        let (mut digits, mut number) = (0, 0);
        while digits < 4 {
            let Some(digit) = self.rest().first().filter(|byte| byte.is_ascii_digit()) else {
                break;
            };
            number = number * 10 + i64::from(digit - b'0');
            digits += 1;
            self.at += 1;
            let is_colon = matches!(self.rest(), [b':', b'0'..=b'9', ..]);
            self.at += usize::from(digits == 2 && is_colon);
        }
        match digits {
            2 => Some(()),
            4 if number % 100 < 60 => Some(()),
            _ => None,
        }
    }

    fn epoch(&mut self) -> Option<()> {
        let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        let seconds: i64 = self.text.get(self.at..self.at + digits)?.parse().ok()?;
        self.at += digits;
        self.fields = fields_of(seconds)?;
        Some(())
    }

    fn time_of_day(&mut self, letter: u8) -> Option<()> {
        match letter {
            b'H' | b'k' => {
                self.fields.hour = self.number(0, 23, 2)?;
                self.known.hour_of_half = false;
            }
            b'I' | b'l' => {
                self.fields.hour = self.number(1, 12, 2)? % 12;
                self.known.hour_of_half = true;
            }
            b'M' => self.fields.minute = self.number(0, 59, 2)?,
            _ => self.fields.second = self.number(0, 61, 2)?,
        }
        Some(())
    }

    fn date(&mut self, letter: u8) -> Option<()> {
        match letter {
            b'a' | b'A' => {
                self.fields.week_day = self.name(&WEEK_DAYS)?;
                self.known.week_day = true;
            }
            b'b' | b'B' | b'h' => {
                self.fields.month = self.name(&MONTHS)?;
                (self.known.month, self.known.date) = (true, true);
            }
            b'm' => {
                self.fields.month = self.number(1, 12, 2)? - 1;
                (self.known.month, self.known.date) = (true, true);
            }
            b'd' | b'e' => {
                self.fields.day = self.number(1, 31, 2)?;
                (self.known.day, self.known.date) = (true, true);
            }
            b'j' => {
                self.fields.year_day = self.number(1, 366, 3)? - 1;
                self.known.year_day = true;
            }
            b'u' => {
                self.fields.week_day = self.number(1, 7, 1)? % 7;
                self.known.week_day = true;
            }
            b'w' => {
                self.fields.week_day = self.number(0, 6, 1)?;
                self.known.week_day = true;
            }
            b'g' => {
                self.number(0, 99, 2)?;
            }
            b'V' => {
                self.number(0, 53, 2)?;
            }
            b'G' => {
                let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
                self.at += if digits > 0 { digits } else { return None };
            }
            b'U' | b'W' => {
                let number = self.number(0, 53, 2)?;
                self.known.week = Some(Week { number, from_sunday: letter == b'U' });
            }
            b'C' => {
                self.known.century = Some(self.number(0, 99, 2)?);
                self.known.date = true;
            }
            b'y' => {
                let year = self.number(0, 99, 2)?;
                self.fields.year = if year >= 69 { 1900 + year } else { 2000 + year };
                (self.known.year_of_century, self.known.date) = (true, true);
            }
            b'Y' => {
                self.fields.year = self.number(0, 9999, 4)?;
                self.known.century = None;
                (self.known.year_of_century, self.known.date) = (false, true);
            }
            _ => return None,
        }
        Some(())
    }

    /// Computes what follows from what was read.
    fn complete(&mut self) {
        if self.known.hour_of_half && self.known.afternoon {
            self.fields.hour += 12;
        }
        if let Some(century) = self.known.century {
            let of_century = if self.known.year_of_century { self.fields.year % 100 } else { 0 };
            self.fields.year = century * 100 + of_century;
        }
        if self.known.date && !self.known.week_day {
            if !(self.known.month && self.known.day) && self.known.year_day {
                self.complete_from_year_day();
                (self.known.month, self.known.day) = (true, true);
            }
            self.fields.week_day = day_of_week(self.days());
        }
        if self.known.date && !self.known.year_day {
            self.fields.year_day = self.days() - days_to_month(self.fields.year, 0);
        }
        if self.known.week_day
            && let Some(week) = self.known.week.take()
        {
            self.complete_from_week(&week);
        }
    }

    fn days(&self) -> i64 {
        days_to_month(self.fields.year, self.fields.month) + self.fields.day - 1
    }

    fn complete_from_year_day(&mut self) {
        let (year, day) = (self.fields.year, self.fields.year_day);
        let begins = |month| days_to_month(year, month) - days_to_month(year, 0);
        let month = (0..12).rev().find(|month| begins(*month) <= day).unwrap_or(0);
        if !self.known.month {
            self.fields.month = month;
        }
        if !self.known.day {
            self.fields.day = day - begins(month) + 1;
        }
    }

    fn complete_from_week(&mut self, week: &Week) {
        let offset = i64::from(!week.from_sunday);
        if !self.known.year_day {
            let first = day_of_week(days_to_month(self.fields.year, 0));
            self.fields.year_day = (7 - (first - offset)) % 7
                + (week.number - 1) * 7
                + (self.fields.week_day - offset + 7) % 7;
        }
        if !(self.known.day && self.known.month) {
            self.complete_from_year_day();
        }
    }
}
