//! `levada cat`: what is in a file of the data folder.

use std::io::Write;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use stdx::UnixMillis;
use store::inspect::{DumpItem, Inspection, dump};
use streams::{Catalogue, ShardName, describe_row};

use crate::cli::{Cat, Shown};
use crate::exit::Failure;

pub(crate) fn run(options: &Cat) -> Result<(), Failure> {
    let path = find(options)?;
    let catalogue = catalogue_beside(&path, &options.folder.path);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut show = |item: DumpItem| {
        let entry = matches!(item, DumpItem::Record { .. } | DumpItem::Row { .. });
        if options.index && entry {
            return true;
        }
        let line = match options.json {
            true => as_json(&item, options.shown, &catalogue).to_string(),
            false => as_text(&item, options.shown, &catalogue),
        };
        // A reader that has gone away has seen enough.
        writeln!(out, "{line}").is_ok()
    };
    let dumped = dump(&path, &mut show);
    let _gone = out.flush();
    dumped.map_err(|error| Failure::new(format!("{} cannot be read: {error}", path.display())))
}

/// A path, a file of the data folder, or a segment of it.
fn find(options: &Cat) -> Result<PathBuf, Failure> {
    let (given, folder) = (&options.file, &options.folder.path);
    let mut tried = vec![PathBuf::from(given), folder.join(given)];
    if let Ok(number) = given.parse::<u64>() {
        tried.push(folder.join(format!("segments/{number:016x}")));
    }
    tried.into_iter().find(|path| path.is_file()).ok_or_else(|| {
        Failure::new(format!("there is no file {given}, here or in {}", folder.display()))
            .help("name a path, or a segment's number and its folder with --data")
    })
}

/// The names of the folder that the file is in, if it is in one; without them logs have numbers.
fn catalogue_beside(path: &Path, folder: &Path) -> Catalogue {
    let own = path.parent().and_then(Path::parent);
    let folders = own.into_iter().chain(path.starts_with(folder).then_some(folder));
    let mut seen = folders.filter_map(|folder| Inspection::open(folder).ok());
    seen.next().map(|seen| Catalogue::read(&seen)).unwrap_or_default()
}

fn name_of(shard: &ShardName) -> String {
    match &shard.stream {
        Some(stream) => format!("{} {}", stream.name, shard.shard_id),
        None => format!("(deleted) {}", shard.shard_id),
    }
}

fn show_bytes(bytes: &Bytes, shown: Shown) -> String {
    match shown {
        Shown::Hex => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Shown::Text => bytes.utf8_chunks().fold(String::new(), |mut text, chunk| {
            text.extend(chunk.valid().chars().flat_map(|own| match own {
                '\\' => vec!['\\', '\\'],
                own if own.is_control() => own.escape_default().collect(),
                own => vec![own],
            }));
            chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
            text
        }),
    }
}

fn show_time(time: UnixMillis) -> String {
    let time = i64::try_from(time.0).ok().and_then(|time| Timestamp::from_millisecond(time).ok());
    time.map_or_else(|| "no time".to_owned(), |time| time.to_string())
}

fn as_text(item: &DumpItem, shown: Shown, catalogue: &Catalogue) -> String {
    match item {
        DumpItem::File { kind, bytes, fields } => {
            let fields = fields.iter().map(|(name, value)| format!("\n  {name} {value}"));
            format!("{kind} of {bytes} bytes{}", fields.collect::<String>())
        }
        DumpItem::Chunk { at, lane, number, bytes, epoch, arrival } => format!(
            "chunk {number} of lane {lane} at {at}: {bytes} bytes, epoch {epoch}, {}",
            show_time(*arrival)
        ),
        DumpItem::Block { at, log, first, end, count, bytes, arrival_min, arrival_max, whole } => {
            let damaged = if *whole { "" } else { ", DAMAGED" };
            if log.is_table() {
                let (table, _) =
                    describe_row(log.0 as u8, &[], None).unwrap_or(("", String::new()));
                return format!(
                    "  block at {at}: table {} {table}, {count} rows, {bytes} bytes{damaged}",
                    log.0
                );
            }
            let name = catalogue.shards.get(log).map(|shard| format!(" ({})", name_of(shard)));
            format!(
                "  block at {at}: {log}{}, {count} records {first} to {end}, {bytes} bytes, {} to {}{damaged}",
                name.unwrap_or_default(),
                show_time(*arrival_min),
                show_time(*arrival_max)
            )
        }
        DumpItem::Record { log, position, arrival, payload } => {
            let shard = catalogue.shards.get(log);
            let read = shard.and_then(|shard| shard.read_record(*position, *arrival, payload));
            let time = show_time(*arrival);
            match read {
                Some((sequence, body)) => format!(
                    "    {position} {time} {sequence} {} {}",
                    show_bytes(&body.partition_key, shown),
                    show_bytes(&body.data, shown)
                ),
                None => format!("    {position} {time} {}", show_bytes(payload, shown)),
            }
        }
        DumpItem::Row { table, version, key, value, says } => {
            let said = says.clone().or_else(|| Some(describe_row(*table, key, value.as_ref())?.1));
            let plain = || match value {
                Some(value) => format!("{} {}", show_bytes(key, shown), show_bytes(value, shown)),
                None => format!("{} deleted", show_bytes(key, shown)),
            };
            format!("    version {version} {}", said.unwrap_or_else(plain))
        }
    }
}

fn as_json(item: &DumpItem, shown: Shown, catalogue: &Catalogue) -> Value {
    match item {
        DumpItem::File { kind, bytes, fields } => {
            let fields: Vec<_> = fields.iter().map(|(name, value)| json!([name, value])).collect();
            json!({ "file": kind, "bytes": bytes, "fields": fields })
        }
        DumpItem::Chunk { at, lane, number, bytes, epoch, arrival } => json!({
            "chunk": number, "lane": lane, "at": at, "bytes": bytes, "epoch": epoch,
            "arrival_ms": arrival.0,
        }),
        DumpItem::Block { at, log, first, end, count, bytes, arrival_min, arrival_max, whole } => {
            json!({
                "block": at, "log": log.to_string(), "first": first.to_string(),
                "end": end.to_string(), "count": count, "bytes": bytes, "whole": whole,
                "arrival_min_ms": arrival_min.0, "arrival_max_ms": arrival_max.0,
                "name": catalogue.shards.get(log).map(name_of),
            })
        }
        DumpItem::Record { log, position, arrival, payload } => {
            let shard = catalogue.shards.get(log);
            let read = shard.and_then(|shard| shard.read_record(*position, *arrival, payload));
            let mut line = json!({
                "record": position.to_string(), "log": log.to_string(), "arrival_ms": arrival.0,
                "name": shard.map(name_of),
            });
            match read {
                Some((sequence, body)) => {
                    line["sequence_number"] = json!(sequence.to_string());
                    line["partition_key"] = json!(show_bytes(&body.partition_key, shown));
                    line["data"] = json!(show_bytes(&body.data, shown));
                }
                None => line["payload"] = json!(show_bytes(payload, shown)),
            }
            line
        }
        DumpItem::Row { table, version, key, value, says } => json!({
            "row": version, "table": table, "key": show_bytes(key, shown),
            "value": value.as_ref().map(|value| show_bytes(value, shown)),
            "says": says.clone().or_else(|| Some(describe_row(*table, key, value.as_ref())?.1)),
        }),
    }
}
