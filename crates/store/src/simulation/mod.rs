//! The real store on a disk that fails, driven by a seed, and checked against what it promises. Other
//! crates put their engines on a [`Machine`] and check what *they* promise.
#![cfg_attr(not(test), expect(dead_code, reason = "the store's own tests use all of it"))]
#![allow(clippy::unwrap_used, reason = "it exists for tests")]

mod bytes;
mod chaos;
mod machine;

#[cfg(test)]
mod flip_tests;
#[cfg(test)]
mod history;
#[cfg(test)]
mod liar;
#[cfg(test)]
mod mutant_tests;
#[cfg(test)]
mod regression_tests;
#[cfg(test)]
mod world;
#[cfg(test)]
mod world_tests;

pub use bytes::{owner, payload};
pub use machine::{Ending, Machine, Weather};
