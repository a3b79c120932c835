//! The model check: competing owners over the same steps that production drives, and mutants of them
//! that must be caught.

use super::sim_world::{Outcome, World};
use crate::lane::Sabotage;

/// How many seeds: few in every run, many in a long one.
fn seeds() -> u64 {
    if std::env::var_os("LEVADA_LONG").is_some() { 2_000 } else { 100 }
}

/// Everything together, and how many seeds broke a promise.
fn check(sabotage: Sabotage) -> (Outcome, u64) {
    let mut all = Outcome::default();
    let mut violated = 0;
    for seed in 0..seeds() {
        let one = World::run(seed, sabotage);
        all.acknowledged += one.acknowledged;
        all.take_overs += one.take_overs;
        violated += u64::from(one.violation.is_some());
        all.violation = all.violation.or(one.violation.map(|what| format!("seed {seed}: {what}")));
    }
    println!("{sabotage:?}: {} seeds, {violated} with a violation, {all:?}", seeds());
    (all, violated)
}

#[test]
fn competing_owners_lose_nothing() {
    let (all, violated) = check(Sabotage::None);
    assert_eq!((all.violation, violated), (None, 0));
    assert!(all.acknowledged > 100 * seeds(), "{}", all.acknowledged);
    assert!(all.take_overs > 5 * seeds(), "{}", all.take_overs);
}

#[test]
fn the_same_seed_runs_the_same_way() {
    let (one, other) = (World::run(7, Sabotage::None), World::run(7, Sabotage::None));
    assert_eq!((one.acknowledged, one.take_overs), (other.acknowledged, other.take_overs));
}

#[test]
fn acknowledging_out_of_order_is_caught() {
    assert!(check(Sabotage::AcknowledgeOutOfOrder).1 > 0);
}

#[test]
fn taking_over_without_a_seal_is_caught() {
    assert!(check(Sabotage::SkipSeal).1 > 0);
}

#[test]
fn collecting_seals_is_caught() {
    assert!(check(Sabotage::CollectSeals).1 > 0);
}

#[test]
fn taking_a_refusal_for_success_is_caught() {
    assert!(check(Sabotage::TrustRefusals).1 > 0);
}

#[test]
fn skipping_a_claim_is_caught() {
    assert!(check(Sabotage::SkipClaims).1 > 0);
}
