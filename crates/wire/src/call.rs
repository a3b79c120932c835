//! Who asks, from where, and under which name the answer is remembered.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// The id that a request carries through answer, log and support question: 128 random bits shown
/// as a UUID, as AWS shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(pub u128);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.0;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            id >> 96,
            (id >> 80) & 0xffff,
            (id >> 64) & 0xffff,
            (id >> 48) & 0xffff,
            id & 0xffff_ffff_ffff
        )
    }
}

/// One authenticated request, as the services see it: no header, no status, no codec.
#[derive(Clone, Debug)]
pub struct Call {
    /// The id answered in `x-amzn-RequestId`.
    pub request_id: RequestId,
    /// The caller's account: twelve digits. It is the key's, never the request's.
    pub account: Arc<str>,
    /// The region of the request's credential scope: every region is its own world.
    pub region: Arc<str>,
    /// The caller's ARN, such as `arn:aws:iam::000000000000:root`.
    pub principal: Arc<str>,
    /// Where the connection came from.
    pub source_ip: IpAddr,
    /// Whether the connection is encrypted.
    pub secure_transport: bool,
}
