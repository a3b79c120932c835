//! `is_valid` for what inputs reach, so that the walk over `Value` and `SCHEMA` runs only to
//! explain a failure; and size guesses for what outputs reach, so that answers grow no buffer.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::model::{Kind, Shape};
use super::{Service, names, schema};
use crate::Failure;

/// The module of checks.
pub(super) fn module(service: &Service<'_>) -> Result<String, Failure> {
    let mut text = String::from(
        "//! Cheap checks of inputs, and guesses at the size of outputs.\n\n\
         use wire::constraint;\n\n\
         use super::schema::pattern;\nuse super::shapes::*;\n\n",
    );
    for (name, shape) in service.model.shapes.iter() {
        if shape.kind != Kind::Structure || shape.eventstream {
            continue;
        }
        if service.reach.inputs.contains(name) {
            text += &checks(service, name, shape)?;
        }
        let written =
            service.reach.outputs.contains(name) && !service.reach.stream_holders.contains(name);
        if written {
            text += &guess(service, name, shape)?;
        }
    }
    Ok(text)
}

fn checks(service: &Service<'_>, name: &str, shape: &Shape) -> Result<String, Failure> {
    let mut tests = Vec::new();
    for (member, reference) in shape.members.iter() {
        let field = format!("self.{}", names::field(member));
        let required = service.is_required(name, member)?;
        let kind = service.model.shape(&reference.shape)?.kind;
        let by_value = matches!(kind, Kind::Double | Kind::Integer | Kind::Long);
        let place = match (required, by_value) {
            (true, _) => field.clone(),
            (false, _) => "value".to_string(),
        };
        let Some(test) = check(service, &reference.shape, &place)? else { continue };
        tests.push(match (required, by_value) {
            (true, _) => test,
            (false, true) => format!("{field}.is_none_or(|value| {test})"),
            (false, false) => format!("{field}.as_ref().is_none_or(|value| {test})"),
        });
    }
    let body = if tests.is_empty() { "true".to_string() } else { tests.join(" && ") };
    Ok(format!(
        "impl {name} {{\n/// Whether every constraint of the model holds.\n\
         pub fn is_valid(&self) -> bool {{ {body} }}\n}}\n\n"
    ))
}

/// The test of a value at `place`; nothing if any value will do.
fn check(service: &Service<'_>, name: &str, place: &str) -> Result<Option<String>, Failure> {
    let shape = service.model.shape(name)?;
    let mut tests = Vec::new();
    match shape.kind {
        Kind::Integer | Kind::Long => tests.extend(range(shape, place)),
        Kind::Double => tests.extend(double_range(shape, place)),
        Kind::Boolean | Kind::Timestamp => {}
        Kind::Blob => tests.extend(range(shape, &format!("{place}.len()"))),
        Kind::String if !shape.values.is_empty() => tests.push(format!("{place}.is_known()")),
        Kind::String => {
            let (min, max) = bounds(shape);
            if min > 0 || max.is_some() {
                let max = max.map_or("usize::MAX".to_string(), |max| max.to_string());
                tests.push(format!("constraint::is_text_length({place}, {min}, {max})"));
            }
            if let Some(pattern) = &shape.pattern {
                let constant = schema::pattern_name(service, pattern)?;
                tests.push(format!("pattern::{constant}.matches({place})"));
            }
        }
        Kind::Structure => tests.push(format!("{place}.is_valid()")),
        Kind::List => {
            tests.extend(range(shape, &format!("{place}.len()")));
            let member = shape.member.as_ref().ok_or("a list of nothing")?;
            if let Some(test) = check(service, &member.shape, "each")? {
                let each = by_value(service, &member.shape)?;
                tests.push(format!("{place}.iter().all(|{each}| {test})"));
            }
        }
        Kind::Map => {
            tests.extend(range(shape, &format!("{place}.len()")));
            let key = shape.key.as_ref().ok_or("a map without keys")?;
            if let Some(test) = check(service, &key.shape, "each")? {
                tests.push(format!("{place}.keys().all(|each| {test})"));
            }
            let value = shape.value.as_ref().ok_or("a map without values")?;
            if let Some(test) = check(service, &value.shape, "each")? {
                let each = by_value(service, &value.shape)?;
                tests.push(format!("{place}.values().all(|{each}| {test})"));
            }
        }
    }
    // References where the place is a field of `self` and the callee wants one.
    let joined = tests.join(" && ");
    let joined = if place.starts_with("self.") {
        joined
            .replace(&format!("is_text_length({place}"), &format!("is_text_length(&{place}"))
            .replace(&format!("matches({place}"), &format!("matches(&{place}"))
    } else {
        joined
    };
    Ok((!joined.is_empty()).then_some(joined))
}

fn by_value(service: &Service<'_>, name: &str) -> Result<&'static str, Failure> {
    let kind = service.model.shape(name)?.kind;
    Ok(if matches!(kind, Kind::Double | Kind::Integer | Kind::Long) { "&each" } else { "each" })
}

fn bounds(shape: &Shape) -> (i64, Option<i64>) {
    let number = |bound: &Option<serde_json::Number>| bound.as_ref().and_then(|n| n.as_i64());
    (number(&shape.min).unwrap_or(0), number(&shape.max))
}

fn range(shape: &Shape, place: &str) -> Option<String> {
    let counts = place.ends_with(".len()");
    let (min, max) = bounds(shape);
    let has_min = shape.min.is_some() && !(counts && min == 0);
    match (has_min, max) {
        (false, None) => None,
        (true, None) if counts && min == 1 => {
            Some(format!("!{}", place.replace(".len()", ".is_empty()")))
        }
        (true, None) => Some(format!("{place} >= {min}")),
        (false, Some(max)) => Some(format!("{place} <= {max}")),
        (true, Some(max)) => Some(format!("({min}..={max}).contains(&{place})")),
    }
}

/// What is no number is in no range.
fn double_range(shape: &Shape, place: &str) -> Option<String> {
    let number = |bound: &Option<serde_json::Number>| bound.as_ref().and_then(|n| n.as_f64());
    match (number(&shape.min), number(&shape.max)) {
        (None, None) => None,
        (Some(min), None) => Some(format!("{place} >= {min:?}")),
        (None, Some(max)) => Some(format!("{place} <= {max:?}")),
        (Some(min), Some(max)) => Some(format!("({min:?}..={max:?}).contains(&{place})")),
    }
}

/// A guess at the encoded size: names, quotes and the lengths of texts and blobs.
fn guess(service: &Service<'_>, name: &str, shape: &Shape) -> Result<String, Failure> {
    let mut constant = 2;
    let mut terms = BTreeSet::new();
    for (member, reference) in shape.members.iter() {
        constant += member.len() + 4;
        let field = format!("self.{}", names::field(member));
        let required = service.is_required(name, member)?;
        let place = if required { field.as_str() } else { "value" };
        let (fixed, term) = guess_of(service, &reference.shape, place)?;
        constant += fixed;
        let Some(term) = term else { continue };
        terms.insert(if required {
            term
        } else {
            format!("{field}.as_ref().map_or(0, |value| {term})")
        });
    }
    let mut body = constant.to_string();
    for term in terms {
        write!(body, " + {term}")?;
    }
    Ok(format!(
        "impl {name} {{\n/// About how many bytes this takes in JSON.\n\
         pub fn encoded_bytes_guess(&self) -> usize {{ {body} }}\n}}\n\n"
    ))
}

fn guess_of(
    service: &Service<'_>,
    name: &str,
    place: &str,
) -> Result<(usize, Option<String>), Failure> {
    let shape = service.model.shape(name)?;
    Ok(match shape.kind {
        Kind::Boolean | Kind::Integer => (8, None),
        Kind::Double | Kind::Long | Kind::Timestamp => (16, None),
        Kind::Blob => (4, Some(format!("{place}.len().div_ceil(3) * 4"))),
        Kind::String if !shape.values.is_empty() => (24, None),
        Kind::String => (0, Some(format!("{place}.len()"))),
        Kind::Structure => (0, Some(format!("{place}.encoded_bytes_guess()"))),
        Kind::List => {
            let member = shape.member.as_ref().ok_or("a list of nothing")?;
            match guess_of(service, &member.shape, "each")? {
                (fixed, None) => (2, Some(format!("{place}.len() * {fixed}"))),
                (fixed, Some(term)) => (
                    2,
                    Some(format!(
                        "{place}.iter().map(|each| {} + {term}).sum::<usize>()",
                        fixed + 1
                    )),
                ),
            }
        }
        Kind::Map => (2, Some(format!("{place}.len() * 128"))),
    })
}
