//! Tags.

use delivery::Tags;
use delivery::limits::TAGS_MAX;
use model::firehose::{op, shapes};
use wire::{Call, Fault, Serve};

use super::Firehose;
use super::faults::{invalid_argument, to_fault};

impl Serve<op::TagDeliveryStream> for Firehose {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::TagDeliveryStreamInput,
    ) -> Result<shapes::TagDeliveryStreamOutput, Fault> {
        let stream = self.stream(call, &input)?;
        let added = read(input.tags)?;
        self.delivery.add_tags(&stream, &added).await.map_err(to_fault)?;
        Ok(shapes::TagDeliveryStreamOutput {})
    }
}

impl Serve<op::UntagDeliveryStream> for Firehose {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::UntagDeliveryStreamInput,
    ) -> Result<shapes::UntagDeliveryStreamOutput, Fault> {
        let stream = self.stream(call, &input)?;
        self.delivery.remove_tags(&stream, &input.tag_keys).await.map_err(to_fault)?;
        Ok(shapes::UntagDeliveryStreamOutput {})
    }
}

impl Serve<op::ListTagsForDeliveryStream> for Firehose {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::ListTagsForDeliveryStreamInput,
    ) -> Result<shapes::ListTagsForDeliveryStreamOutput, Fault> {
        let stream = self.stream(call, &input)?;
        let state = stream.state();
        let all = &state.row.tags;
        // In the order in which they were given, after the key that is named if there is one such.
        let after = input.exclusive_start_tag_key.as_ref();
        let start = after.and_then(|after| all.iter().position(|(key, _)| key == after));
        let left = &all[start.map_or(0, |at| at + 1)..];
        let limit = input.limit.map_or(TAGS_MAX, |limit| limit as usize);
        let tags = left.iter().take(limit);
        let tags =
            tags.map(|(key, value)| shapes::Tag { key: key.clone(), value: Some(value.clone()) });
        let has_more_tags = left.len() > limit;
        Ok(shapes::ListTagsForDeliveryStreamOutput { tags: tags.collect(), has_more_tags })
    }
}

/// The tags of a request. No key may be there twice.
pub(super) fn read(given: Vec<shapes::Tag>) -> Result<Tags, Fault> {
    let mut tags = Tags::with_capacity(given.len());
    for tag in given {
        if tags.iter().any(|(key, _)| *key == tag.key) {
            return Err(invalid_argument(format!("Duplicate tag key: {}", tag.key)));
        }
        tags.push((tag.key, tag.value.unwrap_or_default()));
    }
    Ok(tags)
}
