//! Records: put and got.

use std::borrow::Cow;
use std::sync::Arc;

use ::streams::limits::{GET_RECORDS_COUNT_MAX, PUT_RECORDS_BYTES_MAX};
use ::streams::shard::shard_id;
use ::streams::{
    Cursor, Error, GivenNumber, HashKey, NewRecord, Placed, Position, PutBy, Stream, StreamName,
    Throttled,
};
use model::kinesis::{op, shapes};
use wire::{Blob, Call, Fault, Resource, Serve};

use super::Kinesis;
use super::faults::{dry_run, invalid_argument, shard_missing, to_fault, write_throttled};
use super::injected::{RecordFailure, with_failed, without_failed};
use super::shapes as shape;

impl Serve<op::PutRecord> for Kinesis {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::PutRecordInput,
    ) -> Result<shapes::PutRecordOutput, Fault> {
        let stream = self.stream_with_data(call, &input)?;
        let record = new_record(input.data, input.partition_key, input.explicit_hash_key)?;
        if let Some(number) = input.sequence_number_for_ordering {
            self.check_ordering(&stream, number)?;
        }
        let records = vec![record];
        let injected = self.befall_records(call, "PutRecord", &stream, &records).await?;
        let by = PutBy::PutRecord;
        let records = without_failed(records, &injected);
        let placed = self.put(&stream, by, &records, &injected, input.dry_run).await?;
        if let Some((_, failure)) = injected.into_iter().next() {
            return Err(failure.into());
        }
        let placed = match placed.first().ok_or_else(Fault::internal)? {
            Ok(placed) => placed,
            Err(throttled) => return Err(write_throttled(&stream.name, throttled.shard)),
        };
        Ok(shapes::PutRecordOutput {
            shard_id: shard_id(placed.shard),
            sequence_number: placed.sequence.to_string(),
            encryption_type: encryption_of(&stream),
        })
    }
}

impl Serve<op::PutRecords> for Kinesis {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::PutRecordsInput,
    ) -> Result<shapes::PutRecordsOutput, Fault> {
        let stream = self.stream_with_data(call, &input)?;
        let records = input
            .records
            .into_iter()
            .map(|entry| new_record(entry.data, entry.partition_key, entry.explicit_hash_key));
        let records = records.collect::<Result<Vec<_>, Fault>>()?;
        let bytes: usize = records.iter().map(NewRecord::bytes).sum();
        if bytes > PUT_RECORDS_BYTES_MAX {
            return Err(invalid_argument("Records size exceeds 10 MB limit"));
        }
        let injected = self.befall_records(call, "PutRecords", &stream, &records).await?;
        let records = without_failed(records, &injected);
        let by = PutBy::PutRecords;
        let placed = self.put(&stream, by, &records, &injected, input.dry_run).await?;
        let records = placed.iter().map(|placed| match placed {
            Ok(placed) => shapes::PutRecordsResultEntry {
                sequence_number: Some(placed.sequence.to_string()),
                shard_id: Some(shard_id(placed.shard)),
                ..shapes::PutRecordsResultEntry::default()
            },
            Err(throttled) => throttled_entry(write_throttled(&stream.name, throttled.shard)),
        });
        let mut records: Vec<_> = records.collect();
        with_failed(&mut records, injected);
        let failed = records.iter().filter(|entry| entry.error_code.is_some()).count();
        Ok(shapes::PutRecordsOutput {
            failed_record_count: Some(failed as i32),
            records,
            encryption_type: encryption_of(&stream),
        })
    }
}

impl Serve<op::GetRecords> for Kinesis {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::GetRecordsInput,
    ) -> Result<shapes::GetRecordsOutput, Fault> {
        let (name, cursor) = self.open_cursor(call, &input.shard_iterator)?;
        let (stream, cursor) = self.stream_of(&name, cursor)?;
        self.befall_shard(call, "GetRecords", &stream.name, cursor.shard).await?;
        let limit = input.limit.map_or(GET_RECORDS_COUNT_MAX, |limit| limit as usize);
        if input.dry_run == Some(true) {
            self.streams.check_page(&stream, cursor).map_err(to_fault)?;
            return Err(dry_run());
        }
        let started = self.streams.elapsed();
        let page = self.streams.page(&stream, cursor, limit).await;
        self.measure_get(&stream, cursor.shard, &page, started);
        let page = page.map_err(to_fault)?;
        let children = || page.children.iter().map(|child| shape::child_shard(child)).collect();
        Ok(shapes::GetRecordsOutput {
            next_shard_iterator: page.next.map(|next| self.seal_cursor(&name, &next)),
            millis_behind_latest: Some(page.behind_ms as i64),
            child_shards: page.next.is_none().then(children),
            records: page.records.into_iter().map(shape::record).collect(),
        })
    }

    /// The stream is in the iterator.
    fn resource(&self, call: &Call, input: &shapes::GetRecordsInput) -> Option<Resource> {
        let (name, _) = self.open_cursor(call, &input.shard_iterator).ok()?;
        Some(Resource::Own(format!("stream/{}", name.name)))
    }
}

impl Kinesis {
    async fn put(
        &self,
        stream: &Stream,
        by: PutBy,
        records: &[NewRecord],
        injected: &[(usize, RecordFailure)],
        dry: Option<bool>,
    ) -> Result<Vec<Result<Placed, Throttled>>, Fault> {
        if dry == Some(true) {
            self.streams.check_put(stream, records).map_err(to_fault)?;
            return Err(dry_run());
        }
        let started = self.streams.elapsed();
        let placed = match records {
            // All of them failed by injection.
            [] => Ok(Vec::new()),
            _ => self.streams.put(stream, records).await,
        };
        self.measure_put(stream, by, records, injected, &placed, started);
        placed.map_err(to_fault)
    }

    /// The stream that a cursor reads.
    ///
    /// A stream that was deleted and made again is read from its beginning, whose numbers are
    /// higher than all of its namesake's (kinesalite's recorded behaviour).
    fn stream_of(&self, name: &StreamName, cursor: Cursor) -> Result<(Arc<Stream>, Cursor), Fault> {
        if let Some(stream) = self.streams.stream_of_generation(cursor.generation) {
            return Ok((stream, cursor));
        }
        let namesake = self.streams.stream_with_data(name);
        let stream = namesake.map_err(|_| shard_missing(name, cursor.shard))?;
        let generation = stream.generation;
        Ok((stream, Cursor { generation, position: Position::ZERO, ..cursor }))
    }

    /// The number is only looked at: within a shard, order is that of arrival anyway.
    fn check_ordering(&self, stream: &Stream, number: String) -> Result<(), Fault> {
        let now_seconds = self.streams.now().seconds();
        match GivenNumber::parse(&number) {
            Some(earlier) if earlier.arrival_seconds() <= now_seconds => Ok(()),
            _ => Err(to_fault(Error::OrderingNumber(stream.name.clone(), number))),
        }
    }
}

fn new_record(
    data: Blob,
    partition_key: Option<String>,
    explicit_hash_key: Option<String>,
) -> Result<NewRecord, Fault> {
    let explicit_hash_key = match explicit_hash_key {
        Some(digits) => match HashKey::parse(&digits) {
            Some(key) => Some(key),
            None => return Err(to_fault(Error::HashKeyRange(digits))),
        },
        None => None,
    };
    Ok(NewRecord { data: data.0, partition_key, explicit_hash_key })
}

/// A record that failed, among others that may not have.
fn throttled_entry(fault: Fault) -> shapes::PutRecordsResultEntry {
    shapes::PutRecordsResultEntry {
        error_code: Some(fault.code.into_owned()),
        error_message: fault.message.map(Cow::into_owned),
        ..shapes::PutRecordsResultEntry::default()
    }
}

/// Unencrypted streams answer no encryption type at all (facts/streams.md § 2.1).
fn encryption_of(stream: &Stream) -> Option<shapes::EncryptionType> {
    stream.state().row.kms_key.as_ref().map(|_| shapes::EncryptionType::Kms)
}
