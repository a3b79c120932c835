//! Whatever reads bytes that somebody else may have written is fuzzed.

use std::collections::BTreeSet;

use super::tree::{Source, Tree, Violation};
use crate::Failure;

const TARGETS: &str = "fuzz/fuzz_targets/";
const MANIFEST: &str = "fuzz/Cargo.toml";
const TABLE: &str = "docs/durability.md";

/// Decoders have a target, a corpus and a row in the table of docs/durability.md, and targets a manifest
/// entry.
pub(super) fn decoders(tree: &Tree) -> Result<Vec<Violation>, Failure> {
    let text_of =
        |path: &str| tree.file(path).map(|source| source.text.as_str()).unwrap_or_default();
    let (manifest, table) = (text_of(MANIFEST), text_of(TABLE));
    let targets: BTreeSet<&str> = tree.rust().filter_map(target_of).collect();
    let mut found = Vec::new();
    let lists = tree.rust().filter(|source| source.path.starts_with("crates/"));
    for source in lists.filter(|source| source.text.contains("DECODERS: &[Decoder]")) {
        for (line, name) in names(&source.text) {
            if !targets.contains(name.as_str()) {
                let advice = format!("`{name}` has no target in {TARGETS}");
                found.push(Violation::new(&source.path, line, advice));
            }
        }
    }
    for target in targets {
        let path = format!("{TARGETS}{target}.rs");
        if !manifest.contains(&format!("path = \"fuzz_targets/{target}.rs\"")) {
            found.push(Violation::new(MANIFEST, 1, format!("`{target}` is not listed")));
        }
        if !table.contains(&format!("`{target}`")) {
            let advice = format!("`{target}` has no row in the table of decoders");
            found.push(Violation::new(TABLE, 1, advice));
        }
        // An example is seldom a text, so the tree has not read it.
        let corpus = format!("fuzz/corpus/{target}");
        let mut examples = std::fs::read_dir(tree.root.join(&corpus)).into_iter().flatten();
        if examples.next().is_none() {
            found.push(Violation::new(&path, 1, format!("put an example into {corpus}")));
        }
    }
    found.extend(tables(tree));
    Ok(found)
}

fn target_of(source: &Source) -> Option<&str> {
    source.path.strip_prefix(TARGETS)?.strip_suffix(".rs")
}

/// The names in a list of decoders, and their lines.
fn names(text: &str) -> Vec<(usize, String)> {
    let begins = |line: &str| line.contains("DECODERS: &[Decoder]");
    let lines = text.lines().enumerate().skip_while(|(_, line)| !begins(line));
    let mut found = Vec::new();
    for (index, line) in lines {
        let quoted = line.split('"').skip(1).step_by(2);
        found.extend(quoted.map(|name| (index + 1, name.to_owned())));
        if line.ends_with("];") {
            break;
        }
    }
    found
}

/// The tables of a crate that lists its decoders are all in the list.
fn tables(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for source in tree.rust().filter(|source| source.path.ends_with("/src/tables.rs")) {
        let list = source.path.replace("tables.rs", "decoders.rs");
        let Some(list) = tree.file(&list) else { continue };
        for (index, line) in source.text.lines().enumerate() {
            let Some(table) = line.strip_prefix("impl Table for ") else { continue };
            let table = table.trim_end_matches([' ', '{']);
            for of in ["table_key", "table_row"] {
                if !list.text.contains(&format!("{of}::<tables::{table}>")) {
                    let advice = format!("{} lists no {of} of `{table}`", list.path);
                    found.push(Violation::new(&source.path, index + 1, advice));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn a_list_is_read() {
        let list = "pub const DECODERS: &[Decoder] = &[\n    (\"a\", a),\n    X { name: \"b\" },\n];\n(\"c\")";
        assert_eq!(names(list), [(2, "a".to_owned()), (3, "b".to_owned())]);
    }
}
