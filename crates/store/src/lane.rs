//! The lane: where a sealed chunk becomes durable.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::bucket::BucketLane;
use crate::mutant::{self, Mutant};
use crate::ring::{Ring, RingError, RingFile};

/// Where a chunk lies.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) file: Arc<RingFile>,
    pub(crate) at: u64,
}

/// Why a chunk is not durable.
#[derive(Debug)]
pub(crate) enum LaneError {
    /// Nothing of it was written: there is no room. The same number may be written again.
    DiskFull,
    /// Nobody knows how much of it is on disk.
    InDoubt(io::Error),
}

/// One process start's chunks.
#[derive(Debug)]
pub(crate) enum Lane {
    /// In memory only.
    Memory,
    /// In the ring.
    Ring(RingLane),
    /// In a bucket.
    Bucket(BucketLane),
}

/// Where a chunk is after it has been given to the lane.
#[derive(Debug)]
pub(crate) enum Written {
    /// Durable here, if it is anywhere.
    Now(Option<Place>),
    /// On its way.
    Later,
}

/// The end of the lane in the ring.
#[derive(Debug)]
pub(crate) struct RingLane {
    ring: Arc<Ring>,
    active: Option<Place>,
    /// Whether a failed sync counts as none: a mutant that the crash tests must catch.
    pub(crate) sabotage: Sabotage,
}

/// What tests can break on purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// Nothing.
    #[default]
    None,
    /// Acknowledge before the sync.
    #[cfg(test)]
    AcknowledgeUnsynced,
    /// Take a failed sync for a good one.
    #[cfg(test)]
    IgnoreFailedSync,
    /// Believe blocks without looking at their checksums.
    #[cfg(test)]
    SkipBlockChecksum,
    /// Open a new lane without sealing the one before it.
    #[cfg(test)]
    SkipSeal,
    /// Acknowledge a bucket's chunks as they are answered.
    #[cfg(test)]
    AcknowledgeOutOfOrder,
    /// Take "there is one already" for success.
    #[cfg(test)]
    TrustRefusals,
    /// Collect seals with the rest of a lane.
    #[cfg(test)]
    CollectSeals,
    /// Claim the next number after an answer that did not come.
    #[cfg(test)]
    SkipClaims,
}

impl Sabotage {
    pub(crate) fn seals(self) -> bool {
        match self {
            #[cfg(test)]
            Sabotage::SkipSeal => false,
            _ => true,
        }
    }

    pub(crate) fn waits_for_order(self) -> bool {
        match self {
            #[cfg(test)]
            Sabotage::AcknowledgeOutOfOrder => false,
            _ => true,
        }
    }

    pub(crate) fn trusts_refusals(self) -> bool {
        match self {
            #[cfg(test)]
            Sabotage::TrustRefusals => true,
            _ => false,
        }
    }

    pub(crate) fn collects_seals(self) -> bool {
        match self {
            #[cfg(test)]
            Sabotage::CollectSeals => true,
            _ => false,
        }
    }

    pub(crate) fn skips_claims(self) -> bool {
        match self {
            #[cfg(test)]
            Sabotage::SkipClaims => true,
            _ => false,
        }
    }

    pub(crate) fn verifies(self) -> bool {
        match self {
            #[cfg(test)]
            Sabotage::SkipBlockChecksum => false,
            _ => true,
        }
    }
}

impl Lane {
    pub(crate) fn ring(ring: Arc<Ring>, sabotage: Sabotage) -> Self {
        Lane::Ring(RingLane { ring, active: None, sabotage })
    }

    /// Makes a chunk durable.
    pub(crate) fn write(&mut self, number: u64, chunk: &Bytes) -> Result<Written, LaneError> {
        match self {
            Lane::Memory => Ok(Written::Now(None)),
            Lane::Ring(lane) => lane.write(chunk).map(|place| Written::Now(Some(place))),
            Lane::Bucket(lane) => {
                lane.submit(number, chunk.clone());
                Ok(Written::Later)
            }
        }
    }

    /// Whether an allocated file should be made in the background.
    pub(crate) fn wants_spare(&self) -> bool {
        match self {
            Lane::Memory | Lane::Bucket(_) => false,
            Lane::Ring(lane) => lane.active.as_ref().is_none_or(|active| {
                let filling = !active.file.is_zeroed() || active.at * 2 > active.file.bytes;
                filling && !lane.ring.has_spare()
            }),
        }
    }
}

impl RingLane {
    fn write(&mut self, chunk: &[u8]) -> Result<Place, LaneError> {
        let place = self.place(chunk.len() as u64)?;
        let written = place.file.file.write_at(chunk, place.at);
        if let Err(error) = written.and_then(|()| self.sync(&place.file)) {
            // A write that ran out of room may have left blocks that a start can read.
            place.file.spoil();
            if mutant::is_on(Mutant::RetryInDoubt) {
                return Err(LaneError::DiskFull);
            }
            return Err(LaneError::InDoubt(error));
        }
        let at = place.at + chunk.len() as u64;
        self.active = Some(Place { file: Arc::clone(&place.file), at });
        Ok(place)
    }

    fn place(&mut self, bytes: u64) -> Result<Place, LaneError> {
        if let Some(active) = &self.active
            && active.at + bytes <= active.file.bytes
            && (active.file.is_zeroed() || !self.ring.has_spare())
        {
            return Ok(active.clone());
        }
        let file = self.ring.take().map_err(|error| match error {
            RingError::Full => LaneError::DiskFull,
            RingError::Io(error) if is_full(&error) => LaneError::DiskFull,
            RingError::Io(error) => LaneError::InDoubt(error),
        })?;
        Ok(Place { file, at: 0 })
    }

    fn sync(&self, file: &RingFile) -> io::Result<()> {
        match self.sabotage {
            #[cfg(test)]
            Sabotage::AcknowledgeUnsynced => Ok(()),
            #[cfg(test)]
            Sabotage::IgnoreFailedSync => {
                let _ignored = file.file.sync();
                Ok(())
            }
            _ => file.file.sync(),
        }
    }
}

/// Whether the disk has no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
