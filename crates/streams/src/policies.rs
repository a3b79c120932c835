//! Resource policies of streams and consumers: kept as they were given. What they may say is the
//! caller's business, and was checked.

use crate::consumers::Consumer;
use crate::engine::{Plan, Streams};
use crate::error::Error;
use crate::rows::StreamRow;
use crate::stream::{Status, Stream};

impl Streams {
    /// Sets a stream's policy, or with none takes it away.
    ///
    /// # Errors
    /// If the log fails.
    pub async fn set_policy(&self, stream: &Stream, policy: Option<&str>) -> Result<(), Error> {
        self.change(stream, |state| {
            let policy = policy.map(str::to_owned);
            let row = StreamRow { policy, ..state.row.clone() };
            let changed = row.policy != state.row.policy;
            Ok(Plan { row: changed.then_some(row), ..Plan::default() })
        })
        .await
    }

    /// A consumer's policy.
    ///
    /// # Errors
    /// [`Error::ConsumerNotFound`].
    pub fn consumer_policy(
        &self,
        stream: &Stream,
        consumer: &Consumer,
    ) -> Result<Option<String>, Error> {
        Ok(self.consumer_row(stream, consumer)?.row.policy)
    }

    /// Sets a consumer's policy, or with none takes it away.
    ///
    /// # Errors
    /// [`Error::ConsumerNotFound`]; [`Error::ConsumerNotActive`] where a policy is set (AWS's
    /// behaviour, aws-cloudformation/cloudformation-coverage-roadmap issue 2442).
    pub async fn set_consumer_policy(
        &self,
        stream: &Stream,
        consumer: &Consumer,
        policy: Option<&str>,
    ) -> Result<(), Error> {
        if policy.is_some() && consumer.status != Status::Active {
            return Err(Error::ConsumerNotActive {
                stream: stream.name.clone(),
                consumer: consumer.name.clone(),
                created: consumer.created,
            });
        }
        self.change_consumer(stream, consumer, |row| {
            row.policy = policy.map(str::to_owned);
            Ok(())
        })
        .await
    }
}
