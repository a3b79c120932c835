//! Which operations answered well, and the last exchange.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_kinesis::config::interceptors::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_kinesis::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_kinesis::error::BoxError;

#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    operations: BTreeSet<String>,
    last: String,
}

impl Watch {
    pub(crate) fn operations(&self) -> Vec<String> {
        self.with(|taken| taken.operations.iter().cloned().collect())
    }

    pub(crate) fn last(&self) -> String {
        self.with(|taken| taken.last.clone())
    }

    fn with<T>(&self, act: impl FnOnce(&mut Taken) -> T) -> T {
        act(&mut self.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Intercept for Watch {
    fn name(&self) -> &'static str {
        "Watch"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let target = context.request().headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_string();
        self.with(|taken| taken.last = operation);
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        let id = response.headers().get("x-amzn-requestid").unwrap_or("none");
        self.with(|taken| {
            if response.status().is_success() {
                taken.operations.insert(taken.last.clone());
            }
            taken.last += &format!(": {}, request id {id}", response.status().as_u16());
        });
        Ok(())
    }
}
