//! What `cargo xtask codegen` writes: a service a module.

#[cfg(feature = "kinesis")]
pub mod kinesis;
