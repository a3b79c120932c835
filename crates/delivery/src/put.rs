//! PutRecord and PutRecordBatch: records become durable in the delivery stream's own log.

use bytes::Bytes;
use store::{AppendOutcome, LogAppend, LogId, RecordBatch};

use crate::engine::Delivery;
use crate::error::Error;
use crate::rows::{Source, Status};
use crate::stream::DeliveryStream;

impl Delivery {
    /// Makes records durable, in order; answers where the first one stands: those after it follow one
    /// by one.
    ///
    /// # Errors
    /// [`Error::NotDirectPut`], [`Error::NotActive`], [`Error::Unserved`], [`Error::BacklogFull`], or the
    /// store's: then none of them is shown.
    pub async fn put(&self, stream: &DeliveryStream, records: &[Bytes]) -> Result<u64, Error> {
        let state = stream.state();
        let Source::DirectPut { log } = state.row.source else {
            return Err(Error::NotDirectPut(stream.name.clone()));
        };
        if state.row.status != Status::Active {
            return Err(Error::NotActive(stream.name.clone()));
        }
        if let Err(unserved) = &state.served {
            return Err(Error::Unserved(stream.name.clone(), unserved.clone()));
        }
        if stream.backlog.bytes() >= self.0.shared.config.backlog_bytes_max {
            return Err(Error::BacklogFull(stream.name.clone()));
        }
        let bytes: usize = records.iter().map(Bytes::len).sum();
        let mut batch = RecordBatch::with_capacity(records.len(), bytes);
        records.iter().for_each(|record| batch.push(&[record]));
        let append = LogAppend::new(LogId(log), batch.finish());
        match self.0.store.append(vec![append]).await?.first() {
            Some(AppendOutcome::Appended { first, .. }) => {
                stream.meters.put(records.len() as u64, bytes as u64);
                Ok(first.0)
            }
            _ => Err(Error::NotFound(stream.name.clone())),
        }
    }
}
