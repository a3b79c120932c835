//! The vocabulary between the model, the pipeline and the services: what an operation is, what a
//! call carries, how a fault looks, and how values travel.
//!
//! Nothing here knows HTTP, a service, or an engine.

pub mod blob;
pub mod call;
pub mod cbor;
pub mod codec;
pub mod constraint;
pub mod event_stream;
pub mod explain;
pub mod fault;
pub mod injection;
pub mod json;
pub mod limits;
pub mod open_enum;
pub mod operation;
pub mod pattern;
pub mod query;
pub mod schema;
pub mod structure;
pub mod timestamp;
pub mod value;

pub use blob::Blob;
pub use call::{Call, RequestId};
pub use codec::Codec;
pub use fault::Fault;
pub use injection::{Befalling, Fate, Injector, Instead};
pub use operation::{
    Access, Answer, CallRate, Elsewhere, Endpoint, EventStream, Frames, Kind, Operation,
    OperationInfo, Prepared, QueryForm, Resource, Serve, ServiceProfile, Throttling, endpoint,
};
pub use timestamp::Timestamp;
pub use value::Value;
