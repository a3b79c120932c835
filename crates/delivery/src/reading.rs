//! Reading a plan's records again, in order, wherever they are by now.

use bytes::Bytes;
use stdx::UnixMillis;
use store::{LogId, Position, ReadBudget, ReadError, ReadFrom, Store, StoredRecord};

use crate::frame::Origin;
use crate::limits::{PAGE_BYTES_MAX, PAGE_RECORDS_MAX};
use crate::rows::Part;

/// How much is read at once.
pub(crate) const PAGE: ReadBudget =
    ReadBudget { records_max: PAGE_RECORDS_MAX, bytes_max: PAGE_BYTES_MAX };

/// Where a read goes on behind damage, which cannot be read and is said once.
pub(crate) fn resume_behind_damage(error: ReadError) -> Result<Position, ReadError> {
    match error {
        ReadError::Damaged { log, from, resume, place } => {
            tracing::error!(%log, %from, %resume, place, "damaged records are not delivered");
            Ok(resume)
        }
        error => Err(error),
    }
}

/// Reads parts page by page.
pub(crate) struct Reading<'a> {
    store: &'a Store,
    parts: std::slice::Iter<'a, Part>,
    part: Option<Part>,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(store: &'a Store, parts: &'a [Part]) -> Self {
        let mut parts = parts.iter();
        let part = parts.next().copied();
        Reading { store, parts, part }
    }

    /// The next records, and the log they are from; `None` at the end. Records that a source gave up
    /// before they were read are missing: whoever counts knows.
    ///
    /// # Errors
    /// If the disk does not answer.
    pub(crate) async fn page(&mut self) -> Result<Option<(u64, Vec<StoredRecord>)>, ReadError> {
        while let Some(part) = self.part {
            let from = ReadFrom::Position(Position(part.from));
            let mut page = match self.store.read(LogId(part.log), from, PAGE).await {
                Ok(page) => page,
                // Its shard or its whole stream is gone.
                Err(ReadError::UnknownLog(_)) => {
                    self.part = self.parts.next().copied();
                    continue;
                }
                Err(error) => {
                    let resume = resume_behind_damage(error)?;
                    self.go_on(part, resume);
                    continue;
                }
            };
            let is_last = page.at_tail || page.next.0 >= part.to;
            let keep = page.records.partition_point(|record| record.position.0 < part.to);
            page.records.truncate(keep);
            self.go_on(part, if is_last { Position(part.to) } else { page.next });
            if !page.records.is_empty() {
                return Ok(Some((part.log, page.records)));
            }
        }
        Ok(None)
    }

    fn go_on(&mut self, part: Part, at: Position) {
        self.part = match at.0 < part.to {
            true => Some(Part { from: at.0, ..part }),
            false => self.parts.next().copied(),
        };
    }
}

/// A record on its way into an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Incoming {
    /// What it carries.
    pub(crate) data: Bytes,
    /// When it arrived.
    pub(crate) arrival: UnixMillis,
    /// Where it came from, if from a Kinesis stream.
    pub(crate) origin: Option<Origin>,
}
