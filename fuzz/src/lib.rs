//! The targets' bodies by name.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use wire::{Call, Codec, Endpoint, Fault, Operation, Serve};

/// A service's operations.
pub type Endpoints = LazyLock<Vec<Box<dyn Endpoint>>>;

/// Data Streams'.
pub static KINESIS: Endpoints = LazyLock::new(|| model::kinesis::routes(Arc::new(Nobody)));
/// Firehose's.
pub static FIREHOSE: Endpoints = LazyLock::new(|| model::firehose::routes(Arc::new(Nobody)));

/// Serves nothing: its inputs are only decoded.
struct Nobody;

impl<Op: Operation> Serve<Op> for Nobody {
    async fn serve(&self, _: &Call, _: Op::Input) -> Result<Op::Output, Fault> {
        Err(Fault::internal())
    }
}

/// Decodes an input: the first byte says in which codec, the second of which operation.
pub fn input(endpoints: &[Box<dyn Endpoint>], bytes: &[u8]) {
    let [codec, operation, body @ ..] = bytes else { return };
    let codec = [Codec::Json, Codec::Cbor, Codec::RpcCbor, Codec::Query][usize::from(codec % 4)];
    let endpoint = &endpoints[usize::from(*operation) % endpoints.len()];
    let _read_or_refused = endpoint.decode(codec, &Bytes::copy_from_slice(body));
}

/// Opens a token, which nobody can make.
///
/// # Panics
/// If one opens that is not the corpus's.
pub fn sealed_token(bytes: &[u8]) {
    if let Some(opened) = identity::Sealer::new([7; 32]).open("example", bytes) {
        assert_eq!(opened, b"what we carry", "a forged token");
    }
}

/// Runs a decoder of the store's.
///
/// # Panics
/// If it does harm, or there is none of this name.
pub fn store_decoder(name: &str, bytes: &[u8]) {
    let decoders = store::decoders::DECODERS.iter();
    let decoder = decoders.into_iter().find(|own| own.name == name);
    (decoder.expect("a decoder of this name").decode)(bytes);
}

/// Runs a decoder of Data Streams'.
///
/// # Panics
/// As [`store_decoder`].
pub fn streams_decoder(name: &str, bytes: &[u8]) {
    let decoder = streams::decoders::DECODERS.iter().find(|(own, _)| *own == name);
    (decoder.expect("a decoder of this name").1)(bytes);
}

/// Runs an entry of format conversion's.
///
/// # Panics
/// As [`store_decoder`].
pub fn convert_entry(name: &str, bytes: &[u8]) {
    let entry = convert::fuzzing::ENTRIES.iter().find(|(own, _)| *own == name);
    (entry.expect("an entry of this name").1)(bytes);
}

/// Runs a decoder of what the API seals in tokens.
///
/// # Panics
/// As [`store_decoder`].
pub fn api_decoder(name: &str, bytes: &[u8]) {
    let decoder = api::kinesis::decoders::DECODERS.iter().find(|(own, _)| *own == name);
    (decoder.expect("a decoder of this name").1)(bytes);
}
