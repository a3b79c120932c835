//! Injected faults: added, listed, removed.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use streams::shard::{parse_shard_id, shard_id};
use wire::{Call, Fault, Operation, Serve};

use super::{Nothing, Operator, check_root, operation};
use crate::injection::{Ending, RULES_MAX, Reshard, Rule, Standing};
use crate::kinesis::InjectedFaults;
use crate::kinesis::faults::{fails_records, injectable_codes};

/// The longest words that a fault may be given (our choice).
const MESSAGE_CHARS_MAX: usize = 1024;
/// The longest error code (our choice).
const CODE_CHARS_MAX: usize = 64;

operation! {
    /// `AddFault`: makes calls fail, wait, break off, or meet a reshard.
    AddFault(FaultSpec) -> AddedFault, Mutate
}

operation! {
    /// `ListFaults`: the faults of the caller's account.
    ListFaults(Nothing) -> ListedFaults, Read
}

operation! {
    /// `RemoveFaults`: one of them, or all.
    RemoveFaults(RemoveFaultsInput) -> RemovedFaults, Mutate
}

/// What goes wrong, and when. [`crate::injection::Rule`] says what each member means.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct FaultSpec {
    /// The only operation it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The only stream it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// The only shard it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard_id: Option<String>,
    /// Whether every record of a PutRecords meets its own fate.
    #[serde(default)]
    pub per_record: bool,
    /// How often it strikes, 0 to 1; 1 if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// The error's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The error's words, if not AWS's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How long the call waits first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_millis: Option<u64>,
    /// Whether the connection breaks instead of an answer.
    #[serde(default)]
    pub abort: bool,
    /// Whether the call is served before the error or the break.
    #[serde(default)]
    pub after: bool,
    /// `split`, `merge`, or a shard count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reshard: Option<String>,
    /// How often it strikes at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// How long it is in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub for_millis: Option<u64>,
    /// What its dice start from; chosen if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// A fault that was added.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AddedFault {
    /// Its number.
    pub id: u64,
    /// What its dice started from: to see the same series again.
    pub seed: u64,
}

/// The faults there are.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListedFaults {
    /// The oldest first.
    pub faults: Vec<FaultStanding>,
}

/// A fault and what became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct FaultStanding {
    /// Its number.
    pub id: u64,
    /// The region whose calls it is about.
    pub region: String,
    /// As it was added.
    pub fault: FaultSpec,
    /// How many calls or records it was about.
    pub matched: u64,
    /// How often it struck.
    pub struck: u64,
    /// How long it stays in force; zero if it is spent, nothing if it lasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_millis: Option<u64>,
}

/// Which faults to remove.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct RemoveFaultsInput {
    /// One of them; all if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
}

/// What was removed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RemovedFaults {
    /// How many they were.
    pub removed: u64,
}

impl Serve<AddFault> for Operator {
    async fn serve(&self, call: &Call, input: FaultSpec) -> Result<AddedFault, Fault> {
        check_root(call, AddFault::INFO.action)?;
        let faults = self.faults()?;
        self.check_operation(input.operation.as_deref())?;
        let seed = input.seed.unwrap_or_else(|| self.entropy.below(1 << 32));
        let rule = read(FaultSpec { seed: Some(seed), ..input })?;
        rule.check()?;
        let id = faults.rules.add(&call.account, &call.region, rule).ok_or_else(|| {
            Fault::client(
                "LimitExceededException",
                format!("There are {RULES_MAX} faults in force already: remove one first."),
            )
        })?;
        Ok(AddedFault { id, seed })
    }
}

impl Serve<ListFaults> for Operator {
    async fn serve(&self, call: &Call, _input: Nothing) -> Result<ListedFaults, Fault> {
        let standing = self.faults()?.rules.list(&call.account);
        Ok(ListedFaults { faults: standing.into_iter().map(show).collect() })
    }
}

impl Serve<RemoveFaults> for Operator {
    async fn serve(&self, call: &Call, input: RemoveFaultsInput) -> Result<RemovedFaults, Fault> {
        check_root(call, RemoveFaults::INFO.action)?;
        let removed = self.faults()?.rules.remove(&call.account, input.id);
        match (input.id, removed) {
            (Some(id), 0) => {
                Err(Fault::client("ResourceNotFoundException", format!("There is no fault {id}.")))
            }
            _ => Ok(RemovedFaults { removed: removed as u64 }),
        }
    }
}

impl Operator {
    fn faults(&self) -> Result<&InjectedFaults, Fault> {
        self.injected.as_deref().ok_or_else(|| {
            Fault::client(
                "NotInDevelopmentException",
                "Faults are injected only in development mode, or where the server was told so.",
            )
        })
    }

    fn check_operation(&self, name: Option<&str>) -> Result<(), Fault> {
        match name {
            Some(name) if !self.operations.contains(&name) => {
                Err(Fault::validation(format!("There is no operation {name}.")))
            }
            _ => Ok(()),
        }
    }
}

/// The rule that an input means.
fn read(spec: FaultSpec) -> Result<Rule, Fault> {
    let shard = spec.shard_id.as_deref().map(|id| {
        parse_shard_id(id).ok_or_else(|| Fault::validation(format!("{id} is no shard's id.")))
    });
    let reshard = spec.reshard.as_deref().map(read_reshard).transpose()?;
    let shard = shard.transpose()?;
    let is_partial =
        spec.per_record || (shard.is_some() && spec.operation.as_deref() == Some("PutRecords"));
    if let (true, Some(code)) = (is_partial, &spec.error)
        && !fails_records(code)
    {
        return Err(Fault::validation(format!(
            "A record does not fail with {code}, only with ProvisionedThroughputExceededException or \
             InternalFailure."
        )));
    }
    let ending = match (spec.error, spec.abort) {
        (Some(_), true) => {
            return Err(Fault::validation("A broken connection carries no error."));
        }
        (None, true) => Some(Ending::Silence),
        (Some(code), false) => Some(read_error(code, spec.message)?),
        (None, false) => None,
    };
    Ok(Rule {
        operation: spec.operation,
        stream: spec.stream,
        shard,
        per_record: spec.per_record,
        rate: spec.rate.unwrap_or(1.0),
        latency: spec.latency_millis.map(Duration::from_millis),
        reshard,
        ending,
        after: spec.after,
        times: spec.times,
        lasts: spec.for_millis.map(Duration::from_millis),
        seed: spec.seed.unwrap_or_default(),
    })
}

fn read_reshard(text: &str) -> Result<Reshard, Fault> {
    match (text, text.parse()) {
        ("split", _) => Ok(Reshard::Split),
        ("merge", _) => Ok(Reshard::Merge),
        (_, Ok(target @ 1..)) => Ok(Reshard::Scale(target)),
        _ => Err(Fault::validation("A reshard is split, merge, or a number of shards.")),
    }
}

fn read_error(code: String, message: Option<String>) -> Result<Ending, Fault> {
    let is_code = !code.is_empty()
        && code.len() <= CODE_CHARS_MAX
        && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_code {
        return Err(Fault::validation("An error's code is letters and digits."));
    }
    if message.as_ref().is_some_and(|message| message.chars().count() > MESSAGE_CHARS_MAX) {
        return Err(Fault::validation(format!(
            "An error's words are at most {MESSAGE_CHARS_MAX} characters."
        )));
    }
    if message.is_none() && !injectable_codes().any(|known| known == code) {
        let known: Vec<_> = injectable_codes().collect();
        return Err(Fault::validation(format!(
            "The error {code} needs words of its own. Without any there are: {}.",
            known.join(", ")
        )));
    }
    Ok(Ending::Fault { code, message })
}

fn show(standing: Standing) -> FaultStanding {
    let Standing { id, region, rule, matched, struck, left, .. } = standing;
    let millis = |duration: Duration| duration.as_millis() as u64;
    let (error, message, abort) = match rule.ending {
        Some(Ending::Fault { code, message }) => (Some(code), message, false),
        Some(Ending::Silence) => (None, None, true),
        None => (None, None, false),
    };
    let fault = FaultSpec {
        operation: rule.operation,
        stream: rule.stream,
        shard_id: rule.shard.map(shard_id),
        per_record: rule.per_record,
        rate: Some(rule.rate),
        error,
        message,
        latency_millis: rule.latency.map(millis),
        abort,
        after: rule.after,
        reshard: rule.reshard.map(|reshard| match reshard {
            Reshard::Split => "split".to_owned(),
            Reshard::Merge => "merge".to_owned(),
            Reshard::Scale(target) => target.to_string(),
        }),
        times: rule.times,
        for_millis: rule.lasts.map(millis),
        seed: Some(rule.seed),
    };
    FaultStanding { id, region, fault, matched, struck, left_millis: left.map(millis) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> FaultSpec {
        FaultSpec {
            operation: Some("PutRecords".to_owned()),
            stream: Some("orders".to_owned()),
            rate: Some(0.1),
            error: Some("ProvisionedThroughputExceededException".to_owned()),
            seed: Some(7),
            ..FaultSpec::default()
        }
    }

    #[test]
    fn a_fault_is_shown_as_it_was_added() {
        let specs = [
            spec(),
            FaultSpec { shard_id: Some("shardId-000000000003".to_owned()), ..spec() },
            FaultSpec { per_record: true, times: Some(3), for_millis: Some(1000), ..spec() },
            FaultSpec { error: None, abort: true, after: true, ..spec() },
            FaultSpec { error: None, reshard: Some("8".to_owned()), ..spec() },
            FaultSpec { error: None, latency_millis: Some(200), ..spec() },
        ];
        for spec in specs {
            let rule = read(spec.clone()).unwrap_or_else(|fault| panic!("{spec:?}: {fault:?}"));
            assert_eq!(rule.check(), Ok(()));
            let (account, region) = (String::new(), String::new());
            let standing =
                Standing { id: 1, account, region, rule, matched: 0, struck: 0, left: None };
            assert_eq!(show(standing).fault, spec);
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let text = |text: &str| Some(text.to_owned());
        let wrong = [
            FaultSpec { abort: true, ..spec() },
            FaultSpec { shard_id: text("nonsense"), ..spec() },
            FaultSpec { reshard: text("0"), ..spec() },
            FaultSpec { reshard: text("double"), ..spec() },
            FaultSpec { error: text("Bad\r\nCode"), ..spec() },
            FaultSpec { error: text("NobodyKnowsException"), ..spec() },
            FaultSpec { per_record: true, error: text("LimitExceededException"), ..spec() },
            FaultSpec { message: Some("x".repeat(MESSAGE_CHARS_MAX + 1)), ..spec() },
        ];
        for spec in wrong {
            assert!(read(spec.clone()).is_err(), "{spec:?}");
        }
        let own = FaultSpec { error: text("OwnException"), message: text("words"), ..spec() };
        assert!(read(own).is_ok());
    }
}
