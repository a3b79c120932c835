//! What the kernel knows of another process.

use std::collections::BTreeMap;
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
    let (_, cpu) = parse_stat(&stat)?;
    Ok(cpu.user_seconds + cpu.system_seconds)
}

/// Processor seconds, as the kernel divides them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cpu {
    /// In the program.
    pub user_seconds: f64,
    /// In the kernel.
    pub system_seconds: f64,
}

/// The processor seconds of a process by the name of the thread; threads of one name together.
///
/// # Errors
/// When the process is gone or `/proc` is not readable.
pub fn read_thread_cpu(pid: u32) -> io::Result<BTreeMap<String, Cpu>> {
    let mut threads: BTreeMap<String, Cpu> = BTreeMap::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end between the listing and the look.
        let Ok(stat) = fs::read_to_string(thread?.path().join("stat")) else { continue };
        let (name, cpu) = parse_stat(&stat)?;
        let sum = threads.entry(name.to_owned()).or_default();
        sum.user_seconds += cpu.user_seconds;
        sum.system_seconds += cpu.system_seconds;
    }
    Ok(threads)
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

/// Writes of a thread of this process, by the thread's name: how many, and their bytes.
///
/// # Errors
/// When there is no such thread or `/proc` is not readable.
pub fn read_thread_writes(name: &str) -> io::Result<(u64, u64)> {
    for thread in fs::read_dir("/proc/self/task")? {
        let thread = thread?.path();
        if fs::read_to_string(thread.join("comm"))?.trim_end() != name {
            continue;
        }
        let text = fs::read_to_string(thread.join("io"))?;
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
            line.and_then(|value| value.parse().ok())
        };
        let read = value("syscw").zip(value("wchar"));
        return read.ok_or_else(|| io::Error::other("unexpected form of /proc/PID/task/TID/io"));
    }
    Err(io::Error::other(format!("no thread {name}")))
}

/// The name, and fields 14 and 15; counted after the last `)`, because a name may hold anything.
fn parse_stat(stat: &str) -> io::Result<(&str, Cpu)> {
    let parse = || {
        let (before, rest) = stat.rsplit_once(')')?;
        let (_, name) = before.split_once('(')?;
        let mut ticks = rest.split_ascii_whitespace().skip(11);
        let mut seconds = || Some(ticks.next()?.parse::<u64>().ok()? as f64 / TICKS_PER_SECOND);
        Some((name, Cpu { user_seconds: seconds()?, system_seconds: seconds()? }))
    };
    parse().ok_or_else(|| io::Error::other("unexpected form of /proc/PID/stat"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_brackets_does_not_shift_the_fields() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194304 100 0 0 0 25 17 0 0 20 0 1 0 5 0 0";
        let cpu = Cpu { user_seconds: 0.25, system_seconds: 0.17 };
        assert_eq!(parse_stat(stat).unwrap(), ("a ) b", cpu));
    }

    #[test]
    fn this_process_is_resident() {
        assert!(read_resident_bytes(std::process::id()).unwrap() > 0);
        assert!(read_cpu_seconds(std::process::id()).unwrap() >= 0.0);
    }
}
