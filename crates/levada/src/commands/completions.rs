//! `levada completions`: what a shell needs to know, from the same declaration as the flags.

use clap::CommandFactory;

use super::print;
use crate::cli::{Cli, Completions};
use crate::exit::Failure;

pub(crate) fn run(options: &Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), "levada", &mut script);
    print(&String::from_utf8_lossy(&script));
    Ok(())
}
