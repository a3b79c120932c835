//! Which operation a request means.

use std::collections::HashMap;

use http::HeaderMap;
use telemetry::{OperationMeter, Telemetry};
use wire::{Codec, Endpoint, OperationInfo, ServiceProfile};

/// A service: its facts, and its operations joined to whoever serves them.
pub struct Service {
    /// The facts.
    pub profile: &'static ServiceProfile,
    /// The operations.
    pub endpoints: Vec<Box<dyn Endpoint>>,
}

/// One operation that can be called.
pub(crate) struct Operation {
    pub(crate) profile: &'static ServiceProfile,
    pub(crate) endpoint: Box<dyn Endpoint>,
    pub(crate) info: &'static OperationInfo,
    pub(crate) meter: OperationMeter,
}

/// The operations of all services, by their whole target.
pub(crate) struct Routes {
    by_target: HashMap<String, Operation>,
    content_types: Vec<(&'static str, Codec)>,
}

/// What `X-Amz-Target` says.
#[derive(Clone, Copy)]
pub(crate) enum Target<'a> {
    /// Nothing, or no more than half a name.
    Absent,
    /// A name that nobody serves.
    Unknown,
    /// This operation.
    Known(&'a Operation),
}

/// What `Content-Type` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A codec that a service reads.
    Codec(Codec),
    /// `application/json`, which AWS's front end still answers in the manner of an older protocol
    /// (kinesalite's recorded behaviour).
    Legacy,
    /// Anything else, or nothing.
    Unknown,
}

impl Routes {
    /// Joins the services; registers a meter per operation.
    pub(crate) fn new(services: Vec<Service>, telemetry: &Telemetry) -> Self {
        let mut by_target = HashMap::new();
        let mut content_types: Vec<(&'static str, Codec)> = Vec::new();
        for Service { profile, endpoints } in services {
            for content_type in profile.content_types {
                if !content_types.contains(content_type) {
                    content_types.push(*content_type);
                }
            }
            for endpoint in endpoints {
                let info = endpoint.info();
                let meter = telemetry.operation(profile.signing_name, info.name);
                let target = format!("{}.{}", profile.target_prefix, info.name);
                by_target.insert(target, Operation { profile, endpoint, info, meter });
            }
        }
        Routes { by_target, content_types }
    }

    /// The operation that a head names.
    pub(crate) fn target(&self, headers: &HeaderMap) -> Target<'_> {
        let text = headers.get("x-amz-target").and_then(|value| value.to_str().ok());
        let text = text.unwrap_or_default();
        match (self.by_target.get(text), text.split_once('.')) {
            (Some(operation), _) => Target::Known(operation),
            (None, Some((service, operation))) if !service.is_empty() && !operation.is_empty() => {
                Target::Unknown
            }
            _ => Target::Absent,
        }
    }

    /// The codec that a head names; parameters such as `charset` are ignored.
    pub(crate) fn content(&self, headers: &HeaderMap) -> Content {
        let text = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let text = text.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let named = self.content_types.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        match named {
            Some((_, codec)) => Content::Codec(*codec),
            None if text.eq_ignore_ascii_case("application/json") => Content::Legacy,
            None => Content::Unknown,
        }
    }

    /// The content type of answers in `codec`.
    pub(crate) fn content_type_of(&self, codec: Codec, target: Target<'_>) -> &'static str {
        let own = match target {
            Target::Known(operation) => operation.profile.content_types,
            _ => self.content_types.as_slice(),
        };
        let named = own.iter().find(|(_, listed)| *listed == codec);
        named.map_or("application/octet-stream", |(name, _)| name)
    }
}
