//! Regular expressions: Oniguruma's, with Perl's syntax and named groups, as jq has them.

use std::sync::{Arc, Mutex};

use onig::{MatchParam, Regex, RegexOptions, Region, SearchOptions, Syntax};

use super::Stop;
use super::machine::Machine;
use super::natives::Computed;
use super::operators::type_error;
use super::value::Value;
use crate::limits::QUERY_REGEXES_MAX;

/// Backtracks that Oniguruma allows itself for one match, by default.
const RETRIES_MAX: u32 = 10_000_000;
/// Backtracks of a first attempt; each further one has ten times as many, and costs as much.
const RETRIES_FIRST: u32 = 10_000;
/// Oniguruma's code for having used them up.
const RETRY_LIMIT_CODE: i32 = -17;

/// The regular expressions that a query has used last. Compiling one costs more than most matches.
#[derive(Debug, Default)]
pub(super) struct RegexCache(Mutex<Vec<Compiled>>);

/// A pattern, its options and what they are compiled to.
type Compiled = (Arc<str>, u32, Arc<Regex>);

impl RegexCache {
    fn compile(&self, pattern: &Arc<str>, options: RegexOptions) -> Result<Arc<Regex>, Stop> {
        let bits = options.bits();
        let lock = || self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let known = lock().iter().find(|(known, of, _)| known == pattern && *of == bits).cloned();
        if let Some((.., regex)) = known {
            return Ok(regex);
        }
        let regex = Regex::with_options(pattern, options, Syntax::perl_ng());
        let regex = Arc::new(regex.map_err(|error| failure(&error))?);
        let mut cache = lock();
        if cache.len() >= QUERY_REGEXES_MAX {
            cache.remove(0);
        }
        cache.push((pattern.clone(), bits, regex.clone()));
        Ok(regex)
    }
}

fn failure(error: &onig::Error) -> Stop {
    Stop::error(format!("Regex failure: {}", error.description()))
}

/// The matches of a pattern, or whether there is one.
pub(super) fn find(
    machine: &Machine<'_>,
    input: &Value,
    pattern: &Value,
    mode: &Value,
    test: bool,
) -> Computed {
    let Value::String(text) = input else {
        return Err(type_error(input, "cannot be matched, as it is not a string"));
    };
    let Value::String(pattern) = pattern else {
        return Err(type_error(pattern, "is not a string"));
    };
    let (options, is_global) = options(mode)?;
    machine.charge(16 + pattern.len() as u64)?;
    let regex = machine.program.regexes.compile(pattern, options)?;
    let mut found = Vec::new();
    let mut start = 0;
    loop {
        let Some(region) = search(machine, &regex, text, start)? else {
            break;
        };
        if test {
            return Ok(Value::Bool(true));
        }
        let Some((from, upto)) = region.pos(0) else {
            break;
        };
        found.push(describe(machine, &regex, text, &region)?);
        // From an empty match jq goes on one byte behind where it had begun to search.
        start = if from == upto { start + 1 } else { upto };
        if !is_global || start == text.len() {
            break;
        }
    }
    if test { Ok(Value::Bool(false)) } else { Value::array(found) }
}

fn options(mode: &Value) -> Result<(RegexOptions, bool), Stop> {
    let mut options = RegexOptions::REGEX_OPTION_CAPTURE_GROUP;
    let mut is_global = false;
    let letters = match mode {
        Value::Null => "",
        Value::String(letters) => letters,
        _ => return Err(type_error(mode, "is not a string")),
    };
    for letter in letters.chars() {
        options |= match letter {
            'g' => {
                is_global = true;
                continue;
            }
            'i' => RegexOptions::REGEX_OPTION_IGNORECASE,
            'x' => RegexOptions::REGEX_OPTION_EXTEND,
            'm' => RegexOptions::REGEX_OPTION_MULTILINE,
            's' => RegexOptions::REGEX_OPTION_SINGLELINE,
            'p' => RegexOptions::REGEX_OPTION_MULTILINE | RegexOptions::REGEX_OPTION_SINGLELINE,
            'l' => RegexOptions::REGEX_OPTION_FIND_LONGEST,
            'n' => RegexOptions::REGEX_OPTION_FIND_NOT_EMPTY,
            _ => {
                let message = format!("{letters} is not a valid modifier string");
                return Err(Stop::error(message));
            }
        };
    }
    Ok((options, is_global))
}

/// Searches with few backtracks first, so that what a pattern costs is known when it is paid.
fn search(
    machine: &Machine<'_>,
    regex: &Regex,
    text: &str,
    start: usize,
) -> Result<Option<Region>, Stop> {
    if start > text.len() {
        return Ok(None);
    }
    let mut retries = RETRIES_FIRST;
    loop {
        machine.charge(1 + (text.len() - start) as u64 / 8)?;
        let mut region = Region::new();
        let mut limit = MatchParam::default();
        limit.set_retry_limit_in_match(retries);
        let options = SearchOptions::SEARCH_OPTION_NONE;
        let bytes = text.len();
        match regex.search_with_param(text, start, bytes, options, Some(&mut region), limit) {
            Ok(found) => return Ok(found.map(|_| region)),
            Err(error) if error.code() == RETRY_LIMIT_CODE && retries < RETRIES_MAX => {
                machine.charge(u64::from(retries) / 2)?;
                retries *= 10;
            }
            Err(error) => {
                machine.charge(u64::from(retries) / 2)?;
                return Err(failure(&error));
            }
        }
    }
}

/// A match as jq tells of it; an empty one has no captures.
fn describe(machine: &Machine<'_>, regex: &Regex, text: &str, region: &Region) -> Computed {
    let (from, upto) = region.pos(0).unwrap_or_default();
    let length = upto - from;
    machine.charge(text.len() as u64 / 16)?;
    machine.allocate(256 + length + region.len() * 256)?;
    let mut captures = Vec::new();
    if from != upto {
        let mut names = vec![Value::Null; region.len()];
        regex.foreach_name(|name, groups| {
            for group in groups {
                if let Some(slot) = names.get_mut(*group as usize) {
                    *slot = Value::from(name);
                }
            }
            true
        });
        for (group, name) in names.into_iter().enumerate().skip(1) {
            captures.push(capture(text, region.pos(group), name)?);
        }
    }
    Value::object([
        ("offset", Value::from(characters(text, 0, from))),
        ("length", Value::from(characters(text, from, upto))),
        ("string", Value::from(piece(text, from, upto))),
        ("captures", Value::array(captures)?),
    ])
}

fn capture(text: &str, place: Option<(usize, usize)>, name: Value) -> Computed {
    // What is empty has its members in another order.
    let empty = |offset: Value, string: Value| {
        let length = ("length", Value::Number(0.0));
        Value::object([("offset", offset), ("string", string), length, ("name", name.clone())])
    };
    match place {
        None => empty(Value::Number(-1.0), Value::Null),
        Some((from, upto)) if from == upto => {
            empty(Value::from(characters(text, 0, from)), Value::from(""))
        }
        Some((from, upto)) => Value::object([
            ("offset", Value::from(characters(text, 0, from))),
            ("length", Value::from(characters(text, from, upto))),
            ("string", Value::from(piece(text, from, upto))),
            ("name", name),
        ]),
    }
}

fn piece(text: &str, from: usize, upto: usize) -> &str {
    text.get(from..upto).unwrap_or_default()
}

/// Characters that begin between two bytes.
fn characters(text: &str, from: usize, upto: usize) -> usize {
    let bytes = text.as_bytes().get(from..upto).unwrap_or_default();
    bytes.iter().filter(|byte| (**byte as i8) >= -0x40).count()
}
