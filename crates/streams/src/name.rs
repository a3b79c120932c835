//! Names. Every region of every account is its own world, so a stream's name is never alone.

use std::fmt;
use std::sync::Arc;

/// An account's region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct World {
    /// Twelve digits.
    pub account: Arc<str>,
    /// Such as `us-east-1`.
    pub region: Arc<str>,
}

impl World {
    /// The stream `name` in this world.
    pub fn stream(&self, name: impl Into<Arc<str>>) -> StreamName {
        StreamName { world: self.clone(), name: name.into() }
    }

    /// Its row key.
    pub(crate) fn key(&self) -> String {
        format!("{}\0{}", self.account, self.region)
    }

    /// The world that a row key stands for.
    pub(crate) fn from_key(key: &[u8]) -> Option<Self> {
        let (account, region) = std::str::from_utf8(key).ok()?.split_once('\0')?;
        Some(World { account: account.into(), region: region.into() })
    }
}

/// A stream's full name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName {
    /// Where it is.
    pub world: World,
    /// 1 to 128 of `a-zA-Z0-9_.-`.
    pub name: Arc<str>,
}

impl StreamName {
    /// Its row key: no account, region or name contains a NUL.
    pub(crate) fn key(&self) -> String {
        format!("{}\0{}\0{}", self.world.account, self.world.region, self.name)
    }

    /// The name that a row key stands for.
    pub(crate) fn from_key(key: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(key).ok()?.splitn(3, '\0');
        let world = World { account: parts.next()?.into(), region: parts.next()?.into() };
        Some(world.stream(parts.next()?))
    }

    /// Its ARN.
    pub fn arn(&self) -> String {
        let World { account, region } = &self.world;
        format!("arn:aws:kinesis:{region}:{account}:stream/{}", self.name)
    }

    /// The ARN of one of its consumers.
    pub fn consumer_arn(&self, consumer: &str, created_seconds: u64) -> String {
        format!("{}/consumer/{consumer}:{created_seconds}", self.arn())
    }

    /// Reads a stream's ARN.
    pub fn parse_arn(arn: &str) -> Option<Self> {
        let mut parts = arn.strip_prefix("arn:")?.splitn(5, ':');
        let (_partition, service) = (parts.next()?, parts.next()?);
        let (region, account) = (parts.next()?, parts.next()?);
        let name = parts.next()?.strip_prefix("stream/")?;
        if service != "kinesis" || name.is_empty() || name.contains('/') {
            return None;
        }
        Some(World { account: account.into(), region: region.into() }.stream(name))
    }

    /// Reads a consumer's ARN: the stream, the consumer's name and its creation second.
    pub fn parse_consumer_arn(arn: &str) -> Option<(Self, &str, u64)> {
        let (stream, consumer) = arn.split_once("/consumer/")?;
        let (name, created) = consumer.rsplit_once(':')?;
        Some((StreamName::parse_arn(stream)?, name, created.parse().ok()?))
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders() -> StreamName {
        World { account: "000000000000".into(), region: "eu-west-1".into() }.stream("orders")
    }

    #[test]
    fn arns_are_read_as_written() {
        let stream = orders();
        assert_eq!(stream.arn(), "arn:aws:kinesis:eu-west-1:000000000000:stream/orders");
        assert_eq!(StreamName::parse_arn(&stream.arn()), Some(stream.clone()));
        let consumer = stream.consumer_arn("app", 12);
        assert_eq!(StreamName::parse_consumer_arn(&consumer), Some((stream, "app", 12)));
        assert_eq!(StreamName::parse_arn(&consumer), None);
        assert_eq!(StreamName::parse_arn("arn:aws:sqs:eu-west-1:0:stream/orders"), None);
    }

    #[test]
    fn keys_are_read_as_written() {
        assert_eq!(StreamName::from_key(orders().key().as_bytes()), Some(orders()));
    }
}
