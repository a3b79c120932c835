//! Whether each part keeps the model's constraints.

use std::fmt::Write;

use crate::constraint::text_length;
use crate::limits::{EXPLAINED_VALUE_BYTES_MAX, VALIDATION_ERRORS_MAX};
use crate::schema::{Bounds, Schema, ShapeId, Text, Type, Words};
use crate::value::Value;

/// What is wrong with a conforming value, in AWS's order; at most as much as AWS reports.
pub(super) fn broken(schema: &'static Schema, shape: ShapeId, value: &Value) -> Vec<String> {
    let mut walk = Walk { schema, errors: Vec::new() };
    walk.visit(shape, value, "");
    walk.errors
}

struct Walk {
    schema: &'static Schema,
    errors: Vec<String>,
}

impl Walk {
    fn is_full(&self) -> bool {
        self.errors.len() >= VALIDATION_ERRORS_MAX
    }

    fn report(&mut self, shape: ShapeId, value: &Value, path: &str, constraint: &str) {
        if self.is_full() {
            return;
        }
        let value = match (self.schema.words, value) {
            (Words::Silent, _) => String::new(),
            (Words::Quoting, Value::Null) => " null".to_string(),
            (Words::Quoting, value) => format!(" '{}'", self.print(shape, value)),
        };
        self.errors
            .push(format!("Value{value} at '{path}' failed to satisfy constraint: {constraint}"));
    }

    fn visit(&mut self, id: ShapeId, value: &Value, path: &str) {
        if self.is_full() {
            return;
        }
        match (&self.schema.shape(id).body, value) {
            (Type::Structure(members), Value::Map(entries)) => {
                for member in *members {
                    let path = join(path, &lower_first(member.name));
                    match entries.iter().find(|(name, _)| name == member.name) {
                        Some((_, value)) => self.visit(member.shape, value, &path),
                        None if member.required => {
                            self.report(member.shape, &Value::Null, &path, NOT_NULL);
                        }
                        None => {}
                    }
                }
            }
            (Type::List { member, length }, Value::List(elements)) => {
                self.bounds(id, value, path, *length, elements.len() as i64, "length");
                if self.is_scalar(*member) {
                    let fits = elements.iter().all(|element| self.fits(*member, element));
                    self.elements(id, value, path, "Member", *member, fits);
                    return;
                }
                for (i, element) in elements.iter().enumerate() {
                    self.visit_part(*member, element, &format!("{path}.{}.member", i + 1));
                }
            }
            (Type::Map { key, value: shape, length }, Value::Map(entries)) => {
                self.bounds(id, value, path, *length, entries.len() as i64, "length");
                let key_fits = entries.iter().all(|(name, _)| self.text_fits(*key, name));
                self.elements(id, value, path, "Map keys", *key, key_fits);
                if self.is_scalar(*shape) {
                    let fits = entries.iter().all(|(_, value)| self.fits(*shape, value));
                    self.elements(id, value, path, "Map value", *shape, fits);
                    return;
                }
                for (name, value) in entries {
                    self.visit_part(*shape, value, &format!("{path}.{name}.member"));
                }
            }
            _ => self.scalar(id, value, path),
        }
    }

    /// An element or a map's value, which must not be null.
    fn visit_part(&mut self, id: ShapeId, value: &Value, path: &str) {
        match value {
            Value::Null => self.report(id, value, path, NOT_NULL),
            value => self.visit(id, value, path),
        }
    }

    fn scalar(&mut self, id: ShapeId, value: &Value, path: &str) {
        match (&self.schema.shape(id).body, value) {
            (Type::String(text), Value::String(string)) => {
                if !is_listed(text, string) {
                    self.report(id, value, path, &values(text));
                }
                let length = text_length(string) as i64;
                if self.schema.words == Words::Silent {
                    self.bounds(id, value, path, text.length, length, "length");
                }
                if let Some(pattern) = text.pattern
                    && !pattern.matches(string)
                {
                    self.report(id, value, path, &expression(pattern.source));
                }
                if self.schema.words == Words::Quoting {
                    self.bounds(id, value, path, text.length, length, "length");
                }
            }
            (Type::Blob(length), Value::Bytes(bytes)) => {
                self.bounds(id, value, path, *length, bytes.len() as i64, "length");
            }
            (Type::Integer(bounds) | Type::Long(bounds), Value::Integer(number)) => {
                self.bounds(id, value, path, *bounds, *number, "value");
            }
            // AWS reports the upper bound first, and both for what is no number.
            (Type::Double(bounds), Value::Float(number)) => {
                let is_below = |max: &i64| *number <= *max as f64;
                if let Some(max) = bounds.max.filter(|max| !is_below(max)) {
                    self.report(id, value, path, &at_most("value", max));
                }
                let is_above = |min: &i64| *number >= *min as f64;
                if let Some(min) = bounds.min.filter(|min| !is_above(min)) {
                    self.report(id, value, path, &at_least("value", min));
                }
            }
            _ => {}
        }
    }

    fn bounds(
        &mut self,
        id: ShapeId,
        value: &Value,
        path: &str,
        bounds: Bounds,
        measured: i64,
        what: &str,
    ) {
        if let Some(min) = bounds.min.filter(|min| measured < *min) {
            self.report(id, value, path, &at_least(what, min));
        }
        if let Some(max) = bounds.max.filter(|max| measured > *max) {
            self.report(id, value, path, &at_most(what, max));
        }
    }

    /// One error for all elements, keys or values: AWS lists every constraint, broken or not.
    fn elements(
        &mut self,
        id: ShapeId,
        value: &Value,
        path: &str,
        what: &str,
        part: ShapeId,
        fits: bool,
    ) {
        if !fits {
            let constraints = self.constraints(part).join(", ");
            self.report(
                id,
                value,
                path,
                &format!("{what} must satisfy constraint: [{constraints}]"),
            );
        }
    }

    /// Every constraint of a scalar, in AWS's order.
    fn constraints(&self, id: ShapeId) -> Vec<String> {
        let (bounds, what) = match &self.schema.shape(id).body {
            Type::String(text) => (text.length, "length"),
            Type::Blob(length) => (*length, "length"),
            Type::Integer(bounds) | Type::Long(bounds) | Type::Double(bounds) => (*bounds, "value"),
            _ => (Bounds::NONE, ""),
        };
        let mut constraints = Vec::new();
        constraints.extend(bounds.max.map(|max| at_most(what, max)));
        constraints.extend(bounds.min.map(|min| at_least(what, min)));
        if let Type::String(text) = &self.schema.shape(id).body {
            constraints.extend(text.pattern.map(|pattern| expression(pattern.source)));
            if !text.values.is_empty() {
                constraints.push(values(text));
            }
        }
        if constraints.is_empty() {
            constraints.push(NOT_NULL.to_string());
        }
        constraints
    }

    fn is_scalar(&self, id: ShapeId) -> bool {
        let body = &self.schema.shape(id).body;
        !matches!(body, Type::List { .. } | Type::Map { .. } | Type::Structure(_))
    }

    fn fits(&self, id: ShapeId, value: &Value) -> bool {
        let mut walk = Walk { schema: self.schema, errors: Vec::new() };
        walk.visit_part(id, value, "");
        walk.errors.is_empty()
    }

    fn text_fits(&self, id: ShapeId, text: &str) -> bool {
        let Type::String(constraints) = &self.schema.shape(id).body else { return true };
        let length = text_length(text) as i64;
        is_listed(constraints, text)
            && constraints.pattern.is_none_or(|pattern| pattern.matches(text))
            && constraints.length.min.is_none_or(|min| length >= min)
            && constraints.length.max.is_none_or(|max| length <= max)
    }

    /// A value as Java's `toString` shows it, up to our limit.
    fn print(&self, id: ShapeId, value: &Value) -> String {
        let mut text = String::new();
        self.print_to(&mut text, id, value);
        if text.len() > EXPLAINED_VALUE_BYTES_MAX {
            text.truncate(text.floor_char_boundary(EXPLAINED_VALUE_BYTES_MAX));
        }
        text
    }

    fn print_to(&self, text: &mut String, id: ShapeId, value: &Value) {
        let shape = self.schema.shape(id);
        match (&shape.body, value) {
            (Type::List { member, .. }, Value::List(elements)) => {
                text.push('[');
                for (i, element) in elements.iter().enumerate() {
                    if text.len() > EXPLAINED_VALUE_BYTES_MAX {
                        break;
                    }
                    text.push_str(if i == 0 { "" } else { ", " });
                    self.print_to(text, *member, element);
                }
                text.push(']');
            }
            (Type::Map { value: member, .. }, Value::Map(entries)) => {
                text.push('{');
                for (i, (name, value)) in entries.iter().enumerate() {
                    if text.len() > EXPLAINED_VALUE_BYTES_MAX {
                        break;
                    }
                    text.push_str(if i == 0 { "" } else { ", " });
                    text.push_str(name);
                    text.push('=');
                    self.print_to(text, *member, value);
                }
                text.push('}');
            }
            (_, Value::Map(_)) => {
                // Java's default form; the number was the same for every structure that was seen.
                let _ = write!(text, "{}.{}@2", self.schema.package, shape.name);
            }
            (_, value) => print_scalar(text, value),
        }
    }
}

const NOT_NULL: &str = "Member must not be null";

fn print_scalar(text: &mut String, value: &Value) {
    let written = match value {
        Value::Null | Value::List(_) | Value::Map(_) => write!(text, "null"),
        Value::Boolean(value) => write!(text, "{value}"),
        Value::Integer(number) => write!(text, "{number}"),
        Value::Float(number) => write!(text, "{number:?}"),
        Value::String(string) => write!(text, "{string}"),
        Value::Timestamp(at) => write!(text, "{}", at.0),
        Value::Bytes(bytes) => {
            let length = bytes.len();
            write!(text, "java.nio.HeapByteBuffer[pos=0 lim={length} cap={length}]")
        }
    };
    debug_assert!(written.is_ok(), "a text takes every character");
}

fn is_listed(text: &Text, value: &str) -> bool {
    text.values.is_empty() || text.values.contains(&value)
}

fn values(text: &Text) -> String {
    format!("Member must satisfy enum value set: [{}]", text.values.join(", "))
}

fn expression(source: &str) -> String {
    format!("Member must satisfy regular expression pattern: {source}")
}

fn at_least(what: &str, min: i64) -> String {
    format!("Member must have {what} greater than or equal to {min}")
}

fn at_most(what: &str, max: i64) -> String {
    format!("Member must have {what} less than or equal to {max}")
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_string() } else { format!("{path}.{name}") }
}

/// `StreamName` is `streamName` in Java.
fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
}
