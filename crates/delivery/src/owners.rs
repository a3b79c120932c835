//! Who delivers what: one task per delivery stream.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use stdx::{Clock, Entropy};
use store::Store;
use streams::Streams;
use tokio::sync::{mpsc, oneshot};

use crate::budget::Budget;
use crate::catalog::Tables;
use crate::engine::Config;
use crate::error::Error;
use crate::limits::COMMANDS_MAX;
use crate::outside::{Functions, ObjectStore};
use crate::owner;
use crate::status::DeliveryStatus;
use crate::stream::DeliveryStream;
use crate::work::Work;

/// What owners share.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) streams: Streams,
    pub(crate) clock: Clock,
    pub(crate) entropy: Entropy,
    pub(crate) config: Config,
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) functions: Arc<dyn Functions>,
    pub(crate) tables: Tables,
    pub(crate) budget: Budget,
}

/// What an owner is asked for.
#[derive(Debug)]
pub(crate) enum Command {
    /// Deliver what there is; answers once that has begun.
    Flush(oneshot::Sender<()>),
    /// Try again what waits; answers how much.
    Redrive(oneshot::Sender<usize>),
    /// Say how it is going.
    Status(oneshot::Sender<DeliveryStatus>),
}

#[derive(Debug)]
struct Owner {
    commands: mpsc::Sender<Command>,
    work: Work<()>,
}

/// The owners, by the generation of what they own.
#[derive(Debug, Default)]
pub(crate) struct Owners(Mutex<HashMap<u64, Owner>>);

impl Owners {
    /// Starts delivering.
    pub(crate) fn start(&self, shared: &Arc<Shared>, stream: &Arc<DeliveryStream>) {
        let (commands, received) = mpsc::channel(COMMANDS_MAX);
        let work = owner::run(Arc::clone(shared), Arc::clone(stream), received);
        let owner = Owner { commands, work: Work::start(work) };
        self.lock().insert(stream.generation, owner);
    }

    /// Stops delivering, and waits until that is so.
    pub(crate) async fn end(&self, stream: &DeliveryStream) {
        let owner = self.lock().remove(&stream.generation);
        if let Some(owner) = owner {
            owner.work.end().await;
        }
    }

    /// Ends them all.
    pub(crate) async fn stop(&self) {
        let owners = std::mem::take(&mut *self.lock());
        for owner in owners.into_values() {
            owner.work.end().await;
        }
    }

    pub(crate) async fn tell(
        &self,
        stream: &DeliveryStream,
        command: Command,
    ) -> Result<(), Error> {
        let commands = self.lock().get(&stream.generation).map(|owner| owner.commands.clone());
        let gone = || Error::NotFound(stream.name.clone());
        commands.ok_or_else(gone)?.send(command).await.map_err(|_| gone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Owner>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
