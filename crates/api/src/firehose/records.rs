//! Records: put.

use bytes::Bytes;
use delivery::{Delivery, DeliveryStream, EncryptionStatus, Error};
use model::firehose::{op, shapes};
use wire::{Call, Fault, Serve};

use super::Firehose;
use super::faults::{SLOW_DOWN, invalid_argument, to_fault};

/// Bytes of records that one call may put, decoded (API reference, PutRecordBatch).
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

impl Serve<op::PutRecord> for Firehose {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::PutRecordInput,
    ) -> Result<shapes::PutRecordOutput, Fault> {
        let stream = self.stream(call, &input)?;
        let (first, taken) = self.put(&stream, &[input.record.data.0]).await?;
        if taken == 0 {
            return Err(to_fault(Error::Throttled(stream.name.clone())));
        }
        Ok(shapes::PutRecordOutput {
            record_id: record_id(stream.generation, first),
            encrypted: Some(is_encrypted(&self.delivery, &stream)),
        })
    }
}

impl Serve<op::PutRecordBatch> for Firehose {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::PutRecordBatchInput,
    ) -> Result<shapes::PutRecordBatchOutput, Fault> {
        let stream = self.stream(call, &input)?;
        let records: Vec<Bytes> = input.records.into_iter().map(|record| record.data.0).collect();
        if records.iter().map(Bytes::len).sum::<usize>() > BATCH_BYTES_MAX {
            // osquery/osquery issue 3568 shows AWS's words.
            return Err(invalid_argument("Records size exceeds 4 MB limit"));
        }
        let (first, taken) = self.put(&stream, &records).await?;
        let ids = (first..).take(taken);
        let put = ids.map(|position| shapes::PutRecordBatchResponseEntry {
            record_id: Some(record_id(stream.generation, position)),
            ..shapes::PutRecordBatchResponseEntry::default()
        });
        let failed = records.len() - taken;
        let refused = (0..failed).map(|_| shapes::PutRecordBatchResponseEntry {
            error_code: Some("ServiceUnavailableException".to_owned()),
            error_message: Some(SLOW_DOWN.to_owned()),
            ..shapes::PutRecordBatchResponseEntry::default()
        });
        Ok(shapes::PutRecordBatchOutput {
            failed_put_count: failed as i32,
            encrypted: Some(is_encrypted(&self.delivery, &stream)),
            request_responses: put.chain(refused).collect(),
        })
    }
}

impl Firehose {
    /// Makes records durable, as many from the first on as the quota has room for; answers where the
    /// first one stands, and how many there are.
    async fn put(&self, stream: &DeliveryStream, records: &[Bytes]) -> Result<(u64, usize), Fault> {
        let taken = self.delivery.admit(stream, records);
        if taken == 0 {
            return Ok((0, 0));
        }
        let first = self.delivery.put(stream, &records[..taken]).await;
        let first = first.map_err(|error| match error {
            // PutRecord knows no other fault for a stream that takes nothing yet, or no more.
            Error::NotActive(stream) => to_fault(Error::NotFound(stream)),
            error => to_fault(error),
        })?;
        Ok((first, taken))
    }
}

fn is_encrypted(delivery: &Delivery, stream: &DeliveryStream) -> bool {
    delivery.encryption(&stream.state()) == EncryptionStatus::Enabled
}

/// Characters of a record's id, as of AWS's (API reference, PutRecord's examples).
const RECORD_ID_BYTES: usize = 168;

/// An opaque id, as long as AWS's. No two records have the same: the first two words are one-to-one
/// with the delivery stream and the position, and the others only follow from them.
fn record_id(generation: u64, position: u64) -> String {
    let mut bytes = [0; RECORD_ID_BYTES];
    let (words, _) = bytes.as_chunks_mut::<8>();
    let mut word = mixed(generation);
    words[0] = word.to_le_bytes();
    word = mixed(word ^ position);
    for place in &mut words[1..] {
        *place = word.to_le_bytes();
        word = mixed(word.wrapping_add(0x9e37_79b9_7f4a_7c15));
    }
    base64_simd::STANDARD.encode_to_string(bytes)
}

/// Spreads a number over all its bits; no two numbers become the same (the finalizer of MurmurHash3).
fn mixed(mut word: u64) -> u64 {
    word = (word ^ (word >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    word = (word ^ (word >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    word ^ (word >> 33)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::record_id;

    #[test]
    fn ids_are_long_and_differ() {
        let ids: BTreeSet<_> = (0..3)
            .flat_map(|generation| (0..1000).map(move |position| record_id(generation, position)))
            .collect();
        assert_eq!(ids.len(), 3000);
        assert!(ids.iter().all(|id| id.len() == 224));
    }
}
