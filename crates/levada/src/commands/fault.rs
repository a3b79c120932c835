//! `levada fault`: what goes wrong, on purpose.

use std::time::Duration;

use api::operator::{
    AddFault, FaultSpec, FaultStanding, ListFaults, ListedFaults, Nothing, RemoveFaults,
    RemoveFaultsInput, SERVICE,
};

use super::clock::span;
use super::{connect, failed};
use crate::cli::{FaultAdd, FaultCommand, FaultList, FaultRemove};
use crate::client::ClientError;
use crate::exit::Failure;

pub(crate) async fn run(command: FaultCommand) -> Result<(), Failure> {
    match command {
        FaultCommand::Add(options) => add(*options).await,
        FaultCommand::List(options) => list(&options).await,
        FaultCommand::Remove(options) => remove(&options).await,
    }
}

async fn add(options: FaultAdd) -> Result<(), Failure> {
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let client = connect(&options.target)?;
    let spec = FaultSpec {
        operation: options.operation,
        stream: options.stream,
        shard_id: options.shard,
        per_record: options.per_record,
        rate: Some(options.rate),
        error: options.error,
        message: options.message,
        latency_millis: options.latency.map(millis),
        abort: options.abort,
        after: options.after,
        reshard: options.reshard,
        times: options.times,
        for_millis: options.lasts.map(millis),
        seed: options.seed,
    };
    let added = client.call_of::<AddFault>(&SERVICE, &spec).await.map_err(refused)?;
    if options.json {
        return print_json(&added);
    }
    println!("{}", added.id);
    eprintln!("{}, in {}, seed {}", sentence(&spec), options.target.region, added.seed);
    Ok(())
}

async fn list(options: &FaultList) -> Result<(), Failure> {
    let client = connect(&options.target)?;
    let listed = client.call_of::<ListFaults>(&SERVICE, &Nothing {}).await.map_err(refused)?;
    if options.json {
        return print_json(&listed);
    }
    let ListedFaults { faults } = listed;
    println!("{:>4} {:>8} {:>8} {:<10} {:<14} WHAT", "ID", "MATCHED", "STRUCK", "LEFT", "REGION");
    for FaultStanding { id, region, fault, matched, struck, left_millis } in &faults {
        let left = match left_millis {
            None => "-".to_owned(),
            Some(0) => "spent".to_owned(),
            Some(millis) => span(millis.next_multiple_of(1000)),
        };
        let what = sentence(fault);
        println!("{id:>4} {matched:>8} {struck:>8} {left:<10} {region:<14} {what}");
    }
    Ok(())
}

async fn remove(options: &FaultRemove) -> Result<(), Failure> {
    let client = connect(&options.target)?;
    let input = RemoveFaultsInput { id: options.id };
    let removed = client.call_of::<RemoveFaults>(&SERVICE, &input).await.map_err(refused)?;
    eprintln!("{} removed", removed.removed);
    Ok(())
}

/// `PutRecords of orders: 10 % fail with InternalFailure`.
fn sentence(spec: &FaultSpec) -> String {
    let whose = spec.operation.as_deref().unwrap_or("every operation");
    let stream = spec.stream.as_ref().map(|stream| format!(" of {stream}")).unwrap_or_default();
    let shard = spec.shard_id.as_ref().map(|shard| format!("/{shard}")).unwrap_or_default();
    let rate = spec.rate.unwrap_or(1.0);
    let share = match (rate, spec.per_record) {
        (1.0, false) => "all".to_owned(),
        (1.0, true) => "all records".to_owned(),
        (rate, false) => format!("{} %", rate * 100.0),
        (rate, true) => format!("{} % of the records", rate * 100.0),
    };
    let served = if spec.after { "are served, then " } else { "" };
    let what = [
        spec.latency_millis.map(|millis| format!("wait {}", span(millis))),
        spec.reshard.as_ref().map(|how| format!("meet a reshard ({how})")),
        spec.error.as_ref().map(|code| format!("{served}fail with {code}")),
        spec.abort.then(|| format!("{served}get no answer")),
    ];
    let what = what.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let times = spec.times.map(|times| format!(", at most {times} times")).unwrap_or_default();
    format!("{whose}{stream}{shard}: {share} {what}{times}")
}

fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let json = serde_json::to_string(value);
    println!("{}", json.map_err(|error| Failure::new(error.to_string()))?);
    Ok(())
}

fn refused(error: ClientError) -> Failure {
    match &error {
        ClientError::Fault(fault) => {
            let words = fault.message.as_deref().unwrap_or_default();
            match &*fault.code {
                "NotInDevelopmentException" => Failure::new("this server takes no injected faults")
                    .help("start one with `levada serve --dev` or `levada serve --faults`"),
                "ValidationException" => Failure::usage(words),
                "ResourceNotFoundException" | "LimitExceededException" => {
                    Failure::new(words).help("see `levada fault list`")
                }
                _ => failed(error),
            }
        }
        _ => failed(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences() {
        let text = |text: &str| Some(text.to_owned());
        let spec = FaultSpec {
            operation: text("PutRecords"),
            stream: text("orders"),
            rate: Some(0.1),
            error: text("InternalFailure"),
            ..FaultSpec::default()
        };
        assert_eq!(sentence(&spec), "PutRecords of orders: 10 % fail with InternalFailure");
        let spec = FaultSpec {
            shard_id: text("shardId-000000000001"),
            stream: text("orders"),
            latency_millis: Some(1500),
            abort: true,
            after: true,
            times: Some(3),
            ..FaultSpec::default()
        };
        assert_eq!(
            sentence(&spec),
            "every operation of orders/shardId-000000000001: all wait 1s 500ms, are served, then \
             get no answer, at most 3 times"
        );
    }
}
