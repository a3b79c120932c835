//! Points in time: epoch seconds with a fraction in JSON, tagged whole milliseconds in CBOR.
//!
//! AWS's CBOR departs from RFC 8949 here: tag 1 holds integer *milliseconds*, and its SDKs read
//! nothing else (`facts/streams.md` § 2.1).

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

/// The newtype name by which the CBOR codec knows that tag 1 belongs here.
pub const TIMESTAMP_NEWTYPE: &str = "$levada::Timestamp";

/// Milliseconds since 1970-01-01T00:00:00Z; may lie before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The timestamp of `milliseconds` after 1970.
    pub fn from_millis(milliseconds: u64) -> Self {
        Timestamp(milliseconds as i64)
    }

    /// Only the whole seconds, as some AWS members are.
    pub fn from_seconds(seconds: u64) -> Self {
        Timestamp(seconds as i64 * 1000)
    }

    /// Milliseconds after 1970; zero before it.
    pub fn millis(self) -> u64 {
        self.0.max(0) as u64
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return serializer.serialize_newtype_struct(TIMESTAMP_NEWTYPE, &self.0);
        }
        if self.0 % 1000 == 0 {
            serializer.serialize_i64(self.0 / 1000)
        } else {
            serializer.serialize_f64(self.0 as f64 / 1000.0)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_f64(Seconds)
        } else {
            deserializer.deserialize_newtype_struct(TIMESTAMP_NEWTYPE, Millis)
        }
    }
}

struct Seconds;

impl Visitor<'_> for Seconds {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("epoch seconds")
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Timestamp, E> {
        Ok(Timestamp((seconds * 1000.0).round() as i64))
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Timestamp, E> {
        Ok(Timestamp((seconds as i64).saturating_mul(1000)))
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Timestamp, E> {
        Ok(Timestamp(seconds.saturating_mul(1000)))
    }
}

struct Millis;

impl<'de> Visitor<'de> for Millis {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("epoch milliseconds under tag 1")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Timestamp, D::Error> {
        inner.deserialize_i64(self)
    }

    fn visit_i64<E: de::Error>(self, millis: i64) -> Result<Timestamp, E> {
        Ok(Timestamp(millis))
    }

    fn visit_u64<E: de::Error>(self, millis: u64) -> Result<Timestamp, E> {
        Ok(Timestamp(millis as i64))
    }

    fn visit_f64<E: de::Error>(self, millis: f64) -> Result<Timestamp, E> {
        Ok(Timestamp(millis.round() as i64))
    }
}
