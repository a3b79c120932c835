//! The S3 protocol over [`Bucket`]: `s3s` reads requests, verifies their signatures (chunked bodies and
//! trailers included) and writes answers; here is what the operations do.

mod body;
mod checksums;
mod chunked;
mod faults;
mod host;
mod keys;
mod listing;
mod s3;
mod service;
mod shapes;

pub use body::WireError;
pub use service::{Caller, S3Service, Served};
