//! What operators do.

use std::cmp::Ordering;
use std::sync::Arc;

use super::machine::Machine;
use super::number::{to_i32, to_i64};
use super::syntax::Operator;
use super::value::{Object, Value, make_array};
use super::{Stop, json};

type Computed = Result<Value, Stop>;

/// An error about a value: `string ("a") cannot be negated`.
pub(super) fn type_error(value: &Value, message: &str) -> Stop {
    Stop::error(format!("{} ({}) {message}", value.kind(), json::excerpt(value, 15)))
}

/// An error about two values.
pub(super) fn type_error_of_two(a: &Value, b: &Value, message: &str) -> Stop {
    Stop::error(format!(
        "{} ({}) and {} ({}) {message}",
        a.kind(),
        json::excerpt(a, 15),
        b.kind(),
        json::excerpt(b, 15)
    ))
}

/// Applies an operator.
pub(super) fn apply(machine: &Machine<'_>, operator: Operator, a: Value, b: Value) -> Computed {
    match operator {
        Operator::Add => add(machine, a, b),
        Operator::Subtract => subtract(machine, &a, &b),
        Operator::Multiply => multiply(machine, &a, &b),
        Operator::Divide => divide(machine, &a, &b),
        Operator::Modulo => modulo(&a, &b),
        Operator::Equal | Operator::NotEqual => {
            machine.charge(a.weight().nodes.min(b.weight().nodes))?;
            Ok(Value::Bool(a.equals(&b) == (operator == Operator::Equal)))
        }
        Operator::Less => compare(machine, &a, &b, Ordering::is_lt),
        Operator::LessOrEqual => compare(machine, &a, &b, Ordering::is_le),
        Operator::Greater => compare(machine, &a, &b, Ordering::is_gt),
        Operator::GreaterOrEqual => compare(machine, &a, &b, Ordering::is_ge),
    }
}

fn compare(machine: &Machine<'_>, a: &Value, b: &Value, is_so: fn(Ordering) -> bool) -> Computed {
    machine.charge(a.weight().nodes.min(b.weight().nodes))?;
    Ok(Value::Bool(is_so(a.compare(b))))
}

fn add(machine: &Machine<'_>, a: Value, b: Value) -> Computed {
    match (a, b) {
        (Value::Null, other) | (other, Value::Null) => Ok(other),
        (Value::Number(a), Value::Number(b)) => Ok(Value::Number(a + b)),
        (Value::String(a), Value::String(b)) => {
            machine.allocate(a.len() + b.len())?;
            let mut text = String::with_capacity(a.len() + b.len());
            text.push_str(&a);
            text.push_str(&b);
            Ok(text.into())
        }
        (Value::Array(mut a), Value::Array(b)) => {
            let is_shared = Arc::strong_count(&a) > 1;
            let copied = if is_shared { a.items().len() } else { 0 };
            machine.allocate((copied + b.items().len()) * size_of::<Value>())?;
            let array = make_array(&mut a);
            for item in b.items() {
                array.push(item.clone())?;
            }
            Ok(Value::Array(a))
        }
        (Value::Object(mut a), Value::Object(b)) => {
            let is_shared = Arc::strong_count(&a) > 1;
            let copied = if is_shared { a.len() } else { 0 };
            machine.allocate((copied + b.len()) * size_of::<(Value, Value)>())?;
            let object = Arc::make_mut(&mut a);
            for (key, value) in b.iter() {
                object.insert(key.clone(), value.clone())?;
            }
            Ok(Value::Object(a))
        }
        (a, b) => Err(type_error_of_two(&a, &b, "cannot be added")),
    }
}

fn subtract(machine: &Machine<'_>, a: &Value, b: &Value) -> Computed {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => Ok(Value::Number(a - b)),
        (Value::Array(kept), Value::Array(removed)) => {
            let work = a.weight().nodes.saturating_mul(removed.items().len() as u64 + 1);
            machine.charge(work)?;
            let items = kept.items().iter();
            let is_kept = |item: &&Value| !removed.items().iter().any(|other| item.equals(other));
            Value::array(items.filter(is_kept).cloned().collect())
        }
        _ => Err(type_error_of_two(a, b, "cannot be subtracted")),
    }
}

fn multiply(machine: &Machine<'_>, a: &Value, b: &Value) -> Computed {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => Ok(Value::Number(a * b)),
        (Value::String(text), Value::Number(times))
        | (Value::Number(times), Value::String(text)) => {
            let more = to_i32(times - 1.0);
            if more < 0 {
                return Ok(Value::Null);
            }
            let times = more as usize + 1;
            machine.allocate(text.len().saturating_mul(times))?;
            Ok(text.repeat(times).into())
        }
        (Value::Object(a), Value::Object(b)) => merge(machine, a.clone(), b).map(Value::Object),
        _ => Err(type_error_of_two(a, b, "cannot be multiplied")),
    }
}

fn merge(machine: &Machine<'_>, mut a: Arc<Object>, b: &Object) -> Result<Arc<Object>, Stop> {
    machine.allocate((a.len() + b.len()) * size_of::<(Value, Value)>())?;
    let object = Arc::make_mut(&mut a);
    for (key, value) in b.iter() {
        let merged = match (object.get(key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => {
                Value::Object(merge(machine, old.clone(), new)?)
            }
            _ => value.clone(),
        };
        object.insert(key.clone(), merged)?;
    }
    Ok(a)
}

fn divide(machine: &Machine<'_>, a: &Value, b: &Value) -> Computed {
    match (a, b) {
        (Value::Number(_), Value::Number(0.0)) => {
            Err(type_error_of_two(a, b, "cannot be divided because the divisor is zero"))
        }
        (Value::Number(a), Value::Number(b)) => Ok(Value::Number(a / b)),
        (Value::String(a), Value::String(b)) => split(machine, a, b),
        _ => Err(type_error_of_two(a, b, "cannot be divided")),
    }
}

fn modulo(a: &Value, b: &Value) -> Computed {
    let zero = "cannot be divided (remainder) because the divisor is zero";
    match (a, b) {
        (Value::Number(dividend), Value::Number(divisor)) => match to_i64(*divisor) {
            0 => Err(type_error_of_two(a, b, zero)),
            divisor => Ok(Value::Number(to_i64(*dividend).wrapping_rem(divisor) as f64)),
        },
        _ => Err(type_error_of_two(a, b, "cannot be divided (remainder)")),
    }
}

/// A string's parts between separators; between all characters, if there is no separator.
pub(super) fn split(machine: &Machine<'_>, text: &str, separator: &str) -> Computed {
    if text.is_empty() {
        return Ok(Value::empty_array());
    }
    if separator.is_empty() {
        machine.allocate(text.len() * 2 * size_of::<Value>())?;
        let mut letter = [0; 4];
        let letters =
            text.chars().map(|character| Value::from(&*character.encode_utf8(&mut letter)));
        return Value::array(letters.collect());
    }
    let parts = text.matches(separator).count() + 1;
    machine.allocate(text.len() + parts * 2 * size_of::<Value>())?;
    Value::array(text.split(separator).map(Value::from).collect())
}
