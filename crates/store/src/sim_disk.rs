//! A disk for tests: it remembers every operation, so that every state a crash could leave behind
//! can be made from them.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::disk::{Disk, DiskFile};

/// What the smallest torn write is made of.
pub(crate) const SECTOR: usize = 512;

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
    },
    SyncFolder {
        folder: String,
    },
}

#[derive(Debug, Default)]
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
}

/// A data folder in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct SimDisk(Arc<Mutex<State>>);

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

    /// The writes that a crash after `at` operations may lose, with their lengths.
    fn pending(&self, at: usize) -> (Vec<usize>, Vec<usize>) {
        let state = self.state();
        let ops = &state.ops[..at];
        let mut writes = Vec::new();
        let mut names = Vec::new();
        for (index, op) in ops.iter().enumerate() {
            let later = &ops[index + 1..];
            match op {
                Op::Write { file, .. } | Op::Length { file, .. } => {
                    let end = later.iter().find(|op| match op {
                        Op::Sync { file: synced } | Op::FailedSync { file: synced } => {
                            synced == file
                        }
                        _ => false,
                    });
                    if !matches!(end, Some(Op::Sync { .. })) {
                        writes.push(index);
                    }
                }
                Op::Name { name, .. } => {
                    let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
                    let synced =
                        |op: &Op| matches!(op, Op::SyncFolder { folder: f } if f == folder);
                    if !later.iter().any(synced) {
                        names.push(index);
                    }
                }
                _ => {}
            }
        }
        (writes, names)
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
                Op::Name { name, file } if crash.names_kept || !pending_names.contains(&index) => {
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
        let state = self.state();
        let names = state.names.keys().filter_map(|name| {
            let (own, name) = name.rsplit_once('/').unwrap_or(("", name));
            (own == folder).then(|| name.to_owned())
        });
        Ok(names.collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        if state.full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = state.next;
        state.next += 1;
        state.files.insert(file, Vec::new());
        state.names.insert(name.to_owned(), file);
        state.ops.push(Op::Name { name: name.to_owned(), file: Some(file) });
        Ok(Arc::new(SimFile { disk: self.clone(), file, name: name.to_owned() }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = *self.state().names.get(name).ok_or_else(not_found)?;
        Ok(Arc::new(SimFile { disk: self.clone(), file, name: name.to_owned() }))
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let file = *state.names.get(from).ok_or_else(not_found)?;
        if state.names.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.names.insert(to.to_owned(), file);
        state.ops.push(Op::Name { name: to.to_owned(), file: Some(file) });
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let file = state.names.remove(from).ok_or_else(not_found)?;
        state.names.insert(to.to_owned(), file);
        state.ops.push(Op::Name { name: to.to_owned(), file: Some(file) });
        state.ops.push(Op::Name { name: from.to_owned(), file: None });
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.names.remove(name).ok_or_else(not_found)?;
        state.ops.push(Op::Name { name: name.to_owned(), file: None });
        Ok(())
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        self.state().ops.push(Op::SyncFolder { folder: folder.to_owned() });
        Ok(())
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

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("/sim").join(name)
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
        let mut state = self.disk.state();
        let present = state.files[&self.file].len() as u64;
        if state.full && at + bytes.len() as u64 > present {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let file = state.files.get_mut(&self.file).unwrap();
        write_part(file, at, bytes, Part::All);
        state.ops.push(Op::Write { file: self.file, at, bytes: bytes.to_vec() });
        Ok(())
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        let state = self.disk.state();
        let own = state.files[&self.file].get(at as usize..at as usize + bytes.len());
        let own = own.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        bytes.copy_from_slice(own);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
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
        state.ops.push(Op::Sync { file: self.file });
        Ok(())
    }

    fn set_length(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.files.get_mut(&self.file).unwrap().resize(bytes as usize, 0);
        state.ops.push(Op::Length { file: self.file, bytes });
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.state().files[&self.file].len() as u64)
    }
}
