//! What is written twice agrees with itself.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::tree::{Source, Tree, Violation};
use crate::Failure;

const MARKS: &str = "models/coverage.toml";

/// A service's part of `coverage.toml`.
#[derive(Debug, Deserialize)]
struct Marks {
    served: BTreeSet<String>,
}

/// Generated code and `docs/coverage.md` are what would be generated now.
pub(super) fn generated(_: &Tree) -> Result<Vec<Violation>, Failure> {
    Ok(match crate::codegen::run(&["--check".to_string()]) {
        Ok(()) => Vec::new(),
        Err(failure) => vec![Violation::new("models", 1, failure.to_string())],
    })
}

/// An operation is served, or it is a line of `unserved.rs`; never both, never neither.
pub(super) fn unserved(tree: &Tree) -> Result<Vec<Violation>, Failure> {
    let mut found = Vec::new();
    for (service, marks) in marks(tree)? {
        let path = format!("crates/api/src/{service}/unserved.rs");
        let listed = tree.file(&path).map(|source| source.text.as_str()).unwrap_or_default();
        for operation in operations(tree, &service)? {
            let (served, unserved) =
                (marks.served.contains(&operation), has_word(listed, &operation));
            let advice = match (served, unserved) {
                (true, true) => format!("{operation} is served; take its line out"),
                (false, false) => format!("mark {operation} as served in {MARKS}, or list it"),
                _ => continue,
            };
            found.push(Violation::new(&path, 1, advice));
        }
    }
    Ok(found)
}

/// How many operations are not served yet, in words.
pub(super) fn debt(tree: &Tree) -> Result<String, Failure> {
    let mut parts = Vec::new();
    for (service, marks) in marks(tree)? {
        let all = operations(tree, &service)?.len();
        parts.push(format!("{} of {all} {service} operations unserved", all - marks.served.len()));
    }
    Ok(parts.join(", "))
}

fn marks(tree: &Tree) -> Result<BTreeMap<String, Marks>, Failure> {
    let source = tree.file(MARKS).ok_or("there is no models/coverage.toml")?;
    Ok(toml::from_str(&source.text).map_err(|error| format!("{MARKS}: {error}"))?)
}

/// A service's operations by its reduced model.
fn operations(tree: &Tree, service: &str) -> Result<Vec<String>, Failure> {
    let path = format!("models/{service}.json");
    let source: &Source = tree.file(&path).ok_or_else(|| format!("there is no {path}"))?;
    let model: Value = serde_json::from_str(&source.text)?;
    let operations =
        model["operations"].as_object().ok_or_else(|| format!("{path}: operations"))?;
    Ok(operations.keys().cloned().collect())
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric()).any(|part| part == word)
}
