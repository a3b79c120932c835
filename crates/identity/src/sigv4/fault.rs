//! AWS's words for what is wrong with a signature (`facts/security.md` § 1.3).

use wire::Fault;

/// Row 5, 6, 9, 10: the signature cannot even be read.
pub(super) fn incomplete(message: String) -> Fault {
    Fault::client("IncompleteSignatureException", message)
}

/// Row 3, 7, 8, 11, 14: it can be read and is wrong.
pub(super) fn invalid(message: String) -> Fault {
    Fault::client("InvalidSignatureException", message)
}

/// Row 4: nothing is signed.
pub(super) fn missing() -> Fault {
    Fault::client("MissingAuthenticationTokenException", "Missing Authentication Token")
}

/// Row 12: a key nobody has, or a token that is not the key's.
pub fn unrecognized_client() -> Fault {
    Fault::client(
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    )
}

/// Row 13: a session that is over.
pub fn expired_token() -> Fault {
    Fault::client("ExpiredTokenException", "The security token included in the request is expired")
}

/// Row 14: the arithmetic does not agree. What was expected is never told: the canonical request
/// may hold a session token.
pub fn signature_mismatch() -> Fault {
    Fault::client(
        "InvalidSignatureException",
        "The request signature we calculated does not match the signature you provided. Check your \
         AWS Secret Access Key and signing method. Consult the service documentation for details.",
    )
}
