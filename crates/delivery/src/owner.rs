//! A delivery stream's owner: one task that reads its logs, plans objects, has them built and put, and
//! commits what has become of them. The decisions are pure (`buffer`, `line`, `plans`); here they meet the
//! store, the clock and the world.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesOrdered, FuturesUnordered, StreamExt};
use stdx::UnixMillis;
use store::{CommitError, Follower, LogId, ReadError, ReadFrom, ReadPage, RowError};
use tokio::sync::{mpsc, watch};

use crate::attempt::{self, Attempted};
use crate::buffer::Held;
use crate::destination::Destination;
use crate::frame::Frame;
use crate::limits::{BATCHES_MAX, STORE_RETRY, UNPLANNED_MAX};
use crate::line::Line;
use crate::lookup::Lookup;
use crate::meters::DeliveredObject;
use crate::object::Frames;
use crate::owners::{Command, Shared};
use crate::plans::{Plan, Plans};
use crate::reading::{PAGE, resume_behind_damage};
use crate::rows::{Content, Part, Role, Source};
use crate::stage::{self, Batch, Output, Staged};
use crate::status::{DeliveryStatus, PlanStatus};
use crate::stream::{DeliveryStream, DeliveryStreamState};
use crate::tables;
use crate::work::Work;

/// Which line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LineId {
    /// From the intake to the destination, or to the staging logs.
    Main,
    /// From the intake to the backup.
    Backup,
    /// From a staging log to the destination.
    Staging(u64),
}

/// Why an owner stops.
#[derive(Debug)]
pub(crate) enum Ended {
    /// Nobody needs it any more.
    Gone,
    /// Its rows are not what it thinks: it has to read them again.
    Stale,
    /// The store does not do what it needs.
    Failed(String),
}

impl From<RowError> for Ended {
    fn from(error: RowError) -> Self {
        Ended::Failed(error.to_string())
    }
}

impl From<ReadError> for Ended {
    fn from(error: ReadError) -> Self {
        Ended::Failed(error.to_string())
    }
}

impl From<CommitError> for Ended {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict { .. } | CommitError::UnknownLog(_) => Ended::Stale,
            error => Ended::Failed(error.to_string()),
        }
    }
}

type Followed = Pin<Box<dyn Future<Output = (Follower, u64)> + Send>>;

/// See the module.
pub(crate) struct Owner {
    pub(crate) shared: Arc<Shared>,
    pub(crate) stream: Arc<DeliveryStream>,
    states: watch::Receiver<Arc<DeliveryStreamState>>,
    /// The configuration that is planned with, and its version; none if nothing is delivered there.
    pub(crate) state: Arc<DeliveryStreamState>,
    pub(crate) destination: Option<Arc<Destination>>,
    pub(crate) lines: BTreeMap<LineId, Line>,
    pub(crate) plans: Plans,
    pub(crate) plan_next: u64,
    /// What is delivered and still has a row.
    pub(crate) delivered: Vec<(u64, Plan)>,
    /// Lines whose turn it is after this one.
    pub(crate) turn_after: LineId,
    /// Logs in which there may be more to read.
    pub(crate) unread: BTreeSet<(LineId, u64)>,
    /// Batches that are with the function, oldest first, and what they hold.
    batches: FuturesOrdered<Work<Result<Staged, ReadError>>>,
    pub(crate) batching: VecDeque<Held>,
    /// Batches that have been staged.
    pub(crate) staged: u64,
    /// How many must have been for the flush of the staging logs that somebody waits for.
    flush_at: Option<u64>,
    /// The staging log of each output.
    pub(crate) outputs: HashMap<Output, u64>,
    followed: FuturesUnordered<Followed>,
    pub(crate) followed_logs: HashSet<u64>,
    /// The Kinesis stream that it reads, if it does and there is one.
    pub(crate) source: Option<Arc<streams::Stream>>,
    pub(crate) source_changes: Option<watch::Receiver<Arc<streams::StreamState>>>,
    /// When a missing one is looked for again.
    pub(crate) source_retry: Option<Duration>,
    /// Shards that are read on once something is planned.
    pub(crate) stalled: BTreeSet<(LineId, u64)>,
    attempts: FuturesUnordered<Work<Attempted>>,
    /// Whether a bucket refuses to write over what is there, as far as is known.
    conditions: BTreeMap<String, bool>,
    pub(crate) trouble: Option<String>,
    pub(crate) lookup: Lookup,
}

/// Delivers until nobody needs it any more.
pub(crate) async fn run(
    shared: Arc<Shared>,
    stream: Arc<DeliveryStream>,
    mut commands: mpsc::Receiver<Command>,
) {
    loop {
        let ended = match Owner::load(&shared, &stream) {
            Ok(owner) => owner.run(&mut commands).await,
            Err(ended) => ended,
        };
        match ended {
            Ended::Gone => return,
            Ended::Stale => tokio::task::yield_now().await,
            Ended::Failed(reason) => {
                let name = &stream.name;
                tracing::warn!(delivery_stream = %name, reason, "delivering goes on in a moment");
                shared.clock.sleep(STORE_RETRY).await;
            }
        }
    }
}

impl Owner {
    /// Reads where everything stands.
    fn load(shared: &Arc<Shared>, stream: &Arc<DeliveryStream>) -> Result<Self, Ended> {
        let row = shared.store.table::<tables::DeliveryStreams>().get(&stream.name)?;
        if row.is_none_or(|found| found.row.generation != stream.generation) {
            return Err(Ended::Gone);
        }
        let states = stream.watch();
        let state = stream.state();
        let mut owner = Owner {
            shared: Arc::clone(shared),
            stream: Arc::clone(stream),
            states,
            destination: state.served.clone().ok(),
            state,
            lines: BTreeMap::new(),
            plans: Plans::default(),
            plan_next: 0,
            delivered: Vec::new(),
            turn_after: LineId::Main,
            unread: BTreeSet::new(),
            batches: FuturesOrdered::new(),
            batching: VecDeque::new(),
            staged: 0,
            flush_at: None,
            outputs: HashMap::new(),
            followed: FuturesUnordered::new(),
            followed_logs: HashSet::new(),
            source: None,
            source_changes: None,
            source_retry: None,
            stalled: BTreeSet::new(),
            attempts: FuturesUnordered::new(),
            conditions: BTreeMap::new(),
            trouble: None,
            lookup: Lookup::default(),
        };
        owner.recover()?;
        Ok(owner)
    }

    async fn run(mut self, commands: &mut mpsc::Receiver<Command>) -> Ended {
        loop {
            if let Err(ended) = self.turn().await {
                return ended;
            }
            if let Err(ended) = self.wait(commands).await {
                return ended;
            }
        }
    }

    /// Does everything that can be done now.
    async fn turn(&mut self) -> Result<(), Ended> {
        self.scan().await?;
        self.start_batches();
        self.flush_staging();
        self.settle().await?;
        self.look_up();
        let now = self.shared.clock.monotonic();
        while let Some((number, plan)) = self.plans.start(now) {
            let known = self.conditions.contains_key(bucket_of(&plan));
            let frames = self.frames(&plan.row.parts);
            let attempt = attempt::run(
                Arc::clone(&self.shared),
                Arc::clone(&self.stream),
                (number, plan),
                frames,
                known,
            );
            self.attempts.push(Work::start(attempt));
        }
        self.stream.backlog.publish(self.backlog().1);
        Ok(())
    }

    /// Gives the function what is due, as far as it may have more.
    fn start_batches(&mut self) {
        let Some(destination) = self.destination.clone().filter(|own| own.is_staged()) else {
            return;
        };
        let now = self.shared.clock.service();
        while self.batching.len() < BATCHES_MAX {
            let Some(held) = self.line(LineId::Main).take(now) else { return };
            let frames = self.frames(&held.parts);
            self.batching.push_back(held.clone());
            let batch = Batch { held, frames, destination: Arc::clone(&destination) };
            let staging = stage::run(Arc::clone(&self.shared), Arc::clone(&self.stream), batch);
            self.batches.push_back(Work::start(staging));
            self.unread.append(&mut self.stalled);
        }
    }

    /// Whether the destination's records are staged before they are delivered.
    pub(crate) fn is_staged(&self) -> bool {
        self.destination.as_ref().is_some_and(|destination| destination.is_staged())
    }

    /// Once everything that somebody wants flushed is staged, it is delivered.
    fn flush_staging(&mut self) {
        let is_staging = |(id, _): &(LineId, u64)| matches!(id, LineId::Staging(_));
        let is_read = !self.unread.iter().any(is_staging);
        if self.flush_at.is_some_and(|staged| self.staged >= staged) && is_read {
            self.flush_at = None;
            let now = self.shared.clock.service();
            let staging = self.lines.iter_mut().filter(|(id, _)| matches!(id, LineId::Staging(_)));
            staging.for_each(|(_, line)| line.flush(now));
        }
    }

    /// How the records of some logs lie in them.
    fn frames(&self, parts: &[Part]) -> Frames {
        let logs = parts.iter().map(|part| part.log);
        let frame = |log| {
            let cursors = self.lines.values().filter_map(|line| line.cursors.get(&log));
            (log, Frame::of(cursors.map(|cursor| &cursor.role).next()))
        };
        logs.map(frame).collect()
    }

    /// How long until something is due that may be planned then, if anything is.
    fn due(&self) -> Option<Duration> {
        if !self.unread.is_empty() {
            return Some(Duration::ZERO);
        }
        let has_room = self.plans.room() > 0 && self.destination.is_some();
        let (is_staged, is_looking) = (self.is_staged(), self.lookup.is_under_way());
        let may_go = |id: LineId| match is_staged && id == LineId::Main {
            true => self.batching.len() < BATCHES_MAX,
            false => has_room && !(is_looking && self.needs_table(id)),
        };
        let lines = self.lines.iter().filter(|(id, _)| may_go(**id));
        let due = lines.filter_map(|(_, line)| line.due()).min();
        due.map(|due| due.since(self.shared.clock.service()))
    }

    /// Waits until there is something to do.
    async fn wait(&mut self, commands: &mut mpsc::Receiver<Command>) -> Result<(), Ended> {
        if !self.unread.is_empty() {
            // Others have their turn, too, and so has what ended meanwhile.
            tokio::task::yield_now().await;
        }
        let due = self.due();
        let clock = &self.shared.clock;
        let retry = self.plans.due().map(|due| due.saturating_sub(clock.monotonic()));
        let source = self.source_wait();
        let again = self.lookup.again().map(|at| at.saturating_sub(clock.monotonic()));
        tokio::select! {
            biased;
            command = commands.recv() => self.obey(command.ok_or(Ended::Gone)?).await?,
            Some(attempted) = self.attempts.next(), if !self.attempts.is_empty() => {
                self.attempted(attempted.ok_or_else(broken_off)?);
            }
            Some(staged) = self.batches.next(), if !self.batches.is_empty() => {
                self.commit_staged(staged.ok_or_else(broken_off)??).await?;
            }
            found = self.lookup.found() => self.looked_up(found.ok_or_else(broken_off)?),
            changed = self.states.changed() => {
                changed.map_err(|_| Ended::Gone)?;
                self.reconfigure();
            }
            Some((follower, log)) = self.followed.next(), if !self.followed.is_empty() => {
                self.moved(log);
                self.followed.push(followed(follower, log));
            }
            () = asleep(due, |wait| clock.sleep_service(wait)) => {}
            () = asleep(retry, |wait| clock.sleep(wait)) => {}
            () = changed(&mut self.source_changes) => self.arrange_shards(),
            () = asleep(source, |wait| clock.sleep(wait)) => self.arrange_shards(),
            () = asleep(again, |wait| clock.sleep(wait)) => self.lookup.forget(),
        }
        Ok(())
    }

    async fn obey(&mut self, command: Command) -> Result<(), Ended> {
        // Whoever asked may not wait any more.
        match command {
            Command::Flush(reply) => {
                self.flush().await?;
                let _gone = reply.send(());
            }
            Command::Redrive(reply) => {
                let now = self.shared.clock.service();
                let _gone = reply.send(self.plans.redrive(now));
            }
            Command::Status(reply) => {
                let _gone = reply.send(self.status());
            }
        }
        Ok(())
    }

    /// Reads everything that is there, and delivers it without waiting.
    async fn flush(&mut self) -> Result<(), Ended> {
        self.unread.extend(self.all_logs());
        while !self.unread.is_empty() {
            self.scan().await?;
        }
        let now = self.shared.clock.service();
        self.lines.values_mut().for_each(|line| line.flush(now));
        if self.is_staged() {
            let waiting = self.batching.len() + self.line(LineId::Main).full();
            self.flush_at = Some(self.staged + waiting as u64);
        }
        Ok(())
    }

    /// Every line with every log of it.
    fn all_logs(&self) -> Vec<(LineId, u64)> {
        let logs = |(id, line): (&LineId, &Line)| -> Vec<_> {
            line.cursors.keys().map(|log| (*id, *log)).collect()
        };
        self.lines.iter().flat_map(logs).collect()
    }

    /// A log of the intake has moved.
    fn moved(&mut self, log: u64) {
        for id in [LineId::Main, LineId::Backup] {
            if self.lines.get(&id).is_some_and(|line| line.cursors.contains_key(&log)) {
                self.unread.insert((id, log));
            }
        }
    }

    /// Follows a log of the intake.
    pub(crate) fn follow(&mut self, log: u64) {
        let follower = self.shared.store.follow(LogId(log));
        self.followed.push(followed(follower, log));
        self.moved(log);
    }

    /// Looks at what is new: a page of each log that has something.
    async fn scan(&mut self) -> Result<(), Ended> {
        let mut has_ended = false;
        for (id, log) in std::mem::take(&mut self.unread) {
            let Some(line) = self.lines.get(&id) else { continue };
            let Some(cursor) = line.cursors.get(&log).filter(|cursor| !cursor.ended) else {
                continue;
            };
            let is_shard = matches!(cursor.role, Role::Shard { .. });
            if is_shard && line.full() >= UNPLANNED_MAX {
                self.stalled.insert((id, log));
                continue;
            }
            let page = match self.shared.store.read(LogId(log), cursor.at, PAGE).await {
                Ok(page) => page,
                Err(ReadError::UnknownLog(_)) => {
                    has_ended |= is_shard;
                    self.end_cursor(id, log);
                    continue;
                }
                Err(error) => {
                    self.set_cursor(id, log, ReadFrom::Position(resume_behind_damage(error)?));
                    self.unread.insert((id, log));
                    continue;
                }
            };
            if page.trimmed {
                self.warn_of_trimmed(id, log, &page);
            }
            self.read_page(id, log, &page);
            self.set_cursor(id, log, ReadFrom::Position(page.next));
            if page.closed_end {
                has_ended |= is_shard;
                self.end_cursor(id, log);
            } else if !page.at_tail {
                self.unread.insert((id, log));
            }
        }
        if has_ended {
            self.arrange_shards();
        }
        Ok(())
    }

    fn read_page(&mut self, id: LineId, log: u64, page: &ReadPage) {
        let now = self.shared.clock.service();
        let Some(line) = self.lines.get_mut(&id) else { return };
        let role = line.cursors.get(&log).map(|cursor| &cursor.role);
        let frame = Frame::of(role);
        let mut bytes = 0;
        for record in &page.records {
            let read = frame.look(log, record);
            bytes += read.bytes;
            line.read(read, now);
        }
        if let (Frame::Shard { .. }, LineId::Main, Some(last)) = (frame, id, page.records.last()) {
            let behind = if page.at_tail { 0 } else { now.0.saturating_sub(last.arrival.0) };
            self.stream.meters.read(page.records.len() as u64, bytes, behind);
        }
    }

    /// A source gave up records before they were read. How many can only be said within one epoch.
    fn warn_of_trimmed(&self, id: LineId, log: u64, page: &ReadPage) {
        let at = self.lines.get(&id).and_then(|line| line.cursors.get(&log)).map(|own| own.at);
        let first = page.records.first().map_or(page.next, |record| record.position);
        let Some(ReadFrom::Position(at)) = at else { return };
        let lost = (at.epoch() == first.epoch()).then(|| first.counter() - at.counter());
        if lost == Some(0) {
            return;
        }
        self.stream.lost(lost.unwrap_or(0));
        tracing::error!(
            delivery_stream = %self.stream.name, ?lost,
            "the source stream's retention was shorter than this delivery stream was behind: records are lost"
        );
    }

    fn end_cursor(&mut self, id: LineId, log: u64) {
        let line = self.lines.get_mut(&id);
        if let Some(cursor) = line.and_then(|line| line.cursors.get_mut(&log)) {
            cursor.ended = true;
        }
    }

    fn set_cursor(&mut self, id: LineId, log: u64, at: ReadFrom) {
        let line = self.lines.get_mut(&id);
        if let Some(cursor) = line.and_then(|line| line.cursors.get_mut(&log)) {
            cursor.at = at;
        }
    }

    /// The configuration has changed: what is planned from now on follows the new one.
    fn reconfigure(&mut self) {
        self.state = Arc::clone(&self.states.borrow_and_update());
        self.destination = self.state.served.clone().ok();
        self.lookup.forget();
        self.arrange_lines();
        // Where nothing was delivered to, everything is still to be read.
        self.unread.extend(self.all_logs());
    }

    fn attempted(&mut self, attempted: Attempted) {
        let Attempted { number, result, conditions } = attempted;
        if let Some((bucket, has_conditions)) = conditions {
            self.learned(&bucket, has_conditions);
        }
        let clock = &self.shared.clock;
        let now = (clock.monotonic(), clock.service());
        match result {
            Ok(converted) => {
                if let Some(converted) = converted {
                    self.stream.meters.converted(converted);
                }
                let plan = self.plans.succeeded(number, now.0);
                if let Some(plan) = &plan {
                    self.stream.meters.delivered(DeliveredObject {
                        is_backup: plan.row.content == Content::Backup,
                        bytes: plan.row.bytes,
                        records: plan.row.records,
                        age: now.1.since(UnixMillis(plan.row.oldest_ms)),
                    });
                }
                self.delivered.extend(plan.map(|plan| (number, plan)));
            }
            Err(error) => {
                let name = &self.stream.name;
                tracing::warn!(
                    delivery_stream = %name, code = error.code, message = error.message,
                    "an object could not be put and will be tried again"
                );
                let plan = self.plans.all.get(&number);
                let is_backup = plan.is_some_and(|plan| plan.row.content == Content::Backup);
                self.stream.meters.failed(is_backup);
                self.plans.failed(number, error, now, self.shared.entropy.u64());
            }
        }
    }

    fn learned(&mut self, bucket: &str, has_conditions: bool) {
        if self.conditions.insert(bucket.to_owned(), has_conditions).is_none() && !has_conditions {
            tracing::warn!(
                delivery_stream = %self.stream.name, bucket,
                "the bucket ignores conditions: a crash may deliver an object twice"
            );
        }
    }

    /// Records and bytes that are not delivered.
    fn backlog(&self) -> (u64, u64) {
        let plans = self.plans.all.values().filter(|plan| plan.row.content != Content::Backup);
        let planned = plans.map(|plan| (plan.row.records, plan.row.bytes));
        let lines = self.lines.iter().filter(|(id, _)| **id != LineId::Backup);
        let read = lines.map(|(_, line)| line.backlog());
        let batching = self.batching.iter().map(|held| (held.records, held.bytes));
        let data = planned
            .chain(read)
            .chain(batching)
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let backup = self.lines.get(&LineId::Backup).map_or((0, 0), Line::backlog);
        // Both hold the same records, so the slower one counts.
        (data.0.max(backup.0), data.1.max(backup.1))
    }

    fn status(&self) -> DeliveryStatus {
        let (backlog_records, backlog_bytes) = self.backlog();
        let oldest = self.lines.values().filter_map(Line::oldest);
        let planned = self.plans.all.values().map(|plan| UnixMillis(plan.row.oldest_ms));
        let batching = self.batching.iter().map(|held| held.oldest);
        let ignoring = self.conditions.iter().filter(|(_, has_conditions)| !**has_conditions);
        DeliveryStatus {
            backlog_records,
            backlog_bytes,
            oldest: oldest.chain(planned).chain(batching).min(),
            plans: self.plans.all.values().map(plan_status).collect(),
            partitions: self.partitions(),
            lost_records: self.stream.lost_records(),
            at_least_once: ignoring.map(|(bucket, _)| bucket.clone()).collect(),
            trouble: self.trouble.as_ref().or(self.lookup.trouble.as_ref()).cloned(),
        }
    }

    /// Partitions that hold something.
    pub(crate) fn partitions(&self) -> usize {
        let is_partition = |output: &&Output| matches!(output, Output::Partition { .. });
        self.outputs.keys().filter(is_partition).count()
    }

    /// Its own log, if it has one.
    pub(crate) fn own_log(&self) -> Option<u64> {
        match self.state.row.source {
            Source::DirectPut { log } => Some(log),
            _ => None,
        }
    }
}

fn bucket_of(plan: &Plan) -> &str {
    match (&plan.row.content, &plan.destination.backup) {
        (Content::Backup, Some(backup)) => &backup.bucket,
        _ => &plan.destination.data.bucket,
    }
}

fn plan_status(plan: &Plan) -> PlanStatus {
    let row = &plan.row;
    PlanStatus {
        bucket: bucket_of(plan).to_owned(),
        key: row.key.clone(),
        records: row.records,
        bytes: row.bytes,
        planned: UnixMillis(row.planned_ms),
        failures: plan.failures,
        error: plan.error.clone(),
        parked: plan.parked,
    }
}

fn followed(mut follower: Follower, log: u64) -> Followed {
    Box::pin(async move {
        follower.changed().await;
        (follower, log)
    })
}

/// Work that ended without a result: it is begun again, but not at once.
fn broken_off() -> Ended {
    Ended::Failed("work on an object or a batch broke off".to_owned())
}

/// Waits until the source's shards have changed, or for ever if there is no source.
async fn changed(source: &mut Option<watch::Receiver<Arc<streams::StreamState>>>) {
    let has_changed = match source {
        Some(changes) => changes.changed().await.is_ok(),
        None => false,
    };
    if !has_changed {
        std::future::pending::<()>().await;
    }
}

/// Sleeps as long as there is to sleep, or for ever.
async fn asleep<F: Future<Output = ()>>(wait: Option<Duration>, sleep: impl FnOnce(Duration) -> F) {
    match wait {
        Some(wait) => sleep(wait).await,
        None => std::future::pending().await,
    }
}
