//! What delivery needs of the world outside, which whoever wires the server gives it: a place for
//! objects, and somebody who runs functions. Engines see no header and no status.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

/// A future behind a trait object.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An object to deliver.
#[derive(Clone, Debug)]
pub struct NewObject {
    /// The account that the delivery stream belongs to.
    pub account: String,
    /// The bucket's name.
    pub bucket: String,
    /// The object's whole name.
    pub key: String,
    /// Its bytes, in order.
    pub body: Vec<Bytes>,
    /// Its `Content-Encoding`.
    pub content_encoding: Option<&'static str>,
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is there, durably, and was not before.
    Stored,
    /// Something of this name was there before, and still is.
    Taken,
}

/// Why an object could not be put. It may be tried again, whatever the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutError {
    /// AWS's code, such as `S3.NoSuchBucket` or `S3.AccessDenied`.
    pub code: String,
    /// What the store said.
    pub message: String,
}

/// A place for objects.
pub trait ObjectStore: Send + Sync {
    /// Puts an object if there is none of its name. It is durable when this answers.
    fn put_if_absent(&self, object: NewObject) -> Answer<'_, Result<Put, PutError>>;

    /// Whether the bucket refuses to write over an object that is there: without that, a crash may
    /// leave an object twice. Found out by trying, once per bucket.
    fn has_conditions<'a>(
        &'a self,
        account: &'a str,
        bucket: &'a str,
    ) -> Answer<'a, Result<bool, PutError>>;
}

/// How a call of a function ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invoked {
    /// With this answer.
    Answer(Bytes),
    /// The function failed: it may be tried again.
    FunctionError,
}

/// Why a function could not be called. It may be tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvokeError {
    /// AWS's code, such as `Lambda.InvokeAccessDenied` or `Lambda.ConnectionError`.
    pub code: &'static str,
    /// What happened.
    pub message: String,
}

/// Whoever runs functions.
pub trait Functions: Send + Sync {
    /// Calls the function that `function` names (an ARN, or an `http(s)://` URL) with an event of at
    /// most 6 MB.
    fn invoke<'a>(
        &'a self,
        function: &'a str,
        event: Bytes,
    ) -> Answer<'a, Result<Invoked, InvokeError>>;
}
