//! Reduces the official models to facts.

use std::path::Path;
use std::process::Command;

use super::SERVICES;
use super::model::Model;
use crate::Failure;

/// Where the models come from: the package that AWS's own command line is built on.
const SOURCE: &str = "botocore 1.44.5";

/// After `pip download botocore==1.44.5 --no-deps` and unpacking: reads `<data>/<service>/<version>/service-2.json[.gz]` for every service and writes
/// `models/<service>.json`.
pub(super) fn reduce_all(data: &Path, models: &Path) -> Result<(), Failure> {
    for service in SERVICES {
        let folder = data.join(service);
        let mut versions = Vec::new();
        let entries =
            std::fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        for entry in entries {
            versions.push(entry?.path());
        }
        versions.sort();
        let newest = versions.last().ok_or_else(|| format!("{service} has no version"))?;
        let model = Model::parse(&read_model(newest)?)?;
        std::fs::write(models.join(format!("{service}.json")), model.reduced(SOURCE)?)?;
    }
    Ok(())
}

fn read_model(version: &Path) -> Result<String, Failure> {
    let plain = version.join("service-2.json");
    if plain.exists() {
        return Ok(std::fs::read_to_string(plain)?);
    }
    let packed = version.join("service-2.json.gz");
    let output = Command::new("gzip").arg("-dc").arg(&packed).output()?;
    if !output.status.success() {
        return Err(format!("{}: gzip failed", packed.display()).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
