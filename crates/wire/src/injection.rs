//! A seam for those who test failures: something may befall a call between its authorisation and its
//! answer. Nothing does unless an [`Injector`] was given.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::{Call, Fault, OperationInfo, Resource};

/// What befalls a call, once whatever comes before it is over.
pub type Befalling = Pin<Box<dyn Future<Output = Fate> + Send>>;

/// Says what befalls calls.
pub trait Injector: fmt::Debug + Send + Sync {
    /// What befalls this call; `None`, as nearly always, if nothing does. The future may take its
    /// time: a call that is late waits in it.
    fn inject(
        &self,
        call: &Arc<Call>,
        operation: &'static OperationInfo,
        resource: &Resource,
    ) -> Option<Befalling>;
}

/// How a call goes on.
#[derive(Debug)]
pub enum Fate {
    /// It is served and answered, as nothing had befallen it but time.
    Answered,
    /// It is not served, and its caller gets this.
    Refused(Instead),
    /// It is served, and its caller does not learn how that went.
    Served(Instead),
}

/// What a caller gets instead of an answer.
#[derive(Debug)]
pub enum Instead {
    /// A fault.
    Fault(Fault),
    /// Nothing: the connection breaks, or the stream of an HTTP/2 connection.
    Silence,
}
