//! Engine values as AWS shapes.

use model::kinesis::shapes;
use streams::shard::shard_id;
use streams::{
    Mode, Record, Shard, ShardMetric, ShardMetrics, Status, Stream, StreamState, WarmThroughput,
};
use wire::{Blob, Timestamp};

pub(super) fn record(record: Record) -> shapes::Record {
    // The engine only keeps partition keys that came as text.
    let partition_key = String::from_utf8_lossy(&record.body.partition_key).into_owned();
    shapes::Record {
        sequence_number: record.sequence.to_string(),
        approximate_arrival_timestamp: Some(Timestamp::from_millis(record.arrival.0)),
        data: Blob(record.body.data),
        partition_key: Some(partition_key),
        encryption_type: record.body.encrypted.then_some(shapes::EncryptionType::Kms),
    }
}

pub(super) fn shard(shard: &Shard) -> shapes::Shard {
    shapes::Shard {
        shard_id: shard_id(shard.index),
        parent_shard_id: shard.parent.map(shard_id),
        adjacent_parent_shard_id: shard.adjacent_parent.map(shard_id),
        hash_key_range: hash_key_range(shard),
        sequence_number_range: shapes::SequenceNumberRange {
            starting_sequence_number: shard.starting_sequence().to_string(),
            ending_sequence_number: shard.ending_sequence().map(|number| number.to_string()),
        },
    }
}

/// A shard that follows a closed one. KCL refuses any without its parents
/// (facts/streams.md § 2.4).
pub(super) fn child_shard(shard: &Shard) -> shapes::ChildShard {
    shapes::ChildShard {
        shard_id: shard_id(shard.index),
        parent_shards: shard
            .parent
            .into_iter()
            .chain(shard.adjacent_parent)
            .map(shard_id)
            .collect(),
        hash_key_range: hash_key_range(shard),
    }
}

fn hash_key_range(shard: &Shard) -> shapes::HashKeyRange {
    shapes::HashKeyRange {
        starting_hash_key: shard.range.start.to_string(),
        ending_hash_key: shard.range.end.to_string(),
    }
}

pub(super) fn stream_status(status: Status) -> shapes::StreamStatus {
    match status {
        Status::Creating => shapes::StreamStatus::Creating,
        Status::Active => shapes::StreamStatus::Active,
        Status::Updating => shapes::StreamStatus::Updating,
        Status::Deleting => shapes::StreamStatus::Deleting,
    }
}

pub(super) fn consumer_status(status: Status) -> shapes::ConsumerStatus {
    match status {
        Status::Creating => shapes::ConsumerStatus::Creating,
        Status::Active | Status::Updating => shapes::ConsumerStatus::Active,
        Status::Deleting => shapes::ConsumerStatus::Deleting,
    }
}

pub(super) fn stream_mode(mode: Mode) -> shapes::StreamModeDetails {
    let stream_mode = match mode {
        Mode::Provisioned => shapes::StreamMode::Provisioned,
        Mode::OnDemand => shapes::StreamMode::OnDemand,
    };
    shapes::StreamModeDetails { stream_mode }
}

pub(super) fn warm_throughput(warm: WarmThroughput) -> shapes::WarmThroughputObject {
    shapes::WarmThroughputObject {
        target_mibps: Some(warm.target_mibps as i32),
        current_mibps: Some(warm.current_mibps as i32),
    }
}

/// Only streams on demand have a strategy (API reference, StreamDescriptionSummary).
pub(super) fn distribution(state: &StreamState) -> Option<shapes::RecordDistributionStrategy> {
    match (state.row.mode, state.row.distributes) {
        (Mode::Provisioned, _) => None,
        (Mode::OnDemand, true) => Some(shapes::RecordDistributionStrategy::Auto),
        (Mode::OnDemand, false) => Some(shapes::RecordDistributionStrategy::UserPartitionKey),
    }
}

pub(super) fn enhanced_monitoring(state: &StreamState) -> Vec<shapes::EnhancedMetrics> {
    vec![shapes::EnhancedMetrics {
        shard_level_metrics: Some(metrics(state.row.shard_level_metrics)),
    }]
}

/// The names of shard-level metrics, in the order in which AWS CLI's examples have them.
pub(super) fn metrics(set: ShardMetrics) -> Vec<shapes::MetricsName> {
    set.iter().map(metric).collect()
}

/// A shard-level metric's name.
pub(super) fn metric(metric: ShardMetric) -> shapes::MetricsName {
    use shapes::MetricsName as Name;
    match metric {
        ShardMetric::IncomingBytes => Name::IncomingBytes,
        ShardMetric::OutgoingRecords => Name::OutgoingRecords,
        ShardMetric::IteratorAgeMilliseconds => Name::IteratorAgeMilliseconds,
        ShardMetric::IncomingRecords => Name::IncomingRecords,
        ShardMetric::ReadProvisionedThroughputExceeded => Name::ReadProvisionedThroughputExceeded,
        ShardMetric::WriteProvisionedThroughputExceeded => Name::WriteProvisionedThroughputExceeded,
        ShardMetric::OutgoingBytes => Name::OutgoingBytes,
    }
}

pub(super) fn encryption_type(state: &StreamState) -> shapes::EncryptionType {
    if state.row.kms_key.is_some() {
        shapes::EncryptionType::Kms
    } else {
        shapes::EncryptionType::None
    }
}

/// Whole seconds, as AWS reports a stream's creation (facts/streams.md § 2.1).
pub(super) fn stream_created(state: &StreamState) -> Timestamp {
    Timestamp::from_seconds(state.created().seconds())
}

pub(super) fn stream_summary(stream: &Stream) -> shapes::StreamSummary {
    let state = stream.state();
    shapes::StreamSummary {
        stream_name: stream.name.to_string(),
        stream_arn: stream.name.arn(),
        stream_status: stream_status(state.row.status),
        stream_mode_details: Some(stream_mode(state.row.mode)),
        stream_creation_timestamp: Some(stream_created(&state)),
    }
}

pub(super) fn consumer(consumer: &streams::Consumer) -> shapes::Consumer {
    shapes::Consumer {
        consumer_name: consumer.name.clone(),
        consumer_arn: consumer.arn(),
        consumer_status: consumer_status(consumer.status),
        consumer_creation_timestamp: Timestamp::from_seconds(consumer.created.seconds()),
    }
}
