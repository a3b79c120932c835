//! Streams made, filled and read.

use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::operation::get_shard_iterator::builders::GetShardIteratorFluentBuilder;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{
    ChildShard, PutRecordsRequestEntry, Record, ShardIteratorType, StreamStatus,
};

use crate::{Outcome, same};

pub(crate) async fn create(client: &Client, name: &str, shards: i32) -> Outcome<()> {
    client.create_stream().stream_name(name).shard_count(shards).send().await?;
    await_active(client, name).await
}

pub(crate) async fn await_active(client: &Client, name: &str) -> Outcome<()> {
    for _ in 0..1_000 {
        let answer = client.describe_stream_summary().stream_name(name).send().await?;
        let summary = answer.stream_description_summary.ok_or("no summary")?;
        if summary.stream_status == StreamStatus::Active {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(format!("{name} does not become ACTIVE").into())
}

pub(crate) async fn put(client: &Client, name: &str, texts: &[String]) -> Outcome<()> {
    for batch in texts.chunks(500) {
        let mut call = client.put_records().stream_name(name);
        for text in batch {
            let entry = PutRecordsRequestEntry::builder();
            let entry = entry.data(Blob::new(text.as_bytes())).partition_key(text);
            call = call.records(entry.build()?);
        }
        same("failed records", Some(0), call.send().await?.failed_record_count)?;
    }
    Ok(())
}

pub(crate) fn position(
    client: &Client,
    name: &str,
    shard: &str,
    kind: ShardIteratorType,
) -> GetShardIteratorFluentBuilder {
    client.get_shard_iterator().stream_name(name).shard_id(shard).shard_iterator_type(kind)
}

/// Records up to the tip, or to the end of the shard with its children.
pub(crate) async fn read(
    client: &Client,
    from: GetShardIteratorFluentBuilder,
) -> Outcome<(Vec<Record>, Vec<ChildShard>)> {
    let mut next = from.send().await?.shard_iterator;
    let mut records = Vec::new();
    loop {
        let page = client.get_records().set_shard_iterator(next).limit(300).send().await?;
        let is_tip = page.records.is_empty() && page.millis_behind_latest == Some(0);
        records.extend(page.records);
        next = page.next_shard_iterator;
        if next.is_none() || is_tip {
            return Ok((records, page.child_shards.unwrap_or_default()));
        }
    }
}

pub(crate) fn numbered(from: usize, to: usize) -> Vec<String> {
    (from..to).map(|n| format!("record-{n}")).collect()
}

pub(crate) fn texts(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8_lossy(record.data.as_ref()).into()).collect()
}
