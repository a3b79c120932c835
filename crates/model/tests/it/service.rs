//! A service that serves everything with a refusal, to reach all endpoints.

use std::sync::Arc;

use wire::{Call, Endpoint, Fault, Operation, Serve};

pub(crate) struct Nobody;

impl<Op: Operation> Serve<Op> for Nobody {
    async fn serve(&self, _: &Call, _: Op::Input) -> Result<Op::Output, Fault> {
        Err(Fault::internal())
    }
}

pub(crate) fn endpoints() -> Vec<Box<dyn Endpoint>> {
    model::kinesis::routes(Arc::new(Nobody))
}

#[test]
fn every_operation_has_a_route_and_its_facts() {
    let routed: Vec<&str> = endpoints().iter().map(|endpoint| endpoint.info().name).collect();
    let listed: Vec<&str> = model::kinesis::OPERATIONS.iter().map(|info| info.name).collect();
    assert_eq!(routed, listed);
    assert_eq!(routed.len(), 57);
    assert!(model::kinesis::OPERATIONS.iter().all(|info| info.action.starts_with("kinesis:")));
}
