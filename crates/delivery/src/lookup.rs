//! Looking up the table that an owner's records are converted into, once something is to be planned.

use std::sync::Arc;
use std::time::Duration;

use crate::catalog::CatalogError;
use crate::limits::{TABLE_RETRY, TABLE_WAIT};
use crate::owner::{LineId, Owner};
use crate::rows::{PlannedTable, Role};
use crate::work::Work;

type Found = Result<PlannedTable, CatalogError>;

/// Where that stands.
#[derive(Debug, Default)]
pub(crate) struct Lookup {
    /// The table, for what is planned next.
    pub(crate) table: Option<PlannedTable>,
    /// Why there is none, if the catalog could not be reached.
    pub(crate) trouble: Option<String>,
    asking: Option<Work<Found>>,
    /// When a catalog that could not be reached is asked again.
    again: Option<Duration>,
}

impl Lookup {
    /// Whether what needs a table has to wait for something else than its time.
    pub(crate) fn is_under_way(&self) -> bool {
        self.asking.is_some() || self.again.is_some()
    }

    /// When it is tried again.
    pub(crate) fn again(&self) -> Option<Duration> {
        self.again
    }

    /// Begins anew: with another table, or at another time.
    pub(crate) fn forget(&mut self) {
        *self = Lookup { trouble: self.trouble.take(), ..Lookup::default() };
    }

    /// Waits for an answer, for ever if nobody is asked.
    pub(crate) async fn found(&mut self) -> Option<Found> {
        let Some(asking) = &mut self.asking else { return std::future::pending().await };
        let found = asking.await;
        self.asking = None;
        found
    }
}

impl Owner {
    /// Whether a line's records are converted.
    pub(crate) fn needs_table(&self, id: LineId) -> bool {
        let converts = self.destination.as_ref().is_some_and(|own| own.conversion.is_some());
        let is_failed = |role: &Role| matches!(role, Role::Failed { .. });
        converts
            && id != LineId::Backup
            && self
                .lines
                .get(&id)
                .is_none_or(|line| !line.cursors.values().any(|cursor| is_failed(&cursor.role)))
    }

    /// Asks for the table, if something is due that needs it.
    pub(crate) fn look_up(&mut self) {
        let conversion = self.destination.as_ref().and_then(|own| own.conversion.clone());
        let Some(conversion) = conversion else { return };
        if self.lookup.is_under_way() || self.plans.room() == 0 {
            return;
        }
        let now = self.shared.clock.service();
        let is_staged = self.is_staged() || !self.batching.is_empty();
        let is_due = |id: LineId| self.lines[&id].due().is_some_and(|due| due <= now);
        let mut own = self.lines.keys().filter(|id| !is_staged || **id != LineId::Main);
        if !own.any(|id| self.needs_table(*id) && is_due(*id)) {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let name = conversion.table_name(&self.stream.name.world);
        self.lookup.asking = Some(Work::start(async move {
            let found = shared.clock.timeout(TABLE_WAIT, shared.tables.find(&name)).await;
            let silent = || {
                let seconds = TABLE_WAIT.as_secs();
                Err(CatalogError::Unavailable(format!("no answer within {seconds} seconds")))
            };
            match found.unwrap_or_else(silent) {
                Ok(table) => conversion.planned(Ok(&table)),
                Err(error) => conversion.planned(Err(error)),
            }
        }));
    }

    /// Takes note of an answer.
    pub(crate) fn looked_up(&mut self, found: Found) {
        match found {
            Ok(table) => {
                self.lookup = Lookup { table: Some(table), ..Lookup::default() };
            }
            Err(error) => {
                let trouble = error.to_string();
                if self.lookup.trouble.as_ref() != Some(&trouble) {
                    tracing::warn!(delivery_stream = %self.stream.name, trouble, "nothing is converted");
                }
                self.lookup.trouble = Some(trouble);
                self.lookup.again = Some(self.shared.clock.monotonic() + TABLE_RETRY);
            }
        }
    }
}
