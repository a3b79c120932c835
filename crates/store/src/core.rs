//! The store without threads: steps that a thread drives in production and a test by hand.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use stdx::{Clock, Entropy};

use crate::blob::Shelf;
use crate::block::BlockAt;
use crate::bucket::BucketDisk;
use crate::cache::ReadCache;
use crate::compact::Compactor;
use crate::config::Config;
use crate::disk::Disk;
use crate::error::StoreError;
use crate::flush::{FlushSignal, KeptChunks, Unflushed};
use crate::health::Condition;
use crate::lane::{Lane, LaneError, Place, Sabotage, Written, is_full};
use crate::limits::{
    CHUNK_BYTES_MAX, COMMIT_BYTES_MAX, EPOCH_POSITIONS, EPOCH_POSITIONS_LAST, GATHER_MAX,
    GATHER_REQUESTS_MAX, GATHER_REQUESTS_MIN,
};
use crate::logs::{Chunk, Logs};
use crate::manifest::{self, Manifest};
use crate::mutant::{self, Mutant};
use crate::open_chunk::{Effects, SealedChunk};
use crate::publish::publish;
use crate::queue::{Queue, Request};
use crate::ring::Ring;
use crate::room::Reserve;
use crate::segment::Segments;
use crate::sequencer::Sequencer;
use crate::spare::{self, Spare};
use crate::table::Tables;

/// What a folder adds to a store.
pub(crate) struct FolderState {
    pub(crate) disk: Arc<dyn Disk>,
    /// Where the lane is, on a disk.
    pub(crate) ring: Option<Arc<Ring>>,
    /// What `disk` is, in a bucket.
    pub(crate) bucket: Option<Arc<BucketDisk>>,
    pub(crate) manifest: Mutex<Manifest>,
    pub(crate) segments: Segments,
    pub(crate) reserve: Reserve,
    /// Given back when dropped.
    pub(crate) lock: Mutex<Option<Box<dyn Send + Sync>>>,
}

impl FolderState {
    pub(crate) fn of_bucket(
        disk: Arc<dyn Disk>,
        bucket: Arc<BucketDisk>,
        manifest: Manifest,
        segments: Segments,
    ) -> Self {
        let (manifest, lock) = (Mutex::new(manifest), Mutex::new(None));
        let reserve = Reserve::new(0);
        FolderState { disk, ring: None, bucket: Some(bucket), manifest, segments, reserve, lock }
    }

    /// The number of the next segment. Nothing has it until a manifest says so.
    pub(crate) fn next_segment_number(&self) -> u64 {
        let mut manifest = self.manifest();
        manifest.segment_next += 1;
        manifest.segment_next - 1
    }

    pub(crate) fn manifest(&self) -> MutexGuard<'_, Manifest> {
        self.manifest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lane's end of the store.
pub(crate) struct Committer {
    pub(crate) lane: Lane,
    /// Whether the last chunk is one that would need a later one to be proven.
    pub(crate) unproven: bool,
    /// Requests that the last chunk answered.
    answered: usize,
    /// Chunks that the lane has and that are not durable, in order.
    in_flight: VecDeque<SealedChunk>,
}

impl Committer {
    pub(crate) fn new(lane: Lane) -> Self {
        Committer { lane, unproven: false, answered: 0, in_flight: VecDeque::new() }
    }
}

/// The store.
pub(crate) struct Core {
    pub(crate) clock: Clock,
    pub(crate) entropy: Entropy,
    pub(crate) config: Config,
    pub(crate) sabotage: Sabotage,
    pub(crate) queue: Arc<Queue>,
    pub(crate) sequencer: Mutex<Sequencer>,
    pub(crate) committer: Mutex<Committer>,
    pub(crate) logs: Logs,
    pub(crate) tables: Arc<Tables>,
    pub(crate) condition: Condition,
    pub(crate) folder: Option<FolderState>,
    pub(crate) unflushed: Unflushed,
    /// Flushed chunks that stay in memory for readers near the tail.
    pub(crate) kept: Mutex<KeptChunks>,
    pub(crate) read_cache: ReadCache,
    pub(crate) compactor: Compactor,
    pub(crate) flush_signal: FlushSignal,
    /// The memory of chunks that nobody needs any more.
    pub(crate) spare: Arc<Spare>,
    /// Bytes of chunks kept in memory for want of a disk.
    pub(crate) memory_held: Arc<AtomicU64>,
    pub(crate) log_next: AtomicU64,
    pub(crate) shelf: Shelf,
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("data", &self.config.data).finish_non_exhaustive()
    }
}

impl Core {
    pub(crate) fn sequencer(&self) -> MutexGuard<'_, Sequencer> {
        self.sequencer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn committer(&self) -> MutexGuard<'_, Committer> {
        self.committer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The largest chunk that one file takes.
    pub(crate) fn chunk_bytes_max(&self) -> usize {
        CHUNK_BYTES_MAX.min(self.config.ring_file_bytes as usize)
    }

    /// The largest request.
    pub(crate) fn request_bytes_max(&self) -> usize {
        COMMIT_BYTES_MAX.min(self.chunk_bytes_max() / 4 * 3)
    }

    /// Takes what waits and sequences it while the lane is busy with something else.
    pub(crate) fn encode_step(&self) {
        let mut sequencer = self.sequencer();
        if self.condition.is_poisoned() || sequencer.is_used_up(self.epoch_positions()) {
            // Nothing is numbered between a lane's end and the next lane.
            return;
        }
        self.queue.drain(sequencer.backlog());
        self.refuse_if_unable(sequencer.backlog());
        sequencer.fill(self.chunk_bytes_max());
    }

    /// Takes what waits, makes it durable, shows it and answers; whether anything was done.
    pub(crate) fn lane_step(&self) -> bool {
        if self.condition.is_poisoned() && !self.reopen() {
            let mut refused = VecDeque::new();
            self.queue.drain(&mut refused);
            refused.append(self.sequencer().backlog());
            refuse_all(&mut refused, &StoreError::Unavailable("its lane has failed"));
            return false;
        }
        let collected = self.collect_step();
        if self.lane_is_full() {
            if self.condition.stalled.load(Ordering::Acquire) {
                let mut refused = VecDeque::new();
                self.queue.drain(&mut refused);
                refused.append(self.sequencer().backlog());
                refuse_all(&mut refused, &StoreError::Unavailable("the bucket does not answer"));
            }
            return collected;
        }
        let sealed = {
            let mut sequencer = self.sequencer();
            self.queue.drain(sequencer.backlog());
            self.refuse_if_unable(sequencer.backlog());
            sequencer.fill(self.chunk_bytes_max());
            sequencer.seal(self.clock.service())
        };
        let Some(sealed) = sealed else { return collected };
        self.commit(sealed);
        self.renew_epoch();
        true
    }

    fn epoch_positions(&self) -> u64 {
        match self.folder.as_ref().and_then(|folder| folder.ring.as_ref()) {
            Some(_) => EPOCH_POSITIONS,
            None => EPOCH_POSITIONS_LAST,
        }
    }

    /// Ends the lane, and opens the next in the next epoch, when a log runs out of positions.
    fn renew_epoch(&self) {
        {
            let sequencer = self.sequencer();
            if !sequencer.is_used_up(self.epoch_positions()) || !sequencer.is_between_chunks() {
                return;
            }
            self.condition.poisoned.store(true, Ordering::Release);
        }
        if !self.reopen() {
            tracing::error!("a log has no positions left in this epoch: restart");
        }
    }

    fn bucket(&self) -> Option<&Arc<BucketDisk>> {
        self.folder.as_ref()?.bucket.as_ref()
    }

    /// Whether the lane takes no chunk before one of those it has is durable.
    pub(crate) fn lane_is_full(&self) -> bool {
        if self.bucket().is_none() {
            return false;
        }
        let bytes = self.sequencer().open_bytes();
        match &self.committer().lane {
            Lane::Bucket(lane) => !lane.has_room(bytes, self.config.bucket_ahead_bytes),
            Lane::Memory | Lane::Ring(_) => false,
        }
    }

    /// From now on an answer of the bucket that does not come is given up.
    pub(crate) fn stop_waiting_for_bucket(&self) {
        if let Some(bucket) = self.bucket() {
            bucket.closing.store(true, Ordering::Release);
        }
    }

    /// Whether chunks are on their way.
    pub(crate) fn is_in_flight(&self) -> bool {
        !self.committer().in_flight.is_empty()
    }

    /// Shows and answers for the chunks that have become durable; whether there were any.
    fn collect_step(&self) -> bool {
        if self.bucket().is_none() {
            return false;
        }
        let mut durable = Vec::new();
        let fenced = {
            let mut committer = self.committer();
            let Lane::Bucket(lane) = &committer.lane else { return false };
            let (fenced, below) = (lane.is_fenced(), lane.durable_below());
            self.condition.stalled.store(lane.is_stalled(), Ordering::Release);
            let is_durable = |chunk: &SealedChunk| !fenced && chunk.home.number < below;
            while committer.in_flight.front().is_some_and(is_durable) {
                durable.extend(committer.in_flight.pop_front());
            }
            fenced
        };
        let any = !durable.is_empty();
        durable.into_iter().for_each(|sealed| self.finish(sealed, None));
        if fenced {
            tracing::error!("another process has taken the bucket over: this one writes no more");
            self.condition.fenced.store(true, Ordering::Release);
            self.give_up_in_flight();
        }
        any
    }

    /// Fails everybody whose chunk is on its way: nobody knows what becomes of it. The lane is done with.
    pub(crate) fn give_up_in_flight(&self) {
        let in_flight = std::mem::take(&mut self.committer().in_flight);
        self.condition.poisoned.store(true, Ordering::Release);
        let error = StoreError::Unavailable("its lane has failed");
        let waiters = in_flight.into_iter().flat_map(|sealed| sealed.waiters);
        waiters.for_each(|waiter| waiter.fail(error.clone()));
        self.sequencer().abandon(&self.logs, &error);
    }

    /// While many ask again and again, waits a moment for most of those whom the last chunk answered: a
    /// sync costs the processor as much as two requests. The others are on their way meanwhile, so that
    /// neither processor nor disk is idle.
    pub(crate) fn gather_step(&self) {
        let answered = match self.committer() {
            committer if matches!(committer.lane, Lane::Ring(_)) => committer.answered,
            _ => 0,
        };
        let present = answered + self.queue.len();
        if present >= GATHER_REQUESTS_MIN && !self.has_work() {
            self.queue.gather((present / 4 * 3).min(GATHER_REQUESTS_MAX), GATHER_MAX);
        }
    }

    /// Whether something waits that has left the queue and is in no chunk that the lane has.
    pub(crate) fn has_work(&self) -> bool {
        self.sequencer().has_work()
    }

    /// Whether so much is unflushed that writes wait.
    pub(crate) fn must_wait_for_flush(&self) -> bool {
        let failing = self.condition.flush_failed.load(Ordering::Acquire);
        self.unflushed.bytes() >= self.config.tail_bytes_max && !failing
    }

    /// Commits an empty chunk if the last one needs it to be provable.
    pub(crate) fn prove_step(&self) {
        if !self.committer().unproven || self.condition.is_poisoned() {
            return;
        }
        let sealed = {
            let mut sequencer = self.sequencer();
            sequencer.rest();
            sequencer.seal_even_empty(self.clock.service())
        };
        self.commit(sealed);
    }

    /// How long the lane may idle before its last chunk should be proven.
    pub(crate) fn idle_limit(&self) -> Option<Duration> {
        let limit = self.committer().unproven.then_some(crate::limits::IDLE_PROOF_AFTER);
        if self.condition.is_poisoned() { Some(crate::limits::RETRY_AFTER) } else { limit }
    }

    /// Requests with records are refused while there is no room for them; trims must go through.
    fn refuse_if_unable(&self, backlog: &mut VecDeque<Request>) {
        let memory_full = self.memory_held.load(Ordering::Relaxed) >= self.config.memory_bytes_max;
        let tail_full = self.unflushed.bytes() >= self.config.tail_bytes_max;
        let failing = self.condition.flush_failed.load(Ordering::Acquire);
        let no_room = memory_full || self.condition.is_disk_full() || self.is_over_budget();
        let unable = no_room || tail_full && failing;
        if !unable {
            return;
        }
        let error = if no_room {
            StoreError::DiskFull
        } else {
            StoreError::Unavailable("its recent data cannot be moved on")
        };
        let (mut refused, kept) = backlog.drain(..).partition(Request::has_records);
        *backlog = kept;
        refuse_all(&mut refused, &error);
    }

    fn commit(&self, sealed: SealedChunk) {
        if mutant::is_on(Mutant::PublishEarly) {
            self.publish_copy(&sealed);
        }
        let mut committer = self.committer();
        committer.answered = sealed.waiters.len();
        match committer.lane.write(sealed.home.number, &sealed.bytes) {
            Ok(Written::Now(place)) => {
                committer.unproven = place.is_some() && !sealed.blocks.is_empty();
                if committer.lane.wants_spare() {
                    self.flush_signal.wake();
                }
                drop(committer);
                self.finish(sealed, place);
            }
            Ok(Written::Later) => committer.in_flight.push_back(sealed),
            Err(LaneError::DiskFull) => {
                drop(committer);
                self.run_out_of_room();
                self.abandon(sealed, &StoreError::DiskFull);
            }
            Err(LaneError::InDoubt(error)) => {
                drop(committer);
                tracing::error!(%error, "the lane has failed");
                if is_full(&error) {
                    self.run_out_of_room();
                }
                self.condition.poisoned.store(true, Ordering::Release);
                self.abandon(sealed, &StoreError::Unavailable("its lane has failed"));
            }
        }
    }

    /// A chunk is durable: shows it, and answers.
    fn finish(&self, sealed: SealedChunk, place: Option<Place>) {
        let in_memory = self.folder.is_none();
        let SealedChunk { home, bytes, blocks, arrival, effects, waiters } = sealed;
        let bytes_total = bytes.len() as u64;
        self.compactor.note_traffic(bytes_total);
        let held = in_memory.then(|| Arc::clone(&self.memory_held));
        let memory = Some(without_padding(bytes, &blocks));
        let chunk = Chunk::new(home, bytes_total, blocks, place, memory, held);
        let chunk = Arc::new(chunk.recycled(&self.spare));
        if in_memory {
            self.memory_held.fetch_add(bytes_total, Ordering::Relaxed);
        } else if self.unflushed.push(&chunk, &self.clock, &self.config) {
            self.flush_signal.wake();
        }
        let logs_changed = !effects.logs.is_empty();
        publish(&self.logs, &self.tables, &chunk, effects);
        if logs_changed && self.compactor.logs_changed() {
            self.flush_signal.wake();
        }
        waiters.into_iter().for_each(|waiter| waiter.answer(arrival));
        self.sequencer().settle();
    }

    /// Shows a chunk that nobody knows to be durable: a mistake.
    fn publish_copy(&self, sealed: &SealedChunk) {
        let (rows, logs) = (sealed.effects.rows.clone(), sealed.effects.logs.clone());
        let (bytes, blocks) = (sealed.bytes.clone(), sealed.blocks.clone());
        let bytes_total = bytes.len() as u64;
        let chunk = Chunk::new(sealed.home, bytes_total, blocks, None, Some(bytes), None);
        let chunk = Arc::new(chunk);
        publish(&self.logs, &self.tables, &chunk, Effects { rows, logs });
    }

    fn abandon(&self, sealed: SealedChunk, error: &StoreError) {
        let mut sequencer = self.sequencer();
        sealed.waiters.into_iter().for_each(|waiter| waiter.fail(error.clone()));
        sequencer.abandon(&self.logs, error);
    }

    /// Seals the failed lane and opens the next; whether that worked.
    fn reopen(&self) -> bool {
        let Some(folder) = &self.folder else { return false };
        // A lane in a bucket ends only when another process has taken over.
        let Some(ring) = &folder.ring else { return false };
        let mut sequencer = self.sequencer();
        let failed = sequencer.lane().lane;
        let mut manifest = folder.manifest();
        let mut next = manifest.clone();
        if self.sabotage.seals()
            && let Some(lane) = next.lanes.iter_mut().find(|lane| lane.lane == failed)
        {
            lane.seal = Some(sequencer.number_next());
        }
        let Ok(lane) = next.claim(&self.entropy) else { return false };
        if let Err(error) = manifest::commit(&*folder.disk, &mut next) {
            manifest.number = next.number;
            tracing::error!(%error, "no new lane can be opened");
            if is_full(&error) {
                self.run_out_of_room();
            }
            return false;
        }
        *manifest = next;
        drop(manifest);
        let mut committer = self.committer();
        committer.lane = Lane::ring(Arc::clone(ring), self.sabotage);
        committer.unproven = false;
        tracing::warn!(failed, lane = lane.lane, "a new lane is open");
        sequencer.restart(lane, &self.logs);
        self.condition.poisoned.store(false, Ordering::Release);
        true
    }
}

/// What stays in memory of a durable chunk: of one record most is padding.
fn without_padding(chunk: Bytes, blocks: &[BlockAt]) -> Bytes {
    let end = blocks.last().map_or(0, |last| last.at as usize + last.header.bytes_total());
    if spare::fits(chunk.len(), end) { chunk } else { Bytes::copy_from_slice(&chunk[..end]) }
}

fn refuse_all(requests: &mut VecDeque<Request>, error: &StoreError) {
    requests.drain(..).for_each(|request| request.refuse(error.clone()));
}
