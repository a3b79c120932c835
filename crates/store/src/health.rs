//! How the store is, for readiness and `doctor`.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::id::LogId;
use crate::limits::QUARANTINE_NAMES_MAX;
use crate::manifest::Quarantine;
use crate::sequencer::LOGS_TABLE;

/// How the store is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Whether it takes writes and nothing is quarantined.
    pub ready: bool,
    /// Whether the lane failed and no new one could be opened yet.
    pub poisoned: bool,
    /// Whether there is no room; reads go on.
    pub disk_full: bool,
    /// Whether the folder takes all it may; reads go on.
    pub data_full: bool,
    /// Whether there will be no room soon.
    pub room_low: bool,
    /// Whether the bucket does not answer: writes are refused until it does.
    pub stalled: bool,
    /// Whether another process has taken the bucket over: this one must be ended.
    pub fenced: bool,
    /// Whether it has been closed.
    pub closed: bool,
    /// Acknowledged data that is damaged, by name, the first ones; never served, never cut away.
    pub quarantined: Vec<String>,
}

/// What [`Health`] is made of.
#[derive(Debug, Default)]
pub(crate) struct Condition {
    pub(crate) poisoned: AtomicBool,
    pub(crate) disk_full: AtomicBool,
    data_full: AtomicBool,
    room_low: AtomicBool,
    pub(crate) stalled: AtomicBool,
    pub(crate) fenced: AtomicBool,
    pub(crate) closed: AtomicBool,
    /// Whether the last flush failed: writes then do not wait for the next.
    pub(crate) flush_failed: AtomicBool,
    /// Whether logs are known only because they have records: the next flush writes all rows.
    pub(crate) inferred: AtomicBool,
    quarantined: Mutex<BTreeSet<Quarantine>>,
    /// Whether there is any: reads look here first.
    any_quarantined: AtomicBool,
}

impl Condition {
    fn places(&self) -> MutexGuard<'_, BTreeSet<Quarantine>> {
        self.quarantined.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers and logs damage.
    pub(crate) fn quarantine(&self, place: Quarantine) {
        self.any_quarantined.store(true, Ordering::Release);
        let mut places = self.places();
        if place.accepted {
            places.insert(place);
        } else if !places.contains(&Quarantine { accepted: true, ..place }) {
            let name = place.name();
            if places.insert(place) {
                tracing::error!(place = name, "acknowledged data is damaged");
            }
        }
    }

    /// Takes note of the loss of the places with this name; whether there are any.
    pub(crate) fn accept_loss(&self, name: &str) -> bool {
        let mut places = self.places();
        let named: Vec<_> = places.iter().filter(|place| place.name() == name).cloned().collect();
        for place in &named {
            places.remove(place);
            places.insert(Quarantine { accepted: true, ..*place });
        }
        !named.is_empty()
    }

    /// Whether somebody has taken note of the loss of all of `place`.
    pub(crate) fn is_accepted(&self, place: &Quarantine) -> bool {
        let covers = |own: &Quarantine| {
            own.log == place.log && own.first <= place.first && own.end >= place.end
        };
        self.places().iter().any(|own| own.accepted && covers(own))
    }

    pub(crate) fn quarantined(&self) -> Vec<Quarantine> {
        if !self.any_quarantined.load(Ordering::Acquire) {
            return Vec::new();
        }
        self.places().iter().cloned().collect()
    }

    /// Whether rows of the table of logs may be lost: then a log that nobody knows may be one that
    /// somebody needs.
    pub(crate) fn has_lost_logs(&self) -> bool {
        let table = LogId::table(LOGS_TABLE.0);
        self.places().iter().any(|place| place.log.is_none_or(|log| log == table))
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }

    pub(crate) fn is_disk_full(&self) -> bool {
        self.disk_full.load(Ordering::Acquire)
    }

    pub(crate) fn set_disk_full(&self, full: bool) {
        if self.disk_full.swap(full, Ordering::AcqRel) != full {
            tracing::warn!(full, "whether the disk has room has changed");
        }
    }

    /// Whether records are refused for want of room, on the disk or in what the folder may take.
    pub(crate) fn is_without_room(&self) -> bool {
        self.is_disk_full() || self.data_full.load(Ordering::Acquire)
    }

    pub(crate) fn set_data_full(&self, full: bool) {
        if self.data_full.load(Ordering::Relaxed) != full {
            self.data_full.store(full, Ordering::Release);
            tracing::warn!(full, "whether the data folder takes all it may has changed");
        }
    }

    pub(crate) fn set_room_low(&self, low: bool) {
        if self.room_low.swap(low, Ordering::AcqRel) != low {
            if low {
                tracing::warn!("there will be no room for data soon");
            } else {
                tracing::info!("there is room for data again");
            }
        }
    }

    pub(crate) fn health(&self) -> Health {
        let places = self.places();
        let reported: Vec<_> = places.iter().filter(|place| !place.accepted).collect();
        let (poisoned, disk_full) = (self.is_poisoned(), self.is_disk_full());
        let data_full = self.data_full.load(Ordering::Acquire);
        let stalled = self.stalled.load(Ordering::Acquire);
        let closed = self.closed.load(Ordering::Acquire);
        Health {
            ready: !poisoned
                && !disk_full
                && !data_full
                && !stalled
                && !closed
                && reported.is_empty(),
            poisoned,
            disk_full,
            data_full,
            room_low: self.room_low.load(Ordering::Acquire),
            stalled,
            fenced: self.fenced.load(Ordering::Acquire),
            closed,
            quarantined: reported
                .iter()
                .take(QUARANTINE_NAMES_MAX)
                .map(|place| place.name())
                .collect(),
        }
    }
}
