//! What reads find where, and what they leave in memory.

use crate::config::Config;
use crate::core::Core;
use crate::id::Position;
use crate::request::{ReadBudget, ReadFrom, ReadPage};
use crate::workload::{Workload, small};

const PAGE: ReadBudget = ReadBudget { records_max: 3, bytes_max: 1 << 20 };

fn page(core: &Core, workload: &Workload, from: Position, disk: bool) -> Option<ReadPage> {
    core.read_page(workload.logs[0], ReadFrom::Position(from), PAGE, disk).unwrap()
}

fn filled(config: Config) -> Workload {
    let mut workload = Workload::with(config);
    workload.commit(1, &[], &[], &[]);
    workload.step();
    for _ in 0..9 {
        workload.append(&[0], 5000);
        workload.step();
    }
    workload
}

/// A reader near the tail gets the very bytes that were written, before and after a flush.
#[test]
fn the_tail_is_read_without_a_copy_and_stays_when_it_is_flushed() {
    let workload = filled(small());
    let from = Position::new(1, 0);
    let before = page(workload.core(), &workload, from, false).unwrap();
    workload.core().flush().unwrap();
    let after = page(workload.core(), &workload, from, false).unwrap();
    assert_eq!(before, after);
    for (before, after) in before.records.iter().zip(&after.records) {
        assert_eq!(before.payload.as_ptr(), after.payload.as_ptr());
    }
}

#[test]
fn chunks_that_have_no_room_in_memory_are_read_from_the_segment() {
    let workload = filled(Config { kept_bytes_max: 20_000, ..small() });
    let core = workload.core();
    let from = Position::new(1, 0);
    let before = page(core, &workload, from, false).unwrap();
    core.flush().unwrap();
    assert_eq!(page(core, &workload, from, false), None);
    assert_eq!(page(core, &workload, from, true), Some(before));
    // The newest ones are still there.
    let next = core.logs.get(workload.logs[0]).unwrap().state().next;
    let last = Position(next.0 - 1);
    assert_eq!(page(core, &workload, last, false).unwrap().records.len(), 1);
}

/// Blocks that were read once are read from memory, within the budget.
#[test]
fn verified_blocks_stay_in_memory_within_their_budget() {
    let config = Config { kept_bytes_max: 0, block_cache_bytes_max: 100_000, ..small() };
    let mut workload = filled(config);
    workload.core().flush().unwrap();
    let read_all = |core: &Core| {
        let mut from = Position::ZERO;
        while let Some(page) = page(core, &workload, from, true).filter(|page| !page.at_tail) {
            from = page.next;
        }
        from
    };
    read_all(workload.core());
    let held = workload.core().read_cache.block_bytes();
    assert!(held > 40_000 && held <= 100_000, "{held}");
    // With the disk gone bad, what is in memory is still right.
    let segment = "segments/0000000000000001";
    let bytes = workload.disk.read(segment).len();
    (100..bytes).step_by(64).for_each(|at| workload.disk.flip(segment, at, 1));
    let first = page(workload.core(), &workload, Position::new(1, 0), true).unwrap();
    assert_eq!(first.records.len(), 3);
    workload.core = None;
}

/// It asked the disk for less than nothing ahead of the next block.
#[test]
fn a_record_larger_than_the_budget_is_read_and_ends_the_page() {
    let workload = filled(Config { kept_bytes_max: 0, ..small() });
    workload.core().flush().unwrap();
    let budget = ReadBudget { records_max: 60, bytes_max: 10 };
    let mut from = Position::ZERO;
    for _ in 0..9 {
        let from_here = ReadFrom::Position(from);
        let page = workload.core().read_page(workload.logs[0], from_here, budget, true);
        let page = page.unwrap().unwrap();
        assert_eq!(page.records.len(), 1);
        from = page.next;
    }
}

/// A follower is a cursor and a wake-up: one that nobody asks for long keeps nothing in memory.
#[test]
fn a_slow_follower_holds_no_chunk() {
    let workload = filled(Config { kept_bytes_max: 0, ..small() });
    let core = workload.core();
    let entry = core.logs.get(workload.logs[0]).unwrap();
    let follower = crate::Follower::new(Some(std::sync::Arc::clone(&entry)));
    let read = page(core, &workload, Position::new(1, 0), false).unwrap();
    let chunks: Vec<_> = entry
        .state()
        .recent
        .iter()
        .map(|recent| std::sync::Arc::downgrade(&recent.chunk))
        .collect();
    drop(read);
    core.flush().unwrap();
    assert!(chunks.len() == 9 && chunks.iter().all(|chunk| chunk.upgrade().is_none()));
    drop(follower);
}
