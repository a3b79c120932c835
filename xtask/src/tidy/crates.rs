//! What every crate owes the reader.

use super::tree::{Tree, Violation};
use crate::Failure;

const PAGE: &str = "ARCHITECTURE.md";
/// The folders that the page may name paths in.
const FOLDERS: &[&str] = &[
    ".ci/",
    ".cargo/",
    "bench/",
    "conformance/",
    "crates/",
    "docs/",
    "fuzz/",
    "models/",
    "xtask/",
];

/// Licence, version and lints are written once, in the workspace.
pub(super) fn manifests(tree: &Tree) -> Result<Vec<Violation>, Failure> {
    let mut found = Vec::new();
    for package in tree.members() {
        let Some(source) = tree.file(&package.manifest) else { continue };
        for wanted in ["license.workspace = true", "publish.workspace = true", "[lints]"] {
            if !source.text.contains(wanted) {
                found.push(Violation::new(&package.manifest, 1, format!("add `{wanted}`")));
            }
        }
    }
    Ok(found)
}

/// The README's first command names no program, so there must be one that `cargo run` means.
pub(super) fn first_command(tree: &Tree) -> Result<Vec<Violation>, Failure> {
    const MANIFEST: &str = "Cargo.toml";
    const WANTED: &str = "default-members = [\"crates/levada\"]";
    let said = tree.file(MANIFEST).is_some_and(|source| source.text.contains(WANTED));
    let missing = (!said).then(|| Violation::new(MANIFEST, 1, format!("say `{WANTED}`")));
    Ok(missing.into_iter().collect())
}

/// The page has a section per crate.
pub(super) fn described(tree: &Tree) -> Result<Vec<Violation>, Failure> {
    let text = tree.file(PAGE).map(|page| page.text.as_str()).unwrap_or_default();
    let headings: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
    let missing = tree.members().filter(|package| {
        !headings.iter().any(|heading| heading.contains(&format!("`{}`", package.name)))
    });
    Ok(missing
        .map(|package| Violation::new(PAGE, 1, format!("add a section `{}`", package.name)))
        .collect())
}

/// Every path in backticks, or linked, exists.
pub(super) fn paths(tree: &Tree) -> Result<Vec<Violation>, Failure> {
    let text = tree.file(PAGE).map(|page| page.text.as_str()).unwrap_or_default();
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for path in line.split(['`', '(', ')']).filter_map(named_path) {
            if !tree.root.join(&path).exists() {
                found.push(Violation::new(PAGE, index + 1, format!("there is no `{path}`")));
            }
        }
    }
    Ok(found)
}

/// The path from the root that a word names, if it is one: `api/src/…` is short for `crates/api/src/…`.
fn named_path(word: &str) -> Option<String> {
    if word.contains(['*', '<', '{', ' ', '…']) {
        return None;
    }
    if FOLDERS.iter().any(|folder| word.starts_with(folder)) {
        return Some(word.to_string());
    }
    let (name, _) = word.split_once("/src/")?;
    (!name.is_empty() && name.chars().all(char::is_alphanumeric)).then(|| format!("crates/{word}"))
}
