//! What an account may do and has decided, in one region.

use ::streams::Commitment;
use ::streams::limits::ON_DEMAND_STREAMS_MAX;
use ::streams::quotas::shards_per_account_max;
use model::kinesis::{op, shapes};
use stdx::UnixMillis;
use wire::{Call, Fault, Serve, Timestamp};

use super::Kinesis;
use super::faults::to_fault;
use crate::world_of;

impl Serve<op::DescribeLimits> for Kinesis {
    async fn serve(
        &self,
        call: &Call,
        _: shapes::DescribeLimitsInput,
    ) -> Result<shapes::DescribeLimitsOutput, Fault> {
        let usage = self.streams.usage(&world_of(call));
        Ok(shapes::DescribeLimitsOutput {
            shard_limit: shards_per_account_max(&call.region) as i32,
            open_shard_count: usage.open_shards as i32,
            on_demand_stream_count: usage.on_demand_streams as i32,
            on_demand_stream_count_limit: ON_DEMAND_STREAMS_MAX as i32,
            channel_count: Some(0),
            // There are no channels, so there may be none.
            channel_count_limit: Some(0),
        })
    }
}

impl Serve<op::DescribeAccountSettings> for Kinesis {
    async fn serve(
        &self,
        call: &Call,
        _: shapes::DescribeAccountSettingsInput,
    ) -> Result<shapes::DescribeAccountSettingsOutput, Fault> {
        let commitment = self.streams.commitment(&world_of(call)).map_err(to_fault)?;
        let minimum_throughput_billing_commitment =
            Some(commitment_shape(commitment, self.streams.now()));
        Ok(shapes::DescribeAccountSettingsOutput { minimum_throughput_billing_commitment })
    }
}

impl Serve<op::UpdateAccountSettings> for Kinesis {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::UpdateAccountSettingsInput,
    ) -> Result<shapes::UpdateAccountSettingsOutput, Fault> {
        let status = input.minimum_throughput_billing_commitment.status;
        let wanted = status == shapes::MinimumThroughputBillingCommitmentInputStatus::Enabled;
        let commitment = self.streams.commit_to_throughput(&world_of(call), wanted).await;
        let minimum_throughput_billing_commitment =
            Some(commitment_shape(commitment.map_err(to_fault)?, self.streams.now()));
        Ok(shapes::UpdateAccountSettingsOutput { minimum_throughput_billing_commitment })
    }
}

/// An end that is still to come is not shown: the commitment is enabled until then.
fn commitment_shape(
    commitment: Commitment,
    now: UnixMillis,
) -> shapes::MinimumThroughputBillingCommitmentOutput {
    use shapes::MinimumThroughputBillingCommitmentOutputStatus as Status;
    let holds = commitment.holds(now);
    let time = |time: UnixMillis| Timestamp::from_millis(time.0);
    shapes::MinimumThroughputBillingCommitmentOutput {
        status: match (holds, commitment.ends) {
            (true, None) => Status::Enabled,
            (true, Some(_)) => Status::EnabledUntilEarliestAllowedEnd,
            (false, _) => Status::Disabled,
        },
        started_at: commitment.started.map(time),
        ended_at: commitment.ends.filter(|_| !holds).map(time),
        earliest_allowed_end_at: commitment.earliest_end().filter(|_| holds).map(time),
    }
}
