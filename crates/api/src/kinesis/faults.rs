//! The engine's errors in AWS's codes and words. The words are facts/streams.md § 2.3's unless a
//! line says otherwise.

use std::borrow::Cow;

use jiff::Timestamp;
use model::kinesis::faults;
use stdx::UnixMillis;
use streams::StoreError;
use streams::limits::TAGS_PER_RESOURCE_MAX;
use streams::shard::shard_id;
use streams::{Error, RetentionRule, ScaleRule, ShardUse, StreamName};
use wire::Fault;

use super::injected::RecordFailure;

pub(super) fn invalid_argument(message: impl Into<Cow<'static, str>>) -> Fault {
    faults::invalid_argument_exception(message)
}

pub(super) fn stream_not_found(stream: &StreamName) -> Fault {
    not_found(format!("Stream {} not found.", under(stream)))
}

/// Every fault that can be injected without giving its words: code, status, words. `{stream}` stands
/// for `X under account A`, `{shard}` for a shard's id.
const INJECTED: &[(&str, u16, &str)] = &[
    (
        "ProvisionedThroughputExceededException",
        400,
        "Rate exceeded for shard {shard} in stream {stream}.",
    ),
    ("LimitExceededException", 400, "Rate exceeded for stream {stream}."),
    ("ThrottlingException", 400, "Rate exceeded"),
    ("ResourceNotFoundException", 400, "Stream {stream} not found."),
    ("ResourceInUseException", 400, "Stream {stream} not ACTIVE, instead in state UPDATING"),
    ("ExpiredNextTokenException", 400, "NextToken has expired."),
    ("ExpiredTokenException", 400, "The security token included in the request is expired"),
    ("UnrecognizedClientException", 400, "The security token included in the request is invalid."),
    ("KMSThrottlingException", 400, "KMS throttled a request for stream {stream}."),
    ("KMSAccessDeniedException", 400, "KMS denied access to the key of stream {stream}."),
    ("KMSDisabledException", 400, "The KMS key of stream {stream} is disabled."),
    ("KMSInvalidStateException", 400, "The KMS key of stream {stream} is in no usable state."),
    ("KMSNotFoundException", 400, "The KMS key of stream {stream} was not found."),
    ("KMSOptInRequired", 400, "The account of stream {stream} has no KMS."),
    (INTERNAL_FAILURE, 500, ""),
    ("ServiceUnavailable", 503, "The service is unavailable for the moment."),
];
const INTERNAL_FAILURE: &str = "InternalFailure";

/// The codes that can be injected without giving words.
pub(crate) fn injectable_codes() -> impl Iterator<Item = &'static str> {
    INJECTED.iter().map(|(code, ..)| *code)
}

/// A fault that somebody injects: in AWS's words, unless others are given.
pub(super) fn injected_fault(
    code: &str,
    message: Option<String>,
    stream: &StreamName,
    shard: u32,
) -> Fault {
    let known = INJECTED.iter().find(|(known, ..)| *known == code);
    let (status, words) = known.map_or((400, ""), |(_, status, words)| (*status, *words));
    let words = match message {
        None if code == INTERNAL_FAILURE => return Fault::internal(),
        None => words.replace("{shard}", &shard_id(shard)).replace("{stream}", &under(stream)),
        Some(message) => message,
    };
    Fault { code: code.to_owned().into(), status, ..Fault::client("", words) }
}

/// The failure of a single record; `None` for codes that records do not fail with (API reference,
/// PutRecordsResultEntry).
pub(super) fn record_failure(
    code: &str,
    message: Option<String>,
    stream: &StreamName,
    shard: u32,
) -> Option<RecordFailure> {
    let words = match code {
        INTERNAL_FAILURE => "Internal Service Failure".to_owned(),
        "ProvisionedThroughputExceededException" => {
            format!("Rate exceeded for shard {} in stream {}.", shard_id(shard), under(stream))
        }
        _ => return None,
    };
    Some(RecordFailure { code: code.to_owned(), message: message.unwrap_or(words) })
}

/// Whether single records fail with this code.
pub(crate) fn fails_records(code: &str) -> bool {
    [INTERNAL_FAILURE, "ProvisionedThroughputExceededException"].contains(&code)
}

/// An ARN that may name something, but nothing that there is.
pub(super) fn resource_not_found(arn: &str) -> Fault {
    not_found(format!("Resource {arn} not found."))
}

/// What `DryRun` answers where the request would have succeeded (EC2's words for the same flag).
pub(super) fn dry_run() -> Fault {
    faults::dry_run_operation_exception("Request would have succeeded, but DryRun flag is set.")
}

/// A record that its shard has no room for right now.
pub(super) fn write_throttled(stream: &StreamName, shard: u32) -> Fault {
    faults::provisioned_throughput_exceeded_exception(format!(
        "Rate exceeded for shard {} in stream {}.",
        shard_id(shard),
        under(stream)
    ))
}

/// A token that is not one of ours.
pub(super) fn invalid_token() -> Fault {
    invalid_argument("NextToken is invalid.")
}

/// A token older than its life.
pub(super) fn expired_token() -> Fault {
    faults::expired_next_token_exception("NextToken has expired.")
}

/// The shard of a stream that does not exist, where AWS speaks of the shard all the same.
pub(super) fn shard_missing(stream: &StreamName, shard: u32) -> Fault {
    let shard = shard_id(shard);
    not_found(format!("Shard {shard} in stream {} does not exist", under(stream)))
}

/// A shard id that cannot be read, or names nothing.
pub(super) fn shard_not_found(stream: &StreamName, shard: &str) -> Fault {
    not_found(format!("Could not find shard {shard} in stream {}.", under(stream)))
}

pub(super) fn to_fault(error: Error) -> Fault {
    match error {
        Error::StreamNotFound(stream) => stream_not_found(&stream),
        Error::StreamExists(stream) => in_use(format!("Stream {} already exists.", under(&stream))),
        Error::StreamNotActive(stream, status) => {
            in_use(format!("Stream {} not ACTIVE, instead in state {status}", under(&stream)))
        }
        // rebuy-de/aws-nuke issue 497 shows AWS's own words, apostrophe included.
        Error::StreamHasConsumers(stream) => in_use(format!(
            "DeleteStream can\u{2019}t delete {}:{name} because there are consumers associated with this data stream. To delete {name} anyway, set the EnforceConsumerDeletion parameter to true to force the deletion of all the consumers that are associated with it.",
            stream.world.account,
            name = stream.name
        )),
        Error::StreamOnDemand(stream) => Fault::validation(format!(
            "Request is invalid. Stream {} is in On-Demand mode.",
            under(&stream)
        )),
        Error::PartitionKeyMissing => invalid_argument("PartitionKey must be provided."),
        Error::HashKeyRange(given) => invalid_argument(format!(
            "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {given}"
        )),
        Error::RecordTooLarge { limit_kib } => invalid_argument(format!(
            "Record size, including its partition key, exceeds the stream's limit of {limit_kib} KiB."
        )),
        Error::OrderingNumber(stream, given) => invalid_argument(format!(
            "ExclusiveMinimumSequenceNumber {given} used in PutRecord on stream {} is invalid.",
            under(&stream)
        )),
        Error::IteratorExpired { created, now } => faults::expired_iterator_exception(format!(
            "Iterator expired. The iterator was created at time {} while right now it is {} which is further in the future than the tolerated delay of 300000 milliseconds.",
            utc(created),
            utc(now)
        )),
        error @ (Error::TagLimit(_)
        | Error::ConsumerTagLimit(..)
        | Error::Retention { .. }
        | Error::Contended(_)
        | Error::AccountContended) => setting_fault(&error),
        error @ (Error::StreamProvisioned(_)
        | Error::NoCommitment(_)
        | Error::DistributionFixed(_)
        | Error::QuotaUsedUp(_)
        | Error::OnDemandStreamLimit { .. }
        | Error::StreamsChangingLimit { .. }
        | Error::WarmThroughputLimit { .. }
        | Error::Throttled { .. }
        | Error::SubscribedJustNow { .. }) => capacity_fault(&error),
        error @ (Error::ShardNotFound(..)
        | Error::ShardMissing(..)
        | Error::ShardNotOpen(..)
        | Error::ShardsNotAdjacent(..)
        | Error::SplitPoint { .. }
        | Error::ShardLimit { .. }
        | Error::ScaleLimit { .. }) => shard_fault(&error),
        error @ (Error::StartingNumber { .. }
        | Error::NumberOfOtherShard { .. }
        | Error::TimestampInFuture { .. }) => start_fault(&error),
        error @ (Error::ConsumerNotFound(..)
        | Error::ConsumerExists(..)
        | Error::ConsumerNotActive { .. }
        | Error::ConsumerLimit(..)
        | Error::SubscriptionInUse { .. }) => consumer_fault(&error),
        error @ (Error::Corrupt(_) | Error::Store(_) | Error::Read(_) | Error::Commit(_)) => {
            internal(&error)
        }
    }
}

fn setting_fault(error: &Error) -> Fault {
    match error {
        // The words say 10 where AWS by now allows 50 (kinesalite's recorded behaviour).
        Error::TagLimit(stream) => invalid_argument(format!(
            "Failed to add tags to stream {} because a given stream cannot have more than 10 tags associated with it.",
            under(stream)
        )),
        Error::ConsumerTagLimit(stream, consumer) => invalid_argument(format!(
            "Failed to add tags to consumer {consumer} of stream {} because a given consumer cannot have more than {TAGS_PER_RESOURCE_MAX} tags associated with it.",
            under(stream)
        )),
        Error::Retention { stream, rule, hours } => retention_fault(stream, *rule, *hours),
        Error::Contended(stream) => {
            in_use(format!("Stream {} is being changed by too many requests.", under(stream)))
        }
        Error::AccountContended => {
            in_use("The account's settings are being changed by too many requests.".to_owned())
        }
        other => internal(other),
    }
}

fn retention_fault(stream: &StreamName, rule: RetentionRule, hours: i64) -> Fault {
    invalid_argument(match rule {
        RetentionRule::AtLeast(least) => format!(
            "Minimum allowed retention period is {least} hours. Requested retention period ({hours} hours) is too short."
        ),
        RetentionRule::AtMost(most) => format!(
            "Maximum allowed retention period is {most} hours. Requested retention period ({hours} hours) is too long."
        ),
        RetentionRule::NotShorter { current } => format!(
            "Requested retention period ({hours} hours) for stream {stream} can not be shorter than existing retention period ({current} hours). Use DecreaseRetentionPeriod API."
        ),
        RetentionRule::NotLonger { current } => format!(
            "Requested retention period ({hours} hours) for stream {stream} can not be longer than existing retention period ({current} hours). Use IncreaseRetentionPeriod API."
        ),
    })
}

fn shard_fault(error: &Error) -> Fault {
    match error {
        Error::ShardNotFound(stream, shard) => shard_not_found(stream, shard),
        Error::ShardMissing(stream, shard) => shard_missing(stream, *shard),
        Error::ShardNotOpen(stream, shard) => invalid_argument(format!(
            "Shard {} in stream {} has already been merged or split, and thus is not eligible for merging or splitting.",
            shard_id(*shard),
            under(stream)
        )),
        Error::ShardsNotAdjacent(stream, one, other) => invalid_argument(format!(
            "Shards {} and {} in stream {} are not an adjacent pair of shards eligible for merging",
            shard_id(*one),
            shard_id(*other),
            under(stream)
        )),
        Error::SplitPoint { stream, shard, key, range } => invalid_argument(format!(
            "NewStartingHashKey {key} used in SplitShard() on shard {} in stream {} is not both greater than one plus the shard's StartingHashKey {} and less than the shard's EndingHashKey {}.",
            shard_id(*shard),
            under(stream),
            range.start,
            range.end
        )),
        Error::ShardLimit { stream, current, limit, added } => {
            faults::limit_exceeded_exception(format!(
                "This request would exceed the shard limit for the account {} in {}. Current shard count for the account: {current}. Limit: {limit}. Number of additional shards that would have resulted from this request: {added}. Refer to the AWS Service Limits page (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits and how to request higher limits.",
                stream.world.account, stream.world.region
            ))
        }
        // A peer recorded these words from AWS.
        Error::ScaleLimit { rule, current, target, .. } => {
            let broken = match rule {
                ScaleRule::AtMost(limit) => format!(
                    "Target shard count or number of open shards cannot be greater than {limit}."
                ),
                ScaleRule::Double => {
                    "UpdateShardCount cannot scale up over double your current open shard count."
                        .to_owned()
                }
                ScaleRule::Half => {
                    "UpdateShardCount cannot scale down below half your current open shard count."
                        .to_owned()
                }
            };
            faults::limit_exceeded_exception(format!(
                "{broken} Current open shard count: {current}, Target shard count: {target}"
            ))
        }
        other => internal(other),
    }
}

fn capacity_fault(error: &Error) -> Fault {
    match error {
        Error::StreamProvisioned(stream) => Fault::validation(format!(
            "Request is invalid. Stream {} is in Provisioned mode.",
            under(stream)
        )),
        Error::NoCommitment(stream) => Fault::validation(format!(
            "Warm throughput is only supported for accounts with MinimumThroughputBillingCommitment enabled. It is not enabled for the account {} in {}.",
            stream.world.account, stream.world.region
        )),
        Error::DistributionFixed(stream) => invalid_argument(format!(
            "RecordDistributionStrategy is only supported for streams in On-Demand mode. Stream {} is in Provisioned mode.",
            under(stream)
        )),
        // AWS says the same of a day's quota as of a second's (awslabs/amazon-kinesis-scaling-utils
        // issue 52 for UpdateShardCount, aws/aws-cdk issue 18139 for the capacity mode).
        Error::QuotaUsedUp(stream) => {
            faults::limit_exceeded_exception(format!("Rate exceeded for stream {}.", under(stream)))
        }
        // hashicorp/terraform-provider-aws issue 38094 shows AWS's own words.
        Error::OnDemandStreamLimit { stream, current, limit } => {
            faults::limit_exceeded_exception(format!(
                "This request would exceed the limit on the number of On-Demand streams for the account {} in {}. Current On-Demand streams count: {current}. Limit: {limit}.",
                stream.world.account, stream.world.region
            ))
        }
        // hashicorp/terraform-provider-aws pull request 1339 shows AWS's own words.
        Error::StreamsChangingLimit { stream, limit } => faults::limit_exceeded_exception(format!(
            "This request would have exceed the limit on the number  of streams that can simultaneously be in CREATING or DELETING for the account {}. Limit: {limit}.",
            stream.world.account
        )),
        Error::WarmThroughputLimit { limit_mibps, .. } => faults::limit_exceeded_exception(
            format!("Warm throughput cannot be greater than {limit_mibps} MiBps."),
        ),
        Error::Throttled { stream, shard, of: ShardUse::Write | ShardUse::Iterator } => {
            write_throttled(stream, *shard)
        }
        // What readers hear by now (risingwavelabs/risingwave issue 7453,
        // awslabs/amazon-kinesis-client issue 1521).
        Error::Throttled { stream, shard, of: ShardUse::Read } => {
            faults::provisioned_throughput_exceeded_exception(format!(
                "Rate exceeded for Shard - {}/{}/{}",
                stream.world.account,
                stream.name,
                shard_id(*shard)
            ))
        }
        Error::SubscribedJustNow { stream, consumer, shard } => {
            faults::limit_exceeded_exception(format!(
                "Rate exceeded for consumer {consumer} and shard {} in stream {}.",
                shard_id(*shard),
                under(stream)
            ))
        }
        other => internal(other),
    }
}

fn start_fault(error: &Error) -> Fault {
    match error {
        Error::StartingNumber { stream, shard, given, foreign } => {
            let why = if *foreign { " because it did not come from this stream" } else { "" };
            invalid_argument(format!(
                "StartingSequenceNumber {given} used in GetShardIterator on shard {} in stream {} is invalid{why}.",
                shard_id(*shard),
                under(stream)
            ))
        }
        Error::NumberOfOtherShard { encoded, used } => invalid_argument(format!(
            "Invalid StartingSequenceNumber. It encodes shardId-{:012}, while it was used in a call to a shard with {}",
            // To AWS it is a Java int, sign and all (kinesalite's recorded behaviour).
            encoded.cast_signed(),
            shard_id(*used)
        )),
        Error::TimestampInFuture { given, now } => invalid_argument(format!(
            "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: {}, currentTimestampInMillis: {}",
            given.0, now.0
        )),
        other => internal(other),
    }
}

fn consumer_fault(error: &Error) -> Fault {
    match error {
        Error::ConsumerNotFound(stream, consumer) => {
            not_found(format!("Consumer {consumer} under stream {} not found.", stream.arn()))
        }
        Error::ConsumerExists(stream, consumer) => {
            in_use(format!("Consumer {consumer} under stream {} already exists.", stream.arn()))
        }
        // awslabs/kinesis-hot-shard-advisor issue 37 shows AWS's own words.
        Error::ConsumerNotActive { stream, consumer, created } => in_use(format!(
            "Consumer {consumer} with creation timestamp {} under stream: {}, account {} is not in ACTIVE status.",
            created.seconds(),
            stream.name,
            stream.world.account
        )),
        Error::ConsumerLimit(stream) => faults::limit_exceeded_exception(format!(
            "Stream {} has as many consumers as it may have.",
            under(stream)
        )),
        Error::SubscriptionInUse { stream, consumer, shard } => in_use(format!(
            "Another active subscription exists for this consumer: {}:{}:{}:{consumer}",
            stream.world.account,
            stream.name,
            shard_id(*shard)
        )),
        other => internal(other),
    }
}

/// A failure that is ours: the caller may try again, the operator is told why.
fn internal(error: &Error) -> Fault {
    match error {
        Error::Store(StoreError::TooLarge) => {
            invalid_argument("The request is larger than the stream can take.")
        }
        error => {
            tracing::error!(%error, "a request failed");
            Fault::internal()
        }
    }
}

fn not_found(message: String) -> Fault {
    faults::resource_not_found_exception(message)
}

fn in_use(message: String) -> Fault {
    faults::resource_in_use_exception(message)
}

/// `X under account A`, as nearly every sentence of AWS's has it.
pub(super) fn under(stream: &StreamName) -> String {
    format!("{} under account {}", stream.name, stream.world.account)
}

/// `Thu Jan 22 01:22:02 UTC 2015`.
fn utc(time: UnixMillis) -> String {
    let timestamp = Timestamp::from_millisecond(time.0 as i64).unwrap_or(Timestamp::MAX);
    timestamp.strftime("%a %b %d %H:%M:%S UTC %Y").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use streams::World;

    #[test]
    fn an_expired_iterator_in_awss_words() {
        let created = UnixMillis(1_421_889_722_000);
        let now = UnixMillis(1_421_890_323_000);
        let fault = to_fault(Error::IteratorExpired { created, now });
        assert_eq!(fault.code, "ExpiredIteratorException");
        assert_eq!(
            fault.message.as_deref(),
            Some(
                "Iterator expired. The iterator was created at time Thu Jan 22 01:22:02 UTC 2015 while right now it is Thu Jan 22 01:32:03 UTC 2015 which is further in the future than the tolerated delay of 300000 milliseconds."
            )
        );
    }

    #[test]
    fn a_consumer_that_is_not_active_in_awss_words() {
        let error = Error::ConsumerNotActive {
            stream: world().stream("test2"),
            consumer: "khs-0".to_owned(),
            created: UnixMillis(1_731_291_806_999),
        };
        assert_eq!(
            to_fault(error).message.as_deref(),
            Some(
                "Consumer khs-0 with creation timestamp 1731291806 under stream: test2, account 000000000000 is not in ACTIVE status."
            )
        );
    }

    #[test]
    fn a_shard_that_is_a_negative_number_in_awss_words() {
        let error = Error::NumberOfOtherShard { encoded: 1 << 31, used: 0 };
        assert_eq!(
            to_fault(error).message.as_deref(),
            Some(
                "Invalid StartingSequenceNumber. It encodes shardId--02147483648, while it was used in a call to a shard with shardId-000000000000"
            )
        );
    }

    fn world() -> World {
        World { account: "000000000000".into(), region: "us-east-1".into() }
    }

    #[test]
    fn a_missing_stream_in_awss_words() {
        let fault = to_fault(Error::StreamNotFound(world().stream("x")));
        assert_eq!(fault.code, "ResourceNotFoundException");
        assert_eq!(
            fault.message.as_deref(),
            Some("Stream x under account 000000000000 not found.")
        );
    }
}
