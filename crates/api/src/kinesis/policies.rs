//! Resource policies of streams and consumers.

use identity::policy::check_resource_policy;
use model::kinesis::{OPERATIONS, op, shapes};
use wire::{Call, Fault, Serve};

use super::Kinesis;
use super::address::Resource;
use super::faults::{invalid_argument, to_fault};

/// What a resource without a policy answers (recorded from AWS, facts/streams.md § 2.4).
const NO_POLICY: &str = "{}";

impl Serve<op::PutResourcePolicy> for Kinesis {
    async fn serve(&self, call: &Call, input: shapes::PutResourcePolicyInput) -> Result<(), Fault> {
        let resource = self.resource(call, &input.resource_arn)?;
        let is_action = |pattern: &identity::policy::Pattern<'_>| {
            OPERATIONS.iter().any(|operation| pattern.matches_action(operation.action))
        };
        check_resource_policy(&input.policy, &input.resource_arn, is_action)
            .map_err(|error| invalid_argument(format!("Invalid resource policy: {error}")))?;
        self.set_policy(&resource, Some(&input.policy)).await
    }
}

impl Serve<op::GetResourcePolicy> for Kinesis {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::GetResourcePolicyInput,
    ) -> Result<shapes::GetResourcePolicyOutput, Fault> {
        let policy = match self.resource(call, &input.resource_arn)? {
            Resource::Stream(stream) => stream.state().row.policy.clone(),
            Resource::Consumer(stream, consumer) => {
                self.streams.consumer_policy(&stream, &consumer).map_err(to_fault)?
            }
        };
        let policy = policy.unwrap_or_else(|| NO_POLICY.to_owned());
        Ok(shapes::GetResourcePolicyOutput { policy })
    }
}

impl Serve<op::DeleteResourcePolicy> for Kinesis {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::DeleteResourcePolicyInput,
    ) -> Result<(), Fault> {
        let resource = self.resource(call, &input.resource_arn)?;
        self.set_policy(&resource, None).await
    }
}

impl Kinesis {
    async fn set_policy(&self, resource: &Resource, policy: Option<&str>) -> Result<(), Fault> {
        let set = match resource {
            Resource::Stream(stream) => self.streams.set_policy(stream, policy).await,
            Resource::Consumer(stream, consumer) => {
                self.streams.set_consumer_policy(stream, consumer, policy).await
            }
        };
        set.map_err(to_fault)
    }
}
