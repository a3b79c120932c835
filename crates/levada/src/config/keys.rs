//! The keys, read off the declaration of `serve`.

use std::ffi::{OsStr, OsString};

use clap::builder::ValueParser;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command, CommandFactory};

use super::file::{Entry, File};
use crate::cli::Cli;
use crate::exit::Failure;

/// What every key's variable begins with.
const PREFIX: &str = "LEVADA_";

/// A key of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    /// Its name in the file, `section.key`.
    pub(crate) name: String,
    /// Its variable, `LEVADA_SECTION__KEY`.
    pub(crate) variable: String,
    /// Its flag, `--section-key`.
    pub(crate) flag: String,
    /// The parser's name for it.
    pub(super) id: String,
    /// What it means, in a sentence.
    pub(crate) help: String,
    /// Its value when nobody says anything.
    pub(crate) default: Option<String>,
    /// The only values it takes, each with its meaning; none if there are too many to list.
    pub(crate) values: Vec<(String, String)>,
    /// Whether it is true or false.
    pub(crate) is_switch: bool,
}

/// Every key, in the order of the declaration.
pub(crate) fn keys() -> Vec<Key> {
    let command = Cli::command();
    let serve = command.find_subcommand("serve");
    serve.map(|serve| serve.get_arguments().filter_map(key_of).collect()).unwrap_or_default()
}

fn key_of(arg: &Arg) -> Option<Key> {
    let variable = arg.get_env()?.to_str()?;
    let name = variable.strip_prefix(PREFIX)?.to_lowercase().replace("__", ".");
    // Only a switch may be given without a value.
    let is_switch = arg.get_num_args().is_some_and(|count| count.min_values() == 0);
    let values = arg.get_possible_values().into_iter().map(|value| {
        let help = value.get_help().map(ToString::to_string).unwrap_or_default();
        (value.get_name().to_owned(), help)
    });
    Some(Key {
        name,
        variable: variable.to_owned(),
        flag: format!("--{}", arg.get_long()?),
        id: arg.get_id().to_string(),
        help: arg.get_help().map(ToString::to_string).unwrap_or_default(),
        default: arg.get_default_values().first().map(|v| v.to_string_lossy().into_owned()),
        // A switch takes more spellings than it is worth listing.
        values: if is_switch { Vec::new() } else { values.collect() },
        is_switch,
    })
}

impl Key {
    /// Whether the key takes a value, by the parser that its flag has; else why not.
    pub(crate) fn check(&self, value: &OsStr) -> Result<(), String> {
        let command = Cli::command();
        let arg = command
            .find_subcommand("serve")
            .and_then(|serve| serve.get_arguments().find(|arg| arg.get_id() == self.id.as_str()));
        let Some(arg) = arg else { return Err("it is not a key".to_owned()) };
        let parser: ValueParser = arg.get_value_parser().clone();
        let lone = Arg::new("value").long("value").require_equals(true).value_parser(parser);
        let given = [OsString::from("levada"), join("--value=", value)];
        match Command::new("levada").arg(lone).try_get_matches_from(given) {
            Ok(_) => Ok(()),
            Err(error) => Err(reason(&error, value)),
        }
    }
}

fn join(flag: &str, value: &OsStr) -> OsString {
    let mut whole = OsString::from(flag);
    whole.push(value);
    whole
}

/// The parser's reason without its flag.
fn reason(error: &clap::Error, value: &OsStr) -> String {
    let value = value.to_string_lossy();
    if let Some(ContextValue::Strings(valid)) = error.get(ContextKind::ValidValue) {
        let valid = valid.iter().filter(|value| !value.is_empty()).cloned().collect::<Vec<_>>();
        if !valid.is_empty() {
            return format!("`{value}` is none of {}", valid.join(", "));
        }
    }
    match std::error::Error::source(error) {
        Some(cause) => format!("`{value}`: {cause}"),
        None => format!("`{value}` is not a value for it"),
    }
}

/// What to say about an entry that is no key.
pub(super) fn unknown(keys: &[Key], file: &File, entry: &Entry) -> Failure {
    let failure = Failure::usage(format!("{}: unknown key `{}`", file.at(entry.line), entry.name));
    if entry.name.contains("access_key") {
        return failure.help(format!(
            "keys are no configuration: set {} and {}",
            crate::folder::ROOT_ID_VARIABLE,
            crate::folder::ROOT_SECRET_VARIABLE
        ));
    }
    match nearest(&entry.name, keys.iter().map(|key| key.name.as_str())) {
        Some(name) => failure.help(format!("did you mean `{name}`?")),
        None => failure.help("`levada config docs` prints every key"),
    }
}

/// The name that was probably meant, if any is near enough.
fn nearest<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase().replace('-', "_");
    let edits = names.map(|name| (edits_between(&given, name), name));
    let (edits, name) = edits.min()?;
    (edits <= 1 + given.len() / 4).then_some(name)
}

/// How many letters must be put in, left out or changed to make one word the other (Levenshtein).
fn edits_between(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, other) in to.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_its_variable_and_its_flag_are_one_name() {
        let keys = keys();
        assert!(keys.len() >= 9, "{keys:?}");
        for key in &keys {
            assert_eq!(key.flag, format!("--{}", key.name.replace(['_', '.'], "-")), "{key:?}");
            assert!(!key.help.is_empty(), "{key:?}");
        }
    }

    #[test]
    fn every_flag_of_serve_is_a_key() {
        let command = Cli::command();
        let serve = command.find_subcommand("serve").unwrap();
        let keys = keys();
        for arg in serve.get_arguments() {
            assert!(keys.iter().any(|key| key.id == arg.get_id().as_str()), "{arg:?}");
        }
    }

    #[test]
    fn values_are_checked_by_the_flags_own_parsers() {
        let keys = keys();
        let check = |name: &str, value: &str| {
            keys.iter().find(|key| key.name == name).unwrap().check(OsStr::new(value))
        };
        assert_eq!(check("listen", "0.0.0.0:4567"), Ok(()));
        assert_eq!(check("in_memory", "yes"), Ok(()));
        assert_eq!(check("log", "info,front=debug"), Ok(()));
        assert_eq!(check("account", "12"), Err("`12`: an account is twelve digits".to_owned()));
        assert_eq!(check("auth", "off"), Err("`off` is none of sigv4, none".to_owned()));
        assert!(check("in_memory", "perhaps").is_err());
        assert!(check("listen", "4567").is_err());
        assert!(check("log", "front=loud").is_err());
    }

    #[test]
    fn what_was_meant() {
        let names = ["listen", "in_memory", "state_delay"];
        let nearest = |given| nearest(given, names.into_iter());
        assert_eq!(nearest("lisen"), Some("listen"));
        assert_eq!(nearest("in-memory"), Some("in_memory"));
        assert_eq!(nearest("StateDelay"), Some("state_delay"));
        assert_eq!(nearest("port"), None);
    }
}
