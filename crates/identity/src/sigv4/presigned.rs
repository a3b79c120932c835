//! The query form: presigned requests.

use std::borrow::Cow;

use wire::Fault;

use super::Form;
use super::canonical::percent_decoded;
use super::fault::incomplete;
use super::read::Claims;

/// Whether a query says that it is presigned, however badly.
pub(super) fn is_presigned(query: &str) -> bool {
    !query.is_empty() && parameter(query, "X-Amz-Algorithm").is_some()
}

/// The query's fields; row 5b of `facts/security.md` § 1.3.
pub(super) fn claims(query: &str) -> Result<Claims<'_>, Fault> {
    const NEEDED: [&str; 5] = [
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Signature",
        "X-Amz-SignedHeaders",
        "X-Amz-Date",
    ];
    let found = NEEDED.map(|name| parameter(query, name).filter(|value| !value.is_empty()));
    let mut message = String::new();
    for (name, value) in NEEDED.iter().zip(&found) {
        if value.is_none() {
            message.push_str(&format!("AWS query-string parameters must include '{name}'. "));
        }
    }
    let [Some(algorithm), Some(credential), Some(signature), Some(signed_headers), Some(timestamp)] =
        found
    else {
        return Err(incomplete(format!("{message}Re-examine the query-string parameters.")));
    };
    Ok(Claims {
        form: Form::Query,
        algorithm,
        credential,
        signed_headers,
        signature,
        timestamp,
        expires: parameter(query, "X-Amz-Expires"),
        token: parameter(query, "X-Amz-Security-Token"),
    })
}

/// The first value under `name`, decoded; empty if there is no equals sign.
fn parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    query.split('&').find_map(|part| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        (*percent_decoded(key) == *name.as_bytes()).then(|| text_of(percent_decoded(value)))
    })
}

fn text_of(bytes: Cow<'_, [u8]>) -> Cow<'_, str> {
    match bytes {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}
