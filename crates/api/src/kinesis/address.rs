//! Which stream or consumer an input means.

use std::sync::Arc;

use model::kinesis::{NamesConsumer, NamesStream};
use streams::{Consumer, Error, Stream, StreamName};
use wire::{Call, Fault};

use super::Kinesis;
use super::faults::{self, invalid_argument, resource_not_found, to_fault};
use crate::world_of;

/// What an ARN of a resource means.
pub(super) enum Resource {
    /// A stream.
    Stream(Arc<Stream>),
    /// A consumer and its stream.
    Consumer(Arc<Stream>, Consumer),
}

/// A consumer as its ARN names it.
struct ConsumerName<'a> {
    stream: StreamName,
    name: &'a str,
    created_seconds: u64,
}

impl<'a> ConsumerName<'a> {
    fn read(arn: &'a str) -> Option<Self> {
        let (stream, name, created_seconds) = StreamName::parse_consumer_arn(arn)?;
        Some(ConsumerName { stream, name, created_seconds })
    }
}

/// The stream of an ARN, which must agree with the name that is given besides.
fn name_by_arn(call: &Call, name: Option<&str>, arn: &str) -> Result<StreamName, Fault> {
    let named = StreamName::parse_arn(arn).ok_or_else(|| malformed_arn("StreamARN", arn))?;
    if name.is_some_and(|name| name != &*named.name) {
        return Err(invalid_argument("StreamName and StreamARN do not name the same stream."));
    }
    in_own_world(call, named)
}

fn no_consumer() -> Fault {
    invalid_argument("Either ConsumerARN, or both StreamARN and ConsumerName, must be provided.")
}

/// Every region is its own world: a stream of another one is not to be found here.
fn in_own_world(call: &Call, stream: StreamName) -> Result<StreamName, Fault> {
    if stream.world == world_of(call) { Ok(stream) } else { Err(faults::stream_not_found(&stream)) }
}

fn malformed_arn(member: &str, arn: &str) -> Fault {
    invalid_argument(format!("{member} {arn} is not a valid ARN."))
}

impl Kinesis {
    /// The name of the stream that an input means: by name, by ARN, or by id where it has neither.
    ///
    /// An id beside a name or an ARN says nothing: AWS calls the member reserved, and producers
    /// send it along (facts/streams.md § 1).
    pub(super) fn stream_name(
        &self,
        call: &Call,
        input: &impl NamesStream,
    ) -> Result<StreamName, Fault> {
        let address = input.stream_address();
        match (address.stream_name, address.stream_arn, address.stream_id) {
            (name, Some(arn), _) => name_by_arn(call, name, arn),
            (Some(name), None, _) => Ok(world_of(call).stream(name)),
            (None, None, Some(id)) => {
                let found = self.streams.stream_of_id(&world_of(call), id);
                let named = found.map(|stream| stream.name.clone());
                named.ok_or_else(|| faults::stream_not_found(&world_of(call).stream(id)))
            }
            (None, None, None) => {
                Err(invalid_argument("Either StreamName or StreamARN must be provided."))
            }
        }
    }

    /// The stream that an input means, in whatever state.
    pub(super) fn stream(
        &self,
        call: &Call,
        input: &impl NamesStream,
    ) -> Result<Arc<Stream>, Fault> {
        self.streams.stream(&self.stream_name(call, input)?).map_err(to_fault)
    }

    /// The stream that an input means, if records can be put to it and read from it.
    pub(super) fn stream_with_data(
        &self,
        call: &Call,
        input: &impl NamesStream,
    ) -> Result<Arc<Stream>, Fault> {
        self.streams.stream_with_data(&self.stream_name(call, input)?).map_err(to_fault)
    }

    /// The consumer that an input means, and its stream. Whatever is given besides must name the
    /// same one (API reference, DescribeStreamConsumer; AWS took StreamARN with ConsumerARN when
    /// LocalStack's tests were recorded).
    pub(super) fn consumer(
        &self,
        call: &Call,
        input: &impl NamesConsumer,
    ) -> Result<(Arc<Stream>, Consumer), Fault> {
        let address = input.consumer_address();
        let Some(arn) = address.consumer_arn else {
            let Some(consumer) = address.consumer_name else { return Err(no_consumer()) };
            let stream = match (address.stream_arn, address.stream_id) {
                (Some(arn), _) => self.streams.stream(&name_by_arn(call, None, arn)?),
                (None, Some(id)) => {
                    let found = self.streams.stream_of_id(&world_of(call), id);
                    found.ok_or_else(|| Error::StreamNotFound(world_of(call).stream(id)))
                }
                (None, None) => return Err(no_consumer()),
            };
            let stream = stream.map_err(to_fault)?;
            let consumer = self.streams.consumer(&stream, consumer).map_err(to_fault)?;
            return Ok((stream, consumer));
        };
        let named = ConsumerName::read(arn).ok_or_else(|| malformed_arn("ConsumerARN", arn))?;
        let other_stream = address.stream_arn.is_some_and(|arn| arn != named.stream.arn());
        if other_stream || address.consumer_name.is_some_and(|name| name != named.name) {
            return Err(invalid_argument(
                "ConsumerARN, StreamARN and ConsumerName do not name the same consumer.",
            ));
        }
        self.find_consumer(call, named)
    }

    /// The stream or consumer that an ARN of a resource means.
    pub(super) fn resource(&self, call: &Call, arn: &str) -> Result<Resource, Fault> {
        if let Some(named) = ConsumerName::read(arn) {
            let (stream, consumer) = self.find_consumer(call, named)?;
            return Ok(Resource::Consumer(stream, consumer));
        }
        // Channels and queues are none of ours yet, so there are none.
        let named = StreamName::parse_arn(arn).ok_or_else(|| resource_not_found(arn))?;
        let stream = self.streams.stream(&in_own_world(call, named)?).map_err(to_fault)?;
        Ok(Resource::Stream(stream))
    }

    fn find_consumer(
        &self,
        call: &Call,
        named: ConsumerName<'_>,
    ) -> Result<(Arc<Stream>, Consumer), Fault> {
        let name = in_own_world(call, named.stream)?;
        let stream = self.streams.stream(&name).map_err(to_fault)?;
        let consumer = self.streams.consumer(&stream, named.name).map_err(to_fault)?;
        // The ARN of an earlier consumer of the same name names nothing any more.
        if named.created_seconds != consumer.created.seconds() {
            return Err(to_fault(Error::ConsumerNotFound(name, consumer.name)));
        }
        Ok((stream, consumer))
    }
}
