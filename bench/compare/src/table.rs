//! The figures as Markdown.

use std::fmt::Write as _;

use load::report::Report;

use crate::disk::DiskReport;
use crate::folder::FolderReport;
use crate::rounds::Round;

/// The chunk of one request of the push phase: ten records of 1 KiB.
pub(crate) const PUSH_CHUNK_BYTES: usize = 16 * 1024;
/// From a put to its push may take two syncs and this much, in 99 of 100 cases.
const PUSH_ALLOWANCE_MS: f64 = 2.0;

/// Writes everything that was measured.
pub(crate) fn write_tables(
    disks: &[DiskReport],
    rounds: &[Round],
    folder: Option<&FolderReport>,
) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_all(&mut text, disks, rounds, folder);
    text
}

fn write_all(
    text: &mut String,
    disks: &[DiskReport],
    rounds: &[Round],
    folder: Option<&FolderReport>,
) -> std::fmt::Result {
    writeln!(text, "| disk: write + fdatasync | MB/s | p50 ms | p99 ms |\n|---|---|---|---|")?;
    for disk in disks {
        let rate = disk.bytes_per_second / 1e6;
        writeln!(
            text,
            "| {} KiB | {rate:.0} | {:.2} | {:.2} |",
            disk.bytes_each / 1024,
            disk.p50_ms,
            disk.p99_ms
        )?;
    }
    writeln!(
        text,
        "\n| phase | program | records/s | records per server CPU-s | CPU per record / floor | p50 ms | p99 ms |"
    )?;
    writeln!(text, "|---|---|---|---|---|---|---|")?;
    let names = list_names(rounds);
    for phase in list_phases(rounds) {
        let floor = find_median(rounds, "floor", phase, |report| report.records_per_cpu_second);
        for name in &names {
            let median = |pick: fn(&Report) -> f64| find_median(rounds, name, phase, pick);
            let Some(efficiency) = median(|report| report.records_per_cpu_second) else { continue };
            let ratio =
                floor.map_or("–".to_owned(), |floor| format!("{:.2}", floor / efficiency));
            writeln!(
                text,
                "| {phase} | {name} | {:.0} | {efficiency:.0} | {ratio} | {:.2} | {:.2} |",
                median(|report| report.records_per_second).unwrap_or_default(),
                median(|report| report.p50_ms).unwrap_or_default(),
                median(|report| report.p99_ms).unwrap_or_default(),
            )?;
        }
    }
    write_push_goal(text, disks, rounds)?;
    write_steps(text, rounds)?;
    writeln!(
        text,
        "\n| program | start to ready, empty folder, ms | in its own words, ms | idle memory, MiB | CPU-s, start and 2 s idle |"
    )?;
    writeln!(text, "|---|---|---|---|---|")?;
    for name in &names {
        let median = |pick: fn(&Round) -> f64| {
            find_middle(rounds.iter().filter(|round| round.name == *name).map(pick).collect())
                .unwrap_or_default()
        };
        writeln!(
            text,
            "| {name} | {:.0} | {:.0} | {:.1} | {:.2} |",
            median(|round| round.started_ms),
            median(|round| round.ready_ms),
            median(|round| round.idle_resident_bytes as f64) / (1024.0 * 1024.0),
            median(|round| round.idle_cpu_seconds),
        )?;
    }
    folder.map_or(Ok(()), |folder| write_folder(text, folder))
}

/// What the p99 of put-to-push is measured against, in the same run.
fn write_push_goal(text: &mut String, disks: &[DiskReport], rounds: &[Round]) -> std::fmt::Result {
    let disk = disks.iter().find(|disk| disk.bytes_each == PUSH_CHUNK_BYTES);
    let pushed = find_median(rounds, "levada", "put-to-push", |report| report.p99_ms);
    let (Some(disk), Some(pushed)) = (disk, pushed) else { return Ok(()) };
    let goal = 2.0 * disk.p99_ms + PUSH_ALLOWANCE_MS;
    writeln!(
        text,
        "\nput-to-push: p99 {pushed:.2} ms; that of the disk at {} KiB is {:.2} ms, so the goal is {goal:.2} ms",
        PUSH_CHUNK_BYTES / 1024,
        disk.p99_ms,
    )
}

fn write_folder(text: &mut String, folder: &FolderReport) -> std::fmt::Result {
    writeln!(
        text,
        "\n| filled folder, GB | drain ms | start to ready, ms | after a kill under load, ms | memory after start, MiB |"
    )?;
    writeln!(text, "|---|---|---|---|---|")?;
    writeln!(
        text,
        "| {:.2} | {:.0} | {:.0} | {:.0} | {:.1} |",
        folder.bytes as f64 / 1e9,
        folder.ended_ms,
        folder.started_ms,
        folder.started_after_kill_ms,
        folder.resident_bytes as f64 / (1024.0 * 1024.0),
    )
}

/// The last round's processor time by thread.
fn write_steps(text: &mut String, rounds: &[Round]) -> std::fmt::Result {
    writeln!(text, "\n| phase | program | thread | µs per record, user | system |")?;
    writeln!(text, "|---|---|---|---|---|")?;
    for phase in list_phases(rounds) {
        for name in list_names(rounds) {
            let last = rounds.iter().rev().find(|round| round.name == name);
            let reports = last.into_iter().flat_map(|round| &round.phases);
            for step in reports.filter(|report| report.phase == phase).flat_map(|it| &it.steps) {
                let (user, system) = (step.user_micros, step.system_micros);
                writeln!(text, "| {phase} | {name} | {} | {user:.2} | {system:.2} |", step.thread)?;
            }
        }
    }
    Ok(())
}

fn list_phases(rounds: &[Round]) -> Vec<&'static str> {
    let mut phases = Vec::new();
    for report in rounds.iter().flat_map(|round| &round.phases) {
        if !phases.contains(&report.phase) {
            phases.push(report.phase);
        }
    }
    phases
}

fn list_names(rounds: &[Round]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for round in rounds {
        if !names.contains(&round.name) {
            names.push(round.name);
        }
    }
    names
}

fn find_median(rounds: &[Round], name: &str, phase: &str, pick: fn(&Report) -> f64) -> Option<f64> {
    let reports = rounds.iter().filter(|round| round.name == name).flat_map(|round| &round.phases);
    find_middle(reports.filter(|report| report.phase == phase).map(pick).collect())
}

fn find_middle(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.len().checked_sub(1)? / 2, values.len() / 2);
    Some((values[low] + values[high]) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_two_is_between_them() {
        assert_eq!(find_middle(vec![3.0, 1.0]), Some(2.0));
        assert_eq!(find_middle(vec![9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(find_middle(Vec::new()), None);
    }
}
