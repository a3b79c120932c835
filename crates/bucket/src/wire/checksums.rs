//! The checksums that clients state of bodies: in headers, or in trailers once the body has come.

use http::HeaderMap;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
use s3s::{S3Error, S3ErrorCode, S3Result, TrailingHeaders, dto};

use crate::rows::Checksum;

/// An algorithm: its name, its header, how it is computed and where its value is found.
struct Algorithm {
    name: &'static str,
    header: &'static str,
    begin: fn(&mut ChecksumHasher),
    value: fn(&mut dto::Checksum) -> &mut Option<String>,
}

const ALGORITHMS: [Algorithm; 5] = [
    Algorithm {
        name: "CRC32",
        header: "x-amz-checksum-crc32",
        begin: |hasher| hasher.crc32 = Some(Crc32::new()),
        value: |sums| &mut sums.checksum_crc32,
    },
    Algorithm {
        name: "CRC32C",
        header: "x-amz-checksum-crc32c",
        begin: |hasher| hasher.crc32c = Some(Crc32c::new()),
        value: |sums| &mut sums.checksum_crc32c,
    },
    Algorithm {
        name: "CRC64NVME",
        header: "x-amz-checksum-crc64nvme",
        begin: |hasher| hasher.crc64nvme = Some(Crc64Nvme::new()),
        value: |sums| &mut sums.checksum_crc64nvme,
    },
    Algorithm {
        name: "SHA1",
        header: "x-amz-checksum-sha1",
        begin: |hasher| hasher.sha1 = Some(Sha1::new()),
        value: |sums| &mut sums.checksum_sha1,
    },
    Algorithm {
        name: "SHA256",
        header: "x-amz-checksum-sha256",
        begin: |hasher| hasher.sha256 = Some(Sha256::new()),
        value: |sums| &mut sums.checksum_sha256,
    },
];

/// A checksum in the field of its algorithm.
pub(super) fn told(checksum: Option<&Checksum>) -> dto::Checksum {
    let mut sums = dto::Checksum::default();
    if let Some(Checksum { algorithm, value }) = checksum
        && let Some(own) = ALGORITHMS.iter().find(|own| own.name == algorithm)
    {
        *(own.value)(&mut sums) = Some(value.clone());
    }
    sums
}

/// What is computed of a body while it comes.
pub(super) struct Sums {
    hasher: ChecksumHasher,
    /// The algorithm whose value is stated, and the value if the head has it.
    stated: Option<(&'static Algorithm, Option<String>)>,
    md5: Option<[u8; 16]>,
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

impl Sums {
    /// What a head states, or says that the trailers will.
    pub(super) fn stated(headers: &HeaderMap) -> S3Result<Self> {
        let trailers = text(headers, "x-amz-trailer").unwrap_or_default();
        let announced = |own: &&Algorithm| {
            trailers.split(',').any(|name| name.trim().eq_ignore_ascii_case(own.header))
        };
        let in_head = ALGORITHMS
            .iter()
            .find_map(|own| Some((own, Some(text(headers, own.header)?.to_owned()))));
        let stated = in_head.or_else(|| ALGORITHMS.iter().find(announced).map(|own| (own, None)));
        let mut hasher = ChecksumHasher::default();
        if let Some((own, _)) = &stated {
            (own.begin)(&mut hasher);
        }
        let md5 = match text(headers, "content-md5") {
            None => None,
            Some(value) => {
                let bytes = base64_simd::STANDARD.decode_to_vec(value).ok();
                let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
                Some(bytes.ok_or_else(|| {
                    S3Error::with_message(
                        S3ErrorCode::InvalidDigest,
                        "The Content-MD5 you specified was invalid.",
                    )
                })?)
            }
        };
        Ok(Sums { hasher, stated, md5 })
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// The checksum that was stated, if it and the MD5 are right.
    pub(super) fn verify(
        self,
        md5: [u8; 16],
        trailers: Option<&TrailingHeaders>,
    ) -> S3Result<Option<Checksum>> {
        if self.md5.is_some_and(|stated| stated != md5) {
            return Err(S3Error::with_message(
                S3ErrorCode::BadDigest,
                "The Content-MD5 you specified did not match what we received.",
            ));
        }
        let Some((own, stated)) = self.stated else { return Ok(None) };
        let trailer = || trailers?.read(|map| text(map, own.header).map(str::to_owned))?;
        let stated = stated.or_else(trailer);
        let computed = (own.value)(&mut self.hasher.finalize()).take();
        if stated.is_none() || stated != computed {
            let name = own.name;
            return Err(S3Error::with_message(
                S3ErrorCode::BadDigest,
                format!("The {name} you specified did not match the calculated checksum."),
            ));
        }
        Ok(stated.map(|value| Checksum { algorithm: own.name.to_owned(), value }))
    }
}
