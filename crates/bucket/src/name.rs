//! Names: buckets' as S3 allows them, objects' as any text.

use crate::error::BucketError;
use crate::limits::KEY_BYTES_MAX;

/// An object's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    /// Whose it is: twelve digits.
    pub account: String,
    /// The bucket.
    pub bucket: String,
    /// The key in it.
    pub key: String,
}

impl ObjectName {
    /// The name of `key`.
    ///
    /// # Errors
    /// [`BucketError::KeyLength`].
    pub fn new(account: &str, bucket: &str, key: &str) -> Result<Self, BucketError> {
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return Err(BucketError::KeyLength(key.len()));
        }
        Ok(ObjectName {
            account: account.to_owned(),
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        })
    }
}

/// What the keys of a bucket's rows begin with: no account and no bucket has a NUL in it.
pub(crate) fn prefix_of(account: &str, bucket: &str) -> Vec<u8> {
    let mut prefix = Vec::with_capacity(account.len() + bucket.len() + 2);
    for part in [account, bucket] {
        prefix.extend_from_slice(part.as_bytes());
        prefix.push(0);
    }
    prefix
}

/// Account, bucket and what follows them.
pub(crate) fn split_prefix(bytes: &[u8]) -> Option<(&str, &str, &[u8])> {
    let mut parts = bytes.splitn(3, |&byte| byte == 0);
    let account = std::str::from_utf8(parts.next()?).ok()?;
    let bucket = std::str::from_utf8(parts.next()?).ok()?;
    Some((account, bucket, parts.next()?))
}

/// Whether S3 lets a bucket be called so (its user guide, general purpose buckets).
pub fn is_bucket_name(name: &str) -> bool {
    let edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let inner = |byte: u8| edge(byte) || byte == b'-' || byte == b'.';
    let bytes = name.as_bytes();
    let reserved = ["xn--", "sthree-", "amzn-s3-demo-"].iter().any(|own| name.starts_with(own))
        || ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"]
            .iter()
            .any(|own| name.ends_with(own));
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(|&byte| inner(byte))
        && edge(bytes[0])
        && edge(bytes[bytes.len() - 1])
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
        && !reserved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_are_s3s() {
        for good in ["abc", "a1-b.c2", "0ab", &"a".repeat(63)] {
            assert!(is_bucket_name(good), "{good}");
        }
        let bad = [
            "ab",
            "Abc",
            "a_b",
            "-abc",
            "abc-",
            ".abc",
            "abc.",
            "a..b",
            "192.168.0.1",
            "xn--abc",
            "abc-s3alias",
            "a b",
            "äbc",
            "",
            &"a".repeat(64),
        ];
        for bad in bad {
            assert!(!is_bucket_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_key_has_one_to_1024_bytes() {
        assert!(ObjectName::new("0", "b", &"k".repeat(1024)).is_ok());
        for bad in ["", &"k".repeat(1025)] {
            let refused = ObjectName::new("0", "b", bad);
            assert_eq!(refused, Err(BucketError::KeyLength(bad.len())));
        }
    }
}
