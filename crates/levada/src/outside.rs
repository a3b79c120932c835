//! What deliveries need of the world outside: a place for their objects, whoever runs functions, and
//! whoever knows tables.

mod endpoint;
mod functions;
mod objects;
mod tables;

use std::fmt;

pub(crate) use endpoint::Endpoint;
pub(crate) use functions::OutsideFunctions;
pub(crate) use objects::{EmbeddedObjects, OutsideObjects};
pub(crate) use tables::{Folder, Glue, OutsideTables};

/// An S3-compatible store that takes deliveries instead of the embedded bucket, and how it is reached.
#[derive(Clone)]
pub struct S3Location {
    /// Its address, such as `https://s3.example.org`.
    pub endpoint: String,
    /// The client's options by name, such as `aws_region`; later ones win.
    pub options: Vec<(String, String)>,
}

impl fmt::Debug for S3Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The options hold keys.
        f.debug_struct("S3Location").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl S3Location {
    /// The store at `endpoint`, with the options in `environment`: `AWS_*` as the official clients know
    /// them, and `LEVADA_S3_*`, which wins.
    pub fn new(
        endpoint: impl Into<String>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let endpoint = endpoint.into();
        let mut options = store::client_options("LEVADA_S3_", environment);
        options.push(("aws_endpoint".to_owned(), endpoint.clone()));
        S3Location { endpoint, options }
    }
}
