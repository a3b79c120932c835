//! Words that hide what a thing is, and words that put work off.

use super::rust;
use super::tree::{Source, Tree, Violation};
use crate::Failure;

/// Names that would fit any file.
const VAGUE: &[&str] = &["utils", "util", "helpers", "helper", "manager", "common", "misc"];
/// Beginnings that would fit any function.
const VAGUE_VERBS: &[&str] = &["handle_", "process_", "do_"];

/// The words are in halves, or this file would break its own rule.
const MARKS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];
const PLACEHOLDERS: &[&str] =
    &[concat!("todo", "!("), concat!("unimplemented", "!("), concat!("#[ig", "nore")];

/// No `utils.rs`, no `helpers/`.
pub(super) fn file_names(tree: &Tree) -> Result<Vec<Violation>, Failure> {
    let vague = |path: &str| {
        path.split('/')
            .map(|part| part.split('.').next().unwrap_or(part))
            .any(|stem| VAGUE.contains(&stem.to_lowercase().as_str()))
    };
    let found = tree.files.iter().filter(|source| vague(&source.path));
    Ok(found.map(|source| Violation::new(&source.path, 1, "name it after its idea")).collect())
}

/// No `handle_`, `process_` or `do_`.
pub(super) fn function_names(tree: &Tree) -> Result<Vec<Violation>, Failure> {
    let mut found = Vec::new();
    for source in tree.rust() {
        for function in rust::functions(&rust::blank(&source.text)) {
            if VAGUE_VERBS.iter().any(|verb| function.name.starts_with(verb)) {
                let advice = format!("say what `{}` does", function.name);
                found.push(Violation::new(&source.path, function.line, advice));
            }
        }
    }
    Ok(found)
}

/// Work is done or is an issue; it is not a comment.
pub(super) fn debt(tree: &Tree) -> Result<Vec<Violation>, Failure> {
    let mut found = Vec::new();
    let code = |source: &&Source| {
        let endings = [".rs", ".py", ".mjs", ".toml"];
        endings.iter().any(|ending| source.path.ends_with(ending)) && !source.is_generated()
    };
    for source in tree.files.iter().filter(code) {
        let blanked = if source.is_rust() { rust::blank(&source.text) } else { String::new() };
        let code_lines = blanked.lines().chain(std::iter::repeat(""));
        for (index, (line, code)) in source.text.lines().zip(code_lines).enumerate() {
            let mark = MARKS.iter().find(|mark| line.contains(**mark));
            let placeholder = PLACEHOLDERS.iter().find(|word| code.contains(**word));
            if let Some(word) = mark.or(placeholder) {
                let advice = format!("finish it, or write an issue instead of `{word}`");
                found.push(Violation::new(&source.path, index + 1, advice));
            }
        }
    }
    Ok(found)
}
