//! Data Streams, operation by operation, grouped by resource.

mod accounts;
mod address;
mod capacity;
mod consumers;
pub(crate) mod faults;
pub(crate) mod injected;
mod iterators;
mod keys;
mod measured;
mod policies;
mod records;
mod settings;
mod shapes;
mod shards;
mod streams;
mod tags;
mod tokens;
mod unserved;

use std::sync::Arc;

use identity::Sealer;
use stdx::Entropy;
use wire::Endpoint;

pub use injected::InjectedFaults;
#[cfg(any(test, feature = "fuzzing"))]
pub use tokens::decoders;
pub use unserved::UNSERVED;

/// Serves Data Streams.
pub struct Kinesis {
    streams: ::streams::Streams,
    sealer: Sealer,
    entropy: Entropy,
    injected: Option<Arc<InjectedFaults>>,
}

impl Kinesis {
    /// Joins every operation to the engine. `token_key` seals iterators and next tokens; they
    /// survive a restart if it does. `injected` are the faults that somebody tests with, if anybody
    /// may.
    pub fn endpoints(
        streams: ::streams::Streams,
        token_key: [u8; 32],
        entropy: Entropy,
        injected: Option<Arc<InjectedFaults>>,
    ) -> Vec<Box<dyn Endpoint>> {
        let sealer = Sealer::new(token_key);
        model::kinesis::routes(Arc::new(Kinesis { streams, sealer, entropy, injected }))
    }
}
