//! How a command fails: a lower-case sentence, its cause, and what to do about it.

use std::fmt::{self, Display};
use std::process::ExitCode;

/// A failed command.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    help: Option<String>,
    code: u8,
}

impl Failure {
    /// A failure with exit code 1.
    pub(crate) fn new(message: impl Display) -> Self {
        Failure { message: message.to_string(), help: None, code: 1 }
    }

    /// No server is ready to be asked: exit code 3.
    pub(crate) fn not_ready(message: impl Display) -> Self {
        Failure { code: 3, ..Failure::new(message) }
    }

    /// What was asked for cannot be meant: exit code 2.
    pub(crate) fn usage(message: impl Display) -> Self {
        Failure { code: 2, ..Failure::new(message) }
    }

    /// The same, with advice.
    pub(crate) fn help(self, help: impl Display) -> Self {
        Failure { help: Some(help.to_string()), ..self }
    }

    /// Tells the operator and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("error: {}", self.message);
        if let Some(help) = &self.help {
            eprintln!("help: {help}");
        }
        ExitCode::from(self.code)
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
