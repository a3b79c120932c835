//! The tables: their numbers, keys and row encodings.

use store::Table;

use crate::name::DeliveryStreamName;
use crate::rows::{DeliveryStreamRow, PlanRow, SourceRow};

/// Delivery streams by name.
pub(crate) enum DeliveryStreams {}

impl Table for DeliveryStreams {
    const ID: u8 = 17;
    const NAME: &'static str = "delivery streams";
    type Key = DeliveryStreamName;
    type Row = DeliveryStreamRow;

    fn encode_key(key: &DeliveryStreamName, into: &mut Vec<u8>) {
        into.extend_from_slice(key.key().as_bytes());
    }

    fn decode_key(bytes: &[u8]) -> Result<DeliveryStreamName, &'static str> {
        DeliveryStreamName::from_key(bytes).ok_or("not a delivery stream's name")
    }

    fn encode_row(row: &DeliveryStreamRow, into: &mut Vec<u8>) {
        minicbor::encode(row, into).expect("a vector takes every byte");
    }

    fn decode_row(bytes: &[u8]) -> Result<DeliveryStreamRow, &'static str> {
        minicbor::decode(bytes).map_err(|_| "not a delivery stream's row")
    }
}

/// What reads a log: a log may be read for the destination and for the backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reader {
    Destination,
    Backup,
}

/// Logs that objects are made from: by the delivery stream's generation, the log and the reader.
pub(crate) enum Sources {}

impl Table for Sources {
    const ID: u8 = 18;
    const NAME: &'static str = "sources of deliveries";
    type Key = (u64, u64, Reader);
    type Row = SourceRow;

    fn encode_key((generation, log, reader): &Self::Key, into: &mut Vec<u8>) {
        into.extend_from_slice(&generation.to_be_bytes());
        into.extend_from_slice(&log.to_be_bytes());
        into.push(u8::from(*reader == Reader::Backup));
    }

    fn decode_key(bytes: &[u8]) -> Result<Self::Key, &'static str> {
        let (generation, rest) = bytes.split_first_chunk().ok_or("not a source's key")?;
        let (log, reader) = rest.split_first_chunk().ok_or("not a source's key")?;
        let reader = match reader {
            [0] => Reader::Destination,
            [1] => Reader::Backup,
            _ => return Err("not a source's reader"),
        };
        Ok((u64::from_be_bytes(*generation), u64::from_be_bytes(*log), reader))
    }

    fn encode_row(row: &SourceRow, into: &mut Vec<u8>) {
        minicbor::encode(row, into).expect("a vector takes every byte");
    }

    fn decode_row(bytes: &[u8]) -> Result<SourceRow, &'static str> {
        minicbor::decode(bytes).map_err(|_| "not a source's row")
    }
}

/// Objects to come: by the delivery stream's generation and the plan's number.
pub(crate) enum Plans {}

impl Table for Plans {
    const ID: u8 = 19;
    const NAME: &'static str = "plans of deliveries";
    type Key = (u64, u64);
    type Row = PlanRow;

    fn encode_key((generation, number): &Self::Key, into: &mut Vec<u8>) {
        into.extend_from_slice(&generation.to_be_bytes());
        into.extend_from_slice(&number.to_be_bytes());
    }

    fn decode_key(bytes: &[u8]) -> Result<Self::Key, &'static str> {
        let (generation, number) = bytes.split_first_chunk().ok_or("not a plan's key")?;
        let number = number.try_into().map_err(|_| "not a plan's key")?;
        Ok((u64::from_be_bytes(*generation), u64::from_be_bytes(number)))
    }

    fn encode_row(row: &PlanRow, into: &mut Vec<u8>) {
        minicbor::encode(row, into).expect("a vector takes every byte");
    }

    fn decode_row(bytes: &[u8]) -> Result<PlanRow, &'static str> {
        minicbor::decode(bytes).map_err(|_| "not a plan's row")
    }
}
