//! `levada`: parse, run, exit.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Buffers are made by one thread and dropped by another all day long, which the system's allocator
/// pays for with a tenth of a PutRecord. Without huge pages: a chunk's first byte would zero 2 MiB.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    levada::run(std::env::args_os())
}
