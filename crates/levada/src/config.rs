//! Configuration in layers: a flag beats a variable, a variable beats the file, the file beats the
//! default.
//!
//! There is one declaration, the arguments of `serve` in [`crate::cli`]: whatever names a variable
//! `LEVADA_SECTION__KEY` is the key `section.key` of the file too, for every command that has it. The
//! file's values become the defaults of what is then parsed as usual, so all layers are read by
//! the same parsers; and each value outside the command line is checked beforehand, so that an
//! error names the line or the variable.

mod file;
mod keys;
mod reference;

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory, FromArgMatches};

use crate::cli::Cli;
use crate::exit::Failure;

pub(crate) use file::{Entry, File, find};
pub(crate) use keys::{Key, keys};
pub(crate) use reference::{literal, reference};

/// A command line with everything beneath it.
pub(crate) struct Invocation {
    /// What was parsed.
    pub(crate) cli: Cli,
    /// The keys that the command takes, as they are in force.
    pub(crate) settings: Vec<Setting>,
}

/// A key in force.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its name in the file.
    pub(crate) name: String,
    /// Its value, as it would be written on a command line.
    pub(crate) value: String,
    /// Whether the value is true or false and nothing else.
    pub(crate) is_switch: bool,
    /// The layer that it comes from.
    pub(crate) origin: Origin,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The command line.
    Flag(String),
    /// The environment.
    Variable(String),
    /// A line of the configuration file.
    File(PathBuf, usize),
    /// The declaration.
    Default,
}

/// Why there is nothing to run.
pub(crate) enum Refusal {
    /// The command line asks for help, or makes no sense.
    Usage(clap::Error),
    /// A variable or the file makes no sense.
    Configuration(Failure),
}

impl From<clap::Error> for Refusal {
    fn from(error: clap::Error) -> Self {
        Refusal::Usage(error)
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Refusal::Configuration(failure)
    }
}

/// Reads a command line, the environment and the configuration file.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Invocation, Refusal> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let keys = keys();
    let variables = check_variables(&keys);
    // The first look finds the command and the file; variables that make no sense wait, because
    // the command may not care about them.
    let usable = |name: &OsStr| set(name).is_some() && !is_broken(&variables, name);
    let command = for_each_argument(Cli::command(), &|arg| without_unusable(arg, &usable));
    let first = command.clone().try_get_matches_from(&arguments)?;
    if !keys.iter().any(|key| leaf(&first).try_contains_id(&key.id).is_ok()) {
        let cli = Cli::from_arg_matches(&first)?;
        return Ok(Invocation { cli, settings: Vec::new() });
    }
    variables?;
    let file = find(first.get_one::<PathBuf>("config").map(PathBuf::as_path))?;
    let entries = match &file {
        Some(file) => check_file(file, &keys)?,
        None => HashMap::new(),
    };
    let command = for_each_argument(command, &|arg| with_default(arg, &keys, &entries));
    let matches = command.try_get_matches_from(&arguments)?;
    let at = file.as_ref().map(|file| file.path.as_path());
    let settings = keys.iter().filter_map(|key| setting(key, leaf(&matches), at, &entries));
    let settings = settings.collect();
    Ok(Invocation { cli: Cli::from_arg_matches(&matches)?, settings })
}

/// Reads the variables and the file as `serve` would; the file, if there is one.
pub(crate) fn check(given: Option<&Path>) -> Result<Option<File>, Failure> {
    let keys = keys();
    check_variables(&keys)?;
    let file = find(given)?;
    if let Some(file) = &file {
        check_file(file, &keys)?;
    }
    Ok(file)
}

/// A variable that is set to something: an empty one counts as absent.
fn set(name: &OsStr) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The first variable that its key does not take.
fn check_variables(keys: &[Key]) -> Result<(), Failure> {
    for key in keys {
        let Some(value) = set(OsStr::new(&key.variable)) else { continue };
        if let Err(reason) = key.check(&value) {
            let message = format!("the variable {} cannot be used: {reason}", key.variable);
            return Err(Failure::usage(message).help(format!("it means {}", key.flag)));
        }
    }
    Ok(())
}

/// After a broken variable every key's variable is left alone: nothing will be run but what does
/// not need them.
fn is_broken(checked: &Result<(), Failure>, name: &OsStr) -> bool {
    checked.is_err() && name != "LEVADA_CONFIG"
}

/// The file's entries by key, once all of them are known and taken.
fn check_file<'a>(file: &'a File, keys: &[Key]) -> Result<HashMap<&'a str, &'a Entry>, Failure> {
    for entry in &file.entries {
        let key = keys.iter().find(|key| key.name == entry.name);
        let key = key.ok_or_else(|| keys::unknown(keys, file, entry))?;
        if let Err(reason) = key.check(OsStr::new(&entry.value)) {
            let message = format!("{}: {} cannot be used: {reason}", file.at(entry.line), key.name);
            return Err(Failure::usage(message)
                .help("`levada config docs` prints every key with what it takes"));
        }
    }
    Ok(file.entries.iter().map(|entry| (entry.name.as_str(), entry)).collect())
}

/// Changes every argument of a command and of its subcommands.
fn for_each_argument(command: Command, change: &impl Fn(Arg) -> Arg) -> Command {
    let names: Vec<String> =
        command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    names.into_iter().fold(command.mut_args(change), |command, name| {
        command.mut_subcommand(name, |command| for_each_argument(command, change))
    })
}

fn without_unusable(arg: Arg, usable: &impl Fn(&OsStr) -> bool) -> Arg {
    let is_kept = arg.get_env().is_none_or(usable);
    // An unset variable stays, for the sake of --help.
    let is_unset = arg.get_env().is_some_and(|name| std::env::var_os(name).is_none());
    if is_kept || is_unset { arg } else { arg.env(None) }
}

fn with_default(arg: Arg, keys: &[Key], entries: &HashMap<&str, &Entry>) -> Arg {
    let is_it = |key: &&Key| arg.get_long().is_some_and(|long| key.flag[2..] == *long);
    let key = keys.iter().find(is_it).filter(|key| *arg.get_id() == key.id);
    match key.and_then(|key| entries.get(key.name.as_str())) {
        Some(entry) => arg.default_value(entry.value.clone()),
        None => arg,
    }
}

/// The matches of the command that is run.
fn leaf(matches: &ArgMatches) -> &ArgMatches {
    matches.subcommand().map_or(matches, |(_, inner)| leaf(inner))
}

/// A key as the command has it; `None` if the command does not take it or it has no value.
fn setting(
    key: &Key,
    matches: &ArgMatches,
    file: Option<&Path>,
    entries: &HashMap<&str, &Entry>,
) -> Option<Setting> {
    let raw = matches.try_get_raw(&key.id).ok().flatten()?.next()?;
    let value = match key.is_switch {
        true => matches.try_get_one::<bool>(&key.id).ok().flatten()?.to_string(),
        false => raw.to_string_lossy().into_owned(),
    };
    let entry = entries.get(key.name.as_str());
    let origin = match (matches.value_source(&key.id)?, file, entry) {
        (ValueSource::CommandLine, ..) => Origin::Flag(key.flag.clone()),
        (ValueSource::EnvVariable, ..) => Origin::Variable(key.variable.clone()),
        (_, Some(path), Some(entry)) => Origin::File(path.to_owned(), entry.line),
        _ => Origin::Default,
    };
    Some(Setting { name: key.name.clone(), value, is_switch: key.is_switch, origin })
}

/// The names of a file's keys, if all of them can be used.
#[cfg(test)]
fn check_text(text: &str) -> Result<Vec<String>, Failure> {
    let file = File::parse(Path::new("levada.toml"), text)?;
    check_file(&file, &keys())?;
    Ok(file.entries.into_iter().map(|entry| entry.name).collect())
}
