//! What an owner commits: plans for what is due, and the end of plans that are delivered.

use std::collections::BTreeMap;
use std::sync::Arc;

use stdx::UnixMillis;
use store::{Commit, Expect, LogId, Position, RowWrite};

use crate::buffer::Held;
use crate::destination::{Destination, Naming, uuid};
use crate::owner::{Ended, LineId, Owner};
use crate::plans::Plan;
use crate::rows::{Content, PlanRow, Role};
use crate::tables::{self, Reader};

const NO_KEYS: BTreeMap<String, String> = BTreeMap::new();

/// A cursor that moves: whose it is, and below what everything is planned.
type Moves = BTreeMap<(LineId, u64), u64>;

impl Owner {
    /// Plans what is due, as far as there is room, and ends what is delivered: in one commit.
    pub(crate) async fn settle(&mut self) -> Result<(), Ended> {
        let delivered = std::mem::take(&mut self.delivered);
        let (planned, moves) = self.plan_due();
        if delivered.is_empty() && planned.is_empty() {
            return Ok(());
        }
        let generation = self.stream.generation;
        let mut commit = Commit::default();
        for (number, plan) in &delivered {
            let (key, expect) = ((generation, *number), Expect::Version(plan.version));
            commit.rows.push(RowWrite::delete::<tables::Plans>(&key, expect));
        }
        for (number, row) in &planned {
            let key = (generation, *number);
            commit.rows.push(RowWrite::put::<tables::Plans>(&key, row, Expect::Absent));
        }
        let moved = self.write_cursors(&mut commit, moves);
        let gone = self.forget_shards(&mut commit);
        self.trim(&mut commit, &delivered, &planned);
        let versions = self.shared.store.commit(commit).await?.versions;
        let mut versions = versions.into_iter().skip(delivered.len());
        for ((number, row), version) in planned.into_iter().zip(&mut versions) {
            // Planned with what is configured now.
            if let Some(destination) = &self.destination {
                let plan = Plan::new(row, version, Arc::clone(destination));
                self.plans.all.insert(number, plan);
            }
        }
        self.remember_cursors(moved, versions);
        for (id, log) in gone {
            self.line(id).cursors.remove(&log);
            self.followed_logs.remove(&log);
        }
        self.unread.append(&mut self.stalled);
        Ok(())
    }

    /// Deletes the rows of shards that are gone.
    fn forget_shards(&self, commit: &mut Commit) -> Vec<(LineId, u64)> {
        let gone = self.shards_gone();
        for (id, log) in &gone {
            let key = (self.stream.generation, *log, reader(*id));
            commit.rows.push(RowWrite::delete::<tables::Sources>(&key, Expect::Any));
        }
        gone
    }

    /// Takes what is due from the lines, each in its turn.
    fn plan_due(&mut self) -> (Vec<(u64, PlanRow)>, Moves) {
        let (mut planned, mut moves) = (Vec::new(), Moves::new());
        let Some(destination) = self.destination.clone() else { return (planned, moves) };
        let now = self.shared.clock.service();
        let room = self.plans.room();
        // Whoever comes after the last one that had its turn is first.
        let ids: Vec<_> = self.lines.keys().copied().collect();
        let split = ids.partition_point(|id| *id <= self.turn_after);
        let (before, after) = ids.split_at(split);
        let mut waiting: Vec<_> = after.iter().chain(before).copied().collect();
        while !waiting.is_empty() {
            let mut still = Vec::new();
            for id in waiting {
                if planned.len() >= room {
                    return (planned, moves);
                }
                let Some(held) = self.lines.get_mut(&id).and_then(|line| line.take(now)) else {
                    continue;
                };
                for part in &held.parts {
                    moves.insert((id, part.log), part.to);
                }
                planned.push((self.plan_next, self.plan(&destination, id, held, now)));
                self.plan_next += 1;
                self.turn_after = id;
                still.push(id);
            }
            waiting = still;
        }
        (planned, moves)
    }

    /// The plan for what a line has given: here everything is drawn.
    fn plan(&self, destination: &Destination, id: LineId, held: Held, now: UnixMillis) -> PlanRow {
        let entropy = &self.shared.entropy;
        let role = held.parts.first().and_then(|part| {
            self.lines.get(&id)?.cursors.get(&part.log).map(|cursor| &cursor.role)
        });
        let (content, keys) = match (id, role) {
            (LineId::Backup, _) => (Content::Backup, (&NO_KEYS, &NO_KEYS)),
            (_, Some(Role::Partition { from_query, from_lambda })) => {
                (Content::Staged, (from_query, from_lambda))
            }
            (_, Some(Role::Failed { output })) => {
                (Content::Failed { output: *output }, (&NO_KEYS, &NO_KEYS))
            }
            _ => (Content::Source, (&NO_KEYS, &NO_KEYS)),
        };
        let target = match (&content, &destination.backup) {
            (Content::Backup, Some(backup)) => backup,
            _ => &destination.data,
        };
        let (uuid, version) = (uuid(entropy), self.state.row.version);
        let naming = Naming { stream: &self.stream.name.name, version, oldest: held.oldest, keys };
        let error_output = match content {
            Content::Failed { output } => Some(output),
            _ => None,
        };
        PlanRow {
            key: target.key(&naming, error_output, &uuid, entropy),
            error_keys: BTreeMap::new(),
            parts: held.parts,
            content,
            destination: self.state.row.destination.clone(),
            version,
            planned_ms: now.0,
            oldest_ms: held.oldest.0,
            records: held.records,
            bytes: held.bytes,
            uuid,
        }
    }

    /// Writes the rows of cursors that move; answers which, in the order of the rows.
    pub(crate) fn write_cursors(&self, commit: &mut Commit, mut moves: Moves) -> Moves {
        self.keep_backup(&mut moves);
        moves.retain(|(id, log), below| {
            let cursor = self.lines.get(id).and_then(|line| line.cursors.get(log));
            let Some(cursor) = cursor else { return false };
            let key = (self.stream.generation, *log, reader(*id));
            let expect = cursor.version.map_or(Expect::Absent, Expect::Version);
            commit.rows.push(RowWrite::put::<tables::Sources>(&key, &cursor.row(*below), expect));
            true
        });
        moves
    }

    /// A backup that has no row yet begins where the destination does, and a start must not take it for
    /// one that was switched on later.
    fn keep_backup(&self, moves: &mut Moves) {
        let Some(backup) = self.lines.get(&LineId::Backup) else { return };
        for (log, cursor) in &backup.cursors {
            let key = (LineId::Backup, *log);
            let main_moves = moves.contains_key(&(LineId::Main, *log));
            if cursor.version.is_none() && main_moves && !moves.contains_key(&key) {
                moves.insert(key, cursor.below);
            }
        }
    }

    /// Takes note of the rows that [`Owner::write_cursors`] wrote.
    pub(crate) fn remember_cursors(&mut self, moved: Moves, versions: impl Iterator<Item = u64>) {
        for (((id, log), below), version) in moved.into_iter().zip(versions) {
            let line = self.lines.get_mut(&id);
            if let Some(cursor) = line.and_then(|line| line.cursors.get_mut(&log)) {
                (cursor.below, cursor.version) = (below, Some(version));
            }
        }
    }

    /// Gives up what is delivered of the logs that are this delivery stream's own; and whole logs of
    /// partitions that hold nothing any more.
    fn trim(&mut self, commit: &mut Commit, delivered: &[(u64, Plan)], planned: &[(u64, PlanRow)]) {
        let mut logs: Vec<_> = delivered.iter().flat_map(|(_, plan)| &plan.row.parts).collect();
        logs.dedup_by_key(|part| part.log);
        for log in logs.into_iter().map(|part| part.log) {
            let is_own = self.own_log() == Some(log);
            if !is_own && !self.lines.contains_key(&LineId::Staging(log)) {
                continue;
            }
            let below = self.lowest(log, planned);
            let cut = (LogId(log), Position(below));
            if !commit.trims.contains(&cut) {
                commit.trims.push(cut);
            }
        }
    }

    /// The lowest position of a log that anything still needs.
    pub(crate) fn lowest(&self, log: u64, planned: &[(u64, PlanRow)]) -> u64 {
        let rows = self.plans.all.values().map(|plan| &*plan.row);
        let parts = rows.chain(planned.iter().map(|(_, row)| row)).flat_map(|row| &row.parts);
        let plans = parts.filter(|part| part.log == log).map(|part| part.from);
        let lines = self.lines.values().map(|line| line.lowest(log));
        plans.chain(lines).min().unwrap_or(0)
    }
}

/// Whose a line's rows are.
fn reader(id: LineId) -> Reader {
    match id {
        LineId::Backup => Reader::Backup,
        LineId::Main | LineId::Staging(_) => Reader::Destination,
    }
}
