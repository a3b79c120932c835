//! The real clients, installed with pinned versions into the cache.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Outcome, Setting, programs};
use crate::Failure;

/// The interpreter of the environment that the suites run in.
pub(super) fn python(setting: &Setting) -> PathBuf {
    setting.cache.join("python/bin/python")
}

/// Where the Node suite's packages are.
pub(super) fn node_folder(setting: &Setting) -> PathBuf {
    setting.cache.join("node")
}

/// The Go suite's program.
pub(super) fn go_program(setting: &Setting) -> PathBuf {
    setting.cache.join("go/conformance")
}

/// The Rust suite's program.
pub(super) fn rust_program(setting: &Setting) -> PathBuf {
    setting.cache.join("rust/debug/levada-conformance")
}

/// Where the Java clients' classes and class paths are.
pub(super) fn java_folder(setting: &Setting) -> PathBuf {
    setting.cache.join("java")
}

/// boto3, the AWS CLI, pytest: whatever `requirements.txt` pins.
pub(super) fn install_python(setting: &Setting) -> Result<Outcome, Failure> {
    let Some(version) = programs::version("python3") else {
        return Ok(Outcome::skipped("there is no python3"));
    };
    let wanted = setting.root.join("conformance/python/requirements.txt");
    let folder = setting.cache.join("python");
    if is_fresh(&folder, &[&wanted])? {
        return Ok(Outcome::one(true).with_note(version));
    }
    remove(&folder)?;
    if !programs::succeeds(Command::new("python3").args(["-m", "venv"]).arg(&folder))? {
        return Ok(Outcome::skipped("python3 has no venv"));
    }
    let mut pip = Command::new(python(setting));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    let installed = programs::succeeds(pip.arg("--requirement").arg(&wanted))?;
    if installed {
        stamp(&folder, &[&wanted])?;
    }
    Ok(Outcome::one(installed).with_note(version))
}

/// The JavaScript SDK, by the committed lock file.
pub(super) fn install_node(setting: &Setting) -> Result<Outcome, Failure> {
    let (Some(version), Some(_)) = (programs::version("node"), programs::version("npm")) else {
        return Ok(Outcome::skipped("there is no node with npm"));
    };
    let source = setting.root.join("conformance/node");
    let wanted = [source.join("package.json"), source.join("package-lock.json")];
    let wanted: Vec<&Path> = wanted.iter().map(PathBuf::as_path).collect();
    let folder = node_folder(setting);
    if is_fresh(&folder, &wanted)? {
        return Ok(Outcome::one(true).with_note(version));
    }
    remove(&folder)?;
    std::fs::create_dir_all(&folder)?;
    for file in &wanted {
        std::fs::copy(file, folder.join(file.file_name().unwrap_or_default()))?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]);
    let installed = programs::succeeds(npm.current_dir(&folder))?;
    if installed {
        stamp(&folder, &wanted)?;
    }
    Ok(Outcome::one(installed).with_note(version))
}

/// The program over the Go SDK. Go knows itself what is fresh.
pub(super) fn build_go(setting: &Setting) -> Result<Outcome, Failure> {
    let Some(version) = programs::says("go", "version") else {
        return Ok(Outcome::skipped("there is no go"));
    };
    let mut go = Command::new("go");
    go.args(["build", "-trimpath", "-o"]).arg(go_program(setting)).arg(".");
    let built = programs::succeeds(go.current_dir(setting.root.join("conformance/go")))?;
    Ok(Outcome::one(built).with_note(version))
}

/// The program over the Rust SDK: a workspace of its own, in the cache.
pub(super) fn build_rust(setting: &Setting) -> Result<Outcome, Failure> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--target-dir"]).arg(setting.cache.join("rust"));
    let built = programs::succeeds(cargo.current_dir(setting.root.join("conformance/rust")))?;
    Ok(Outcome::one(built))
}

/// The programs over the Java SDK, KCL and KPL, and DynamoDB Local for KCL's leases.
pub(super) fn build_java(setting: &Setting) -> Result<Outcome, Failure> {
    let Some(version) = programs::version("java") else {
        return Ok(Outcome::skipped("there is no java"));
    };
    if programs::version("mvn").is_none() || programs::version("javac").is_none() {
        return Ok(Outcome::skipped("there is no mvn with javac"));
    }
    for (project, manifest) in [("clients", "pom.xml"), ("leases", "leases/pom.xml")] {
        let mut maven = Command::new("mvn");
        maven.args(["--quiet", "--batch-mode", "-Dstyle.color=never"]);
        maven.args(["compile", "--file", manifest]);
        maven.arg(format!("-Dfolder={}", java_folder(setting).join(project).display()));
        if !programs::succeeds(maven.current_dir(setting.root.join("conformance/java")))? {
            return Ok(Outcome::one(false).with_note(format!("{project} was not built")));
        }
    }
    Ok(Outcome::one(true).with_note(version.lines().next().unwrap_or_default()))
}

/// What a folder was installed from.
fn text_of(wanted: &[&Path]) -> Result<String, Failure> {
    let mut text = String::new();
    for file in wanted {
        let read = std::fs::read_to_string(file);
        text += &read.map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(text)
}

fn is_fresh(folder: &Path, wanted: &[&Path]) -> Result<bool, Failure> {
    let stamped = std::fs::read_to_string(folder.join("installed-from")).ok();
    Ok(stamped == Some(text_of(wanted)?))
}

fn stamp(folder: &Path, wanted: &[&Path]) -> Result<(), Failure> {
    Ok(std::fs::write(folder.join("installed-from"), text_of(wanted)?)?)
}

fn remove(folder: &Path) -> Result<(), Failure> {
    match folder.exists() {
        true => Ok(std::fs::remove_dir_all(folder)?),
        false => Ok(()),
    }
}
