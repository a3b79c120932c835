//! From a plan to its objects. Nothing is drawn here and no clock is read: the same plan and the same
//! records give the same bytes.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use convert::ConverterError;
use stdx::{UnixMillis, task};
use store::{ReadError, Store, StoredRecord};
use streams::World;

use crate::compress::{Compression, Compressor};
use crate::conversion::{Converted, Converting};
use crate::destination::{Destination, Target};
use crate::failed::{self, ProcessingFailed};
use crate::frame::Frame;
use crate::outside::NewObject;
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
    /// What was converted, if anything was to be.
    pub(crate) converted: Option<Converted>,
}

/// Why nothing could be built now.
#[derive(Debug)]
pub(crate) enum BuildError {
    /// The store does not give the records.
    Read(ReadError),
    /// They do not compress.
    Compress(io::Error),
    /// No file can be made of them.
    Convert(ConverterError),
    /// The configuration that the plan was made with cannot be read.
    Destination,
    /// The work was broken off.
    Aborted,
}

impl std::fmt::Display for BuildError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BuildError::Read(error) => error.fmt(f),
            BuildError::Compress(error) => error.fmt(f),
            BuildError::Convert(error) => error.fmt(f),
            BuildError::Destination => f.write_str("its configuration cannot be read"),
            BuildError::Aborted => f.write_str("it was broken off"),
        }
    }
}

/// Reads a plan's records and makes its objects, page by page: no more than the object and a page is
/// in memory.
pub(crate) async fn build(
    store: &Store,
    plan: &PlanRow,
    destination: &Destination,
    frames: &Frames,
    world: &World,
) -> Result<Built, BuildError> {
    let account = &*world.account;
    let target = match plan.content {
        Content::Backup => destination.backup.as_ref().ok_or(BuildError::Destination)?,
        _ => &destination.data,
    };
    let mut reading = Reading::new(store, &plan.parts);
    let output = match plan.content {
        Content::Failed { output } => Some(output),
        _ => None,
    };
    if let Some(output) = output {
        return build_failed(store, plan, (output, target), account).await;
    }
    let mut assembly = Assembly::new(plan, destination, target, world)?;
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
    let finished = match assembly.is_heavy() {
        false => assembly.finish(),
        true => task::spawn_blocking(move || assembly.finish())
            .await
            .map_err(|_| BuildError::Aborted)?,
    };
    let Assembled { body, failed, converted } = finished?;
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
    let encoding = match destination.conversion_of(&plan.content) {
        Some(conversion) => conversion.content_encoding(),
        None => target.compression.content_encoding(),
    };
    objects.extend(body.map(|body| object(&plan.key, body, encoding)));
    Ok(Built { objects, records, converted })
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
    let objects = if records > 0 { vec![object] } else { Vec::new() };
    Ok(Built { objects, records, converted: None })
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

/// What records are added to.
enum Body {
    /// As they are.
    Verbatim(Compressor),
    /// As rows of a file.
    Converted(Converting),
}

/// An object, if there is anything in it, and the lines of what failed.
struct Assembled {
    body: Option<Bytes>,
    failed: Lines,
    converted: Option<Converted>,
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
    fn new(
        plan: &PlanRow,
        destination: &Destination,
        target: &Target,
        world: &World,
    ) -> Result<Self, BuildError> {
        let ended = UnixMillis(plan.planned_ms);
        let body = match (destination.conversion_of(&plan.content), target.compression) {
            (Some(conversion), _) => {
                let file = Converting::begin(conversion, plan.table.as_ref(), world, ended);
                Body::Converted(file.map_err(BuildError::Convert)?)
            }
            // Its size is known, so it need not grow.
            (None, Compression::Uncompressed) => {
                Body::Verbatim(Compressor::Plain(Vec::with_capacity(plan.bytes as usize)))
            }
            (None, compression) => {
                Body::Verbatim(compression.begin(&plan.uuid).map_err(BuildError::Compress)?)
            }
        };
        let processing = destination.processing.clone();
        Ok(Assembly {
            body,
            processing: match plan.content {
                Content::Source => processing.map(|own| (own, true)),
                Content::Staged => processing.map(|own| (own, false)),
                Content::Backup | Content::Failed { .. } => None,
            },
            ended,
            failed: BTreeMap::new(),
            written: 0,
            records: 0,
            whole: Vec::new(),
        })
    }

    fn is_heavy(&self) -> bool {
        !matches!(self.body, Body::Verbatim(Compressor::Plain(_))) || self.processing.is_some()
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

    fn add(&mut self, incoming: Incoming) -> io::Result<()> {
        let Some((processing, comes_apart)) = self.processing.clone() else {
            return self.write(&incoming.data, &incoming, None);
        };
        let parts = match comes_apart {
            true => processing.take_apart(&incoming.data),
            false => Ok(vec![incoming.data.clone()]),
        };
        match parts {
            Ok(parts) => {
                parts.iter().try_for_each(|part| self.write(part, &incoming, Some(&processing)))
            }
            Err(error) => {
                let failure = Some(Failure::of_processor(&error, self.ended));
                let Incoming { data, arrival, .. } = incoming;
                let record = StagedRecord { arrival, data, failure };
                let lines = self.failed.entry(error.output).or_default();
                write_failed(error.output, &record, lines);
                Ok(())
            }
        }
    }

    /// Adds a record that has come out of `incoming`, with its delimiter unless it becomes a row.
    fn write(
        &mut self,
        part: &[u8],
        incoming: &Incoming,
        processing: Option<&Processing>,
    ) -> io::Result<()> {
        self.written += 1;
        match (&mut self.body, processing) {
            (Body::Converted(file), _) => {
                file.add(part, incoming);
                Ok(())
            }
            (Body::Verbatim(body), None) => body.write(part),
            (Body::Verbatim(body), Some(processing)) => {
                self.whole.clear();
                processing.append(part, &mut self.whole);
                body.write(&self.whole)
            }
        }
    }

    fn finish(mut self) -> Result<Assembled, BuildError> {
        let (body, converted) = match self.body {
            Body::Verbatim(_) if self.written == 0 => (None, None),
            Body::Verbatim(body) => {
                (Some(body.finish().map_err(BuildError::Compress)?.into()), None)
            }
            Body::Converted(file) => {
                let (body, lines, converted) = file.finish().map_err(BuildError::Convert)?;
                if !lines.is_empty() {
                    self.failed.insert(ErrorOutput::FormatConversion, lines);
                }
                (body, Some(converted))
            }
        };
        Ok(Assembled { body, failed: self.failed, converted })
    }
}
