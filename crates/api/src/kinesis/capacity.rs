//! How much a stream may carry: its mode, its warm throughput, who distributes its records.

use ::streams::Mode;
use model::kinesis::{op, shapes};
use wire::{Call, Fault, Serve};

use super::Kinesis;
use super::faults::{invalid_argument, to_fault};
use super::shapes as shape;

impl Serve<op::UpdateStreamMode> for Kinesis {
    async fn serve(&self, call: &Call, input: shapes::UpdateStreamModeInput) -> Result<(), Fault> {
        let stream = self.stream(call, &input)?;
        let mode = read_mode(&input.stream_mode_details);
        let warm_mibps = read_warm(mode, input.warm_throughput_mibps)?;
        self.streams.set_mode(&stream, mode, warm_mibps).await.map_err(to_fault)
    }
}

impl Serve<op::UpdateStreamWarmThroughput> for Kinesis {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::UpdateStreamWarmThroughputInput,
    ) -> Result<shapes::UpdateStreamWarmThroughputOutput, Fault> {
        let stream = self.stream(call, &input)?;
        let mibps = input.warm_throughput_mibps.unsigned_abs();
        let warm = self.streams.set_warm_throughput(&stream, mibps).await.map_err(to_fault)?;
        Ok(shapes::UpdateStreamWarmThroughputOutput {
            stream_arn: Some(stream.name.arn()),
            stream_name: Some(stream.name.to_string()),
            warm_throughput: Some(shape::warm_throughput(warm)),
        })
    }
}

impl Serve<op::UpdateStreamRecordDistributionStrategy> for Kinesis {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::UpdateStreamRecordDistributionStrategyInput,
    ) -> Result<(), Fault> {
        let stream = self.stream(call, &input)?;
        let distributes =
            input.record_distribution_strategy == shapes::RecordDistributionStrategy::Auto;
        self.streams.set_distribution(&stream, distributes).await.map_err(to_fault)
    }
}

pub(super) fn read_mode(details: &shapes::StreamModeDetails) -> Mode {
    match details.stream_mode {
        shapes::StreamMode::OnDemand => Mode::OnDemand,
        // Validation has refused whatever else there may be.
        shapes::StreamMode::Provisioned | shapes::StreamMode::Unknown(_) => Mode::Provisioned,
    }
}

/// Throughput is kept warm on demand only (API reference, UpdateStreamMode); zero is none.
pub(super) fn read_warm(mode: Mode, mibps: Option<i32>) -> Result<Option<u32>, Fault> {
    match (mode, mibps) {
        (Mode::Provisioned, Some(_)) => Err(invalid_argument(
            "WarmThroughputMiBps is only supported for streams in On-Demand mode.",
        )),
        (_, mibps) => Ok(mibps.map(i32::unsigned_abs).filter(|mibps| *mibps > 0)),
    }
}
