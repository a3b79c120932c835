//! What the measuring programs share: signatures, and what the kernel knows of a process.

pub mod process;
pub mod sigv4;
