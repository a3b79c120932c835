//! Subscribes, waits for a heartbeat, resumes without replay, and reaches the end of the shard.

use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::operation::subscribe_to_shard::SubscribeToShardOutput;
use aws_sdk_kinesis::types::{
    ConsumerStatus, Record, ShardIteratorType, StartingPosition, SubscribeToShardEvent,
    SubscribeToShardEventStream,
};

use crate::streams::{create, numbered, put, texts};
use crate::{Outcome, same};

const NAME: &str = "rust-fan-out";
const SHARD: &str = "shardId-000000000000";

pub(crate) async fn run(client: &Client) -> Outcome<()> {
    create(client, NAME, 1).await?;
    let consumer = register(client).await?;
    let expected = numbered(0, 1_000);
    put(client, NAME, &expected).await?;
    let start = StartingPosition::builder().r#type(ShardIteratorType::TrimHorizon).build()?;
    let mut stream = subscribe(client, &consumer, start).await?;
    let records = take(&mut stream, expected.len()).await?;
    same("subscribed records", &expected, &texts(&records))?;
    let heartbeat = next(&mut stream).await?;
    same("a heartbeat's records", 0, heartbeat.records.len())?;
    drop(stream);

    let start = StartingPosition::builder()
        .r#type(ShardIteratorType::AfterSequenceNumber)
        .sequence_number(&records[499].sequence_number);
    let mut resumed = subscribe(client, &consumer, start.build()?).await?;
    let rest = take(&mut resumed, 500).await?;
    same("resumed records", &expected[500..], &texts(&rest)[..])?;
    reach_the_end(client, &mut resumed).await
}

async fn reach_the_end(client: &Client, stream: &mut SubscribeToShardOutput) -> Outcome<()> {
    let call = client.split_shard().stream_name(NAME).shard_to_split(SHARD);
    call.new_starting_hash_key("1000").send().await?;
    loop {
        let event = next(stream).await?;
        // The SDK makes an absent number an empty one.
        if event.continuation_sequence_number.is_empty() {
            same("children", 2, event.child_shards.unwrap_or_default().len())?;
            let more = stream.event_stream.recv().await?;
            return same("events after the end", true, more.is_none());
        }
    }
}

/// The ARN of a consumer that is ACTIVE.
async fn register(client: &Client) -> Outcome<String> {
    let answer = client.describe_stream_summary().stream_name(NAME).send().await?;
    let stream = answer.stream_description_summary.ok_or("no summary")?.stream_arn;
    let call = client.register_stream_consumer().stream_arn(stream).consumer_name("rust");
    let arn = call.send().await?.consumer.ok_or("no consumer")?.consumer_arn;
    for _ in 0..1_000 {
        let answer = client.describe_stream_consumer().consumer_arn(&arn).send().await?;
        let described = answer.consumer_description.ok_or("no description")?;
        if described.consumer_status == ConsumerStatus::Active {
            return Ok(arn);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err("the consumer does not become ACTIVE".into())
}

/// A subscription, as soon as an earlier one lets go.
async fn subscribe(
    client: &Client,
    consumer: &str,
    start: StartingPosition,
) -> Outcome<SubscribeToShardOutput> {
    for _ in 0..100 {
        let call = client.subscribe_to_shard().consumer_arn(consumer).shard_id(SHARD);
        match call.starting_position(start.clone()).send().await {
            Ok(stream) => return Ok(stream),
            Err(refusal) => {
                let fault = refusal.into_service_error();
                if !fault.is_resource_in_use_exception() {
                    return Err(fault.into());
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Err("an earlier subscription does not let go".into())
}

async fn next(stream: &mut SubscribeToShardOutput) -> Outcome<SubscribeToShardEvent> {
    let event = tokio::time::timeout(Duration::from_secs(15), stream.event_stream.recv()).await?;
    match event?.ok_or("the subscription ended")? {
        SubscribeToShardEventStream::SubscribeToShardEvent(event) => Ok(event),
        other => Err(format!("not an event of a shard: {other:?}").into()),
    }
}

async fn take(stream: &mut SubscribeToShardOutput, count: usize) -> Outcome<Vec<Record>> {
    let mut records = Vec::new();
    while records.len() < count {
        records.extend(next(stream).await?.records);
    }
    Ok(records)
}
