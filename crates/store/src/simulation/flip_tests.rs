//! Bits flipped anywhere in a folder, by the thousand: found, or without meaning; never wrong bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use stdx::{Clock, Entropy, UnixMillis};

use super::bytes::owner;
use super::machine::{Weather, config};
use super::world::World;
use crate::core::Core;
use crate::error::{OpenError, ReadError};
use crate::id::{LogId, Position};
use crate::lane::Sabotage;
use crate::recover::open_folder;
use crate::request::{ReadBudget, ReadFrom};
use crate::sim_disk::SimDisk;

/// 2,000 flips, and 100,000 of them with `cargo xtask test --long`.
fn flips() -> u64 {
    if std::env::var_os("LEVADA_LONG").is_some() { 100_000 } else { 2_000 }
}

/// What each log shows: position and whose. `None` where damage is named.
type Shown = BTreeMap<LogId, Option<Vec<(u64, (u32, u32))>>>;

fn open(disk: &SimDisk) -> Result<Core, OpenError> {
    let clock = Clock::manual(UnixMillis(1_700_000_000_000));
    let disk = Arc::new(disk.clone());
    open_folder(disk, config(), clock, Entropy::seeded(1), Sabotage::None)
}

fn read(core: &Core, log: LogId) -> Option<Vec<(u64, (u32, u32))>> {
    let budget = ReadBudget { records_max: usize::MAX, bytes_max: usize::MAX };
    let mut found = Vec::new();
    let mut from = Position::ZERO;
    loop {
        match core.read_page(log, ReadFrom::Position(from), budget, true) {
            Ok(page) => {
                let page = page.expect("it reaches the disk");
                found.extend(page.records.iter().map(|record| {
                    let whose = owner(&record.payload).expect("never wrong bytes");
                    (record.position.0, whose)
                }));
                if page.at_tail {
                    return Some(found);
                }
                from = page.next;
            }
            Err(ReadError::UnknownLog(_)) => return Some(found),
            Err(_) => return None,
        }
    }
}

fn look(core: &Core, logs: &[LogId]) -> Shown {
    logs.iter().map(|&log| (log, read(core, log))).collect()
}

/// A folder with a ring, segments and rows, whose last chunk is proven.
fn folder(seed: u64) -> (SimDisk, Vec<LogId>) {
    let mut world = World::new(seed, Weather::default());
    world.machine.open().unwrap();
    for round in 0..14 {
        world.append();
        world.commit();
        world.machine.drive();
        world.collect().unwrap();
        if round == 8 {
            world.machine.flush();
        }
    }
    world.machine.prove();
    world.machine.core = None;
    (world.machine.disk.copy(), world.placed.keys().copied().collect())
}

#[test]
fn no_flipped_bit_is_ever_served() {
    let entropy = Entropy::seeded(7);
    let folders: Vec<_> = (0..4).map(folder).collect();
    let whole: Vec<Shown> =
        folders.iter().map(|(disk, logs)| look(&open(&disk.copy()).unwrap(), logs)).collect();
    let (mut found_out, mut harmless) = (0, 0);
    for flip in 0..flips() {
        let own = (flip % 4) as usize;
        let (disk, logs) = (folders[own].0.copy(), &folders[own].1);
        // The ring is mostly zeros: half of the flips look for bytes that mean something.
        let files: Vec<_> = disk.contents().into_iter().filter(|file| !file.1.is_empty()).collect();
        let (name, bytes) = &files[entropy.below(files.len() as u64) as usize];
        let mut at = entropy.below(bytes.len() as u64) as usize;
        if flip % 2 == 0 {
            at = (at..bytes.len()).chain(0..at).find(|&at| bytes[at] != 0).unwrap_or(at);
        }
        disk.flip(name, at, 1 << entropy.below(8));
        let core = match open(&disk) {
            Ok(core) => core,
            Err(OpenError::Damaged { .. } | OpenError::Newer { .. }) => {
                found_out += 1;
                continue;
            }
            Err(error) => panic!("{name} at {at}: {error}"),
        };
        let shown = look(&core, logs);
        let named = !core.condition.health().ready || shown.values().any(Option::is_none);
        for (log, records) in &shown {
            let Some(records) = records else { continue };
            let all = whole[own][log].as_ref().unwrap();
            assert!(records.iter().all(|record| all.contains(record)), "{name} at {at}: {log}");
            assert!(named || records == all, "{name} at {at}: {log} has lost records unnamed");
        }
        if named { found_out += 1 } else { harmless += 1 }
    }
    println!("{found_out} found out, {harmless} without meaning");
    assert!(found_out > flips() / 10, "{found_out}");
}
