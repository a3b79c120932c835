//! Every crash of a scripted workload: after each operation of the disk, with what was not synced
//! lost, kept, reordered, or torn at each sector.

use crate::lane::Sabotage;
use crate::sim_disk::{Crash, Fate, SimDisk};
use crate::workload::{Workload, check, look, open};

/// Recovers from one crash, twice, with a write between; an error says what broke.
fn survive(workload: &Workload, crash: Crash, sabotage: Sabotage) -> Result<(), String> {
    let disk = workload.disk.after(crash);
    let core = open(&disk, sabotage).map_err(|error| error.to_string())?;
    if !core.condition.quarantined().is_empty() {
        return Err(format!("a crash was taken for damage: {:?}", core.condition.quarantined()));
    }
    let shown = look(&core, &workload.logs)?;
    check(&workload.events, crash.at, &shown)?;
    drop(core);
    let again = open(&disk, sabotage).map_err(|error| error.to_string())?;
    if look(&again, &workload.logs)? != shown {
        return Err("a second start shows something else".to_owned());
    }
    Ok(())
}

fn first_failure(sabotage: Sabotage) -> (usize, Option<String>) {
    let mut workload = Workload::new(sabotage);
    workload.run();
    let mut crashes = 0;
    for at in 0..=workload.disk.ops() {
        for crash in workload.disk.crashes(at) {
            crashes += 1;
            if let Err(why) = survive(&workload, crash, sabotage) {
                return (crashes, Some(format!("{crash:?}: {why}")));
            }
        }
    }
    (crashes, None)
}

#[test]
fn every_crash_keeps_every_promise() {
    let (crashes, failure) = first_failure(Sabotage::None);
    assert_eq!(failure, None);
    assert!(crashes > 1000, "{crashes}");
}

#[test]
fn acknowledging_before_the_sync_is_caught() {
    assert!(first_failure(Sabotage::AcknowledgeUnsynced).1.is_some());
}

#[test]
fn ignoring_a_failed_sync_is_caught() {
    assert!(first_failure(Sabotage::IgnoreFailedSync).1.is_some());
}

#[test]
fn skipping_the_checksum_of_a_block_is_caught() {
    assert!(first_failure(Sabotage::SkipBlockChecksum).1.is_some());
}

#[test]
fn opening_a_lane_without_sealing_the_last_is_caught() {
    assert!(first_failure(Sabotage::SkipSeal).1.is_some());
}

/// A torn chunk that is cut, then a new lane, then a second kill: the seal holds.
#[test]
fn a_second_kill_finds_the_seal() {
    let mut workload = Workload::new(Sabotage::None);
    workload.commit(1, &["a"], &[], &[]);
    workload.step();
    workload.append(&[0], 3000);
    workload.step();
    let acknowledged = workload.disk.ops();
    workload.append(&[0], 5000);
    workload.step();
    let torn = (acknowledged..=workload.disk.ops()).flat_map(|at| workload.disk.crashes(at));
    for crash in torn {
        let disk = workload.disk.after(crash);
        let mut second = workload.on(&disk);
        let first = look(second.core(), &second.logs).unwrap();
        second.append(&[0], 700);
        second.step();
        let lost = Crash { at: disk.ops(), writes: Fate::Lost, names_kept: false };
        let third: SimDisk = disk.after(lost);
        let core = open(&third, Sabotage::None).unwrap();
        let mut shown = look(&core, &second.logs).unwrap();
        let last = shown.records.values_mut().next().unwrap().pop().unwrap();
        assert_eq!(last.1, second.events.len() - 1, "{crash:?}");
        assert_eq!(shown, first, "{crash:?}");
    }
}

/// A kill leaves unsynced data in the page cache. What the next start shows of it must survive the
/// power failing right after.
#[test]
fn what_a_start_after_a_kill_shows_survives_a_power_cut() {
    let mut workload = Workload::new(Sabotage::None);
    workload.run();
    for at in 0..=workload.disk.ops() {
        let disk = workload.disk.killed(at);
        let core = open(&disk, Sabotage::None).unwrap();
        let shown = look(&core, &workload.logs).unwrap();
        check(&workload.events, at, &shown).unwrap();
        drop(core);
        for writes in [Fate::Lost, Fate::Kept] {
            let cut =
                disk.after(Crash { at: disk.ops(), writes, names_kept: writes == Fate::Kept });
            let again = open(&cut, Sabotage::None).unwrap();
            assert!(again.condition.health().ready, "{at}: {:?}", again.condition.health());
            assert_eq!(look(&again, &workload.logs).unwrap(), shown, "{at}");
        }
    }
}

/// What a failed sync leaves in doubt is never acknowledged, and the service goes on.
#[test]
fn a_failed_sync_poisons_the_lane_and_the_next_one_takes_over() {
    use crate::workload::Known;
    let mut workload = Workload::new(Sabotage::None);
    workload.commit(1, &[], &[], &[]);
    workload.step();
    workload.disk.fail_sync_after("ring", 0);
    workload.append(&[0], 100);
    workload.step();
    assert!(matches!(workload.events[1].known, Known::Failed(_)));
    workload.append(&[0], 100);
    workload.step();
    assert!(matches!(workload.events[2].known, Known::Acknowledged(_)));
    let shown = look(workload.core(), &workload.logs).unwrap();
    let own = &shown.records[&workload.logs[0]];
    assert_eq!(own.iter().map(|(_, number)| *number).collect::<Vec<_>>(), [2]);
    assert!(workload.core().condition.health().ready);
}

/// While no new lane can be opened, writes are refused and reads go on; then service resumes.
#[test]
fn a_lane_that_cannot_be_replaced_is_tried_again() {
    use crate::workload::Known;
    let mut workload = Workload::new(Sabotage::None);
    workload.commit(1, &[], &[], &[]);
    workload.append(&[0], 10);
    workload.step();
    workload.disk.fail_sync_after("ring", 0);
    workload.disk.fail_sync_after("manifest", 0);
    workload.disk.fail_sync_after("manifest", 0);
    workload.append(&[0], 100);
    workload.step();
    assert!(workload.core().condition.health().poisoned);
    workload.append(&[0], 100);
    workload.step();
    assert!(matches!(workload.events[3].known, Known::Failed(_)));
    assert!(workload.core().condition.health().poisoned);
    assert_eq!(look(workload.core(), &workload.logs).unwrap().records[&workload.logs[0]].len(), 1);
    workload.append(&[0], 100);
    workload.step();
    assert!(matches!(workload.events[4].known, Known::Acknowledged(_)));
    assert!(workload.core().condition.health().ready);
}

/// No room: writes are refused, reads go on, and service resumes when there is room.
#[test]
fn a_full_disk_is_a_state() {
    use crate::workload::Known;
    let mut workload = Workload::new(Sabotage::None);
    workload.commit(1, &[], &[], &[]);
    workload.append(&[0], 10);
    workload.step();
    workload.disk.set_full(true);
    let refused = loop {
        workload.append(&[0], 9000);
        workload.step();
        let last = workload.events.last().unwrap().known;
        if let Known::Failed(_) = last {
            break workload.events.len() - 1;
        }
    };
    assert!(workload.core().condition.health().disk_full);
    assert!(workload.core().flush().is_err());
    let shown = look(workload.core(), &workload.logs).unwrap();
    assert_eq!(shown.records[&workload.logs[0]].len(), refused - 1);
    workload.disk.set_full(false);
    workload.core().flush_step();
    workload.append(&[0], 9000);
    workload.step();
    workload.core().flush().unwrap();
    workload.reopen();
    let shown = look(workload.core(), &workload.logs).unwrap();
    assert_eq!(shown.records[&workload.logs[0]].len(), refused);
    assert!(workload.core().condition.health().ready);
}

/// The same with threads, many writers, and large records that are encoded ahead: whatever was
/// acknowledged is there, in order, and nothing that failed is shown after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lanes_that_fail_under_load_lose_nothing() {
    use crate::{AppendOutcome, Commit, LogAppend, ReadFrom, RecordBatch, Store};
    let disk = SimDisk::default();
    let clock = stdx::Clock::system();
    let entropy = stdx::Entropy::seeded(1);
    let config = crate::Config { flush_bytes: 3_000_000, ..crate::Config::folder("/sim") };
    let opened = crate::recover::open_folder(
        std::sync::Arc::new(disk.clone()),
        config,
        clock,
        entropy,
        Sabotage::None,
    );
    let store = Store::start(opened.unwrap()).unwrap();
    let log = store.new_log_id();
    store.commit(Commit { opens: vec![log], ..Commit::default() }).await.unwrap();
    let writers = (0..12_u32).map(|writer| {
        let (store, disk) = (store.clone(), disk.clone());
        stdx::task::spawn(async move {
            let mut acknowledged = Vec::new();
            for index in 0..60_u32 {
                let mut payload = writer.to_le_bytes().to_vec();
                payload.extend_from_slice(&index.to_le_bytes());
                payload.resize(if index % 3 == 0 { 90_000 } else { 300 }, 1);
                if writer == 0 && index % 9 == 0 {
                    disk.fail_sync_after("ring", 2);
                }
                let batch = vec![LogAppend::new(log, RecordBatch::single(&payload))];
                if let Ok(outcomes) = store.append(batch).await {
                    let AppendOutcome::Appended { first, .. } = outcomes[0] else { panic!() };
                    acknowledged.push((first, payload));
                }
            }
            acknowledged
        })
    });
    let mut acknowledged = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        acknowledged.extend(writer.await.unwrap());
    }
    acknowledged.sort();
    let mut from = crate::Position::ZERO;
    let mut shown = Vec::new();
    loop {
        let budget = crate::ReadBudget { records_max: 50, bytes_max: 1_000_000 };
        let page = store.read(log, ReadFrom::Position(from), budget).await.unwrap();
        shown.extend(page.records.iter().map(|r| (r.position, r.payload.to_vec())));
        if page.at_tail {
            break;
        }
        from = page.next;
    }
    assert!(shown == acknowledged, "{} shown, {} acknowledged", shown.len(), acknowledged.len());
    let epochs: std::collections::BTreeSet<_> = shown.iter().map(|(p, _)| p.epoch()).collect();
    assert!(epochs.len() > 2, "{epochs:?}");
    store.close().await;
}

/// A log that has used up half of an epoch's positions goes on in the next epoch, and so does everybody.
#[test]
fn a_log_that_runs_out_of_positions_goes_on_in_the_next_epoch() {
    use crate::error::StoreError;
    use crate::id::Position;
    use crate::limits::EPOCH_POSITIONS;
    let mut workload = Workload::new(Sabotage::None);
    workload.commit(2, &[], &[], &[]);
    workload.step();
    let late = Position::new(1, EPOCH_POSITIONS - 2);
    let core = workload.core();
    let entry = core.logs.get(workload.logs[0]).unwrap();
    entry.state().next = late;
    entry.state().trim(late);
    core.sequencer().abandon(&core.logs, &StoreError::DiskFull);
    for _ in 0..4 {
        workload.append(&[0, 1], 100);
        workload.step();
    }
    assert!(workload.core().condition.health().ready);
    let shown = look(workload.core(), &workload.logs).unwrap();
    let positions = |log: usize| {
        let own = &shown.records[&workload.logs[log]];
        own.iter().map(|(at, _)| (at.epoch(), at.counter())).collect::<Vec<_>>()
    };
    let half = EPOCH_POSITIONS;
    assert_eq!(positions(0), [(1, half - 2), (1, half - 1), (2, 0), (2, 1)]);
    assert_eq!(positions(1), [(1, 0), (1, 1), (2, 0), (2, 1)]);
    workload.reopen();
    let mut again = look(workload.core(), &workload.logs).unwrap();
    // The trim of this test was never written.
    again.damaged = shown.damaged;
    assert_eq!(again, shown);
}
