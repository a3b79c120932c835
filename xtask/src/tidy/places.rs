//! What may be said only in certain places.

use super::rust;
use super::tree::{Tree, Violation};
use crate::Failure;

/// Who touches files, and why.
const FILES_IN: &[(&str, &str)] = &[
    ("crates/store/", "the data folder is its own"),
    ("crates/levada/src/config/file.rs", "the configuration says where the store is"),
    ("crates/levada/src/outside/tables/folder.rs", "an operator's tables are documents of his own"),
    ("crates/levada/src/commands/certs.rs", "a certificate goes where the operator says"),
    ("xtask/", "a chore reads and writes the source tree"),
    ("bench/", "a benchmark is a client with a scratch folder"),
    ("fuzz/", "a fuzzer writes what it found"),
];

/// Names that only `api`, `model` and `levada` know.
const SERVICES: &[&str] = &["kinesis", "firehose", "analytics", "video"];

/// Paths of one machine; in halves, or this file would break its own rule.
const MACHINE_PATHS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];
/// Hosts of package registries: a registry is chosen by whoever builds.
const REGISTRIES: &[&str] = &[
    concat!("registry.", "npmjs.org"),
    concat!("pypi", ".org"),
    concat!("files.", "pythonhosted.org"),
    concat!("static.", "crates.io"),
    concat!("index.", "crates.io"),
    concat!("proxy.", "golang.org"),
    concat!("repo.", "maven.apache.org"),
    concat!("repo1.", "maven.org"),
    concat!("deb.", "debian.org"),
];

/// `std::fs` and `tokio::fs` belong to `store`; tests may make scratch files.
pub(super) fn files_in_store(tree: &Tree) -> Result<Vec<Violation>, Failure> {
    let mut found = Vec::new();
    let outside = tree.rust().filter(|source| {
        !source.is_test() && !FILES_IN.iter().any(|(place, _)| source.path.starts_with(place))
    });
    for source in outside {
        for (index, line) in rust::blank(&source.text).lines().enumerate() {
            let dense: String = line.chars().filter(|c| !c.is_whitespace()).collect();
            let named = ["std::fs", "tokio::fs"].iter().any(|name| dense.contains(name));
            let nested = dense.starts_with("use")
                && ["std::{", "tokio::{"].iter().any(|root| dense.contains(root))
                && dense.split(['{', ',', ':', '}']).any(|part| part == "fs");
            if named || nested {
                let advice = "go through store, which owns the data folder";
                found.push(Violation::new(&source.path, index + 1, advice));
            }
        }
    }
    Ok(found)
}

/// `front` serves endpoints whose names it is given.
pub(super) fn nameless_front(tree: &Tree) -> Result<Vec<Violation>, Failure> {
    let mut found = Vec::new();
    for source in tree.files.iter().filter(|source| source.path.starts_with("crates/front/src/")) {
        for (index, line) in source.text.to_lowercase().lines().enumerate() {
            if let Some(service) = SERVICES.iter().find(|service| line.contains(**service)) {
                let advice = format!("take `{service}` from the service's profile");
                found.push(Violation::new(&source.path, index + 1, advice));
            }
        }
    }
    Ok(found)
}

/// The tree builds anywhere: no path of one machine, no registry's host.
pub(super) fn portable(tree: &Tree) -> Result<Vec<Violation>, Failure> {
    let mut found = Vec::new();
    for source in tree.files.iter().filter(|source| source.path != "Cargo.lock") {
        for (index, line) in source.text.lines().enumerate() {
            if let Some(path) = MACHINE_PATHS.iter().find(|path| names_path(line, path)) {
                let advice = format!("`{path}` is one machine's; use a flag or a relative path");
                found.push(Violation::new(&source.path, index + 1, advice));
            }
            if let Some(host) = REGISTRIES.iter().find(|host| line.contains(**host)) {
                let advice = format!("leave the registry `{host}` to whoever builds");
                found.push(Violation::new(&source.path, index + 1, advice));
            }
        }
    }
    Ok(found)
}

/// Whether an absolute path begins so; the middle of a longer path or address does not count.
fn names_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "/._-~}".contains(c))
    })
}
