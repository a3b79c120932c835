//! The project's chores, in Rust: `cargo xtask <task>`.
#![allow(clippy::disallowed_methods, reason = "a chore reads and writes the source tree")]

mod codegen;
mod test;
mod tidy;

use std::process::ExitCode;

/// A chore's failure, said to whoever ran it.
type Failure = Box<dyn std::error::Error>;

/// Every task: its name, what it does, and the function.
type Task = (&'static str, &'static str, fn(&[String]) -> Result<(), Failure>);

const TASKS: &[Task] = &[
    (
        "codegen",
        "write what is generated from models/ [--check | --refresh BOTOCORE_DATA]",
        codegen::run,
    ),
    ("tidy", "check the static invariants [RULE...]", tidy::run),
    ("test", "prove everything [--long] [STEP [PATTERN]]", test::run),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let name = arguments.first().map(String::as_str).unwrap_or_default();
    let Some((_, _, run)) = TASKS.iter().find(|(task, _, _)| *task == name) else {
        for (task, purpose, _) in TASKS {
            eprintln!("cargo xtask {task:10} {purpose}");
        }
        return ExitCode::from(2);
    };
    match run(&arguments[1..]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{name}: {failure}");
            ExitCode::FAILURE
        }
    }
}
