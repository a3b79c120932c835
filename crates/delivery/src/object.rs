//! From a plan to its objects. Nothing is drawn here and no clock is read: the same plan and the same
//! records give the same bytes.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use stdx::{UnixMillis, task};
use store::{ReadError, Store, StoredRecord};
use streams::World;

use crate::catalog::CatalogError;
use crate::compress::{Compression, Compressor};
use crate::conversion::Converting;
use crate::destination::{Destination, Target};
use crate::failed::{self, ProcessingFailed};
use crate::frame::{Frame, Origin};
use crate::outside::NewObject;
use crate::owners::Shared;
use crate::prefix::ErrorOutput;
use crate::process::Processing;
use crate::reading::{Incoming, Reading};
use crate::rows::{Content, PlanRow};
use crate::staged::{Failure, StagedRecord};

/// How the records of each log lie in it.
pub(crate) type Frames = BTreeMap<u64, Frame>;

/// What a plan has become.
pub(crate) struct Built {
    /// The objects, the data's last. None if no record is left.
    pub(crate) objects: Vec<NewObject>,
    /// Records that were there.
    pub(crate) records: u64,
}

/// Why nothing could be built now.
#[derive(Debug)]
pub(crate) enum BuildError {
    /// The store does not give the records.
    Read(ReadError),
    /// They do not compress.
    Compress(io::Error),
    /// The configuration that the plan was made with cannot be read.
    Destination,
    /// The catalog does not tell the table that records are converted into.
    Catalog(CatalogError),
    /// The work was broken off.
    Aborted,
}

impl std::fmt::Display for BuildError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BuildError::Read(error) => error.fmt(f),
            BuildError::Compress(error) => error.fmt(f),
            BuildError::Catalog(error) => error.fmt(f),
            BuildError::Destination => f.write_str("its configuration cannot be read"),
            BuildError::Aborted => f.write_str("it was broken off"),
        }
    }
}

/// Reads a plan's records and makes its objects, page by page: no more than the object and a page is
/// in memory.
pub(crate) async fn build(
    shared: &Shared,
    plan: &PlanRow,
    destination: &Destination,
    frames: &Frames,
    world: &World,
) -> Result<Built, BuildError> {
    let target = match plan.content {
        Content::Backup => destination.backup.as_ref().ok_or(BuildError::Destination)?,
        _ => &destination.data,
    };
    let (store, account) = (&shared.store, &*world.account);
    let mut assembly = Assembly::new(plan, destination, target).map_err(BuildError::Compress)?;
    if let (Some(own), Content::Source | Content::Staged) = (&destination.conversion, &plan.content)
    {
        let converting = Arc::clone(own).begin(&shared.tables, world).await;
        assembly.body = Body::Converted(Box::new(converting.map_err(BuildError::Catalog)?));
    }
    let mut reading = Reading::new(store, &plan.parts);
    let output = match plan.content {
        Content::Failed { output } => Some(output),
        _ => None,
    };
    if let Some(output) = output {
        return build_failed(store, plan, (output, target), account).await;
    }
    while let Some((log, records)) = reading.page().await.map_err(BuildError::Read)? {
        let frame = frames.get(&log).copied().unwrap_or(Frame::Plain);
        assembly = match assembly.is_heavy() {
            false => assembly.with(frame, records),
            // Compressing takes a thread for longer than others may wait for it.
            true => task::spawn_blocking(move || assembly.with(frame, records))
                .await
                .map_err(|_| BuildError::Aborted)?,
        }
        .map_err(BuildError::Compress)?;
    }
    let records = assembly.records;
    let is_converted = matches!(assembly.body, Body::Converted(_));
    let finished = match assembly.is_heavy() {
        false => assembly.finish(),
        true => task::spawn_blocking(move || assembly.finish())
            .await
            .map_err(|_| BuildError::Aborted)?,
    };
    let (body, failed) = finished.map_err(BuildError::Compress)?;
    let object = |key: &String, body, content_encoding| NewObject {
        account: account.to_owned(),
        bucket: target.bucket.clone(),
        key: key.clone(),
        body: vec![body],
        content_encoding,
    };
    let failed = failed.into_iter().filter_map(|(output, lines)| {
        let key = plan.error_keys.get(&output)?;
        Some(object(key, Bytes::from(lines), None))
    });
    let mut objects: Vec<_> = failed.collect();
    let encoding = match is_converted {
        true => Some(CONVERTED_ENCODING),
        false => target.compression.content_encoding(),
    };
    objects.extend(body.map(|body| object(&plan.key, body, encoding)));
    Ok(Built { objects, records })
}

/// The object of records that failed: a line each. It is neither compressed nor has it an extension.
async fn build_failed(
    store: &Store,
    plan: &PlanRow,
    (output, target): (ErrorOutput, &Target),
    account: &str,
) -> Result<Built, BuildError> {
    let (mut lines, mut records) = (Vec::new(), 0);
    let mut reading = Reading::new(store, &plan.parts);
    while let Some((_, page)) = reading.page().await.map_err(BuildError::Read)? {
        for stored in page {
            records += 1;
            let Some(record) = StagedRecord::read(stored.payload) else { continue };
            write_failed(output, &record, &mut lines);
        }
    }
    let object = NewObject {
        account: account.to_owned(),
        bucket: target.bucket.clone(),
        key: plan.key.clone(),
        body: vec![lines.into()],
        content_encoding: None,
    };
    Ok(Built { objects: if records > 0 { vec![object] } else { Vec::new() }, records })
}

/// A failed record as AWS writes it: as it came if it did not decompress, else as a line.
fn write_failed(output: ErrorOutput, record: &StagedRecord, lines: &mut Vec<u8>) {
    let Some(failure) = record.failure.as_ref().filter(|_| output != ErrorOutput::Decompression)
    else {
        return lines.extend_from_slice(&record.data);
    };
    let told = failed::Failure {
        code: &failure.code,
        message: &failure.message,
        attempts: failure.attempts,
        ended: UnixMillis(failure.ended_ms),
    };
    let arn = failure.lambda_arn.as_deref();
    ProcessingFailed::new(&record.data, record.arrival, told, arn).write_line(lines);
}

/// Lines of records that failed, by kind.
type Lines = BTreeMap<ErrorOutput, Vec<u8>>;

/// What AWS says of a converted object's bytes, although it is a plain file (`facts/firehose.md` § 2.3).
const CONVERTED_ENCODING: &str = "hadoop-snappy";

/// What records become.
enum Body {
    /// Bytes, one record after the other.
    Joined(Compressor),
    /// Rows of a file.
    Converted(Box<Converting>),
}

/// An object that records are added to, and what fails on the way.
struct Assembly {
    body: Body,
    /// What is done to records first, if anything; whether they come apart, too.
    processing: Option<(Arc<Processing>, bool)>,
    /// When failures are said to have been: when the object was planned.
    ended: UnixMillis,
    failed: Lines,
    written: u64,
    records: u64,
    /// A record with its delimiter.
    whole: Vec<u8>,
}

impl Assembly {
    fn new(plan: &PlanRow, destination: &Destination, target: &Target) -> io::Result<Self> {
        let body = match target.compression {
            // Its size is known, so it need not grow.
            Compression::Uncompressed => Compressor::Plain(Vec::with_capacity(plan.bytes as usize)),
            compression => compression.begin(&plan.uuid)?,
        };
        let processing = destination.processing.clone();
        Ok(Assembly {
            body: Body::Joined(body),
            processing: match plan.content {
                Content::Source => processing.map(|own| (own, true)),
                Content::Staged => processing.map(|own| (own, false)),
                Content::Backup | Content::Failed { .. } => None,
            },
            ended: UnixMillis(plan.planned_ms),
            failed: BTreeMap::new(),
            written: 0,
            records: 0,
            whole: Vec::new(),
        })
    }

    fn is_heavy(&self) -> bool {
        !matches!(self.body, Body::Joined(Compressor::Plain(_))) || self.processing.is_some()
    }

    fn with(mut self, frame: Frame, records: Vec<StoredRecord>) -> io::Result<Self> {
        let mut written = Ok(());
        for record in records {
            self.records += 1;
            frame.open(record, &mut |incoming| {
                if written.is_ok() {
                    written = self.add(incoming);
                }
            });
        }
        written.map(|()| self)
    }

    fn add(&mut self, Incoming { data, arrival, origin }: Incoming) -> io::Result<()> {
        let from = (arrival, origin.as_ref());
        let Some((processing, comes_apart)) = self.processing.clone() else {
            return self.write(&data, from);
        };
        let parts = match comes_apart {
            true => processing.take_apart(&data),
            false => Ok(vec![data.clone()]),
        };
        match parts {
            Ok(parts) => {
                for part in parts {
                    let mut whole = std::mem::take(&mut self.whole);
                    whole.clear();
                    processing.append(&part, &mut whole);
                    let written = self.write(&whole, from);
                    self.whole = whole;
                    written?;
                }
            }
            Err(error) => {
                let failure = Failure::of_processor(&error, self.ended);
                let record = StagedRecord { arrival, data, failure: Some(failure) };
                let lines = self.failed.entry(error.output).or_default();
                write_failed(error.output, &record, lines);
            }
        }
        Ok(())
    }

    fn write(&mut self, data: &[u8], from: (UnixMillis, Option<&Origin>)) -> io::Result<()> {
        self.written += 1;
        match &mut self.body {
            Body::Joined(body) => body.write(data),
            Body::Converted(file) => {
                let lines = self.failed.entry(ErrorOutput::FormatConversion).or_default();
                file.push(data, from, self.ended, lines);
                Ok(())
            }
        }
    }

    /// The object, if there is anything in it, and the lines of what failed.
    fn finish(self) -> io::Result<(Option<Bytes>, Lines)> {
        let body = match self.written {
            0 => None,
            _ => match self.body {
                Body::Joined(body) => Some(body.finish()?.into()),
                Body::Converted(file) => file.finish()?,
            },
        };
        let failed = self.failed.into_iter().filter(|(_, lines)| !lines.is_empty());
        Ok((body, failed.collect()))
    }
}
