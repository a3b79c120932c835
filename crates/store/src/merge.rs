//! What flushes and compactions write: rows as they are now, and runs of a log's records.

use std::collections::BTreeSet;
use std::io;

use bytes::Bytes;
use stdx::UnixMillis;

use crate::block::{self, BlockHeader, BlockKind, Codec, RowEntry};
use crate::core::Core;
use crate::id::{LogId, Position, TableId};
use crate::limits::{PACK_AGAIN_AFTER, SEGMENT_BLOCK_BYTES};
use crate::logs::LogRow;
use crate::mutant::{self, Mutant};
use crate::pack;
use crate::segment::SegmentWriter;
use crate::sequencer::LOGS_TABLE;

impl Core {
    fn log_row(&self, key: Bytes) -> RowEntry {
        let entry = LogRow::log_of(&key).and_then(|log| self.logs.get(log));
        let value = entry.map(|entry| entry.state().row().encode());
        RowEntry { version: 0, key, value }
    }

    /// All rows of all tables, as they are now.
    pub(crate) fn all_rows(&self) -> Vec<(TableId, RowEntry)> {
        let logs = self.logs.all().into_iter().map(|(log, _)| LogRow::key(log));
        let mut keys: Vec<Bytes> = logs.collect();
        keys.sort();
        let mut rows: Vec<_> =
            keys.into_iter().map(|key| (LOGS_TABLE, self.log_row(key))).collect();
        for (table, stored) in self.tables.all() {
            stored.read(|stored| {
                rows.extend(stored.iter().map(|(key, row)| {
                    let value = Some(row.value.clone());
                    (table, RowEntry { version: row.version, key: key.clone(), value })
                }));
            });
        }
        rows
    }

    /// The rows at these keys as they are now; deletions too.
    pub(crate) fn rows_at(&self, keys: BTreeSet<(TableId, Bytes)>) -> Vec<(TableId, RowEntry)> {
        let rows = keys.into_iter().map(|(table, key)| {
            if table == LOGS_TABLE {
                return (table, self.log_row(key));
            }
            let stored = self.tables.rows(table).read(|rows| rows.get(&key).cloned());
            let version = stored.as_ref().map_or(0, |row| row.version);
            (table, RowEntry { version, key, value: stored.map(|row| row.value) })
        });
        let lost = |row: &RowEntry| row.value.is_none() && mutant::is_on(Mutant::LoseTombstone);
        rows.filter(|(_, row)| !lost(row)).collect()
    }
}

/// Writes rows, sorted by table and key, in blocks.
pub(crate) fn write_row_blocks(
    writer: &mut SegmentWriter,
    rows: Vec<(TableId, RowEntry)>,
) -> io::Result<()> {
    let mut body = Vec::new();
    let mut count = 0;
    let mut rows = rows.into_iter().peekable();
    while let Some((table, row)) = rows.next() {
        row.encode(&mut body);
        count += 1;
        let goes_on = rows.peek().is_some_and(|(next, _)| *next == table);
        if goes_on && body.len() < SEGMENT_BLOCK_BYTES {
            continue;
        }
        let header = BlockHeader {
            log: LogId::table(table.0),
            kind: BlockKind::Rows,
            codec: Codec::None,
            first: Position::ZERO,
            count,
            arrival_min: UnixMillis(0),
            arrival_max: UnixMillis(0),
            body_bytes: 0,
            crc: 0,
        };
        writer.push(header, &body)?;
        body.clear();
        count = 0;
    }
    Ok(())
}

/// Blocks of one log that follow one another, on their way into one.
pub(crate) struct Run {
    header: Option<BlockHeader>,
    body: Vec<u8>,
    packs: bool,
    /// The log whose last block did not shrink, and how many more of it are not tried.
    stubborn: Option<(LogId, u32)>,
}

impl Run {
    /// Writes bodies as they are: a flush has no time to lose.
    pub(crate) fn plain() -> Self {
        Run { header: None, body: Vec::new(), packs: false, stubborn: None }
    }

    /// Compresses bodies where that pays.
    pub(crate) fn packed() -> Self {
        Run { packs: true, ..Run::plain() }
    }

    fn takes(&self, next: &BlockHeader, body: &Bytes) -> bool {
        self.header.as_ref().is_some_and(|own| {
            own.log == next.log
                && own.end() == next.first
                && self.body.len() + body.len() <= SEGMENT_BLOCK_BYTES
                && next.arrival_max.0 - own.arrival_min.0 <= u64::from(u32::MAX)
        })
    }

    /// Adds a verified block's records from `from` on, and writes what is full.
    pub(crate) fn push(
        &mut self,
        writer: &mut SegmentWriter,
        header: &BlockHeader,
        body: &Bytes,
        from: Position,
    ) -> io::Result<()> {
        for (part, body) in block::parts(header, body, from, SEGMENT_BLOCK_BYTES) {
            if !self.takes(&part, &body) {
                self.write(writer)?;
            }
            if self.header.is_none() && !self.packs && body.len() >= SEGMENT_BLOCK_BYTES / 2 {
                // Nearly full by itself: gathering it first would only copy it.
                writer.push(BlockHeader { codec: Codec::None, ..part }, &body)?;
                continue;
            }
            self.append(&part, &body);
        }
        Ok(())
    }

    fn append(&mut self, next: &BlockHeader, body: &Bytes) {
        let fresh = BlockHeader { count: 0, codec: Codec::None, ..next.clone() };
        let own = self.header.get_or_insert(fresh);
        own.count += next.count;
        own.arrival_max = next.arrival_max;
        let base = own.arrival_min.0;
        if base == next.arrival_min.0 {
            self.body.extend_from_slice(body);
            return;
        }
        for record in block::records(next, body).flatten() {
            let delta_ms = (record.arrival.0 - base) as u32;
            self.body.extend_from_slice(&(record.payload.len() as u32).to_le_bytes());
            self.body.extend_from_slice(&delta_ms.to_le_bytes());
            self.body.extend_from_slice(&record.payload);
        }
    }

    /// Writes what there is.
    pub(crate) fn write(&mut self, writer: &mut SegmentWriter) -> io::Result<()> {
        let Some(header) = self.header.take() else { return Ok(()) };
        match self.pack(header.log) {
            Some(packed) => writer.push(BlockHeader { codec: Codec::Zstd, ..header }, &packed)?,
            None => writer.push(header, &self.body)?,
        }
        self.body.clear();
        Ok(())
    }

    /// The body in fewer bytes. A log that does not shrink is tried again only now and then.
    fn pack(&mut self, log: LogId) -> Option<Vec<u8>> {
        if !self.packs {
            return None;
        }
        if let Some((stubborn, left)) = &mut self.stubborn
            && *stubborn == log
            && *left > 0
        {
            *left -= 1;
            return None;
        }
        let packed = pack::pack(&self.body);
        self.stubborn = packed.is_none().then_some((log, PACK_AGAIN_AFTER));
        packed
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::RecordBatch;
    use crate::disk::Disk;
    use crate::segment::{SEGMENT_FOLDER, Segment};
    use crate::sim_disk::SimDisk;

    /// Records of 1 KiB.
    fn block(first: u64, count: usize) -> (BlockHeader, Bytes) {
        let mut batch = RecordBatch::builder();
        (0..count).for_each(|index| batch.push(&[&[(first as usize + index) as u8; 1024]]));
        let body = batch.finish().body().clone();
        let header = BlockHeader {
            log: LogId(9),
            kind: BlockKind::Records,
            codec: Codec::None,
            first: Position::new(1, first),
            count: count as u32,
            arrival_min: UnixMillis(5),
            arrival_max: UnixMillis(5),
            body_bytes: body.len() as u32,
            crc: 0,
        };
        (header, body)
    }

    #[test]
    fn blocks_that_are_nearly_full_are_written_as_they_are_and_small_ones_gathered() {
        let disk = SimDisk::default();
        disk.make_folder(SEGMENT_FOLDER).unwrap();
        let mut writer = SegmentWriter::create(&disk, 1).unwrap();
        let (mut run, mut pushed, mut first) = (Run::plain(), Vec::new(), 0);
        for count in [1, 1, 140, 1, 200, 300, 1, 1] {
            let (header, body) = block(first, count);
            run.push(&mut writer, &header, &body, Position::ZERO).unwrap();
            pushed.extend_from_slice(&body);
            first += count as u64;
        }
        run.write(&mut writer).unwrap();
        let state = writer.finish(&disk, false, 1, false).unwrap();
        let segment = Segment::new(Arc::new(disk), state);
        let directory = segment.read_directory().unwrap().unwrap();
        let (mut found, mut next) = (Vec::new(), Position::new(1, 0));
        for block in &directory {
            assert_eq!(block.header.first, next);
            next = block.header.end();
            found.extend_from_slice(&segment.source(block).unwrap().load(true).unwrap());
        }
        assert!(found == pushed);
        let counts: Vec<u32> = directory.iter().map(|block| block.header.count).collect();
        assert_eq!(counts, [143, 200, 254, 48]);
    }
}
