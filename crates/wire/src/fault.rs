//! An AWS error: a code, a status, and words for the caller.

use std::borrow::Cow;

/// What a caller gets instead of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The error's shape name, such as `ResourceNotFoundException`.
    pub code: Cow<'static, str>,
    /// The HTTP status: 400 for nearly everything in awsJson.
    pub status: u16,
    /// AWS's words; some protocol faults have none.
    pub message: Option<Cow<'static, str>>,
    /// Serialization faults and denials spell the member `Message`, all others `message`
    /// (`facts/streams.md` § 2.2, `facts/security.md` § 1.3).
    pub capital_message: bool,
}

impl Fault {
    /// A fault of the caller's making, status 400.
    pub fn client(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Fault {
            code: code.into(),
            status: 400,
            message: Some(message.into()),
            capital_message: false,
        }
    }

    /// A fault of the server's making, status 500; SDKs retry it.
    pub fn internal() -> Self {
        Fault {
            code: "InternalFailure".into(),
            status: 500,
            message: Some("The request processing has failed because of an unknown error, exception or failure.".into()),
            capital_message: false,
        }
    }

    /// A code with no words, as AWS answers unknown operations.
    pub fn bare(code: &'static str) -> Self {
        Fault { code: code.into(), status: 400, message: None, capital_message: false }
    }

    /// The body could not be read as the operation's input (types before constraints).
    pub fn serialization(message: impl Into<Cow<'static, str>>) -> Self {
        Fault { capital_message: true, ..Fault::client("SerializationException", message) }
    }

    /// The input breaks the model's constraints.
    pub fn validation(message: impl Into<Cow<'static, str>>) -> Self {
        Fault::client("ValidationException", message)
    }
}
