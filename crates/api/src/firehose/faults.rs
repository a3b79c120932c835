//! The engine's errors in AWS's codes and words. The words are facts/firehose.md § 2.1's unless a line
//! says otherwise.

use std::borrow::Cow;

use delivery::limits::{ENCRYPTION_CHANGES_MAX, TAGS_MAX};
use delivery::{DeliveryStreamName, Error, Unserved};
use model::firehose::faults;
use wire::Fault;

pub(super) fn invalid_argument(message: impl Into<Cow<'static, str>>) -> Fault {
    faults::invalid_argument_exception(message)
}

/// What a single record fails with where the stream has no room for it right now (boto/boto3 issue
/// 2804 shows AWS's words).
pub(super) const SLOW_DOWN: &str = "Slow down.";

/// 501, so that no client retries it for long, and nobody takes it for a delivery.
pub(super) fn destination_not_served_yet(destination: &str) -> Fault {
    Fault {
        status: 501,
        ..Fault::client(
            "UnsupportedOperationException",
            format!(
                "Levada does not deliver to {destination} yet; docs/coverage.md lists where it does."
            ),
        )
    }
}

pub(super) fn to_fault(error: Error) -> Fault {
    match error {
        Error::NotFound(stream) => faults::resource_not_found_exception(format!(
            "Firehose {stream} under account {} not found.",
            stream.world.account
        )),
        Error::Exists(stream) => in_use(format!("Firehose {} already exists", under(&stream))),
        Error::NotActive(stream) => in_use(format!("Firehose {} is not ACTIVE.", under(&stream))),
        // aws/aws-cli issue 7010 shows AWS's words.
        Error::NotDirectPut(_) => invalid_argument(
            "This operation is not permitted on KinesisStreamAsSource delivery stream type.",
        ),
        Error::StreamLimit { limit, names } => faults::limit_exceeded_exception(format!(
            "You have already consumed your firehose quota of {limit} hoses. Firehose names: {names:?}"
        )),
        Error::VersionMismatch { stream, current, given } => {
            faults::concurrent_modification_exception(format!(
                "Cannot update firehose: {stream} since the current version id: {current} and specified version id: {given} do not match"
            ))
        }
        Error::NoSuchDestination { given, .. } => {
            invalid_argument(format!("Destination Id {given} not found"))
        }
        Error::TagLimit(stream) => faults::limit_exceeded_exception(format!(
            "Firehose {} cannot have more than {TAGS_MAX} tags.",
            under(&stream)
        )),
        Error::EncryptionChanging(stream) => {
            in_use(format!("The encryption of firehose {} is being changed.", under(&stream)))
        }
        Error::EncryptionLimit(stream) => faults::limit_exceeded_exception(format!(
            "The encryption of firehose {} has been changed {ENCRYPTION_CHANGES_MAX} times in 24 hours.",
            under(&stream)
        )),
        Error::Contended(stream) => {
            in_use(format!("Firehose {} is being changed by too many requests.", under(&stream)))
        }
        Error::Throttled(_) | Error::BacklogFull(_) => {
            faults::service_unavailable_exception(SLOW_DOWN)
        }
        Error::Unserved(_, Unserved::Type(destination)) => destination_not_served_yet(destination),
        Error::Unserved(_, Unserved::Conversion(error)) => {
            destination_not_served_yet(&format!("Amazon S3 in this format ({error})"))
        }
        error @ (Error::Corrupt(_) | Error::Commit(_) | Error::Unserved(..)) => {
            tracing::error!(%error, "an operation failed");
            Fault::internal()
        }
    }
}

fn in_use(message: String) -> Fault {
    faults::resource_in_use_exception(message)
}

fn under(stream: &DeliveryStreamName) -> String {
    format!("{stream} under accountId {}", stream.world.account)
}
