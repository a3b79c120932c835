//! Where the data folder is, and what a running server leaves there for its clients.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use identity::KeyPair;
use store::folder::read_published;

use crate::exit::Failure;

/// The file that says where a running server listens.
pub(crate) const ENDPOINT_FILE: &str = "endpoint";
/// The file that holds the root key pair: id, space, secret.
pub(crate) const ROOT_KEY_FILE: &str = "root-key";
/// The environment's root access key id.
pub(crate) const ROOT_ID_VARIABLE: &str = "LEVADA_ROOT_ACCESS_KEY_ID";
/// The environment's root secret access key.
pub(crate) const ROOT_SECRET_VARIABLE: &str = "LEVADA_ROOT_SECRET_ACCESS_KEY";

/// `$XDG_DATA_HOME/levada`, else `~/.local/share/levada`.
pub(crate) fn default_folder() -> PathBuf {
    let set = |name| env::var_os(name).filter(|value: &OsString| !value.is_empty());
    match (set("XDG_DATA_HOME"), set("HOME")) {
        (Some(data), _) => PathBuf::from(data).join("levada"),
        (None, Some(home)) => PathBuf::from(home).join(".local/share/levada"),
        (None, None) => PathBuf::from("levada-data"),
    }
}

/// The root key pair out of the environment, if both halves are there.
pub(crate) fn root_key_from_environment() -> Option<KeyPair> {
    let set = |name| env::var(name).ok().filter(|value| !value.is_empty());
    Some(KeyPair {
        access_key_id: set(ROOT_ID_VARIABLE)?,
        secret_access_key: set(ROOT_SECRET_VARIABLE)?,
    })
}

/// The bytes of [`ROOT_KEY_FILE`].
pub(crate) fn encode_key(pair: &KeyPair) -> Vec<u8> {
    format!("{} {}\n", pair.access_key_id, pair.secret_access_key).into_bytes()
}

/// Reads the bytes of [`ROOT_KEY_FILE`].
pub(crate) fn decode_key(bytes: &[u8]) -> Option<KeyPair> {
    let (id, secret) = std::str::from_utf8(bytes).ok()?.trim_end().split_once(' ')?;
    Some(KeyPair { access_key_id: id.to_owned(), secret_access_key: secret.to_owned() })
}

/// Where the server of `folder` listens.
pub(crate) fn endpoint(folder: &Path) -> Result<String, Failure> {
    match read_text(folder, ENDPOINT_FILE)? {
        Some(endpoint) => Ok(endpoint.trim_end().to_owned()),
        None => Err(Failure::not_ready(format!("no server runs on {}", folder.display()))
            .help("start one with `levada serve`, or name its folder with --data")),
    }
}

/// The keys to sign with: the environment's root key, else the folder's.
pub(crate) fn client_key(folder: &Path) -> Result<KeyPair, Failure> {
    if let Some(pair) = root_key_from_environment() {
        return Ok(pair);
    }
    let text = read_text(folder, ROOT_KEY_FILE)?;
    text.and_then(|text| decode_key(text.as_bytes())).ok_or_else(|| {
        Failure::new(format!("there is no root key in {}", folder.display()))
            .help(format!("set {ROOT_ID_VARIABLE} and {ROOT_SECRET_VARIABLE} as for the server"))
    })
}

fn read_text(folder: &Path, name: &str) -> Result<Option<String>, Failure> {
    let bytes = read_published(folder, name).map_err(|error| {
        Failure::new(format!("{} cannot be read: {error}", folder.join(name).display()))
    })?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_read_as_written() {
        let pair =
            KeyPair { access_key_id: "AKIA".to_owned(), secret_access_key: "a+/b".to_owned() };
        assert_eq!(decode_key(&encode_key(&pair)), Some(pair));
        assert_eq!(decode_key(b"nonsense"), None);
    }
}
