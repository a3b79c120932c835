//! From put to push: how long after a record was sent a subscriber of its shard has it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use base64_simd::STANDARD;
use memchr::memmem;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time;

use crate::connection::Connection;
use crate::histogram::Histogram;
use crate::phase::{Pace, Plan, Shared, measure};
use crate::records::RECORD_BYTES;
use crate::report::Report;
use crate::stream::call;
use crate::target::Target;

const CONSUMER: &str = "measured";
const RECORDS_EACH: u64 = 10;
/// A record begins with the microsecond in which it was sent, in digits: 32 characters of base64.
const STAMP_BYTES: usize = 24;
const STAMP_TEXT_BYTES: usize = STAMP_BYTES / 3 * 4;
const DATA: &[u8] = br#""Data":""#;
const PAUSE: Duration = Duration::from_millis(50);

/// Puts to a stream of one shard, ten records of 1 KiB in a request, at the rate of the plan, and
/// reports when a subscriber has each record, counted from when its request was due.
///
/// # Errors
/// The first answer that is not a success ends the phase and is the error.
pub async fn run_push(target: &Target, stream: &str, plan: Plan) -> io::Result<Report> {
    let plan = plan.bounded();
    let (shared, epoch) = (Shared::new(), Instant::now());
    let mut workers = JoinSet::new();
    let subscription = subscribe(target, stream).await?;
    let reader = Arc::clone(&shared);
    workers.spawn(async move { receive_until_stopped(subscription, &reader, epoch).await });
    let pace = Pace::new(plan.requests_per_second)?;
    for _ in 0..plan.connections {
        let mut connection = Connection::open(target).await?;
        let (target, shared, stream) = (target.clone(), Arc::clone(&shared), stream.to_owned());
        let pace = pace.clone();
        workers.spawn(async move {
            while !shared.stopped.load(Ordering::Relaxed) {
                let due = pace.wait_for_turn(shared.take_turn()).await;
                let input = stamped(&stream, due.duration_since(epoch));
                let answer = call(&mut connection, &target, "PutRecords", &input).await?;
                if answer["FailedRecordCount"] != 0 {
                    return Err(io::Error::other(format!("not a success: {answer}")));
                }
            }
            Ok(Histogram::default())
        });
    }
    drop(pace);
    measure("put-to-push", target, plan, &shared, &mut workers).await
}

fn stamped(stream: &str, sent: Duration) -> Value {
    let mut data = vec![b'.'; RECORD_BYTES];
    data[..STAMP_BYTES].copy_from_slice(format!("{:024}", sent.as_micros()).as_bytes());
    let record = json!({ "Data": STANDARD.encode_to_string(data), "PartitionKey": "measured" });
    json!({ "StreamName": stream, "Records": vec![record; RECORDS_EACH as usize] })
}

/// A connection over which the events of the stream's only shard come.
async fn subscribe(target: &Target, stream: &str) -> io::Result<Connection> {
    let mut connection = Connection::open(target).await?;
    let named = json!({ "StreamName": stream });
    let described = call(&mut connection, target, "DescribeStreamSummary", &named).await?;
    let stream_arn = described["StreamDescriptionSummary"]["StreamARN"].clone();
    let input = json!({ "StreamARN": stream_arn, "ConsumerName": CONSUMER });
    call(&mut connection, target, "RegisterStreamConsumer", &input).await?;
    let consumer_arn = loop {
        let answer = call(&mut connection, target, "DescribeStreamConsumer", &input).await?;
        let consumer = &answer["ConsumerDescription"];
        if consumer["ConsumerStatus"] == "ACTIVE" {
            break consumer["ConsumerARN"].clone();
        }
        time::sleep(PAUSE).await;
    };
    let input = json!({
        "ConsumerARN": consumer_arn, "ShardId": "shardId-000000000000",
        "StartingPosition": { "Type": "LATEST" },
    });
    let body = input.to_string();
    let request = target.make_signer().write_request("SubscribeToShard", body.as_bytes());
    connection.send(&request).await?;
    Ok(connection)
}

async fn receive_until_stopped(
    mut connection: Connection,
    shared: &Shared,
    epoch: Instant,
) -> io::Result<Histogram> {
    let mut histogram = Histogram::default();
    let mut pending = Vec::new();
    while !shared.stopped.load(Ordering::Relaxed) {
        let Ok(part) = time::timeout(PAUSE, connection.read_part()).await else { continue };
        pending.extend_from_slice(part?);
        let now = epoch.elapsed();
        let mut read = 0;
        for at in memmem::find_iter(&pending, DATA).map(|at| at + DATA.len()) {
            let Some(text) = pending.get(at..at + STAMP_TEXT_BYTES) else { break };
            let sent =
                read_stamp(text).ok_or_else(|| io::Error::other("a record without a stamp"))?;
            shared.count(1, now.saturating_sub(sent), &mut histogram);
            read = at + STAMP_TEXT_BYTES;
        }
        let last = pending.len().saturating_sub(DATA.len() + STAMP_TEXT_BYTES);
        pending.drain(..read.max(last));
    }
    Ok(histogram)
}

fn read_stamp(text: &[u8]) -> Option<Duration> {
    let digits = String::from_utf8(STANDARD.decode_to_vec(text).ok()?).ok()?;
    Some(Duration::from_micros(digits.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_says_when_it_was_sent() {
        let sent = Duration::from_micros(1_234_567);
        let text = stamped("s", sent).to_string();
        let at = memmem::find(text.as_bytes(), DATA).unwrap() + DATA.len();
        assert_eq!(read_stamp(&text.as_bytes()[at..at + STAMP_TEXT_BYTES]), Some(sent));
    }
}
