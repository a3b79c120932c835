//! Why a record is not in the file, in AWS's words. Where they were recorded at AWS, and where they are
//! drawn from the sources of the deserializers that AWS runs: `docs/delivery.md`.

use std::fmt;

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// It is no JSON.
    ParseError,
    /// Its values are not those of the table's columns.
    MalformedData,
}

/// Why a record could not be converted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordFailure {
    /// What is wrong with it.
    pub kind: FailureKind,
    /// AWS's words for it.
    pub message: String,
}

impl RecordFailure {
    /// AWS's code.
    pub fn code(&self) -> &'static str {
        match self.kind {
            FailureKind::ParseError => "DataFormatConversion.ParseError",
            FailureKind::MalformedData => "DataFormatConversion.MalformedData",
        }
    }

    pub(crate) fn unparsable(words: &str) -> Self {
        let message = format!("Encountered malformed JSON. {words}");
        RecordFailure { kind: FailureKind::ParseError, message }
    }

    pub(crate) fn mismatch(words: impl fmt::Display) -> Self {
        let message = format!("Data does not match the schema. {words}");
        RecordFailure { kind: FailureKind::MalformedData, message }
    }

    /// Of a record that is blank.
    pub(crate) fn blank() -> Self {
        let message = "The record was empty or contained only whitespace.".to_owned();
        RecordFailure { kind: FailureKind::MalformedData, message }
    }

    /// Of a record that is a number, a word or a string.
    pub(crate) fn primitive() -> Self {
        let message = "The input JSON contained a primitive at the top level. \
                       The top level must be an object or array.";
        RecordFailure { kind: FailureKind::MalformedData, message: message.to_owned() }
    }

    /// What Java says of text that is no number.
    pub(crate) fn for_input(text: &str) -> Self {
        RecordFailure::mismatch(format_args!("For input string: \"{text}\""))
    }

    /// What Hive's deserializer says of a value that should hold no others.
    pub(crate) fn invalid_field() -> Self {
        let message = "One or more fields have incorrect format. \
                       Exception when validating field (root)";
        RecordFailure { kind: FailureKind::MalformedData, message: message.to_owned() }
    }
}

impl fmt::Display for RecordFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.message)
    }
}

impl std::error::Error for RecordFailure {}
