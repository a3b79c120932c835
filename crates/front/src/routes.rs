//! Which operation a request means, and how it wants to be answered.

use std::collections::HashMap;

use http::request::Parts;
use http::{HeaderMap, HeaderName};
use identity::claimed_service;
use telemetry::{OperationMeter, Telemetry};
use wire::{Codec, Elsewhere, Endpoint, Fault, OperationInfo, ServiceProfile};

use crate::dialect::Dialect;
use crate::view::{Headers, view_of};

/// The header that says which protocol a path is of. A header is looked up by a name made beforehand:
/// text would be parsed each time.
pub(crate) static SMITHY_PROTOCOL: HeaderName = HeaderName::from_static("smithy-protocol");
pub(crate) static TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const RPC_V2_CBOR: &[u8] = b"rpc-v2-cbor";
const FORM: &str = "application/x-www-form-urlencoded";

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

/// The operations of all services, by whatever names them.
pub(crate) struct Routes {
    operations: Vec<Operation>,
    profiles: Vec<&'static ServiceProfile>,
    by_target: HashMap<String, usize>,
    /// By the path of Smithy RPC v2.
    by_path: HashMap<String, usize>,
    content_types: Vec<(&'static str, Codec)>,
    elsewhere: &'static [Elsewhere],
}

/// What a head asks for.
#[derive(Clone, Copy)]
pub(crate) enum Route<'a> {
    /// By `X-Amz-Target`, or by nothing that is known.
    Target(Target<'a>, Content),
    /// By path.
    Rpc(&'a Operation),
    /// By the `Action` in the form that follows, in this service.
    Query(&'static ServiceProfile),
    /// Something that is not here: its service's name in a scope.
    Elsewhere(&'a str),
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
    pub(crate) fn new(
        services: Vec<Service>,
        elsewhere: &'static [Elsewhere],
        telemetry: &Telemetry,
    ) -> Self {
        let mut routes = Routes {
            operations: Vec::new(),
            profiles: Vec::new(),
            by_target: HashMap::new(),
            by_path: HashMap::new(),
            content_types: Vec::new(),
            elsewhere,
        };
        for Service { profile, endpoints } in services {
            routes.profiles.push(profile);
            for content_type in profile.content_types {
                if !routes.content_types.contains(content_type) {
                    routes.content_types.push(*content_type);
                }
            }
            for endpoint in endpoints {
                routes.add(profile, endpoint, telemetry);
            }
        }
        routes
    }

    fn add(
        &mut self,
        profile: &'static ServiceProfile,
        endpoint: Box<dyn Endpoint>,
        telemetry: &Telemetry,
    ) {
        let (info, index) = (endpoint.info(), self.operations.len());
        if !profile.target_prefix.is_empty() {
            self.by_target.insert(format!("{}.{}", profile.target_prefix, info.name), index);
        }
        if let Some(service) = profile.rpc_service {
            self.by_path.insert(format!("/service/{service}/operation/{}", info.name), index);
        }
        let meter = telemetry.operation(profile.signing_name, info.name);
        self.operations.push(Operation { profile, endpoint, info, meter });
    }

    /// What a head asks for. `claimed` tells the service that it claims to be signed for, if any:
    /// it is asked for only if nothing else names the operation.
    pub(crate) fn route<'a>(
        &'a self,
        head: &Parts,
        claimed: impl FnOnce() -> Option<&'a str>,
    ) -> Route<'a> {
        if is_rpc(head)
            && let Some(index) = self.by_path.get(head.uri.path())
        {
            return Route::Rpc(&self.operations[*index]);
        }
        let target = self.target(&head.headers);
        let content = self.content(&head.headers, target);
        if matches!(target, Target::Known(_)) {
            return Route::Target(target, content);
        }
        let service = claimed();
        match (service, service.and_then(|service| self.profile(service))) {
            (_, Some(profile)) if profile.query.is_some() && is_form(&head.headers) => {
                Route::Query(profile)
            }
            // Its callers hear the same of what it has not.
            (Some(service), None) => Route::Elsewhere(service),
            (Some(service), Some(_)) if self.is_partial(service) => Route::Elsewhere(service),
            _ => Route::Target(target, content),
        }
    }

    /// The service that a request claims to be signed for.
    pub(crate) fn claimed(head: &Parts) -> Option<String> {
        let headers = Headers::of(&head.headers);
        claimed_service(&view_of(head, &headers)).filter(|service| !service.is_empty())
    }

    /// Whether a claimed service is not here at all.
    pub(crate) fn is_elsewhere(&self, service: &str) -> bool {
        self.profile(service).is_none()
    }

    /// How the callers of a service that is not here want to hear it.
    pub(crate) fn dialect_elsewhere(&self, head: &Parts, service: &str) -> Dialect {
        let headers = &head.headers;
        if is_rpc(head) {
            Dialect::Rpc
        } else if headers.contains_key(&TARGET) {
            let content_type = match media_type(headers) {
                "application/x-amz-json-1.1" => "application/x-amz-json-1.1",
                _ => "application/x-amz-json-1.0",
            };
            Dialect::Target(Codec::Json, content_type)
        } else if is_form(headers) {
            let own = self.profile(service).and_then(|profile| profile.query);
            Dialect::Query { xml_namespace: own.map_or("", |query| query.xml_namespace) }
        } else if self.elsewhere.iter().any(|it| it.is_rest_xml && it.signing_name == service) {
            Dialect::RestXml
        } else {
            Dialect::RestJson
        }
    }

    /// The operation that a form names.
    pub(crate) fn action(
        &self,
        profile: &'static ServiceProfile,
        body: &[u8],
    ) -> Result<&Operation, Fault> {
        let parameter = |name| wire::query::parameter(body, name).unwrap_or_default();
        let (action, version) = (parameter("Action"), parameter("Version"));
        let found = self.operations.iter().find(|operation| {
            std::ptr::eq(operation.profile, profile)
                && operation.info.name == action
                && profile.query.is_some_and(|query| query.version == version)
        });
        found.ok_or_else(|| self.not_here(profile.signing_name))
    }

    /// The largest body of a service's operations.
    pub(crate) fn body_bytes_max(&self, profile: &'static ServiceProfile) -> usize {
        let own = self.operations.iter().filter(|it| std::ptr::eq(it.profile, profile));
        own.map(|operation| operation.info.body_bytes_max).max().unwrap_or_default()
    }

    /// What the callers of a service are told that is not here, or only in part.
    pub(crate) fn not_here(&self, service: &str) -> Fault {
        let row = self.elsewhere.iter().find(|row| row.signing_name == service);
        let derived = service.to_uppercase().replace(['-', '.'], "_");
        let (name, variable) = row.map_or((service, &*derived), |row| (row.name, row.variable));
        let lack = match self.profile(service) {
            Some(_) => format!("which does not serve this operation of {name}"),
            None => format!("which has no {name}"),
        };
        Fault::client(
            "UnknownOperationException",
            format!(
                "This endpoint is Levada, {lack}. Unset AWS_ENDPOINT_URL_{variable}, or \
                 AWS_ENDPOINT_URL if that points here, to reach AWS's."
            ),
        )
    }

    fn profile(&self, service: &str) -> Option<&'static ServiceProfile> {
        self.profiles.iter().find(|profile| profile.signing_name == service).copied()
    }

    fn is_partial(&self, service: &str) -> bool {
        self.elsewhere.iter().any(|row| row.signing_name == service)
    }

    /// The operation that a target names.
    fn target(&self, headers: &HeaderMap) -> Target<'_> {
        let text = headers.get(&TARGET).and_then(|value| value.to_str().ok());
        let text = text.unwrap_or_default();
        match (self.by_target.get(text), text.split_once('.')) {
            (Some(index), _) => Target::Known(&self.operations[*index]),
            (None, Some((service, operation))) if !service.is_empty() && !operation.is_empty() => {
                Target::Unknown
            }
            _ => Target::Absent,
        }
    }

    /// The codec that a head names; parameters such as `charset` are ignored.
    fn content(&self, headers: &HeaderMap, target: Target<'_>) -> Content {
        let text = media_type(headers);
        let named = self.content_types_of(target).iter();
        match named.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
            Some((_, codec)) => Content::Codec(*codec),
            None if text.eq_ignore_ascii_case("application/json") => Content::Legacy,
            None => Content::Unknown,
        }
    }

    /// The content type of answers in `codec` to calls by target.
    pub(crate) fn content_type_of(&self, codec: Codec, target: Target<'_>) -> &'static str {
        let own = self.content_types_of(target).iter();
        let named = own.into_iter().find(|(_, listed)| *listed == codec);
        named.map_or("application/octet-stream", |(name, _)| name)
    }

    fn content_types_of(&self, target: Target<'_>) -> &[(&'static str, Codec)] {
        match target {
            Target::Known(operation) => operation.profile.content_types,
            _ => &self.content_types,
        }
    }
}

fn is_rpc(head: &Parts) -> bool {
    head.headers.get(&SMITHY_PROTOCOL).is_some_and(|value| value == RPC_V2_CBOR)
}

fn is_form(headers: &HeaderMap) -> bool {
    media_type(headers).eq_ignore_ascii_case(FORM)
}

/// The content type without its parameters.
fn media_type(headers: &HeaderMap) -> &str {
    let text = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    text.unwrap_or_default().split(';').next().unwrap_or_default().trim()
}
