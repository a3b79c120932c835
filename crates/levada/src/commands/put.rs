//! `levada put`: arguments, or lines of standard input, as records.

use std::time::Duration;

use bytes::Bytes;
use model::kinesis::{op, shapes};
use stdx::{Clock, Entropy};
use streams::limits::PUT_RECORDS_COUNT_MAX;
use tokio::io::{AsyncBufReadExt, BufReader};
use wire::Blob;

use super::{connect, failed};
use crate::cli::Put;
use crate::client::Client;
use crate::exit::Failure;

/// How long to gather lines before they are put.
const GATHER: Duration = Duration::from_millis(20);

pub(crate) async fn run(options: Put) -> Result<(), Failure> {
    let client = connect(&options.target)?;
    let putter =
        Putter { client, stream: options.stream, key: options.key, entropy: Entropy::system() };
    if !options.data.is_empty() {
        let records = options.data.into_iter().map(Bytes::from).collect::<Vec<_>>();
        for batch in records.chunks(PUT_RECORDS_COUNT_MAX) {
            putter.put(batch).await?;
        }
        return Ok(());
    }
    putter.put_lines().await
}

struct Putter {
    client: Client,
    stream: String,
    key: Option<String>,
    entropy: Entropy,
}

impl Putter {
    /// Puts standard input, line by line, in batches of what arrives together.
    async fn put_lines(&self) -> Result<(), Failure> {
        let clock = Clock::system();
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        let mut batch = Vec::new();
        loop {
            let wait = if batch.is_empty() { Duration::MAX } else { GATHER };
            let line = if wait == Duration::MAX {
                Some(lines.next_line().await)
            } else {
                clock.timeout(wait, lines.next_line()).await
            };
            let unreadable =
                |error| Failure::new(format!("standard input cannot be read: {error}"));
            match line.transpose().map_err(unreadable)? {
                Some(Some(line)) => batch.push(Bytes::from(line)),
                Some(None) if batch.is_empty() => return Ok(()),
                Some(None) => return self.put(&batch).await,
                None => self.put(&std::mem::take(&mut batch)).await?,
            }
            if batch.len() == PUT_RECORDS_COUNT_MAX {
                self.put(&std::mem::take(&mut batch)).await?;
            }
        }
    }

    /// Puts one batch and prints where each record went.
    async fn put(&self, batch: &[Bytes]) -> Result<(), Failure> {
        let records = batch.iter().map(|data| shapes::PutRecordsRequestEntry {
            data: Blob(data.clone()),
            explicit_hash_key: None,
            partition_key: Some(self.partition_key()),
        });
        let input = shapes::PutRecordsInput {
            records: records.collect(),
            stream_name: Some(self.stream.clone()),
            ..shapes::PutRecordsInput::default()
        };
        let answer = self.client.call::<op::PutRecords>(&input).await.map_err(failed)?;
        for placed in answer.records {
            match (placed.shard_id, placed.sequence_number, placed.error_code) {
                (Some(shard), Some(number), None) => println!("{shard} {number}"),
                (_, _, code) => {
                    let code = code.unwrap_or_default();
                    let message = placed.error_message.unwrap_or_default();
                    return Err(Failure::new(format!("a record was refused: {code}: {message}")));
                }
            }
        }
        Ok(())
    }

    fn partition_key(&self) -> String {
        self.key.clone().unwrap_or_else(|| format!("{:016x}", self.entropy.u64()))
    }
}
