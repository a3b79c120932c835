//! Data Firehose, operation by operation, grouped by resource.

mod describe;
mod destinations;
mod encryption;
mod faults;
mod records;
mod sources;
mod streams;
mod tags;

use std::sync::Arc;

use crate::world_of;
use delivery::{Delivery, DeliveryStream, DeliveryStreamName};
use model::firehose::NamesDeliveryStream;
use wire::{Call, Endpoint, Fault};

use faults::to_fault;

/// Serves Data Firehose.
pub struct Firehose {
    delivery: Delivery,
}

impl Firehose {
    /// Joins every operation to the engine.
    pub fn endpoints(delivery: Delivery) -> Vec<Box<dyn Endpoint>> {
        model::firehose::routes(Arc::new(Firehose { delivery }))
    }

    /// The delivery stream that an input means, in whatever state.
    fn stream(
        &self,
        call: &Call,
        input: &impl NamesDeliveryStream,
    ) -> Result<Arc<DeliveryStream>, Fault> {
        let name = input.delivery_stream_address().delivery_stream_name.unwrap_or_default();
        self.delivery.stream(&name_of(call, name)).map_err(to_fault)
    }
}

/// A name in the caller's own world.
pub(crate) fn name_of(call: &Call, name: &str) -> DeliveryStreamName {
    DeliveryStreamName { world: world_of(call), name: name.into() }
}
