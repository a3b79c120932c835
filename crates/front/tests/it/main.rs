//! The front over real sockets: a toy service behind it, raw bytes and real clients before it.
#![allow(clippy::unwrap_used)]

mod calls;
mod connections;
mod harness;
mod hostile;
mod injection;
mod pages;
mod protocols;
mod rates;
mod streams;
mod tls;
mod toy;
