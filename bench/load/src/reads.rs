//! One phase of reading: every shard from its beginning, again and again.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use memchr::memmem;
use serde_json::json;
use tokio::task::JoinSet;

use crate::connection::Connection;
use crate::histogram::Histogram;
use crate::phase::{Plan, Shared, measure};
use crate::report::Report;
use crate::stream::call;
use crate::target::Target;

/// Reads `stream` from TRIM_HORIZON for the time of the plan and reports. Each connection reads one
/// shard, in turn, and starts again when it reaches the tip.
///
/// # Errors
/// The first answer that is not a success ends the phase and is the error.
pub async fn run_reads(target: &Target, stream: &str, plan: Plan) -> io::Result<Report> {
    let plan = plan.bounded();
    let mut connection = Connection::open(target).await?;
    let input = json!({ "StreamName": stream });
    let listed = call(&mut connection, target, "ListShards", &input).await?;
    let shards: Vec<String> = listed["Shards"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|shard| shard["ShardId"].as_str().map(str::to_owned))
        .collect();
    let shared = Shared::new();
    let mut readers = JoinSet::new();
    for shard in shards.iter().cycle().take(plan.connections) {
        let (target, shared) = (target.clone(), Arc::clone(&shared));
        let (stream, shard) = (stream.to_owned(), shard.clone());
        readers.spawn(async move { read_until_stopped(&target, &shared, &stream, &shard).await });
    }
    measure("get-records", target, plan, &shared, &mut readers).await
}

async fn read_until_stopped(
    target: &Target,
    shared: &Shared,
    stream: &str,
    shard: &str,
) -> io::Result<Histogram> {
    let mut connection = Connection::open(target).await?;
    let mut histogram = Histogram::default();
    let mut iterator = None;
    while !shared.stopped.load(Ordering::Relaxed) {
        let Some(current) = iterator.take() else {
            let input = json!({
                "StreamName": stream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON",
            });
            let answer = call(&mut connection, target, "GetShardIterator", &input).await?;
            let found = answer["ShardIterator"].as_str().map(str::to_owned);
            iterator = Some(found.ok_or_else(|| io::Error::other("no ShardIterator"))?);
            continue;
        };
        let body = json!({ "ShardIterator": current, "Limit": 10_000 }).to_string();
        let request = target.make_signer().write_request("GetRecords", body.as_bytes());
        let began = Instant::now();
        let answer = connection.exchange(&request).await?;
        let records = memmem::find_iter(answer, br#""SequenceNumber":"#).count() as u64;
        if records > 0 {
            iterator = find_string(answer, br#""NextShardIterator":"#);
        }
        shared.count(records, began.elapsed(), &mut histogram);
    }
    Ok(histogram)
}

/// The value after a member's name. Iterators hold nothing that JSON escapes.
fn find_string(answer: &[u8], name: &[u8]) -> Option<String> {
    let rest = &answer[memmem::find(answer, name)? + name.len()..];
    // Some servers write a space after the colon.
    let rest = rest.trim_ascii_start().strip_prefix(b"\"")?;
    let value = &rest[..memchr::memchr(b'"', rest)?];
    String::from_utf8(value.to_vec()).ok()
}
