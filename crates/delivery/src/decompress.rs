//! What CloudWatch Logs sends: GZIP of one JSON document, with log events in it.

use std::borrow::Cow;
use std::io::Read;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use serde::Deserialize;

use crate::limits::DECOMPRESSED_BYTES_MAX;
use crate::prefix::ErrorOutput;
use crate::process::ProcessingError;

/// A batch of log events (CloudWatch Logs user guide, "Log group-level subscription filters").
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch<'a> {
    #[serde(borrow)]
    message_type: Cow<'a, str>,
    #[serde(borrow, default)]
    log_events: Vec<LogEvent<'a>>,
}

#[derive(Deserialize)]
struct LogEvent<'a> {
    #[serde(borrow)]
    message: Cow<'a, str>,
}

/// A record without its GZIP.
///
/// # Errors
/// If it is no GZIP, is cut, or is larger than [`DECOMPRESSED_BYTES_MAX`].
pub(crate) fn decompress(record: &[u8]) -> Result<Bytes, ProcessingError> {
    let failed = |message: String| ProcessingError {
        output: ErrorOutput::Decompression,
        code: "Decompression.Failed",
        message,
    };
    let mut whole = Vec::new();
    let limit = DECOMPRESSED_BYTES_MAX as u64 + 1;
    let read = MultiGzDecoder::new(record).take(limit).read_to_end(&mut whole);
    match read {
        Ok(_) if whole.len() > DECOMPRESSED_BYTES_MAX => {
            Err(failed(format!("The record has more than {DECOMPRESSED_BYTES_MAX} bytes.")))
        }
        Ok(_) => Ok(whole.into()),
        Err(error) => Err(failed(format!("The record is not GZIP: {error}."))),
    }
}

/// The messages of a batch, a line each; `None` if it only probes whether somebody listens.
///
/// # Errors
/// If it is no batch.
pub(crate) fn log_messages(batch: &[u8]) -> Result<Option<Bytes>, ProcessingError> {
    let failed = |message: String| ProcessingError {
        output: ErrorOutput::Processing,
        code: "CloudWatchLogProcessing.Failed",
        message,
    };
    let batch: Batch<'_> = serde_json::from_slice(batch).map_err(|error| {
        failed(format!("The record is no message of CloudWatch Logs: {error}."))
    })?;
    match &*batch.message_type {
        "CONTROL_MESSAGE" => return Ok(None),
        "DATA_MESSAGE" => {}
        other => return Err(failed(format!("There is no message type {other}."))),
    }
    let bytes = batch.log_events.iter().map(|event| event.message.len() + 1).sum();
    let mut lines = Vec::with_capacity(bytes);
    for event in &batch.log_events {
        lines.extend_from_slice(event.message.as_bytes());
        if !event.message.ends_with('\n') {
            lines.push(b'\n');
        }
    }
    Ok(Some(lines.into()))
}
