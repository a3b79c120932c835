//! Structures and enums.

use std::fmt::Write;

use super::model::{Kind, Shape};
use super::{Service, names, reach};
use crate::Failure;

/// The module of shapes.
pub(super) fn module(service: &Service<'_>) -> Result<String, Failure> {
    if let Some(name) = reach::recursive(service.model) {
        return Err(format!("{name} contains itself").into());
    }
    let mut text = String::from(
        "//! Structures and enums. Members are AWS's, in the model's order; absent ones are `None`.\n\
         #![allow(missing_docs, reason = \"the names are AWS's, and so is their documentation\")]\n\n\
         use std::collections::BTreeMap;\n\n\
         use serde::{Deserialize, Serialize};\n\
         use wire::{Blob, Timestamp};\n\n",
    );
    for (name, shape) in service.model.shapes.iter() {
        let reached = service.reach.inputs.contains(name) || service.reach.outputs.contains(name);
        if !reached || service.reach.stream_holders.contains(name) {
            continue;
        }
        if shape.eventstream {
            text += &event_stream(service, name, shape)?;
        } else if shape.kind == Kind::Structure {
            text += &structure(service, name, shape)?;
        } else if !shape.values.is_empty() {
            text += &open_enum(name, shape)?;
        }
    }
    Ok(text)
}

fn structure(service: &Service<'_>, name: &str, shape: &Shape) -> Result<String, Failure> {
    let mut text = format!(
        "#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]\n\
         #[serde(remote = \"Self\")]\npub struct {name} {{\n"
    );
    for (member, reference) in shape.members.iter() {
        let kind = rust_type(service, &reference.shape)?;
        let field = names::field(member);
        if service.is_required(name, member)? {
            writeln!(text, "#[serde(rename = \"{member}\")]\npub {field}: {kind},")?;
        } else {
            writeln!(
                text,
                "#[serde(rename = \"{member}\", default, skip_serializing_if = \"Option::is_none\")]\n\
                 pub {field}: Option<{kind}>,"
            )?;
        }
    }
    let fields: Vec<String> =
        shape.members.iter().map(|(member, _)| names::field(member)).collect();
    if names::collide(&fields) {
        return Err(format!("{name}: two members have one name in Rust").into());
    }
    writeln!(text, "}}\n\nwire::structure! {{ {name} }}\n")?;
    Ok(text)
}

/// The Rust type of a shape.
pub(super) fn rust_type(service: &Service<'_>, name: &str) -> Result<String, Failure> {
    let shape = service.model.shape(name)?;
    Ok(match shape.kind {
        Kind::Blob => "Blob".to_string(),
        Kind::Boolean => "bool".to_string(),
        Kind::Double => "f64".to_string(),
        Kind::Integer => "i32".to_string(),
        Kind::Long => "i64".to_string(),
        Kind::Timestamp => "Timestamp".to_string(),
        Kind::String if shape.values.is_empty() => "String".to_string(),
        Kind::String | Kind::Structure => name.to_string(),
        Kind::List => {
            let member = shape.member.as_ref().ok_or("a list of nothing")?;
            format!("Vec<{}>", rust_type(service, &member.shape)?)
        }
        Kind::Map => {
            let key = shape.key.as_ref().ok_or("a map without keys")?;
            let value = shape.value.as_ref().ok_or("a map without values")?;
            format!(
                "BTreeMap<{}, {}>",
                rust_type(service, &key.shape)?,
                rust_type(service, &value.shape)?
            )
        }
    })
}

fn open_enum(name: &str, shape: &Shape) -> Result<String, Failure> {
    let variants: Vec<String> = shape.values.iter().map(|value| names::variant(value)).collect();
    if names::collide(&variants) {
        return Err(format!("{name}: two values have one name in Rust").into());
    }
    let rows: Vec<String> = variants
        .iter()
        .zip(&shape.values)
        .map(|(variant, value)| format!("        {variant} = \"{value}\","))
        .collect();
    Ok(format!("wire::open_enum! {{\n    pub enum {name} {{\n{}\n    }}\n}}\n\n", rows.join("\n")))
}

fn event_stream(service: &Service<'_>, name: &str, shape: &Shape) -> Result<String, Failure> {
    let mut events = Vec::new();
    for (member, reference) in shape.members.iter() {
        if service.model.shape(&reference.shape)?.event {
            events.push((member, &reference.shape));
        }
    }
    let mut text = format!(
        "/// The events of a stream; a fault ends it.\n#[derive(Clone, Debug, PartialEq)]\npub enum {name} {{\n"
    );
    for (member, shape) in &events {
        writeln!(text, "{member}({shape}),")?;
    }
    text += "}\n\n";
    writeln!(text, "impl wire::event_stream::Event for {name} {{")?;
    text += "fn event_type(&self) -> &'static str { match self {\n";
    for (member, _) in &events {
        writeln!(text, "Self::{member}(_) => \"{member}\",")?;
    }
    text += "} }\n\nfn write(&self, codec: wire::Codec, buffer: &mut Vec<u8>) { match self {\n";
    for (member, _) in &events {
        writeln!(text, "Self::{member}(event) => wire::codec::write(codec, event, buffer),")?;
    }
    text += "} }\n\nfn payload_bytes_guess(&self) -> usize { match self {\n";
    for (member, _) in &events {
        writeln!(text, "Self::{member}(event) => event.encoded_bytes_guess(),")?;
    }
    text += "} }\n\n\
        fn read(codec: wire::Codec, event_type: &str, payload: &bytes::Bytes) -> Option<Result<Self, wire::Fault>> { match event_type {\n";
    for (member, _) in &events {
        writeln!(
            text,
            "\"{member}\" => Some(wire::codec::read(codec, payload).map(Self::{member})),"
        )?;
    }
    text += "_ => None,\n} }\n}\n\n";
    Ok(text)
}
