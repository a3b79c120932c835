//! `levada`: parse, run, exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    levada::run(std::env::args_os())
}
