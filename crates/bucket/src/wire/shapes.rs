//! Between the protocol's shapes and the engine's.

use std::time::{Duration, SystemTime};

use s3s::dto::{ETag, ETagCondition, EncodingType, Owner, Timestamp, TimestampFormat};
use s3s::{S3Error, S3ErrorCode, S3Result};

use crate::objects::{Attributes, Condition};

/// What the protocol calls a time in milliseconds.
pub(super) fn time(ms: u64) -> Timestamp {
    Timestamp::from(SystemTime::UNIX_EPOCH + Duration::from_millis(ms))
}

/// The same as headers show it: whole seconds.
pub(super) fn seconds(ms: u64) -> Timestamp {
    time(ms / 1000 * 1000)
}

pub(super) fn etag(text: &str) -> ETag {
    ETag::Strong(text.to_owned())
}

/// An account as an owner.
pub(super) fn owner(account: &str) -> Owner {
    Owner { display_name: Some(account.to_owned()), id: Some(account.to_owned()) }
}

/// What a put demands of the object that is there.
pub(super) fn condition(
    if_match: Option<ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<Condition> {
    match (if_match, if_none_match) {
        (None, None) => Ok(Condition::Any),
        (None, Some(none)) if none.is_any() => Ok(Condition::Absent),
        (Some(ETagCondition::ETag(tag)), None) => Ok(Condition::Tag(tag.into_value())),
        _ => Err(S3Error::with_message(
            S3ErrorCode::NotImplemented,
            "A header you provided implies functionality that is not implemented",
        )),
    }
}

pub(super) fn expires_text(expires: Option<&Timestamp>) -> Option<String> {
    let mut text = Vec::new();
    expires?.format(TimestampFormat::HttpDate, &mut text).ok()?;
    String::from_utf8(text).ok()
}

pub(super) fn expires_time(text: Option<&str>) -> Option<Timestamp> {
    Timestamp::parse(TimestampFormat::HttpDate, text?).ok()
}

/// The attributes in an input, which several have under the same names.
macro_rules! attributes_of {
    ($input:expr) => {
        $crate::objects::Attributes {
            content_type: $input.content_type.take(),
            content_encoding: $input.content_encoding.take(),
            cache_control: $input.cache_control.take(),
            content_disposition: $input.content_disposition.take(),
            content_language: $input.content_language.take(),
            expires: $crate::wire::shapes::expires_text($input.expires.as_ref()),
            metadata: $input.metadata.take().unwrap_or_default().into_iter().collect(),
        }
    };
}
pub(super) use attributes_of;

/// What an object has where its writer said nothing.
pub(super) const CONTENT_TYPE_DEFAULT: &str = "binary/octet-stream";

/// `aws-chunked` is how a body came, not how the object is encoded.
pub(super) fn without_chunked(mut attributes: Attributes) -> Attributes {
    attributes.content_encoding = attributes.content_encoding.and_then(|value| {
        let kept: Vec<&str> =
            value.split(',').map(str::trim).filter(|own| *own != "aws-chunked").collect();
        (!kept.is_empty()).then(|| kept.join(", "))
    });
    attributes
}

/// A name as a list shows it.
pub(super) fn shown(name: &str, encoding: Option<&EncodingType>) -> String {
    if encoding.is_none_or(|encoding| encoding.as_str() != EncodingType::URL) {
        return name.to_owned();
    }
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            use std::fmt::Write;
            let _infallible = write!(text, "%{byte:02X}");
        }
    }
    text
}

pub(super) fn invalid_argument(message: &'static str) -> S3Error {
    S3Error::with_message(S3ErrorCode::InvalidArgument, message)
}

/// How many entries are asked for.
pub(super) fn entries_max(asked: Option<i32>, most: usize) -> S3Result<usize> {
    match asked {
        None => Ok(most),
        Some(count) => usize::try_from(count).map(|count| count.min(most)).map_err(|_| {
            invalid_argument("Argument maxKeys must be an integer between 0 and 2147483647")
        }),
    }
}
