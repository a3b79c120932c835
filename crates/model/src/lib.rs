//! The services' shapes and operations, generated from AWS's models by `cargo xtask codegen`.
//!
//! Decoding and encoding are compiled here, once, so that a change in a handler compiles no codec.
//! Each service is a feature.

#[cfg(feature = "kinesis")]
pub mod kinesis;
