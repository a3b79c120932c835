//! Bugs that random work has found, each by itself.

use super::chaos::{EIO, ENOSPC};
use super::history::{Answer, Event};
use super::machine::{Ending, Weather};
use super::world::World;
use crate::sim_disk::{CallKind, Fault};

fn world(seed: u64) -> World {
    let mut world = World::new(seed, Weather::default());
    world.machine.open().unwrap();
    for _ in 0..6 {
        world.commit();
        world.machine.drive();
        world.collect().unwrap();
    }
    world
}

fn site(kind: CallKind) -> (CallKind, String) {
    (kind, "ring".to_owned())
}

/// The refused records were there after a kill, and could hide an acknowledged chunk of their number.
#[test]
fn a_write_refused_for_want_of_room_leaves_nothing_behind() {
    let mut refused = 0;
    for sectors in 1..24 {
        for seed in 0..6 {
            let mut world = world(seed);
            world.machine.fail_site(&site(CallKind::Write), Fault::Short(ENOSPC, sectors));
            world.append();
            world.append();
            world.machine.drive();
            world.collect().unwrap();
            let is_refused =
                |event: &&Event| matches!(event, Event::Answered { answer: Answer::Refused, .. });
            refused += world.events.iter().filter(is_refused).count();
            world.machine.heal();
            if seed % 2 == 0 {
                // Something is acknowledged under the number that was refused.
                world.append();
                world.machine.drive();
                world.collect().unwrap();
            }
            world.restart(Ending::Killed).unwrap();
            world.settle().unwrap();
        }
    }
    assert!(refused > 50, "{refused}");
}

/// A file that could not be made whole kept its name, and every later try to make it failed.
#[test]
fn a_ring_file_that_could_not_be_made_whole_is_made_again() {
    for kind in [CallKind::SetLength, CallKind::Write, CallKind::Sync, CallKind::SyncFolder] {
        for error in [EIO, ENOSPC] {
            let mut world = world(3);
            world.machine.fail_site(&site(kind), Fault::DoAndFail(error));
            for _ in 0..40 {
                world.machine.prepare_ring();
                world.append();
                world.machine.drive();
                world.collect().unwrap();
            }
            // `settle` wants service on a healthy disk, without a restart.
            world.settle().unwrap();
        }
    }
}
