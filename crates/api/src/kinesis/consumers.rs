//! Enhanced fan-out: consumers and their subscriptions.

use std::sync::Arc;

use ::streams::shard::parse_shard_id;
use ::streams::{Event, Status};
use futures_util::stream;
use model::kinesis::{op, shapes};
use wire::{Call, EventStream, Fault, Serve, Timestamp};

use super::Kinesis;
use super::faults::{dry_run, invalid_token, shard_not_found, stream_not_found, to_fault};
use super::iterators::read_start;
use super::measured::MeasuredSubscription;
use super::shapes as shape;
use super::tokens::ListToken;

/// Consumers in an answer unless asked for otherwise (API reference, ListStreamConsumers).
const PAGE_DEFAULT: usize = 100;
const LISTING: &str = "ListStreamConsumers";

impl Serve<op::RegisterStreamConsumer> for Kinesis {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::RegisterStreamConsumerInput,
    ) -> Result<shapes::RegisterStreamConsumerOutput, Fault> {
        let stream = self.stream(call, &input)?;
        let tags = input.tags.unwrap_or_default();
        let registered = self.streams.register_consumer(&stream, &input.consumer_name, tags).await;
        let mut registered = registered.map_err(to_fault)?;
        // AWS answers CREATING however soon the consumer is ready.
        registered.status = Status::Creating;
        Ok(shapes::RegisterStreamConsumerOutput { consumer: shape::consumer(&registered) })
    }
}

impl Serve<op::DeregisterStreamConsumer> for Kinesis {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::DeregisterStreamConsumerInput,
    ) -> Result<(), Fault> {
        let (stream, consumer) = self.consumer(call, &input)?;
        self.streams.deregister_consumer(&stream, &consumer.name).await.map_err(to_fault)
    }
}

impl Serve<op::DescribeStreamConsumer> for Kinesis {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::DescribeStreamConsumerInput,
    ) -> Result<shapes::DescribeStreamConsumerOutput, Fault> {
        let (_, consumer) = self.consumer(call, &input)?;
        let consumer_description = shapes::ConsumerDescription {
            consumer_arn: consumer.arn(),
            consumer_status: shape::consumer_status(consumer.status),
            consumer_creation_timestamp: Timestamp::from_seconds(consumer.created.seconds()),
            stream_arn: consumer.stream.arn(),
            consumer_name: consumer.name,
        };
        Ok(shapes::DescribeStreamConsumerOutput { consumer_description })
    }
}

impl Serve<op::ListStreamConsumers> for Kinesis {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::ListStreamConsumersInput,
    ) -> Result<shapes::ListStreamConsumersOutput, Fault> {
        let stream = self.stream(call, &input)?;
        let created = stream.state().created().seconds();
        let asked = input.stream_creation_timestamp;
        if asked.is_some_and(|asked| asked.millis() / 1000 != created) {
            return Err(stream_not_found(&stream.name));
        }
        let after = match input.next_token {
            Some(token) => {
                let token = self.open_list(call, LISTING, &token)?;
                if token.generation != stream.generation {
                    return Err(invalid_token());
                }
                token.after
            }
            None => String::new(),
        };
        let limit = input.max_results.map_or(PAGE_DEFAULT, |limit| limit as usize);
        let known = self.streams.consumers(&stream).map_err(to_fault)?;
        let mut left = known.iter().filter(|consumer| consumer.name > after);
        let page: Vec<_> = left.by_ref().take(limit).collect();
        let next_token = page.last().filter(|_| left.next().is_some()).map(|last| {
            let token = ListToken {
                generation: stream.generation,
                after: last.name.clone(),
                ..ListToken::default()
            };
            self.seal_list(call, LISTING, token)
        });
        let consumers = Some(page.into_iter().map(shape::consumer).collect());
        Ok(shapes::ListStreamConsumersOutput { consumers, next_token })
    }
}

impl Serve<op::SubscribeToShard> for Kinesis {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::SubscribeToShardInput,
    ) -> Result<EventStream<shapes::SubscribeToShardEventStream>, Fault> {
        let (stream, consumer) = self.consumer(call, &input)?;
        let stream = self.streams.stream_with_data(&stream.name).map_err(to_fault)?;
        let shard = parse_shard_id(&input.shard_id)
            .ok_or_else(|| shard_not_found(&stream.name, &input.shard_id))?;
        self.befall_shard(call, "SubscribeToShard", &stream.name, shard).await?;
        let position = input.starting_position;
        let start = read_start(&position.r#type, position.sequence_number, position.timestamp)?;
        if input.dry_run == Some(true) {
            let checked = self.streams.check_subscribe(&stream, &consumer, shard, &start).await;
            checked.map_err(to_fault)?;
            return Err(dry_run());
        }
        let begun = self.streams.subscribe(Arc::clone(&stream), &consumer, shard, &start).await;
        let begun = MeasuredSubscription::begin(begun, stream, shard, &consumer.name);
        Ok(events_of(begun.map_err(to_fault)?))
    }
}

fn events_of(
    subscription: MeasuredSubscription,
) -> EventStream<shapes::SubscribeToShardEventStream> {
    Box::pin(stream::unfold(subscription, |mut subscription| async move {
        match subscription.next().await {
            Ok(Some(event)) => Some((Ok(event_shape(event)), subscription)),
            Ok(None) => None,
            Err(error) => Some((Err(to_fault(error)), subscription)),
        }
    }))
}

/// The last event has no continuation but children; KCL refuses any other end
/// (facts/streams.md § 2.4).
fn event_shape(event: Event) -> shapes::SubscribeToShardEventStream {
    let children = || event.children.iter().map(|child| shape::child_shard(child)).collect();
    shapes::SubscribeToShardEventStream::SubscribeToShardEvent(shapes::SubscribeToShardEvent {
        continuation_sequence_number: event.continuation.map(|number| number.to_string()),
        millis_behind_latest: event.behind_ms as i64,
        child_shards: event.continuation.is_none().then(children),
        records: event.records.into_iter().map(shape::record).collect(),
    })
}
