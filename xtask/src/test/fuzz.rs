//! The fuzz targets, each for a while, where a nightly toolchain is installed: libFuzzer without another
//! program around it.

use std::path::Path;
use std::process::Command;

use super::report::Counts;
use super::{Outcome, Setting, programs};
use crate::Failure;

/// How long each target runs.
const SECONDS: u32 = 30;
/// The largest input that is tried: beyond the largest block that is decoded in one piece.
const INPUT_BYTES_MAX: u32 = 65_536;
const MEMORY_MIB_MAX: u32 = 1024;

/// What makes a program tell libFuzzer where it has been, and AddressSanitizer what it touches.
const RUSTFLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
     -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
     -Zsanitizer=address --cfg fuzzing -Ccodegen-units=1 -Cdebug-assertions";

/// Builds the targets and runs them, with `--long`.
pub(super) fn run(setting: &Setting) -> Result<Outcome, Failure> {
    if !setting.long {
        return Ok(Outcome::skipped("runs with --long"));
    }
    let Some(host) = host_of_nightly()? else {
        return Ok(Outcome::skipped("no nightly toolchain is installed"));
    };
    let folder = setting.root.join("fuzz");
    let built = setting.target.join("fuzz");
    let mut build = Command::new("rustup");
    build
        .args(["run", "nightly", "cargo", "build", "--release", "--bins", "--target", &host])
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", &built)
        .env("RUSTFLAGS", RUSTFLAGS);
    if !programs::succeeds(&mut build)? {
        return Ok(Outcome::one(false).with_note("the targets do not build"));
    }
    let (mut counts, mut failed) = (Counts::default(), Vec::new());
    for target in targets(&folder)? {
        let program = built.join(&host).join("release").join(&target);
        // What it finds is kept for the next run; examples are read and not written.
        let found = setting.cache.join("fuzz").join(&target);
        std::fs::create_dir_all(&found)?;
        let mut fuzzer = Command::new(program);
        fuzzer
            .arg(format!("-max_total_time={SECONDS}"))
            .arg(format!("-max_len={INPUT_BYTES_MAX}"))
            .arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"))
            .args(["-timeout=10", "-verbosity=0"])
            .arg(format!("-artifact_prefix={}-", found.display()))
            .arg(&found)
            .arg(folder.join("corpus").join(&target));
        let holds = programs::succeeds(&mut fuzzer)?;
        counts.add(Counts::one(holds));
        if !holds {
            failed.push(target);
        }
    }
    Ok(Outcome { counts, note: failed.join(" ") })
}

/// What the nightly toolchain builds for; `None` if there is none.
fn host_of_nightly() -> Result<Option<String>, Failure> {
    let asked = Command::new("rustup").args(["run", "nightly", "rustc", "-vV"]).output();
    let Ok(output) = asked else { return Ok(None) };
    let said = String::from_utf8(output.stdout)?;
    Ok(said.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned))
}

fn targets(folder: &Path) -> Result<Vec<String>, Failure> {
    let mut targets = Vec::new();
    for file in std::fs::read_dir(folder.join("fuzz_targets"))? {
        let path = file?.path();
        targets.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    targets.sort();
    Ok(targets)
}
