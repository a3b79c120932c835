//! A disk that says synced and is not.

use std::sync::Arc;

use stdx::Entropy;

use super::bytes::owner;
use super::machine::{Weather, config};
use super::world::World;
use crate::core::Core;
use crate::error::{OpenError, ReadError};
use crate::id::{LogId, Position};
use crate::lane::Sabotage;
use crate::recover::open_folder;
use crate::request::{ReadBudget, ReadFrom};

/// What a disk that lies may leave behind: damage that is named, or the beginning of everything. And
/// never wrong bytes. Whether anything was named.
pub(crate) fn run_on_a_liar(seed: u64, steps: usize) -> Result<bool, String> {
    let mut world = World::new(seed, Weather::default());
    world.machine.open()?;
    world.machine.lie(2);
    for _ in 0..steps {
        if !matches!(world.below(20), 0 | 1) {
            world.append();
            world.commit();
        }
        world.machine.drive();
        world.collect()?;
        if world.below(6) == 0 {
            world.machine.flush();
        }
    }
    world.machine.core = None;
    let disk = world.machine.disk.cut(&world.machine.entropy);
    world.machine.heal();
    let config = config();
    let (clock, entropy) = (world.machine.clock.clone(), Entropy::seeded(seed));
    let core = match open_folder(Arc::new(disk), config, clock, entropy, Sabotage::None) {
        Ok(core) => core,
        Err(OpenError::Damaged { .. }) => return Ok(true),
        Err(error) => return Err(error.to_string()),
    };
    let mut named = !core.condition.health().ready;
    for (log, placed) in &world.placed {
        named |= !is_beginning(&core, *log, placed)?;
    }
    Ok(named)
}

/// Whether a log shows the first of its acknowledged runs, all of them up to some point; `false` if
/// it names damage instead.
fn is_beginning(core: &Core, log: LogId, placed: &[u64]) -> Result<bool, String> {
    let budget = ReadBudget { records_max: usize::MAX, bytes_max: usize::MAX };
    let mut found = Vec::new();
    let mut from = Position::ZERO;
    loop {
        let page = match core.read_page(log, ReadFrom::Position(from), budget, true) {
            Ok(page) => page.ok_or("a read did not reach the disk")?,
            Err(ReadError::UnknownLog(_)) => break,
            Err(ReadError::Damaged { .. } | ReadError::Io(_)) => return Ok(false),
        };
        for record in &page.records {
            owner(&record.payload).ok_or_else(|| format!("wrong bytes in {log}"))?;
            found.push(record.position.0);
        }
        if page.at_tail {
            break;
        }
        from = page.next;
    }
    let kept = core.logs.get(log).map_or(0, |entry| entry.state().trimmed_below.0);
    let end = found.last().map_or(0, |last| last + 1);
    let mut wanted = placed.iter().filter(|first| (kept..end).contains(first));
    let hole = wanted.find(|first| found.binary_search(first).is_err());
    hole.map_or(Ok(true), |hole| Err(format!("{log} has lost {hole} without a word")))
}
