//! `levada backup` and `levada restore`.

use std::path::PathBuf;

use serde::Serialize;
use stdx::task;
use store::BucketLocation;
use store::backup::{self, BackedUp, BackupError, BackupOptions, BackupPlace, Restored};

use super::size;
use crate::cli::{Backup, Restore};
use crate::exit::Failure;
use crate::folder::ENDPOINT_FILE;

/// What `backup --json` prints.
#[derive(Serialize)]
struct BackedUpLine {
    point: u64,
    in_use: bool,
    segments: usize,
    segment_bytes: u64,
    copied_segments: usize,
    copied_bytes: u64,
    blobs: usize,
    blob_bytes: u64,
    copied_blobs: usize,
    copied_blob_bytes: u64,
    lane_bytes: u64,
    removed: usize,
    damaged: Vec<String>,
}

/// What `restore --json` prints.
#[derive(Serialize)]
struct RestoredLine {
    point: u64,
    created_ms: u64,
    segments: usize,
    segment_bytes: u64,
    blobs: usize,
    blob_bytes: u64,
    lane_bytes: u64,
    damaged: Vec<String>,
}

pub(crate) async fn back_up(options: Backup) -> Result<(), Failure> {
    let Backup { place, folder, link, keep, json } = options;
    let options = BackupOptions {
        link,
        keep: keep.map(|keep| keep as usize),
        leave_out: vec![ENDPOINT_FILE.to_owned()],
    };
    let (place, data) = (place_of(&place), folder.path);
    let made = task::spawn_blocking(move || backup::back_up(&data, &place, &options)).await;
    let made = made.map_err(Failure::new)?.map_err(|error| refused(&error))?;
    let BackedUp { point, segments, copied_segments, removed, .. } = made;
    if json {
        let line = BackedUpLine {
            point,
            in_use: made.in_use,
            segments,
            segment_bytes: made.segment_bytes,
            copied_segments,
            copied_bytes: made.copied_bytes,
            blobs: made.blobs,
            blob_bytes: made.blob_bytes,
            copied_blobs: made.copied_blobs,
            copied_blob_bytes: made.copied_blob_bytes,
            lane_bytes: made.lane_bytes,
            removed,
            damaged: made.damaged.clone(),
        };
        println!("{}", serde_json::to_string(&line).map_err(Failure::new)?);
    } else {
        let (all, new, lane) =
            (size(made.segment_bytes), size(made.copied_bytes), size(made.lane_bytes));
        println!(
            "backup {point}: {segments} segments of {all}, {copied_segments} of them new, {new}; \
             {lane} that no segment has yet; {} blobs of {}, {} of them new, {}",
            made.blobs,
            size(made.blob_bytes),
            made.copied_blobs,
            size(made.copied_blob_bytes)
        );
    }
    warn_of(&made.damaged)
}

pub(crate) async fn restore(options: Restore) -> Result<(), Failure> {
    let Restore { place, folder, point, check, json } = options;
    let (place, data) = (place_of(&place), folder.path);
    let target = data.clone();
    let restored = task::spawn_blocking(move || match check {
        true => backup::verify_backup(&place, point),
        false => backup::restore(&place, point, &target),
    });
    let restored = restored.await.map_err(Failure::new)?.map_err(|error| refused(&error))?;
    let Restored { point, created, segments, segment_bytes, lane_bytes, .. } = restored;
    let Restored { blobs, blob_bytes, damaged, .. } = restored;
    if json {
        let line = RestoredLine {
            point,
            created_ms: created.0,
            segments,
            segment_bytes,
            blobs,
            blob_bytes,
            lane_bytes,
            damaged: damaged.clone(),
        };
        println!("{}", serde_json::to_string(&line).map_err(Failure::new)?);
    } else {
        let done = match check {
            true => "is whole".to_owned(),
            false => format!("is in {}", data.display()),
        };
        let (all, of_blobs) = (size(segment_bytes), size(blob_bytes));
        println!(
            "backup {point}, {segments} segments of {all}, {blobs} blobs of {of_blobs}, {done}"
        );
    }
    warn_of(&damaged)
}

fn place_of(place: &str) -> BackupPlace {
    match place.contains("://") {
        true => BackupPlace::Bucket(BucketLocation::new(place, std::env::vars())),
        false => BackupPlace::Folder(PathBuf::from(place)),
    }
}

/// What was damaged before is so after.
fn warn_of(damaged: &[String]) -> Result<(), Failure> {
    if damaged.is_empty() {
        return Ok(());
    }
    let names = damaged.join("; ");
    Err(Failure::new(format!("it is done, and what was damaged in the folder still is: {names}"))
        .help("`levada doctor` says more"))
}

fn refused(error: &BackupError) -> Failure {
    Failure::new(error).help(error.help())
}
