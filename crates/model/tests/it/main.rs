//! The generated model from outside: what it reads, refuses and writes.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly anywhere")]

mod constraints;
mod corpus;
mod explain;
mod golden;
mod resources;
mod round_trip;
mod service;
mod stream;
