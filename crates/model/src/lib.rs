//! The services' shapes and operations, generated from AWS's models by `cargo xtask codegen`.
//!
//! Decoding and encoding are compiled here, once, so that a change in a handler compiles no codec.
//! Each service is a feature.
//!
//! A service that forgets an operation does not compile:
//!
//! ```compile_fail,E0277
//! struct Partial;
//!
//! impl wire::Serve<model::kinesis::op::PutRecord> for Partial {
//!     async fn serve(
//!         &self,
//!         _: &wire::Call,
//!         _: model::kinesis::shapes::PutRecordInput,
//!     ) -> Result<model::kinesis::shapes::PutRecordOutput, wire::Fault> {
//!         Err(wire::Fault::internal())
//!     }
//! }
//!
//! model::kinesis::routes(std::sync::Arc::new(Partial));
//! ```

mod generated;

#[cfg(feature = "firehose")]
pub use generated::firehose;
#[cfg(feature = "kinesis")]
pub use generated::kinesis;
