//! A delivery stream in memory: a name, and a snapshot of its row that readers take without waiting
//! for anybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::firehose::shapes::DestinationDescription;
use tokio::sync::watch;

use crate::destination::{Destination, Unserved};
use crate::meters::DeliveryMeters;
use crate::name::DeliveryStreamName;
use crate::rows::DeliveryStreamRow;
use crate::traffic::Traffic;

/// A delivery stream at one moment.
#[derive(Clone, Debug)]
pub struct DeliveryStreamState {
    /// Its row.
    pub row: DeliveryStreamRow,
    /// The row's version in its table.
    pub version: u64,
    /// The row's destination, read.
    pub destination: Arc<DestinationDescription>,
    /// What delivering needs of it, or why nothing is delivered there.
    pub served: Result<Arc<Destination>, Unserved>,
}

impl DeliveryStreamState {
    pub(crate) fn new(
        row: DeliveryStreamRow,
        version: u64,
        destination: DestinationDescription,
    ) -> Self {
        let served = Destination::read(&destination).map(Arc::new);
        DeliveryStreamState { row, version, destination: Arc::new(destination), served }
    }
}

/// Bytes that are read and not delivered, as its owner says: puts look at it.
#[derive(Debug, Default)]
pub(crate) struct Backlog(AtomicU64);

impl Backlog {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn publish(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }
}

/// A delivery stream.
#[derive(Debug)]
pub struct DeliveryStream {
    /// Its name.
    pub name: DeliveryStreamName,
    /// Tells it from another one of the same name.
    pub generation: u64,
    pub(crate) backlog: Backlog,
    /// Records that its source gave up before they were read.
    lost: AtomicU64,
    pub(crate) traffic: Traffic,
    /// What is measured of it.
    pub(crate) meters: DeliveryMeters,
    state: watch::Sender<Arc<DeliveryStreamState>>,
}

impl DeliveryStream {
    pub(crate) fn new(name: DeliveryStreamName, state: DeliveryStreamState) -> Self {
        let generation = state.row.generation;
        let (backlog, traffic, meters) =
            (Backlog::default(), Traffic::default(), DeliveryMeters::default());
        let (lost, state) = (AtomicU64::new(0), watch::Sender::new(Arc::new(state)));
        DeliveryStream { name, generation, backlog, lost, traffic, meters, state }
    }

    /// The newest snapshot.
    pub fn state(&self) -> Arc<DeliveryStreamState> {
        Arc::clone(&self.state.borrow())
    }

    /// How many records its source gave up before they were read, as far as that can be said.
    pub(crate) fn lost_records(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Its source gave up records before they were read.
    pub(crate) fn lost(&self, records: u64) {
        self.lost.fetch_add(records, Ordering::Relaxed);
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
