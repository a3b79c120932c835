//! `docs/coverage.md`: a table of operations for each service.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde::Deserialize;

use super::Service;
use crate::Failure;

/// What the page says first.
pub(super) const INTRODUCTION: &str = "# Coverage\n\n\
    Written by `cargo xtask codegen` from `models/coverage.toml`; the conformance runs assert its \
    marks.\n";

/// `coverage.toml`, by service.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Marks(BTreeMap<String, ServiceMarks>);

/// A service's part of it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceMarks {
    /// Operations that are served.
    served: Vec<String>,
    /// Suites by operation.
    proven: BTreeMap<String, Vec<String>>,
    /// What becomes of records, by the destination that they are for.
    #[serde(default)]
    destinations: BTreeMap<String, String>,
}

impl Marks {
    pub(super) fn read(path: &Path) -> Result<Marks, Failure> {
        let text = std::fs::read_to_string(path)?;
        Ok(toml::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?)
    }
}

/// A service's section of the page.
pub(super) fn section(service: &Service<'_>, marks: &Marks) -> Result<String, Failure> {
    let none = ServiceMarks::default();
    let marks = marks.0.get(service.name).unwrap_or(&none);
    for name in marks.served.iter().chain(marks.proven.keys()) {
        if service.model.operations.get(name).is_none() {
            return Err(format!("coverage.toml: there is no operation {name}").into());
        }
    }
    let count = service.model.operations.iter().count();
    let mut section = format!(
        "\n## {}: {} of {count} operations served\n\n\
         | operation | served | proven by |\n|---|---|---|\n",
        service.model.metadata.service_id,
        marks.served.len(),
    );
    for (name, _) in service.model.operations.iter() {
        let served = if marks.served.iter().any(|served| served == name) { "yes" } else { "" };
        let proven = marks.proven.get(name).map(|suites| suites.join(", ")).unwrap_or_default();
        writeln!(section, "| {name} | {served} | {proven} |")?;
    }
    if !marks.destinations.is_empty() {
        let id = &service.model.metadata.service_id;
        write!(section, "\n### {id} destinations\n\n| destination | records |\n|---|---|\n")?;
    }
    for (destination, records) in &marks.destinations {
        writeln!(section, "| {destination} | {records} |")?;
    }
    Ok(section)
}
