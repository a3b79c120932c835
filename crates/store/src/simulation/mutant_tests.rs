//! Every mistake in the list is seen, and after how many seeds.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::world::run_with;
use super::world_tests::{STEPS, STORM};
use crate::lane::Sabotage;
use crate::mutant::{Mutant, with};

/// A mistake must be seen within this many seeds: as many as the test command runs.
const SEEDS_MAX: u64 = 500;

/// Mistakes that the store's parts are told of, and mistakes that they look up.
const SABOTAGE: &[Sabotage] = &[
    Sabotage::AcknowledgeUnsynced,
    Sabotage::IgnoreFailedSync,
    Sabotage::SkipBlockChecksum,
    Sabotage::SkipSeal,
];
const MUTANTS: &[Mutant] = &[
    Mutant::RetryInDoubt,
    Mutant::TrustPageCache,
    Mutant::RingNameUnsynced,
    Mutant::RecycleEarly,
    Mutant::ManifestUnsynced,
    Mutant::ManifestNameUnsynced,
    Mutant::SegmentUnsynced,
    Mutant::SegmentNameUnsynced,
    Mutant::RemoveBeforeManifest,
    Mutant::LoseTombstone,
    Mutant::DropLiveBlock,
    Mutant::TrimTooFar,
    Mutant::FlushOneTooMany,
    Mutant::ReuseEpoch,
    Mutant::PublishEarly,
    Mutant::RefuseEarly,
    Mutant::KeepOverlay,
    Mutant::DropOverlay,
    Mutant::ReorderInChunk,
    Mutant::AppendAfterClose,
    Mutant::HalfCommit,
    Mutant::ArrivalFalls,
    Mutant::WrongTimeIndex,
];

/// How many seeds a store with a mistake survives, and what the next one says.
fn survives(sabotage: Sabotage) -> Option<(u64, String)> {
    (0..SEEDS_MAX).find_map(|seed| {
        // A mistake may break the store itself, which is as good.
        let ran = catch_unwind(AssertUnwindSafe(|| {
            run_with(seed, STEPS, STORM, |world| world.machine.sabotage(sabotage)).map(drop)
        }));
        match ran {
            Ok(Ok(())) => None,
            Ok(Err(why)) => Some((seed + 1, why)),
            Err(_) => Some((seed + 1, "a panic".to_owned())),
        }
    })
}

#[test]
fn every_mutant_is_caught() {
    let mut survivors = Vec::new();
    let mut report = |name: String, caught: Option<(u64, String)>| match caught {
        Some((seeds, why)) => {
            let why: String = why.chars().rev().take(110).collect();
            println!("{name:24} {seeds:4} {}", why.chars().rev().collect::<String>());
        }
        None => survivors.push(name),
    };
    for &sabotage in SABOTAGE {
        report(format!("{sabotage:?}"), survives(sabotage));
    }
    for &mutant in MUTANTS {
        report(format!("{mutant:?}"), with(mutant, || survives(Sabotage::None)));
    }
    assert!(survivors.is_empty(), "nobody has seen {survivors:?}");
}
