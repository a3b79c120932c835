//! `compare`: Levada beside the floor, under the same load, on the same disk, in the same minutes.

mod disk;
mod folder;
mod plot;
mod rounds;
mod table;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::disk::measure_disk;
use crate::folder::measure_folder;
use crate::rounds::{Lengths, run_round};
use crate::table::write_tables;
use load::server::Program;

/// The chunk sizes that a group commit has with few, some and many waiting writers.
const DISK_BYTES: [usize; 4] = [4 * 1024, table::PUSH_CHUNK_BYTES, 256 * 1024, 1024 * 1024];

/// Measures Levada against the floor.
#[derive(Debug, Parser)]
struct Flags {
    /// The Levada program to measure; without it only the floors are.
    #[arg(long)]
    levada: Option<PathBuf>,
    /// Measure the lean floor too.
    #[arg(long)]
    lean: bool,
    /// How often each program takes its turn.
    #[arg(long, default_value_t = 2)]
    rounds: usize,
    /// Seconds measured in each phase, at most 60 with the warm-up.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Seconds of each phase that are not measured.
    #[arg(long, default_value_t = 2)]
    warm_up: u64,
    /// Also fill a folder to this size (`5GB`, `500MB`) and measure starts on it.
    #[arg(long, value_parser = parse_bytes)]
    folder_bytes: Option<u64>,
    /// Where the servers' folders are made (and removed): the disk that is measured.
    #[arg(long, default_value = ".")]
    scratch: PathBuf,
    /// Where to draw the processor time for each record, by thread, as SVG.
    #[arg(long)]
    plot: Option<PathBuf>,
    /// Where to write every round's figures as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let flags = Flags::parse();
    let scratch = tempfile::Builder::new().prefix("levada-compare-").tempdir_in(&flags.scratch)?;
    let outcome = measure_all(&flags, scratch.path()).await;
    if outcome.is_err()
        && let Ok(log) = std::fs::read_to_string(scratch.path().join("servers.log"))
    {
        let skipped = log.lines().count().saturating_sub(20);
        for line in log.lines().skip(skipped) {
            eprintln!("{line}");
        }
    }
    outcome
}

async fn measure_all(flags: &Flags, scratch: &std::path::Path) -> io::Result<()> {
    let programs = list_programs(flags)?;
    let lengths = Lengths {
        warm_up: Duration::from_secs(flags.warm_up),
        measured: Duration::from_secs(flags.seconds.max(1)),
    };
    let mut disks = Vec::new();
    for bytes in DISK_BYTES {
        disks.push(measure_disk(scratch, bytes)?);
    }
    let mut rounds = Vec::new();
    for round in 0..flags.rounds.max(1) {
        for program in &programs {
            eprintln!("round {} of {}: {}", round + 1, flags.rounds.max(1), program.name);
            let reads = program.name == "levada";
            rounds.push(run_round(program, scratch, lengths, reads).await?);
        }
    }
    let levada = programs.iter().find(|program| program.name == "levada");
    let folder = match (flags.folder_bytes, levada) {
        (Some(bytes), Some(levada)) => Some(measure_folder(levada, scratch, bytes).await?),
        _ => None,
    };
    if let Some(path) = &flags.plot {
        std::fs::write(path, plot::draw(&rounds))?;
    }
    if let Some(path) = &flags.json {
        let all = serde_json::json!({ "disks": disks, "rounds": rounds, "folder": folder });
        std::fs::write(path, serde_json::to_string_pretty(&all)?)?;
    }
    println!("{}", write_tables(&disks, &rounds, folder.as_ref()));
    Ok(())
}

/// The floors lie beside this program, because one build makes them all.
fn list_programs(flags: &Flags) -> io::Result<Vec<Program>> {
    let here = std::env::current_exe()?;
    let beside = |name: &'static str| {
        let path = here.with_file_name(name);
        if path.exists() {
            Ok(Program { name, path, arguments: Vec::new() })
        } else {
            Err(io::Error::other(format!("{name} is not built: cargo build --release")))
        }
    };
    let mut programs = vec![beside("floor")?];
    if flags.lean {
        programs.push(beside("lean-floor")?);
    }
    if let Some(path) = &flags.levada {
        let arguments = vec!["serve".to_owned()];
        programs.push(Program { name: "levada", path: path.clone(), arguments });
    }
    Ok(programs)
}

fn parse_bytes(text: &str) -> Result<u64, String> {
    let units = [("GB", 1_000_000_000), ("MB", 1_000_000), ("", 1)];
    units
        .into_iter()
        .find_map(|(unit, scale)| Some(text.strip_suffix(unit)?.parse::<u64>().ok()? * scale))
        .ok_or_else(|| format!("{text} is not a size like 5GB or 500MB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_bytes("5GB"), Ok(5_000_000_000));
        assert_eq!(parse_bytes("12MB"), Ok(12_000_000));
        assert_eq!(parse_bytes("7"), Ok(7));
        assert!(parse_bytes("5 GiB").is_err());
    }
}
