//! Tags of streams and consumers.

use std::collections::BTreeMap;

use crate::consumers::Consumer;
use crate::engine::{Plan, Streams};
use crate::error::Error;
use crate::limits::TAGS_PER_RESOURCE_MAX;
use crate::rows::StreamRow;
use crate::stream::Stream;

impl Streams {
    /// Adds tags, over those with the same keys.
    ///
    /// # Errors
    /// [`Error::TagLimit`].
    pub async fn add_tags(
        &self,
        stream: &Stream,
        added: BTreeMap<String, String>,
    ) -> Result<(), Error> {
        self.change(stream, |state| {
            let mut tags = state.row.tags.clone();
            tags.extend(added.clone());
            if tags.len() > TAGS_PER_RESOURCE_MAX {
                return Err(Error::TagLimit(stream.name.clone()));
            }
            Ok(Plan { row: Some(StreamRow { tags, ..state.row.clone() }), ..Plan::default() })
        })
        .await
    }

    /// Removes tags; keys that are not there are passed over.
    ///
    /// # Errors
    /// If the log fails.
    pub async fn remove_tags(&self, stream: &Stream, keys: &[String]) -> Result<(), Error> {
        self.change(stream, |state| {
            let mut tags = state.row.tags.clone();
            tags.retain(|key, _| !keys.contains(key));
            Ok(Plan { row: Some(StreamRow { tags, ..state.row.clone() }), ..Plan::default() })
        })
        .await
    }

    /// A consumer's tags.
    ///
    /// # Errors
    /// [`Error::ConsumerNotFound`].
    pub fn consumer_tags(
        &self,
        stream: &Stream,
        consumer: &Consumer,
    ) -> Result<BTreeMap<String, String>, Error> {
        Ok(self.consumer_row(stream, consumer)?.row.tags)
    }

    /// Adds tags to a consumer, over those with the same keys.
    ///
    /// # Errors
    /// [`Error::ConsumerTagLimit`], [`Error::ConsumerNotFound`].
    pub async fn add_consumer_tags(
        &self,
        stream: &Stream,
        consumer: &Consumer,
        added: BTreeMap<String, String>,
    ) -> Result<(), Error> {
        self.change_consumer(stream, consumer, |row| {
            row.tags.extend(added.clone());
            if row.tags.len() > TAGS_PER_RESOURCE_MAX {
                let consumer = consumer.name.clone();
                return Err(Error::ConsumerTagLimit(stream.name.clone(), consumer));
            }
            Ok(())
        })
        .await
    }

    /// Removes tags from a consumer; keys that are not there are passed over.
    ///
    /// # Errors
    /// [`Error::ConsumerNotFound`].
    pub async fn remove_consumer_tags(
        &self,
        stream: &Stream,
        consumer: &Consumer,
        keys: &[String],
    ) -> Result<(), Error> {
        self.change_consumer(stream, consumer, |row| {
            row.tags.retain(|key, _| !keys.contains(key));
            Ok(())
        })
        .await
    }
}
