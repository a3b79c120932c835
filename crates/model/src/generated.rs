//! What `cargo xtask codegen` writes: a service a module.

#[cfg(feature = "firehose")]
pub mod firehose;
#[cfg(feature = "kinesis")]
pub mod kinesis;
