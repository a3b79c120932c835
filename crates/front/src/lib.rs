//! The listener and the pipeline: from bytes on a socket to a call on a service, and back.
//!
//! `pipeline.rs` reads like the specification; everything else is a step of it or the connection
//! under it. This crate never names a service: it is given profiles and endpoints.

mod body;
mod budget;
mod connection;
mod dialect;
mod handover;
mod ids;
mod inflate;
mod journal;
pub mod limits;
mod listener;
mod pages;
mod pipeline;
mod precedence;
mod respond;
mod routes;
mod sniff;
mod throttle;
mod tls;
mod transport;
mod view;

pub use handover::{BodyError, HandedBody, Handled, Handler, Handling, Handover, StreamedBody};
pub use listener::{Condition, CorsRule, Drained, Front, FrontConfig, Readiness};
pub use routes::Service;
pub use tls::{Certificates, CertificatesError};
