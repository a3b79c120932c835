//! stub
use crate::schema::{Schema, ShapeId};
use crate::{Codec, Fault};
use bytes::Bytes;

/// Stub.
pub fn examine(_: Codec, _: &Bytes, _: &'static Schema, _: ShapeId) -> Result<Bytes, Fault> {
    Err(Fault::bare("SerializationException"))
}
