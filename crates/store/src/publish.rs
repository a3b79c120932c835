//! Showing a durable chunk: tables and logs first, then whoever follows.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::block::{BlockAt, BlockKind, RowEntry};
use crate::id::{LogId, Position, TableId};
use crate::logs::{Chunk, LogEntry, LogRow, Logs, Recent};
use crate::open_chunk::Effects;
use crate::table::{StoredRow, Tables};

/// Makes a durable chunk visible: everything in it, then the wake-ups.
pub(crate) fn publish(logs: &Logs, tables: &Tables, chunk: &Arc<Chunk>, effects: Effects) {
    let epoch_start = |log: LogId| Position::new(log.epoch(), 0);
    let created = effects.logs.iter().filter_map(|(log, row)| Some((*log, (*row)?)));
    for (log, row) in created {
        if logs.get(log).is_none() {
            let open = LogRow { end: None, trimmed_below: row.trimmed_below };
            logs.insert(log, LogEntry::new(open, epoch_start(log)));
        }
    }
    let mut moved: BTreeMap<LogId, Arc<LogEntry>> = BTreeMap::new();
    for (block, BlockAt { header, .. }) in chunk.blocks.iter().enumerate() {
        if header.kind == BlockKind::Records
            && let Some(entry) = logs.get(header.log)
        {
            entry.state().push(Recent { chunk: Arc::clone(chunk), block });
            moved.insert(header.log, entry);
        }
    }
    write_rows(tables, effects.rows);
    for (log, row) in effects.logs {
        let entry = match row {
            Some(row) => logs.get(log).inspect(|entry| show_row(entry, row)),
            None => logs.remove(log),
        };
        moved.extend(entry.map(|entry| (log, entry)));
    }
    moved.values().for_each(|entry| entry.moved());
}

fn show_row(entry: &LogEntry, row: LogRow) {
    let mut state = entry.state();
    if let Some(end) = row.end {
        state.end = Some(end);
        state.next = end;
    }
    state.trim(row.trimmed_below);
}

/// Writes rows table by table. The table of logs is kept as [`Logs`].
pub(crate) fn write_rows(tables: &Tables, rows: Vec<(TableId, RowEntry)>) {
    let mut by_table: BTreeMap<TableId, Vec<(Bytes, Option<StoredRow>)>> = BTreeMap::new();
    for (table, RowEntry { version, key, value }) in rows {
        if table != crate::sequencer::LOGS_TABLE {
            let row = value.map(|value| StoredRow { version, value });
            by_table.entry(table).or_default().push((key, row));
        }
    }
    for (table, changes) in by_table {
        tables.rows(table).write(changes.into_iter());
    }
}
