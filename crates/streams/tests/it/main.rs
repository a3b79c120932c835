//! The engine over a real store, with a clock of its own: the whole suite once for each lane.
#![allow(clippy::duplicate_mod, reason = "the suite runs once for each lane")]

#[path = "suite.rs"]
mod memory;

#[path = "suite.rs"]
mod bucket;
