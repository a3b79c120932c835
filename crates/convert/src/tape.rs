//! A record's JSON, read once into a flat list of its values, which are then visited in the order of
//! the table's columns. What is no JSON is refused as AWS refuses it, which is in Jackson's words.

use std::borrow::Cow;
use std::fmt::Write;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    True,
    False,
    /// A number without a point or an exponent.
    Integer,
    /// A number with either.
    Fraction,
    /// A string without escapes, or a member's name.
    Plain,
    /// A string with escapes, or a member's name.
    Escaped,
    Array,
    Object,
}

/// One value. A member of an object is two: its name, and its value.
#[derive(Clone, Copy, Debug)]
struct Node {
    kind: Kind,
    /// Where its text begins and ends, without quotes.
    start: u32,
    end: u32,
    /// The node after it and all that is in it.
    next: u32,
}

/// The values of a record. Its memory is used again for the next one.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    nodes: Vec<Node>,
    /// The arrays and objects that are not closed yet.
    open: Vec<u32>,
}

/// A value of a record.
#[derive(Clone, Copy)]
pub(crate) struct Value<'a> {
    nodes: &'a [Node],
    text: &'a str,
    at: u32,
}

impl Tape {
    /// Reads a record: one or more values, one after the other.
    ///
    /// # Errors
    /// Jackson's words for what is wrong, and where.
    pub(crate) fn read(&mut self, record: &[u8]) -> Result<(), String> {
        self.nodes.clear();
        self.open.clear();
        let bytes = record.strip_prefix(b"\xef\xbb\xbf").unwrap_or(record);
        let valid = match std::str::from_utf8(bytes) {
            Ok(_) => bytes,
            Err(error) => &bytes[..error.valid_up_to()],
        };
        let mut scanner = Scanner { bytes, valid, at: 0, tape: self };
        scanner.document()
    }

    /// The values at the top of the record that was read, which must be the same bytes.
    pub(crate) fn roots<'a>(&'a self, record: &'a [u8]) -> impl Iterator<Item = Value<'a>> {
        let bytes = record.strip_prefix(b"\xef\xbb\xbf").unwrap_or(record);
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        let value = |at| Value { nodes: &self.nodes, text, at };
        let mut next = 0;
        std::iter::from_fn(move || {
            let node = self.nodes.get(next as usize)?;
            let at = std::mem::replace(&mut next, node.next);
            Some(value(at))
        })
    }

    /// Bytes of memory that are kept for the next record.
    pub(crate) fn held_bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>() + self.open.capacity() * size_of::<u32>()
    }
}

impl<'a> Value<'a> {
    fn node(&self) -> &'a Node {
        &self.nodes[self.at as usize]
    }

    pub(crate) fn kind(&self) -> Kind {
        self.node().kind
    }

    pub(crate) fn is_null(&self) -> bool {
        self.kind() == Kind::Null
    }

    pub(crate) fn is_nested(&self) -> bool {
        matches!(self.kind(), Kind::Array | Kind::Object)
    }

    pub(crate) fn is_text(&self) -> bool {
        matches!(self.kind(), Kind::Plain | Kind::Escaped)
    }

    /// As the record has it, strings without their quotes.
    pub(crate) fn raw(&self) -> &'a str {
        &self.text[self.node().start as usize..self.node().end as usize]
    }

    /// The text of a string, or the number or word as it is written.
    pub(crate) fn text(&self) -> Cow<'a, str> {
        match self.kind() {
            Kind::Escaped => Cow::Owned(unescaped(self.raw())),
            _ => Cow::Borrowed(self.raw()),
        }
    }

    /// The value of the same record whose place is `at`.
    pub(crate) fn at(&self, at: u32) -> Value<'a> {
        Value { at, ..*self }
    }

    pub(crate) fn place(&self) -> u32 {
        self.at
    }

    /// What an array holds, or the names and values of an object, one after the other.
    pub(crate) fn children(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let whole = *self;
        let end = whole.node().next;
        let mut next = whole.at + 1;
        std::iter::from_fn(move || {
            if next >= end {
                return None;
            }
            let child = whole.at(next);
            next = child.node().next;
            Some(child)
        })
    }

    /// An object's members.
    pub(crate) fn members(&self) -> impl Iterator<Item = (Value<'a>, Value<'a>)> + use<'a> {
        let mut children = self.children();
        std::iter::from_fn(move || Some((children.next()?, children.next()?)))
    }

    /// Writes the value as JSON without spaces, the names of members in lower case if asked for.
    /// Numbers and strings stay as they are written.
    pub(crate) fn write_json(&self, lower_names: bool, json: &mut String) {
        // The ends of what is open, and whether it is an object.
        let mut open: Vec<(u32, bool)> = Vec::new();
        let end = self.node().next;
        let mut at = self.at;
        let mut is_name = false;
        let mut is_first = true;
        while at < end {
            let value = self.at(at);
            let in_object = open.last().is_some_and(|(_, is_object)| *is_object);
            is_name = in_object && !is_name;
            if !is_first && (is_name || !in_object) {
                json.push(',');
            }
            is_first = false;
            match value.kind() {
                Kind::Array | Kind::Object => {
                    let is_object = value.kind() == Kind::Object;
                    json.push(if is_object { '{' } else { '[' });
                    open.push((value.node().next, is_object));
                    is_first = true;
                    is_name = false;
                }
                Kind::Plain | Kind::Escaped => {
                    let lower = (is_name && lower_names).then(|| lower_escaped(value.raw()));
                    let text = lower.as_deref().unwrap_or(value.raw());
                    let _ = write!(json, "\"{text}\"{}", if is_name { ":" } else { "" });
                    is_first = is_name;
                }
                _ => json.push_str(value.raw()),
            }
            at += 1;
            while open.last().is_some_and(|(end, _)| *end <= at) {
                let is_object = open.pop().is_some_and(|(_, is_object)| is_object);
                json.push(if is_object { '}' } else { ']' });
                is_first = false;
                is_name = false;
            }
        }
    }
}

/// Lower case, but for the letters of escapes: `\N` would be none.
fn lower_escaped(raw: &str) -> String {
    match raw.contains('\\') {
        false => raw.to_lowercase(),
        true => {
            let lower = unescaped(raw).to_lowercase();
            let quoted = serde_json::to_string(&lower).unwrap_or_default();
            quoted[1..quoted.len() - 1].to_owned()
        }
    }
}

/// The text that a string with valid escapes means. Half a surrogate pair is no character, and
/// becomes the replacement character.
fn unescaped(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let letter = rest.as_bytes()[at + 1];
        rest = &rest[at + 2..];
        match letter {
            b'b' => text.push('\u{8}'),
            b'f' => text.push('\u{c}'),
            b'n' => text.push('\n'),
            b'r' => text.push('\r'),
            b't' => text.push('\t'),
            b'u' => {
                let (letter, length) = unicode(rest);
                text.push(letter);
                rest = &rest[length..];
            }
            letter => text.push(letter as char),
        }
    }
    text.push_str(rest);
    text
}

/// The character after `\u`, and how many bytes it takes.
fn unicode(rest: &str) -> (char, usize) {
    let unit = |text: &str| text.get(..4).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    let high = unit(rest).unwrap_or(0xfffd);
    let low = rest.get(4..).and_then(|rest| rest.strip_prefix("\\u")).and_then(unit);
    if let (0xd800..=0xdbff, Some(low @ 0xdc00..=0xdfff)) = (high, low) {
        let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        return (char::from_u32(code).unwrap_or('\u{fffd}'), 10);
    }
    (char::from_u32(high).unwrap_or('\u{fffd}'), 4)
}

/// What may come next.
enum State {
    /// A value.
    Value,
    /// A value, or the end of the array.
    FirstElement,
    /// A name.
    Name,
    /// A name, or the end of the object.
    FirstName,
    /// A comma, the end of what is open, or the end of a value at the top.
    AfterValue,
}

struct Scanner<'a> {
    /// The whole record.
    bytes: &'a [u8],
    /// What of it is UTF-8.
    valid: &'a [u8],
    at: usize,
    tape: &'a mut Tape,
}

impl Scanner<'_> {
    fn document(&mut self) -> Result<(), String> {
        if self.blank()?.is_none() {
            return Err("No content to map due to end-of-input".to_owned() + &self.location(0));
        }
        while self.blank()?.is_some() {
            self.root()?;
        }
        Ok(())
    }

    /// One value at the top, with all that is in it.
    fn root(&mut self) -> Result<(), String> {
        let mut state = State::Value;
        loop {
            let Some(byte) = self.blank()? else { return Err(self.unclosed()) };
            state = match state {
                State::FirstElement if byte == b']' => self.close(),
                State::FirstName if byte == b'}' => self.close(),
                State::Value | State::FirstElement => self.value(byte)?,
                State::Name | State::FirstName => {
                    if byte != b'"' {
                        let wanted = "was expecting double-quote to start field name";
                        return Err(self.unexpected(wanted));
                    }
                    self.string("field name")?;
                    if self.blank()? != Some(b':') {
                        let wanted = "was expecting a colon to separate field name and value";
                        return Err(self.unexpected(wanted));
                    }
                    self.at += 1;
                    State::Value
                }
                State::AfterValue => self.after_value(byte)?,
            };
            if self.tape.open.is_empty() && matches!(state, State::AfterValue) {
                return Ok(());
            }
        }
    }

    fn after_value(&mut self, byte: u8) -> Result<State, String> {
        let is_object = self.is_in_object();
        match (byte, is_object) {
            (b',', true) => {
                self.at += 1;
                Ok(State::Name)
            }
            (b',', false) => {
                self.at += 1;
                Ok(State::Value)
            }
            (b'}', true) | (b']', false) => Ok(self.close()),
            (b'}' | b']', _) => {
                let (found, wanted, of) = match is_object {
                    true => (']', '}', "OBJECT"),
                    false => ('}', ']', "ARRAY"),
                };
                let start = self.start_of_open();
                let message = format!(
                    "Unexpected close marker '{found}': expected '{wanted}' (for {of} starting at {start})"
                );
                self.at += 1;
                Err(message + &self.location(self.at))
            }
            (_, true) => Err(self.unexpected("was expecting comma to separate Object entries")),
            (_, false) => Err(self.unexpected("was expecting comma to separate Array entries")),
        }
    }

    fn value(&mut self, byte: u8) -> Result<State, String> {
        match byte {
            b'{' | b'[' => {
                let is_object = byte == b'{';
                self.tape.open.push(self.tape.nodes.len() as u32);
                self.push(if is_object { Kind::Object } else { Kind::Array }, self.at, self.at + 1);
                self.at += 1;
                return Ok(if is_object { State::FirstName } else { State::FirstElement });
            }
            b'"' => self.string("VALUE_STRING")?,
            b'-' | b'0'..=b'9' => self.number()?,
            b't' => self.word("true", Kind::True)?,
            b'f' => self.word("false", Kind::False)?,
            b'n' => self.word("null", Kind::Null)?,
            _ => return Err(self.no_value(byte)),
        }
        Ok(State::AfterValue)
    }

    fn close(&mut self) -> State {
        self.at += 1;
        let next = self.tape.nodes.len() as u32;
        if let Some(opened) = self.tape.open.pop() {
            let node = &mut self.tape.nodes[opened as usize];
            node.next = next;
            node.end = self.at as u32;
        }
        State::AfterValue
    }

    fn push(&mut self, kind: Kind, start: usize, end: usize) {
        let next = self.tape.nodes.len() as u32 + 1;
        self.tape.nodes.push(Node { kind, start: start as u32, end: end as u32, next });
    }

    /// Skips what is blank: the next byte, unless the record ends.
    fn blank(&mut self) -> Result<Option<u8>, String> {
        loop {
            let Some(byte) = self.valid.get(self.at) else { return self.end().map(|()| None) };
            match byte {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                0..b' ' => {
                    self.at += 1;
                    let message = format!(
                        "Illegal character ((CTRL-CHAR, code {byte})): only regular white space \
                         (\\r, \\n, \\t) is allowed between tokens"
                    );
                    return Err(message + &self.location(self.at));
                }
                byte => return Ok(Some(*byte)),
            }
        }
    }

    /// Nothing is wrong with the end, unless what follows is no UTF-8.
    fn end(&self) -> Result<(), String> {
        let rest = &self.bytes[self.valid.len()..];
        let Some(start) = rest.first() else { return Ok(()) };
        let length = match start {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => {
                let message = format!("Invalid UTF-8 start byte 0x{start:x}");
                return Err(message + &self.location(self.valid.len() + 1));
            }
        };
        let middle = rest[1..].iter().take(length - 1).position(|byte| byte & 0xc0 != 0x80);
        let at = match middle {
            Some(index) => self.valid.len() + 1 + index,
            None if rest.len() < length => self.bytes.len(),
            // A character written in too many bytes, or half of a pair.
            None => self.valid.len() + 1,
        };
        match self.bytes.get(at) {
            Some(byte) => {
                let message = format!("Invalid UTF-8 middle byte 0x{byte:x}");
                Err(message + &self.location(at + 1))
            }
            None => Err("Unexpected end-of-input in VALUE_STRING".to_owned() + &self.location(at)),
        }
    }

    fn string(&mut self, what: &str) -> Result<(), String> {
        let start = self.at + 1;
        let mut kind = Kind::Plain;
        self.at = start;
        loop {
            self.at += plain_bytes(&self.valid[self.at..]);
            let Some(byte) = self.valid.get(self.at) else {
                self.end()?;
                let message = format!("Unexpected end-of-input in {what}");
                return Err(message + &self.location(self.at));
            };
            match byte {
                b'"' => break,
                b'\\' => {
                    kind = Kind::Escaped;
                    self.escape()?;
                }
                byte => {
                    let of = if what == "field name" { "name" } else { "string value" };
                    let message = format!(
                        "Illegal unquoted character ((CTRL-CHAR, code {byte})): has to be escaped \
                         using backslash to be included in {of}"
                    );
                    return Err(message + &self.location(self.at + 1));
                }
            }
        }
        self.push(kind, start, self.at);
        self.at += 1;
        Ok(())
    }

    /// An escape, from its backslash on.
    fn escape(&mut self) -> Result<(), String> {
        self.at += 1;
        let ended = "Unexpected end-of-input in character escape sequence";
        let Some(letter) = self.valid.get(self.at) else {
            self.end()?;
            return Err(ended.to_owned() + &self.location(self.at));
        };
        match letter {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
            b'u' => {
                for _ in 0..4 {
                    self.at += 1;
                    match self.valid.get(self.at) {
                        Some(digit) if digit.is_ascii_hexdigit() => {}
                        Some(_) => {
                            let wanted = "expected a hex-digit for character escape sequence";
                            return Err(self.unexpected(wanted));
                        }
                        None => {
                            self.end()?;
                            return Err(ended.to_owned() + &self.location(self.at));
                        }
                    }
                }
                self.at += 1;
            }
            _ => {
                let described = described(self.letter());
                let message = format!("Unrecognized character escape {described}");
                return Err(message + &self.location(self.at + 1));
            }
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), String> {
        let start = self.at;
        let mut kind = Kind::Integer;
        if self.valid[self.at] == b'-' {
            self.at += 1;
            if !self.is_digit() {
                return Err(self.not_a_number(
                    "expected digit (0-9) to follow minus sign, for valid numeric value",
                ));
            }
        }
        let is_zero = self.valid[self.at] == b'0';
        self.at += 1;
        if is_zero && self.is_digit() {
            let message = "Invalid numeric value: Leading zeroes not allowed";
            return Err(message.to_owned() + &self.location(self.at));
        }
        self.digits();
        if self.valid.get(self.at) == Some(&b'.') {
            kind = Kind::Fraction;
            self.at += 1;
            if !self.is_digit() {
                return Err(self.not_a_number("Decimal point not followed by a digit"));
            }
            self.digits();
        }
        if matches!(self.valid.get(self.at), Some(b'e' | b'E')) {
            kind = Kind::Fraction;
            self.at += 1;
            if matches!(self.valid.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if !self.is_digit() {
                return Err(self.not_a_number("Exponent indicator not followed by a digit"));
            }
            self.digits();
        }
        self.push(kind, start, self.at);
        if self.tape.open.is_empty()
            && self.valid.get(self.at).is_some_and(|byte| !byte.is_ascii_whitespace())
        {
            return Err(self.unexpected("Expected space separating root-level values"));
        }
        Ok(())
    }

    fn is_digit(&self) -> bool {
        self.valid.get(self.at).is_some_and(u8::is_ascii_digit)
    }

    fn digits(&mut self) {
        while self.is_digit() {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &str, kind: Kind) -> Result<(), String> {
        let start = self.at;
        let rest = &self.valid[start..];
        let goes_on =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..);
        if !rest.starts_with(word.as_bytes()) || rest.get(word.len()).is_some_and(goes_on) {
            return Err(self.unknown_word());
        }
        self.at += word.len();
        self.push(kind, start, self.at);
        Ok(())
    }

    /// Where nothing begins a value.
    fn no_value(&mut self, byte: u8) -> String {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' => self.unknown_word(),
            b']' | b'}' if !self.tape.open.is_empty() => self.unexpected("expected a value"),
            _ => self.unexpected(
                "expected a valid value (number, String, array, object, 'true', 'false' or 'null')",
            ),
        }
    }

    fn unknown_word(&mut self) -> String {
        let rest = std::str::from_utf8(&self.valid[self.at..]).unwrap_or_default();
        let goes_on = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '$');
        let word: String = rest.chars().take_while(|letter| goes_on(*letter)).take(256).collect();
        // Jackson has read the character after the word, too.
        let end = (self.at + word.len() + 1).min(self.valid.len());
        let message = match word.as_str() {
            "NaN" | "Infinity" => format!(
                "Non-standard token '{word}': enable JsonParser.Feature.ALLOW_NON_NUMERIC_NUMBERS to allow"
            ),
            _ => format!("Unrecognized token '{word}': was expecting ('true', 'false' or 'null')"),
        };
        message + &self.location(end)
    }

    /// The character at hand, which the record has.
    fn letter(&self) -> char {
        let rest = std::str::from_utf8(&self.valid[self.at..]).unwrap_or_default();
        rest.chars().next().unwrap_or('\u{fffd}')
    }

    /// What is there should be something else. At the end of the record, that is wrong instead.
    fn unexpected(&self, wanted: &str) -> String {
        match self.at < self.valid.len() {
            true => {
                let described = described(self.letter());
                format!("Unexpected character ({described}): {wanted}")
                    + &self.location(self.at + 1)
            }
            false => self.unclosed(),
        }
    }

    fn not_a_number(&self, wanted: &str) -> String {
        if self.at >= self.valid.len() {
            if let Err(error) = self.end() {
                return error;
            }
            return "Unexpected end-of-input in Numeric value".to_owned() + &self.location(self.at);
        }
        let described = described(self.letter());
        let message = format!("Unexpected character ({described}) in numeric value: {wanted}");
        message + &self.location(self.at + 1)
    }

    /// The record ends within something.
    fn unclosed(&self) -> String {
        if let Err(error) = self.end() {
            return error;
        }
        let of = if self.is_in_object() { "Object" } else { "Array" };
        let message = format!(
            "Unexpected end-of-input: expected close marker for {of} (start marker at {})",
            self.start_of_open()
        );
        message + &self.location(self.valid.len())
    }

    fn is_in_object(&self) -> bool {
        let opened = self.tape.open.last().map(|opened| self.tape.nodes[*opened as usize].kind);
        opened == Some(Kind::Object)
    }

    fn start_of_open(&self) -> String {
        let opened = self.tape.open.last().map(|opened| self.tape.nodes[*opened as usize].start);
        self.source(opened.unwrap_or(0) as usize)
    }

    /// Where Jackson says that a problem is, when it has read `read` bytes.
    fn location(&self, read: usize) -> String {
        format!("\n at {}", self.source(read))
    }

    /// Jackson would name an object of the Java machine, another one each time.
    fn source(&self, read: usize) -> String {
        let before = &self.bytes[..read.min(self.bytes.len())];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let row = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        format!("[Source: record; line: {line}, column: {}]", read - row + 1)
    }
}

/// As Jackson describes a character.
fn described(letter: char) -> String {
    let code = letter as u32;
    match code {
        0..0x20 => format!("(CTRL-CHAR, code {code})"),
        0x20..=0xff => format!("'{letter}' (code {code})"),
        _ => format!("'{letter}' (code {code} / 0x{code:x})"),
    }
}

/// How many bytes come before the next quote, backslash or control character, looked for in words of
/// eight bytes.
fn plain_bytes(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = ONES * 0x80;
    let zero_bytes = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let mut at = 0;
    while let Some(chunk) = bytes.get(at..at + 8) {
        let word = u64::from_le_bytes(chunk.try_into().unwrap_or_default());
        let quotes = zero_bytes(word ^ (ONES * u64::from(b'"')));
        let backslashes = zero_bytes(word ^ (ONES * u64::from(b'\\')));
        let controls = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let found = quotes | backslashes | controls;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..b' ');
    at + bytes[at..].iter().position(is_special).unwrap_or(bytes.len() - at)
}
