//! A disk for tests: it remembers every operation, so that every state a crash could leave behind
//! can be made from them.
#![allow(clippy::unwrap_used, reason = "it exists for tests")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use stdx::Entropy;

use crate::disk::{Disk, DiskFile};

/// What the smallest torn write is made of.
pub(crate) const SECTOR: usize = 512;
/// What a disk gives room in.
const PAGE: usize = 4096;

/// One thing that was asked of the disk.
#[derive(Clone, Debug)]
enum Op {
    Write {
        file: u64,
        at: u64,
        bytes: Vec<u8>,
    },
    Length {
        file: u64,
        bytes: u64,
    },
    Sync {
        file: u64,
    },
    /// A sync that failed: what was written before it may or may not ever arrive.
    FailedSync {
        file: u64,
    },
    Name {
        name: String,
        file: Option<u64>,
        /// The second half of a renaming: it happens if and only if the one before it does.
        joined: bool,
    },
    SyncFolder {
        folder: String,
    },
}

/// What the disk is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum CallKind {
    List,
    Create,
    Open,
    Link,
    Rename,
    Remove,
    SyncFolder,
    Write,
    Read,
    Sync,
    SetLength,
    Length,
}

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing is done.
    Refuse(io::ErrorKind),
    /// It is done, and answered with an error.
    DoAndFail(io::ErrorKind),
    /// A write gets this many of its sectors done, from the front.
    Short(io::ErrorKind, usize),
    /// It is not done, and answered as if it were.
    Lie,
}

impl Fault {
    fn error(self) -> io::Error {
        match self {
            Fault::Refuse(kind) | Fault::DoAndFail(kind) | Fault::Short(kind, _) => kind.into(),
            Fault::Lie => io::ErrorKind::Other.into(),
        }
    }
}

/// Decides about every call: what it does, and the name it does it to.
type Plan = Box<dyn FnMut(CallKind, &str) -> Option<Fault> + Send>;

#[derive(Default)]
struct State {
    files: HashMap<u64, Vec<u8>>,
    names: BTreeMap<String, u64>,
    next: u64,
    ops: Vec<Op>,
    base: (HashMap<u64, Vec<u8>>, BTreeMap<String, u64>),
    locked: bool,
    /// Syncs of files under this folder that go well before one fails; then none does.
    fail_sync_after: Vec<(String, u32)>,
    /// Writes beyond the present size of files in this folder are refused.
    full: bool,
    /// Pages that may be allocated, and those that are.
    room: Option<usize>,
    allocated: HashSet<(u64, usize)>,
    plan: Option<Plan>,
}

/// A data folder in memory.
#[derive(Clone, Default)]
pub(crate) struct SimDisk(Arc<Mutex<State>>);

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimDisk")
    }
}

/// What of the unsynced operations survives a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Lost,
    Kept,
    /// Only this one is kept.
    Only(usize),
    /// Only this one is lost.
    AllBut(usize),
    /// All before this write are kept, none after, and of it only the first sectors.
    TornAfter(usize, usize),
    /// All before this write are kept, none after, and of it only the last sectors.
    TornBefore(usize, usize),
    /// All before this write are kept, none after, and of it all but one sector.
    Hole(usize, usize),
}

/// A crash: when, and what survives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crash {
    pub(crate) at: usize,
    pub(crate) writes: Fate,
    pub(crate) names_kept: bool,
}

impl SimDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// How many operations there have been.
    pub(crate) fn ops(&self) -> usize {
        self.state().ops.len()
    }

    pub(crate) fn fail_sync_after(&self, folder: &str, good: u32) {
        self.state().fail_sync_after.push((folder.to_owned(), good));
    }

    pub(crate) fn set_full(&self, full: bool) {
        self.state().full = full;
    }

    /// Lets `plan` decide about every call from now on. While it does, calls are let through.
    pub(crate) fn set_plan(
        &self,
        plan: impl FnMut(CallKind, &str) -> Option<Fault> + Send + 'static,
    ) {
        self.state().plan = Some(Box::new(plan));
    }

    /// No call goes wrong any more.
    pub(crate) fn heal(&self) {
        let mut state = self.state();
        state.plan = None;
        state.room = None;
        state.fail_sync_after.clear();
        state.full = false;
    }

    /// The disk has this many bytes more than are in use.
    pub(crate) fn set_room(&self, bytes: u64) {
        let mut state = self.state();
        let named: HashSet<u64> = state.names.values().copied().collect();
        let full_files = state.files.iter().filter(|(file, _)| named.contains(file));
        let pages = full_files.flat_map(|(&file, bytes)| {
            let pages = bytes.chunks(PAGE).enumerate();
            let filled = pages.filter(|(_, page)| page.iter().any(|&byte| byte != 0));
            filled.map(move |(page, _)| (file, page)).collect::<Vec<_>>()
        });
        state.allocated = pages.collect();
        state.room = Some(state.allocated.len() + bytes as usize / PAGE);
    }

    fn meet(&self, kind: CallKind, name: &str) -> Option<Fault> {
        let mut plan = self.state().plan.take()?;
        let fault = plan(kind, name);
        self.state().plan.get_or_insert(plan);
        fault
    }

    /// Whether to do something, and what to answer.
    fn decide(&self, kind: CallKind, name: &str) -> (bool, io::Result<()>) {
        match self.meet(kind, name) {
            None => (true, Ok(())),
            Some(Fault::Lie) => (false, Ok(())),
            Some(fault @ Fault::DoAndFail(_)) => (true, Err(fault.error())),
            Some(fault) => (false, Err(fault.error())),
        }
    }

    /// Everything that there is, to compare two runs.
    pub(crate) fn contents(&self) -> Vec<(String, Vec<u8>)> {
        let state = self.state();
        state.names.iter().map(|(name, file)| (name.clone(), state.files[file].clone())).collect()
    }

    /// Changes a file behind everybody's back.
    pub(crate) fn flip(&self, name: &str, at: usize, mask: u8) {
        let mut state = self.state();
        let file = state.names[name];
        state.files.get_mut(&file).unwrap()[at] ^= mask;
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        let state = self.state();
        state.files[&state.names[name]].clone()
    }

    /// The same folder on another disk, with everything that has been written.
    pub(crate) fn copy(&self) -> SimDisk {
        let state = self.state();
        image(state.files.clone(), state.names.clone())
    }

    /// The folder as the next process finds it when this one is killed after `at` operations and the
    /// machine goes on: everything is there, and what was not synced still is not.
    pub(crate) fn killed(&self, at: usize) -> SimDisk {
        let whole = self.after(Crash { at, writes: Fate::Kept, names_kept: true });
        let state = self.state();
        {
            let mut next = whole.state();
            next.base = state.base.clone();
            next.ops = state.ops[..at].to_vec();
            next.next = state.next;
        }
        whole
    }

    /// The writes and names that a crash after `at` operations may lose.
    fn pending(&self, at: usize) -> (Vec<usize>, Vec<usize>) {
        let state = self.state();
        let mut writes = Vec::new();
        let mut names = Vec::new();
        // Of a file, whether its next sync goes well; folders whose names are synced.
        let mut syncs: HashMap<u64, bool> = HashMap::new();
        let mut folders: HashSet<&str> = HashSet::new();
        for (index, op) in state.ops[..at].iter().enumerate().rev() {
            match op {
                Op::Sync { file } => drop(syncs.insert(*file, true)),
                Op::FailedSync { file } => drop(syncs.insert(*file, false)),
                Op::SyncFolder { folder } => drop(folders.insert(folder)),
                Op::Write { file, .. } | Op::Length { file, .. } => {
                    if syncs.get(file) != Some(&true) {
                        writes.push(index);
                    }
                }
                Op::Name { name, .. } => {
                    if !folders.contains(name.rsplit_once('/').map_or("", |(folder, _)| folder)) {
                        names.push(index);
                    }
                }
            }
        }
        writes.reverse();
        names.reverse();
        (writes, names)
    }

    /// What a power cut now leaves behind: of everything that is not synced some is there, some is
    /// not, and some is torn, as `entropy` decides.
    pub(crate) fn cut(&self, entropy: &Entropy) -> SimDisk {
        let (writes, pending_names) = self.pending(self.ops());
        // Now and then everything goes the same way: the plainest crashes are the likeliest.
        let mood = entropy.below(4);
        let chance = |odds: u64| match mood {
            0 => false,
            1 => true,
            _ => entropy.below(odds) > 0,
        };
        let state = self.state();
        let (mut files, mut names) = state.base.clone();
        let (mut pending_writes, mut pending_names) =
            (writes.iter().peekable(), pending_names.iter().peekable());
        let mut renamed = true;
        for (index, op) in state.ops.iter().enumerate() {
            match op {
                Op::Write { file, at, bytes } => {
                    let file = files.entry(*file).or_default();
                    if pending_writes.next_if_eq(&&index).is_none() || chance(3) {
                        write_part(file, *at, bytes, Part::All);
                    } else if mood > 1 {
                        // Some lose half of their sectors, some hardly one, some all.
                        let odds = 1 + entropy.below(2) * 2 + entropy.below(2) * 6;
                        for (number, sector) in bytes.chunks(SECTOR).enumerate() {
                            if entropy.below(odds) > 0 {
                                write_part(file, at + (number * SECTOR) as u64, sector, Part::All);
                            }
                        }
                    }
                }
                Op::Length { file, bytes } => {
                    let file = files.entry(*file).or_default();
                    if pending_writes.next_if_eq(&&index).is_none() || chance(3) {
                        file.resize(*bytes as usize, 0);
                    }
                }
                Op::Name { name, file, joined } => {
                    let pending = pending_names.next_if_eq(&&index).is_some();
                    renamed = if *joined { renamed } else { !pending || chance(2) };
                    match file {
                        _ if !renamed => {}
                        Some(file) => drop(names.insert(name.clone(), *file)),
                        None => drop(names.remove(name)),
                    }
                }
                _ => {}
            }
        }
        image(files, names)
    }

    /// Every crash after `at` operations.
    pub(crate) fn crashes(&self, at: usize) -> Vec<Crash> {
        let (pending, names) = self.pending(at);
        let mut fates = vec![Fate::Lost];
        if !pending.is_empty() {
            fates.push(Fate::Kept);
        }
        for index in 0..pending.len() {
            if pending.len() > 1 {
                fates.extend([Fate::Only(index), Fate::AllBut(index)]);
            }
        }
        // Earlier crashes have torn the earlier writes.
        let state = self.state();
        if let Some(&last) = pending.last()
            && last + 1 == at
            && let Op::Write { bytes, .. } = &state.ops[last]
        {
            for sector in 1..bytes.len().div_ceil(SECTOR) {
                fates.push(Fate::TornAfter(pending.len() - 1, sector));
                fates.push(Fate::TornBefore(pending.len() - 1, sector));
            }
            for sector in 0..bytes.len().div_ceil(SECTOR) {
                fates.push(Fate::Hole(pending.len() - 1, sector));
            }
        }
        let kept = if names.is_empty() { &[true][..] } else { &[true, false] };
        let crash = |names_kept: bool| move |&writes: &Fate| Crash { at, writes, names_kept };
        kept.iter().flat_map(|&kept| fates.iter().map(crash(kept)).collect::<Vec<_>>()).collect()
    }

    /// What a crash leaves behind.
    pub(crate) fn after(&self, crash: Crash) -> SimDisk {
        let (writes, pending_names) = self.pending(crash.at);
        let state = self.state();
        let (mut files, mut names) = state.base.clone();
        for (index, op) in state.ops[..crash.at].iter().enumerate() {
            let pending = writes.iter().position(|&write| write == index);
            let part = pending.map_or(Part::All, |order| part(crash.writes, order));
            match op {
                Op::Write { file, at, bytes } => {
                    write_part(files.entry(*file).or_default(), *at, bytes, part);
                }
                Op::Length { file, bytes } if !matches!(part, Part::None) => {
                    files.entry(*file).or_default().resize(*bytes as usize, 0);
                }
                Op::Name { name, file, .. }
                    if crash.names_kept || !pending_names.contains(&index) =>
                {
                    match file {
                        Some(file) => drop(names.insert(name.clone(), *file)),
                        None => drop(names.remove(name)),
                    }
                }
                _ => {}
            }
        }
        image(files, names)
    }
}

#[derive(Clone, Copy)]
enum Part {
    All,
    None,
    First(usize),
    Last(usize),
    AllBut(usize),
}

fn part(fate: Fate, order: usize) -> Part {
    let keep = |kept: bool| if kept { Part::All } else { Part::None };
    match fate {
        Fate::Lost => Part::None,
        Fate::Kept => Part::All,
        Fate::Only(own) => keep(own == order),
        Fate::AllBut(own) => keep(own != order),
        Fate::TornAfter(own, sectors) if own == order => Part::First(sectors * SECTOR),
        Fate::TornBefore(own, sectors) if own == order => Part::Last(sectors * SECTOR),
        Fate::Hole(own, sector) if own == order => Part::AllBut(sector * SECTOR),
        Fate::TornAfter(own, _) | Fate::TornBefore(own, _) | Fate::Hole(own, _) => {
            keep(order < own)
        }
    }
}

fn write_part(file: &mut Vec<u8>, at: u64, bytes: &[u8], part: Part) {
    let range = match part {
        Part::AllBut(hole) => {
            let hole_end = (hole + SECTOR).min(bytes.len());
            write_part(file, at, &bytes[..hole], Part::All);
            return write_part(file, at + hole_end as u64, &bytes[hole_end..], Part::All);
        }
        Part::All => 0..bytes.len(),
        Part::None => return,
        Part::First(count) => 0..count.min(bytes.len()),
        Part::Last(count) => count.min(bytes.len())..bytes.len(),
    };
    let end = at as usize + range.end;
    if file.len() < end {
        file.resize(end, 0);
    }
    file[at as usize + range.start..end].copy_from_slice(&bytes[range]);
}

fn image(mut files: HashMap<u64, Vec<u8>>, names: BTreeMap<String, u64>) -> SimDisk {
    for file in names.values() {
        files.entry(*file).or_default();
    }
    let next = files.keys().chain(names.values()).max().map_or(0, |last| last + 1);
    let base = (files.clone(), names.clone());
    SimDisk(Arc::new(Mutex::new(State { files, names, next, base, ..State::default() })))
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Disk for SimDisk {
    fn make_folder(&self, _name: &str) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.decide(CallKind::List, folder).1?;
        let state = self.state();
        let below = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let names = state.names.keys().filter_map(|name| {
            let name = name.strip_prefix(&below)?;
            Some(name.split_once('/').map_or(name, |(folder, _)| folder).to_owned())
        });
        Ok(names.collect::<std::collections::BTreeSet<_>>().into_iter().collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let fault = self.meet(CallKind::Create, name);
        let mut state = self.state();
        if let Some(fault @ (Fault::Refuse(_) | Fault::Short(..))) = fault {
            return Err(fault.error());
        }
        if state.full || state.room.is_some_and(|room| state.allocated.len() >= room) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = state.next;
        state.next += 1;
        state.files.insert(file, Vec::new());
        state.name(name, Some(file), false);
        if let Some(fault @ Fault::DoAndFail(_)) = fault {
            return Err(fault.error());
        }
        Ok(Arc::new(SimFile { disk: self.clone(), file, name: name.to_owned() }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.decide(CallKind::Open, name).1?;
        let file = *self.state().names.get(name).ok_or_else(not_found)?;
        Ok(Arc::new(SimFile { disk: self.clone(), file, name: name.to_owned() }))
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        let (does, answer) = self.decide(CallKind::Link, to);
        let mut state = self.state();
        if does {
            let file = *state.names.get(from).ok_or_else(not_found)?;
            if state.names.contains_key(to) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            state.name(to, Some(file), false);
        }
        answer
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (does, answer) = self.decide(CallKind::Rename, to);
        let mut state = self.state();
        if does {
            let file = *state.names.get(from).ok_or_else(not_found)?;
            state.name(to, Some(file), false);
            state.name(from, None, true);
        }
        answer
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let (does, answer) = self.decide(CallKind::Remove, name);
        let mut state = self.state();
        if !state.names.contains_key(name) {
            return Err(not_found());
        }
        if does {
            state.name(name, None, false);
        }
        answer
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        let (does, answer) = self.decide(CallKind::SyncFolder, folder);
        if does {
            self.state().ops.push(Op::SyncFolder { folder: folder.to_owned() });
        }
        answer
    }

    fn lock(&self, _name: &str) -> io::Result<Option<Box<dyn Send + Sync>>> {
        let mut state = self.state();
        if std::mem::replace(&mut state.locked, true) {
            return Ok(None);
        }
        Ok(Some(Box::new(SimLock(self.clone()))))
    }

    fn put_new(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        crate::disk::put_if_absent(self, name, bytes)
    }

    fn free_bytes(&self) -> Option<u64> {
        let state = self.state();
        state.room.map(|room| (room.saturating_sub(state.allocated.len()) * PAGE) as u64)
    }

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("/sim").join(name)
    }
}

impl State {
    /// Gives a file a name, or takes it away.
    fn name(&mut self, name: &str, file: Option<u64>, joined: bool) {
        let before = match file {
            Some(file) => self.names.insert(name.to_owned(), file),
            None => self.names.remove(name),
        };
        let gone = before.filter(|file| !self.names.values().any(|other| other == file));
        if let Some(gone) = gone {
            self.allocated.retain(|(file, _)| *file != gone);
        }
        self.ops.push(Op::Name { name: name.to_owned(), file, joined });
    }

    /// How many of these bytes there is room for.
    fn room_for(&mut self, file: u64, at: u64, bytes: usize) -> usize {
        let Some(room) = self.room else { return bytes };
        let (first, end) = (at as usize / PAGE, (at as usize + bytes).div_ceil(PAGE));
        for page in first..end {
            if !self.allocated.contains(&(file, page)) {
                if self.allocated.len() >= room {
                    return (page * PAGE).saturating_sub(at as usize);
                }
                self.allocated.insert((file, page));
            }
        }
        bytes
    }

    fn write(&mut self, file: u64, bytes: &[u8], at: u64) {
        write_part(self.files.get_mut(&file).unwrap(), at, bytes, Part::All);
        self.ops.push(Op::Write { file, at, bytes: bytes.to_vec() });
    }
}

struct SimLock(SimDisk);

impl Drop for SimLock {
    fn drop(&mut self) {
        self.0.state().locked = false;
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    file: u64,
    name: String,
}

impl DiskFile for SimFile {
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let fault = self.disk.meet(CallKind::Write, &self.name);
        let mut state = self.disk.state();
        let present = state.files[&self.file].len() as u64;
        if state.full && at + bytes.len() as u64 > present {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let asked = match fault {
            None | Some(Fault::DoAndFail(_)) => bytes.len(),
            Some(Fault::Short(_, sectors)) => (sectors * SECTOR).min(bytes.len()),
            Some(Fault::Refuse(_) | Fault::Lie) => 0,
        };
        let done = state.room_for(self.file, at, asked);
        if done > 0 {
            state.write(self.file, &bytes[..done], at);
        }
        match fault {
            None if done < bytes.len() => Err(io::ErrorKind::StorageFull.into()),
            None | Some(Fault::Lie) => Ok(()),
            Some(fault) => Err(fault.error()),
        }
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        self.disk.decide(CallKind::Read, &self.name).1?;
        let state = self.disk.state();
        let own = state.files[&self.file].get(at as usize..at as usize + bytes.len());
        let own = own.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        bytes.copy_from_slice(own);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let fault = self.disk.meet(CallKind::Sync, &self.name);
        let mut state = self.disk.state();
        let own = |(folder, _): &(String, u32)| self.name.starts_with(folder.as_str());
        if let Some(index) = state.fail_sync_after.iter().position(own) {
            if state.fail_sync_after[index].1 == 0 {
                state.fail_sync_after.remove(index);
                state.ops.push(Op::FailedSync { file: self.file });
                return Err(io::Error::other("a sync that fails"));
            }
            state.fail_sync_after[index].1 -= 1;
        }
        match fault {
            None => state.ops.push(Op::Sync { file: self.file }),
            Some(Fault::Lie) => {}
            Some(fault @ Fault::DoAndFail(_)) => {
                state.ops.push(Op::Sync { file: self.file });
                return Err(fault.error());
            }
            Some(fault) => {
                state.ops.push(Op::FailedSync { file: self.file });
                return Err(fault.error());
            }
        }
        Ok(())
    }

    fn set_length(&self, bytes: u64) -> io::Result<()> {
        let (does, answer) = self.disk.decide(CallKind::SetLength, &self.name);
        if does {
            let mut state = self.disk.state();
            state.files.get_mut(&self.file).unwrap().resize(bytes as usize, 0);
            state.ops.push(Op::Length { file: self.file, bytes });
        }
        answer
    }

    fn length(&self) -> io::Result<u64> {
        self.disk.decide(CallKind::Length, &self.name).1?;
        Ok(self.disk.state().files[&self.file].len() as u64)
    }
}
