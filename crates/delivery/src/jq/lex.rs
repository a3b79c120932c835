//! The words of a query, as jq 1.6's lexer finds them.

use std::sync::Arc;

use super::QueryError;
use super::json::unescape;
use super::number::parse_number;

/// A word.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// An operator or a bracket.
    Sign(&'static str),
    /// A keyword of the language.
    Keyword(&'static str),
    Identifier(Arc<str>),
    /// `.name`.
    Field(Arc<str>),
    Number(f64),
    /// `@name`.
    Format(Arc<str>),
    /// A string, with what is interpolated.
    String(Vec<Piece>),
    End,
}

/// A piece of a string.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    Text(Arc<str>),
    /// The words within `\(…)`.
    Interpolation(Vec<Word>),
}

/// A word and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Word {
    pub(super) token: Token,
    /// Counted from one.
    pub(super) line: usize,
    /// In bytes, counted from zero.
    pub(super) at: usize,
}

const KEYWORDS: [&str; 19] = [
    "as", "import", "include", "module", "def", "if", "then", "else", "elif", "and", "or", "end",
    "reduce", "foreach", "try", "catch", "label", "break", "__loc__",
];

/// Longer ones first.
const SIGNS: [&str; 34] = [
    "?//", "//=", "!=", "==", "//", "|=", "+=", "-=", "*=", "/=", "%=", "<=", ">=", "..", ".", "?",
    "=", ";", ",", ":", "|", "+", "-", "*", "/", "%", "$", "<", ">", "[", "{", "(", "]", "}",
];

/// The words of a query, ending with [`Token::End`].
///
/// # Errors
/// If a character is none of the language, or a literal is none.
pub(super) fn words(text: &str) -> Result<Vec<Word>, QueryError> {
    let mut lexer = Lexer { text, at: 0, nesting: 0 };
    let words = lexer.words(None)?;
    match lexer.at == text.len() {
        true => Ok(words),
        false => Err(lexer.error("unmatched bracket")),
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    nesting: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn error(&self, message: &str) -> QueryError {
        QueryError::syntax(self.text, self.at, message)
    }

    /// Reads up to the end, or up to the bracket that closes an interpolation.
    fn words(&mut self, closing: Option<char>) -> Result<Vec<Word>, QueryError> {
        self.nesting += 1;
        if self.nesting > crate::limits::QUERY_NESTING_MAX {
            return Err(QueryError::TooComplex);
        }
        let mut words = Vec::new();
        let mut brackets = Vec::new();
        loop {
            self.skip_blanks();
            let at = self.at;
            let line = 1 + self.text[..at].matches('\n').count();
            let Some(first) = self.rest().chars().next() else {
                if closing.is_some() || !brackets.is_empty() {
                    return Err(self.error("unexpected end"));
                }
                words.push(Word { token: Token::End, line, at });
                break;
            };
            match first {
                '[' => brackets.push(']'),
                '{' => brackets.push('}'),
                '(' => brackets.push(')'),
                ')' | ']' | '}' => match brackets.pop() {
                    Some(expected) if expected == first => {}
                    None if closing == Some(first) => {
                        self.at += 1;
                        words.push(Word { token: Token::End, line, at });
                        break;
                    }
                    _ => return Err(self.error("unmatched bracket")),
                },
                _ => {}
            }
            let token = self.token(first)?;
            words.push(Word { token, line, at });
        }
        self.nesting -= 1;
        Ok(words)
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            let blanks = rest.trim_start_matches([' ', '\n', '\t']);
            let mut skipped = rest.len() - blanks.len();
            if blanks.starts_with('#') {
                skipped += blanks.find(['\r', '\n']).unwrap_or(blanks.len());
            }
            if skipped == 0 {
                return;
            }
            self.at += skipped;
        }
    }

    fn token(&mut self, first: char) -> Result<Token, QueryError> {
        match first {
            '"' => self.string(),
            '@' => {
                let name = span(&self.rest()[1..], is_name_part);
                if name == 0 {
                    return Err(self.error("unexpected '@'"));
                }
                let name: Arc<str> = self.rest()[1..=name].into();
                self.at += 1 + name.len();
                Ok(Token::Format(name))
            }
            ')' => {
                self.at += 1;
                Ok(Token::Sign(")"))
            }
            '0'..='9' | '.' => self.number_or_field(),
            _ if is_name_start(first) => Ok(self.name()),
            _ => {
                let sign = SIGNS.iter().find(|sign| self.rest().starts_with(**sign));
                let sign = *sign.ok_or_else(|| self.error(&format!("unexpected '{first}'")))?;
                self.at += sign.len();
                Ok(Token::Sign(sign))
            }
        }
    }

    /// The longest wins; of equally long ones, a sign, then a number, then a field. So `.e1` is a
    /// number to jq, and a bad one.
    fn number_or_field(&mut self) -> Result<Token, QueryError> {
        let rest = self.rest();
        let sign = match rest {
            _ if rest.starts_with("..") => 2,
            _ => usize::from(rest.starts_with('.')),
        };
        let number = number_length(rest);
        let has_name = rest.starts_with('.') && rest[1..].starts_with(is_name_start);
        let field = if has_name { 1 + span(&rest[1..], is_name_part) } else { 0 };
        if sign >= number && sign >= field {
            self.at += sign;
            return Ok(Token::Sign(if sign == 2 { ".." } else { "." }));
        }
        if number >= field {
            let digits = &rest[..number];
            let Some(value) = parse_number(digits.as_bytes()) else {
                return Err(self.error(&format!("invalid numeric literal '{digits}'")));
            };
            self.at += number;
            return Ok(Token::Number(value));
        }
        let name = rest[1..field].into();
        self.at += field;
        Ok(Token::Field(name))
    }

    fn name(&mut self) -> Token {
        let rest = self.rest();
        let mut length = span(rest, is_name_part);
        while rest[length..].starts_with("::") && rest[length + 2..].starts_with(is_name_start) {
            length += 2 + span(&rest[length + 2..], is_name_part);
        }
        let name = &rest[..length];
        let token = match KEYWORDS.iter().find(|keyword| **keyword == name) {
            Some(keyword) => Token::Keyword(keyword),
            None => Token::Identifier(name.into()),
        };
        self.at += length;
        token
    }

    fn string(&mut self) -> Result<Token, QueryError> {
        self.at += 1;
        let mut pieces = Vec::new();
        loop {
            let rest = self.rest();
            match rest.chars().next() {
                None => return Err(self.error("unterminated string")),
                Some('"') => {
                    self.at += 1;
                    return Ok(Token::String(pieces));
                }
                Some('\\') if rest[1..].starts_with('(') => {
                    self.at += 2;
                    pieces.push(Piece::Interpolation(self.words(Some(')'))?));
                }
                Some('\\') => {
                    let length = escapes_length(rest);
                    let text = unescape(&rest.as_bytes()[..length]);
                    let text = text.map_err(|message| self.error(message))?;
                    pieces.push(Piece::Text(text));
                    self.at += length;
                }
                Some(_) => {
                    let length = rest.find(['"', '\\']).unwrap_or(rest.len());
                    pieces.push(Piece::Text(rest[..length].into()));
                    self.at += length;
                }
            }
        }
    }
}

fn is_name_start(character: char) -> bool {
    character.is_ascii_alphabetic() || character == '_'
}

fn is_name_part(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

fn span(text: &str, belongs: fn(char) -> bool) -> usize {
    text.find(|character| !belongs(character)).unwrap_or(text.len())
}

fn number_length(text: &str) -> usize {
    let mantissa = span(text, |character| character.is_ascii_digit() || character == '.');
    if mantissa == 0 || !text[mantissa..].starts_with(['e', 'E']) {
        return mantissa;
    }
    let exponent = &text[mantissa + 1..];
    let sign = usize::from(exponent.starts_with(['+', '-']));
    match span(&exponent[sign..], |character| character.is_ascii_digit()) {
        0 => mantissa,
        digits => mantissa + 1 + sign + digits,
    }
}

/// Bytes of the escapes at the beginning, which belong together since surrogates come in pairs.
fn escapes_length(text: &str) -> usize {
    let mut length = 0;
    while let Some(rest) = text[length..].strip_prefix('\\') {
        match rest.chars().next() {
            None | Some('(') => break,
            Some('u') => {
                let digits = rest[1..].chars().take(4).take_while(char::is_ascii_alphanumeric);
                length += 2 + digits.count();
            }
            Some(other) => length += 1 + other.len_utf8(),
        }
    }
    length.max(1)
}
