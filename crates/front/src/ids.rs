//! The two ids that every AWS answer carries.

use base64_simd::Out;
use http::HeaderValue;
use stdx::Entropy;
use wire::RequestId;

/// Bytes behind `x-amz-id-2`, which is their base64: AWS's is as long.
const EXTENDED_BYTES: usize = 72;
const ID_BYTES: usize = 16;

/// `x-amzn-RequestId` and `x-amz-id-2` of one request.
pub(crate) struct Ids {
    pub(crate) request_id: RequestId,
    extended: [u8; EXTENDED_BYTES],
}

impl Ids {
    pub(crate) fn new(entropy: &Entropy) -> Self {
        let random: [u8; ID_BYTES + EXTENDED_BYTES] = entropy.array();
        let (mut id, mut extended) = ([0; ID_BYTES], [0; EXTENDED_BYTES]);
        id.copy_from_slice(&random[..ID_BYTES]);
        extended.copy_from_slice(&random[ID_BYTES..]);
        Ids { request_id: RequestId(as_uuid_v4(id)), extended }
    }

    pub(crate) fn request_id_header(&self) -> HeaderValue {
        ascii(&self.request_id.text())
    }

    pub(crate) fn extended_header(&self) -> HeaderValue {
        let mut text = [0; EXTENDED_BYTES / 3 * 4];
        ascii(base64_simd::STANDARD.encode(&self.extended, Out::from_slice(&mut text)))
    }
}

/// Sets the version and variant bits of RFC 9562, as AWS's ids have them.
fn as_uuid_v4(bytes: [u8; ID_BYTES]) -> u128 {
    let random = u128::from_be_bytes(bytes);
    let cleared = random & !(0xf << 76) & !(0b11 << 62);
    cleared | (4 << 76) | (0b10 << 62)
}

fn ascii(text: &[u8]) -> HeaderValue {
    // Hex, dashes and base64 are header characters; the fallback is never taken.
    HeaderValue::from_bytes(text).unwrap_or(HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_look_like_awss() {
        let ids = Ids::new(&Entropy::seeded(1));
        let id = ids.request_id_header().to_str().unwrap().to_owned();
        assert_eq!(id.len(), 36);
        assert_eq!(id.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&id.as_bytes()[19]));
        assert_eq!(ids.extended_header().len(), 96);
    }
}
