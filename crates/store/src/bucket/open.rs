//! Opening a store in a bucket: the probe, whose bucket it is, the take-over, and what it finds.

use std::io;
use std::sync::Arc;

use stdx::{Clock, Entropy};

use super::disk::HeldObject;
use super::objects::chunk_name;
use super::probe::probe;
use super::take_over::{Owned, Refusal, TakeOver};
use super::{Answer, Ask, Bucket, BucketDisk, BucketLane, drive, pause_before, sweep_step};
use crate::config::Config;
use crate::core::{Core, FolderState};
use crate::disk::Disk;
use crate::error::OpenError;
use crate::format_file;
use crate::lane::{Lane, Sabotage};
use crate::limits::{BUCKET_LANE_DEPTH, BUCKET_TRIES_MAX};
use crate::manifest::{LaneState, Manifest};
use crate::queue::Queue;
use crate::recover::{Parts, Recovered, doing, load_segments};
use crate::ring::RingFile;
use crate::scan;

/// A store in a bucket.
pub(crate) fn open(
    bucket: Arc<dyn Bucket>,
    config: Config,
    clock: Clock,
    entropy: Entropy,
    sabotage: Sabotage,
) -> Result<Core, OpenError> {
    let url = bucket.address("");
    // A wrong key or name is said at once; what comes after is tried for a while.
    bucket.root().map_err(doing("list the bucket"))?;
    let unfit = probe(&*bucket, &entropy).map_err(doing("look at the bucket"))?;
    unfit.map_err(|unfit| OpenError::UnfitBucket { url: url.clone(), reason: unfit.reason() })?;
    let disk = Arc::new(BucketDisk::new(Arc::clone(&bucket), clock.clone(), config.bucket_grace));
    format_file::claim_bucket(&*disk)?;
    let mut take_over = TakeOver::new(&entropy, sabotage);
    let owned = drive(&*bucket, &mut take_over, |tries| tries >= BUCKET_TRIES_MAX)
        .map_err(doing("take the bucket over"))?;
    let Owned { manifest, lane } = owned.map_err(|refusal| match refusal {
        Refusal::EpochsUsedUp => OpenError::EpochsUsedUp,
        Refusal::DamagedManifest(name) => OpenError::Damaged {
            path: disk.path(&name),
            reason: "its checksum does not match".to_owned(),
        },
    })?;
    let as_disk: Arc<dyn Disk> = Arc::clone(&disk) as Arc<dyn Disk>;
    let mut recovered = Recovered::of(&manifest);
    let segments = load_segments(&as_disk, &manifest, &mut recovered, &config, sabotage)?;
    replay(&*bucket, &manifest, lane.lane, &mut recovered, sabotage)
        .map_err(doing("read the bucket"))?;
    recovered.start_epoch(lane.epoch);
    match sweep_step(&*bucket, &manifest, lane.lane) {
        Ok(gone) => disk.condemn(gone),
        Err(error) => tracing::warn!(%error, "what earlier starts left could not be listed"),
    }
    let queue = Arc::new(Queue::default());
    let fenced = Arc::clone(&disk.fenced);
    let writer = BucketLane::new(bucket, lane.lane, Arc::clone(&queue), fenced, sabotage);
    let folder = FolderState::of_bucket(as_disk, disk, manifest, segments);
    let writer = Lane::Bucket(writer);
    Ok(Parts {
        config,
        clock,
        entropy,
        sabotage,
        recovered,
        lane,
        writer,
        folder: Some(folder),
        queue,
    }
    .build())
}

/// What the lanes before this one left unflushed, by the same table as a ring.
fn replay(
    bucket: &dyn Bucket,
    manifest: &Manifest,
    own: u64,
    recovered: &mut Recovered,
    sabotage: Sabotage,
) -> io::Result<()> {
    let lanes: Vec<LaneState> =
        manifest.lanes.iter().filter(|lane| lane.lane != own).cloned().collect();
    let mut files = Vec::new();
    for lane in &lanes {
        let end = lane.seal.unwrap_or(lane.flushed_below);
        let numbers: Vec<u64> = (lane.flushed_below..end).collect();
        for some in numbers.chunks(BUCKET_LANE_DEPTH) {
            let names = some.iter().map(|&number| chunk_name(lane.lane, number));
            for bytes in fetch(bucket, names.collect())?.into_iter().flatten() {
                let length = bytes.len() as u64;
                files.push(Arc::new(RingFile::held(Arc::new(HeldObject(bytes)), length)));
            }
        }
    }
    let scans = scan::scan(&files, &lanes, sabotage.verifies())?;
    for (lane, scan) in lanes.iter().zip(scans) {
        for found in scan.chunks {
            recovered.replay(lane, found, sabotage)?;
        }
    }
    Ok(())
}

/// Objects, all at once; one that is not there is `None`.
fn fetch(bucket: &dyn Bucket, names: Vec<String>) -> io::Result<Vec<Option<bytes::Bytes>>> {
    let asks = names.iter().map(|name| Ask::Get(name.clone())).collect();
    let mut found = Vec::new();
    for (name, mut answer) in names.into_iter().zip(bucket.call_all(asks)) {
        let mut tries = 0;
        found.push(loop {
            match answer {
                Answer::Found(bytes) => break Some(bytes),
                Answer::Unknown(why) => {
                    tries += 1;
                    if tries >= BUCKET_TRIES_MAX {
                        return Err(io::Error::other(why));
                    }
                    bucket.pause(pause_before(tries));
                    answer = bucket.call(Ask::Get(name.clone()));
                }
                _ => break None,
            }
        });
    }
    Ok(found)
}
