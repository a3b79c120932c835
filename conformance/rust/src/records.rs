//! Puts, reads from every kind of position, and follows a split to its children.

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{Record, ShardIteratorType};

use crate::streams::{await_active, create, numbered, position, put, read, texts};
use crate::{Outcome, same};

const NAME: &str = "rust-records";

pub(crate) async fn run(client: &Client) -> Outcome<()> {
    create(client, NAME, 2).await?;
    let mut expected = numbered(0, 1_000);
    put(client, NAME, &expected).await?;
    let shards = client.list_shards().stream_name(NAME).send().await?.shards.unwrap_or_default();
    same("shards", 2, shards.len())?;
    let mut found = Vec::new();
    for shard in &shards {
        let from = position(client, NAME, &shard.shard_id, ShardIteratorType::TrimHorizon);
        let (all, _) = read(client, from).await?;
        read_from_the_middle(client, &shard.shard_id, &all).await?;
        found.extend(texts(&all));
    }
    expected.sort();
    found.sort();
    same("records", expected, found)?;
    read_latest(client, &shards[0].shard_id).await?;
    split(client, &shards[0].shard_id).await?;
    be_refused(client).await
}

/// At, after and at the time of a record.
async fn read_from_the_middle(client: &Client, shard: &str, all: &[Record]) -> Outcome<()> {
    let middle = all.len() / 2;
    let Record { sequence_number: number, approximate_arrival_timestamp: arrived, .. } =
        &all[middle];
    let late = all.iter().position(|r| r.approximate_arrival_timestamp >= *arrived);
    let position = |kind| position(client, NAME, shard, kind);
    let starts = [
        (position(ShardIteratorType::AtSequenceNumber).starting_sequence_number(number), middle),
        (
            position(ShardIteratorType::AfterSequenceNumber).starting_sequence_number(number),
            middle + 1,
        ),
        (
            position(ShardIteratorType::AtTimestamp).set_timestamp(*arrived),
            late.ok_or("no record is as late as itself")?,
        ),
    ];
    for (start, from) in starts {
        let (got, _) = read(client, start).await?;
        same("records from the middle", texts(&all[from..]), texts(&got))?;
    }
    Ok(())
}

/// LATEST sees what is put later, byte for byte.
async fn read_latest(client: &Client, shard: &str) -> Outcome<()> {
    let data = Blob::new((0..=255).collect::<Vec<u8>>());
    let latest = position(client, NAME, shard, ShardIteratorType::Latest).send().await?;
    let call = client.put_record().stream_name(NAME).data(data.clone()).partition_key("ключ");
    call.explicit_hash_key("0").send().await?;
    let page = client.get_records().set_shard_iterator(latest.shard_iterator).send().await?;
    same("records after LATEST", 1, page.records.len())?;
    same("data", &data, &page.records[0].data)
}

/// The closed shard's last answer names two children.
async fn split(client: &Client, shard: &str) -> Outcome<()> {
    let call = client.split_shard().stream_name(NAME).shard_to_split(shard);
    call.new_starting_hash_key("1000").send().await?;
    await_active(client, NAME).await?;
    let from = position(client, NAME, shard, ShardIteratorType::TrimHorizon);
    let (_, children) = read(client, from).await?;
    same("children", 2, children.len())?;
    for child in children {
        same("parents", vec![shard.to_string()], child.parent_shards)?;
    }
    Ok(())
}

/// AWS's error, as the SDK knows it.
async fn be_refused(client: &Client) -> Outcome<()> {
    let answer = client.describe_stream_summary().stream_name("rust-nothing").send().await;
    let refusal = answer.err().ok_or("a stream that was never created was described")?;
    let fault = refusal.into_service_error();
    same("the kind of fault", true, fault.is_resource_not_found_exception())?;
    let expected = "Stream rust-nothing under account 000000000000 not found.";
    same("message", Some(expected), fault.meta().message())
}
