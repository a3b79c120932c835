//! The tables: their numbers, keys and row encodings.

use store::Table;

use crate::name::DeliveryStreamName;
use crate::rows::DeliveryStreamRow;

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
