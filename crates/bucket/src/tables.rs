//! The tables: their numbers and keys. All of them name blobs.

use store::Table;

use crate::name::{ObjectName, prefix_of, split_prefix};
use crate::rows::{BucketRow, Named, ObjectFields, PartFields, UploadFields};

/// Characters of an upload's id.
pub(crate) const UPLOAD_ID_BYTES: usize = 32;

macro_rules! rows {
    ($fields:ty) => {
        type Row = Named<$fields>;

        fn encode_row(row: &Self::Row, into: &mut Vec<u8>) {
            row.encode(into);
        }

        fn decode_row(bytes: &[u8]) -> Result<Self::Row, &'static str> {
            Named::decode(bytes)
        }
    };
}

/// Buckets by account and name.
pub(crate) enum Buckets {}

impl Table for Buckets {
    const ID: u8 = 24;
    const NAME: &'static str = "buckets";
    type Key = (String, String);
    rows!(BucketRow);

    fn encode_key((account, bucket): &Self::Key, into: &mut Vec<u8>) {
        into.extend(prefix_of(account, bucket));
    }

    fn decode_key(bytes: &[u8]) -> Result<Self::Key, &'static str> {
        match split_prefix(bytes) {
            Some((account, bucket, [])) => Ok((account.to_owned(), bucket.to_owned())),
            _ => Err("not a bucket's name"),
        }
    }
}

/// Objects by account, bucket and key: a bucket's keys are neighbours, in their order.
pub(crate) enum Objects {}

impl Table for Objects {
    const ID: u8 = 25;
    const NAME: &'static str = "objects";
    type Key = ObjectName;
    rows!(ObjectFields);

    fn encode_key(key: &ObjectName, into: &mut Vec<u8>) {
        into.extend(prefix_of(&key.account, &key.bucket));
        into.extend_from_slice(key.key.as_bytes());
    }

    fn decode_key(bytes: &[u8]) -> Result<ObjectName, &'static str> {
        object_name(bytes)
    }
}

fn object_name(bytes: &[u8]) -> Result<ObjectName, &'static str> {
    let (account, bucket, key) = split_prefix(bytes).ok_or("not an object's name")?;
    let key = std::str::from_utf8(key).map_err(|_| "not an object's key")?;
    Ok(ObjectName { account: account.to_owned(), bucket: bucket.to_owned(), key: key.to_owned() })
}

/// Unfinished uploads by their object, a NUL and their id.
pub(crate) enum Uploads {}

impl Table for Uploads {
    const ID: u8 = 26;
    const NAME: &'static str = "uploads";
    type Key = (ObjectName, String);
    rows!(UploadFields);

    fn encode_key((object, id): &Self::Key, into: &mut Vec<u8>) {
        Objects::encode_key(object, into);
        into.push(0);
        into.extend_from_slice(id.as_bytes());
    }

    fn decode_key(bytes: &[u8]) -> Result<Self::Key, &'static str> {
        let wrong = "not an upload's name";
        let at = bytes.len().checked_sub(UPLOAD_ID_BYTES + 1).ok_or(wrong)?;
        let (object, id) = bytes.split_at(at);
        match (id, std::str::from_utf8(&id[1..])) {
            ([0, ..], Ok(id)) => Ok((object_name(object)?, id.to_owned())),
            _ => Err(wrong),
        }
    }
}

/// Parts by their upload's id and their number.
pub(crate) enum Parts {}

impl Table for Parts {
    const ID: u8 = 27;
    const NAME: &'static str = "parts";
    type Key = (String, u16);
    rows!(PartFields);

    fn encode_key((upload, number): &Self::Key, into: &mut Vec<u8>) {
        into.extend_from_slice(upload.as_bytes());
        into.extend_from_slice(&number.to_be_bytes());
    }

    fn decode_key(bytes: &[u8]) -> Result<Self::Key, &'static str> {
        let wrong = "not a part's name";
        let (upload, number) = bytes.split_last_chunk().ok_or(wrong)?;
        let upload = std::str::from_utf8(upload).map_err(|_| wrong)?;
        Ok((upload.to_owned(), u16::from_be_bytes(*number)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key<T: Table>(key: &T::Key) -> Vec<u8> {
        let mut bytes = Vec::new();
        T::encode_key(key, &mut bytes);
        bytes
    }

    #[test]
    fn keys_are_read_as_written() {
        let name = ObjectName::new("000000000000", "logs", "a/b\0c").unwrap();
        assert_eq!(key::<Objects>(&name), b"000000000000\0logs\0a/b\0c");
        assert_eq!(Objects::decode_key(&key::<Objects>(&name)), Ok(name.clone()));
        let id = "0123456789abcdef0123456789abcdef".to_owned();
        let upload = (name, id.clone());
        let bytes = key::<Uploads>(&upload);
        assert_eq!(Uploads::decode_key(&bytes), Ok(upload));
        assert!(Uploads::decode_key(&bytes[1 + bytes.len() / 2..]).is_err());
        let bucket = ("000000000000".to_owned(), "logs".to_owned());
        assert_eq!(key::<Buckets>(&bucket), b"000000000000\0logs\0");
        assert_eq!(Buckets::decode_key(&key::<Buckets>(&bucket)), Ok(bucket));
        assert!(Buckets::decode_key(b"000000000000\0logs\0x").is_err());
        let part = (id, 300);
        assert_eq!(Parts::decode_key(&key::<Parts>(&part)), Ok(part.clone()));
        assert!(key::<Parts>(&part) < key::<Parts>(&(part.0.clone(), 10_000)));
    }
}
