//! Opening: what exists, what was acknowledged, and a new lane after it.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use stdx::{Clock, Entropy, UnixMillis};

use crate::blob::Shelf;
use crate::block::{self, BLOCK_HEADER_BYTES, BlockHeader, BlockKind, RowEntry};
use crate::cache::ReadCache;
use crate::compact::Compactor;
use crate::config::Config;
use crate::core::{Committer, Core, FolderState};
use crate::disk::Disk;
use crate::error::OpenError;
use crate::flush::{FlushSignal, Unflushed, quarantine};
use crate::format_file;
use crate::health::Condition;
use crate::id::{LogId, Position, TableId};
use crate::lane::{Lane, Place, Sabotage};
use crate::logs::{Chunk, LogEntry, LogRow, Logs};
use crate::manifest::{self, LaneState, MANIFEST_FOLDER, Manifest, Quarantine};
use crate::mutant::{self, Mutant};
use crate::open_chunk::Effects;
use crate::publish::{publish, write_rows};
use crate::queue::Queue;
use crate::ring::Ring;
use crate::room::Reserve;
use crate::scan::{self, FoundChunk, LaneScan};
use crate::segment::{SEGMENT_FOLDER, SEGMENT_HEADER_BYTES, Segment, Segments};
use crate::sequencer::{LOGS_TABLE, Sequencer};
use crate::source::{BlockError, BlockSource};
use crate::spare::Spare;
use crate::table::Tables;

/// What recovery puts together.
#[derive(Default)]
pub(crate) struct Recovered {
    pub(crate) logs: Logs,
    pub(crate) tables: Tables,
    pub(crate) condition: Condition,
    pub(crate) chunks: VecDeque<Arc<Chunk>>,
    arrival_last: UnixMillis,
}

pub(crate) fn doing(what: &str) -> impl FnOnce(io::Error) -> OpenError {
    let doing = what.to_owned();
    move |source| OpenError::Io { doing, source }
}

/// A store in memory.
pub(crate) fn open_memory(
    config: Config,
    clock: Clock,
    entropy: Entropy,
) -> Result<Core, OpenError> {
    let mut manifest = Manifest::new(&entropy);
    let lane = manifest.claim(&entropy)?;
    let parts = Parts {
        config,
        clock,
        entropy,
        sabotage: Sabotage::default(),
        recovered: Recovered::default(),
        lane,
        writer: Lane::Memory,
        folder: None,
        queue: Arc::default(),
    };
    Ok(parts.build())
}

/// A store in a folder.
pub(crate) fn open_folder(
    disk: Arc<dyn Disk>,
    config: Config,
    clock: Clock,
    entropy: Entropy,
    sabotage: Sabotage,
) -> Result<Core, OpenError> {
    let lock = format_file::claim(&*disk)?;
    let reserve = Reserve::new(config.reserve_bytes);
    reserve.help_start(&*disk);
    let loaded = manifest::load(&*disk)?;
    let mut manifest = match loaded {
        Some(manifest) => manifest,
        None => new_manifest(&*disk, &entropy)?,
    };
    settle_names(&*disk).map_err(doing("sync the data folder"))?;
    remove_leftovers(&*disk, &manifest).map_err(doing("remove unfinished files"))?;
    let mut recovered = Recovered::of(&manifest);
    let segments = load_segments(&disk, &manifest, &mut recovered, &config, sabotage)?;
    let ring = Ring::open(Arc::clone(&disk), config.ring_file_bytes, config.ring_bytes_max);
    let ring = Arc::new(ring.map_err(doing("open the ring"))?);
    let scans = scan::scan(&ring.files(), &manifest.lanes, sabotage.verifies());
    let scans = scans.map_err(doing("read the ring"))?;
    for (lane, mut scan) in manifest.lanes.iter_mut().zip(scans) {
        settle_end(&ring, lane, &mut scan).map_err(doing("sync the ring"))?;
        for found in scan.chunks {
            recovered.replay(lane, found, sabotage).map_err(doing("read the ring"))?;
        }
        if sabotage.seals() {
            lane.seal.get_or_insert(scan.end);
        }
    }
    manifest.drop_finished_lanes();
    let lane = manifest.claim(&entropy)?;
    manifest::commit(&*disk, &mut manifest).map_err(doing("write the manifest"))?;
    recovered.start_epoch(lane.epoch);
    let writer = Lane::ring(Arc::clone(&ring), sabotage);
    let (manifest, lock) = (Mutex::new(manifest), Mutex::new(Some(lock)));
    let ring = Some(ring);
    let folder = FolderState { disk, ring, bucket: None, manifest, segments, reserve, lock };
    let folder = Some(folder);
    let queue = Arc::default();
    let parts = Parts { config, clock, entropy, sabotage, recovered, lane, writer, folder, queue };
    Ok(parts.build())
}

/// What a store is made of.
pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) entropy: Entropy,
    pub(crate) sabotage: Sabotage,
    pub(crate) recovered: Recovered,
    pub(crate) lane: LaneState,
    pub(crate) writer: Lane,
    pub(crate) folder: Option<FolderState>,
    pub(crate) queue: Arc<Queue>,
}

impl Parts {
    pub(crate) fn build(self) -> Core {
        let Parts { config, clock, entropy, sabotage, recovered, lane, writer, folder, queue } =
            self;
        let Recovered { logs, tables, condition, chunks, arrival_last } = recovered;
        let tables = Arc::new(tables);
        let log_next = AtomicU64::new(LogId::new(lane.epoch, 0).0);
        let unflushed = Unflushed::default();
        for chunk in &chunks {
            unflushed.push(chunk, &clock, &config);
        }
        let read_cache = ReadCache::new(config.block_cache_bytes_max);
        let spare = Arc::new(Spare::new(config.spare_bytes_max as usize));
        let disk = folder.as_ref().map(|folder| Arc::clone(&folder.disk));
        let shelf = Shelf::new(disk, &tables, lane.epoch);
        let (known, own) = (Arc::clone(&tables), Arc::clone(&spare));
        let sequencer =
            Sequencer::new(lane, &logs, known, arrival_last, config.table_bytes_max, own);
        Core {
            clock,
            entropy,
            config,
            sabotage,
            queue,
            sequencer: Mutex::new(sequencer),
            committer: Mutex::new(Committer::new(writer)),
            logs,
            tables,
            condition,
            folder,
            unflushed,
            kept: Mutex::default(),
            read_cache,
            compactor: Compactor::default(),
            flush_signal: FlushSignal::default(),
            spare,
            memory_held: Arc::default(),
            log_next,
            shelf,
        }
    }
}

/// A new folder's manifest; an old folder without one is damaged.
fn new_manifest(disk: &dyn Disk, entropy: &Entropy) -> Result<Manifest, OpenError> {
    for folder in [SEGMENT_FOLDER, crate::ring::RING_FOLDER] {
        let names = disk.list(folder).map_err(doing("list the data folder"))?;
        if !names.is_empty() {
            let reason = "it is empty, and the folder is not".to_owned();
            return Err(OpenError::Damaged { path: disk.path(MANIFEST_FOLDER), reason });
        }
    }
    Ok(Manifest::new(entropy))
}

/// A killed process may have left names that are there and not durable. What this start builds on
/// must be.
fn settle_names(disk: &dyn Disk) -> io::Result<()> {
    ["", crate::ring::RING_FOLDER, MANIFEST_FOLDER]
        .iter()
        .try_for_each(|name| disk.sync_folder(name))
}

/// It may also have left a last chunk that is there and not durable, or whose sync failed, after which
/// no later sync of it can be believed. It will be shown, so it is written again, elsewhere. An empty
/// one is not worth it: the lane ends before it. All others were synced before the next was written.
fn settle_end(ring: &Ring, lane: &LaneState, scan: &mut LaneScan) -> io::Result<()> {
    if lane.seal.is_some() || mutant::is_on(Mutant::TrustPageCache) {
        return Ok(());
    }
    let Some(last) = scan.chunks.last_mut() else { return Ok(()) };
    let Some((place, blocks)) = &mut last.found else { return Ok(()) };
    if blocks.is_empty() {
        scan.end = last.home.number;
        scan.chunks.pop();
        return Ok(());
    }
    let mut bytes = vec![0; last.bytes_total as usize];
    place.file.file.read_at(&mut bytes, place.at)?;
    let file = ring.take_for_recovery()?;
    file.file.write_at(&bytes, 0)?;
    file.file.sync()?;
    *place = Place { file, at: 0 };
    Ok(())
}

/// Removes what a crash left half made: files that no manifest names.
fn remove_leftovers(disk: &dyn Disk, manifest: &Manifest) -> io::Result<()> {
    for name in disk.list(SEGMENT_FOLDER)? {
        let number = manifest::parse_number(&name);
        if !manifest.segments.iter().any(|segment| Some(segment.number) == number) {
            disk.remove(&format!("{SEGMENT_FOLDER}/{name}"))?;
        }
    }
    for name in disk.list(MANIFEST_FOLDER)? {
        if manifest::parse_number(&name).is_none() {
            disk.remove(&format!("{MANIFEST_FOLDER}/{name}"))?;
        }
    }
    Ok(())
}

/// The segments, unopened, and the rows of those that matter.
pub(crate) fn load_segments(
    disk: &Arc<dyn Disk>,
    manifest: &Manifest,
    recovered: &mut Recovered,
    config: &Config,
    sabotage: Sabotage,
) -> Result<Segments, OpenError> {
    let states = &manifest.segments;
    let from = states.iter().rposition(|segment| segment.all_rows).unwrap_or(0);
    let list: Vec<Arc<Segment>> = states
        .iter()
        .map(|state| Arc::new(Segment::new(Arc::clone(disk), state.clone())))
        .collect();
    for segment in list[from..].iter().filter(|segment| segment.state.row_blocks > 0) {
        let rows = read_rows(segment, &recovered.condition, sabotage);
        let path = || disk.path(&crate::segment::name_of(segment.state.number));
        let rows = rows.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => {
                OpenError::Damaged { path: path(), reason: "it is missing or cut short".into() }
            }
            _ => doing("read a segment")(error),
        })?;
        recovered.apply_rows(rows);
    }
    let segments = Segments::new(config.directory_bytes_max);
    segments.replace(list);
    Ok(segments)
}

fn read_rows(
    segment: &Segment,
    condition: &Condition,
    sabotage: Sabotage,
) -> io::Result<Vec<(TableId, RowEntry)>> {
    let file = segment.file()?;
    let mut rows = Vec::new();
    let mut at = SEGMENT_HEADER_BYTES as u64;
    let lost = || Quarantine {
        log: Some(LogId::table(LOGS_TABLE.0)),
        ..Quarantine::of_segment(segment.state.number)
    };
    for _ in 0..segment.state.row_blocks {
        let mut header = [0; BLOCK_HEADER_BYTES];
        file.read_at(&mut header, at)?;
        let header = BlockHeader::decode(&header).filter(|header| {
            let end = at + header.bytes_total() as u64;
            header.kind == BlockKind::Rows
                && end <= SEGMENT_HEADER_BYTES as u64 + segment.state.row_bytes
        });
        let Some(header) = header else {
            condition.quarantine(lost());
            break;
        };
        let table = TableId(header.log.0 as u8);
        let next = at + header.bytes_total() as u64;
        let source = BlockSource::of_file(&file, segment.home(), at, header);
        match source.load(sabotage.verifies()) {
            Ok(body) => {
                let own = block::rows(&source.header, &body).unwrap_or_default();
                rows.extend(own.into_iter().map(|row| (table, row)));
            }
            Err(BlockError::Damaged) => condition.quarantine(quarantine(&source)),
            Err(BlockError::Io(error)) => return Err(error),
        }
        at = next;
    }
    Ok(rows)
}

impl Recovered {
    /// What a manifest says before anything else is read.
    pub(crate) fn of(manifest: &Manifest) -> Self {
        let recovered = Recovered { arrival_last: manifest.arrival_max, ..Recovered::default() };
        manifest.quarantined.iter().for_each(|place| recovered.condition.quarantine(place.clone()));
        recovered
    }

    /// Rows of a segment.
    fn apply_rows(&mut self, rows: Vec<(TableId, RowEntry)>) {
        for (_, row) in rows.iter().filter(|(table, _)| *table == LOGS_TABLE) {
            let Some(log) = LogRow::log_of(&row.key) else { continue };
            self.logs.remove(log);
            if let Some(row) = row.value.as_ref().and_then(|value| LogRow::decode(value)) {
                self.logs.insert(log, LogEntry::new(row, Position::new(log.epoch(), 0)));
            }
        }
        write_rows(&self.tables, rows);
    }

    /// An unflushed chunk, as when it was acknowledged.
    pub(crate) fn replay(
        &mut self,
        lane: &LaneState,
        found: FoundChunk,
        sabotage: Sabotage,
    ) -> io::Result<()> {
        let FoundChunk { home, bytes_total, found, copies } = found;
        if found.is_none() {
            self.condition.quarantine(Quarantine {
                lane: home.lane,
                chunk: home.number,
                epoch: lane.epoch,
                log: None,
                first: Position::new(lane.epoch, 0),
                end: Position::new(lane.epoch + 1, 0),
                accepted: false,
            });
        }
        let (place, blocks) =
            found.map_or((None, Vec::new()), |(place, blocks)| (Some(place), blocks));
        let arrivals = blocks.iter().map(|block| block.header.arrival_max);
        self.arrival_last = self.arrival_last.max(arrivals.max().unwrap_or_default());
        let chunk = Arc::new(Chunk::new(home, bytes_total, blocks, place, None, None));
        chunk.also_at(copies);
        let effects = self.effects(&chunk, sabotage)?;
        self.infer_logs(&chunk, &effects);
        publish(&self.logs, &self.tables, &chunk, effects);
        self.chunks.push_back(chunk);
        Ok(())
    }

    /// Records are only ever accepted for open logs: one that is unknown has lost its row.
    fn infer_logs(&self, chunk: &Chunk, effects: &Effects) {
        let records = chunk.blocks.iter().filter(|block| block.header.kind == BlockKind::Records);
        for log in records.map(|block| block.header.log) {
            if self.logs.get(log).is_none() && !effects.logs.iter().any(|(own, _)| *own == log) {
                let start = Position::new(log.epoch(), 0);
                self.logs.insert(log, LogEntry::new(LogRow::default(), start));
                self.condition.inferred.store(true, Ordering::Relaxed);
            }
        }
    }

    fn effects(&self, chunk: &Arc<Chunk>, sabotage: Sabotage) -> io::Result<Effects> {
        let mut effects = Effects::default();
        for (index, block) in chunk.blocks.iter().enumerate() {
            if block.header.kind != BlockKind::Rows {
                continue;
            }
            let source = BlockSource::of_chunk(chunk, index);
            let table = TableId(block.header.log.0 as u8);
            match source.load(sabotage.verifies()) {
                Ok(body) => {
                    let rows = block::rows(&block.header, &body).unwrap_or_default();
                    effects.rows.extend(rows.into_iter().map(|row| (table, row)));
                }
                Err(BlockError::Damaged) => self.condition.quarantine(quarantine(&source)),
                Err(BlockError::Io(error)) => return Err(error),
            }
        }
        let logs = effects.rows.iter().filter(|(table, _)| *table == LOGS_TABLE);
        effects.logs = logs
            .filter_map(|(_, row)| {
                let log = LogRow::log_of(&row.key)?;
                let value = row.value.as_ref();
                Some((log, value.and_then(|value| LogRow::decode(value))))
            })
            .collect();
        Ok(effects)
    }

    /// Every open log goes on in the new epoch.
    pub(crate) fn start_epoch(&self, epoch: u32) {
        for (_, entry) in self.logs.all() {
            let mut state = entry.state();
            if state.end.is_none() {
                state.next = state.next.max(Position::new(epoch, 0));
            }
        }
    }
}
