//! Names of delivery streams.

use std::fmt;
use std::sync::Arc;

use streams::World;

/// A delivery stream's full name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryStreamName {
    /// Where it is.
    pub world: World,
    /// 1 to 64 of `a-zA-Z0-9_.-`.
    pub name: Arc<str>,
}

impl DeliveryStreamName {
    /// Its row key: no account, region or name contains a NUL.
    pub(crate) fn key(&self) -> String {
        format!("{}\0{}\0{}", self.world.account, self.world.region, self.name)
    }

    /// The name that a row key stands for.
    pub(crate) fn from_key(key: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(key).ok()?.splitn(3, '\0');
        let world = World { account: parts.next()?.into(), region: parts.next()?.into() };
        Some(DeliveryStreamName { world, name: parts.next()?.into() })
    }

    /// Its ARN.
    pub fn arn(&self) -> String {
        let World { account, region } = &self.world;
        format!("arn:aws:firehose:{region}:{account}:deliverystream/{}", self.name)
    }
}

impl fmt::Display for DeliveryStreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_written() {
        let world = World { account: "000000000000".into(), region: "eu-west-1".into() };
        let clicks = DeliveryStreamName { world, name: "clicks".into() };
        assert_eq!(clicks.arn(), "arn:aws:firehose:eu-west-1:000000000000:deliverystream/clicks");
        assert_eq!(DeliveryStreamName::from_key(clicks.key().as_bytes()), Some(clicks));
        assert_eq!(DeliveryStreamName::from_key(b"000000000000\0eu-west-1"), None);
    }
}
