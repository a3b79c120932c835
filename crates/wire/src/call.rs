//! Who asks, from where, and under which name the answer is remembered.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// The id that a request carries through answer, log and support question: 128 random bits shown
/// as a UUID, as AWS shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(pub u128);

impl RequestId {
    /// The UUID's 36 characters. By hand: every answer carries them.
    pub fn text(self) -> [u8; 36] {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; 36];
        let mut at = 0;
        for (index, byte) in self.0.to_be_bytes().into_iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                at += 1;
            }
            text[at] = HEX[usize::from(byte >> 4)];
            text[at + 1] = HEX[usize::from(byte & 15)];
            at += 2;
        }
        text
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).map_err(|_| fmt::Error)?)
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
