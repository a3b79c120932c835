//! `doctor --repair`: what a start does, and the losses that somebody accepts by name.

use std::path::Path;
use std::sync::Arc;

use stdx::{Clock, Entropy};

use crate::config::Config;
use crate::core::Core;
use crate::disk::{Disk, RealDisk};
use crate::error::OpenError;
use crate::inspect::{Examination, Inspection, load_manifest};
use crate::lane::Sabotage;
use crate::manifest::{self, Quarantine};
use crate::recover::{self, doing};

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Whose loss was accepted, by name.
    pub accepted: Vec<String>,
    /// What stays quarantined, by name.
    pub quarantined: Vec<String>,
}

/// Why a folder is not repaired. Nothing has been changed.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// Nothing that is lost has this name.
    #[error("nothing that is lost is called {0:?}")]
    UnknownName(String),
    /// The folder cannot be opened.
    #[error("{0}")]
    Open(#[from] OpenError),
}

/// Makes a stopped folder sound: cuts what was never acknowledged, moves what the lane holds into
/// segments, keeps and names what is damaged, and takes note of the losses in `accept`.
///
/// # Errors
/// See [`RepairError`].
pub fn repair(folder: &Path, accept: &[String]) -> Result<Repaired, RepairError> {
    let disk = RealDisk::new(folder).map_err(doing("open the data folder"))?;
    repair_on(&(Arc::new(disk) as Arc<dyn Disk>), Config::folder(folder), accept)
}

pub(crate) fn repair_on(
    disk: &Arc<dyn Disk>,
    config: Config,
    accept: &[String],
) -> Result<Repaired, RepairError> {
    let examined = examine(disk)?;
    let known = |name: &&String| {
        examined.findings.iter().any(|finding| finding.name.as_ref() == Some(*name))
    };
    if let Some(name) = accept.iter().find(|name| !known(name)) {
        return Err(RepairError::UnknownName(name.clone()));
    }
    let dropped =
        drop_segments(disk, |number| accept.contains(&Quarantine::of_segment(number).name()))?;
    // What was in a segment that is gone is missing from its logs: the same loss, log by log.
    let lost = if dropped { examine(disk)?.lost } else { examined.lost.clone() };
    let (clock, entropy) = (Clock::system(), Entropy::system());
    let core = recover::open_folder(Arc::clone(disk), config, clock, entropy, Sabotage::default())?;
    for place in lost {
        let accepted = dropped && !examined.lost.contains(&place);
        core.condition.quarantine(Quarantine { accepted: accepted || place.accepted, ..place });
    }
    core.sweep_blobs();
    core.flush().map_err(doing("move the lane into a segment"))?;
    for name in accept {
        core.condition.accept_loss(name);
    }
    commit_quarantine(&core).map_err(doing("write the manifest"))?;
    let quarantined = core.condition.health().quarantined;
    Ok(Repaired { accepted: accept.to_vec(), quarantined })
}

fn examine(disk: &Arc<dyn Disk>) -> Result<Examination, OpenError> {
    let seen = Inspection::of(Arc::clone(disk))?;
    if seen.in_use() {
        return Err(OpenError::Locked(disk.path("")));
    }
    seen.examine().map_err(doing("read the data folder"))
}

/// Takes segments out of the manifest; whether there were any.
fn drop_segments(disk: &Arc<dyn Disk>, gone: impl Fn(u64) -> bool) -> Result<bool, OpenError> {
    let mut manifest = load_manifest(&**disk)?;
    let before = manifest.segments.len();
    manifest.segments.retain(|segment| !gone(segment.number));
    if manifest.segments.len() == before {
        return Ok(false);
    }
    manifest::commit(&**disk, &mut manifest).map_err(doing("write the manifest"))?;
    Ok(true)
}

fn commit_quarantine(core: &Core) -> std::io::Result<()> {
    let Some(folder) = &core.folder else { return Ok(()) };
    let mut manifest = folder.manifest();
    let mut next = manifest.clone();
    next.quarantined = core.condition.quarantined();
    let committed = manifest::commit(&*folder.disk, &mut next);
    manifest.number = next.number;
    committed?;
    *manifest = next;
    Ok(())
}
