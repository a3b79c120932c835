//! Every mistake in the list is seen, and after how many seeds.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::world::run;
use super::world_tests::{STEPS, STORM};
use crate::mutant::{Mutant, with};

/// A mistake must be seen within this many seeds: as many as the test command runs.
const SEEDS_MAX: u64 = 500;

const MUTANTS: &[Mutant] = &[
    Mutant::SkipClose,
    Mutant::LoseChild,
    Mutant::ForgetClose,
    Mutant::SameBirth,
    Mutant::ShowEarly,
    Mutant::ForgetVersion,
    Mutant::OldRoute,
    Mutant::PutAgain,
    Mutant::OneNumber,
    Mutant::EndEarly,
    Mutant::SkipOne,
    Mutant::TrimAll,
    Mutant::ExpireEarly,
    Mutant::ForgetFloor,
    Mutant::ForgetPending,
    Mutant::KeepRow,
    Mutant::SameGeneration,
];

/// How many seeds an engine with a mistake survives, and what the next one says.
fn survives() -> Option<(u64, String)> {
    (0..SEEDS_MAX).find_map(|seed| {
        // A mistake may break the engine itself, which is as good.
        let ran = catch_unwind(AssertUnwindSafe(|| run(seed, STEPS, STORM).map(drop)));
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
    for &mutant in MUTANTS {
        match with(mutant, survives) {
            Some((seeds, why)) => {
                let end: String = why.chars().rev().take(110).collect();
                println!("{mutant:?} {seeds} {}", end.chars().rev().collect::<String>());
            }
            None => survivors.push(mutant),
        }
    }
    assert!(survivors.is_empty(), "nobody has seen {survivors:?}");
}
