//! The walls between crates, as the table in ARCHITECTURE.md draws them.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::{Tree, Violation};
use crate::Failure;

const PAGE: &str = "ARCHITECTURE.md";

/// Crates that know streams of records and nothing of the wire.
const ENGINES: &[&str] = &["streams", "delivery", "analytics", "video", "convert", "store"];
/// What would let an engine see a header, a status or a codec.
const WIRE: &[&str] = &["wire", "front", "api", "http", "http-body", "hyper", "hyper-util"];

/// One row of the table of layers.
struct Row {
    line: usize,
    layer: usize,
    /// `None`: everything.
    imports: Option<Vec<String>>,
}

/// The rows `| layer | crate | imports |` by crate.
fn table(tree: &Tree) -> Result<BTreeMap<String, Row>, Failure> {
    let page = tree.file(PAGE).ok_or("there is no ARCHITECTURE.md")?;
    let mut rows = BTreeMap::new();
    for (index, line) in page.text.lines().enumerate() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let ["", layer, name, imports, ""] = cells[..] else { continue };
        let (Ok(layer), Some(name)) = (layer.parse(), name.strip_prefix('`')) else { continue };
        let imports = match imports {
            "all" => None,
            "–" | "-" | "" => Some(Vec::new()),
            names => Some(names.split(',').map(|name| name.trim().to_string()).collect()),
        };
        rows.insert(
            name.trim_end_matches('`').to_string(),
            Row { line: index + 1, layer, imports },
        );
    }
    match rows.is_empty() {
        true => Err("ARCHITECTURE.md has no table `| layer | crate | imports |`".into()),
        false => Ok(rows),
    }
}

/// Every crate has a row and imports only what it lists; tests may look sideways, not upwards.
pub(super) fn rows(tree: &Tree) -> Result<Vec<Violation>, Failure> {
    let rows = table(tree)?;
    let mut found = Vec::new();
    for package in tree.members().filter(|package| package.name != "xtask") {
        let Some(row) = rows.get(&package.name) else {
            found.push(Violation::new(
                PAGE,
                1,
                format!("add a layer's row for `{}`", package.name),
            ));
            continue;
        };
        let layer_of = |name: &String| rows.get(name).map(|row| row.layer);
        for import in package.normal.iter().filter(|name| layer_of(name).is_some()) {
            if row.imports.as_ref().is_some_and(|listed| !listed.contains(import)) {
                found.push(Violation::new(
                    &package.manifest,
                    line_of(tree, &package.manifest, import),
                    format!("`{}` may not import `{import}`", package.name),
                ));
            }
        }
        for import in package.dev.iter().filter(|name| layer_of(name) > Some(row.layer)) {
            found.push(Violation::new(
                &package.manifest,
                line_of(tree, &package.manifest, import),
                format!("`{}` may not even test with `{import}`, a layer above", package.name),
            ));
        }
    }
    for (name, row) in &rows {
        if !tree.members().any(|package| &package.name == name) {
            found.push(Violation::new(PAGE, row.line, format!("there is no crate `{name}`")));
        }
    }
    Ok(found)
}

/// No crate reaches itself. Cargo refuses cycles of what is built; this refuses those through tests.
pub(super) fn cycles(tree: &Tree) -> Result<Vec<Violation>, Failure> {
    let mut reached: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in tree.members() {
        let imports = package.normal.iter().chain(&package.dev).map(String::as_str);
        reached.insert(&package.name, imports.filter(|name| *name != package.name).collect());
    }
    for _ in 0..reached.len() {
        let before = reached.clone();
        for names in reached.values_mut() {
            let further: Vec<&str> =
                names.iter().filter_map(|name| before.get(name)).flatten().copied().collect();
            names.extend(further);
        }
    }
    let circular = tree.members().filter(|package| {
        reached.get(package.name.as_str()).is_some_and(|names| names.contains(&*package.name))
    });
    Ok(circular
        .map(|package| {
            Violation::new(&package.manifest, 1, format!("`{}` imports itself", package.name))
        })
        .collect())
}

/// Engines depend on nothing that carries a header, a status or a codec.
pub(super) fn engines(tree: &Tree) -> Result<Vec<Violation>, Failure> {
    let mut found = Vec::new();
    for package in tree.members().filter(|package| ENGINES.contains(&package.name.as_str())) {
        for import in package.normal.iter().filter(|name| WIRE.contains(&name.as_str())) {
            found.push(Violation::new(
                &package.manifest,
                line_of(tree, &package.manifest, import),
                format!("engine `{}` may not see `{import}`; convert in api", package.name),
            ));
        }
    }
    Ok(found)
}

fn line_of(tree: &Tree, manifest: &str, import: &str) -> usize {
    let found = tree
        .file(manifest)
        .and_then(|source| source.text.lines().position(|line| line.starts_with(import)));
    found.map_or(1, |index| index + 1)
}
