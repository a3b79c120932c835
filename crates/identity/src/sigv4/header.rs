//! The `Authorization` header.

use std::borrow::Cow;

use wire::Fault;

use super::fault::incomplete;
use super::read::Claims;
use super::{Form, HeaderView};
use crate::limits::AUTHORIZATION_BYTES_MAX;

/// The header's fields; row 5a and 5c of `facts/security.md` § 1.3.
pub(super) fn claims<'a, H: HeaderView + ?Sized>(
    authorization: &'a [u8],
    headers: &'a H,
) -> Result<Claims<'a>, Fault> {
    if authorization.len() > AUTHORIZATION_BYTES_MAX {
        return Err(incomplete(format!(
            "Authorization header is longer than {AUTHORIZATION_BYTES_MAX} bytes."
        )));
    }
    // Signatures are ASCII; anything else is kept only to be quoted back.
    let Ok(value) = std::str::from_utf8(authorization) else {
        return Err(lacking(&["Credential", "Signature", "SignedHeaders"], false, authorization));
    };
    let mut words = words_of(value);
    let algorithm = words.next().unwrap_or_default();
    let (mut credential, mut signature, mut signed_headers) = ("", "", "");
    for word in words {
        let equals = memchr::memchr(b'=', word.as_bytes());
        let Some((name, text)) = equals.map(|at| (&word[..at], &word[at + 1..])) else {
            return Err(incomplete(format!(
                "'{word}' not a valid key=value pair (missing equal-sign) in Authorization \
                 header: '{value}'."
            )));
        };
        match name {
            "Credential" => credential = text,
            "Signature" => signature = text,
            "SignedHeaders" => signed_headers = text,
            _ => {}
        }
    }
    let timestamp = headers.value("x-amz-date").or_else(|| headers.value("date"));
    let fields =
        [("Credential", credential), ("Signature", signature), ("SignedHeaders", signed_headers)];
    let absent = || fields.iter().filter(|(_, text)| text.is_empty()).map(|(name, _)| *name);
    let timestamp = timestamp.filter(|value| !value.is_empty());
    let (None, Some(timestamp)) = (absent().next(), timestamp) else {
        return Err(lacking(&absent().collect::<Vec<_>>(), timestamp.is_none(), authorization));
    };
    Ok(Claims {
        form: Form::Header,
        algorithm: algorithm.into(),
        credential: credential.into(),
        signed_headers: signed_headers.into(),
        signature: signature.into(),
        timestamp: std::str::from_utf8(timestamp)
            .map_or_else(|_| String::from_utf8_lossy(timestamp), Cow::Borrowed),
        expires: None,
        token: headers.value("x-amz-security-token").map(String::from_utf8_lossy),
    })
}

/// What stands between commas and spaces.
fn words_of(value: &str) -> impl Iterator<Item = &str> {
    let mut gaps = memchr::memchr2_iter(b',', b' ', value.as_bytes()).chain([value.len()]);
    let mut start = 0;
    std::iter::from_fn(move || {
        loop {
            let end = gaps.next()?;
            let word = &value[start..end];
            start = end + 1;
            if !word.is_empty() {
                return Some(word);
            }
        }
    })
}

fn lacking(absent: &[&str], no_date: bool, authorization: &[u8]) -> Fault {
    let mut message = String::new();
    for name in absent {
        message.push_str(&format!("Authorization header requires '{name}' parameter. "));
    }
    if no_date {
        message.push_str(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ",
        );
    }
    let value: Cow<'_, str> = String::from_utf8_lossy(authorization);
    incomplete(format!("{message}Authorization={value}"))
}
