//! What the kernel knows of another process.

use std::fs;
use std::io;

/// Clock ticks in a second, as `/proc` counts them: 100 on every Linux that Levada runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// The processor seconds a process has used, user and system, all its threads together.
///
/// # Errors
/// When the process is gone or `/proc` is not readable.
pub fn read_cpu_seconds(pid: u32) -> io::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse_cpu_ticks(&stat)
        .map(|ticks| ticks as f64 / TICKS_PER_SECOND)
        .ok_or_else(|| io::Error::other("unexpected form of /proc/PID/stat"))
}

/// The memory a process holds in RAM.
///
/// # Errors
/// When the process is gone or `/proc` is not readable.
pub fn read_resident_bytes(pid: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok())
        .map(|kib| kib * 1024)
        .ok_or_else(|| io::Error::other("no VmRSS in /proc/PID/status"))
}

/// Fields 14 and 15; counted after the last `)`, because a program's name may hold anything.
fn parse_cpu_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_brackets_does_not_shift_the_fields() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194304 100 0 0 0 25 17 0 0 20 0 1 0 5 0 0";
        assert_eq!(parse_cpu_ticks(stat), Some(42));
    }

    #[test]
    fn this_process_is_resident() {
        assert!(read_resident_bytes(std::process::id()).unwrap() > 0);
        assert!(read_cpu_seconds(std::process::id()).unwrap() >= 0.0);
    }
}
