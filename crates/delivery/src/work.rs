//! Tasks that end when nobody waits for them any more.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use stdx::task;
use tokio::task::JoinHandle;

/// A task, broken off when dropped.
#[derive(Debug)]
pub(crate) struct Work<T>(JoinHandle<T>);

impl<T: Send + 'static> Work<T> {
    pub(crate) fn start(work: impl Future<Output = T> + Send + 'static) -> Self {
        Work(task::spawn(work))
    }

    /// Breaks it off, and waits until that is so.
    pub(crate) async fn end(mut self) {
        self.0.abort();
        let _broken_off = Pin::new(&mut self.0).await;
    }
}

impl<T> Drop for Work<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<T> Future for Work<T> {
    /// `None` if it panicked or was broken off.
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        Pin::new(&mut self.0).poll(context).map(Result::ok)
    }
}
