//! How inputs name what they are about: one trait for all that do it by the same members.

use std::fmt::Write;

use super::{Service, names};
use crate::Failure;

/// The module of addresses: for each kind, a struct of borrowed members, and a trait that answers it
/// for every input that has the first of them.
pub(super) fn module(service: &Service<'_>) -> Result<String, Failure> {
    let mut text = String::from("//! Inputs that name a resource by the same members.\n\n");
    let mut inputs: Vec<&str> = Vec::new();
    for (_, operation) in service.model.operations.iter() {
        inputs.extend(operation.input.as_ref().map(|input| input.shape.as_str()));
    }
    let mut traits = String::new();
    for (resource, members) in &service.overlay.addresses {
        traits += &address(service, &inputs, resource, members)?;
    }
    if !traits.is_empty() {
        text += "use super::shapes::*;\n\n";
    }
    Ok(text + &traits)
}

fn address(
    service: &Service<'_>,
    inputs: &[&str],
    resource: &str,
    members: &[String],
) -> Result<String, Failure> {
    let mut text = format!(
        "/// What an input says about which {lower} it means.\n\
         #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]\npub struct {resource}Address<'a> {{\n",
        lower = names::snake(resource).replace('_', " "),
    );
    for member in members {
        let field = names::field(member);
        writeln!(text, "/// `{member}`.\npub {field}: Option<&'a str>,")?;
    }
    write!(
        text,
        "}}\n\n/// An input that names a {lower}.\npub trait Names{resource} {{\n\
         /// The members that it does so by.\n\
         fn {field}_address(&self) -> {resource}Address<'_>;\n}}\n\n",
        lower = names::snake(resource).replace('_', " "),
        field = names::snake(resource),
    )?;
    for input in inputs {
        let shape = service.model.shape(input)?;
        if members.first().is_none_or(|first| shape.members.get(first).is_none()) {
            continue;
        }
        let mut fields = Vec::new();
        for member in members {
            let field = names::field(member);
            let value = match shape.members.get(member) {
                None => "None".to_owned(),
                Some(_) if service.is_required(input, member)? => {
                    format!("Some(self.{field}.as_str())")
                }
                Some(_) => format!("self.{field}.as_deref()"),
            };
            fields.push(format!("{field}: {value},"));
        }
        write!(
            text,
            "impl Names{resource} for {input} {{\n\
             fn {}_address(&self) -> {resource}Address<'_> {{\n{resource}Address {{ {} }}\n}}\n}}\n\n",
            names::snake(resource),
            fields.join(" "),
        )?;
    }
    Ok(text)
}
