//! Tags: of a stream by its name, of any resource by its ARN.

use model::kinesis::{op, shapes};
use wire::{Call, Fault, Serve};

use super::Kinesis;
use super::address::Resource;
use super::faults::{invalid_argument, to_fault, under};

/// Tags in an answer unless asked for otherwise (API reference, ListTagsForStream: all of them).
const PAGE_DEFAULT: usize = 50;

impl Serve<op::AddTagsToStream> for Kinesis {
    async fn serve(&self, call: &Call, input: shapes::AddTagsToStreamInput) -> Result<(), Fault> {
        let stream = self.stream(call, &input)?;
        let texts = input.tags.iter().flat_map(|(key, value)| [key, value]);
        check_characters(texts, "add tags to", &format!("stream {}", under(&stream.name)))?;
        self.streams.add_tags(&stream, input.tags).await.map_err(to_fault)
    }
}

impl Serve<op::RemoveTagsFromStream> for Kinesis {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::RemoveTagsFromStreamInput,
    ) -> Result<(), Fault> {
        let stream = self.stream(call, &input)?;
        check_characters(
            input.tag_keys.iter(),
            "remove tags from",
            &format!("stream {}", under(&stream.name)),
        )?;
        self.streams.remove_tags(&stream, &input.tag_keys).await.map_err(to_fault)
    }
}

impl Serve<op::ListTagsForStream> for Kinesis {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::ListTagsForStreamInput,
    ) -> Result<shapes::ListTagsForStreamOutput, Fault> {
        let stream = self.stream(call, &input)?;
        let state = stream.state();
        let after = input.exclusive_start_tag_key.unwrap_or_default();
        let limit = input.limit.map_or(PAGE_DEFAULT, |limit| limit as usize);
        let mut left = state.row.tags.iter().filter(|(key, _)| **key > after);
        let tags = left
            .by_ref()
            .take(limit)
            .map(|(key, value)| shapes::Tag { key: key.clone(), value: Some(value.clone()) });
        let tags = tags.collect();
        Ok(shapes::ListTagsForStreamOutput { tags, has_more_tags: left.next().is_some() })
    }
}

impl Serve<op::TagResource> for Kinesis {
    async fn serve(&self, call: &Call, input: shapes::TagResourceInput) -> Result<(), Fault> {
        let resource = self.resource(call, &input.resource_arn)?;
        let texts = input.tags.iter().flat_map(|(key, value)| [key, value]);
        check_characters(texts, "add tags to", &resource.in_words())?;
        let added = match &resource {
            Resource::Stream(stream) => self.streams.add_tags(stream, input.tags).await,
            Resource::Consumer(stream, consumer) => {
                self.streams.add_consumer_tags(stream, consumer, input.tags).await
            }
        };
        added.map_err(to_fault)
    }
}

impl Serve<op::UntagResource> for Kinesis {
    async fn serve(&self, call: &Call, input: shapes::UntagResourceInput) -> Result<(), Fault> {
        let resource = self.resource(call, &input.resource_arn)?;
        check_characters(input.tag_keys.iter(), "remove tags from", &resource.in_words())?;
        let removed = match &resource {
            Resource::Stream(stream) => self.streams.remove_tags(stream, &input.tag_keys).await,
            Resource::Consumer(stream, consumer) => {
                self.streams.remove_consumer_tags(stream, consumer, &input.tag_keys).await
            }
        };
        removed.map_err(to_fault)
    }
}

impl Serve<op::ListTagsForResource> for Kinesis {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::ListTagsForResourceInput,
    ) -> Result<shapes::ListTagsForResourceOutput, Fault> {
        let tags = match self.resource(call, &input.resource_arn)? {
            Resource::Stream(stream) => stream.state().row.tags.clone(),
            Resource::Consumer(stream, consumer) => {
                self.streams.consumer_tags(&stream, &consumer).map_err(to_fault)?
            }
        };
        let tags = tags.into_iter().map(|(key, value)| shapes::Tag { key, value: Some(value) });
        Ok(shapes::ListTagsForResourceOutput { tags: Some(tags.collect()) })
    }
}

impl Resource {
    /// What stands after `add tags to` in AWS's words.
    fn in_words(&self) -> String {
        match self {
            Resource::Stream(stream) => format!("stream {}", under(&stream.name)),
            Resource::Consumer(stream, consumer) => {
                format!("consumer {} of stream {}", consumer.name, under(&stream.name))
            }
        }
    }
}

/// AWS checks twice, with different words: first against what its parser takes, then against what
/// a tag may hold (kinesalite's recorded behaviour).
fn check_characters<'a>(
    mut texts: impl Iterator<Item = &'a String> + Clone,
    doing: &str,
    resource: &str,
) -> Result<(), Fault> {
    let parses = |c: char| {
        c.is_ascii_alphanumeric()
            || "./-=+_ @%:".contains(c)
            || matches!(c, '\u{c0}'..='\u{1fff}' | '\u{2c00}'..='\u{d7ff}')
    };
    if !texts.clone().all(|text| text.chars().all(parses)) {
        return Err(invalid_argument(
            "Some tags contain invalid characters. Valid characters: Unicode letters, digits, white space, _ . / = + - % @ :.",
        ));
    }
    if texts.any(|text| text.contains('%')) {
        return Err(invalid_argument(format!(
            "Failed to {doing} {resource} because some tags contained illegal characters. The allowed characters are Unicode letters, white-spaces, '_',',','/','=','+','-','@',':'."
        )));
    }
    Ok(())
}
