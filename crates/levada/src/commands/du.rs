//! `levada du`: what takes the room, by stream and shard.

use std::collections::BTreeMap;

use serde::Serialize;
use store::inspect::{Inspection, LogUsage, Usage};
use streams::Catalogue;

use super::doctor::unopened;
use super::size;
use crate::cli::Du;
use crate::exit::Failure;

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    in_use: bool,
    segments: Files,
    ring: Files,
    blobs: Files,
    unflushed_bytes: u64,
    tables: Vec<TableLine>,
    streams: Vec<StreamLine>,
    /// Shards of streams that are gone, until their segments go.
    deleted: Amount,
}

#[derive(Serialize)]
struct Files {
    files: usize,
    bytes: u64,
}

#[derive(Serialize)]
struct TableLine {
    table: u8,
    rows: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct StreamLine {
    account: String,
    region: String,
    stream: String,
    /// What `StreamId` means it.
    id: String,
    #[serde(flatten)]
    amount: Amount,
    shards: Vec<ShardLine>,
}

#[derive(Serialize)]
struct ShardLine {
    shard: String,
    #[serde(flatten)]
    amount: Amount,
}

#[derive(Clone, Copy, Default, Serialize)]
struct Amount {
    live_bytes: u64,
    trimmed_bytes: u64,
    lane_bytes: u64,
    records: u64,
}

impl Amount {
    fn add(&mut self, own: LogUsage) {
        self.live_bytes += own.live_bytes;
        self.trimmed_bytes += own.trimmed_bytes;
        self.lane_bytes += own.lane_bytes;
        self.records += own.records;
    }
}

pub(crate) fn run(options: &Du) -> Result<(), Failure> {
    let folder = options.folder.path.as_path();
    let seen = Inspection::open(folder).map_err(|error| unopened(&error))?;
    let usage = seen
        .usage()
        .map_err(|error| Failure::new(format!("{} cannot be read: {error}", folder.display())))?;
    for number in &usage.unreadable {
        eprintln!("segment {number} cannot be read, and is not counted: see `levada doctor`");
    }
    let report = report_of(seen.in_use(), &usage, &Catalogue::read(&seen));
    if options.json {
        let json = serde_json::to_string(&report);
        println!("{}", json.map_err(Failure::new)?);
    } else {
        print(&report);
    }
    Ok(())
}

fn report_of(in_use: bool, usage: &Usage, catalogue: &Catalogue) -> Report {
    let mut streams = BTreeMap::new();
    let mut deleted = Amount::default();
    for (log, name) in &catalogue.shards {
        let own = usage.logs.get(log).copied().unwrap_or_default();
        let Some(stream) = &name.stream else {
            deleted.add(own);
            continue;
        };
        let key = (&stream.world.account, &stream.world.region, &stream.name);
        let line = streams.entry(key).or_insert_with(|| StreamLine {
            account: stream.world.account.to_string(),
            region: stream.world.region.to_string(),
            stream: stream.name.to_string(),
            id: name.stream_id.clone(),
            amount: Amount::default(),
            shards: Vec::new(),
        });
        line.amount.add(own);
        let mut amount = Amount::default();
        amount.add(own);
        line.shards.push(ShardLine { shard: name.shard_id.clone(), amount });
    }
    let nameless = usage.logs.iter().filter(|(log, _)| !catalogue.shards.contains_key(log));
    nameless.for_each(|(_, own)| deleted.add(*own));
    let mut streams: Vec<StreamLine> = streams.into_values().collect();
    for stream in &mut streams {
        stream.shards.sort_by(|one, other| one.shard.cmp(&other.shard));
    }
    let tables = usage.tables.iter();
    Report {
        in_use,
        segments: Files { files: usage.segments, bytes: usage.segment_bytes },
        ring: Files { files: usage.ring_files, bytes: usage.ring_bytes },
        blobs: Files { files: usage.blobs, bytes: usage.blob_bytes },
        unflushed_bytes: usage.unflushed_bytes,
        tables: tables
            .map(|(&table, own)| TableLine { table, rows: own.rows, bytes: own.bytes })
            .collect(),
        streams,
        deleted,
    }
}

fn print(report: &Report) {
    let row = |name: &str, amount: &Amount| {
        let Amount { live_bytes, trimmed_bytes, lane_bytes, records } = *amount;
        let (live, trimmed, lane) = (size(live_bytes), size(trimmed_bytes), size(lane_bytes));
        println!("{name:<40} {live:>10} {trimmed:>10} {lane:>10} {records:>12}");
    };
    println!("{:<40} {:>10} {:>10} {:>10} {:>12}", "STREAM", "LIVE", "TRIMMED", "LANE", "RECORDS");
    for stream in &report.streams {
        row(&format!("{}/{}", stream.region, stream.stream), &stream.amount);
        for shard in &stream.shards {
            row(&format!("  {}", shard.shard), &shard.amount);
        }
    }
    let Amount { live_bytes, trimmed_bytes, lane_bytes, .. } = report.deleted;
    if live_bytes + trimmed_bytes + lane_bytes > 0 {
        row("(deleted streams)", &report.deleted);
    }
    let tables: u64 = report.tables.iter().map(|table| table.bytes).sum();
    let Report { segments, ring, blobs, .. } = report;
    println!(
        "{} segments {}, {} ring files {}, {} blobs {}, rows {}",
        segments.files,
        size(segments.bytes),
        ring.files,
        size(ring.bytes),
        blobs.files,
        size(blobs.bytes),
        size(tables)
    );
}
