//! What ran, how it went and how long it took.

use std::time::{Duration, Instant};

use crate::Failure;

/// Tests by verdict.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) skipped: usize,
}

impl Counts {
    pub(super) fn one(holds: bool) -> Counts {
        Counts { passed: usize::from(holds), failed: usize::from(!holds), skipped: 0 }
    }

    pub(super) fn add(&mut self, other: Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// One line of the table.
struct Row {
    name: &'static str,
    counts: Counts,
    note: String,
    took: Duration,
}

/// The table at the end.
#[derive(Default)]
pub(super) struct Report {
    rows: Vec<Row>,
}

/// When a step began.
pub(super) fn start() -> Instant {
    Instant::now()
}

impl Report {
    /// Takes a step's outcome down and says it.
    pub(super) fn add(&mut self, name: &'static str, counts: Counts, note: String, began: Instant) {
        let took = began.elapsed();
        let verdict = match counts {
            Counts { failed: 1.., .. } => "FAILED",
            Counts { passed: 0, skipped: 1.., .. } => "skipped",
            _ => "ok",
        };
        println!("== {name}: {verdict} in {:.1} s {note}\n", took.as_secs_f64());
        self.rows.push(Row { name, counts, note, took });
    }

    /// Whether a step ran and nothing in it failed.
    pub(super) fn holds(&self, name: &str) -> bool {
        let ran = self.rows.iter().find(|row| row.name == name);
        ran.is_some_and(|row| row.counts.failed == 0 && row.counts.passed > 0)
    }

    /// The table, and the closing line; an error if anything failed.
    pub(super) fn print(&self) -> Result<(), Failure> {
        println!(
            "{:<12} {:>7} {:>7} {:>8} {:>8}",
            "suite", "passed", "failed", "skipped", "seconds"
        );
        let mut total = Counts::default();
        let mut seconds = 0.0;
        for Row { name, counts, note, took } in &self.rows {
            println!(
                "{name:<12} {:>7} {:>7} {:>8} {:>8.1}  {note}",
                counts.passed,
                counts.failed,
                counts.skipped,
                took.as_secs_f64()
            );
            total.add(*counts);
            seconds += took.as_secs_f64();
        }
        println!("\n{} suites in {seconds:.0} s", self.rows.len());
        println!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped);
        match total.failed {
            0 => Ok(()),
            count => Err(format!("{count} failed").into()),
        }
    }
}
