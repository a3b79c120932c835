//! What nobody needs any more, and what must stay for ever.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use super::objects::{LANE_FOLDER, is_seal, parse_chunk_name};
use super::{Answer, Ask, Bucket, Listed};
use crate::lane::Sabotage;
use crate::manifest::{Manifest, parse_number};
use crate::segment::SEGMENT_FOLDER;

/// The objects below `lane/` that may go: chunks that are flushed, and what a process that did not know
/// of its end has put beyond its seal. Seals stay for ever: one that were gone would let its lane go on.
pub(crate) fn collectable(
    listed: &[Listed],
    manifest: &Manifest,
    own: u64,
    sabotage: Sabotage,
) -> Vec<String> {
    let gone = listed.iter().filter(|object| {
        let Some((lane, number)) = parse_chunk_name(&object.name) else { return false };
        if is_seal(object.bytes) && !sabotage.collects_seals() {
            return false;
        }
        match manifest.lanes.iter().find(|known| known.lane == lane) {
            Some(known) => {
                let beyond = known.seal.is_some_and(|seal| number > seal);
                number < known.flushed_below || beyond
            }
            // Sealed and flushed to the seal, or never more than a claim.
            None => lane < own,
        }
    });
    gone.map(|object| format!("{LANE_FOLDER}/{}", object.name)).collect()
}

/// Names that are to be removed, and when. One that is named again keeps its time.
#[derive(Debug, Default)]
pub(crate) struct Condemned {
    waiting: BTreeMap<String, Duration>,
}

impl Condemned {
    pub(crate) fn push(&mut self, due: Duration, name: String) {
        self.waiting.entry(name).or_insert(due);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Those whose time has come.
    pub(crate) fn take_due(&mut self, now: Duration) -> Vec<String> {
        let due: Vec<String> = self
            .waiting
            .iter()
            .filter(|(_, due)| **due <= now)
            .map(|(name, _)| name.clone())
            .collect();
        for name in &due {
            self.waiting.remove(name);
        }
        due
    }
}

/// What earlier incarnations left behind: flushed chunks, and segments that no manifest names.
pub(crate) fn sweep_step(
    bucket: &dyn Bucket,
    manifest: &Manifest,
    own: u64,
) -> io::Result<Vec<String>> {
    let mut gone = collectable(&list(bucket, LANE_FOLDER)?, manifest, own, Sabotage::None);
    for object in list(bucket, SEGMENT_FOLDER)? {
        let number = parse_number(&object.name);
        // Later ones are of a process that has taken over since.
        let old = number.is_some_and(|number| number < manifest.segment_next);
        if old && !manifest.segments.iter().any(|segment| Some(segment.number) == number) {
            gone.push(format!("{SEGMENT_FOLDER}/{}", object.name));
        }
    }
    Ok(gone)
}

fn list(bucket: &dyn Bucket, folder: &str) -> io::Result<Vec<Listed>> {
    match bucket.call(Ask::List(folder.to_owned())) {
        Answer::Listed(listed) => Ok(listed),
        answer => Err(io::Error::other(format!("{folder} cannot be listed: {answer:?}"))),
    }
}
