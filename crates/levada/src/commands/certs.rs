//! `levada certs`: the certificate that TLS clients of a server must believe in.

use std::path::Path;

use store::folder::read_published;

use super::print;
use crate::cli::Certs;
use crate::exit::Failure;
use crate::tls::CA_FILE;

pub(crate) fn run(options: &Certs) -> Result<(), Failure> {
    let folder = &options.folder.path;
    let path = folder.join(CA_FILE);
    let failed = |error| Failure::new(format!("{} cannot be read: {error}", path.display()));
    let pem = read_published(folder, CA_FILE).map_err(failed)?.ok_or_else(|| {
        Failure::not_ready(format!("there is no certificate authority in {}", folder.display()))
            .help("`levada serve` makes one on its first start, unless it is given --tls-cert")
    })?;
    match &options.export {
        Some(file) => {
            export(file, &pem)?;
            eprintln!("written to {}", file.display());
        }
        None => {
            print(&String::from_utf8_lossy(&pem));
            eprintln!("this is {}", path.display());
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the operator says where it is to go")]
fn export(file: &Path, pem: &[u8]) -> Result<(), Failure> {
    std::fs::write(file, pem)
        .map_err(|error| Failure::new(format!("{} cannot be written: {error}", file.display())))
}
