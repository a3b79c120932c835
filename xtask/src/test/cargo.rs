//! The steps that are cargo's own.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::report::Counts;
use super::{Outcome, Setting, programs};
use crate::Failure;

/// The version that `--long` installs if there is none.
const CARGO_DENY: &str = "0.20.2";

fn cargo(setting: &Setting) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(&setting.root);
    command
}

/// Where cargo builds.
pub(super) fn target_folder(root: &Path) -> Result<PathBuf, Failure> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(root)
        .output()?;
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let folder = metadata["target_directory"].as_str().ok_or("cargo metadata names no target")?;
    Ok(PathBuf::from(folder))
}

pub(super) fn format(setting: &Setting) -> Result<Outcome, Failure> {
    Ok(Outcome::one(programs::succeeds(cargo(setting).args(["fmt", "--all", "--check"]))?))
}

pub(super) fn clippy(setting: &Setting) -> Result<Outcome, Failure> {
    let arguments = ["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"];
    Ok(Outcome::one(programs::succeeds(cargo(setting).args(arguments))?))
}

/// Every test of every crate.
pub(super) fn test(setting: &Setting) -> Result<Outcome, Failure> {
    let mut command = cargo(setting);
    command.args(["test", "--workspace", "--no-fail-fast"]);
    if let Some(pattern) = &setting.pattern {
        command.arg(pattern);
    }
    if setting.long {
        command.env("LEVADA_LONG", "1");
    }
    let (succeeded, said) = programs::listen(&mut command)?;
    let mut counts = count_tests(&said);
    if !succeeded && counts.failed == 0 {
        counts.failed = 1;
    }
    Ok(Outcome { counts, note: String::new() })
}

/// Adds up `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
fn count_tests(said: &str) -> Counts {
    let mut counts = Counts::default();
    for line in said.lines().filter(|line| line.starts_with("test result: ")) {
        let number = |word: &str| {
            let words: Vec<&str> = line.split([' ', ';']).filter(|part| !part.is_empty()).collect();
            let at = words.iter().position(|part| *part == word);
            at.and_then(|at| words[at - 1].parse().ok()).unwrap_or(0)
        };
        counts.add(Counts {
            passed: number("passed"),
            failed: number("failed"),
            skipped: number("ignored"),
        });
    }
    counts
}

/// The binary that the suites drive.
///
/// A whole run takes the one that the tests were built with: development dependencies switch
/// features on, so that building the package alone compiles nearly everything a second time.
pub(super) fn build(setting: &Setting) -> Result<Outcome, Failure> {
    let arguments: &[&str] = match setting.only {
        None => &["test", "--quiet", "--workspace", "--no-run"],
        Some(_) => &["build", "--quiet", "--package", "levada"],
    };
    Ok(Outcome::one(programs::succeeds(cargo(setting).args(arguments))?))
}

/// The built binary.
pub(super) fn binary(setting: &Setting) -> PathBuf {
    setting.target.join("debug").join("levada")
}

/// `deny.toml` through its own tool. Advisories need a database that is not in any registry.
pub(super) fn deny(setting: &Setting) -> Result<Outcome, Failure> {
    if !setting.long {
        return Ok(Outcome::skipped("only with --long; tidy has checked the lists"));
    }
    let mut path = setting.cache.join("tools").into_os_string();
    path.push("/bin:");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let has_it = |path: &std::ffi::OsStr| {
        let output = cargo(setting).args(["deny", "--version"]).env("PATH", path).output();
        output.is_ok_and(|output| output.status.success())
    };
    if !has_it(&path) {
        let installed = programs::succeeds(
            cargo(setting)
                .args(["install", "--locked", "--quiet", "cargo-deny", "--version", CARGO_DENY])
                .arg("--root")
                .arg(setting.cache.join("tools")),
        )?;
        if !installed {
            return Ok(Outcome::skipped("cargo-deny cannot be installed here"));
        }
    }
    let arguments = ["deny", "check", "licenses", "bans", "sources"];
    Ok(Outcome::one(programs::succeeds(cargo(setting).args(arguments).env("PATH", path))?))
}

#[cfg(test)]
mod tests {
    use super::count_tests;

    #[test]
    fn verdicts_are_added_up() {
        let counts = count_tests(
            "running 2 tests\n\
             test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out\n\
             test result: ok. 20 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out\n",
        );
        assert_eq!((counts.passed, counts.failed, counts.skipped), (23, 1, 2));
    }
}
