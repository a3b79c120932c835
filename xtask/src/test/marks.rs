//! What the suites proved, held against `models/coverage.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Deserialize;

use super::report::Counts;
use super::{Outcome, Setting, suites};
use crate::Failure;

/// Set to write the marks instead of comparing them.
const REWRITE: &str = "LEVADA_WRITE_MARKS";

/// Suites by operation, such as `kinesis.PutRecord`.
type Proven = BTreeMap<String, BTreeSet<String>>;

/// By service.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct Coverage(BTreeMap<String, Marks>);

#[derive(Debug, Deserialize)]
struct Marks {
    served: BTreeSet<String>,
    proven: Proven,
}

impl Coverage {
    fn served(&self) -> impl Iterator<Item = String> {
        self.0.iter().flat_map(|(service, marks)| {
            marks.served.iter().map(move |operation| format!("{service}.{operation}"))
        })
    }

    fn proven(&self) -> Proven {
        let all = self.0.iter().flat_map(|(service, marks)| {
            let proven = marks.proven.iter();
            proven
                .map(move |(operation, suites)| (format!("{service}.{operation}"), suites.clone()))
        });
        all.collect()
    }
}

/// Where a suite writes the operations it called in tests that passed.
pub(super) fn file(setting: &Setting, suite: &str) -> PathBuf {
    setting.cache.join("marks").join(suite)
}

/// Takes the last run's marks away.
pub(super) fn forget(setting: &Setting) -> Result<(), Failure> {
    let folder = setting.cache.join("marks");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(std::fs::create_dir_all(&folder)?)
}

/// Compares what this run proved with what is claimed, for the suites that ran.
pub(super) fn compare(setting: &Setting) -> Result<Outcome, Failure> {
    let path = setting.root.join("models/coverage.toml");
    let text = std::fs::read_to_string(&path)?;
    let coverage = toml::from_str::<Coverage>(&text)?;
    let claimed = coverage.proven();
    let mut proven = claimed.clone();
    let mut missing = 0;
    for suite in suites::SUITES {
        let Ok(marks) = std::fs::read_to_string(file(setting, suite.name)) else {
            missing += 1;
            continue;
        };
        replace(&mut proven, suite.name, &marks);
    }
    if std::env::var_os(REWRITE).is_some() {
        std::fs::write(&path, rewritten(&text, &proven))?;
        crate::codegen::run(&[])?;
        return Ok(Outcome::one(true).with_note("rewritten"));
    }
    let mut wrong = differences(&claimed, &proven);
    if missing == 0 {
        let unproven = coverage.served().filter(|name| !proven.contains_key(name));
        wrong.extend(unproven.map(|name| format!("{name} is served, but no suite calls it")));
    }
    for line in &wrong {
        println!("models/coverage.toml: {line}; {REWRITE}=1 writes what is so");
    }
    let counts = match wrong.len() {
        0 => Counts::one(true),
        failed => Counts { failed, ..Counts::default() },
    };
    let note = match missing {
        0 => String::new(),
        missing => format!("{missing} suites did not run"),
    };
    Ok(Outcome { counts, note })
}

/// The suite's marks are exactly these operations.
fn replace(proven: &mut Proven, suite: &str, marks: &str) {
    for suites in proven.values_mut() {
        suites.remove(suite);
    }
    for operation in marks.lines().filter(|line| !line.is_empty()) {
        proven.entry(operation.to_string()).or_default().insert(suite.to_string());
    }
    proven.retain(|_, suites| !suites.is_empty());
}

fn differences(claimed: &Proven, proven: &Proven) -> Vec<String> {
    let pairs = |marks: &Proven| -> BTreeSet<(String, String)> {
        let pairs = marks.iter().flat_map(|(operation, suites)| {
            suites.iter().map(|suite| (operation.clone(), suite.clone()))
        });
        pairs.collect()
    };
    let (claimed, proven) = (pairs(claimed), pairs(proven));
    let lost = claimed.difference(&proven).map(|(operation, suite)| {
        format!("{operation} is marked as proven by {suite}, but was not")
    });
    let new = proven
        .difference(&claimed)
        .map(|(operation, suite)| format!("{operation} was proven by {suite}, but is not marked"));
    lost.chain(new).collect()
}

/// The file with its tables of proofs replaced; everything else stays as people wrote it.
fn rewritten(text: &str, proven: &Proven) -> String {
    let services: BTreeSet<&str> =
        proven.keys().filter_map(|name| Some(name.split_once('.')?.0)).collect();
    services.iter().fold(text.to_owned(), |text, service| {
        let heading = format!("[{service}.proven]");
        let (before, after) = text.split_once(&heading).unwrap_or((&text, ""));
        let rest = after.find("\n[").map_or("", |at| &after[at..]);
        let mut table = String::new();
        for (name, suites) in proven {
            let Some(operation) = name.strip_prefix(&format!("{service}.")) else { continue };
            let names: Vec<String> = suites.iter().map(|suite| format!("\"{suite}\"")).collect();
            table += &format!("{operation} = [{}]\n", names.join(", "));
        }
        format!("{before}{heading}\n{table}{rest}")
    })
}

#[cfg(test)]
mod tests {
    use super::{Proven, differences, replace, rewritten};

    #[test]
    fn marks_are_compared_and_rewritten() {
        let mut claimed = Proven::new();
        replace(&mut claimed, "boto3", "k.A\nk.B\n");
        let mut proven = claimed.clone();
        replace(&mut proven, "boto3", "k.B\nk.C\nf.C\n");
        replace(&mut proven, "cbor", "k.B\n");
        assert_eq!(differences(&claimed, &proven).len(), 4);
        let text =
            "# why\n[k]\nserved = []\n\n[k.proven]\nA = [\"boto3\"]\n\n[f.proven]\n\n[other]\n";
        assert_eq!(
            rewritten(text, &proven),
            "# why\n[k]\nserved = []\n\n[k.proven]\nB = [\"boto3\", \"cbor\"]\nC = [\"boto3\"]\n\n[f.proven]\nC = [\"boto3\"]\n\n[other]\n"
        );
    }
}
