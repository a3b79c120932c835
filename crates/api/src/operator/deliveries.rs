//! Delivery streams as an operator sees them: what is on its way, and what keeps it.

use std::sync::Arc;

use delivery::{DeliveryStatus, DeliveryStream, Error, PlanStatus};
use serde::{Deserialize, Serialize};
use wire::{Call, Fault, Serve};

use super::{Nothing, Operator, check_root, operation};
use crate::firehose::name_of;
use crate::world_of;

/// Delivery streams that one answer holds, at most (our choice).
const LISTED_MAX: usize = 1000;

operation! {
    /// `ListDeliveries`: how the delivery streams of the caller's account and region are doing.
    ListDeliveries(Nothing) -> ListedDeliveries, Read
}

operation! {
    /// `DescribeDelivery`: how one of them is doing.
    DescribeDelivery(DeliveryInput) -> DeliveryStanding, Read
}

operation! {
    /// `FlushDelivery`: delivers what it has without waiting for size or interval.
    FlushDelivery(DeliveryInput) -> DeliveryStanding, Data
}

operation! {
    /// `RedriveDelivery`: tries everything at once that waits for another attempt.
    RedriveDelivery(DeliveryInput) -> Redriven, Mutate
}

/// Which delivery stream.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DeliveryInput {
    /// Its name.
    pub delivery_stream_name: String,
}

/// What is listed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListedDeliveries {
    /// By name; at most a thousand.
    pub deliveries: Vec<DeliveryStanding>,
    /// Whether there are more.
    pub has_more: bool,
}

/// How a delivery stream is doing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeliveryStanding {
    /// Its name.
    pub delivery_stream_name: String,
    /// Records that are read and not delivered.
    pub backlog_records: u64,
    /// Their bytes.
    pub backlog_bytes: u64,
    /// How long ago the oldest of them arrived, if there is any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_millis: Option<u64>,
    /// Partitions that hold something.
    pub partitions: u64,
    /// Objects that are planned and not delivered.
    pub objects: Vec<ObjectStanding>,
    /// Buckets that write over objects that are there: a crash may leave an object in them twice.
    pub at_least_once: Vec<String>,
    /// Records that its source had let go of before they were read.
    pub lost_records: u64,
    /// What keeps it from going on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// How an object is doing that is planned and not delivered.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ObjectStanding {
    /// Its bucket.
    pub bucket: String,
    /// Its name.
    pub key: String,
    /// Records in it.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Attempts that failed.
    pub failures: u32,
    /// Why the last one did, such as `S3.NoSuchBucket`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// The same in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// Whether it is tried only now and then: AWS would have given it up.
    pub parked: bool,
}

/// What was tried again.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Redriven {
    /// Objects.
    pub objects: usize,
}

impl Serve<ListDeliveries> for Operator {
    async fn serve(&self, call: &Call, _input: Nothing) -> Result<ListedDeliveries, Fault> {
        let mut streams = self.delivery.list(&world_of(call), "", LISTED_MAX + 1);
        let has_more = streams.len() > LISTED_MAX;
        streams.truncate(LISTED_MAX);
        let mut deliveries = Vec::with_capacity(streams.len());
        for stream in &streams {
            match self.standing(stream).await {
                Ok(standing) => deliveries.push(standing),
                // It was deleted meanwhile.
                Err(Error::NotFound(_)) => {}
                Err(error) => return Err(to_fault(error)),
            }
        }
        Ok(ListedDeliveries { deliveries, has_more })
    }
}

impl Serve<DescribeDelivery> for Operator {
    async fn serve(&self, call: &Call, input: DeliveryInput) -> Result<DeliveryStanding, Fault> {
        let stream = self.delivery_stream(call, &input)?;
        self.standing(&stream).await.map_err(to_fault)
    }
}

impl Serve<FlushDelivery> for Operator {
    async fn serve(&self, call: &Call, input: DeliveryInput) -> Result<DeliveryStanding, Fault> {
        check_root(call, <FlushDelivery as wire::Operation>::INFO.action)?;
        let stream = self.delivery_stream(call, &input)?;
        self.delivery.flush(&stream).await.map_err(to_fault)?;
        self.standing(&stream).await.map_err(to_fault)
    }
}

impl Serve<RedriveDelivery> for Operator {
    async fn serve(&self, call: &Call, input: DeliveryInput) -> Result<Redriven, Fault> {
        check_root(call, <RedriveDelivery as wire::Operation>::INFO.action)?;
        let stream = self.delivery_stream(call, &input)?;
        let objects = self.delivery.redrive(&stream).await.map_err(to_fault)?;
        Ok(Redriven { objects })
    }
}

impl Operator {
    fn delivery_stream(
        &self,
        call: &Call,
        input: &DeliveryInput,
    ) -> Result<Arc<DeliveryStream>, Fault> {
        self.delivery.stream(&name_of(call, &input.delivery_stream_name)).map_err(to_fault)
    }

    async fn standing(&self, stream: &DeliveryStream) -> Result<DeliveryStanding, Error> {
        let DeliveryStatus {
            backlog_records,
            backlog_bytes,
            oldest,
            plans,
            partitions,
            at_least_once,
            trouble,
            lost_records,
        } = self.delivery.status(stream).await?;
        let now = self.delivery.now();
        Ok(DeliveryStanding {
            delivery_stream_name: stream.name.name.to_string(),
            backlog_records,
            backlog_bytes,
            oldest_millis: oldest.map(|oldest| now.0.saturating_sub(oldest.0)),
            partitions: partitions as u64,
            objects: plans.into_iter().map(object_standing).collect(),
            at_least_once,
            trouble,
            lost_records,
        })
    }
}

fn object_standing(plan: PlanStatus) -> ObjectStanding {
    let PlanStatus { bucket, key, records, bytes, failures, error, parked, .. } = plan;
    let (error_code, error_message) = error.map(|error| (error.code, error.message)).unzip();
    ObjectStanding { bucket, key, records, bytes, failures, error_code, error_message, parked }
}

fn to_fault(error: Error) -> Fault {
    match error {
        Error::NotFound(stream) => {
            let words = format!("There is no delivery stream {stream}.");
            Fault::client("ResourceNotFoundException", words)
        }
        error => {
            tracing::error!(%error, "a delivery stream does not answer its operator");
            Fault::internal()
        }
    }
}
