//! Operations, and the few lines that join one to whoever serves it.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_core::Stream;

use crate::{Call, Codec, Fault};

/// How the bytes of an operation flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One body in, one body out.
    Unary,
    /// One body in, a stream of frames out.
    EventStream,
    /// An endless body in.
    Upload,
    /// An endless body out.
    Download,
}

/// Whether an operation changes anything; what changes something is audited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Changes nothing.
    Read,
    /// Changes the control plane.
    Mutate,
    /// Carries data.
    Data,
}

/// How often an operation may be called in a second, in one region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallRate {
    /// By one account.
    PerAccount(u32),
    /// By one account for one of the resources that it names. What belongs to a resource, such as
    /// `stream/orders/consumer/app`, counts with it.
    PerResource(u32),
}

/// The facts about an operation that the pipeline needs; generated from the model and the overlay.
#[derive(Debug)]
pub struct OperationInfo {
    /// AWS's name, such as `PutRecord`.
    pub name: &'static str,
    /// The IAM action, such as `kinesis:PutRecord`.
    pub action: &'static str,
    /// How its bytes flow.
    pub kind: Kind,
    /// What it changes.
    pub access: Access,
    /// AWS's rate for it, where the control plane has one.
    pub calls_per_second: Option<CallRate>,
    /// The largest body it takes.
    pub body_bytes_max: usize,
}

/// The facts about a service that the pipeline needs; generated, or written by hand for the few
/// operations of services that Kinesis's clients call besides.
#[derive(Debug)]
pub struct ServiceProfile {
    /// The name in a credential scope, such as `kinesis`.
    pub signing_name: &'static str,
    /// What stands before the dot in `X-Amz-Target`, such as `Kinesis_20131202`; empty if its
    /// operations are not called so.
    pub target_prefix: &'static str,
    /// The content types it reads in calls by target, each with the codec to answer in.
    pub content_types: &'static [(&'static str, Codec)],
    /// What stands before `/operation/` in the path of Smithy RPC v2, if it speaks that.
    pub rpc_service: Option<&'static str>,
    /// How it is called by forms, if it is.
    pub query: Option<QueryForm>,
    /// Whether bodies may come compressed with gzip.
    pub gzip: bool,
    /// What a call beyond the rate of its operation is told.
    pub throttling: Throttling,
}

/// What a call beyond a rate is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Throttling {
    /// `LimitExceededException`, and whose rate it is.
    Named,
    /// `ThrottlingException`, and no more.
    Plain,
}

/// AWS's oldest protocol, as one service has it.
#[derive(Clone, Copy, Debug)]
pub struct QueryForm {
    /// The form's `Version`.
    pub version: &'static str,
    /// The XML namespace of answers.
    pub xml_namespace: &'static str,
}

/// A service of AWS that is not here, or only in part: what its callers are told.
#[derive(Clone, Copy, Debug)]
pub struct Elsewhere {
    /// The name in a credential scope.
    pub signing_name: &'static str,
    /// What AWS calls it.
    pub name: &'static str,
    /// What SDKs put after `AWS_ENDPOINT_URL_`.
    pub variable: &'static str,
    /// Whether it speaks XML over paths.
    pub is_rest_xml: bool,
}

/// What an input names, for authorisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Nothing in particular: `*`.
    Any,
    /// A full ARN out of the input.
    Arn(String),
    /// A resource of the caller's own account and region: the part of its ARN after the account,
    /// such as `stream/orders`.
    Own(String),
}

/// One operation of one service. Implemented by generated markers.
pub trait Operation: Send + Sync + 'static {
    /// What it takes.
    type Input: Send + 'static;
    /// What it gives: a structure, or an [`EventStream`] of events.
    type Output: Send + 'static;
    /// Its facts.
    const INFO: OperationInfo;

    /// Reads and validates a body. On failure the fault says why in AWS's words: types first, then
    /// constraints.
    fn decode(codec: Codec, body: &Bytes) -> Result<Self::Input, Fault>;
    /// Writes the answer in the caller's codec.
    fn encode(codec: Codec, output: Self::Output) -> Answer;
    /// What the input names.
    fn resource(input: &Self::Input) -> Resource;
}

/// Whoever serves an operation.
pub trait Serve<Op: Operation>: Send + Sync + 'static {
    /// Answers one call.
    fn serve(
        &self,
        call: &Call,
        input: Op::Input,
    ) -> impl Future<Output = Result<Op::Output, Fault>> + Send;

    /// What the input names where only the server can tell, because it is behind a token; otherwise
    /// [`Operation::resource`] says it.
    fn resource(&self, _call: &Call, _input: &Op::Input) -> Option<Resource> {
        None
    }
}

/// Events of an event-stream operation, until they end or fail.
pub type EventStream<E> = Pin<Box<dyn Stream<Item = Result<E, Fault>> + Send>>;
/// Encoded event-stream frames. The stream's end is the answer's end.
pub type Frames = Pin<Box<dyn Stream<Item = Bytes> + Send>>;

/// An encoded answer.
pub enum Answer {
    /// The whole body; empty for an empty output.
    Body(Bytes),
    /// Frames of `application/vnd.amazon.eventstream`, the first one already `initial-response`.
    Events(Frames),
}

/// An operation joined to its server, with the types erased, so that everything around it compiles
/// once.
pub trait Endpoint: Send + Sync {
    /// The operation's facts.
    fn info(&self) -> &'static OperationInfo;
    /// Reads and validates a body.
    fn decode(&self, codec: Codec, body: &Bytes) -> Result<Box<dyn Prepared>, Fault>;
}

/// A decoded input, waiting to be authorised and served.
pub trait Prepared: Send {
    /// What the input names, for whoever calls.
    fn resource(&self, call: &Call) -> Resource;
    /// Serves it and encodes the answer.
    fn serve(
        self: Box<Self>,
        call: Arc<Call>,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, Fault>> + Send>>;
}

/// Joins `Op` to its server.
pub fn endpoint<S: Serve<Op>, Op: Operation>(service: Arc<S>) -> Box<dyn Endpoint> {
    Box::new(Joined::<S, Op> { service, operation: PhantomData })
}

struct Joined<S, Op> {
    service: Arc<S>,
    operation: PhantomData<Op>,
}

struct Decoded<S, Op: Operation> {
    service: Arc<S>,
    codec: Codec,
    input: Op::Input,
}

impl<S: Serve<Op>, Op: Operation> Endpoint for Joined<S, Op> {
    fn info(&self) -> &'static OperationInfo {
        &Op::INFO
    }

    fn decode(&self, codec: Codec, body: &Bytes) -> Result<Box<dyn Prepared>, Fault> {
        let input = Op::decode(codec, body)?;
        Ok(Box::new(Decoded::<S, Op> { service: Arc::clone(&self.service), codec, input }))
    }
}

impl<S: Serve<Op>, Op: Operation> Prepared for Decoded<S, Op> {
    fn resource(&self, call: &Call) -> Resource {
        let known = self.service.resource(call, &self.input);
        known.unwrap_or_else(|| Op::resource(&self.input))
    }

    fn serve(
        self: Box<Self>,
        call: Arc<Call>,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, Fault>> + Send>> {
        Box::pin(async move {
            let output = self.service.serve(&call, self.input).await?;
            Ok(Op::encode(self.codec, output))
        })
    }
}
