//! What the embedded bucket keeps in tables: the blobs that a row names (`docs/format.md`), then a CBOR map
//! with numbered fields. A newer version may add fields; a number is never used again.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use store::BlobList;

/// A bucket.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct BucketRow {
    /// When it was created.
    #[n(0)]
    pub created_ms: u64,
    /// In which region.
    #[n(1)]
    pub region: String,
}

/// A checksum that a client gave, and that was right.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Checksum {
    /// Such as `CRC32`.
    #[n(0)]
    pub algorithm: String,
    /// In base64.
    #[n(1)]
    pub value: String,
}

/// What is kept of an object beside its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Attributes {
    /// Its `Content-Type`.
    #[n(0)]
    pub content_type: Option<String>,
    /// Its `Content-Encoding`.
    #[n(1)]
    pub content_encoding: Option<String>,
    /// Its `Cache-Control`.
    #[n(2)]
    pub cache_control: Option<String>,
    /// Its `Content-Disposition`.
    #[n(3)]
    pub content_disposition: Option<String>,
    /// Its `Content-Language`.
    #[n(4)]
    pub content_language: Option<String>,
    /// Its `Expires`, as it was given.
    #[n(5)]
    pub expires: Option<String>,
    /// The user's metadata.
    #[cbor(n(6), default, skip_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// An object.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct ObjectFields {
    /// Its entity tag, without quotes.
    #[n(0)]
    pub etag: String,
    /// When it was written.
    #[n(1)]
    pub modified_ms: u64,
    /// What is kept beside its bytes.
    #[n(2)]
    pub attributes: Attributes,
    /// A checksum of all of it.
    #[n(3)]
    pub checksum: Option<Checksum>,
}

/// An upload in parts.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct UploadFields {
    /// When it was begun.
    #[n(0)]
    pub initiated_ms: u64,
    /// What the object will have beside its bytes.
    #[n(1)]
    pub attributes: Attributes,
}

/// A part of an upload.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct PartFields {
    /// The MD5 of its bytes, in hexadecimal.
    #[n(0)]
    pub etag: String,
    /// When it was uploaded.
    #[n(1)]
    pub modified_ms: u64,
}

/// A row: the blobs that it names, and its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named<F> {
    pub(crate) blobs: BlobList,
    pub(crate) fields: F,
}

impl<F> Named<F> {
    /// A row that names no blob.
    pub(crate) fn bare(fields: F) -> Self {
        Named { blobs: BlobList::default(), fields }
    }
}

impl<F: Encode<()> + for<'b> Decode<'b, ()>> Named<F> {
    pub(crate) fn encode(&self, into: &mut Vec<u8>) {
        self.blobs.encode(into);
        minicbor::encode(&self.fields, into).expect("a vector takes every byte");
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let (blobs, rest) = BlobList::decode(bytes).ok_or("no list of blobs")?;
        let fields = minicbor::decode(rest).map_err(|_| "its fields have no sense")?;
        Ok(Named { blobs, fields })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use store::{Blob, BlobId};

    use super::*;

    fn object(
        etag: &str,
        metadata: BTreeMap<String, String>,
        checksum: Option<String>,
    ) -> Named<ObjectFields> {
        Named {
            blobs: BlobList(vec![Blob { id: BlobId(7), bytes: 3 }]),
            fields: ObjectFields {
                etag: etag.to_owned(),
                modified_ms: 1_700_000_000_123,
                attributes: Attributes {
                    content_type: Some("text/plain".to_owned()),
                    metadata,
                    ..Attributes::default()
                },
                checksum: checksum.map(|value| Checksum { algorithm: "CRC32".to_owned(), value }),
            },
        }
    }

    fn encoded<F: Encode<()> + for<'b> Decode<'b, ()>>(row: &Named<F>) -> Vec<u8> {
        let mut bytes = Vec::new();
        row.encode(&mut bytes);
        bytes
    }

    proptest! {
        #[test]
        fn rows_come_back_and_cut_ones_do_not(
            etag in "[0-9a-f]{32}(-[1-9])?",
            metadata: BTreeMap<String, String>,
            checksum: Option<String>,
        ) {
            let row = object(&etag, metadata, checksum);
            let bytes = encoded(&row);
            for end in 0..bytes.len() {
                prop_assert!(Named::<ObjectFields>::decode(&bytes[..end]).is_err());
            }
            prop_assert_eq!(Named::decode(&bytes), Ok(row));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = Named::<ObjectFields>::decode(&bytes);
            let _ = Named::<UploadFields>::decode(&bytes);
            let _ = Named::<PartFields>::decode(&bytes);
            let _ = Named::<BucketRow>::decode(&bytes);
        }
    }

    #[test]
    fn golden_bytes() {
        let metadata = [("a".to_owned(), "b".to_owned())].into_iter().collect();
        let row = object("e1", metadata, None);
        let list = b"\x01\0\x07\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0";
        let fields = b"\xa3\x00\x62e1\x01\x1b\0\0\x01\x8b\xcf\xe5\x68\x7b\x02\xa2\x00\x6atext/plain\x06\xa1\x61a\x61b";
        assert_eq!(encoded(&row), [&list[..], fields].concat());
        let part = Named::bare(PartFields { etag: "e2".to_owned(), modified_ms: 5 });
        assert_eq!(encoded(&part), b"\0\0\xa2\x00\x62e2\x01\x05");
        let attributes = Attributes::default();
        let upload = Named::bare(UploadFields { initiated_ms: 5, attributes });
        assert_eq!(encoded(&upload), b"\0\0\xa2\x00\x05\x01\xa0");
        let bucket = Named::bare(BucketRow { created_ms: 5, region: "eu".to_owned() });
        assert_eq!(encoded(&bucket), b"\0\0\xa2\x00\x05\x01\x62eu");
    }
}
