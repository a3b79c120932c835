//! How an owner begins: from its rows, or from nothing.

use std::sync::Arc;

use store::{Position, ReadFrom};

use crate::buffer::Hints;
use crate::destination::Destination;
use crate::line::{Cursor, Line};
use crate::owner::{Ended, LineId, Owner};
use crate::plans::Plan;
use crate::rows::{Role, Source};
use crate::stage::Output;
use crate::tables::{self, Reader};

impl Owner {
    /// Reads the rows: plans are carried out as they were made, and reading goes on behind them.
    pub(crate) fn recover(&mut self) -> Result<(), Ended> {
        self.recover_plans()?;
        let prefix = self.stream.generation.to_be_bytes();
        let rows = self.shared.store.table::<tables::Sources>().scan_prefix(&prefix)?;
        for ((_, log, reader), found) in rows {
            let id = match (&found.row.role, reader) {
                (Role::Intake | Role::Shard { .. }, Reader::Destination) => LineId::Main,
                (Role::Intake | Role::Shard { .. }, Reader::Backup) => LineId::Backup,
                (Role::Partition { .. } | Role::Failed { .. }, _) => LineId::Staging(log),
            };
            if let (LineId::Staging(_), Some(output)) = (id, Output::of_role(&found.row.role)) {
                self.outputs.insert(output, log);
            }
            let cursor = Cursor::of_row(found.row, found.version);
            self.line(id).cursors.insert(log, cursor);
            self.unread.insert((id, log));
        }
        self.arrange_lines();
        Ok(())
    }

    fn recover_plans(&mut self) -> Result<(), Ended> {
        let prefix = self.stream.generation.to_be_bytes();
        for ((_, number), found) in
            self.shared.store.table::<tables::Plans>().scan_prefix(&prefix)?
        {
            // The newest one is read already.
            let destination = match &self.destination {
                Some(newest) if found.row.version == self.state.row.version => Arc::clone(newest),
                _ => read_destination(&found.row.destination)?,
            };
            self.plan_next = self.plan_next.max(number + 1);
            self.plans.all.insert(number, Plan::new(found.row, found.version, destination));
        }
        Ok(())
    }

    /// The lines that the configuration asks for, and the logs that they read.
    pub(crate) fn arrange_lines(&mut self) {
        let Some(destination) = self.destination.clone() else { return };
        for (id, line) in &mut self.lines {
            line.hints = hints_of(*id, &destination);
        }
        if let Source::DirectPut { log } = self.state.row.source {
            let is_new = !self.line(LineId::Main).cursors.contains_key(&log);
            if is_new {
                let cursor = Cursor::new(Role::Intake, ReadFrom::Position(Position::ZERO));
                self.line(LineId::Main).cursors.insert(log, cursor);
            }
            if destination.backup.is_some() {
                self.begin_backup(log);
            }
            if self.followed_logs.insert(log) {
                self.follow(log);
            }
        }
        self.arrange_shards();
    }

    /// A backup of a log begins where the log's records are not planned yet.
    fn begin_backup(&mut self, log: u64) {
        let main = self.line(LineId::Main).cursors.get(&log).cloned();
        let backup = self.line(LineId::Backup);
        if let Some(main) = main.filter(|_| !backup.cursors.contains_key(&log)) {
            let at = match main.version {
                Some(_) => ReadFrom::Position(Position(main.below)),
                None => main.at,
            };
            backup.cursors.insert(log, Cursor::new(main.role, at));
            self.unread.insert((LineId::Backup, log));
        }
    }

    /// A line, made if it is missing.
    pub(crate) fn line(&mut self, id: LineId) -> &mut Line {
        let destination = self.destination.as_deref();
        let hints = destination.map(|destination| hints_of(id, destination));
        let hints = hints.unwrap_or(crate::destination::HINTS_DEFAULT);
        self.lines.entry(id).or_insert_with(|| Line::new(hints))
    }
}

/// When an object of a line, or a batch, is full.
fn hints_of(id: LineId, destination: &Destination) -> Hints {
    match (id, &destination.backup) {
        (LineId::Backup, Some(backup)) => backup.hints,
        (LineId::Main, _) if destination.is_staged() => destination.batch_hints(),
        _ => destination.data.hints,
    }
}

fn read_destination(json: &str) -> Result<Arc<Destination>, Ended> {
    let description = serde_json::from_str(json)
        .map_err(|_| Ended::Failed("a plan's configuration cannot be read".to_owned()))?;
    let destination = Destination::read(&description);
    destination
        .map(Arc::new)
        .map_err(|_| Ended::Failed("a plan's destination is not delivered to".to_owned()))
}
