//! Everything about a signature that can be checked without a key, in AWS's order
//! (`facts/security.md` § 1.3, rows 3 to 11).

use std::borrow::Cow;

use stdx::UnixMillis;
use wire::Fault;

use super::canonical::{hash_of, names_of};
use super::fault::{incomplete, invalid, missing};
use super::{
    ALGORITHM, CONTENT_SHA256, Form, HeaderView, Payload, Presented, RequestView, Scope,
    UNSIGNED_PAYLOAD, basic_format, header, parse_basic, presigned,
};
use crate::limits::{PRESIGNED_SECONDS_MAX, REGION_BYTES_MAX, SIGNED_HEADERS_MAX, SKEW_MAX};

/// What a route demands of a signature.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// The signing name in the scope, such as `kinesis`; `None` takes any.
    pub service: Option<&'a str>,
    /// Headers that, when present, must be under the signature because they choose what is done.
    pub must_sign: &'a [&'a str],
}

/// The fields of either form, as sent.
pub(super) struct Claims<'a> {
    pub(super) form: Form,
    pub(super) algorithm: Cow<'a, str>,
    pub(super) credential: Cow<'a, str>,
    pub(super) signed_headers: Cow<'a, str>,
    pub(super) signature: Cow<'a, str>,
    pub(super) timestamp: Cow<'a, str>,
    pub(super) expires: Option<Cow<'a, str>>,
    pub(super) token: Option<Cow<'a, str>>,
}

/// Reads a request's signature and checks what needs no key.
///
/// # Errors
/// AWS's fault for the first row of the table that applies.
pub fn read<'a, H: HeaderView + ?Sized>(
    request: &RequestView<'a, H>,
    policy: Policy<'_>,
    now: UnixMillis,
) -> Result<Presented<'a>, Fault> {
    let authorization = request.headers.value("authorization").filter(|value| !value.is_empty());
    let claims = match (authorization, presigned::is_presigned(request.query)) {
        (Some(_), true) => {
            return Err(invalid(
                "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP \
                 header."
                    .into(),
            ));
        }
        (None, false) => return Err(missing()),
        (Some(authorization), false) => header::claims(authorization, request.headers)?,
        (None, true) => presigned::claims(request.query)?,
    };
    check_date(&claims, now)?;
    check_signed_headers(&claims, request.headers, policy)?;
    if claims.algorithm != ALGORITHM {
        return Err(incomplete(format!(
            "Unsupported AWS 'algorithm': '{}' (only AWS4-HMAC-SHA256 for now).",
            claims.algorithm
        )));
    }
    let scope_ends = check_scope(&claims, policy)?;
    Ok(Presented {
        form: claims.form,
        // A signature that is no hash becomes one that no HMAC yields.
        signature: hash_of(claims.signature.as_bytes()).unwrap_or_default(),
        payload: payload_of(request.headers),
        credential: claims.credential,
        scope_ends,
        signed_headers: claims.signed_headers,
        timestamp: claims.timestamp,
        token: claims.token,
    })
}

/// The credential that a request claims in either form, if any; nothing about it is checked.
pub(crate) fn claimed_credential<'a, H: HeaderView + ?Sized>(
    request: &RequestView<'a, H>,
) -> Option<Cow<'a, str>> {
    let Some(authorization) = request.headers.value("authorization") else {
        return presigned::claims(request.query).ok().map(|claims| claims.credential);
    };
    let (_, rest) = std::str::from_utf8(authorization).ok()?.split_once("Credential=")?;
    rest.split([',', ' ']).next().map(Cow::Borrowed)
}

/// Rows 6 and 7.
fn check_date(claims: &Claims<'_>, now: UnixMillis) -> Result<(), Fault> {
    let timestamp = &claims.timestamp;
    let Some(at) = parse_basic(timestamp) else {
        return Err(incomplete(format!(
            "Date must be in ISO-8601 'basic format'. Got '{timestamp}'. \
             See http://en.wikipedia.org/wiki/ISO_8601"
        )));
    };
    let (now, skew) = (now.seconds(), SKEW_MAX.as_secs());
    let life = match claims.expires.as_deref() {
        None => skew,
        Some(text) => match text.parse::<u32>() {
            Ok(seconds) if (1..=PRESIGNED_SECONDS_MAX).contains(&seconds) => u64::from(seconds),
            _ => {
                return Err(incomplete(format!(
                    "X-Amz-Expires must be a number of seconds from 1 to \
                     {PRESIGNED_SECONDS_MAX}. Got '{text}'."
                )));
            }
        },
    };
    if now > at + life {
        return Err(invalid(format!(
            "Signature expired: {timestamp} is now earlier than {} ({} - {})",
            basic_format(now.saturating_sub(life)),
            basic_format(now),
            spoken(life)
        )));
    }
    if at > now + skew {
        return Err(invalid(format!(
            "Signature not yet current: {timestamp} is still later than {} ({} + {})",
            basic_format(now + skew),
            basic_format(now),
            spoken(skew)
        )));
    }
    Ok(())
}

fn spoken(seconds: u64) -> String {
    if seconds.is_multiple_of(60) {
        format!("{} min.", seconds / 60)
    } else {
        format!("{seconds} sec.")
    }
}

/// Row 8, and the headers that the route wants covered.
fn check_signed_headers<H: HeaderView + ?Sized>(
    claims: &Claims<'_>,
    headers: &H,
    policy: Policy<'_>,
) -> Result<(), Fault> {
    let signed = |wanted: &str| names_of(&claims.signed_headers).any(|name| name == wanted);
    if !signed("host") && !signed(":authority") {
        return Err(invalid(
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.".into(),
        ));
    }
    if names_of(&claims.signed_headers).count() > SIGNED_HEADERS_MAX {
        return Err(incomplete(format!("More than {SIGNED_HEADERS_MAX} headers are signed.")));
    }
    let uncovered =
        |name: &&&str| !signed(name) && headers.value(name).is_some_and(|value| !value.is_empty());
    match policy.must_sign.iter().find(uncovered) {
        None => Ok(()),
        Some(name) => {
            Err(invalid(format!("'{name}' must be a 'SignedHeader' in the AWS Authorization.")))
        }
    }
}

/// Rows 10 and 11; everything wrong with the content is said at once. Where the credential's parts end.
fn check_scope(claims: &Claims<'_>, policy: Policy<'_>) -> Result<[usize; 4], Fault> {
    let credential = &*claims.credential;
    let Some((scope, ends)) = Scope::parse_with_ends(credential) else {
        return Err(incomplete(format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. \
             keyid/date/region/service/term, got '{credential}'"
        )));
    };
    let mut wrong = Vec::new();
    if !is_region(scope.region) {
        wrong.push(format!(
            "Credential should be scoped to a valid region, not '{}'.",
            scope.region
        ));
    }
    if let Some(service) = policy.service.filter(|service| *service != scope.service) {
        wrong.push(format!("Credential should be scoped to correct service: '{service}'."));
    }
    if scope.terminator != "aws4_request" {
        wrong.push(format!(
            "Credential should be scoped with a valid terminator: 'aws4_request', not '{}'.",
            scope.terminator
        ));
    }
    let day = claims.timestamp.get(..8).unwrap_or_default();
    if scope.date != day {
        wrong.push(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from \
             HTTP: '{}' != '{day}', from '{}'.",
            scope.date, claims.timestamp
        ));
    }
    if wrong.is_empty() { Ok(ends) } else { Err(invalid(wrong.join(" "))) }
}

/// Any region is a world of its own, so only its spelling is checked: it becomes part of keys.
pub(crate) fn is_region(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= REGION_BYTES_MAX && text.bytes().all(allowed)
}

fn payload_of<H: HeaderView + ?Sized>(headers: &H) -> Payload {
    match headers.value(CONTENT_SHA256) {
        None => Payload::Absent,
        Some(value) if value == UNSIGNED_PAYLOAD.as_bytes() => Payload::Unsigned,
        Some(value) => hash_of(value).map_or(Payload::Unsupported, Payload::Hash),
    }
}
