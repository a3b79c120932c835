//! The functions that are not written in jq.
#![expect(clippy::needless_pass_by_value, reason = "functions of so many arguments have one type")]

use super::machine::Machine;
use super::operators::{split, type_error, type_error_of_two};
use super::paths::{delete_paths, has, order_by_key, set_path};
use super::value::Value;
use super::{Stop, dates, formats, json, maths, regex};

pub(super) type Computed = Result<Value, Stop>;
type Zero = fn(&Machine<'_>, Value) -> Computed;
type One = fn(&Machine<'_>, Value, Value) -> Computed;
type Two = fn(&Machine<'_>, Value, Value, Value) -> Computed;
type Three = fn(&Machine<'_>, Value, Value, Value, Value) -> Computed;

/// A function of an input and some arguments.
#[derive(Debug)]
pub(super) struct Native {
    pub(super) name: &'static str,
    pub(super) run: Run,
}

#[derive(Debug)]
pub(super) enum Run {
    Zero(Zero),
    One(One),
    Two(Two),
    Three(Three),
}

impl Native {
    fn arity(&self) -> usize {
        match self.run {
            Run::Zero(_) => 0,
            Run::One(_) => 1,
            Run::Two(_) => 2,
            Run::Three(_) => 3,
        }
    }

    pub(super) fn call(
        &self,
        machine: &Machine<'_>,
        input: Value,
        arguments: Vec<Value>,
    ) -> Computed {
        let mut arguments = arguments.into_iter();
        let mut next = || arguments.next().unwrap_or(Value::Null);
        match self.run {
            Run::Zero(run) => run(machine, input),
            Run::One(run) => run(machine, input, next()),
            Run::Two(run) => run(machine, input, next(), next()),
            Run::Three(run) => run(machine, input, next(), next(), next()),
        }
    }
}

/// The function of this name and so many arguments.
pub(super) fn native(name: &str, arity: usize) -> Option<&'static Native> {
    let mut all = NATIVES.iter().chain(maths::NATIVES);
    all.find(|native| native.name == name && native.arity() == arity)
}

const fn zero(name: &'static str, run: Zero) -> Native {
    Native { name, run: Run::Zero(run) }
}

const fn one(name: &'static str, run: One) -> Native {
    Native { name, run: Run::One(run) }
}

const fn two(name: &'static str, run: Two) -> Native {
    Native { name, run: Run::Two(run) }
}

const fn three(name: &'static str, run: Three) -> Native {
    Native { name, run: Run::Three(run) }
}

static NATIVES: &[Native] = &[
    zero("not", |_, input| Ok((!input.is_truthy()).into())),
    zero("type", |_, input| Ok(input.kind().into())),
    zero("length", length),
    zero("utf8bytelength", utf8_byte_length),
    zero("keys", keys),
    zero("keys_unsorted", keys_unsorted),
    zero("tostring", |machine, input| to_string(machine, &input)),
    zero("tonumber", to_number),
    zero("tojson", |machine, input| to_json(machine, &input)),
    zero("fromjson", from_json),
    zero("sort", |machine, input| match input {
        Value::Array(_) => sort_by(machine, input.clone(), input),
        _ => Err(type_error(&input, "cannot be sorted, as it is not an array")),
    }),
    zero("min", |machine, input| extreme_by(machine, &input, &input, true)),
    zero("max", |machine, input| extreme_by(machine, &input, &input, false)),
    zero("explode", explode),
    zero("implode", implode),
    zero("ascii_downcase", |machine, input| change_case(machine, &input, str::to_ascii_lowercase)),
    zero("ascii_upcase", |machine, input| change_case(machine, &input, str::to_ascii_uppercase)),
    zero("_negate", |_, input| match input {
        Value::Number(number) => Ok(Value::Number(-number)),
        _ => Err(type_error(&input, "cannot be negated")),
    }),
    zero("now", |machine, _| Ok(Value::Number(machine.now))),
    zero("gmtime", |_, input| dates::broken_down(&input, "gmtime")),
    zero("localtime", |_, input| dates::broken_down(&input, "localtime")),
    zero("mktime", |_, input| dates::make_time(&input)),
    one("strftime", |machine, input, format| {
        dates::format_time(machine, input, &format, "strftime")
    }),
    one("strflocaltime", |machine, input, format| {
        dates::format_time(machine, input, &format, "strflocaltime")
    }),
    one("strptime", |machine, input, format| dates::parse_time(machine, &input, &format)),
    one("format", |machine, input, name| formats::format(machine, input, &name)),
    one("startswith", |_, input, part| starts_with(&input, &part)),
    one("endswith", |_, input, part| ends_with(&input, &part)),
    one("ltrimstr", trim_start),
    one("rtrimstr", trim_end),
    one("split", |machine, input, separator| match (&input, &separator) {
        (Value::String(text), Value::String(separator)) => split(machine, text, separator),
        _ => Err(Stop::error("split input and separator must be strings".to_owned())),
    }),
    one("has", |_, input, key| has(&input, &key)),
    one("contains", contains),
    one("delpaths", |machine, input, paths| delete_paths(machine, input, &paths)),
    one("_sort_by", sort_by),
    one("_group_by", group_by),
    one("_min_by", |machine, input, keys| extreme_by(machine, &input, &keys, true)),
    one("_max_by", |machine, input, keys| extreme_by(machine, &input, &keys, false)),
    one("_string_indices", string_indices),
    two("setpath", |machine, input, path, new| set_path(machine, input, &path, new)),
    three("_match", |machine, input, pattern, mode, test| {
        regex::find(machine, &input, &pattern, &mode, test.is_truthy())
    }),
];

fn length(_: &Machine<'_>, input: Value) -> Computed {
    match &input {
        Value::Array(array) => Ok(array.items().len().into()),
        Value::Object(object) => Ok(object.len().into()),
        Value::String(text) => Ok(text.chars().count().into()),
        Value::Number(number) => Ok(number.abs().into()),
        Value::Null => Ok(0.0.into()),
        Value::Bool(_) => Err(type_error(&input, "has no length")),
    }
}

fn utf8_byte_length(_: &Machine<'_>, input: Value) -> Computed {
    match &input {
        Value::String(text) => Ok(text.len().into()),
        _ => Err(type_error(&input, "only strings have UTF-8 byte length")),
    }
}

fn keys(machine: &Machine<'_>, input: Value) -> Computed {
    machine.walk(&input)?;
    match &input {
        Value::Object(object) => {
            let keys = object.sorted_keys();
            Value::array(keys.into_iter().map(|key| Value::String(key.clone())).collect())
        }
        _ => keys_unsorted(machine, input),
    }
}

fn keys_unsorted(machine: &Machine<'_>, input: Value) -> Computed {
    match &input {
        Value::Object(object) => {
            machine.allocate(object.len() * size_of::<Value>())?;
            Value::array(object.iter().map(|(key, _)| Value::String(key.clone())).collect())
        }
        Value::Array(array) => {
            machine.allocate(size_of_val(array.items()))?;
            Value::array((0..array.items().len()).map(Value::from).collect())
        }
        _ => Err(type_error(&input, "has no keys")),
    }
}

/// A value's JSON, as a string.
pub(super) fn to_json(machine: &Machine<'_>, input: &Value) -> Computed {
    machine.walk(input)?;
    let mut text = String::new();
    json::write(input, &mut text);
    machine.allocate(text.len())?;
    Ok(text.into())
}

/// A string as it is, all else as JSON.
pub(super) fn to_string(machine: &Machine<'_>, input: &Value) -> Computed {
    match input {
        Value::String(_) => Ok(input.clone()),
        _ => to_json(machine, input),
    }
}

fn from_json(machine: &Machine<'_>, input: Value) -> Computed {
    let Value::String(text) = &input else {
        return Err(type_error(&input, "only strings can be parsed"));
    };
    machine.allocate(text.len() * size_of::<Value>())?;
    json::parse(text.as_bytes())
}

fn to_number(machine: &Machine<'_>, input: Value) -> Computed {
    let Value::String(text) = &input else {
        return match input {
            Value::Number(_) => Ok(input),
            _ => Err(type_error(&input, "cannot be parsed as a number")),
        };
    };
    machine.allocate(text.len() * size_of::<Value>())?;
    match json::parse(text.split('\0').next().unwrap_or_default().as_bytes())? {
        number @ Value::Number(_) => Ok(number),
        _ => Err(type_error(&input, "cannot be parsed as a number")),
    }
}

fn explode(machine: &Machine<'_>, input: Value) -> Computed {
    let Value::String(text) = &input else {
        return Err(Stop::error("explode input must be a string".to_owned()));
    };
    machine.allocate(text.len() * size_of::<Value>())?;
    let code_point = |character| Value::Number(f64::from(u32::from(character)));
    Value::array(text.chars().map(code_point).collect())
}

fn implode(machine: &Machine<'_>, input: Value) -> Computed {
    let Value::Array(array) = &input else {
        return Err(Stop::error("implode input must be an array".to_owned()));
    };
    machine.allocate(array.items().len())?;
    let mut text = String::with_capacity(array.items().len());
    for item in array.items() {
        // jq's process dies of what is no code point: here, the record fails.
        let character = match item {
            Value::Number(number) if *number > 1_114_111.0 => Some(char::REPLACEMENT_CHARACTER),
            Value::Number(number) if *number > -1.0 => char::from_u32(*number as u32),
            _ => None,
        };
        text.push(character.ok_or_else(Stop::unsupported)?);
    }
    Ok(text.into())
}

fn change_case(machine: &Machine<'_>, input: &Value, change: fn(&str) -> String) -> Computed {
    let Value::String(text) = input else {
        return Err(Stop::error("explode input must be a string".to_owned()));
    };
    machine.allocate(text.len())?;
    Ok(change(text).into())
}

fn starts_with(input: &Value, part: &Value) -> Computed {
    match (input, part) {
        (Value::String(text), Value::String(part)) => Ok(text.starts_with(&**part).into()),
        _ => Err(Stop::error("startswith() requires string inputs".to_owned())),
    }
}

fn ends_with(input: &Value, part: &Value) -> Computed {
    match (input, part) {
        (Value::String(text), Value::String(part)) => Ok(text.ends_with(&**part).into()),
        _ => Err(Stop::error("endswith() requires string inputs".to_owned())),
    }
}

fn trim_start(machine: &Machine<'_>, input: Value, part: Value) -> Computed {
    if let (Value::String(text), Value::String(part)) = (&input, &part)
        && let Some(rest) = text.strip_prefix(&**part)
    {
        machine.allocate(rest.len())?;
        return Ok(rest.into());
    }
    Ok(input)
}

fn trim_end(machine: &Machine<'_>, input: Value, part: Value) -> Computed {
    if let (Value::String(text), Value::String(part)) = (&input, &part)
        && let Some(rest) = text.strip_suffix(&**part)
    {
        machine.allocate(rest.len())?;
        return Ok(rest.into());
    }
    Ok(input)
}

fn contains(machine: &Machine<'_>, input: Value, part: Value) -> Computed {
    if input.kind() != part.kind() {
        return Err(type_error_of_two(&input, &part, "cannot have their containment checked"));
    }
    machine.charge(input.weight().nodes.saturating_mul(part.weight().nodes) / 4)?;
    // False and true are kinds of their own to jq.
    if let (Value::Bool(a), Value::Bool(b)) = (&input, &part)
        && a != b
    {
        return Err(type_error_of_two(&input, &part, "cannot have their containment checked"));
    }
    Ok(input.contains(&part).into())
}

/// Values with the keys to sort them by, in order.
fn sorted(machine: &Machine<'_>, input: &Value, keys: &Value) -> Result<Vec<(Value, Value)>, Stop> {
    let (Value::Array(items), Value::Array(by)) = (input, keys) else {
        let message = "cannot be sorted, as they are not both arrays";
        return Err(type_error_of_two(input, keys, message));
    };
    let length = items.items().len();
    let comparisons = u64::from(length.max(1).ilog2()) + 1;
    machine.charge(keys.weight().nodes.saturating_mul(comparisons))?;
    machine.allocate(length * size_of::<(Value, Value)>())?;
    let pairs = by.items().iter().cloned().zip(items.items().iter().cloned());
    let mut pairs: Vec<_> = pairs.collect();
    pairs.sort_by(order_by_key);
    Ok(pairs)
}

fn sort_by(machine: &Machine<'_>, input: Value, keys: Value) -> Computed {
    let pairs = sorted(machine, &input, &keys)?;
    Value::array(pairs.into_iter().map(|(_, value)| value).collect())
}

fn group_by(machine: &Machine<'_>, input: Value, keys: Value) -> Computed {
    let pairs = sorted(machine, &input, &keys)?;
    let groups = pairs.chunk_by(|a, b| a.0.equals(&b.0));
    let group = |group: &[(Value, Value)]| {
        Value::array(group.iter().map(|(_, value)| value.clone()).collect())
    };
    Value::array(groups.map(group).collect::<Result<_, _>>()?)
}

/// The first of the smallest, or the last of the largest.
fn extreme_by(machine: &Machine<'_>, input: &Value, keys: &Value, smallest: bool) -> Computed {
    let (Value::Array(items), Value::Array(by)) = (input, keys) else {
        return Err(type_error_of_two(input, keys, "cannot be iterated over"));
    };
    machine.walk(keys)?;
    let mut best = 0;
    for (index, key) in by.items().iter().enumerate().skip(1) {
        if key.compare(&by.items()[best]).is_lt() == smallest {
            best = index;
        }
    }
    Ok(items.items().get(best).cloned().unwrap_or(Value::Null))
}

/// Where a text is in another: in bytes, and not overlapping.
fn string_indices(machine: &Machine<'_>, input: Value, part: Value) -> Computed {
    let (Value::String(text), Value::String(part)) = (&input, &part) else {
        return Err(type_error_of_two(&input, &part, "cannot be searched"));
    };
    if part.is_empty() {
        // jq never ends here.
        return Err(Stop::steps());
    }
    machine.allocate(text.len())?;
    Value::array(text.match_indices(&**part).map(|(at, _)| Value::from(at)).collect())
}
