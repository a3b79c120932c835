//! Which stream an input means.

use std::sync::Arc;

use streams::{Consumer, Error, Stream, StreamName, World};
use wire::{Call, Fault};

use super::Kinesis;
use super::faults::{self, invalid_argument, to_fault};

/// The caller's own world.
pub(super) fn world_of(call: &Call) -> World {
    World { account: Arc::clone(&call.account), region: Arc::clone(&call.region) }
}

/// The stream that an input names, by name or by ARN.
pub(super) fn stream_name(
    call: &Call,
    name: Option<&str>,
    arn: Option<&str>,
) -> Result<StreamName, Fault> {
    match (name, arn) {
        (None, None) => Err(invalid_argument("Either StreamName or StreamARN must be provided.")),
        (Some(name), None) => Ok(world_of(call).stream(name)),
        (name, Some(arn)) => {
            let named =
                StreamName::parse_arn(arn).ok_or_else(|| malformed_arn("StreamARN", arn))?;
            if name.is_some_and(|name| name != &*named.name) {
                return Err(invalid_argument(
                    "StreamName and StreamARN do not name the same stream.",
                ));
            }
            in_own_world(call, named)
        }
    }
}

/// A consumer as an input names it.
struct ConsumerName {
    stream: StreamName,
    name: String,
    /// Out of its ARN, if it was named by that.
    created_seconds: Option<u64>,
}

/// The consumer that an input names: its stream and its name. Whatever else is given must name the
/// same one (API reference, DescribeStreamConsumer; AWS took StreamARN with ConsumerARN when
/// LocalStack's tests were recorded).
fn consumer_name(
    call: &Call,
    stream_arn: Option<&str>,
    consumer: Option<&str>,
    consumer_arn: Option<&str>,
) -> Result<ConsumerName, Fault> {
    match (stream_arn, consumer, consumer_arn) {
        (stream_arn, name, Some(arn)) => {
            let (stream, consumer, created_seconds) = StreamName::parse_consumer_arn(arn)
                .ok_or_else(|| malformed_arn("ConsumerARN", arn))?;
            let other_stream = stream_arn.is_some_and(|arn| arn != stream.arn());
            if other_stream || name.is_some_and(|name| name != consumer) {
                return Err(invalid_argument(
                    "ConsumerARN, StreamARN and ConsumerName do not name the same consumer.",
                ));
            }
            Ok(ConsumerName {
                stream: in_own_world(call, stream)?,
                name: consumer.to_owned(),
                created_seconds: Some(created_seconds),
            })
        }
        (Some(arn), Some(consumer), None) => {
            let stream = stream_name(call, None, Some(arn))?;
            Ok(ConsumerName { stream, name: consumer.to_owned(), created_seconds: None })
        }
        _ => Err(invalid_argument(
            "Either ConsumerARN, or both StreamARN and ConsumerName, must be provided.",
        )),
    }
}

/// Every region is its own world: a stream of another one is not to be found here.
fn in_own_world(call: &Call, stream: StreamName) -> Result<StreamName, Fault> {
    if stream.world == world_of(call) { Ok(stream) } else { Err(faults::stream_not_found(&stream)) }
}

fn malformed_arn(member: &str, arn: &str) -> Fault {
    invalid_argument(format!("{member} {arn} is not a valid ARN."))
}

impl Kinesis {
    /// The stream that an input means, in whatever state.
    pub(super) fn stream(
        &self,
        call: &Call,
        name: Option<&str>,
        arn: Option<&str>,
    ) -> Result<Arc<Stream>, Fault> {
        self.streams.stream(&stream_name(call, name, arn)?).map_err(to_fault)
    }

    /// The stream that an input means, if records can be put to it and read from it.
    pub(super) fn stream_with_data(
        &self,
        call: &Call,
        name: Option<&str>,
        arn: Option<&str>,
    ) -> Result<Arc<Stream>, Fault> {
        self.streams.stream_with_data(&stream_name(call, name, arn)?).map_err(to_fault)
    }

    /// The consumer that an input means, and its stream.
    pub(super) fn consumer(
        &self,
        call: &Call,
        stream_arn: Option<&str>,
        name: Option<&str>,
        arn: Option<&str>,
    ) -> Result<(Arc<Stream>, Consumer), Fault> {
        let named = consumer_name(call, stream_arn, name, arn)?;
        let stream = self.streams.stream(&named.stream).map_err(to_fault)?;
        let consumer = self.streams.consumer(&stream, &named.name).map_err(to_fault)?;
        // The ARN of an earlier consumer of the same name names nothing any more.
        if named.created_seconds.is_some_and(|seconds| seconds != consumer.created.seconds()) {
            return Err(to_fault(Error::ConsumerNotFound(named.stream, named.name)));
        }
        Ok((stream, consumer))
    }
}
