//! A stream's settings: retention, encryption, enhanced monitoring, the size of records.

use ::streams::{ShardMetric, ShardMetrics, Stream};
use model::kinesis::{op, shapes};
use wire::{Call, Fault, Serve};

use super::Kinesis;
use super::faults::{invalid_argument, to_fault};
use super::keys::check_key_id;
use super::shapes as shape;

impl Serve<op::IncreaseStreamRetentionPeriod> for Kinesis {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::IncreaseStreamRetentionPeriodInput,
    ) -> Result<(), Fault> {
        let stream = self.stream(call, &input)?;
        let hours = i64::from(input.retention_period_hours);
        self.streams.increase_retention(&stream, hours).await.map_err(to_fault)
    }
}

impl Serve<op::DecreaseStreamRetentionPeriod> for Kinesis {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::DecreaseStreamRetentionPeriodInput,
    ) -> Result<(), Fault> {
        let stream = self.stream(call, &input)?;
        let hours = i64::from(input.retention_period_hours);
        self.streams.decrease_retention(&stream, hours).await.map_err(to_fault)
    }
}

impl Serve<op::UpdateMaxRecordSize> for Kinesis {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::UpdateMaxRecordSizeInput,
    ) -> Result<(), Fault> {
        let stream = self.stream(call, &input)?;
        let kib_max = input.max_record_size_in_kib.unsigned_abs();
        self.streams.set_record_size(&stream, kib_max).await.map_err(to_fault)
    }
}

impl Serve<op::StartStreamEncryption> for Kinesis {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::StartStreamEncryptionInput,
    ) -> Result<(), Fault> {
        let stream = self.stream(call, &input)?;
        check_encryption(&input.encryption_type, &input.key_id)?;
        self.streams.encrypt(&stream, Some(input.key_id)).await.map_err(to_fault)
    }
}

impl Serve<op::StopStreamEncryption> for Kinesis {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::StopStreamEncryptionInput,
    ) -> Result<(), Fault> {
        let stream = self.stream(call, &input)?;
        check_encryption(&input.encryption_type, &input.key_id)?;
        self.streams.encrypt(&stream, None).await.map_err(to_fault)
    }
}

/// The model also knows NONE, but takes it for no request (API reference, StartStreamEncryption).
fn check_encryption(kind: &shapes::EncryptionType, key_id: &str) -> Result<(), Fault> {
    if *kind != shapes::EncryptionType::Kms {
        return Err(invalid_argument(format!(
            "EncryptionType {kind} is not valid for this request. The only valid value is KMS."
        )));
    }
    check_key_id(key_id)
}

impl Serve<op::EnableEnhancedMonitoring> for Kinesis {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::EnableEnhancedMonitoringInput,
    ) -> Result<shapes::EnhancedMonitoringOutput, Fault> {
        let stream = self.stream(call, &input)?;
        let metrics = read_metrics(&input.shard_level_metrics);
        let sets = self.streams.enable_monitoring(&stream, metrics).await.map_err(to_fault)?;
        Ok(monitoring_output(&stream, sets))
    }
}

impl Serve<op::DisableEnhancedMonitoring> for Kinesis {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::DisableEnhancedMonitoringInput,
    ) -> Result<shapes::EnhancedMonitoringOutput, Fault> {
        let stream = self.stream(call, &input)?;
        let metrics = read_metrics(&input.shard_level_metrics);
        let sets = self.streams.disable_monitoring(&stream, metrics).await.map_err(to_fault)?;
        Ok(monitoring_output(&stream, sets))
    }
}

/// `ALL` stands for every metric, and is answered as all of them (AWS CLI's examples).
fn read_metrics(names: &[shapes::MetricsName]) -> ShardMetrics {
    let named = |metric: &ShardMetric| {
        names.contains(&shapes::MetricsName::All) || names.contains(&shape::metric(*metric))
    };
    ShardMetric::ALL.into_iter().filter(named).collect()
}

fn monitoring_output(
    stream: &Stream,
    (current, desired): (ShardMetrics, ShardMetrics),
) -> shapes::EnhancedMonitoringOutput {
    shapes::EnhancedMonitoringOutput {
        stream_name: Some(stream.name.to_string()),
        current_shard_level_metrics: Some(shape::metrics(current)),
        desired_shard_level_metrics: Some(shape::metrics(desired)),
        stream_arn: Some(stream.name.arn()),
    }
}
