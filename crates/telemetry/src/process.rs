//! What the operating system knows about this process.

use rustix::fs::{Mode, OFlags};

/// Resident memory in bytes, from `/proc/self/statm`; `None` where there is no such file.
pub fn resident_bytes() -> Option<u64> {
    let file = rustix::fs::open("/proc/self/statm", OFlags::RDONLY, Mode::empty()).ok()?;
    let mut text = [0; 256];
    let length = rustix::io::read(&file, &mut text).ok()?;
    let pages: u64 = std::str::from_utf8(&text[..length]).ok()?.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_takes_some_memory() {
        assert!(super::resident_bytes().unwrap() > 100_000);
    }
}
