//! The table of operations in `docs/coverage.md`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde::Deserialize;

use super::Service;
use crate::Failure;

/// A service's part of `coverage.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Marks {
    /// Operations that are served.
    served: Vec<String>,
    /// Suites by operation.
    proven: BTreeMap<String, Vec<String>>,
}

/// The whole page.
pub(super) fn table(service: &Service<'_>, path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path)?;
    let marks: BTreeMap<String, Marks> =
        toml::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
    let none = Marks::default();
    let marks = marks.get(service.name).unwrap_or(&none);
    for name in marks.served.iter().chain(marks.proven.keys()) {
        if service.model.operations.get(name).is_none() {
            return Err(format!("coverage.toml: there is no operation {name}").into());
        }
    }
    let count = service.model.operations.iter().count();
    let mut page = format!(
        "# Coverage\n\n\
         Written by `cargo xtask codegen` from `models/coverage.toml`; the conformance runs assert \
         its marks.\n\n\
         ## {}: {} of {count} operations served\n\n\
         | operation | served | proven by |\n|---|---|---|\n",
        service.model.metadata.service_id,
        marks.served.len(),
    );
    for (name, _) in service.model.operations.iter() {
        let served = if marks.served.iter().any(|served| served == name) { "yes" } else { "" };
        let proven = marks.proven.get(name).map(|suites| suites.join(", ")).unwrap_or_default();
        writeln!(page, "| {name} | {served} | {proven} |")?;
    }
    Ok(page)
}
