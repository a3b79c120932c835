//! Running other programs.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::Failure;

/// Runs a command in view; whether it succeeded.
pub(super) fn succeeds(command: &mut Command) -> Result<bool, Failure> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .map_err(|error| format!("{:?}: {error}", command.get_program()))?;
    Ok(status.success())
}

/// Runs a command in view; whether it succeeded, and what it said on standard output.
pub(super) fn listen(command: &mut Command) -> Result<(bool, String), Failure> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{:?}: {error}", command.get_program()))?;
    let mut said = String::new();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            println!("{line}");
            said.push_str(&line);
            said.push('\n');
        }
    }
    Ok((child.wait()?.success(), said))
}

/// A program's version line, or `None` if it is not there.
pub(super) fn version(program: &str) -> Option<String> {
    says(program, "--version")
}

/// What a program says of itself, or `None` if it is not there.
pub(super) fn says(program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_string();
    output.status.success().then_some(text)
}
