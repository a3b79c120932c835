//! The encodings a caller may choose, and the bodies they read and write.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::schema::{Schema, ShapeId};
use crate::{Fault, cbor, explain, json, query};

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// awsJson: base64 blobs, epoch-second timestamps.
    Json,
    /// `application/x-amz-cbor-1.1`: byte strings, tagged millisecond timestamps.
    Cbor,
    /// Smithy RPC v2: CBOR by the book. Its tagged times are seconds; no operation that is served
    /// in it reads or writes one yet.
    RpcCbor,
    /// Forms in, XML out; the XML's outermost elements are the answerer's.
    Query,
}

/// Reads an operation's input and checks it against the model.
///
/// Serde reads the valid ones. Whatever it refuses goes through the explainer, which either says
/// what is wrong in AWS's words or, as AWS forgives more than serde (`1.5` is the integer 1), hands
/// back a tolerable value.
pub fn decode<T: DeserializeOwned>(
    codec: Codec,
    body: &Bytes,
    schema: &'static Schema,
    shape: ShapeId,
    is_valid: fn(&T) -> bool,
) -> Result<T, Fault> {
    if let Ok(input) = read_exactly(codec, body)
        && is_valid(&input)
    {
        return Ok(input);
    }
    let tolerable = explain::examine(codec, body, schema, shape)?;
    // CBOR carries every value without loss, and its reader is compiled for this type already.
    cbor::from_slice(&tolerable).map_err(|_| Fault::bare("SerializationException"))
}

/// Reads a value of our own side's making: an answer, an event.
pub fn read<T: DeserializeOwned>(codec: Codec, body: &Bytes) -> Result<T, Fault> {
    read_exactly(codec, body).map_err(|()| Fault::bare("SerializationException"))
}

fn read_exactly<T: DeserializeOwned>(codec: Codec, body: &Bytes) -> Result<T, ()> {
    match codec {
        Codec::Json => json::from_slice(body).map_err(drop),
        Codec::Cbor | Codec::RpcCbor => cbor::from_slice(body).map_err(drop),
        Codec::Query => query::from_slice(body).ok_or(()),
    }
}

/// Writes a value into a buffer of about the right size.
pub fn encode<T: Serialize>(codec: Codec, value: &T, bytes_guess: usize) -> Bytes {
    let mut buffer = Vec::with_capacity(bytes_guess);
    write(codec, value, &mut buffer);
    buffer.into()
}

/// Writes a value to the end of a buffer.
///
/// Shapes cannot fail to serialise: their maps have text keys, and a buffer takes every byte.
pub fn write<T: Serialize>(codec: Codec, value: &T, buffer: &mut Vec<u8>) {
    let written = match codec {
        Codec::Json => json::write(value, buffer),
        Codec::Cbor | Codec::RpcCbor => cbor::write(value, buffer),
        Codec::Query => query::write(value, buffer),
    };
    debug_assert!(written, "a shape did not serialise");
}

/// Whether a body parses at all and is more than a scalar, whatever it says; the first thing that
/// AWS looks at.
pub fn is_well_formed(codec: Codec, body: &[u8]) -> bool {
    match codec {
        Codec::Json => json::is_well_formed(body),
        Codec::Cbor | Codec::RpcCbor => cbor::is_well_formed(body),
        Codec::Query => query::Form::parse(body).is_some(),
    }
}

/// Writes a fault's body, except a [`Codec::Query`]'s, which is [`query::fault`]'s: `__type` and, where there are words, `message` or `Message`.
pub fn encode_fault(codec: Codec, fault: &Fault) -> Bytes {
    encode(codec, &FaultBody(fault), 64 + fault.message.as_ref().map_or(0, |m| m.len()))
}

/// Reads a fault's body as our own client gets it.
pub fn decode_fault(codec: Codec, status: u16, body: &Bytes) -> Fault {
    let read: Option<ReadFault> = read(codec, body).ok();
    let read = read.unwrap_or_default();
    let capital_message = read.capital.is_some();
    // Codes may come with a namespace before a hash.
    let code = read.code.rsplit('#').next().unwrap_or_default().to_string();
    Fault {
        code: if code.is_empty() { "UnknownError".into() } else { code.into() },
        status,
        message: read.message.or(read.capital).map(Into::into),
        capital_message,
    }
}

struct FaultBody<'a>(&'a Fault);

impl Serialize for FaultBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Without a length, CBOR gets the indefinite map that AWS writes here.
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("__type", &self.0.code)?;
        if let Some(text) = &self.0.message {
            let name = if self.0.capital_message { "Message" } else { "message" };
            map.serialize_entry(name, text)?;
        }
        map.end()
    }
}

#[derive(Default, serde::Deserialize)]
struct ReadFault {
    #[serde(rename = "__type", default)]
    code: String,
    #[serde(default)]
    message: Option<String>,
    #[serde(rename = "Message", default)]
    capital: Option<String>,
}
