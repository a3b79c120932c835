//! The static table that explains failures.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::model::{Kind, Shape};
use super::overlay::Java;
use super::{Service, names, pattern};
use crate::Failure;

/// The module of the table.
pub(super) fn module(service: &Service<'_>) -> Result<String, Failure> {
    let mut text = String::from(
        "//! What inputs may be, for the explainer: types, constraints, required members, and enum\n\
         //! values, in AWS's order.\n\n\
         use wire::schema::{Bounds, Member, Schema, Shape, ShapeId, Text, Type, Words};\n\n",
    );
    let package = package(service);
    let words = match service.overlay.java {
        Java::Seven => "Words::Quoting",
        Java::Eight => "Words::Silent",
    };
    text += "/// Every shape that an input reaches.\n";
    writeln!(
        text,
        "pub static SCHEMA: Schema = Schema {{ package: \"{package}\", words: {words}, shapes: &["
    )?;
    for name in &service.reach.inputs {
        let shape = service.model.shape(name)?;
        writeln!(text, "Shape {{ name: \"{name}\", body: {} }},", body(service, shape)?)?;
    }
    text += "] };\n\n";
    for (_, operation) in service.model.operations.iter() {
        let Some(input) = &operation.input else { continue };
        writeln!(
            text,
            "pub(super) const {}: ShapeId = {};",
            names::constant(&input.shape),
            id(service, &input.shape)?
        )?;
    }
    text += "\n/// The expressions of the model.\npub(super) mod pattern {\nuse wire::pattern::{Pattern, Step};\n\n";
    let mut library = pattern::Library::default();
    for (index, source) in patterns(service)?.iter().enumerate() {
        writeln!(
            text,
            "#[rustfmt::skip]\npub(in super::super) static P{index}: Pattern = {};",
            library.pattern(source)?
        )?;
    }
    text += &library.statics();
    text += "}\n";
    Ok(text)
}

fn package(service: &Service<'_>) -> String {
    let version = service.model.metadata.api_version.replace('-', "");
    format!("com.amazonaws.{}.v{version}", service.name)
}

/// Every pattern that an input meets, once.
fn patterns(service: &Service<'_>) -> Result<BTreeSet<String>, Failure> {
    let mut patterns = BTreeSet::new();
    for name in &service.reach.inputs {
        patterns.extend(service.model.shape(name)?.pattern.clone());
    }
    Ok(patterns)
}

/// The constant in `schema::pattern` that holds an expression.
pub(super) fn pattern_name(service: &Service<'_>, source: &str) -> Result<String, Failure> {
    let index = patterns(service)?
        .iter()
        .position(|pattern| pattern == source)
        .ok_or_else(|| format!("no pattern {source}"))?;
    Ok(format!("P{index}"))
}

fn id(service: &Service<'_>, name: &str) -> Result<String, Failure> {
    let index = service
        .reach
        .inputs
        .iter()
        .position(|reached| reached == name)
        .ok_or_else(|| format!("no input reaches {name}"))?;
    Ok(format!("ShapeId({index})"))
}

fn body(service: &Service<'_>, shape: &Shape) -> Result<String, Failure> {
    let bounds = bounds(shape);
    let part = |reference: &Option<super::model::Reference>| -> Result<String, Failure> {
        id(service, &reference.as_ref().ok_or("a part is missing")?.shape)
    };
    Ok(match shape.kind {
        Kind::Blob => format!("Type::Blob({bounds})"),
        Kind::Boolean => "Type::Boolean".to_string(),
        Kind::Double => format!("Type::Double({bounds})"),
        Kind::Integer => format!("Type::Integer({bounds})"),
        Kind::Long => format!("Type::Long({bounds})"),
        Kind::Timestamp => "Type::Timestamp".to_string(),
        Kind::List => {
            format!("Type::List {{ member: {}, length: {bounds} }}", part(&shape.member)?)
        }
        Kind::Map => format!(
            "Type::Map {{ key: {}, value: {}, length: {bounds} }}",
            part(&shape.key)?,
            part(&shape.value)?
        ),
        Kind::String => {
            let pattern = match &shape.pattern {
                Some(source) => format!("Some(&pattern::{})", pattern_name(service, source)?),
                None => "None".to_string(),
            };
            let values = names::value_order(&shape.values);
            format!(
                "Type::String(Text {{ length: {bounds}, pattern: {pattern}, values: &{values:?} }})"
            )
        }
        Kind::Structure => {
            let names: Vec<&str> = shape.members.iter().map(|(name, _)| name).collect();
            let order = names::member_order(&names, service.overlay.java, &service.overlay.ties);
            let mut members = String::new();
            for name in order {
                let reference = shape.members.get(name).ok_or("a member is missing")?;
                let required = shape.required.iter().any(|member| member == name);
                write!(
                    members,
                    "Member {{ name: \"{name}\", shape: {}, required: {required} }},",
                    id(service, &reference.shape)?
                )?;
            }
            format!("Type::Structure(&[{members}])")
        }
    })
}

fn bounds(shape: &Shape) -> String {
    if shape.min.is_none() && shape.max.is_none() {
        return "Bounds::NONE".to_string();
    }
    let bound = |bound: &Option<serde_json::Number>| match bound {
        Some(number) => format!("Some({number})"),
        None => "None".to_string(),
    };
    format!("Bounds {{ min: {}, max: {} }}", bound(&shape.min), bound(&shape.max))
}
