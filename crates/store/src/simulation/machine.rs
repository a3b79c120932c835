//! A machine: a disk that goes wrong, and the process whose store is on it.

use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use stdx::{Clock, Entropy, UnixMillis};

use super::chaos::{Chaos, Site};
use crate::config::Config;
use crate::core::Core;
use crate::error::OpenError;
use crate::lane::Sabotage;
use crate::limits::COMPACT_RETRY_AFTER;
use crate::recover::open_folder;
use crate::sim_disk::{CallKind, Fault, SimDisk};
use crate::store::Store;

/// How far the clock jumps between two processes, there and back.
const CLOCK_JUMP: Duration = Duration::from_secs(4 * 3600);

/// What may happen in a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// Calls to the disk may fail.
    pub faults: bool,
    /// The disk may run out of room.
    pub fills: bool,
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself: what it was asked is done.
    Closed,
    /// By a kill: the disk does what it was told.
    Killed,
    /// With the machine: of what is not synced some is lost, and some torn.
    PowerCut,
}

/// A machine. Everything about it follows from its seed and from what it is asked.
pub struct Machine {
    pub(super) disk: SimDisk,
    pub(super) clock: Clock,
    pub(super) entropy: Entropy,
    pub(super) chaos: Arc<Mutex<Chaos>>,
    pub(super) core: Option<Arc<Core>>,
    weather: Weather,
    sabotage: Sabotage,
}

pub(super) fn config() -> Config {
    Config {
        ring_file_bytes: 64 * 1024,
        ring_bytes_max: 768 * 1024,
        flush_bytes: u64::MAX,
        flush_after: Duration::ZERO,
        reserve_bytes: 32 * 1024,
        compact_fan_in: 2,
        compact_step_bytes: 3000,
        compact_bytes_per_second: u64::MAX,
        compact_dead_bytes_min: 1,
        ..Config::folder("/sim")
    }
}

impl Machine {
    /// A machine with an empty disk.
    pub fn new(seed: u64, weather: Weather) -> Machine {
        let machine = Machine {
            disk: SimDisk::default(),
            clock: Clock::manual(UnixMillis(1_700_000_000_000)),
            entropy: Entropy::seeded(seed),
            chaos: Arc::default(),
            core: None,
            weather,
            sabotage: Sabotage::None,
        };
        machine.plan();
        machine
    }

    fn plan(&self) {
        let chaos = Arc::clone(&self.chaos);
        self.disk.set_plan(move |kind, name| {
            let (fault, meanwhile, late) = {
                let mut chaos = chaos.lock().unwrap();
                let fault = chaos.decide(kind, name);
                let rings = kind == CallKind::Write && name.starts_with("ring");
                let late = if rings { std::mem::take(&mut chaos.late) } else { Vec::new() };
                (fault, chaos.meanwhile.clone(), late)
            };
            if matches!(kind, CallKind::Write | CallKind::Sync)
                && let Some(core) = meanwhile.upgrade()
            {
                if name.starts_with("segments") {
                    core.lane_step();
                } else if name.starts_with("ring") {
                    late.into_iter().for_each(|request| core.queue.push(request));
                    core.encode_step();
                }
            }
            fault
        });
    }

    pub(super) fn chaos(&self) -> MutexGuard<'_, Chaos> {
        self.chaos.lock().unwrap()
    }

    pub(super) fn core(&self) -> &Arc<Core> {
        self.core.as_ref().unwrap()
    }

    /// A number below `bound`.
    pub fn below(&self, bound: usize) -> usize {
        self.entropy.below(bound as u64) as usize
    }

    /// Where the seed's numbers come from.
    pub fn entropy(&self) -> &Entropy {
        &self.entropy
    }

    /// What time it is for the present process.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Everything on the disk, by name, to compare two runs.
    pub fn contents(&self) -> Vec<(String, Vec<u8>)> {
        self.disk.contents()
    }

    /// The present process's store. Nobody drives it but this machine, and its reads are done at once.
    pub fn store(&self) -> Store {
        Store::by_hand(Arc::clone(self.core()))
    }

    /// Every start makes this mistake.
    pub(crate) fn sabotage(&mut self, sabotage: Sabotage) {
        self.sabotage = sabotage;
    }

    /// The call of this number goes wrong like this, and nothing else does.
    pub(crate) fn fail_call(&self, number: usize, fault: Fault) {
        self.chaos().at = Some((number, fault));
    }

    /// From now on every such call goes wrong like this, and nothing else does.
    pub(crate) fn fail_site(&self, site: &Site, fault: Fault) {
        self.chaos().site = Some((site.clone(), fault));
    }

    /// From now on one sync in `odds` is not done and said to be.
    pub fn lie(&self, odds: u64) {
        let mut chaos = self.chaos();
        chaos.entropy = Some(Entropy::seeded(self.entropy.u64()));
        chaos.lies = odds;
    }

    /// Every call of the disk so far.
    pub(crate) fn calls(&self) -> Vec<Site> {
        self.chaos().calls.clone()
    }

    /// How many calls of the disk there have been.
    pub fn calls_made(&self) -> usize {
        self.chaos().calls.len()
    }

    /// The call of this number is refused, by a disk that fails or, with `full`, that has no room;
    /// nothing else goes wrong.
    pub fn refuse_call(&self, number: usize, full: bool) {
        let error = if full { super::chaos::ENOSPC } else { super::chaos::EIO };
        self.fail_call(number, Fault::Refuse(error));
    }

    /// From now on nothing goes wrong.
    pub fn heal(&self) {
        let mut chaos = self.chaos();
        (chaos.left, chaos.lies, chaos.at, chaos.site) = (0, 0, None, None);
        chaos.dies_after = None;
        drop(chaos);
        self.disk.heal();
        self.plan();
    }

    /// From now on the disk has no room.
    pub fn fill(&self) {
        self.disk.set_room(0);
    }

    /// From now on something goes wrong, for a while.
    pub fn arm(&self) {
        if self.weather.fills && self.below(2) == 0 {
            self.disk.set_room(self.below(60_000) as u64);
        }
        if !self.weather.faults {
            return;
        }
        let sites = [
            None,
            Some((CallKind::Write, "ring")),
            Some((CallKind::Sync, "ring")),
            Some((CallKind::Sync, "segments")),
            Some((CallKind::Sync, "manifest")),
            Some((CallKind::Link, "manifest")),
            Some((CallKind::SyncFolder, "")),
            Some((CallKind::Remove, "")),
        ];
        let mut chaos = self.chaos();
        chaos.entropy.get_or_insert_with(|| Entropy::seeded(self.entropy.u64()));
        chaos.only = sites[self.below(sites.len())];
        chaos.odds = 1 + self.entropy.below(if chaos.only.is_some() { 3 } else { 30 });
        chaos.left = 1 + self.below(4) as u32;
    }

    /// A process begins. What goes wrong with that must go away with what made it.
    ///
    /// # Errors
    /// If a healthy folder cannot be opened, or is taken for damaged.
    pub fn open(&mut self) -> Result<(), String> {
        for _ in 0..2 {
            let (disk, clock) = (Arc::new(self.disk.clone()), self.clock.clone());
            let entropy = Entropy::seeded(self.entropy.u64());
            match open_folder(disk, config(), clock, entropy, self.sabotage) {
                Ok(core) => {
                    let damage = core.condition.quarantined();
                    self.core = Some(Arc::new(core));
                    return if damage.is_empty() {
                        Ok(())
                    } else {
                        Err(format!("a crash was taken for damage: {damage:?}"))
                    };
                }
                Err(OpenError::Io { .. }) => self.heal(),
                Err(error) => return Err(error.to_string()),
            }
        }
        Err("a healthy folder cannot be opened".to_owned())
    }

    /// The process is gone, with the machine or not. Whoever had its store has let go of it.
    pub fn end(&mut self, how: Ending) {
        self.core = None;
        if how == Ending::PowerCut {
            let next = self.disk.cut(&self.entropy);
            self.heal();
            self.disk = next;
            self.plan();
        }
    }

    /// The next process finds this time of day.
    pub fn set_clock(&mut self, now: UnixMillis) {
        self.clock = Clock::manual(now);
    }

    /// Now and then the next process finds another time of day, hours away.
    pub fn jump_clock(&mut self) {
        if self.below(4) == 0 {
            let now = self.clock.service().before(CLOCK_JUMP / 2);
            let jump = Duration::from_millis(self.entropy.below(CLOCK_JUMP.as_millis() as u64));
            self.clock = Clock::manual(now.after(jump));
        }
    }

    /// After a few more calls the disk answers none: the process is about to end.
    pub fn doom(&self) {
        self.chaos().dies_after = Some(1 + self.entropy.below(9) as u32);
    }

    /// Lets the lane work until nothing waits.
    pub fn drive(&self) {
        while self.core().lane_step() || self.core().has_work() {}
    }

    /// Lets the lane work once, and the encoder while it writes.
    pub fn step_lane(&self) {
        self.chaos().meanwhile = Arc::downgrade(self.core());
        self.core().lane_step();
        self.chaos().meanwhile = Weak::new();
    }

    /// Makes the last chunk provable, as an idle lane does.
    pub fn prove(&self) {
        self.core().prove_step();
    }

    /// Moves recent chunks into a segment.
    pub fn flush(&self) {
        if self.below(2) == 0 {
            self.chaos().meanwhile = Arc::downgrade(self.core());
        }
        self.core().flush_step();
        self.chaos().meanwhile = Weak::new();
    }

    /// Compacts for a while, which may end in the middle. Some log is kept for some other time now.
    pub fn compact(&self) {
        let core = self.core();
        if let Some((_, entry)) = core.logs.all().into_iter().min_by_key(|(log, _)| *log) {
            entry.set_class(1 + self.below(4) as u8);
        }
        core.clock.advance(COMPACT_RETRY_AFTER);
        for _ in 0..self.below(9) {
            core.compact_step();
        }
    }

    /// Removes segments of which nothing is needed any more.
    pub fn delete_trimmed(&self) {
        let folder = self.core().folder.as_ref().unwrap();
        let _may_fail = self.core().delete_trimmed(folder);
    }

    /// Makes the ring's next file.
    pub fn prepare_ring(&self) {
        let folder = self.core().folder.as_ref().unwrap();
        let _may_fail = folder.ring.as_ref().unwrap().prepare_spare();
    }

    /// Makes room for what has been asked, when the ring is nearly used up.
    pub fn relieve(&self) {
        let ring = self.core().folder.as_ref().unwrap().ring.as_ref().unwrap().files();
        if ring.iter().filter(|file| Arc::strong_count(file) > 2).count() > 8 {
            self.flush();
        }
    }
}
