//! Getting the peers, from wherever this machine gets its packages, into a cache that may be deleted.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How a peer is got.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// A crate with a program, and its version.
    Cargo(&'static str, &'static str),
    /// An npm package and its version.
    Npm(&'static str, &'static str),
    /// Python packages as pip names them, and the program.
    Pip(&'static str, &'static str),
    /// A program of the system's own packages.
    System(&'static str),
    /// Levada itself.
    Given,
}

impl Source {
    /// The installed program; otherwise why there is none.
    pub(crate) fn find(self, cache: &Path, install: bool) -> Result<PathBuf, String> {
        if let Source::System(program) = self {
            return find_in_path(program).ok_or_else(|| format!("no {program} on this machine"));
        }
        let path = self.path(cache);
        if !path.exists() && install {
            self.install(cache)?;
        }
        if path.exists() { Ok(path) } else { Err("it is not installed".to_owned()) }
    }

    fn path(self, cache: &Path) -> PathBuf {
        match self {
            Source::Cargo(name, _) => cache.join("cargo/bin").join(name),
            Source::Npm(name, _) => cache.join("node/node_modules/.bin").join(name),
            Source::Pip(_, program) => cache.join("python/bin").join(program),
            Source::System(_) | Source::Given => PathBuf::new(),
        }
    }

    fn install(self, cache: &Path) -> Result<(), String> {
        match self {
            Source::Cargo(name, version) => run(Command::new("cargo")
                .args(["install", "--locked", "--quiet", name, "--version", version, "--root"])
                .arg(cache.join("cargo"))
                .env("CARGO_TARGET_DIR", cache.join("build"))),
            Source::Npm(name, version) => run(Command::new("npm")
                .args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"])
                .arg(cache.join("node"))
                .arg(format!("{name}@{version}"))),
            Source::Pip(package, _) => {
                let folder = cache.join("python");
                if !folder.exists() {
                    run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
                }
                run(Command::new(folder.join("bin/pip")).args(["install", "--quiet", package]))
            }
            Source::System(_) | Source::Given => Ok(()),
        }
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    // Whoever measures does not want to be measured.
    let ended = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    match ended {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{program} ended with {status}")),
        Err(error) => Err(format!("{program}: {error}")),
    }
}

fn find_in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
}
