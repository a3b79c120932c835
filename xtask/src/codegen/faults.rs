//! A constructor for every error of the model.

use std::fmt::Write;

use super::{Service, names};
use crate::Failure;

/// The module of faults.
pub(super) fn module(service: &Service<'_>) -> Result<String, Failure> {
    let mut text = String::from(
        "//! The errors of the model, each with its status.\n\n\
         use std::borrow::Cow;\n\nuse wire::Fault;\n\n",
    );
    for (name, shape) in service.model.shapes.iter().filter(|(_, shape)| shape.exception) {
        let named = shape.error.as_ref();
        let status = named.and_then(|error| error.http_status_code);
        let status = status.unwrap_or(if shape.fault { 500 } else { 400 });
        let code = named.and_then(|error| error.code.as_deref()).unwrap_or(name);
        let built = match status {
            400 => format!("Fault::client(\"{code}\", message)"),
            status => format!("Fault {{ status: {status}, ..Fault::client(\"{code}\", message) }}"),
        };
        writeln!(
            text,
            "/// `{name}`, status {status}.\n\
             pub fn {}(message: impl Into<Cow<'static, str>>) -> Fault {{ {built} }}\n",
            names::snake(name)
        )?;
    }
    Ok(text)
}
