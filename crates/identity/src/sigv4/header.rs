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
    // By bytes: a search by characters costs more than all the rest.
    let is_gap = |byte: &u8| matches!(byte, b',' | b' ');
    let words = authorization.split(is_gap).filter(|word| !word.is_empty());
    let mut words = words.map(|word| std::str::from_utf8(word).unwrap_or_default());
    let algorithm = words.next().unwrap_or_default();
    let (mut credential, mut signature, mut signed_headers) = ("", "", "");
    for word in words {
        let Some((name, text)) = word.split_once('=') else {
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
    let absent: Vec<&str> =
        fields.iter().filter(|(_, text)| text.is_empty()).map(|(name, _)| *name).collect();
    let timestamp = timestamp.filter(|value| !value.is_empty());
    let (true, Some(timestamp)) = (absent.is_empty(), timestamp) else {
        return Err(lacking(&absent, timestamp.is_none(), authorization));
    };
    Ok(Claims {
        form: Form::Header,
        algorithm: algorithm.into(),
        credential: credential.into(),
        signed_headers: signed_headers.into(),
        signature: signature.into(),
        timestamp: String::from_utf8_lossy(timestamp),
        expires: None,
        token: headers.value("x-amz-security-token").map(String::from_utf8_lossy),
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
