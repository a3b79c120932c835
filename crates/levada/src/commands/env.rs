//! `levada env`: the lines that point AWS's tools at a running server.

use std::fmt::Write as _;

use crate::cli::Env;
use crate::exit::Failure;
use crate::folder;

/// The services that this binary answers for, as SDKs spell them in `AWS_ENDPOINT_URL_…`. The
/// plain `AWS_ENDPOINT_URL` would divert every service of a process.
const SERVICES: &[&str] = &["KINESIS"];

pub(crate) fn run(options: &Env) -> Result<(), Failure> {
    let endpoint = folder::endpoint(&options.folder.path)?;
    let key = folder::client_key(&options.folder.path)?;
    let mut lines = String::new();
    let mut export = |name: &str, value: &str| {
        // Writing to a string does not fail.
        let _infallible = writeln!(lines, "export {name}={}", quote(value));
    };
    if options.all {
        export("AWS_ENDPOINT_URL", &endpoint);
    } else {
        for service in SERVICES {
            export(&format!("AWS_ENDPOINT_URL_{service}"), &endpoint);
        }
    }
    export("AWS_ACCESS_KEY_ID", &key.access_key_id);
    export("AWS_SECRET_ACCESS_KEY", &key.secret_access_key);
    export("AWS_REGION", &options.region);
    export("AWS_DEFAULT_REGION", &options.region);
    lines.push_str("unset AWS_SESSION_TOKEN AWS_PROFILE\n");
    print!("{lines}");
    Ok(())
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
