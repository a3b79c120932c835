//! Staging: a batch of the intake goes through its function, and what becomes of each record is decided
//! once, by the commit that puts the results into staging logs and moves the intake's checkpoint.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use stdx::{UnixMillis, task};
use store::{ReadError, StoredRecord};
use streams::SequenceNumber;
use tokio::task::JoinError;

use crate::buffer::Held;
use crate::destination::{Destination, Function, uuid};
use crate::frame::Frame;
use crate::lambda::{self, Failed, Invocation, Sent, Verdict};
use crate::limits::{
    EVENT_RECORD_BYTES, FUNCTION_ANSWER_BYTES_MAX, FUNCTION_RETRIES_DEFAULT, FUNCTION_WAIT,
    GIVES_UP_AFTER, STAGED_BYTES_MAX,
};
use crate::object::Frames;
use crate::outside::{InvokeError, Invoked};
use crate::owners::Shared;
use crate::partition::PartitionKeys;
use crate::plans::pause;
use crate::prefix::ErrorOutput;
use crate::reading::{Incoming, Reading};
use crate::rows::{Role, Source};
use crate::staged::{Failure, StagedRecord};
use crate::stream::DeliveryStream;

/// Where a staged record goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Output {
    /// To its partition; without partitioning there is one, without keys.
    Partition { from_query: BTreeMap<String, String>, from_lambda: BTreeMap<String, String> },
    /// To the error prefix.
    Failed(ErrorOutput),
}

impl Output {
    /// What its log is called in rows.
    pub(crate) fn role(&self) -> Role {
        match self.clone() {
            Output::Partition { from_query, from_lambda } => {
                Role::Partition { from_query, from_lambda }
            }
            Output::Failed(output) => Role::Failed { output },
        }
    }

    /// What a row's log takes.
    pub(crate) fn of_role(role: &Role) -> Option<Self> {
        match role.clone() {
            Role::Partition { from_query, from_lambda } => {
                Some(Output::Partition { from_query, from_lambda })
            }
            Role::Failed { output } => Some(Output::Failed(output)),
            Role::Intake | Role::Shard { .. } => None,
        }
    }
}

/// Records to be staged.
pub(crate) struct Batch {
    pub(crate) held: Held,
    pub(crate) frames: Frames,
    pub(crate) destination: Arc<Destination>,
}

/// What has become of a batch.
pub(crate) struct Staged {
    pub(crate) held: Held,
    pub(crate) outputs: BTreeMap<Output, Vec<StagedRecord>>,
}

/// A record on its way, and its place among those that came out of one.
struct Record {
    incoming: Incoming,
    position: u64,
    within: usize,
}

/// Carries a batch through.
pub(crate) async fn run(
    shared: Arc<Shared>,
    stream: Arc<DeliveryStream>,
    batch: Batch,
) -> Result<Staged, ReadError> {
    let Batch { held, frames, destination } = batch;
    // The records, the event and the answer.
    let _room = shared.budget.take(3 * held.bytes, false).await;
    let now = shared.clock.service();
    let mut staging = Staging { outputs: BTreeMap::new(), bytes: 0 };
    let mut records = Vec::new();
    let mut reading = Reading::new(&shared.store, &held.parts);
    while let Some((log, page)) = reading.page().await? {
        let frame = frames.get(&log).copied().unwrap_or_default();
        let own = Arc::clone(&destination);
        // Queries and decompression take a thread for longer than others may wait for it.
        let apart = task::spawn_blocking(move || {
            let (mut records, mut failed) = (Vec::new(), Vec::new());
            page.into_iter().for_each(|one| {
                take_apart(&own, (frame, one), now, (&mut records, &mut failed));
            });
            (records, failed)
        });
        let (more, failed) = apart.await.map_err(broken_off)?;
        records.extend(more);
        failed.into_iter().for_each(|(output, record)| staging.add(Output::Failed(output), record));
    }
    let mut ready = Vec::new();
    match &destination.function {
        Some(function) => {
            for chunk in chunks(records) {
                ready.extend(transform(&shared, &stream, function, chunk, &mut staging).await);
            }
        }
        None => {
            let plain = |Record { incoming: Incoming { data, arrival, .. }, .. }| Ready {
                arrival,
                data,
                from_lambda: BTreeMap::new(),
            };
            ready.extend(records.into_iter().map(plain));
        }
    }
    let sorted = task::spawn_blocking(move || {
        ready.into_iter().for_each(|ready| staging.sort(ready, &destination, now));
        staging
    });
    let staging = sorted.await.map_err(broken_off)?;
    Ok(Staged { held, outputs: staging.outputs })
}

fn broken_off(_: JoinError) -> ReadError {
    ReadError::Io("the work was broken off".to_owned())
}

/// Takes a record out of its frame and apart.
fn take_apart(
    destination: &Destination,
    (frame, stored): (Frame, StoredRecord),
    now: UnixMillis,
    (records, failed): (&mut Vec<Record>, &mut Vec<(ErrorOutput, StagedRecord)>),
) {
    let (position, mut within) = (stored.position.0, 0);
    frame.open(stored, &mut |Incoming { data, arrival, origin }| {
        let parts = match &destination.processing {
            Some(processing) => processing.take_apart(&data),
            None => Ok(vec![data.clone()]),
        };
        match parts {
            Ok(parts) => {
                for data in parts {
                    let incoming = Incoming { data, arrival, origin: origin.clone() };
                    records.push(Record { incoming, position, within });
                    within += 1;
                }
            }
            Err(error) => {
                let failure = Some(Failure::of_processor(&error, now));
                failed.push((error.output, StagedRecord { arrival, data, failure }));
            }
        }
    });
}

/// Records that fit into one event each time, in order.
fn chunks(records: Vec<Record>) -> Vec<Vec<Record>> {
    let mut chunks: Vec<Vec<Record>> = Vec::new();
    let mut bytes = u64::MAX;
    for record in records {
        let weight = event_bytes(record.incoming.data.len());
        if bytes.saturating_add(weight) > FUNCTION_ANSWER_BYTES_MAX as u64 {
            chunks.push(Vec::new());
            bytes = 0;
        }
        bytes += weight;
        if let Some(chunk) = chunks.last_mut() {
            chunk.push(record);
        }
    }
    chunks
}

/// What a record takes in an event, at most.
pub(crate) fn event_bytes(data: usize) -> u64 {
    (data as u64).div_ceil(3) * 4 + EVENT_RECORD_BYTES
}

/// Asks the function about records until it is known what becomes of each.
async fn transform(
    shared: &Shared,
    stream: &DeliveryStream,
    function: &Function,
    records: Vec<Record>,
    staging: &mut Staging,
) -> Vec<Ready> {
    let sent: Vec<_> = records.into_iter().map(|record| to_send(stream, record)).collect();
    let (attempts, verdicts) = match event_bytes_of(&sent) > FUNCTION_ANSWER_BYTES_MAX as u64 {
        // One that no event can hold.
        true => (0, Err(too_large())),
        false => ask(shared, stream, function, &sent).await,
    };
    let ended_ms = shared.clock.service().0;
    let failure = |code: &str, message: &str| Failure {
        code: code.to_owned(),
        message: message.to_owned(),
        attempts,
        ended_ms,
        lambda_arn: Some(function.arn.clone()),
    };
    let verdicts = match verdicts {
        Ok(verdicts) => verdicts,
        Err(error) => {
            for Sent { arrival, data, .. } in sent {
                staging.fail(arrival, data, failure(error.code, &error.message));
            }
            return Vec::new();
        }
    };
    let (mut ready, mut bytes) = (Vec::new(), 0);
    for (Sent { arrival, data, .. }, verdict) in sent.into_iter().zip(verdicts) {
        match verdict {
            Verdict::Dropped => {}
            Verdict::Failed(failed) => {
                staging.fail(arrival, data, failure(failed.code(), failed.message()));
            }
            Verdict::Ok { data: answered, .. } if staging.is_full(bytes + answered.len()) => {
                let message = "The function's answers are larger than one batch may be";
                staging.fail(arrival, data, failure("Lambda.InvalidReturnFormat", message));
            }
            Verdict::Ok { data, partition_keys: from_lambda } => {
                bytes += data.len();
                ready.push(Ready { arrival, data, from_lambda });
            }
        }
    }
    stream.meters.processed(ready.len() as u64, bytes as u64);
    staging.bytes += bytes;
    ready
}

fn to_send(stream: &DeliveryStream, record: Record) -> Sent {
    let Record { incoming: Incoming { data, arrival, origin }, position, within } = record;
    // AWS's ids are sequence numbers and six digits.
    let sequence = origin.as_ref().map_or_else(
        || SequenceNumber {
            shard_created_seconds: UnixMillis(stream.state().row.created_ms).seconds(),
            shard: 0,
            position,
            arrival_seconds: arrival.seconds(),
        },
        |origin| origin.sequence,
    );
    let source = origin.map(|origin| origin.metadata(arrival.0));
    Sent { id: format!("{sequence}{within:06}"), arrival, data, source }
}

fn event_bytes_of(sent: &[Sent]) -> u64 {
    sent.iter().map(|record| event_bytes(record.data.len())).sum()
}

fn too_large() -> InvokeError {
    InvokeError {
        code: "Lambda.InvokeLimitExceeded",
        message: "The record is larger than a function's event may be".to_owned(),
    }
}

/// Calls the function until it answers, has failed as often as it may, or could not be called for a
/// day; says how often it was tried.
async fn ask(
    shared: &Shared,
    stream: &DeliveryStream,
    function: &Function,
    sent: &[Sent],
) -> (u32, Result<Vec<Verdict>, InvokeError>) {
    let arn = stream.name.arn();
    let state = stream.state();
    let source_stream_arn = match &state.row.source {
        Source::KinesisStream { arn, .. } => Some(arn.as_str()),
        _ => None,
    };
    let id = uuid(&shared.entropy);
    let region = &stream.name.world.region;
    let invocation = Invocation { id: &id, delivery_stream_arn: &arn, region, source_stream_arn };
    let event = Bytes::from(lambda::event(&invocation, sent));
    let began = shared.clock.service();
    let (mut failures, mut unreached) = (0, 0);
    loop {
        let call = shared.functions.invoke(&function.arn, event.clone());
        let called = shared.clock.monotonic();
        let answer = shared.clock.timeout(FUNCTION_WAIT, call).await;
        let has_answered = matches!(&answer, Some(Ok(Invoked::Answer(_))));
        stream.meters.invoked(shared.clock.monotonic() - called, has_answered);
        match answer {
            Some(Ok(Invoked::Answer(answer))) if answer.len() <= FUNCTION_ANSWER_BYTES_MAX => {
                return (failures + 1, Ok(lambda::verdicts(sent, &answer)));
            }
            // It failed, answered too much, or did not end.
            Some(Ok(_)) | None => {
                failures += 1;
                if failures > function.retries {
                    let failed = Verdict::Failed(Failed::FunctionError);
                    return (failures, Ok(vec![failed; sent.len()]));
                }
                // As often as is usual without a pause; whoever asks for more is not asking for a storm.
                if let Some(many) = failures.checked_sub(FUNCTION_RETRIES_DEFAULT + 1) {
                    shared.clock.sleep(pause(many + 1, shared.entropy.u64())).await;
                }
            }
            Some(Err(error)) => {
                unreached += 1;
                tracing::warn!(
                    delivery_stream = %stream.name, function = function.arn, code = error.code,
                    message = error.message, "the function cannot be called and will be tried again"
                );
                if shared.clock.service().since(began) >= GIVES_UP_AFTER {
                    return (failures + unreached, Err(error));
                }
                shared.clock.sleep(pause(unreached, shared.entropy.u64())).await;
            }
        }
    }
}

/// A record that is delivered, once it is known where.
struct Ready {
    arrival: UnixMillis,
    data: Bytes,
    from_lambda: BTreeMap<String, String>,
}

/// What becomes of a batch, as it becomes known.
struct Staging {
    outputs: BTreeMap<Output, Vec<StagedRecord>>,
    bytes: usize,
}

impl Staging {
    /// Whether a commit would be too large with so much more. What failed is always taken: it is no
    /// larger than what came in.
    fn is_full(&self, bytes: usize) -> bool {
        self.bytes + bytes > STAGED_BYTES_MAX / 2
    }

    /// Puts a record where its partition keys say.
    fn sort(&mut self, ready: Ready, destination: &Destination, now: UnixMillis) {
        let Ready { arrival, data, from_lambda } = ready;
        let keys = match &destination.partitioner {
            None => Ok(PartitionKeys::default()),
            Some(partitioner) => {
                let from_query = match &destination.processing {
                    Some(processing) => processing.partition_keys(&data, now),
                    None => Ok(BTreeMap::new()),
                };
                let arrival = destination.data.zoned(arrival);
                from_query.and_then(|own| partitioner.partition(&own, &from_lambda, &arrival))
            }
        };
        match keys {
            Ok(PartitionKeys { from_query, from_lambda }) => {
                let output = Output::Partition { from_query, from_lambda };
                self.add(output, StagedRecord { arrival, data, failure: None });
            }
            Err(error) => {
                let failure = Some(Failure::of_processor(&error, now));
                self.add(Output::Failed(error.output), StagedRecord { arrival, data, failure });
            }
        }
    }

    fn fail(&mut self, arrival: UnixMillis, data: Bytes, failure: Failure) {
        let record = StagedRecord { arrival, data, failure: Some(failure) };
        self.bytes += record.bytes();
        self.add(Output::Failed(ErrorOutput::Processing), record);
    }

    fn add(&mut self, output: Output, record: StagedRecord) {
        self.outputs.entry(output).or_default().push(record);
    }
}
