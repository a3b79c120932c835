//! How a record lies in a staging log. The bytes are described in `docs/format.md`.
//!
//! `kind (1) | arrival (8) | data`, or for a failed record
//! `kind (1) | arrival (8) | length of the failure (4) | failure (CBOR) | data`

use bytes::{Buf, BufMut, Bytes, BytesMut};
use minicbor::{CborLen, Decode, Encode};
use stdx::UnixMillis;

use crate::process::ProcessingError;

const DATA: u8 = 1;
const FAILED: u8 = 2;
const HEAD_BYTES: usize = 9;

/// Why a record failed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(map)]
pub(crate) struct Failure {
    /// AWS's code, such as `Lambda.FunctionError`.
    #[n(0)]
    pub(crate) code: String,
    /// AWS's words for it.
    #[n(1)]
    pub(crate) message: String,
    /// How often it was tried.
    #[n(2)]
    pub(crate) attempts: u32,
    /// When the last attempt ended.
    #[n(3)]
    pub(crate) ended_ms: u64,
    /// The function, if one was involved.
    #[n(4)]
    pub(crate) lambda_arn: Option<String>,
}

impl Failure {
    /// Of a processor that is no function.
    pub(crate) fn of_processor(error: &ProcessingError, ended: UnixMillis) -> Self {
        Failure {
            code: error.code.to_owned(),
            message: error.message.clone(),
            attempts: 1,
            ended_ms: ended.0,
            lambda_arn: None,
        }
    }
}

/// A record as it was staged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StagedRecord {
    /// When it arrived in the intake.
    pub(crate) arrival: UnixMillis,
    /// What is delivered, or what came in if it failed.
    pub(crate) data: Bytes,
    /// Why it failed, if it did.
    pub(crate) failure: Option<Failure>,
}

impl StagedRecord {
    /// How many bytes [`StagedRecord::write`] appends.
    pub(crate) fn bytes(&self) -> usize {
        let failure = self.failure.as_ref().map_or(0, |failure| minicbor::len(failure) + 4);
        HEAD_BYTES + failure + self.data.len()
    }

    pub(crate) fn write(&self, into: &mut BytesMut) {
        into.put_u8(if self.failure.is_some() { FAILED } else { DATA });
        into.put_u64_le(self.arrival.0);
        if let Some(failure) = &self.failure {
            let failure = minicbor::to_vec(failure).expect("a vector takes every byte");
            into.put_u32_le(failure.len() as u32);
            into.put_slice(&failure);
        }
        into.put_slice(&self.data);
    }

    /// Reads a record without copying its data. `None` if these are not a staged record's bytes.
    pub(crate) fn read(mut payload: Bytes) -> Option<Self> {
        if payload.len() < HEAD_BYTES {
            return None;
        }
        let kind = payload.get_u8();
        let arrival = UnixMillis(payload.get_u64_le());
        let failure = match kind {
            DATA => None,
            FAILED => {
                let length = payload.try_get_u32_le().ok()? as usize;
                let failure = minicbor::decode(payload.get(..length)?).ok()?;
                payload.advance(length);
                Some(failure)
            }
            _ => return None,
        };
        Some(StagedRecord { arrival, data: payload, failure })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(record: &StagedRecord) -> Bytes {
        let mut bytes = BytesMut::new();
        record.write(&mut bytes);
        assert_eq!(bytes.len(), record.bytes());
        bytes.freeze()
    }

    fn failure() -> Failure {
        Failure {
            code: "c".to_owned(),
            message: "m".to_owned(),
            attempts: 4,
            ended_ms: 7,
            lambda_arn: Some("a".to_owned()),
        }
    }

    #[test]
    fn golden_bytes() {
        let arrival = UnixMillis(0x0102);
        let data = Bytes::from_static(b"hi");
        let good = StagedRecord { arrival, data: data.clone(), failure: None };
        assert_eq!(&written(&good)[..], b"\x01\x02\x01\0\0\0\0\0\0hi");
        let failed = StagedRecord { arrival, data, failure: Some(failure()) };
        let golden =
            b"\x02\x02\x01\0\0\0\0\0\0\x0e\0\0\0\xa5\0\x61c\x01\x61m\x02\x04\x03\x07\x04\x61ahi";
        assert_eq!(&written(&failed)[..], golden);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(arrival: u64, data: Vec<u8>, failed: bool) {
            let failure = failed.then(failure);
            let record = StagedRecord { arrival: UnixMillis(arrival), data: data.into(), failure };
            prop_assert_eq!(StagedRecord::read(written(&record)), Some(record));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = StagedRecord::read(bytes.into());
        }
    }
}
