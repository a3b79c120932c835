//! What an owner commits: plans for what is due, and the end of plans that are delivered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use stdx::UnixMillis;
use store::{Commit, Expect, LogAppend, LogId, Position, ReadFrom, RecordBatch, RowWrite};

use crate::buffer::Held;
use crate::destination::{Destination, Naming, uuid};
use crate::limits::PARTITIONS_MAX;
use crate::line::Cursor;
use crate::owner::{Ended, LineId, Owner};
use crate::plans::Plan;
use crate::prefix::ErrorOutput;
use crate::rows::{Content, PlanRow, Role};
use crate::stage::{Output, Staged};
use crate::staged::{Failure, StagedRecord};
use crate::tables::{self, Reader};

const NO_KEYS: BTreeMap<String, String> = BTreeMap::new();

/// A cursor that moves: whose it is, and below what everything is planned.
type Moves = BTreeMap<(LineId, u64), u64>;

impl Owner {
    /// Plans what is due, as far as there is room, and ends what is delivered: in one commit.
    pub(crate) async fn settle(&mut self) -> Result<(), Ended> {
        let delivered = std::mem::take(&mut self.delivered);
        let (planned, moves) = self.plan_due();
        // What is planned later has the table as it is then.
        self.lookup.table = None;
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
        let idle = self.trim(&mut commit, &delivered, &planned);
        let versions = self.shared.store.commit(commit).await?.versions;
        let mut versions = versions.into_iter().skip(delivered.len());
        for ((number, row), version) in planned.into_iter().zip(&mut versions) {
            // Planned with what is configured now.
            if let Some(destination) = &self.destination {
                let plan = Plan::new(row, version, Arc::clone(destination));
                self.plans.all.insert(number, plan);
            }
        }
        self.remember_cursors(moved, &mut versions);
        for (id, log) in gone {
            self.line(id).cursors.remove(&log);
            self.followed_logs.remove(&log);
        }
        for log in idle {
            self.lines.remove(&LineId::Staging(log));
            self.outputs.retain(|_, own| *own != log);
        }
        self.unread.append(&mut self.stalled);
        Ok(())
    }

    /// Commits what has become of a batch: the results, and that they are not asked for again.
    pub(crate) async fn commit_staged(&mut self, staged: Staged) -> Result<(), Ended> {
        let Staged { held, outputs } = staged;
        let mut commit = Commit::default();
        let moves = held.parts.iter().map(|part| ((LineId::Main, part.log), part.to));
        let moved = self.write_cursors(&mut commit, moves.collect());
        let mut opened = Vec::new();
        for (output, records) in self.within_quota(outputs) {
            let log = match self.outputs.get(&output) {
                Some(log) => *log,
                None => {
                    let log = self.shared.store.new_log_id().0;
                    let role = output.role();
                    let cursor = Cursor::new(role, ReadFrom::Position(Position::ZERO));
                    let key = (self.stream.generation, log, Reader::Destination);
                    let row = cursor.row(0);
                    let row = RowWrite::put::<tables::Sources>(&key, &row, Expect::Absent);
                    commit.rows.push(row);
                    commit.opens.push(LogId(log));
                    opened.push((output, log, cursor));
                    log
                }
            };
            let bytes = records.iter().map(StagedRecord::bytes).sum();
            let mut batch = RecordBatch::with_capacity(records.len(), bytes);
            records.iter().for_each(|record| batch.push_with(|into| record.write(into)));
            commit.records.push(LogAppend::new(LogId(log), batch.finish()));
        }
        self.batching.pop_front();
        if let Some(log) = self.own_log() {
            commit.trims.push((LogId(log), Position(self.lowest(log, &[]))));
        }
        let logs: Vec<_> = commit.records.iter().map(|append| append.log.0).collect();
        let versions = self.shared.store.commit(commit).await?.versions;
        let mut versions = versions.into_iter();
        self.remember_cursors(moved, &mut versions);
        for ((output, log, mut cursor), version) in opened.into_iter().zip(versions) {
            cursor.version = Some(version);
            self.line(LineId::Staging(log)).cursors.insert(log, cursor);
            self.outputs.insert(output, log);
        }
        self.unread.extend(logs.into_iter().map(|log| (LineId::Staging(log), log)));
        self.staged += 1;
        Ok(())
    }

    fn is_new_partition(&self, output: &Output) -> bool {
        matches!(output, Output::Partition { .. }) && !self.outputs.contains_key(output)
    }

    /// What belongs to one partition too many goes to the error prefix (developer guide, buffering for
    /// dynamic partitioning).
    fn within_quota(
        &self,
        outputs: BTreeMap<Output, Vec<StagedRecord>>,
    ) -> BTreeMap<Output, Vec<StagedRecord>> {
        if self.destination.as_ref().is_some_and(|own| own.partitioner.is_some()) {
            let fresh = outputs.keys().filter(|output| self.is_new_partition(output)).count();
            let active = self.partitions() + fresh;
            let exceeded = active > PARTITIONS_MAX;
            self.stream.meters.partitioned(active.min(PARTITIONS_MAX), exceeded);
        }
        let mut room = PARTITIONS_MAX.saturating_sub(self.partitions());
        let mut within: BTreeMap<Output, Vec<StagedRecord>> = BTreeMap::new();
        for (output, records) in outputs {
            let is_new = self.is_new_partition(&output);
            if is_new && room == 0 {
                let exceeded = Output::Failed(ErrorOutput::ActivePartitionExceeded);
                let ended_ms = self.shared.clock.service().0;
                let failed = records.into_iter().map(|record| too_many(record, ended_ms));
                within.entry(exceeded).or_default().extend(failed);
                continue;
            }
            room -= usize::from(is_new);
            within.entry(output).or_default().extend(records);
        }
        within
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
        // What is with the function comes before what is planned without it.
        let is_staged = destination.is_staged() || !self.batching.is_empty();
        let own = after.iter().chain(before).filter(|id| !is_staged || **id != LineId::Main);
        let own = own.filter(|id| self.lookup.table.is_some() || !self.needs_table(**id));
        let mut waiting: Vec<_> = own.copied().collect();
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
        let error_key = |output| {
            let uuid = crate::destination::uuid(entropy);
            (output, target.key(&naming, Some(output), &uuid, entropy))
        };
        PlanRow {
            key: target.key(&naming, error_output, &uuid, entropy),
            error_keys: destination.failures(&content).into_iter().map(error_key).collect(),
            table: destination.conversion_of(&content).and_then(|_| self.lookup.table.clone()),
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
    pub(crate) fn remember_cursors(
        &mut self,
        moved: Moves,
        versions: &mut impl Iterator<Item = u64>,
    ) {
        for (((id, log), below), version) in moved.into_iter().zip(versions) {
            let line = self.lines.get_mut(&id);
            if let Some(cursor) = line.and_then(|line| line.cursors.get_mut(&log)) {
                (cursor.below, cursor.version) = (below, Some(version));
            }
        }
    }

    /// Gives up what is delivered of the logs that are this delivery stream's own; and whole logs of
    /// partitions that hold nothing any more.
    fn trim(
        &self,
        commit: &mut Commit,
        delivered: &[(u64, Plan)],
        planned: &[(u64, PlanRow)],
    ) -> Vec<u64> {
        let parts = delivered.iter().flat_map(|(_, plan)| &plan.row.parts);
        let logs: BTreeSet<_> = parts.map(|part| part.log).collect();
        let mut idle = Vec::new();
        for log in logs {
            let is_staging = self.lines.contains_key(&LineId::Staging(log));
            let below = Position(self.lowest(log, planned));
            let tail = self.shared.store.tail(LogId(log)).map(|tail| tail.next);
            if is_staging && tail.is_none_or(|tail| tail <= below) {
                let key = (self.stream.generation, log, Reader::Destination);
                commit.rows.push(RowWrite::delete::<tables::Sources>(&key, Expect::Any));
                commit.forgets.push(LogId(log));
                idle.push(log);
            } else if is_staging || self.own_log() == Some(log) {
                commit.trims.push((LogId(log), below));
            }
        }
        idle
    }

    /// The lowest position of a log that anything still needs.
    pub(crate) fn lowest(&self, log: u64, planned: &[(u64, PlanRow)]) -> u64 {
        let rows = self.plans.all.values().map(|plan| &*plan.row);
        let parts = rows.chain(planned.iter().map(|(_, row)| row)).flat_map(|row| &row.parts);
        let plans = parts.filter(|part| part.log == log).map(|part| part.from);
        let lines = self.lines.values().map(|line| line.lowest(log));
        let batching = self.batching.iter().flat_map(|held| &held.parts);
        let batching = batching.filter(|part| part.log == log).map(|part| part.from);
        plans.chain(lines).chain(batching).min().unwrap_or(0)
    }
}

fn too_many(record: StagedRecord, ended_ms: u64) -> StagedRecord {
    let failure = Failure {
        code: "DynamicPartitioning.ActivePartitionsLimitExceeded".to_owned(),
        message: "The number of active partitions has exceeded the configured limit".to_owned(),
        attempts: 1,
        ended_ms,
        lambda_arn: None,
    };
    StagedRecord { failure: Some(failure), ..record }
}

/// Whose a line's rows are.
fn reader(id: LineId) -> Reader {
    match id {
        LineId::Backup => Reader::Backup,
        LineId::Main | LineId::Staging(_) => Reader::Destination,
    }
}
