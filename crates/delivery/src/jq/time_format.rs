//! glibc's `strftime` in the C locale, in UTC.

use std::fmt::Write;

/// Days in 54 weeks: more than any day of the year is below zero.
const WEEKS_ENOUGH_DAYS: i64 = 378;
/// Composite conversions contain no other composites but these.
const COMPOSITE_DEPTH_MAX: u8 = 2;

pub(super) const WEEK_DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
pub(super) const MONTHS: [&str; 12] = [
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
/// Letters of an abbreviated name.
pub(super) const ABBREVIATED: usize = 3;

/// C's `struct tm`, but for the year, which is the year.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TimeFields {
    pub(super) year: i64,
    /// From zero.
    pub(super) month: i64,
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    /// From Sunday, zero.
    pub(super) week_day: i64,
    /// From zero.
    pub(super) year_day: i64,
}

/// How a conversion is laid out.
#[derive(Clone, Copy, Default)]
struct Layout {
    padding: Option<char>,
    width: usize,
    upper: bool,
    swap: bool,
}

impl Layout {
    fn text(self, text: &str, out: &mut String) {
        let missing = self.width.saturating_sub(text.len());
        let filler = if self.padding == Some('0') { '0' } else { ' ' };
        out.extend(std::iter::repeat_n(filler, missing));
        if self.upper {
            out.push_str(&text.to_ascii_uppercase());
        } else {
            out.push_str(text);
        }
    }

    fn number(self, digits: usize, number: i64, out: &mut String) {
        let text = number.unsigned_abs().to_string();
        let sign = if number < 0 { "-" } else { "" };
        let digits = digits.max(self.width);
        let missing = digits.saturating_sub(text.len() + sign.len());
        match self.padding {
            Some('-') => self.text(&format!("{sign}{text}"), out),
            Some('_') => {
                out.extend(std::iter::repeat_n(' ', missing));
                let _ = write!(out, "{sign}{text}");
            }
            _ => {
                out.push_str(sign);
                out.extend(std::iter::repeat_n('0', missing));
                out.push_str(&text);
            }
        }
    }

    /// A number that is filled up with spaces unless the format says otherwise.
    fn spaced(mut self, digits: usize, number: i64, out: &mut String) {
        self.padding = self.padding.or(Some('_'));
        self.number(digits, number, out);
    }
}

/// The fields in a format, or `None` if they take `room` bytes or more.
pub(super) fn format_fields(fields: &TimeFields, format: &str, room: usize) -> Option<String> {
    let mut out = String::new();
    write_format(fields, format, room, 0, &mut out)?;
    Some(out)
}

fn write_format(
    fields: &TimeFields,
    format: &str,
    room: usize,
    depth: u8,
    out: &mut String,
) -> Option<()> {
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let conversion = &rest[at..];
        let after = &conversion[1..];
        let (mut layout, length) = flags(after);
        let digits = after[length..].find(|c: char| !c.is_ascii_digit());
        let digits = digits.unwrap_or(after.len() - length);
        layout.width = match &after[length..length + digits] {
            "" => 0,
            width => width.parse().unwrap_or(usize::MAX),
        };
        if layout.width >= room {
            return None;
        }
        let mut end = length + digits;
        let modifier = after[end..].chars().next().filter(|c| matches!(c, 'E' | 'O'));
        end += usize::from(modifier.is_some());
        let letter = after[end..].chars().next();
        if modifier.is_some() && letter == Some('%') {
            // glibc looks back for the beginning of this, and finds its end.
            out.push('%');
            rest = &after[end + 1..];
            continue;
        }
        end += letter.map_or(0, char::len_utf8);
        let is_known = letter.is_some_and(|letter| takes(letter, modifier));
        let known = letter.filter(|_| is_known);
        let written = match known {
            Some(letter) => convert(fields, letter, layout, room, depth, out)?,
            None => false,
        };
        if !written {
            out.push_str(&conversion[..=end]);
        }
        if out.len() >= room {
            return None;
        }
        rest = &after[end..];
    }
    out.push_str(rest);
    (out.len() < room).then_some(())
}

fn flags(text: &str) -> (Layout, usize) {
    let mut layout = Layout::default();
    let mut length = 0;
    for flag in text.chars() {
        match flag {
            '_' | '-' | '0' => layout.padding = Some(flag),
            '^' => layout.upper = true,
            '#' => layout.swap = true,
            _ => break,
        }
        length += 1;
    }
    (layout, length)
}

/// Whether a conversion has such a modifier; it changes nothing in the C locale.
fn takes(letter: char, modifier: Option<char>) -> bool {
    let refused = match modifier {
        Some('E') => "aAbhBDdeFHIkljMmSUVgGWw",
        Some(_) => "aAcxDFXY",
        None => "",
    };
    !refused.contains(letter)
}

/// Writes one conversion; false if there is no such.
fn convert(
    fields: &TimeFields,
    letter: char,
    mut layout: Layout,
    room: usize,
    depth: u8,
    out: &mut String,
) -> Option<bool> {
    if let Some(format) = composite(letter) {
        let mut text = String::new();
        if depth < COMPOSITE_DEPTH_MAX {
            write_format(fields, format, room, depth + 1, &mut text)?;
        }
        layout.text(&text, out);
        return Some(true);
    }
    let name = |names: &[&'static str], index: i64| {
        usize::try_from(index).ok().and_then(|index| names.get(index).copied()).unwrap_or("?")
    };
    let short = |name: &'static str| &name[..name.len().min(ABBREVIATED)];
    match letter {
        'a' | 'A' | 'b' | 'B' | 'h' => {
            layout.upper |= layout.swap;
            let name = match letter {
                'a' => short(name(&WEEK_DAYS, fields.week_day)),
                'A' => name(&WEEK_DAYS, fields.week_day),
                'B' => name(&MONTHS, fields.month),
                _ => short(name(&MONTHS, fields.month)),
            };
            layout.text(name, out);
        }
        'p' | 'P' => {
            let is_lower = letter == 'P' || layout.swap;
            let half = match (fields.hour > 11, is_lower) {
                (true, true) => "pm",
                (true, false) => "PM",
                (false, true) => "am",
                (false, false) => "AM",
            };
            layout.upper &= !is_lower;
            layout.text(half, out);
        }
        'Z' => {
            layout.upper &= !layout.swap;
            layout.text(if layout.swap { "utc" } else { "UTC" }, out);
        }
        'z' => {
            layout.text("+", out);
            layout.number(4, 0, out);
        }
        'n' => layout.text("\n", out),
        't' => layout.text("\t", out),
        '%' => layout.text("%", out),
        _ => return Some(convert_number(fields, letter, layout, out)),
    }
    Some(true)
}

fn composite(letter: char) -> Option<&'static str> {
    Some(match letter {
        'c' => "%a %b %e %H:%M:%S %Y",
        'D' | 'x' => "%m/%d/%y",
        'F' => "%Y-%m-%d",
        'R' => "%H:%M",
        'r' => "%I:%M:%S %p",
        'T' | 'X' => "%H:%M:%S",
        _ => return None,
    })
}

fn convert_number(fields: &TimeFields, letter: char, layout: Layout, out: &mut String) -> bool {
    let hour = match fields.hour {
        0 => 12,
        hour if hour > 12 => hour - 12,
        hour => hour,
    };
    let (week_day, year_day) = (fields.week_day, fields.year_day);
    match letter {
        'C' => layout.number(1, fields.year.div_euclid(100), out),
        'd' => layout.number(2, fields.day, out),
        'e' => layout.spaced(2, fields.day, out),
        'H' => layout.number(2, fields.hour, out),
        'I' => layout.number(2, hour, out),
        'k' => layout.spaced(2, fields.hour, out),
        'l' => layout.spaced(2, hour, out),
        'j' => layout.number(3, year_day + 1, out),
        'm' => layout.number(2, fields.month + 1, out),
        'M' => layout.number(2, fields.minute, out),
        'S' => layout.number(2, fields.second, out),
        's' => layout.text(&fields.seconds().to_string(), out),
        'u' => layout.number(1, (week_day - 1 + 7) % 7 + 1, out),
        'w' => layout.number(1, week_day, out),
        'U' => layout.number(2, (year_day - week_day + 7) / 7, out),
        'W' => layout.number(2, (year_day - (week_day - 1 + 7) % 7 + 7) / 7, out),
        'y' => layout.number(2, fields.year.rem_euclid(100), out),
        'Y' => layout.number(1, fields.year, out),
        'g' => layout.number(2, iso_week(fields).0.rem_euclid(100), out),
        'G' => layout.number(1, iso_week(fields).0, out),
        'V' => layout.number(2, iso_week(fields).1, out),
        _ => return false,
    }
    true
}

pub(super) fn days_in_year(year: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    365 + i64::from(is_leap)
}

/// The year and the week of ISO 8601.
fn iso_week(fields: &TimeFields) -> (i64, i64) {
    // Days since the Monday of the first week, which has the year's first Thursday.
    let days_into =
        |year_day: i64| year_day - (year_day - fields.week_day + 4 + WEEKS_ENOUGH_DAYS) % 7 + 3;
    let (year, days) = (fields.year, days_into(fields.year_day));
    if days < 0 {
        let days = days_into(fields.year_day + days_in_year(year - 1));
        return (year - 1, days / 7 + 1);
    }
    match days_into(fields.year_day - days_in_year(year)) {
        next if next >= 0 => (year + 1, next / 7 + 1),
        _ => (year, days / 7 + 1),
    }
}
