//! Going into values, and changing them at a path.

use std::cmp::Ordering;
use std::sync::Arc;

use super::Stop;
use super::machine::Machine;
use super::number::to_i32;
use super::value::{Object, Value, make_array};

type Computed = Result<Value, Stop>;

/// Bytes of a key that an error shows.
const SHOWN_KEY_BYTES: usize = 30;

/// `value[key]`.
pub(super) fn index(machine: &Machine<'_>, value: &Value, key: &Value) -> Computed {
    match (value, key) {
        (Value::Object(object), Value::String(key)) => {
            Ok(object.get(key).cloned().unwrap_or(Value::Null))
        }
        (Value::Array(array), Value::Number(number)) => {
            let integer = to_i32(*number);
            if f64::from(integer) != *number {
                return Ok(Value::Null);
            }
            let items = array.items();
            let found = item_index(integer, items.len()).and_then(|index| items.get(index));
            Ok(found.cloned().unwrap_or(Value::Null))
        }
        (Value::Array(array), Value::Object(bounds)) => {
            let range = slice(array.items().len(), bounds).ok_or_else(|| bad_bounds("array"))?;
            let items = &array.items()[range];
            machine.allocate(size_of_val(items))?;
            Value::array(items.to_vec())
        }
        (Value::String(text), Value::Object(bounds)) => {
            machine.charge(text.len() as u64 / 64)?;
            let range = slice(text.chars().count(), bounds).ok_or_else(|| bad_bounds("string"))?;
            Ok(Value::from(characters(text, range)))
        }
        (Value::Array(array), Value::Array(part)) => {
            machine.charge(value.weight().nodes.saturating_mul(key.weight().nodes))?;
            positions(array.items(), part.items())
        }
        (Value::Null, Value::String(_) | Value::Number(_) | Value::Object(_)) => Ok(Value::Null),
        (_, Value::String(key)) if key.len() < SHOWN_KEY_BYTES => {
            let key = key.split('\0').next().unwrap_or_default();
            Err(Stop::error(format!("Cannot index {} with string \"{key}\"", value.kind())))
        }
        _ => Err(Stop::error(format!("Cannot index {} with {}", value.kind(), key.kind()))),
    }
}

fn bad_bounds(of: &str) -> Stop {
    let article = if of == "array" { "an array" } else { "an string" };
    Stop::error(format!("Start and end indices of {article} slice must be numbers"))
}

fn item_index(index: i32, length: usize) -> Option<usize> {
    let from_end = i64::from(index) + if index < 0 { length as i64 } else { 0 };
    usize::try_from(from_end).ok()
}

/// The range that bounds cut out of so many.
fn slice(length: usize, bounds: &Object) -> Option<std::ops::Range<usize>> {
    let bound = |name, default: f64| match bounds.get(name) {
        Some(Value::Null) => Some(default),
        Some(Value::Number(number)) => Some(*number),
        _ => None,
    };
    let size = length as f64;
    let wrapped = |number: f64| if number < 0.0 { number + size } else { number };
    let from = wrapped(bound("start", 0.0)?).max(0.0).min(size);
    let upto = wrapped(bound("end", size)?);
    let start = from as usize;
    let end = if upto > size { size } else { upto.ceil() };
    Some(start..(end.max(0.0) as usize).clamp(start, length))
}

fn characters(text: &str, range: std::ops::Range<usize>) -> &str {
    let at = |count: usize| text.char_indices().nth(count).map_or(text.len(), |(at, _)| at);
    let start = at(range.start);
    &text[start..at(range.end).max(start)]
}

/// Where a part begins within an array. jq's search has its own idea of an overlong end.
fn positions(items: &[Value], part: &[Value]) -> Computed {
    let mut found = Vec::new();
    for at in 0..items.len() {
        let mut is_here = false;
        for (offset, wanted) in part.iter().enumerate() {
            let same = items.get(at + offset).is_some_and(|item| item.equals(wanted));
            if !same {
                is_here = false;
            } else if offset == 0 {
                is_here = true;
            }
        }
        if is_here {
            found.push(Value::from(at));
        }
    }
    Value::array(found)
}

fn keys_of(path: &Value) -> Result<&[Value], Stop> {
    match path {
        Value::Array(keys) => Ok(keys.items()),
        _ => Err(Stop::error("Path must be specified as an array".to_owned())),
    }
}

/// `getpath`.
pub(super) fn get_path(machine: &Machine<'_>, value: &Value, path: &Value) -> Computed {
    let keys = keys_of(path)?;
    machine.charge(keys.len() as u64)?;
    keys.iter().try_fold(value.clone(), |value, key| index(machine, &value, key))
}

/// `setpath`.
pub(super) fn set_path(machine: &Machine<'_>, value: Value, path: &Value, new: Value) -> Computed {
    let keys = keys_of(path)?;
    if keys.len() > crate::limits::QUERY_VALUE_DEPTH_MAX as usize {
        return Err(Stop::depth());
    }
    set_within(machine, value, keys, new)
}

fn set_within(machine: &Machine<'_>, value: Value, keys: &[Value], new: Value) -> Computed {
    machine.charge(1)?;
    let Some((key, rest)) = keys.split_first() else {
        return Ok(new);
    };
    let child = index(machine, &value, key)?;
    // Taken out first, so that the child can be changed in place.
    let value = match (&value, key, rest.is_empty()) {
        (Value::Object(object), Value::String(name), false) if object.get(name).is_some() => {
            set(machine, value, key, Value::Null)?
        }
        _ => value,
    };
    let child = set_within(machine, child, rest, new)?;
    set(machine, value, key, child)
}

/// `value[key] = new`.
fn set(machine: &Machine<'_>, value: Value, key: &Value, new: Value) -> Computed {
    match (value, key) {
        (Value::Null, Value::String(_)) => set(machine, Object::default().into(), key, new),
        (Value::Null, Value::Number(_) | Value::Object(_)) => {
            set(machine, Value::empty_array(), key, new)
        }
        (Value::Object(mut object), Value::String(key)) => {
            if Arc::strong_count(&object) > 1 {
                machine.allocate(object.len() * size_of::<(Value, Value)>())?;
            }
            Arc::make_mut(&mut object).insert(key.clone(), new)?;
            Ok(Value::Object(object))
        }
        (Value::Array(mut array), Value::Number(number)) => {
            let length = array.items().len();
            let Some(index) = item_index(to_i32(*number), length) else {
                return Err(Stop::error("Out of bounds negative array index".to_owned()));
            };
            let copied = if Arc::strong_count(&array) > 1 { length } else { 0 };
            let added = (index + 1).saturating_sub(length);
            machine.allocate((copied + added).saturating_mul(size_of::<Value>()))?;
            make_array(&mut array).set(index, new)?;
            Ok(Value::Array(array))
        }
        (Value::Array(array), Value::Object(bounds)) => {
            let range = slice(array.items().len(), bounds).ok_or_else(|| bad_bounds("array"))?;
            let Value::Array(inserted) = new else {
                let message = "A slice of an array can only be assigned another array";
                return Err(Stop::error(message.to_owned()));
            };
            machine
                .allocate((array.items().len() + inserted.items().len()) * size_of::<Value>())?;
            let mut items = array.items().to_vec();
            items.splice(range, inserted.items().iter().cloned());
            Value::array(items)
        }
        (value, key) => Err(Stop::error(format!(
            "Cannot update field at {} index of {}",
            key.kind(),
            value.kind()
        ))),
    }
}

/// `delpaths`.
pub(super) fn delete_paths(machine: &Machine<'_>, value: Value, paths: &Value) -> Computed {
    let Value::Array(all) = paths else {
        return Err(Stop::error("Paths must be specified as an array".to_owned()));
    };
    machine.walk(paths)?;
    let mut sorted = Vec::with_capacity(all.items().len());
    let mut ordered = all.items().to_vec();
    ordered.sort_by(Value::sort_order);
    for path in &ordered {
        match path {
            Value::Array(keys) => sorted.push(keys.items()),
            _ => {
                let kind = path.kind();
                return Err(Stop::error(format!("Path must be specified as array, not {kind}")));
            }
        }
    }
    match sorted.first() {
        None => Ok(value),
        Some([]) => Ok(Value::Null),
        Some(_) => delete_sorted(machine, value, &sorted, 0),
    }
}

/// All paths are longer than `depth`, and agree up to there.
fn delete_sorted(
    machine: &Machine<'_>,
    mut value: Value,
    paths: &[&[Value]],
    depth: usize,
) -> Computed {
    if depth > crate::limits::QUERY_VALUE_DEPTH_MAX as usize {
        return Err(Stop::depth());
    }
    let mut deleted = Vec::new();
    let mut rest = paths;
    while let Some(first) = rest.first() {
        let key = &first[depth];
        let same = rest.iter().take_while(|path| path[depth].equals(key)).count();
        let same = same.max(1);
        machine.charge(same as u64)?;
        if first.len() == depth + 1 {
            deleted.push(key.clone());
        } else {
            let child = index(machine, &value, key)?;
            if !matches!(child, Value::Null) {
                let child = delete_sorted(machine, child, &rest[..same], depth + 1)?;
                value = set(machine, value, key, child)?;
            }
        }
        rest = &rest[same..];
    }
    delete_keys(machine, value, &deleted)
}

fn delete_keys(machine: &Machine<'_>, value: Value, keys: &[Value]) -> Computed {
    if keys.is_empty() {
        return Ok(value);
    }
    match value {
        Value::Null => Ok(Value::Null),
        Value::Array(array) => {
            let items = array.items();
            machine.allocate(size_of_val(items))?;
            let ranges = keys.iter().map(|key| deleted_range(items.len(), key));
            let ranges = ranges.collect::<Result<Vec<_>, _>>()?;
            machine.charge((items.len() as u64).saturating_mul(ranges.len() as u64) / 8)?;
            let is_kept = |index| !ranges.iter().any(|range| range.contains(&index));
            let kept = items.iter().enumerate().filter(|(index, _)| is_kept(*index));
            Value::array(kept.map(|(_, item)| item.clone()).collect())
        }
        Value::Object(mut object) => {
            machine.allocate(object.len() * size_of::<(Value, Value)>())?;
            let entries = Arc::make_mut(&mut object);
            for key in keys {
                let Value::String(key) = key else {
                    let kind = key.kind();
                    return Err(Stop::error(format!("Cannot delete {kind} field of object")));
                };
                entries.remove(key);
            }
            Ok(Value::Object(object))
        }
        value => Err(Stop::error(format!("Cannot delete fields from {}", value.kind()))),
    }
}

fn deleted_range(length: usize, key: &Value) -> Result<std::ops::Range<usize>, Stop> {
    match key {
        Value::Number(number) => {
            let index = to_i32(*number);
            let found = if *number < 0.0 {
                usize::try_from(length as i64 + i64::from(index)).ok()
            } else {
                usize::try_from(index).ok()
            };
            Ok(found.map_or(0..0, |index| index..index.saturating_add(1)))
        }
        Value::Object(bounds) => slice(length, bounds).ok_or_else(|| bad_bounds("array")),
        key => Err(Stop::error(format!("Cannot delete {} element of array", key.kind()))),
    }
}

/// `has`.
pub(super) fn has(value: &Value, key: &Value) -> Computed {
    match (value, key) {
        (Value::Null, _) => Ok(Value::Bool(false)),
        (Value::Object(object), Value::String(key)) => Ok(object.get(key).is_some().into()),
        (Value::Array(array), Value::Number(number)) => {
            let index = to_i32(*number);
            let is_there = usize::try_from(index).is_ok_and(|index| index < array.items().len());
            Ok(is_there.into())
        }
        _ => Err(Stop::error(format!(
            "Cannot check whether {} has a {} key",
            value.kind(),
            key.kind()
        ))),
    }
}

/// An order of keys and of what belongs to them, for sorting by.
pub(super) fn order_by_key(a: &(Value, Value), b: &(Value, Value)) -> Ordering {
    a.0.sort_order(&b.0)
}
