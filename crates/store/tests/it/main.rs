//! The store from outside: its promises, kept over restarts, kills and other processes.
// These tests look at the folder behind the store's back, and panic when anything is off.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod basics;
mod buckets;
mod compaction;
mod folders;
mod golden;
mod kill;
mod s3_stub;
mod support;
