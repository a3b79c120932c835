//! The codecs from outside.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly anywhere")]

mod cbor;
mod corpus;
mod event_stream;
mod json;
mod text;
mod values;
