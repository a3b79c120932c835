//! The project's static invariants. Each is one small function with a name in [`RULES`].

mod crates;
mod freshness;
mod fuzzed;
mod layers;
mod places;
mod rust;
mod sizes;
mod spdx;
mod supply;
mod tree;
mod words;

#[cfg(test)]
mod tests;

use crate::Failure;
use tree::{Tree, Violation};

/// A rule reads the tree and says what breaks it.
type Rule = fn(&Tree) -> Result<Vec<Violation>, Failure>;

/// Every rule: its name, what it keeps, and the function.
const RULES: &[(&str, &str, Rule)] = &[
    ("layers", "a crate imports only what its row in ARCHITECTURE.md lists", layers::rows),
    ("cycles", "the graph of crates has no cycle", layers::cycles),
    ("engines", "no engine sees HTTP or a codec", layers::engines),
    ("file-size", "a file has at most 800 lines", sizes::files),
    ("function-size", "a function has at most 70 lines", sizes::functions),
    ("file-names", "no file or folder is named after a habit", words::file_names),
    ("function-names", "functions are verbs", words::function_names),
    ("debt", "no to-do mark, placeholder or ignored test", words::debt),
    ("files-in-store", "only store touches files", places::files_in_store),
    ("nameless-front", "front names no service", places::nameless_front),
    ("portable", "no path of one machine, no registry's host", places::portable),
    ("manifests", "every crate inherits the licence and the lints", crates::manifests),
    ("first-command", "`cargo run` means the server", crates::first_command),
    ("described", "ARCHITECTURE.md has a section per crate", crates::described),
    ("paths", "every path that ARCHITECTURE.md names exists", crates::paths),
    ("licences", "every dependency's licence is on deny.toml's list", supply::licences),
    ("sources", "every dependency comes from the registry", supply::sources),
    ("bans", "no dependency that deny.toml bans", supply::bans),
    ("generated", "generated code and docs/coverage.md are fresh", freshness::generated),
    ("fuzzed", "every decoder has a fuzz target, a corpus and a row", fuzzed::decoders),
    ("unserved", "served and unserved operations add up", freshness::unserved),
];

/// `tidy`, `tidy RULE…`.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let tree = Tree::read()?;
    let mut broken = 0;
    for (name, purpose, rule) in RULES {
        if !arguments.is_empty() && !arguments.iter().any(|wanted| wanted == name) {
            continue;
        }
        let violations = rule(&tree).map_err(|failure| format!("{name}: {failure}"))?;
        for violation in &violations {
            println!("{}:{}: {name}: {}", violation.path, violation.line, violation.advice);
        }
        if !violations.is_empty() {
            println!("  {name}: {purpose}");
        }
        broken += violations.len();
    }
    println!("tidy: {} rules, {broken} violations; {}", RULES.len(), freshness::debt(&tree)?);
    match broken {
        0 => Ok(()),
        count => Err(format!("{count} violations").into()),
    }
}
