//! The types of columns as Hive and Glue write them: `struct<a:int,b:array<string>>`.

use std::fmt;

use crate::limits::{
    CHAR_LENGTH_MAX, DECIMAL_PRECISION_MAX, TYPE_CHARS_MAX, TYPE_DEPTH_MAX, VARCHAR_LENGTH_MAX,
};

/// The type of a column, or of what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// True or false.
    Boolean,
    /// 8 bits.
    TinyInt,
    /// 16 bits.
    SmallInt,
    /// 32 bits.
    Int,
    /// 64 bits.
    BigInt,
    /// 32 bits of IEEE 754.
    Float,
    /// 64 bits of IEEE 754.
    Double,
    /// A number of `precision` decimal digits, `scale` of them after the point.
    Decimal {
        /// 1 to 38.
        precision: u8,
        /// 0 to `precision`.
        scale: u8,
    },
    /// Text.
    String,
    /// Text of up to so many characters, spaces at its end not counting.
    Char(u32),
    /// Text of up to so many characters.
    Varchar(u32),
    /// Bytes.
    Binary,
    /// A day.
    Date,
    /// A moment, in nanoseconds, without a time zone.
    Timestamp,
    /// Elements of one type.
    Array(Box<ColumnType>),
    /// Keys, which are never null and hold no others, and values.
    Map(Box<ColumnType>, Box<ColumnType>),
    /// Named members.
    Struct(Vec<Column>),
}

/// A column, or a member of a structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// As it was declared.
    pub name: String,
    /// What it holds.
    pub r#type: ColumnType,
}

/// Why a type is none, in Hive's words where Hive has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeError {
    /// Something else was expected at a position, counted from 0.
    Expected {
        /// What should have been there.
        item: &'static str,
        /// The whole type.
        of: String,
        /// Where, and what was found; `None` at the end.
        found: Option<(usize, String)>,
    },
    /// A length, precision or scale that the type does not have.
    OutOfRange {
        /// The type with its arguments.
        of: String,
    },
    /// A structure names two members alike, case aside.
    DuplicateMember(String),
    /// A map's key is no primitive.
    NestedKey,
    /// A type that no file here can hold.
    Unsupported(String),
    /// Too deep, or too long.
    TooLarge,
}

impl fmt::Display for TypeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TypeError::Expected { item, of, found: Some((at, text)) } => write!(
                f,
                "Error: {item} expected at the position {at} of '{of}' but '{text}' is found."
            ),
            TypeError::Expected { item, of, found: None } => {
                write!(f, "Error: {item} expected at the end of '{of}'")
            }
            TypeError::OutOfRange { of } => write!(f, "Invalid type parameters: {of}"),
            TypeError::DuplicateMember(name) => {
                write!(f, "the structure has two members called '{name}'")
            }
            TypeError::NestedKey => write!(f, "the key of a map must be a primitive type"),
            TypeError::Unsupported(name) => write!(f, "the type {name} is not supported"),
            TypeError::TooLarge => write!(
                f,
                "a type may have {TYPE_CHARS_MAX} characters and nest {TYPE_DEPTH_MAX} levels"
            ),
        }
    }
}

impl std::error::Error for TypeError {}

impl ColumnType {
    /// Reads a type.
    ///
    /// # Errors
    /// [`TypeError`].
    pub fn parse(text: &str) -> Result<Self, TypeError> {
        if text.len() > TYPE_CHARS_MAX {
            return Err(TypeError::TooLarge);
        }
        let mut reader = Reader { text, at: 0 };
        let parsed = reader.column_type(0)?;
        match reader.next() {
            None => Ok(parsed),
            Some(token) => Err(reader.expected("end of type", Some(token))),
        }
    }

    /// Whether it holds no other types.
    pub fn is_primitive(&self) -> bool {
        !matches!(self, ColumnType::Array(_) | ColumnType::Map(..) | ColumnType::Struct(_))
    }

    /// How many columns of the file it needs.
    pub fn leaves(&self) -> usize {
        match self {
            ColumnType::Array(element) => element.leaves(),
            ColumnType::Map(key, value) => key.leaves() + value.leaves(),
            ColumnType::Struct(members) => {
                members.iter().map(|member| member.r#type.leaves()).sum()
            }
            _ => 1,
        }
    }
}

/// As Hive and Glue write it, in lower case and without spaces.
impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ColumnType::Boolean => f.write_str("boolean"),
            ColumnType::TinyInt => f.write_str("tinyint"),
            ColumnType::SmallInt => f.write_str("smallint"),
            ColumnType::Int => f.write_str("int"),
            ColumnType::BigInt => f.write_str("bigint"),
            ColumnType::Float => f.write_str("float"),
            ColumnType::Double => f.write_str("double"),
            ColumnType::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            ColumnType::String => f.write_str("string"),
            ColumnType::Char(length) => write!(f, "char({length})"),
            ColumnType::Varchar(length) => write!(f, "varchar({length})"),
            ColumnType::Binary => f.write_str("binary"),
            ColumnType::Date => f.write_str("date"),
            ColumnType::Timestamp => f.write_str("timestamp"),
            ColumnType::Array(element) => write!(f, "array<{element}>"),
            ColumnType::Map(key, value) => write!(f, "map<{key},{value}>"),
            ColumnType::Struct(members) => {
                f.write_str("struct<")?;
                for (index, member) in members.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    let quoted = member.name.replace('`', "``");
                    match is_word(&member.name) {
                        true => write!(f, "{comma}{}:{}", member.name, member.r#type)?,
                        false => write!(f, "{comma}`{quoted}`:{}", member.r#type)?,
                    }
                }
                f.write_str(">")
            }
        }
    }
}

fn is_word(name: &str) -> bool {
    !name.is_empty() && name.chars().all(is_word_char)
}

fn is_word_char(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '_' | '.' | '$')
}

/// A token: where it begins, and its text. Quoted names come without their quotes.
struct Token<'a> {
    at: usize,
    text: &'a str,
    is_quoted: bool,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    /// The next token, unless the text ends: a word, a quoted name, or one character.
    fn next(&mut self) -> Option<Token<'a>> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        let at = self.at;
        let rest = &self.text[at..];
        let first = rest.chars().next()?;
        if first == '`'
            && let Some(length) = quoted_bytes(rest)
        {
            self.at += length;
            return Some(Token { at, text: &rest[1..length - 1], is_quoted: true });
        }
        let length = match rest.find(|letter| !is_word_char(letter)) {
            Some(0) => first.len_utf8(),
            Some(length) => length,
            None => rest.len(),
        };
        self.at += length;
        Some(Token { at, text: &rest[..length], is_quoted: false })
    }

    fn peek(&mut self) -> Option<&'a str> {
        let at = self.at;
        let token = self.next();
        self.at = at;
        token.map(|token| token.text)
    }

    fn expected(&self, item: &'static str, found: Option<Token<'_>>) -> TypeError {
        let found = found.map(|token| (token.at, token.text.to_owned()));
        TypeError::Expected { item, of: self.text.to_owned(), found }
    }

    /// Takes the one character that must come next.
    fn take(&mut self, item: &'static str) -> Result<(), TypeError> {
        match self.next() {
            Some(token) if token.text == item && !token.is_quoted => Ok(()),
            found => Err(self.expected(item, found)),
        }
    }

    fn take_if(&mut self, item: &str) -> bool {
        let at = self.at;
        let is_next = self.next().is_some_and(|token| token.text == item && !token.is_quoted);
        if !is_next {
            self.at = at;
        }
        is_next
    }

    fn column_type(&mut self, depth: usize) -> Result<ColumnType, TypeError> {
        if depth >= TYPE_DEPTH_MAX {
            return Err(TypeError::TooLarge);
        }
        let token = match self.next() {
            Some(token) if !token.is_quoted => token,
            found => return Err(self.expected("type", found)),
        };
        Ok(match token.text.to_ascii_lowercase().as_str() {
            "boolean" => ColumnType::Boolean,
            "tinyint" => ColumnType::TinyInt,
            "smallint" => ColumnType::SmallInt,
            "int" | "integer" => ColumnType::Int,
            "bigint" => ColumnType::BigInt,
            "float" | "real" => ColumnType::Float,
            "double" => {
                if self.peek().is_some_and(|word| word.eq_ignore_ascii_case("precision")) {
                    self.next();
                }
                ColumnType::Double
            }
            "string" => ColumnType::String,
            "binary" => ColumnType::Binary,
            "date" => ColumnType::Date,
            "timestamp" => ColumnType::Timestamp,
            "decimal" | "dec" | "numeric" => self.decimal()?,
            "char" => ColumnType::Char(self.length("char", CHAR_LENGTH_MAX)?),
            "varchar" => ColumnType::Varchar(self.length("varchar", VARCHAR_LENGTH_MAX)?),
            "array" => {
                self.take("<")?;
                let element = self.column_type(depth + 1)?;
                self.take(">")?;
                ColumnType::Array(Box::new(element))
            }
            "map" => {
                self.take("<")?;
                let key = self.column_type(depth + 1)?;
                if !key.is_primitive() {
                    return Err(TypeError::NestedKey);
                }
                self.take(",")?;
                let value = self.column_type(depth + 1)?;
                self.take(">")?;
                ColumnType::Map(Box::new(key), Box::new(value))
            }
            "struct" => self.structure(depth)?,
            name @ ("uniontype" | "void" | "interval") => {
                return Err(TypeError::Unsupported(name.to_owned()));
            }
            _ => return Err(self.expected("type", Some(token))),
        })
    }

    fn structure(&mut self, depth: usize) -> Result<ColumnType, TypeError> {
        self.take("<")?;
        let mut members: Vec<Column> = Vec::new();
        loop {
            let name = match self.next() {
                Some(token) if token.is_quoted => token.text.replace("``", "`"),
                Some(token) if is_word(token.text) => token.text.to_owned(),
                found => return Err(self.expected("name", found)),
            };
            let lower = name.to_lowercase();
            if members.iter().any(|member| member.name.to_lowercase() == lower) {
                return Err(TypeError::DuplicateMember(name));
            }
            self.take(":")?;
            members.push(Column { name, r#type: self.column_type(depth + 1)? });
            if !self.take_if(",") {
                break;
            }
        }
        self.take(">")?;
        Ok(ColumnType::Struct(members))
    }

    fn decimal(&mut self) -> Result<ColumnType, TypeError> {
        // Hive's default.
        let (mut precision, mut scale) = (10, 0);
        if self.take_if("(") {
            precision = self.number()?;
            if self.take_if(",") {
                scale = self.number()?;
            }
            self.take(")")?;
        }
        if !(1..=u32::from(DECIMAL_PRECISION_MAX)).contains(&precision) || scale > precision {
            return Err(TypeError::OutOfRange { of: format!("decimal({precision},{scale})") });
        }
        Ok(ColumnType::Decimal { precision: precision as u8, scale: scale as u8 })
    }

    /// The length in parentheses, which must be there.
    fn length(&mut self, name: &str, most: u32) -> Result<u32, TypeError> {
        self.take("(")?;
        let length = self.number()?;
        self.take(")")?;
        match (1..=most).contains(&length) {
            true => Ok(length),
            false => Err(TypeError::OutOfRange { of: format!("{name}({length})") }),
        }
    }

    fn number(&mut self) -> Result<u32, TypeError> {
        let token = self.next();
        let digits = token.as_ref().map(|token| token.text).unwrap_or_default();
        match digits.parse() {
            Ok(number) if digits.bytes().all(|digit| digit.is_ascii_digit()) => Ok(number),
            _ => Err(self.expected("number", token)),
        }
    }
}

/// How long the quoted name is that `text` begins with, quotes included. Two quotes within are one.
fn quoted_bytes(text: &str) -> Option<usize> {
    let mut at = 1;
    loop {
        at += text[at..].find('`')? + 1;
        if !text[at..].starts_with('`') {
            return (at > 2).then_some(at);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        ColumnType::parse(text).expect(text).to_string()
    }

    fn refusal(text: &str) -> String {
        ColumnType::parse(text).expect_err(text).to_string()
    }

    #[test]
    fn every_type_is_read_and_written() {
        let same = [
            "boolean",
            "tinyint",
            "smallint",
            "int",
            "bigint",
            "float",
            "double",
            "decimal(38,18)",
            "string",
            "char(255)",
            "varchar(65535)",
            "binary",
            "date",
            "timestamp",
            "array<array<int>>",
            "map<string,array<string>>",
            "struct<timestamp:string,to:array<string>,tags:map<string,struct<a:int,b:decimal(5,2)>>>",
            "struct<`order by`:int,`a``b`:string,c.d:int>",
        ];
        for text in same {
            assert_eq!(written(text), text);
        }
        let otherwise = [
            ("INT", "int"),
            ("Integer", "int"),
            ("real", "float"),
            ("double precision", "double"),
            ("decimal", "decimal(10,0)"),
            ("decimal(5)", "decimal(5,0)"),
            ("numeric(5,2)", "decimal(5,2)"),
            (
                " array < struct < A : INT , b : varchar ( 10 ) > > ",
                "array<struct<A:int,b:varchar(10)>>",
            ),
            ("decimal( 10 , 2 )", "decimal(10,2)"),
            ("struct<`order`:int>", "struct<order:int>"),
        ];
        for (text, expected) in otherwise {
            assert_eq!(written(text), expected);
        }
    }

    #[test]
    fn what_is_no_type_is_refused_in_hive_s_words() {
        let rows = [
            ("", "Error: type expected at the end of ''"),
            ("text", "Error: type expected at the position 0 of 'text' but 'text' is found."),
            ("array<string", "Error: > expected at the end of 'array<string'"),
            ("array", "Error: < expected at the end of 'array'"),
            (
                "struct<a:>",
                "Error: type expected at the position 9 of 'struct<a:>' but '>' is found.",
            ),
            (
                "struct<:string>",
                "Error: name expected at the position 7 of 'struct<:string>' but ':' is found.",
            ),
            (
                "struct<a string>",
                "Error: : expected at the position 9 of 'struct<a string>' but 'string' is found.",
            ),
            ("struct<>", "Error: name expected at the position 7 of 'struct<>' but '>' is found."),
            (
                "struct<a:int,>",
                "Error: name expected at the position 13 of 'struct<a:int,>' but '>' is found.",
            ),
            (
                "map<string>",
                "Error: , expected at the position 10 of 'map<string>' but '>' is found.",
            ),
            (
                "array<string>x",
                "Error: end of type expected at the position 13 of 'array<string>x' but 'x' is found.",
            ),
            (
                "char(10)x",
                "Error: end of type expected at the position 8 of 'char(10)x' but 'x' is found.",
            ),
            ("varchar", "Error: ( expected at the end of 'varchar'"),
            (
                "varchar(x)",
                "Error: number expected at the position 8 of 'varchar(x)' but 'x' is found.",
            ),
            (
                "varchar(6 5535)",
                "Error: ) expected at the position 10 of 'varchar(6 5535)' but '5535' is found.",
            ),
            ("char(0)", "Invalid type parameters: char(0)"),
            ("char(256)", "Invalid type parameters: char(256)"),
            ("varchar(65536)", "Invalid type parameters: varchar(65536)"),
            ("decimal(39,0)", "Invalid type parameters: decimal(39,0)"),
            ("decimal(5,6)", "Invalid type parameters: decimal(5,6)"),
            ("decimal(0,0)", "Invalid type parameters: decimal(0,0)"),
            ("uniontype<int,string>", "the type uniontype is not supported"),
            ("struct<a:int,A:int>", "the structure has two members called 'A'"),
            ("map<array<string>,int>", "the key of a map must be a primitive type"),
            (
                "struct<`a:int>",
                "Error: name expected at the position 7 of 'struct<`a:int>' but '`' is found.",
            ),
        ];
        for (text, expected) in rows {
            assert_eq!(refusal(text), expected, "{text}");
        }
    }

    #[test]
    fn nesting_has_an_end() {
        let nested = |depth: usize| format!("{}int{}", "array<".repeat(depth), ">".repeat(depth));
        assert_eq!(ColumnType::parse(&nested(31)).map(|parsed| parsed.leaves()), Ok(1));
        assert_eq!(ColumnType::parse(&nested(32)), Err(TypeError::TooLarge));
        assert_eq!(ColumnType::parse(&nested(50_000)), Err(TypeError::TooLarge));
    }
}
