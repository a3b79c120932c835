//! The JSON of PutRecords and PutRecord, read with serde without copying a string that needs none.

use std::borrow::Cow;

use serde::Deserialize;

use crate::chunk::{Entry, pick_shard};

/// Some record's data is not base64.
#[derive(Debug)]
pub struct RefusedBase64;

/// A PutRecords request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PutRecords<'a> {
    /// The stream.
    #[serde(borrow)]
    pub stream_name: Cow<'a, str>,
    /// The records.
    #[serde(borrow)]
    pub records: Vec<Record<'a>>,
}

/// A PutRecord request: a record that names its stream.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PutRecord<'a> {
    /// The stream.
    #[serde(borrow)]
    pub stream_name: Cow<'a, str>,
    /// The data, in base64.
    #[serde(borrow)]
    pub data: Cow<'a, str>,
    /// The partition key.
    #[serde(borrow)]
    pub partition_key: Cow<'a, str>,
}

/// A record of a PutRecords request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Record<'a> {
    /// The data, in base64.
    #[serde(borrow)]
    pub data: Cow<'a, str>,
    /// The partition key.
    #[serde(borrow)]
    pub partition_key: Cow<'a, str>,
}

impl Record<'_> {
    /// The record as the log takes it.
    pub fn view(&self) -> Entry<'_> {
        Entry { key: self.partition_key.as_bytes(), data: self.data.as_bytes() }
    }
}

impl PutRecord<'_> {
    /// The record as the log takes it.
    pub fn view(&self) -> Entry<'_> {
        Entry { key: self.partition_key.as_bytes(), data: self.data.as_bytes() }
    }
}

/// The shard of each record.
pub fn pick_shards(entries: &[Entry<'_>]) -> Vec<u8> {
    entries.iter().map(|entry| pick_shard(entry.key)).collect()
}
