//! Seeds, every call of the disk, and a disk that lies.

use std::collections::BTreeSet;

use super::chaos::{EIO, ENOSPC};
use super::liar::run_on_a_liar;
use super::machine::Weather;
use super::world::{run, run_with};
use crate::sim_disk::{CallKind, Fault};

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

/// One seed, event by event: `LEVADA_SEED=439 cargo test -p store one_seed -- --nocapture`.
#[test]
fn one_seed() {
    let Ok(seed) = std::env::var("LEVADA_SEED") else { return };
    run(seed.parse().unwrap(), STEPS, STORM).map(drop).unwrap();
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for seed in [3, 77, 12_345] {
        let (one, other) = (run(seed, STEPS, STORM).unwrap(), run(seed, STEPS, STORM).unwrap());
        assert_eq!(format!("{:?}", one.events), format!("{:?}", other.events));
        assert!(one.machine.contents() == other.machine.contents());
    }
    let other = run(4, STEPS, STORM).unwrap();
    assert!(run(3, STEPS, STORM).unwrap().machine.contents() != other.machine.contents());
}

/// What can go wrong with a call of this kind.
fn faults(kind: CallKind) -> &'static [Fault] {
    use Fault::{DoAndFail, Refuse, Short};
    match kind {
        CallKind::List | CallKind::Open | CallKind::Read | CallKind::Length => &[Refuse(EIO)],
        CallKind::Write => &[
            Refuse(EIO),
            Refuse(ENOSPC),
            DoAndFail(EIO),
            Short(EIO, 1),
            Short(ENOSPC, 1),
            Short(ENOSPC, 8),
        ],
        CallKind::Remove => &[Refuse(EIO), DoAndFail(EIO)],
        _ => &[Refuse(EIO), Refuse(ENOSPC), DoAndFail(EIO)],
    }
}

/// A seed whose run reaches every call that the store makes.
const EVERY_SITE: u64 = 1;
const EVERY_SITE_STEPS: usize = 160;

#[test]
fn every_call_may_fail_once() {
    let calls = run(EVERY_SITE, EVERY_SITE_STEPS, CALM).unwrap().machine.calls();
    let mut runs = 0;
    let mut broken = Vec::new();
    for (number, (kind, folder)) in calls.iter().enumerate() {
        for &fault in faults(*kind) {
            runs += 1;
            let ran = run_with(EVERY_SITE, EVERY_SITE_STEPS, CALM, |w| {
                w.machine.fail_call(number, fault);
            });
            let why =
                ran.err().map(|why| format!("call {number} {kind:?} {folder} {fault:?}: {why}"));
            broken.extend(why);
        }
    }
    assert_unbroken(&broken, runs);
    assert!(runs > 800, "{runs}");
}

#[test]
fn every_site_may_fail_until_it_is_mended() {
    let calls = run(EVERY_SITE, EVERY_SITE_STEPS, CALM).unwrap().machine.calls();
    let sites: BTreeSet<_> = calls.into_iter().collect();
    let wanted = [
        (CallKind::Create, "ring"),
        (CallKind::SetLength, "ring"),
        (CallKind::Write, "ring"),
        (CallKind::Sync, "ring"),
        (CallKind::SyncFolder, "ring"),
        (CallKind::Read, "ring"),
        (CallKind::Create, "segments"),
        (CallKind::Write, "segments"),
        (CallKind::Sync, "segments"),
        (CallKind::SyncFolder, "segments"),
        (CallKind::Remove, "segments"),
        (CallKind::Read, "segments"),
        (CallKind::Create, "manifest"),
        (CallKind::Write, "manifest"),
        (CallKind::Sync, "manifest"),
        (CallKind::Link, "manifest"),
        (CallKind::SyncFolder, "manifest"),
        (CallKind::Remove, "manifest"),
        (CallKind::List, "manifest"),
        (CallKind::Rename, ""),
        (CallKind::SyncFolder, ""),
    ];
    for (kind, folder) in wanted {
        assert!(sites.contains(&(kind, folder.to_owned())), "{kind:?} {folder} is not reached");
    }
    let mut broken = Vec::new();
    for site in &sites {
        for &fault in faults(site.0) {
            let ran =
                run_with(EVERY_SITE, EVERY_SITE_STEPS, CALM, |w| w.machine.fail_site(site, fault));
            broken.extend(ran.err().map(|why| format!("{site:?} {fault:?}: {why}")));
        }
    }
    assert_unbroken(&broken, sites.len());
}

#[test]
fn what_a_lying_disk_loses_is_named_or_the_end() {
    let runs = (0..seeds()).map(|seed| run_on_a_liar(seed, 25));
    let (told, broken): (Vec<_>, Vec<_>) = runs.partition(Result::is_ok);
    let broken: Vec<String> = broken.into_iter().filter_map(Result::err).collect();
    assert_unbroken(&broken, seeds() as usize);
    let named = told.iter().filter(|told| matches!(told, Ok(true))).count();
    println!("{named} of {} lies were found out", told.len());
    assert!(named > 0);
}
