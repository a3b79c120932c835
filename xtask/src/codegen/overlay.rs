//! Our own facts about operations, beside the official ones.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::model::Model;
use crate::Failure;

/// `overlay.toml`, by service.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Overlays(BTreeMap<String, Overlay>);

/// One service's rows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Overlay {
    pub(crate) action_prefix: String,
    pub(crate) content_types: Vec<(String, String)>,
    #[serde(default)]
    pub(crate) optional: Vec<String>,
    #[serde(default)]
    pub(crate) java: Java,
    #[serde(default)]
    pub(crate) patterns: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) ties: Vec<(String, String)>,
    pub(crate) bodies: BTreeMap<String, usize>,
    pub(crate) resources: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(crate) addresses: BTreeMap<String, Vec<String>>,
    pub(crate) operations: BTreeMap<String, Row>,
}

/// The Java that a service runs on, as far as its errors show it: the order in which it walks a
/// `HashMap`, and with which framework it words what breaks a constraint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum Java {
    #[default]
    #[serde(rename = "7")]
    Seven,
    #[serde(rename = "8")]
    Eight,
}

/// One operation's row.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) access: Access,
    #[serde(default)]
    pub(crate) kind: Flow,
    pub(crate) resource: Option<String>,
    pub(crate) rate: Option<u32>,
    #[serde(default)]
    pub(crate) per: Counted,
    pub(crate) action: Option<String>,
    #[serde(default = "control")]
    pub(crate) body: String,
}

/// As `wire::Access`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Access {
    Read,
    Mutate,
    Data,
}

/// Whose calls a rate counts together, as `wire::CallRate`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Counted {
    #[default]
    Account,
    Resource,
}

/// As `wire::Kind`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Flow {
    #[default]
    Unary,
    EventStream,
    Upload,
    Download,
}

fn control() -> String {
    "control".to_string()
}

impl Overlays {
    pub(crate) fn read(path: &Path) -> Result<Overlays, Failure> {
        let text = std::fs::read_to_string(path)?;
        Ok(toml::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?)
    }

    /// A service's overlay, which must have exactly the model's operations.
    pub(crate) fn of(&self, service: &str, model: &Model) -> Result<&Overlay, Failure> {
        let overlay =
            self.0.get(service).ok_or_else(|| format!("overlay.toml has no [{service}]"))?;
        for (name, _) in model.operations.iter() {
            overlay.row(name)?;
        }
        for (name, row) in &overlay.operations {
            if model.operations.get(name).is_none() {
                return Err(format!("overlay.toml: {service} has no operation {name}").into());
            }
            overlay.body_bytes_max(row)?;
            overlay.resource_templates(row)?;
        }
        Ok(overlay)
    }
}

impl Overlay {
    pub(crate) fn row(&self, operation: &str) -> Result<&Row, Failure> {
        self.operations
            .get(operation)
            .ok_or_else(|| format!("overlay.toml has no row for {operation}").into())
    }

    pub(crate) fn body_bytes_max(&self, row: &Row) -> Result<usize, Failure> {
        self.bodies
            .get(&row.body)
            .copied()
            .ok_or_else(|| format!("overlay.toml has no body {}", row.body).into())
    }

    pub(crate) fn resource_templates(&self, row: &Row) -> Result<&[String], Failure> {
        let Some(name) = &row.resource else { return Ok(&[]) };
        self.resources
            .get(name)
            .map(Vec::as_slice)
            .ok_or_else(|| format!("overlay.toml has no resource {name}").into())
    }
}
