//! What injected faults do to Data Streams: the rules' consequences, in AWS's words.

use std::fmt;
use std::sync::Arc;

use ::streams::{HashKey, NewRecord, Stream, StreamName, Streams};
use model::kinesis::shapes;
use stdx::Clock;
use wire::{Befalling, Call, Fate, Fault, Injector, Instead, OperationInfo, Resource};

use super::Kinesis;
use super::faults::{injected_fault, record_failure, to_fault};
use crate::injection::{Depth, Ending, Injection, Point, Reshard, Strike};
use crate::world_of;

/// Injected faults and what they act upon.
pub struct InjectedFaults {
    /// The rules.
    pub rules: Injection,
    streams: Streams,
    clock: Clock,
}

impl fmt::Debug for InjectedFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rules.fmt(f)
    }
}

impl InjectedFaults {
    /// No rules yet.
    pub fn new(streams: Streams, clock: Clock) -> Self {
        InjectedFaults { rules: Injection::new(clock.clone()), streams, clock }
    }
}

impl Injector for InjectedFaults {
    fn inject(
        &self,
        call: &Arc<Call>,
        operation: &'static OperationInfo,
        resource: &Resource,
    ) -> Option<Befalling> {
        // An operator must always be able to take a rule back.
        if !self.rules.has_rules() || operation.action.starts_with("levada:") {
            return None;
        }
        let stream = stream_of(resource).map(str::to_owned);
        let point = point_of(call, operation.name, stream.as_deref());
        let strike = self.rules.decide(point, Depth::Call);
        if strike.is_nothing() {
            return None;
        }
        let (streams, clock, call) = (self.streams.clone(), self.clock.clone(), Arc::clone(call));
        Some(Box::pin(async move {
            let named = stream.map(|name| world_of(&call).stream(name));
            befall(&streams, &clock, named.as_ref(), &strike).await;
            let Some((ending, after)) = strike.ending else { return Fate::Answered };
            let instead = match ending {
                Ending::Silence => Instead::Silence,
                Ending::Fault { code, message } => {
                    let shard = named.as_ref().and_then(|name| first_open_shard(&streams, name));
                    Instead::Fault(fault_of(&call, named.as_ref(), shard, &code, message))
                }
            };
            if after { Fate::Served(instead) } else { Fate::Refused(instead) }
        }))
    }
}

fn point_of<'a>(call: &'a Call, operation: &'a str, stream: Option<&'a str>) -> Point<'a> {
    Point { account: &call.account, region: &call.region, operation, stream }
}

/// The stream in `stream/orders`, `…:stream/orders/consumer/c:1` and the like.
fn stream_of(resource: &Resource) -> Option<&str> {
    let path = match resource {
        Resource::Any => return None,
        Resource::Own(path) => path,
        Resource::Arn(arn) => arn.splitn(6, ':').nth(5)?,
    };
    path.strip_prefix("stream/")?.split('/').next()
}

fn first_open_shard(streams: &Streams, name: &StreamName) -> Option<u32> {
    let state = streams.stream(name).ok()?.state();
    state.shards.open().first().map(|shard| shard.index)
}

fn fault_of(
    call: &Call,
    stream: Option<&StreamName>,
    shard: Option<u32>,
    code: &str,
    message: Option<String>,
) -> Fault {
    // A call that names no stream is told of none in particular.
    let unnamed = || world_of(call).stream("-");
    let named = stream.cloned().unwrap_or_else(unnamed);
    injected_fault(code, message, &named, shard.unwrap_or_default())
}

/// The latency, then the changes of the stream.
async fn befall(streams: &Streams, clock: &Clock, stream: Option<&StreamName>, strike: &Strike) {
    if !strike.latency.is_zero() {
        clock.sleep(strike.latency).await;
    }
    for (reshard, shard, choice) in &strike.reshards {
        let Some(name) = stream else { continue };
        let changed = match streams.stream(name) {
            Ok(stream) => change(streams, &stream, *reshard, *shard, *choice).await,
            Err(error) => Err(error),
        };
        if let Err(error) = changed {
            tracing::warn!(stream = %name, %error, "an injected reshard was refused");
        }
    }
}

/// Reshards: of the shard that is named, else of one by choice.
async fn change(
    streams: &Streams,
    stream: &Stream,
    reshard: Reshard,
    shard: Option<u32>,
    choice: u64,
) -> Result<(), ::streams::Error> {
    let state = stream.state();
    let open = state.shards.open();
    let chosen = |count: usize| (choice % count.max(1) as u64) as usize;
    let named = shard.and_then(|index| open.iter().position(|own| own.index == index));
    match reshard {
        Reshard::Scale(target) => streams.scale(stream, target).await.map(drop),
        Reshard::Split => {
            let parent = &open[named.unwrap_or_else(|| chosen(open.len()))];
            let (start, end) = (parent.range.start.0, parent.range.end.0);
            let middle = HashKey(start + (end - start) / 2 + 1);
            streams.split(stream, parent.index, middle).await
        }
        // A single shard has no neighbour: the engine says so.
        Reshard::Merge => {
            let lower = named.unwrap_or_else(|| chosen(open.len().saturating_sub(1)));
            let lower = lower.min(open.len().saturating_sub(2));
            let upper = &open[(lower + 1).min(open.len() - 1)];
            streams.merge(stream, open[lower].index, upper.index).await
        }
    }
}

impl Kinesis {
    /// What rules about a single shard do to a call that concerns one.
    ///
    /// # Errors
    /// The injected fault.
    pub(super) async fn befall_shard(
        &self,
        call: &Call,
        operation: &str,
        stream: &StreamName,
        shard: u32,
    ) -> Result<(), Fault> {
        let Some(faults) = self.injected.as_ref().filter(|faults| faults.rules.has_rules()) else {
            return Ok(());
        };
        let point = point_of(call, operation, Some(&stream.name));
        let strike = faults.rules.decide(point, Depth::Shard(shard));
        befall(&faults.streams, &faults.clock, Some(stream), &strike).await;
        match strike.ending {
            Some((Ending::Fault { code, message }, _)) => {
                Err(injected_fault(&code, message, stream, shard))
            }
            _ => Ok(()),
        }
    }

    /// What rules about shards and records do to the records of a put: which of them fail, by their
    /// places, and how.
    ///
    /// # Errors
    /// An injected fault that fails the whole call, since no single record can.
    pub(super) async fn befall_records(
        &self,
        call: &Call,
        operation: &str,
        stream: &Stream,
        records: &[NewRecord],
    ) -> Result<Vec<(usize, RecordFailure)>, Fault> {
        let Some(faults) = self.injected.as_ref().filter(|faults| faults.rules.has_rules()) else {
            return Ok(Vec::new());
        };
        let name = &stream.name;
        let point = point_of(call, operation, Some(&name.name));
        let shards = self.streams.shards_for(stream, records).map_err(to_fault)?;
        let mut distinct = shards.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let mut struck: Vec<_> = vec![None; records.len()];
        for shard in distinct {
            let strike = faults.rules.decide(point, Depth::Shard(shard));
            befall(&faults.streams, &faults.clock, Some(name), &strike).await;
            let own = shards.iter().zip(&mut struck).filter(|(of, _)| **of == shard);
            own.for_each(|(_, ending)| *ending = strike.ending.clone());
        }
        for (&shard, ending) in shards.iter().zip(&mut struck) {
            let strike = faults.rules.decide(point, Depth::Record(shard));
            befall(&faults.streams, &faults.clock, Some(name), &strike).await;
            *ending = ending.take().or(strike.ending);
        }
        let mut failures = Vec::new();
        for (place, (ending, shard)) in struck.into_iter().zip(shards).enumerate() {
            let Some((Ending::Fault { code, message }, _)) = ending else { continue };
            match record_failure(&code, message.clone(), name, shard) {
                Some(failure) => failures.push((place, failure)),
                None => return Err(injected_fault(&code, message, name, shard)),
            }
        }
        Ok(failures)
    }
}

/// Why a record of a PutRecords failed, as AWS says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RecordFailure {
    pub(super) code: String,
    pub(super) message: String,
}

impl RecordFailure {
    /// Whether it is a throttle, not a failure of the service.
    pub(super) fn is_throttle(&self) -> bool {
        self.code == "ProvisionedThroughputExceededException"
    }
}

impl From<RecordFailure> for Fault {
    /// The failure of the only record of a call.
    fn from(failure: RecordFailure) -> Self {
        let RecordFailure { code, message } = failure;
        let status = if code == "InternalFailure" { 500 } else { 400 };
        Fault { code: code.into(), status, ..Fault::client("", message) }
    }
}

/// The records that did not fail; `failures` are in order.
pub(super) fn without_failed(
    records: Vec<NewRecord>,
    failures: &[(usize, RecordFailure)],
) -> Vec<NewRecord> {
    let mut failed = failures.iter().map(|(place, _)| *place).peekable();
    let kept =
        records.into_iter().enumerate().filter(|(place, _)| failed.next_if_eq(place).is_none());
    kept.map(|(_, record)| record).collect()
}

/// Puts the failed records' results where they belong among the others'.
pub(super) fn with_failed(
    results: &mut Vec<shapes::PutRecordsResultEntry>,
    failures: Vec<(usize, RecordFailure)>,
) {
    for (place, RecordFailure { code, message }) in failures {
        let entry = shapes::PutRecordsResultEntry {
            error_code: Some(code),
            error_message: Some(message),
            ..shapes::PutRecordsResultEntry::default()
        };
        results.insert(place, entry);
    }
}

#[cfg(test)]
mod tests {
    use ::streams::World;

    use super::*;

    #[test]
    fn the_stream_of_a_resource() {
        let arn = |text: &str| Resource::Arn(text.to_owned());
        let stream = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders";
        assert_eq!(stream_of(&Resource::Any), None);
        assert_eq!(stream_of(&Resource::Own("stream/orders".to_owned())), Some("orders"));
        assert_eq!(stream_of(&arn(stream)), Some("orders"));
        assert_eq!(stream_of(&arn(&format!("{stream}/consumer/c:1"))), Some("orders"));
        assert_eq!(stream_of(&arn("arn:aws:s3:::bucket")), None);
    }

    #[test]
    fn failed_records_leave_and_their_results_come_back_in_place() {
        let record = |data: &'static [u8]| NewRecord {
            data: data.into(),
            partition_key: Some("k".to_owned()),
            explicit_hash_key: None,
        };
        let world = World { account: "123456789012".into(), region: "eu-west-1".into() };
        let failure = record_failure("InternalFailure", None, &world.stream("orders"), 0);
        let failure = failure.expect("a record can fail so");
        assert_eq!(failure.message, "Internal Service Failure");
        let failures = vec![(0, failure.clone()), (2, failure.clone()), (4, failure)];
        let records = [&b"a"[..], b"b", b"c", b"d", b"e"].map(record).to_vec();
        let kept = without_failed(records, &failures);
        assert_eq!(kept.iter().map(|record| &record.data[..]).collect::<Vec<_>>(), [b"b", b"d"]);
        let entry = |number: &str| shapes::PutRecordsResultEntry {
            sequence_number: Some(number.to_owned()),
            ..shapes::PutRecordsResultEntry::default()
        };
        let mut results = vec![entry("1"), entry("2")];
        with_failed(&mut results, failures);
        let numbers: Vec<_> =
            results.iter().map(|entry| entry.sequence_number.as_deref()).collect();
        assert_eq!(numbers, [None, Some("1"), None, Some("2"), None]);
    }
}
