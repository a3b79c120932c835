//! A delivery stream in memory: a name, and a snapshot of its row that readers take without waiting
//! for anybody.

use std::sync::Arc;

use model::firehose::shapes::DestinationDescription;
use tokio::sync::watch;

use crate::name::DeliveryStreamName;
use crate::rows::DeliveryStreamRow;

/// A delivery stream at one moment.
#[derive(Clone, Debug)]
pub struct DeliveryStreamState {
    /// Its row.
    pub row: DeliveryStreamRow,
    /// The row's version in its table.
    pub version: u64,
    /// The row's destination, read.
    pub destination: Arc<DestinationDescription>,
}

/// A delivery stream.
#[derive(Debug)]
pub struct DeliveryStream {
    /// Its name.
    pub name: DeliveryStreamName,
    /// Tells it from another one of the same name.
    pub generation: u64,
    state: watch::Sender<Arc<DeliveryStreamState>>,
}

impl DeliveryStream {
    pub(crate) fn new(name: DeliveryStreamName, state: DeliveryStreamState) -> Self {
        let generation = state.row.generation;
        DeliveryStream { name, generation, state: watch::Sender::new(Arc::new(state)) }
    }

    /// The newest snapshot.
    pub fn state(&self) -> Arc<DeliveryStreamState> {
        Arc::clone(&self.state.borrow())
    }

    /// Watches for newer snapshots.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<DeliveryStreamState>> {
        self.state.subscribe()
    }

    /// Shows a newer snapshot; an older one, published late, changes nothing.
    pub(crate) fn publish(&self, state: DeliveryStreamState) {
        self.state.send_if_modified(|current| {
            let newer = state.version > current.version;
            if newer {
                *current = Arc::new(state);
            }
            newer
        });
    }
}
