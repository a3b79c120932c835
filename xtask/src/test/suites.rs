//! The conformance suites: real clients against the real binary.

use std::process::Command;

use super::report::Counts;
use super::{Outcome, Setting, cargo, clients, marks, programs};
use crate::Failure;

/// A suite: a name that `models/coverage.toml` uses, and the files of `conformance/python`.
pub(super) struct Suite {
    pub(super) name: &'static str,
    pub(super) needs: &'static [&'static str],
    files: &'static [&'static str],
}

const WITH_PYTHON: &[&str] = &["build", "python"];
const WITH_NODE: &[&str] = &["build", "python", "node"];
const WITH_GO: &[&str] = &["build", "python", "go"];
const WITH_RUST: &[&str] = &["build", "python", "rust"];
const WITH_JAVA: &[&str] = &["build", "python", "java"];

/// Every suite, the quick ones first.
pub(super) const SUITES: &[Suite] = &[
    Suite {
        name: "levada-cli",
        needs: WITH_PYTHON,
        files: &["test_levada_cli.py", "test_config.py", "test_deploy.py"],
    },
    Suite {
        name: "boto3",
        needs: WITH_PYTHON,
        files: &[
            "test_streams.py",
            "test_shards.py",
            "test_records.py",
            "test_iterators.py",
            "test_resharding.py",
            "test_scaling.py",
            "test_tags.py",
            "test_addressing.py",
            "test_retention.py",
            "test_encryption.py",
            "test_monitoring.py",
            "test_record_size.py",
            "test_policies.py",
            "test_account.py",
            "test_consumers.py",
            "test_fan_out.py",
            "test_errors.py",
            "test_auth.py",
            "test_unserved.py",
            "test_operator.py",
            "test_clock.py",
            "test_space.py",
            "test_faults.py",
            "test_metrics.py",
            "test_limits.py",
            "test_on_demand.py",
            "test_dry_run.py",
            "test_top.py",
            "test_firehose_api.py",
        ],
    },
    Suite { name: "cbor", needs: WITH_PYTHON, files: &["test_cbor.py"] },
    Suite { name: "negatives", needs: WITH_PYTHON, files: &["test_constraints.py"] },
    Suite { name: "recorded", needs: WITH_PYTHON, files: &["test_recorded.py"] },
    Suite { name: "aws-cli", needs: WITH_PYTHON, files: &["test_aws_cli.py"] },
    Suite { name: "node-sdk", needs: WITH_NODE, files: &["test_node.py"] },
    Suite { name: "go-sdk", needs: WITH_GO, files: &["test_go.py"] },
    Suite { name: "rust-sdk", needs: WITH_RUST, files: &["test_rust.py"] },
    Suite { name: "java-sdk", needs: WITH_JAVA, files: &["test_java.py"] },
    Suite { name: "tls", needs: WITH_PYTHON, files: &["test_tls.py"] },
    Suite { name: "other-services", needs: WITH_PYTHON, files: &["test_other_services.py"] },
    Suite {
        name: "delivery",
        needs: WITH_PYTHON,
        files: &["test_delivery.py", "test_delivery_crash.py", "test_conversion.py"],
    },
    Suite { name: "embedded-bucket", needs: WITH_PYTHON, files: &["test_embedded_bucket.py"] },
    Suite { name: "protocol", needs: WITH_PYTHON, files: &["test_protocol.py"] },
    Suite { name: "demo", needs: WITH_PYTHON, files: &["test_demo.py"] },
    Suite { name: "recipes", needs: WITH_PYTHON, files: &["test_recipes.py"] },
    Suite { name: "wheel", needs: WITH_PYTHON, files: &["test_wheel.py"] },
    Suite {
        name: "durability",
        needs: WITH_PYTHON,
        files: &[
            "test_durability.py",
            "test_damage.py",
            "test_wall_clock.py",
            "test_disk_full.py",
            "test_reshard_load.py",
            "test_bucket.py",
            "test_ceph.py",
        ],
    },
    Suite {
        name: "operations",
        needs: WITH_PYTHON,
        files: &["test_doctor.py", "test_du_cat.py", "test_backup.py"],
    },
    Suite { name: "kcl", needs: WITH_JAVA, files: &["test_kcl.py"] },
];

/// Runs a suite with pytest and reads its verdicts from the report that pytest writes.
pub(super) fn run(setting: &Setting, suite: &Suite) -> Result<Outcome, Failure> {
    let report = setting.cache.join(format!("{}.xml", suite.name));
    let mut command = Command::new(clients::python(setting));
    command
        .args(["-m", "pytest", "--quiet", "-rs", "-p", "no:cacheprovider"])
        .arg(format!("--junitxml={}", report.display()))
        .args(suite.files)
        .current_dir(setting.root.join("conformance/python"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("LEVADA_BINARY", cargo::binary(setting))
        .env("LEVADA_NODE", clients::node_folder(setting))
        .env("LEVADA_GO", clients::go_program(setting))
        .env("LEVADA_RUST", clients::rust_program(setting))
        .env("LEVADA_JAVA", clients::java_folder(setting));
    match &setting.pattern {
        Some(pattern) => command.args(["-k", pattern]),
        // Only a whole suite says what it proves.
        None => command.env("LEVADA_MARKS", marks::file(setting, suite.name)),
    };
    if setting.long {
        command.env("LEVADA_LONG", "1");
    }
    let succeeded = programs::succeeds(&mut command)?;
    let mut counts = read_counts(&std::fs::read_to_string(&report)?);
    if !succeeded && counts.failed == 0 && setting.pattern.is_none() {
        counts.failed = 1;
    }
    Ok(Outcome { counts, note: String::new() })
}

/// `<testsuite name="pytest" errors="0" failures="0" skipped="1" tests="9" …>`.
fn read_counts(report: &str) -> Counts {
    let head = report.split("<testsuite ").nth(1).unwrap_or_default();
    let head = head.split('>').next().unwrap_or_default();
    let number = |name: &str| -> usize {
        let value = head.split(&format!("{name}=\"")).nth(1).unwrap_or_default();
        value.split('"').next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
    };
    let (failed, skipped) = (number("errors") + number("failures"), number("skipped"));
    Counts { passed: number("tests").saturating_sub(failed + skipped), failed, skipped }
}

#[cfg(test)]
mod tests {
    use super::read_counts;

    #[test]
    fn a_report_is_counted() {
        let counts = read_counts(
            "<?xml version=\"1.0\"?><testsuites name=\"t\"><testsuite name=\"pytest\" errors=\"1\" \
             failures=\"2\" skipped=\"3\" tests=\"10\" time=\"1.0\"><testcase tests=\"5\"/>",
        );
        assert_eq!((counts.passed, counts.failed, counts.skipped), (4, 3, 3));
    }
}
