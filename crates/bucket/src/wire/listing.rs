//! Lists of objects, in both versions of the protocol.

use s3s::S3Result;
use s3s::dto::{
    CommonPrefix, EncodingType, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input,
    ListObjectsV2Output, Object as ObjectShape, ObjectStorageClass, Owner,
};

use super::shapes::{entries_max, etag, invalid_argument, shown, time};
use crate::limits::LIST_MAX;
use crate::listing::{Listing, ListingEntry, ListingQuery};

/// What a listing's answer has whatever its version.
struct Parts {
    contents: Vec<ObjectShape>,
    prefixes: Vec<CommonPrefix>,
}

fn parts(listing: Listing, encoding: Option<&EncodingType>, owner: Option<&Owner>) -> Parts {
    let mut parts = Parts { contents: Vec::new(), prefixes: Vec::new() };
    for entry in listing.entries {
        match entry {
            ListingEntry::Prefix(prefix) => {
                let prefix = Some(shown(&prefix, encoding));
                parts.prefixes.push(CommonPrefix { prefix });
            }
            ListingEntry::Object(object) => parts.contents.push(ObjectShape {
                key: Some(shown(&object.key, encoding)),
                e_tag: Some(etag(&object.etag)),
                last_modified: Some(time(object.modified_ms)),
                size: Some(object.bytes as i64),
                storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
                owner: owner.cloned(),
                ..ObjectShape::default()
            }),
        }
    }
    parts
}

/// Continuation tokens are keys that nobody should read.
fn token(key: &str) -> String {
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(key)
}

fn key_of(token: &str) -> S3Result<String> {
    let bytes = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(token).ok();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| invalid_argument("The continuation token provided is incorrect"))
}

pub(super) fn query_v2(input: &ListObjectsV2Input) -> S3Result<ListingQuery> {
    let (after, after_is_key) = match (&input.continuation_token, &input.start_after) {
        (Some(token), _) => (key_of(token)?, false),
        (None, Some(key)) => (key.clone(), true),
        (None, None) => (String::new(), false),
    };
    Ok(ListingQuery {
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: input.delimiter.clone().unwrap_or_default(),
        after,
        after_is_key,
        entries_max: entries_max(input.max_keys, LIST_MAX)?,
    })
}

pub(super) fn output_v2(
    input: ListObjectsV2Input,
    listing: Listing,
    owner: &Owner,
) -> ListObjectsV2Output {
    let next = listing.next.as_deref().map(token);
    let encoding = input.encoding_type;
    let owner = input.fetch_owner.unwrap_or_default().then_some(owner);
    let Parts { contents, prefixes } = parts(listing, encoding.as_ref(), owner);
    let text = |text: Option<String>| text.map(|text| shown(&text, encoding.as_ref()));
    ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(text(input.prefix).unwrap_or_default()),
        max_keys: Some(input.max_keys.unwrap_or(LIST_MAX as i32)),
        key_count: Some((contents.len() + prefixes.len()) as i32),
        continuation_token: input.continuation_token,
        is_truncated: Some(next.is_some()),
        next_continuation_token: next,
        contents: Some(contents),
        common_prefixes: Some(prefixes),
        delimiter: text(input.delimiter),
        start_after: text(input.start_after),
        encoding_type: encoding,
        ..ListObjectsV2Output::default()
    }
}

pub(super) fn query_v1(input: &ListObjectsInput) -> S3Result<ListingQuery> {
    Ok(ListingQuery {
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: input.delimiter.clone().unwrap_or_default(),
        after: input.marker.clone().unwrap_or_default(),
        after_is_key: false,
        entries_max: entries_max(input.max_keys, LIST_MAX)?,
    })
}

pub(super) fn output_v1(
    input: ListObjectsInput,
    listing: Listing,
    owner: &Owner,
) -> ListObjectsOutput {
    let next = listing.next.clone();
    let encoding = input.encoding_type;
    let Parts { contents, prefixes } = parts(listing, encoding.as_ref(), Some(owner));
    let text = |text: Option<String>| text.map(|text| shown(&text, encoding.as_ref()));
    ListObjectsOutput {
        name: Some(input.bucket),
        prefix: Some(text(input.prefix).unwrap_or_default()),
        marker: Some(text(input.marker).unwrap_or_default()),
        max_keys: Some(input.max_keys.unwrap_or(LIST_MAX as i32)),
        is_truncated: Some(next.is_some()),
        // As S3: who lists without a delimiter goes on after the last key.
        next_marker: text(next.filter(|_| input.delimiter.is_some())),
        contents: Some(contents),
        common_prefixes: Some(prefixes),
        delimiter: text(input.delimiter),
        encoding_type: encoding,
        ..ListObjectsOutput::default()
    }
}
