//! Which shapes inputs and outputs reach.

use std::collections::BTreeSet;

use super::model::{Kind, Model, Operation};
use crate::Failure;

/// Shape names by who reaches them.
pub(super) struct Reach {
    /// By inputs: they are validated.
    pub(super) inputs: BTreeSet<String>,
    /// By outputs and events.
    pub(super) outputs: BTreeSet<String>,
    /// Output structures that are never written themselves: they only hold an event stream.
    pub(super) stream_holders: BTreeSet<String>,
}

impl Reach {
    pub(super) fn of(model: &Model) -> Result<Reach, Failure> {
        let mut reach = Reach {
            inputs: BTreeSet::new(),
            outputs: BTreeSet::new(),
            stream_holders: BTreeSet::new(),
        };
        for (_, operation) in model.operations.iter() {
            if let Some(input) = &operation.input {
                follow(model, &input.shape, &mut reach.inputs)?;
            }
            if let Some(output) = &operation.output {
                follow(model, &output.shape, &mut reach.outputs)?;
                if event_stream(model, operation)?.is_some() {
                    reach.stream_holders.insert(output.shape.clone());
                }
            }
        }
        Ok(reach)
    }
}

fn follow(model: &Model, name: &str, reached: &mut BTreeSet<String>) -> Result<(), Failure> {
    let shape = model.shape(name)?;
    if shape.exception || !reached.insert(name.to_string()) {
        return Ok(());
    }
    let parts = shape.member.iter().chain(&shape.key).chain(&shape.value);
    for part in parts.chain(shape.members.iter().map(|(_, member)| member)) {
        follow(model, &part.shape, reached)?;
    }
    Ok(())
}

/// The event-stream shape that an operation answers with, if it does.
pub(super) fn event_stream<'a>(
    model: &'a Model,
    operation: &'a Operation,
) -> Result<Option<&'a str>, Failure> {
    let Some(output) = &operation.output else { return Ok(None) };
    for (_, member) in model.shape(&output.shape)?.members.iter() {
        if model.shape(&member.shape)?.eventstream {
            return Ok(Some(&member.shape));
        }
    }
    Ok(None)
}

/// The first structure that contains itself: Rust would need a box, and no model has one yet.
pub(super) fn recursive(model: &Model) -> Option<&str> {
    model.shapes.iter().map(|(name, _)| name).find(|name| holds(model, name, name, 0))
}

fn holds(model: &Model, outer: &str, wanted: &str, depth: usize) -> bool {
    let Some(shape) = model.shapes.get(outer).filter(|shape| shape.kind == Kind::Structure) else {
        return false;
    };
    shape.members.iter().any(|(_, member)| {
        member.shape == wanted || (depth < 32 && holds(model, &member.shape, wanted, depth + 1))
    })
}
