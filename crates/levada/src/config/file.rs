//! The configuration file: where it is, and what it says line by line.

use std::env;
use std::io;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use crate::exit::Failure;

const FILE_NAME: &str = "levada/levada.toml";
const SYSTEM_FOLDER: &str = "/etc";

/// A configuration file.
#[derive(Debug)]
pub(crate) struct File {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// What it says, sections spelled out.
    pub(crate) entries: Vec<Entry>,
}

/// A key with a value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// `section.key`.
    pub(crate) name: String,
    /// As it would be written on a command line.
    pub(crate) value: String,
    /// From one, as editors count.
    pub(crate) line: usize,
}

impl File {
    /// The place of a line, as editors understand it.
    pub(crate) fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.path.display())
    }

    pub(super) fn parse(path: &Path, text: &str) -> Result<File, Failure> {
        let line_of = |offset: usize| 1 + text[..offset.min(text.len())].matches('\n').count();
        let mut file = File { path: path.to_owned(), entries: Vec::new() };
        let table = DeTable::parse(text).map_err(|error| {
            let line = line_of(error.span().map_or(0, |span| span.start));
            let message = format!("{}: {}", file.at(line), error.message().trim_end());
            Failure::usage(message.replace('\n', ", ")).help("the file is TOML: key = \"value\"")
        })?;
        let mut found = Vec::new();
        flatten("", table.get_ref(), &mut found);
        for (name, value, offset) in found {
            let line = line_of(offset);
            let value = value.ok_or_else(|| {
                Failure::usage(format!("{}: {name} has a value of a wrong kind", file.at(line)))
                    .help("a value is a string in quotes, a number, true or false")
            })?;
            file.entries.push(Entry { name, value, line });
        }
        Ok(file)
    }
}

/// A name, its value if that is of a kind that keys have, and where the name stands.
type Found = (String, Option<String>, usize);

fn flatten(prefix: &str, table: &DeTable<'_>, found: &mut Vec<Found>) {
    for (key, value) in table {
        let name = format!("{prefix}{}", key.get_ref());
        let text = match value.get_ref() {
            DeValue::Table(inner) => {
                flatten(&format!("{name}."), inner, found);
                continue;
            }
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Integer(number) => Some(number.to_string()),
            DeValue::Boolean(truth) => Some(truth.to_string()),
            DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) => None,
        };
        found.push((name, text, key.span().start));
    }
}

/// The file that was named, else the first that exists: the user's, then the system's. Only one is
/// read.
pub(crate) fn find(given: Option<&Path>) -> Result<Option<File>, Failure> {
    let places = given.map_or_else(usual_places, |path| vec![path.to_owned()]);
    for path in &places {
        match read(path) {
            Ok(text) => return File::parse(path, &text).map(Some),
            Err(error) if given.is_none() && is_absent(path, &error) => {}
            Err(error) => {
                let message = format!("{} cannot be read: {error}", path.display());
                return Err(Failure::usage(message).help(
                    "name a readable file with --config, or LEVADA_CONFIG=/dev/null for none",
                ));
            }
        }
    }
    Ok(None)
}

fn is_absent(path: &Path, error: &io::Error) -> bool {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => true,
        // A service may have somebody else's HOME, which says nothing about the service.
        io::ErrorKind::PermissionDenied => !path.starts_with(SYSTEM_FOLDER),
        _ => false,
    }
}

/// Where a file is looked for, in this order.
fn usual_places() -> Vec<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let user = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")));
    user.into_iter()
        .chain([PathBuf::from(SYSTEM_FOLDER)])
        .map(|folder| folder.join(FILE_NAME))
        .collect()
}

#[allow(
    clippy::disallowed_methods,
    reason = "the configuration says where the store is, so it is read before there is one"
)]
fn read(path: &Path) -> io::Result<String> {
    std::fs::read_to_string(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<(String, String, usize)>, String> {
        let file = File::parse(Path::new("levada.toml"), text).map_err(|f| f.to_string())?;
        Ok(file.entries.into_iter().map(|entry| (entry.name, entry.value, entry.line)).collect())
    }

    #[test]
    fn entries_have_their_lines() {
        let text = "# a comment\nlisten = \"[::1]:1\"\n\nin_memory = true\n[tls]\nport = 7\n";
        let mut entries = parse(text).unwrap();
        entries.sort_by_key(|(_, _, line)| *line);
        let expected = [("listen", "[::1]:1", 2), ("in_memory", "true", 4), ("tls.port", "7", 6)];
        assert_eq!(entries, expected.map(|(n, v, line)| (n.to_owned(), v.to_owned(), line)));
    }

    #[test]
    fn what_is_not_toml_names_its_line() {
        let refused = parse("listen = \"a\"\nlog = info\n").unwrap_err();
        assert!(refused.starts_with("levada.toml:2: "), "{refused}");
        let refused = parse("listen = \"a\"\nlisten = \"b\"\n").unwrap_err();
        assert!(refused.starts_with("levada.toml:2: "), "{refused}");
        let refused = parse("listen = [1]\n").unwrap_err();
        assert_eq!(refused, "levada.toml:1: listen has a value of a wrong kind");
    }
}
