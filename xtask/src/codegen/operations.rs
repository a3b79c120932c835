//! Operation markers, the service's profile, and the routes.

use std::fmt::Write;

use super::model::Operation;
use super::overlay::{Flow, Java, Row};
use super::{Service, names, reach};
use crate::Failure;

/// The service's root module.
pub(super) fn service(service: &Service<'_>) -> Result<String, Failure> {
    let metadata = &service.model.metadata;
    let mut types = String::new();
    for (media, codec) in &service.overlay.content_types {
        write!(types, "(\"{media}\", Codec::{codec}),")?;
    }
    let operations: Vec<String> = service
        .model
        .operations
        .iter()
        .map(|(name, _)| format!("&<op::{name} as Operation>::INFO,"))
        .collect();
    Ok(format!(
        "//! {id}, API version {version}: {count} operations.\n\n\
         mod addresses;\npub mod faults;\npub mod op;\nmod routes;\nmod schema;\npub mod shapes;\nmod validity;\n\n\
         use wire::{{Codec, Operation, OperationInfo, ServiceProfile, Throttling}};\n\n\
         pub use addresses::*;\npub use routes::routes;\npub use schema::SCHEMA;\n\n\
         /// The facts of the service.\n\
         pub static SERVICE: ServiceProfile = ServiceProfile {{\n\
         signing_name: \"{signing}\",\ntarget_prefix: \"{prefix}\",\n\
         content_types: &[{types}],\n\
         rpc_service: None,\nquery: None,\ngzip: false,\nthrottling: {throttling},\n}};\n\n\
         /// The facts of every operation, in AWS's alphabetical order.\n\
         pub static OPERATIONS: &[&OperationInfo] = &[{list}];\n",
        throttling = match service.overlay.java {
            Java::Seven => "Throttling::Named",
            Java::Eight => "Throttling::Plain",
        },
        id = metadata.service_id,
        version = metadata.api_version,
        count = operations.len(),
        signing = metadata.signing_name(),
        prefix = metadata.target_prefix.as_deref().unwrap_or_default(),
        list = operations.join("\n"),
    ))
}

/// The module of markers.
pub(super) fn markers(service: &Service<'_>) -> Result<String, Failure> {
    let rows = || service.overlay.operations.values();
    let rate = if rows().any(|row| row.rate.is_some()) { "CallRate, " } else { "" };
    let events = if rows().any(|row| row.kind == Flow::EventStream) { "EventStream, " } else { "" };
    let mut text = format!(
        "//! One marker per operation.

\
         use bytes::Bytes;
\
         use wire::{{Access, Answer, {rate}Codec, {events}Fault, Kind, Operation, OperationInfo, Resource}};

\
         use super::schema::{{self, SCHEMA}};\nuse super::shapes::*;\n\n",
    );
    for (body, bytes) in &service.overlay.bodies {
        writeln!(
            text,
            "/// The largest body of `{body}` operations.\npub const BODY_BYTES_MAX_{}: usize = {};",
            names::constant(body),
            grouped(*bytes)
        )?;
    }
    text += "\n";
    for (name, operation) in service.model.operations.iter() {
        text += &marker(service, name, operation)?;
    }
    Ok(text)
}

/// A number with its thousands apart.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('_');
        }
        text.push(digit);
    }
    text
}

fn marker(service: &Service<'_>, name: &str, operation: &Operation) -> Result<String, Failure> {
    let row = service.overlay.row(name)?;
    let input = operation.input.as_ref().ok_or("an operation without input")?.shape.as_str();
    let events = reach::event_stream(service.model, operation)?;
    if events.is_some() != (row.kind == Flow::EventStream) {
        return Err(format!("overlay.toml: is {name} an event stream?").into());
    }
    let (output, encode) = match (&operation.output, events) {
        (_, Some(events)) => (
            format!("EventStream<{events}>"),
            "Answer::Events(wire::event_stream::frames(codec, output))".to_string(),
        ),
        (Some(output), None) => (
            output.shape.clone(),
            "Answer::Body(wire::codec::encode(codec, &output, output.encoded_bytes_guess()))"
                .to_string(),
        ),
        (None, None) => ("()".to_string(), "Answer::Body(Bytes::new())".to_string()),
    };
    let (codec, output_name) = match (&operation.output, events) {
        (None, None) => ("_", "()"),
        _ => ("codec", "output"),
    };
    let resource = resource(service, input, row)?;
    let input_name = if resource.contains("input.") { "input" } else { "_" };
    Ok(format!(
        "/// `{name}`.\n#[derive(Clone, Copy, Debug)]\npub struct {name};\n\n\
         impl Operation for {name} {{\n\
         type Input = {input};\ntype Output = {output};\n\n\
         const INFO: OperationInfo = {info};\n\n\
         fn decode(codec: Codec, body: &Bytes) -> Result<{input}, Fault> {{\n\
         wire::codec::decode(codec, body, &SCHEMA, schema::{id}, {input}::is_valid)\n}}\n\n\
         fn encode({codec}: Codec, {output_name}: Self::Output) -> Answer {{ {encode} }}\n\n\
         fn resource({input_name}: &{input}) -> Resource {{ {resource} }}\n}}\n\n",
        info = info(service, name, row)?,
        id = names::constant(input),
    ))
}

fn info(service: &Service<'_>, name: &str, row: &Row) -> Result<String, Failure> {
    let action = match &row.action {
        Some(action) => action.clone(),
        None => format!("{}:{name}", service.overlay.action_prefix),
    };
    let rate = match row.rate {
        Some(rate) => format!("Some(CallRate::Per{:?}({rate}))", row.per),
        None => "None".to_string(),
    };
    service.overlay.body_bytes_max(row)?;
    Ok(format!(
        "OperationInfo {{ name: \"{name}\", action: \"{action}\", kind: Kind::{:?}, \
         access: Access::{:?}, calls_per_second: {rate}, body_bytes_max: BODY_BYTES_MAX_{} }}",
        row.kind,
        row.access,
        names::constant(&row.body),
    ))
}

/// The body of `resource`: the first template whose members are present.
fn resource(service: &Service<'_>, input: &str, row: &Row) -> Result<String, Failure> {
    let shape = service.model.shape(input)?;
    let mut text = String::new();
    for template in service.overlay.resource_templates(row)? {
        let members = placeholders(template);
        if members.iter().any(|member| shape.members.get(member).is_none()) {
            continue;
        }
        let mut optional = Vec::new();
        let mut format = template.clone();
        for member in &members {
            let field = names::field(member);
            format = format.replace(&format!("{{{member}}}"), &format!("{{{field}}}"));
            if !service.is_required(input, member)? {
                optional.push(field);
            }
        }
        let kind = if template.starts_with('{') { "Arn" } else { "Own" };
        let bare = template.starts_with('{') && template.ends_with('}') && members.len() == 1;
        let value = if bare {
            format!("{}.clone()", names::field(&members[0]))
        } else {
            format!("format!(\"{format}\")")
        };
        let mut bind = String::new();
        for member in &members {
            let field = names::field(member);
            if !optional.contains(&field) {
                bind += &format!("let {field} = &input.{field};\n");
            }
        }
        if optional.is_empty() && bare {
            return Ok(format!("{text}Resource::{kind}(input.{value})"));
        }
        if optional.is_empty() {
            // What follows could not be reached.
            return Ok(format!("{text}{bind}Resource::{kind}({value})"));
        }
        let presence: Vec<String> =
            optional.iter().map(|field| format!("let Some({field}) = &input.{field}")).collect();
        text += &format!(
            "if {} {{\n{bind}return Resource::{kind}({value});\n}}\n",
            presence.join(" && ")
        );
    }
    Ok(text + "Resource::Any")
}

fn placeholders(template: &str) -> Vec<String> {
    template
        .split('{')
        .skip(1)
        .filter_map(|part| part.split_once('}').map(|(member, _)| member.to_string()))
        .collect()
}

/// The module of routes.
pub(super) fn routes(service: &Service<'_>) -> Result<String, Failure> {
    let names: Vec<&str> = service.model.operations.iter().map(|(name, _)| name).collect();
    let bounds: Vec<String> = names.iter().map(|name| format!("Serve<op::{name}>")).collect();
    let endpoints: Vec<String> = names
        .iter()
        .map(|name| format!("endpoint::<S, op::{name}>(Arc::clone(&service)),"))
        .collect();
    Ok(format!(
        "//! Every operation joined to its server.\n\n\
         use std::sync::Arc;\n\nuse wire::{{Endpoint, Serve, endpoint}};\n\nuse super::op;\n\n\
         /// All operations, served by `service`. One that it does not serve does not compile.\n\
         #[allow(clippy::needless_pass_by_value, reason = \"the routes own their service\")]\n\
         pub fn routes<S>(service: Arc<S>) -> Vec<Box<dyn Endpoint>>\nwhere\nS: {},\n{{\nvec![{}]\n}}\n",
        bounds.join(" + "),
        endpoints.join("\n"),
    ))
}
