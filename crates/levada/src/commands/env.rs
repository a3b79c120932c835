//! `levada env`: the lines that point AWS's tools at a running server.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::{endpoint_of, print};
use crate::cli::Env;
use crate::exit::Failure;
use crate::folder;

/// The services that this binary answers for, as SDKs spell them in `AWS_ENDPOINT_URL_…`. The
/// plain `AWS_ENDPOINT_URL` would divert every service of a process.
const SERVICES: &[&str] = &["KINESIS", "FIREHOSE", "CLOUDWATCH", "STS", "S3"];

/// What would beat the variables that are set.
const UNSET: &[&str] = &["AWS_SESSION_TOKEN", "AWS_PROFILE"];

pub(crate) fn run(options: &Env) -> Result<(), Failure> {
    let endpoint = endpoint_of(&options.place)?;
    let key = folder::client_key(&options.place.folder.path)?;
    let endpoints = match options.all {
        true => vec!["AWS_ENDPOINT_URL".to_owned()],
        false => SERVICES.iter().map(|service| format!("AWS_ENDPOINT_URL_{service}")).collect(),
    };
    let mut variables: Vec<(String, String)> =
        endpoints.into_iter().map(|name| (name, endpoint.clone())).collect();
    variables.extend([
        ("AWS_ACCESS_KEY_ID".to_owned(), key.access_key_id),
        ("AWS_SECRET_ACCESS_KEY".to_owned(), key.secret_access_key),
        ("AWS_REGION".to_owned(), options.region.clone()),
        ("AWS_DEFAULT_REGION".to_owned(), options.region.clone()),
    ]);
    let lines = if options.json { as_json(variables) } else { as_exports(&variables) };
    print(&lines);
    Ok(())
}

fn as_exports(variables: &[(String, String)]) -> String {
    let mut lines = String::new();
    for (name, value) in variables {
        // Writing to a string does not fail.
        let _infallible = writeln!(lines, "export {name}={}", quote(value));
    }
    lines + "unset " + &UNSET.join(" ") + "\n"
}

/// One object; what is to be unset is null.
fn as_json(variables: Vec<(String, String)>) -> String {
    let set = variables.into_iter().map(|(name, value)| (name, Value::String(value)));
    let unset = UNSET.iter().map(|name| ((*name).to_owned(), Value::Null));
    format!("{}\n", Value::Object(set.chain(unset).collect::<Map<_, _>>()))
}

/// Quotes for a POSIX shell, if need be.
fn quote(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/@+=,".contains(&byte);
    if !value.is_empty() && value.bytes().all(plain) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_for_a_shell() {
        assert_eq!(quote("http://127.0.0.1:4567"), "http://127.0.0.1:4567");
        assert_eq!(quote("a b"), "'a b'");
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote(""), "''");
    }
}
