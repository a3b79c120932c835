//! The encodings a caller may choose.

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// awsJson: base64 blobs, epoch-second timestamps.
    Json,
    /// `application/x-amz-cbor-1.1`: byte strings, tagged millisecond timestamps.
    Cbor,
}
