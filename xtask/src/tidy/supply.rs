//! What we build on: `deny.toml`'s lists, held against `cargo metadata`.

use serde::Deserialize;

use super::spdx;
use super::tree::{Tree, Violation};
use crate::Failure;

const LISTS: &str = "deny.toml";
const LOCK: &str = "Cargo.lock";

/// The parts of `deny.toml` that need no network.
#[derive(Debug, Deserialize)]
struct Lists {
    licenses: Licenses,
    bans: Bans,
}

#[derive(Debug, Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Bans {
    deny: Vec<Banned>,
}

#[derive(Debug, Deserialize)]
struct Banned {
    #[serde(rename = "crate")]
    name: String,
}

fn lists(tree: &Tree) -> Result<Lists, Failure> {
    let source = tree.file(LISTS).ok_or("there is no deny.toml")?;
    Ok(toml::from_str(&source.text).map_err(|error| format!("{LISTS}: {error}"))?)
}

/// A dependency's licence can be met with the allowed ones.
pub(super) fn licences(tree: &Tree) -> Result<Vec<Violation>, Failure> {
    let allowed = lists(tree)?.licenses.allow;
    let mut found = Vec::new();
    for package in &tree.packages {
        let license = package.license.as_deref().unwrap_or_default();
        if !spdx::is_met(license, &allowed) {
            let advice = format!(
                "{} {} is under `{license}`; allow it in {LISTS} or do without",
                package.name, package.version
            );
            found.push(Violation::new(LOCK, line_of(tree, &package.name), advice));
        }
    }
    Ok(found)
}

/// No fork, no branch: what is built is what was published.
pub(super) fn sources(tree: &Tree) -> Result<Vec<Violation>, Failure> {
    let foreign = tree.packages.iter().filter(|package| {
        package.source.as_ref().is_some_and(|source| !source.starts_with("registry+"))
    });
    Ok(foreign
        .map(|package| {
            let advice = format!("{} does not come from the registry", package.name);
            Violation::new(LOCK, line_of(tree, &package.name), advice)
        })
        .collect())
}

/// TLS and hashes come from one place.
pub(super) fn bans(tree: &Tree) -> Result<Vec<Violation>, Failure> {
    let denied = lists(tree)?.bans.deny;
    let found = tree.packages.iter().filter(|p| denied.iter().any(|banned| banned.name == p.name));
    Ok(found
        .map(|package| {
            let advice = format!("{LISTS} bans {}; `cargo tree -i` says who asks", package.name);
            Violation::new(LOCK, line_of(tree, &package.name), advice)
        })
        .collect())
}

fn line_of(tree: &Tree, name: &str) -> usize {
    let wanted = format!("name = \"{name}\"");
    let found =
        tree.file(LOCK).and_then(|source| source.text.lines().position(|line| line == wanted));
    found.map_or(1, |index| index + 1)
}
