//! The store over a bucket in memory: puts that arrive in any order, crashes, damage, and another owner.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use stdx::Entropy;
use tokio::sync::oneshot;

use super::objects::MARK_BYTES;
use super::test_bucket::{Condition, TestBucket, open_bucket};
use crate::core::Core;
use crate::error::{OpenError, ReadError};
use crate::id::{LogId, Position};
use crate::queue::Request;
use crate::request::{AppendOutcome, Commit, LogAppend, ReadFrom};
use crate::sequencer::{append_bytes, commit_bytes};
use crate::workload::ALL;
use crate::{RecordBatch, StoreError};

type Answer = oneshot::Receiver<Result<Vec<AppendOutcome>, StoreError>>;

fn new_log(bucket: &TestBucket, core: &Core) -> LogId {
    let log = LogId(core.log_next.fetch_add(1, Ordering::Relaxed));
    let commit = Commit { opens: vec![log], ..Commit::default() };
    let (reply, mut answer) = oneshot::channel();
    let bytes = commit_bytes(&commit);
    core.queue.push(Request::Commit { commit: Box::new(commit), bytes, reply });
    bucket.settle(core);
    answer.try_recv().unwrap().unwrap();
    log
}

fn send(core: &Core, log: LogId, payload: &[u8]) -> Answer {
    let batch = vec![LogAppend::new(log, RecordBatch::single(payload))];
    let (reply, answer) = oneshot::channel();
    let bytes = append_bytes(&batch);
    core.queue.push(Request::Append { batch, bytes, reply });
    answer
}

fn append(bucket: &TestBucket, core: &Core, log: LogId, payload: &[u8]) {
    let mut answer = send(core, log, payload);
    bucket.settle(core);
    assert!(matches!(answer.try_recv().unwrap().unwrap()[0], AppendOutcome::Appended { .. }));
}

fn read(core: &Core, log: LogId) -> Result<Vec<Vec<u8>>, ReadError> {
    let page = core.read_page(log, ReadFrom::Position(Position::ZERO), ALL, true)?;
    Ok(page.unwrap().records.into_iter().map(|record| record.payload.to_vec()).collect())
}

#[test]
fn puts_in_flight_are_acknowledged_in_order_and_survive_a_crash() {
    let mut deepest = 0;
    for seed in 0..60 {
        let bucket = TestBucket::hostile(seed);
        let chance = Entropy::seeded(seed);
        let core = open_bucket(&bucket).unwrap();
        let log = new_log(&bucket, &core);
        let mut waiting: Vec<Answer> = Vec::new();
        let mut acknowledged = 0;
        let steps = chance.below(60) as u32;
        for number in 0..steps {
            waiting.push(send(&core, log, &number.to_le_bytes()));
            core.lane_step();
            deepest = deepest.max(waiting.len() - acknowledged);
            for _ in 0..chance.below(3) {
                bucket.release();
            }
            core.lane_step();
            let answered = waiting.iter_mut().skip(acknowledged);
            let known: Vec<bool> = answered.map(|answer| answer.try_recv().is_ok()).collect();
            let fresh = known.iter().take_while(|&&known| known).count();
            assert_eq!(known.iter().filter(|&&known| known).count(), fresh, "out of order");
            acknowledged += fresh;
        }
        drop(core);
        let core = open_bucket(&bucket).unwrap();
        let shown = read(&core, log).unwrap();
        let expected = (0..shown.len() as u32).map(|number| number.to_le_bytes().to_vec());
        assert_eq!(shown, expected.collect::<Vec<_>>(), "seed {seed}");
        assert!(shown.len() >= acknowledged, "{} < {acknowledged}", shown.len());
        // What the dead process had on its way arrives now, and changes nothing.
        while bucket.release() {}
        append(&bucket, &core, log, b"later");
        drop(core);
        let again = read(&open_bucket(&bucket).unwrap(), log).unwrap();
        assert_eq!(
            (&again[..shown.len()], &again[shown.len()..]),
            (&shown[..], &[b"later".to_vec()][..])
        );
    }
    assert!(deepest > 4, "{deepest}");
}

#[test]
fn the_one_before_is_fenced() {
    let bucket = TestBucket::faithful();
    let first = open_bucket(&bucket).unwrap();
    let log = new_log(&bucket, &first);
    append(&bucket, &first, log, b"first");
    let second = open_bucket(&bucket).unwrap();
    assert_eq!(read(&second, log).unwrap(), [b"first"]);
    for _ in 0..2 {
        let mut late = send(&first, log, b"late");
        bucket.settle(&first);
        assert!(matches!(late.try_recv().unwrap(), Err(StoreError::Unavailable(_))));
        let health = first.condition.health();
        assert!(health.fenced && !health.ready);
    }
    assert!(first.flush().is_err());
    append(&bucket, &second, log, b"second");
    assert_eq!(read(&second, log).unwrap(), [&b"first"[..], b"second"]);
    second.flush().unwrap();
    assert!(second.condition.health().ready);
}

#[test]
fn a_bucket_that_ignores_the_condition_is_refused() {
    for (condition, word) in [(Condition::Ignored, "ignores"), (Condition::Racy, "race")] {
        let refused = open_bucket(&TestBucket::unfit(condition)).unwrap_err();
        assert!(matches!(refused, OpenError::UnfitBucket { .. }), "{refused}");
        assert!(refused.to_string().contains(word), "{refused}");
    }
}

#[test]
fn a_newer_format_and_foreign_objects_are_refused() {
    let bucket = TestBucket::faithful();
    bucket.overwrite("holiday.jpg", Bytes::from_static(b"sea"));
    assert!(matches!(open_bucket(&bucket).unwrap_err(), OpenError::Foreign(_)));
    let bucket = TestBucket::faithful();
    bucket.overwrite("FORMAT", Bytes::from_static(b"levada 2\n"));
    assert!(matches!(open_bucket(&bucket).unwrap_err(), OpenError::Newer { .. }));
}

fn flip(bucket: &TestBucket, name: &str, at: usize) {
    let mut bytes = bucket.read(name).to_vec();
    bytes[at] ^= 1;
    bucket.overwrite(name, bytes.into());
}

#[test]
fn a_damaged_manifest_is_refused() {
    let bucket = TestBucket::faithful();
    drop(open_bucket(&bucket).unwrap());
    let newest = bucket.objects("manifest").into_iter().max().unwrap();
    flip(&bucket, &format!("manifest/{newest}"), 9);
    assert!(matches!(open_bucket(&bucket).unwrap_err(), OpenError::Damaged { .. }));
}

#[test]
fn damage_is_named_and_never_served() {
    let whole = |lane: &str| format!("lane/0000000000000001/{lane:0>16}");
    for harm in ["flip", "header", "missing"] {
        let bucket = TestBucket::faithful();
        let core = open_bucket(&bucket).unwrap();
        let log = new_log(&bucket, &core);
        for payload in [b"a", b"b", b"c"] {
            append(&bucket, &core, log, payload);
        }
        drop(core);
        // Chunk 1 opened the log; 3 has the second record.
        match harm {
            "flip" => flip(&bucket, &whole("3"), 64 + 64 + 8),
            "header" => flip(&bucket, &whole("3"), 0),
            _ => {
                // A start that knows where the lane ended, but not yet what was in it.
                drop(open_bucket(&bucket).unwrap());
                bucket.remove(&whole("3"));
            }
        }
        let core = open_bucket(&bucket).unwrap();
        let first = read(&core, log);
        match harm {
            "header" => assert_eq!(first.unwrap(), [b"a", b"b", b"c"], "found by its trailer"),
            _ => {
                assert!(
                    first.as_ref().is_ok_and(|first| *first == [b"a"])
                        || matches!(first, Err(ReadError::Damaged { .. })),
                    "{harm}: {first:?}"
                );
                let _met = read(&core, log);
                let quarantined = core.condition.health().quarantined;
                assert_eq!(quarantined.len(), 1, "{harm}: {quarantined:?}");
            }
        }
    }
}

#[test]
fn what_nobody_needs_goes_after_a_while_and_seals_stay() {
    let bucket = TestBucket::faithful();
    let mut log = None;
    for round in 0..4_u8 {
        let core = open_bucket(&bucket).unwrap();
        let log = *log.get_or_insert_with(|| new_log(&bucket, &core));
        for number in 0..5_u8 {
            append(&bucket, &core, log, &[round, number]);
        }
        core.flush().unwrap();
        let collect = || core.folder.as_ref().unwrap().bucket.as_ref().unwrap().collect_step();
        let before = bucket.objects("lane").len();
        collect();
        assert_eq!(bucket.objects("lane").len(), before, "nothing goes at once");
        bucket.clock().advance(core.config.bucket_grace + Duration::from_secs(1));
        collect();
        assert_eq!(read(&core, log).unwrap().len(), 5 * (usize::from(round) + 1));
    }
    let core = open_bucket(&bucket).unwrap();
    let left = bucket.objects("lane");
    let seals = left.iter().filter(|name| bucket.read(&format!("lane/{name}")).len() == MARK_BYTES);
    assert_eq!((left.len(), seals.count()), (4, 4), "{left:?}");
    assert_eq!(bucket.objects("claim").len(), 5);
    assert_eq!(bucket.objects("segments").len(), 1, "joined by each flush");
    assert!(core.condition.health().ready);
}
