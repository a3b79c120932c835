//! S3's words for what can go wrong (its API reference, error responses).

use http::StatusCode;
use s3s::{S3Error, S3ErrorCode};

use crate::error::BucketError;
use crate::limits::{KEY_BYTES_MAX, METADATA_BYTES_MAX, PARTS_MAX};

impl From<BucketError> for S3Error {
    fn from(error: BucketError) -> Self {
        let (code, message) = words(&error);
        let mut fault = S3Error::with_message(code, message);
        if let BucketError::IndexFull | BucketError::DiskFull = error {
            fault.set_status_code(StatusCode::SERVICE_UNAVAILABLE);
        }
        fault
    }
}

fn words(error: &BucketError) -> (S3ErrorCode, String) {
    let (code, message) = match error {
        BucketError::NoSuchBucket => {
            (S3ErrorCode::NoSuchBucket, "The specified bucket does not exist")
        }
        BucketError::NoSuchKey => (S3ErrorCode::NoSuchKey, "The specified key does not exist."),
        BucketError::NoSuchUpload => (
            S3ErrorCode::NoSuchUpload,
            "The specified upload does not exist. The upload ID may be invalid, or the upload may \
             have been aborted or completed.",
        ),
        BucketError::InvalidBucketName(_) => {
            (S3ErrorCode::InvalidBucketName, "The specified bucket is not valid.")
        }
        BucketError::BucketExists => (
            S3ErrorCode::BucketAlreadyOwnedByYou,
            "Your previous request to create the named bucket succeeded and you already own it.",
        ),
        BucketError::BucketNotEmpty => {
            (S3ErrorCode::BucketNotEmpty, "The bucket you tried to delete is not empty")
        }
        BucketError::TooManyBuckets => {
            (S3ErrorCode::TooManyBuckets, "You have attempted to create more buckets than allowed")
        }
        BucketError::TooManyUploads => (
            S3ErrorCode::SlowDown,
            "There are as many unfinished uploads as there may be. Complete or abort some.",
        ),
        BucketError::KeyLength(0) => (S3ErrorCode::InvalidRequest, "A key must not be empty."),
        BucketError::KeyLength(_) => (S3ErrorCode::KeyTooLongError, "Your key is too long"),
        BucketError::MetadataTooLarge(_) => (
            S3ErrorCode::MetadataTooLarge,
            "Your metadata headers exceed the maximum allowed metadata size",
        ),
        BucketError::AttributesTooLarge(_) => {
            (S3ErrorCode::InvalidRequest, "The headers that are kept of an object are too large.")
        }
        BucketError::TooLarge => {
            (S3ErrorCode::EntityTooLarge, "Your proposed upload exceeds the maximum allowed size")
        }
        BucketError::PartTooSmall { .. } => (
            S3ErrorCode::EntityTooSmall,
            "Your proposed upload is smaller than the minimum allowed size",
        ),
        BucketError::InvalidPart(_) => (
            S3ErrorCode::InvalidPart,
            "One or more of the specified parts could not be found.  The part may not have been \
             uploaded, or the specified entity tag may not match the part's entity tag.",
        ),
        BucketError::InvalidPartOrder => (
            S3ErrorCode::InvalidPartOrder,
            "The list of parts was not in ascending order. Parts must be ordered by part number.",
        ),
        BucketError::PartNumber(_) => {
            let message =
                format!("Part number must be an integer between 1 and {PARTS_MAX}, inclusive");
            return (S3ErrorCode::InvalidArgument, message);
        }
        error => inability(error),
    };
    (code, format!("{message}{}", detail(error)))
}

/// The numbers behind a refusal.
fn detail(error: &BucketError) -> String {
    match error {
        BucketError::KeyLength(bytes @ 1..) => {
            format!(" ({bytes} bytes of at most {KEY_BYTES_MAX})")
        }
        BucketError::MetadataTooLarge(bytes) => {
            format!(" ({bytes} bytes of at most {METADATA_BYTES_MAX})")
        }
        _ => String::new(),
    }
}

/// What does not depend on the request alone.
fn inability(error: &BucketError) -> (S3ErrorCode, &'static str) {
    match error {
        BucketError::PreconditionFailed => (
            S3ErrorCode::PreconditionFailed,
            "At least one of the pre-conditions you specified did not hold",
        ),
        BucketError::Contended => (
            S3ErrorCode::OperationAborted,
            "A conflicting conditional operation is currently in progress against this resource. \
             Please try again.",
        ),
        BucketError::IndexFull => (
            S3ErrorCode::ServiceUnavailable,
            "The names of all objects take all the memory that they may: start the server with \
             more --memory, or delete some.",
        ),
        BucketError::DiskFull => {
            (S3ErrorCode::ServiceUnavailable, "There is no room for it. Please try again later.")
        }
        BucketError::Damaged(_) => {
            (S3ErrorCode::InternalError, "What was stored is damaged, and is not served.")
        }
        _ => (S3ErrorCode::ServiceUnavailable, "It cannot be done now. Please try again."),
    }
}

/// A body that did not come as it was promised.
pub(super) fn of_body(error: &dyn std::fmt::Display) -> S3Error {
    let text = error.to_string();
    let (code, message) = if text.contains("SignatureMismatch") {
        (
            S3ErrorCode::SignatureDoesNotMatch,
            "The request signature we calculated does not match the signature you provided. Check \
             your key and signing method.",
        )
    } else if text.contains("Sha256Mismatch") {
        (
            S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into()),
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        )
    } else if text.contains("too slow") {
        (
            S3ErrorCode::RequestTimeout,
            "Your socket connection to the server was not read from or written to within the \
             timeout period.",
        )
    } else {
        (
            S3ErrorCode::IncompleteBody,
            "You did not provide the number of bytes specified by the Content-Length HTTP header",
        )
    };
    let mut fault = S3Error::with_message(code, message);
    if let S3ErrorCode::Custom(_) = fault.code() {
        fault.set_status_code(StatusCode::BAD_REQUEST);
    }
    fault
}
