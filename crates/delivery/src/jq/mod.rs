//! Queries of jq 1.6 over one record: the keys of its partition (MetadataExtraction).
//!
//! A partition's name rests on every digit of what a query says, so this is jq 1.6 and no other: its
//! grammar, its numbers, its order of results, its errors, and its mistakes. What cannot be the same
//! is refused when the query is compiled. `tests` plays what jq 1.6 answered.

mod dates;
mod formats;
mod json;
mod lex;
mod machine;
mod maths;
mod natives;
mod number;
mod operators;
mod parse;
mod paths;
mod patterns;
mod program;
mod regex;
mod single;
mod syntax;
#[cfg(test)]
mod tests;
mod time_format;
mod time_parse;
mod value;

use std::collections::BTreeMap;
use std::fmt;

use stdx::UnixMillis;

use self::machine::Machine;
use self::program::Program;
use self::value::Value;
use crate::limits::QUERY_BYTES_TEXT_MAX;

/// A query, compiled once and run on many records.
#[derive(Debug)]
pub struct Query(Program);

/// Why a text is no query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryError {
    /// It is none of jq 1.6's language.
    Syntax {
        /// Where, in bytes.
        at: usize,
        /// The line, counted from one.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// There is no such function (`name/arguments`) or variable (`$name`).
    Undefined(String),
    /// jq has it, but a delivery does not.
    Refused {
        /// The function's name.
        name: String,
        /// Why there is none.
        why: &'static str,
    },
    /// It is longer, or nested deeper, than anybody can have meant.
    TooComplex,
}

impl QueryError {
    fn syntax(text: &str, at: usize, message: &str) -> QueryError {
        let line = 1 + text.get(..at).unwrap_or(text).matches('\n').count();
        QueryError::Syntax { at, line, message: message.to_owned() }
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QueryError::Syntax { at, line, message } => {
                write!(f, "syntax error on line {line}, at byte {at}: {message}")
            }
            QueryError::Undefined(name) => write!(f, "{name} is not defined"),
            QueryError::Refused { name, why } => write!(f, "{name} is not supported: {why}"),
            QueryError::TooComplex => f.write_str("the query is too long or nested too deeply"),
        }
    }
}

impl std::error::Error for QueryError {}

/// Why a record has no keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtractError {
    /// It is no JSON, or more than one value.
    NotJson(String),
    /// The query failed on it, with this message.
    Failed(String),
    /// The query has no result, or more than one, or one that is no object.
    NotAnObject,
    /// This key's value is null, an object, an array, or empty.
    BadValue(String),
    /// The query asked for more than a record may cost.
    Limit(Limit),
}

/// What a query may not use more of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Steps.
    Steps,
    /// Memory.
    Memory,
    /// Calls or values within one another.
    Depth,
    /// What jq answers: it dies of a code point that is none, and of eras it knows what glibc knows.
    Unsupported,
}

impl fmt::Display for ExtractError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExtractError::NotJson(why) => write!(f, "the record is not JSON: {why}"),
            ExtractError::Failed(why) => write!(f, "the query failed: {why}"),
            ExtractError::NotAnObject => f.write_str("the query's result is not one object"),
            ExtractError::BadValue(key) => {
                write!(f, "the value of partition key {key} is null, empty or no scalar")
            }
            ExtractError::Limit(limit) => f.write_str(match limit {
                Limit::Steps => "the query takes too many steps",
                Limit::Memory => "the query takes too much memory",
                Limit::Depth => "the query or its values are nested too deeply",
                Limit::Unsupported => "the query asks for what jq 1.6 has no answer to",
            }),
        }
    }
}

impl std::error::Error for ExtractError {}

/// Why a run ends before its results do.
#[derive(Clone, Debug)]
enum Stop {
    /// An error that a query can catch.
    Error(Value),
    /// One that it cannot.
    Limit(Limit),
}

impl Stop {
    fn error(message: String) -> Stop {
        Stop::Error(message.into())
    }

    fn steps() -> Stop {
        Stop::Limit(Limit::Steps)
    }

    fn memory() -> Stop {
        Stop::Limit(Limit::Memory)
    }

    fn depth() -> Stop {
        Stop::Limit(Limit::Depth)
    }

    fn unsupported() -> Stop {
        Stop::Limit(Limit::Unsupported)
    }
}

impl From<Stop> for ExtractError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Limit(limit) => ExtractError::Limit(limit),
            Stop::Error(Value::String(message)) => ExtractError::Failed(message.to_string()),
            Stop::Error(other) => ExtractError::Failed(json::excerpt(&other, ERROR_BYTES_MAX)),
        }
    }
}

/// Bytes that are shown of an error that is no text.
const ERROR_BYTES_MAX: usize = 256;

impl Query {
    /// Compiles a query.
    ///
    /// # Errors
    /// If it is none of jq 1.6's, or asks for what a delivery does not have.
    pub fn compile(text: &str) -> Result<Query, QueryError> {
        if text.len() > QUERY_BYTES_TEXT_MAX {
            return Err(QueryError::TooComplex);
        }
        Program::compile(text).map(Query)
    }

    /// The keys of a record's partition: the members of the one object that the query makes of it.
    /// Strings are taken as they are, numbers and booleans as jq prints them. `now` is what the
    /// query's `now` says.
    ///
    /// # Errors
    /// If the record is no JSON, the query fails on it, or its result is no set of keys.
    pub fn extract(
        &self,
        record: &[u8],
        now: UnixMillis,
    ) -> Result<BTreeMap<String, String>, ExtractError> {
        let input = json::parse(record).map_err(|stop| match ExtractError::from(stop) {
            ExtractError::Failed(message) => {
                let why = message.split(" (while parsing").next().unwrap_or_default();
                ExtractError::NotJson(why.to_owned())
            }
            limit => limit,
        })?;
        let mut result = None;
        let mut count = 0;
        self.run(input, now, &mut |value| {
            count += 1;
            result = Some(value);
        })?;
        match result {
            Some(Value::Object(object)) if count == 1 => {
                object.iter().map(|(key, value)| partition_key(key, value)).collect()
            }
            _ => Err(ExtractError::NotAnObject),
        }
    }

    fn run(&self, input: Value, now: UnixMillis, out: &mut dyn FnMut(Value)) -> Result<(), Stop> {
        let machine = Machine::new(&self.0, now.0 as f64 / 1000.0);
        machine.start(input, &mut |item| {
            out(item.value);
            Ok(())
        })
    }
}

fn partition_key(key: &str, value: &Value) -> Result<(String, String), ExtractError> {
    let mut text = String::new();
    match value {
        Value::String(string) => text.push_str(string),
        Value::Bool(_) => json::write(value, &mut text),
        Value::Number(number) if !number.is_nan() => json::write(value, &mut text),
        _ => {}
    }
    if text.is_empty() {
        return Err(ExtractError::BadValue(key.to_owned()));
    }
    Ok((key.to_owned(), text))
}
