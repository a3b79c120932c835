//! `levada config`: what is in force and why, what is wrong with it, and what there is to set.

use std::path::Path;

use serde::Serialize;

use super::print;
use crate::cli::{Config, Show};
use crate::config::{Origin, Setting, check, literal, reference};
use crate::exit::Failure;

/// What `show --json` prints of a key.
#[derive(Serialize)]
struct Line<'a> {
    key: &'a str,
    value: &'a str,
    origin: String,
}

pub(crate) fn run(
    options: &Config,
    given: Option<&Path>,
    settings: &[Setting],
) -> Result<(), Failure> {
    match options {
        Config::Show(options) => show(options, settings),
        Config::Check => {
            match check(given)? {
                Some(file) => {
                    let keys = file.entries.len();
                    eprintln!("{} is fine; keys set: {keys}", file.path.display());
                }
                None => eprintln!("there is no configuration file, which is fine"),
            }
            Ok(())
        }
        Config::Docs => {
            print(&reference());
            Ok(())
        }
    }
}

fn show(options: &Show, settings: &[Setting]) -> Result<(), Failure> {
    if options.json {
        let lines = settings.iter().map(|setting| Line {
            key: &setting.name,
            value: &setting.value,
            origin: words(&setting.origin),
        });
        let json = serde_json::to_string(&lines.collect::<Vec<_>>());
        print(&(json.map_err(Failure::new)? + "\n"));
        return Ok(());
    }
    print(&as_toml(settings, options.origin));
    Ok(())
}

/// The settings as a configuration file that says the same.
fn as_toml(settings: &[Setting], with_origin: bool) -> String {
    let lines: Vec<(String, &Origin)> = settings
        .iter()
        .map(|setting| {
            let value = literal(&setting.value, setting.is_switch);
            (format!("{} = {value}", setting.name), &setting.origin)
        })
        .collect();
    let width = lines.iter().map(|(line, _)| line.chars().count()).max().unwrap_or(0);
    let lines = lines.into_iter().map(|(line, origin)| match with_origin {
        true => format!("{line:<width$}  # {}\n", words(origin)),
        false => format!("{line}\n"),
    });
    lines.collect()
}

fn words(origin: &Origin) -> String {
    match origin {
        Origin::Flag(flag) => format!("flag {flag}"),
        Origin::Variable(name) => format!("env {name}"),
        Origin::File(path, line) => format!("{}:{line}", path.display()),
        Origin::Default => "default".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_a_file_again() {
        let setting = |name: &str, value: &str, is_switch, origin| Setting {
            name: name.to_owned(),
            value: value.to_owned(),
            is_switch,
            origin,
        };
        let settings = [
            setting("data", "/d", false, Origin::File("l.toml".into(), 3)),
            setting("in_memory", "true", true, Origin::Flag("--in-memory".to_owned())),
        ];
        assert_eq!(as_toml(&settings, false), "data = \"/d\"\nin_memory = true\n");
        assert_eq!(
            as_toml(&settings, true),
            "data = \"/d\"       # l.toml:3\nin_memory = true  # flag --in-memory\n"
        );
    }
}
