//! `levada doctor`: is everything in the folder what was written?

use std::path::Path;

use serde::Serialize;
use store::inspect::{Counted, Examination, FindingKind, Inspection};
use store::{OpenError, RepairError};
use streams::Catalogue;

use super::size;
use crate::cli::Doctor;
use crate::exit::Failure;

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    sound: bool,
    in_use: bool,
    repaired: bool,
    checked: Checked,
    findings: Vec<Line>,
}

#[derive(Serialize)]
struct Checked {
    segments: u64,
    segment_bytes: u64,
    lanes: u64,
    chunks: u64,
    blocks: u64,
    records: u64,
    rows: u64,
    blobs: u64,
    blob_bytes: u64,
    streams: usize,
    shards: usize,
    consumers: usize,
}

#[derive(Serialize)]
struct Line {
    kind: &'static str,
    place: String,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

pub(crate) fn run(options: &Doctor) -> Result<(), Failure> {
    let folder = options.folder.path.as_path();
    if options.repair {
        store::repair(folder, &options.accept_loss).map_err(refused)?;
    }
    let report = Report { repaired: options.repair, ..examine(folder)? };
    if options.json {
        let json = serde_json::to_string(&report);
        println!("{}", json.map_err(Failure::new)?);
    } else {
        print(folder, &report);
    }
    if report.sound {
        return Ok(());
    }
    let wrong = report.findings.iter().filter(|line| ["damaged", "redundant"].contains(&line.kind));
    let failure =
        Failure::new(format!("{} has {} damaged places", folder.display(), wrong.count()));
    let named = report.findings.iter().any(|line| line.kind == "damaged" && line.name.is_some());
    Err(failure.help(match (options.repair, named) {
        (false, _) => "restore a backup, or keep what is whole with `levada doctor --repair`",
        (true, true) => {
            "restore a backup, or give up what is lost: `--repair --accept-loss NAME` for each name"
        }
        (true, false) => "restore a backup, and check the disk",
    }))
}

fn examine(folder: &Path) -> Result<Report, Failure> {
    let seen = Inspection::open(folder).map_err(|error| unopened(&error))?;
    let Examination { counted, findings, .. } = seen
        .examine()
        .map_err(|error| Failure::new(format!("{} cannot be read: {error}", folder.display())))?;
    let catalogue = Catalogue::read(&seen);
    let mut lines: Vec<Line> = findings
        .into_iter()
        .map(|own| Line { kind: word(own.kind), place: own.place, what: own.what, name: own.name })
        .collect();
    lines.extend(catalogue.undecodable.iter().map(|error| Line {
        kind: word(FindingKind::Damaged),
        place: format!("table {}", error.table),
        what: error.to_string(),
        name: None,
    }));
    let Counted { segments, segment_bytes, lanes, chunks, blocks, .. } = counted;
    let Counted { records, rows, blobs, blob_bytes, .. } = counted;
    let (streams, shards) = (catalogue.streams, catalogue.shards.len());
    let consumers = catalogue.consumers;
    Ok(Report {
        sound: lines.iter().all(|line| ["unacknowledged", "accepted"].contains(&line.kind)),
        in_use: seen.in_use(),
        repaired: false,
        checked: Checked {
            segments,
            segment_bytes,
            lanes,
            chunks,
            blocks,
            records,
            rows,
            blobs,
            blob_bytes,
            streams,
            shards,
            consumers,
        },
        findings: lines,
    })
}

fn word(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::Damaged => "damaged",
        FindingKind::Redundant => "redundant",
        FindingKind::Unacknowledged => "unacknowledged",
        FindingKind::Accepted => "accepted",
    }
}

fn print(folder: &Path, report: &Report) {
    let Checked { segments, segment_bytes, chunks, blocks, records, streams, shards, .. } =
        report.checked;
    let Checked { blobs, blob_bytes, .. } = report.checked;
    println!("{:<16} {}", "folder", folder.display());
    println!("{:<16} {segments}, {}", "segments", size(segment_bytes));
    println!("{:<16} {chunks} unflushed chunks", "lane");
    println!("{:<16} {records} in {blocks} blocks, every checksum right or named below", "records");
    println!("{:<16} {blobs}, {}", "blobs", size(blob_bytes));
    println!("{:<16} {streams}, {shards} shards", "streams");
    for Line { kind, place, what, name } in &report.findings {
        match name {
            Some(name) if name != what => println!("{kind:<16} {place}: {what} ({name})"),
            _ => println!("{kind:<16} {place}: {what}"),
        }
    }
    println!("{:<16} {}", "result", if report.sound { "sound" } else { "damaged" });
    if report.in_use {
        eprintln!("a server runs on it: what it was writing just now was not judged");
    }
}

/// A folder that cannot be opened.
pub(super) fn unopened(error: &OpenError) -> Failure {
    Failure::new(error).help(error.help())
}

fn refused(error: RepairError) -> Failure {
    match error {
        RepairError::Open(error) => unopened(&error),
        error @ RepairError::UnknownName(_) => {
            Failure::usage(error).help("`levada doctor` prints the names, each after its place")
        }
    }
}
