//! Seeds, and every call of the disk.

use store::simulation::Weather;

use super::world::{run, run_with};

pub(super) const STORM: Weather = Weather { faults: true, fills: true };
const CALM: Weather = Weather { faults: false, fills: false };
pub(super) const STEPS: usize = 250;

/// 500 seeds, and 10,000 of them with `cargo xtask test --long`.
fn seeds() -> u64 {
    if std::env::var_os("LEVADA_LONG").is_some() { 10_000 } else { 500 }
}

fn assert_unbroken(broken: &[String], runs: usize) {
    let first = &broken[..broken.len().min(5)];
    assert!(broken.is_empty(), "{} of {runs}: {first:#?}", broken.len());
}

#[test]
fn every_seed_keeps_every_promise() {
    let runs = (0..seeds()).map(|seed| run(seed, STEPS, STORM));
    let broken: Vec<String> = runs.filter_map(Result::err).collect();
    assert_unbroken(&broken, seeds() as usize);
}

/// One seed, event by event: `LEVADA_SEED=439 cargo test -p streams one_seed -- --nocapture`.
#[test]
fn one_seed() {
    let Ok(seed) = std::env::var("LEVADA_SEED") else { return };
    run(seed.parse().unwrap(), STEPS, STORM).map(drop).unwrap();
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for seed in [3, 77, 12_345] {
        let (one, other) = (run(seed, STEPS, STORM).unwrap(), run(seed, STEPS, STORM).unwrap());
        assert_eq!(format!("{:?}", one.events()), format!("{:?}", other.events()));
        assert!(one.machine.contents() == other.machine.contents());
    }
    let (one, other) = (run(3, STEPS, STORM).unwrap(), run(4, STEPS, STORM).unwrap());
    assert!(one.machine.contents() != other.machine.contents());
}

/// A seed whose calm run reshards, deletes, trims and restarts.
const EVERY_CALL: u64 = 1;
const EVERY_CALL_STEPS: usize = 120;

#[test]
fn every_call_of_the_disk_may_fail_once() {
    let calls = run(EVERY_CALL, EVERY_CALL_STEPS, CALM).unwrap().machine.calls_made();
    let mut broken = Vec::new();
    for number in 0..calls {
        for full in [false, true] {
            let ran = run_with(EVERY_CALL, EVERY_CALL_STEPS, CALM, |world| {
                world.machine.refuse_call(number, full);
            });
            broken.extend(ran.err().map(|why| format!("call {number}, full {full}: {why}")));
        }
    }
    assert_unbroken(&broken, calls * 2);
    assert!(calls > 300, "{calls}");
}
