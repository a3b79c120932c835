//! One attempt at a plan: built from its records, put, and nothing kept in memory if it fails.

use std::sync::Arc;

use crate::conversion::Converted;
use crate::limits::{CONVERSION_BYTES_FACTOR, PUT_TIMEOUT};
use crate::object::{self, Built, Frames};
use crate::outside::PutError;
use crate::owners::Shared;
use crate::plans::Plan;
use crate::rows::Content;
use crate::stream::DeliveryStream;

/// How an attempt ended.
#[derive(Debug)]
pub(crate) struct Attempted {
    /// The plan's number.
    pub(crate) number: u64,
    /// Whether all of its objects are there, and what was converted, if anything was.
    pub(crate) result: Result<Option<Converted>, PutError>,
    /// What was found out about the bucket, if it was asked.
    pub(crate) conditions: Option<(String, bool)>,
}

/// Makes an attempt. `known` says whether the bucket has been asked about conditions.
pub(crate) async fn run(
    shared: Arc<Shared>,
    stream: Arc<DeliveryStream>,
    (number, plan): (u64, Plan),
    frames: Frames,
    known: bool,
) -> Attempted {
    let mut conditions = None;
    let result = try_once(&shared, &stream, &plan, &frames, known, &mut conditions).await;
    Attempted { number, result, conditions }
}

async fn try_once(
    shared: &Shared,
    stream: &DeliveryStream,
    plan: &Plan,
    frames: &Frames,
    known: bool,
    conditions: &mut Option<(String, bool)>,
) -> Result<Option<Converted>, PutError> {
    let world = &stream.name.world;
    let account = &world.account;
    if !known {
        let destination = &plan.destination;
        let bucket = match (&plan.row.content, &destination.backup) {
            (Content::Backup, Some(backup)) => &backup.bucket,
            _ => &destination.data.bucket,
        };
        let asked = shared.objects.has_conditions(account, bucket);
        let answer = shared.clock.timeout(PUT_TIMEOUT, asked).await.ok_or_else(timed_out)?;
        *conditions = Some((bucket.clone(), answer?));
    }
    let factor = if plan.row.table.is_some() { CONVERSION_BYTES_FACTOR } else { 1 };
    let bytes = plan.row.bytes.saturating_mul(factor);
    let _room = shared.budget.take(bytes, plan.failures > 0).await;
    let built = object::build(&shared.store, &plan.row, &plan.destination, frames, world).await;
    let Built { objects, records, converted } = built.map_err(|error| PutError {
        code: "InternalFailure".to_owned(),
        message: format!("the object could not be built: {error}"),
    })?;
    if records < plan.row.records {
        tracing::error!(
            delivery_stream = %stream.name, lost = plan.row.records - records, key = plan.row.key,
            "records were given up by their source before they were delivered"
        );
    }
    for object in objects {
        // There already is as good as put: the name has this plan's random part in it.
        let put = shared.clock.timeout(PUT_TIMEOUT, shared.objects.put_if_absent(object)).await;
        put.ok_or_else(timed_out)??;
    }
    Ok(converted)
}

fn timed_out() -> PutError {
    PutError {
        code: "S3.InternalError".to_owned(),
        message: format!("the store did not answer within {} seconds", PUT_TIMEOUT.as_secs()),
    }
}
