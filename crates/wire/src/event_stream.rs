//! `application/vnd.amazon.eventstream`: messages of headers and a payload, each with two checksums.
//!
//! ```text
//! u32 total length | u32 headers length | u32 CRC-32 of those eight bytes
//! headers: u8 name length, name, u8 type, value
//! payload | u32 CRC-32 of all before it
//! ```

mod frame;

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;

pub use frame::{Decoder, Frame, FrameError, HeaderValue};

use crate::codec::encode_fault;
use crate::{Codec, EventStream, Fault, Frames, codec};

/// The name of the first message; botocore refuses a stream without it.
pub const INITIAL_RESPONSE: &str = "initial-response";

/// What an event stream carries. Generated.
pub trait Event: Sized + Send + 'static {
    /// The value of `:event-type`.
    fn event_type(&self) -> &'static str;
    /// Writes the payload to the end of a buffer.
    fn write(&self, codec: Codec, buffer: &mut Vec<u8>);
    /// About how many bytes the payload takes.
    fn payload_bytes_guess(&self) -> usize;
    /// Reads a payload; nothing if the type is unknown.
    fn read(codec: Codec, event_type: &str, payload: &Bytes) -> Option<Result<Self, Fault>>;
}

/// The media type of a payload.
fn content_type(codec: Codec) -> &'static str {
    match codec {
        Codec::Json | Codec::Query => "application/json",
        Codec::Cbor => "application/x-amz-cbor-1.1",
        Codec::RpcCbor => "application/cbor",
    }
}

/// The first message of every stream: an empty structure.
pub fn initial_response(codec: Codec) -> Bytes {
    let payload: &[u8] = match codec {
        Codec::Json | Codec::Query => b"{}",
        Codec::Cbor | Codec::RpcCbor => b"\xa0",
    };
    let headers = [
        (":event-type", INITIAL_RESPONSE),
        (":content-type", content_type(codec)),
        (":message-type", "event"),
    ];
    frame::encode(&headers, payload.len(), |buffer| buffer.extend_from_slice(payload))
}

/// The message of an event.
pub fn event<E: Event>(codec: Codec, event: &E) -> Bytes {
    let headers = [
        (":event-type", event.event_type()),
        (":content-type", content_type(codec)),
        (":message-type", "event"),
    ];
    frame::encode(&headers, event.payload_bytes_guess(), |buffer| event.write(codec, buffer))
}

/// The message of a fault; it is the last.
pub fn exception(codec: Codec, fault: &Fault) -> Bytes {
    let headers = [
        (":exception-type", fault.code.as_ref()),
        (":content-type", content_type(codec)),
        (":message-type", "exception"),
    ];
    let payload = encode_fault(codec, fault);
    frame::encode(&headers, payload.len(), |buffer| buffer.extend_from_slice(&payload))
}

/// The messages of a stream of events: the initial one, then the events; a fault ends it.
pub fn frames<E: Event>(codec: Codec, events: EventStream<E>) -> Frames {
    Box::pin(EventFrames { codec, events: Some(events), begun: false })
}

struct EventFrames<E> {
    codec: Codec,
    /// None once the stream has ended.
    events: Option<EventStream<E>>,
    begun: bool,
}

impl<E: Event> Stream for EventFrames<E> {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !self.begun {
            self.begun = true;
            return Poll::Ready(Some(initial_response(self.codec)));
        }
        let codec = self.codec;
        let Some(events) = &mut self.events else { return Poll::Ready(None) };
        match events.as_mut().poll_next(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(event))) => Poll::Ready(Some(self::event(codec, &event))),
            Poll::Ready(Some(Err(fault))) => {
                self.events = None;
                Poll::Ready(Some(exception(codec, &fault)))
            }
            Poll::Ready(None) => {
                self.events = None;
                Poll::Ready(None)
            }
        }
    }
}

/// What a client finds in a message.
#[derive(Debug, PartialEq)]
pub enum Message<E> {
    /// The stream has begun.
    Begun,
    /// An event.
    Event(E),
    /// The service ends the stream.
    Fault(Fault),
    /// Something younger than this client.
    Unknown(String),
}

/// Reads a message as a client.
pub fn read<E: Event>(codec: Codec, frame: &Frame) -> Result<Message<E>, Fault> {
    match frame.text(":message-type") {
        Some("event") => {
            let event_type = frame.text(":event-type").unwrap_or_default();
            if event_type == INITIAL_RESPONSE {
                return Ok(Message::Begun);
            }
            match E::read(codec, event_type, &frame.payload) {
                Some(event) => event.map(Message::Event),
                None => Ok(Message::Unknown(event_type.to_string())),
            }
        }
        Some("exception") => {
            let mut fault = codec::decode_fault(codec, 400, &frame.payload);
            if let Some(code) = frame.text(":exception-type") {
                fault.code = code.to_string().into();
            }
            Ok(Message::Fault(fault))
        }
        Some("error") => {
            let text = |name| frame.text(name).unwrap_or_default().to_string();
            Ok(Message::Fault(Fault {
                code: text(":error-code").into(),
                status: 500,
                message: Some(text(":error-message").into()),
                capital_message: false,
            }))
        }
        other => Ok(Message::Unknown(other.unwrap_or_default().to_string())),
    }
}
