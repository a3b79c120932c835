//! `levada tail`: every shard of a stream, through splits and merges, until interrupted.

use std::collections::HashSet;
use std::io::Write;
use std::time::Duration;

use model::kinesis::{op, shapes};
use serde::Serialize;
use stdx::Clock;
use wire::Codec;

use super::{Shutdown, connect, failed};
use crate::cli::{From, Tail};
use crate::client::Client;
use crate::exit::Failure;

/// How long to wait after a round in which nothing new was found.
const POLL_EVERY: Duration = Duration::from_millis(200);

pub(crate) async fn run(options: Tail) -> Result<(), Failure> {
    let shutdown = Shutdown::listen()?;
    let client = connect(&options.target)?;
    let clock = Clock::system();
    let follow = async {
        let mut tail = Follow::begin(&client, &options.stream, options.from).await?;
        loop {
            let found = tail.next().await?;
            for (shard, record) in &found {
                print(shard, record, options.json)?;
            }
            if tail.is_over() || (options.no_follow && tail.at_tip) {
                return Ok(());
            }
            if found.is_empty() {
                clock.sleep(POLL_EVERY).await;
            }
        }
    };
    tokio::select! {
        ended = follow => ended,
        () = shutdown.ordered() => Ok(()),
    }
}

/// A record as `--json` prints it: data as text if it is text, else in base64.
#[derive(Serialize)]
struct Line<'a> {
    shard_id: &'a str,
    sequence_number: &'a str,
    partition_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<&'a wire::Blob>,
}

/// What a line says beside the data, about.
const LINE_BYTES_USUAL: usize = 256;

fn print(shard: &str, record: &shapes::Record, json: bool) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let written = if json {
        let text = std::str::from_utf8(&record.data).ok();
        let line = Line {
            shard_id: shard,
            sequence_number: &record.sequence_number,
            partition_key: record.partition_key.as_deref(),
            data: text,
            data_base64: text.is_none().then_some(&record.data),
        };
        let bytes_guess = record.data.len() * 2 + LINE_BYTES_USUAL;
        out.write_all(&wire::codec::encode(Codec::Json, &line, bytes_guess))
    } else {
        out.write_all(&record.data)
    };
    let written = written.and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
    written.map_err(|error| Failure::new(format!("standard output cannot be written: {error}")))
}

/// Reads a stream's shards in turn, and children after their parents.
pub(crate) struct Follow<'a> {
    client: &'a Client,
    stream: String,
    shards: Vec<Reading>,
    /// Children whose parents are not all read to their end; order by key depends on it.
    waiting: Vec<shapes::ChildShard>,
    known: HashSet<String>,
    ended: HashSet<String>,
    /// Whether the last round reached the tip of every shard.
    pub(crate) at_tip: bool,
}

struct Reading {
    shard: String,
    iterator: String,
}

impl<'a> Follow<'a> {
    /// Begins at the open shards, or at the oldest kept ones.
    pub(crate) async fn begin(
        client: &'a Client,
        stream: &str,
        from: From,
    ) -> Result<Self, Failure> {
        let (filter, position) = match from {
            From::TrimHorizon => {
                (shapes::ShardFilterType::AtTrimHorizon, shapes::ShardIteratorType::TrimHorizon)
            }
            From::Latest => (shapes::ShardFilterType::AtLatest, shapes::ShardIteratorType::Latest),
        };
        let filter = shapes::ShardFilter { r#type: filter, ..shapes::ShardFilter::default() };
        let mut input = shapes::ListShardsInput {
            stream_name: Some(stream.to_owned()),
            shard_filter: Some(filter),
            ..shapes::ListShardsInput::default()
        };
        let mut follow = Follow {
            client,
            stream: stream.to_owned(),
            shards: Vec::new(),
            waiting: Vec::new(),
            known: HashSet::new(),
            ended: HashSet::new(),
            at_tip: false,
        };
        loop {
            let page = client.call::<op::ListShards>(&input).await.map_err(failed)?;
            for shard in page.shards.unwrap_or_default() {
                follow.known.insert(shard.shard_id.clone());
                follow.add(shard.shard_id, position.clone()).await?;
            }
            match page.next_token {
                None => return Ok(follow),
                next_token => {
                    input = shapes::ListShardsInput {
                        next_token,
                        ..shapes::ListShardsInput::default()
                    };
                }
            }
        }
    }

    /// Whether no shard is left to read.
    pub(crate) fn is_over(&self) -> bool {
        self.shards.is_empty()
    }

    /// One round over all shards: what has arrived, each record with its shard.
    pub(crate) async fn next(&mut self) -> Result<Vec<(String, shapes::Record)>, Failure> {
        let mut found = Vec::new();
        self.at_tip = true;
        for mut reading in std::mem::take(&mut self.shards) {
            let input = shapes::GetRecordsInput {
                shard_iterator: reading.iterator,
                ..shapes::GetRecordsInput::default()
            };
            let page = self.client.call::<op::GetRecords>(&input).await.map_err(failed)?;
            self.at_tip &= page.records.is_empty() && page.child_shards.is_none();
            found.extend(page.records.into_iter().map(|r| (reading.shard.clone(), r)));
            // Both parents of a merge name the same child.
            let children = page.child_shards.unwrap_or_default();
            self.waiting
                .extend(children.into_iter().filter(|c| self.known.insert(c.shard_id.clone())));
            match page.next_shard_iterator {
                Some(next) => {
                    reading.iterator = next;
                    self.shards.push(reading);
                }
                None => _ = self.ended.insert(reading.shard),
            }
        }
        for child in std::mem::take(&mut self.waiting) {
            if child.parent_shards.iter().all(|parent| self.ended.contains(parent)) {
                self.add(child.shard_id, shapes::ShardIteratorType::TrimHorizon).await?;
            } else {
                self.waiting.push(child);
                self.at_tip = false;
            }
        }
        Ok(found)
    }

    /// Reads a shard too.
    async fn add(
        &mut self,
        shard: String,
        position: shapes::ShardIteratorType,
    ) -> Result<(), Failure> {
        let input = shapes::GetShardIteratorInput {
            stream_name: Some(self.stream.clone()),
            shard_id: shard.clone(),
            shard_iterator_type: position,
            ..shapes::GetShardIteratorInput::default()
        };
        let answer = self.client.call::<op::GetShardIterator>(&input).await.map_err(failed)?;
        if let Some(iterator) = answer.shard_iterator {
            self.shards.push(Reading { shard, iterator });
        }
        Ok(())
    }
}
