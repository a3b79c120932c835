//! What an operator sees of a delivery stream, and what an operator can do.

use stdx::UnixMillis;
use tokio::sync::oneshot;

use crate::engine::Delivery;
use crate::error::Error;
use crate::outside::PutError;
use crate::owners::Command;
use crate::stream::DeliveryStream;

/// How a delivery stream is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryStatus {
    /// Records that are read and not delivered.
    pub backlog_records: u64,
    /// Their bytes.
    pub backlog_bytes: u64,
    /// When the oldest of them arrived.
    pub oldest: Option<UnixMillis>,
    /// Objects that are planned and not delivered.
    pub plans: Vec<PlanStatus>,
    /// Partitions that hold something.
    pub partitions: usize,
    /// Records that its source gave up before they were read, since the server started.
    pub lost_records: u64,
    /// Buckets that write over objects that are there, so that a crash may leave an object twice.
    pub at_least_once: Vec<String>,
    /// What keeps it from going on, if anything does: its source is missing, or its store does not take
    /// what it has to write.
    pub trouble: Option<String>,
}

/// An object that is planned and not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanStatus {
    /// The object's bucket.
    pub bucket: String,
    /// The object's name.
    pub key: String,
    /// Records in it.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// When it was planned.
    pub planned: UnixMillis,
    /// Attempts that failed.
    pub failures: u32,
    /// Why the last one did.
    pub error: Option<PutError>,
    /// Whether it is tried only now and then: AWS would have given it up.
    pub parked: bool,
}

impl Delivery {
    /// How a delivery stream is doing.
    ///
    /// # Errors
    /// [`Error::NotFound`] if nothing delivers it any more.
    pub async fn status(&self, stream: &DeliveryStream) -> Result<DeliveryStatus, Error> {
        self.ask(stream, Command::Status).await
    }

    /// Delivers what a delivery stream has without waiting for size or interval; returns once that has
    /// begun.
    ///
    /// # Errors
    /// [`Error::NotFound`] if nothing delivers it any more.
    pub async fn flush(&self, stream: &DeliveryStream) -> Result<(), Error> {
        self.ask(stream, Command::Flush).await
    }

    /// Tries everything at once that waits for another attempt; says how many objects that are.
    ///
    /// # Errors
    /// [`Error::NotFound`] if nothing delivers it any more.
    pub async fn redrive(&self, stream: &DeliveryStream) -> Result<usize, Error> {
        self.ask(stream, Command::Redrive).await
    }

    async fn ask<T>(
        &self,
        stream: &DeliveryStream,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.0.owners.tell(stream, command(reply)).await?;
        answer.await.map_err(|_| Error::NotFound(stream.name.clone()))
    }

    /// Stops delivering, as a crash would: whatever was begun is begun again at the next start.
    pub async fn stop(&self) {
        self.0.owners.stop().await;
    }
}
