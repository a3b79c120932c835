//! The one command that proves the project: `cargo xtask test [--long] [STEP [PATTERN]]`.

mod cargo;
mod clients;
mod fuzz;
mod marks;
mod programs;
mod report;
mod suites;

use std::path::{Path, PathBuf};

use crate::Failure;
use report::{Counts, Report};

/// What a step came to: its counts, and a reason if it skipped something.
struct Outcome {
    counts: Counts,
    note: String,
}

impl Outcome {
    /// A step that is one check.
    fn one(holds: bool) -> Outcome {
        Outcome { counts: Counts::one(holds), note: String::new() }
    }

    fn skipped(reason: impl Into<String>) -> Outcome {
        Outcome { counts: Counts { skipped: 1, ..Counts::default() }, note: reason.into() }
    }

    fn with_note(self, note: impl Into<String>) -> Outcome {
        Outcome { note: note.into(), ..self }
    }
}

/// What a step does.
type Run = Box<dyn Fn(&Setting) -> Result<Outcome, Failure>>;

/// A step of the run.
struct Step {
    name: &'static str,
    /// Steps that must have held before.
    needs: &'static [&'static str],
    run: Run,
}

impl Step {
    fn new(
        name: &'static str,
        needs: &'static [&'static str],
        run: impl Fn(&Setting) -> Result<Outcome, Failure> + 'static,
    ) -> Step {
        Step { name, needs, run: Box::new(run) }
    }
}

/// What every step may ask.
struct Setting {
    root: PathBuf,
    /// Cargo's target folder.
    target: PathBuf,
    /// Where clients are installed and marks written: a folder that may be deleted at any time.
    cache: PathBuf,
    /// Whether the slow things run too.
    long: bool,
    /// The only step that was asked for.
    only: Option<String>,
    /// Handed to the step's own test runner.
    pattern: Option<String>,
}

/// Every step, in order: what fails soonest comes first.
fn steps() -> Vec<Step> {
    let mut steps = vec![
        Step::new("tidy", &[], |_| {
            let verdict = crate::tidy::run(&[]);
            let note = verdict.as_ref().err().map(|failure| failure.to_string());
            Ok(Outcome::one(verdict.is_ok()).with_note(note.unwrap_or_default()))
        }),
        Step::new("format", &[], cargo::format),
        Step::new("clippy", &[], cargo::clippy),
        Step::new("deny", &[], cargo::deny),
        Step::new("unit", &[], cargo::test),
        Step::new("build", &[], cargo::build),
        Step::new("fuzz", &[], fuzz::run),
        Step::new("python", &[], clients::install_python),
        Step::new("node", &[], clients::install_node),
        Step::new("go", &[], clients::build_go),
        Step::new("rust", &[], clients::build_rust),
        Step::new("java", &[], clients::build_java),
    ];
    for suite in suites::SUITES {
        steps.push(Step::new(suite.name, suite.needs, |setting| suites::run(setting, suite)));
    }
    steps.push(Step::new("marks", &[], marks::compare));
    steps
}

/// `test`, `test --long`, `test STEP`, `test STEP PATTERN`.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let (flags, words): (Vec<&String>, Vec<&String>) =
        arguments.iter().partition(|argument| argument.starts_with("--"));
    let steps = steps();
    let names: Vec<&str> = steps.iter().map(|step| step.name).collect();
    let usage = format!("usage: test [--long] [STEP [PATTERN]]; steps: {}", names.join(" "));
    let known = words.first().is_none_or(|word| names.contains(&word.as_str()));
    if flags.iter().any(|flag| *flag != "--long") || words.len() > 2 || !known {
        return Err(usage.into());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let target = cargo::target_folder(&root)?;
    let setting = Setting {
        cache: target.join("conformance"),
        root,
        target,
        long: !flags.is_empty(),
        only: words.first().map(|word| word.to_string()),
        pattern: words.get(1).map(|word| word.to_string()),
    };
    marks::forget(&setting)?;
    run_steps(&setting, &steps)
}

fn run_steps(setting: &Setting, steps: &[Step]) -> Result<(), Failure> {
    let mut report = Report::default();
    for step in steps.iter().filter(|step| is_wanted(setting, steps, step.name)) {
        println!("== {}", step.name);
        let timer = report::start();
        let outcome = match step.needs.iter().find(|name| !report.holds(name)) {
            Some(name) => Outcome::skipped(format!("needs `{name}`")),
            // A step that cannot even run has failed; the others still have something to say.
            None => (step.run)(setting)
                .unwrap_or_else(|failure| Outcome::one(false).with_note(failure.to_string())),
        };
        report.add(step.name, outcome.counts, outcome.note, timer);
    }
    report.print()
}

/// Everything; or the step asked for and, through `needs`, what it stands on.
fn is_wanted(setting: &Setting, steps: &[Step], name: &str) -> bool {
    let Some(only) = &setting.only else { return true };
    let needed = |step: &&Step| step.name == only && step.needs.contains(&name);
    only == name || steps.iter().any(|step| needed(&step))
}
