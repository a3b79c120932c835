//! Streams: created, described, listed, deleted.

use ::streams::limits::SHARDS_DEFAULT;
use ::streams::shard::parse_shard_id;
use ::streams::{Mode, NewStream, StreamState};
use model::kinesis::{op, shapes};
use wire::{Call, Fault, Serve};

use super::Kinesis;
use super::capacity::{read_mode, read_warm};
use super::faults::{invalid_argument, shard_not_found, to_fault};
use super::shapes as shape;
use super::tokens::ListToken;
use crate::world_of;

/// Shards in a DescribeStream answer, and streams in a ListStreams answer, unless asked for
/// otherwise (API reference: 100 each).
const PAGE_DEFAULT: usize = 100;
const LISTING: &str = "ListStreams";

impl Serve<op::CreateStream> for Kinesis {
    async fn serve(&self, call: &Call, input: shapes::CreateStreamInput) -> Result<(), Fault> {
        let mode = input.stream_mode_details.as_ref().map_or(Mode::Provisioned, read_mode);
        let warm_mibps = read_warm(mode, input.warm_throughput_mibps)?;
        let distributes =
            input.record_distribution_strategy == Some(shapes::RecordDistributionStrategy::Auto);
        if distributes && mode == Mode::Provisioned {
            return Err(invalid_argument(
                "RecordDistributionStrategy AUTO needs a stream in On-Demand mode.",
            ));
        }
        let new = NewStream {
            mode,
            shards: input.shard_count.map_or(SHARDS_DEFAULT, i32::unsigned_abs),
            tags: input.tags.unwrap_or_default(),
            record_kib_max: input.max_record_size_in_kib.map(i32::unsigned_abs),
            distributes,
            warm_mibps,
        };
        let name = world_of(call).stream(input.stream_name);
        self.streams.create(name, new).await.map_err(to_fault)
    }
}

impl Serve<op::DeleteStream> for Kinesis {
    async fn serve(&self, call: &Call, input: shapes::DeleteStreamInput) -> Result<(), Fault> {
        let with_consumers = input.enforce_consumer_deletion.unwrap_or(false);
        let name = self.stream_name(call, &input)?;
        self.streams.delete(&name, with_consumers).await.map_err(to_fault)
    }
}

impl Serve<op::DescribeStream> for Kinesis {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::DescribeStreamInput,
    ) -> Result<shapes::DescribeStreamOutput, Fault> {
        let stream = self.stream(call, &input)?;
        let state = stream.state();
        let after = match &input.exclusive_start_shard_id {
            Some(id) => Some(parse_shard_id(id).ok_or_else(|| shard_not_found(&stream.name, id))?),
            None => None,
        };
        let limit = input.limit.map_or(PAGE_DEFAULT, |limit| limit as usize);
        let mut left = visible(&state).iter().filter(|shard| Some(shard.index) > after);
        let shards = left.by_ref().take(limit).map(|shard| shape::shard(shard)).collect();
        let stream_description = shapes::StreamDescription {
            stream_name: stream.name.to_string(),
            stream_arn: stream.name.arn(),
            stream_status: shape::stream_status(state.row.status),
            stream_mode_details: Some(shape::stream_mode(state.row.mode)),
            shards,
            has_more_shards: left.next().is_some(),
            retention_period_hours: state.row.retention_hours as i32,
            stream_creation_timestamp: shape::stream_created(&state),
            enhanced_monitoring: shape::enhanced_monitoring(&state),
            encryption_type: Some(shape::encryption_type(&state)),
            key_id: state.row.kms_key.clone(),
        };
        Ok(shapes::DescribeStreamOutput { stream_description })
    }
}

impl Serve<op::DescribeStreamSummary> for Kinesis {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::DescribeStreamSummaryInput,
    ) -> Result<shapes::DescribeStreamSummaryOutput, Fault> {
        let stream = self.stream(call, &input)?;
        let state = stream.state();
        let consumers = self.streams.consumers(&stream).map_err(to_fault)?;
        let warm_throughput = state.warm_throughput().map(shape::warm_throughput);
        let stream_description_summary = shapes::StreamDescriptionSummary {
            stream_name: stream.name.to_string(),
            stream_arn: stream.name.arn(),
            // AWS shows none either, and a client that is given one calls AWS (`streams::stream`).
            stream_id: None,
            stream_status: shape::stream_status(state.row.status),
            stream_mode_details: Some(shape::stream_mode(state.row.mode)),
            retention_period_hours: state.row.retention_hours as i32,
            stream_creation_timestamp: shape::stream_created(&state),
            enhanced_monitoring: shape::enhanced_monitoring(&state),
            encryption_type: Some(shape::encryption_type(&state)),
            key_id: state.row.kms_key.clone(),
            open_shard_count: visible(&state).iter().filter(|shard| shard.is_open()).count() as i32,
            consumer_count: Some(consumers.len() as i32),
            warm_throughput,
            max_record_size_in_kib: Some(state.row.record_kib_max as i32),
            channel_count: Some(0),
            queue_count: Some(0),
            record_distribution_strategy: shape::distribution(&state),
        };
        Ok(shapes::DescribeStreamSummaryOutput { stream_description_summary })
    }
}

impl Serve<op::ListStreams> for Kinesis {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::ListStreamsInput,
    ) -> Result<shapes::ListStreamsOutput, Fault> {
        let after = match (input.next_token, input.exclusive_start_stream_name) {
            (Some(_), Some(_)) => {
                return Err(invalid_argument(
                    "NextToken and ExclusiveStartStreamName cannot be provided together.",
                ));
            }
            (Some(token), None) => self.open_list(call, LISTING, &token)?.after,
            (None, after) => after.unwrap_or_default(),
        };
        let limit = input.limit.map_or(PAGE_DEFAULT, |limit| limit as usize);
        let mut found = self.streams.list(&world_of(call), &after, limit + 1);
        let has_more_streams = found.len() > limit;
        found.truncate(limit);
        let next_token = found.last().filter(|_| has_more_streams).map(|last| {
            let token = ListToken { after: last.name.to_string(), ..ListToken::default() };
            self.seal_list(call, LISTING, token)
        });
        Ok(shapes::ListStreamsOutput {
            stream_names: found.iter().map(|stream| stream.name.to_string()).collect(),
            has_more_streams,
            next_token,
            stream_summaries: Some(found.iter().map(|s| shape::stream_summary(s)).collect()),
        })
    }
}

/// The shards a caller may know of: none before the stream is ready.
pub(super) fn visible(state: &StreamState) -> &[std::sync::Arc<::streams::Shard>] {
    if state.row.status == ::streams::Status::Creating { &[] } else { state.shards.all() }
}
