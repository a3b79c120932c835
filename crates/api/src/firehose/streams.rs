//! Delivery streams: created, changed, deleted, listed.

use delivery::{EncryptionRow, NewDeliveryStream};
use model::firehose::{op, shapes};
use wire::{Call, Fault, Serve};

use super::destinations::{self, Place};
use super::faults::to_fault;
use super::{Firehose, describe, encryption, name_of, sources, tags};
use crate::world_of;

/// Names in an answer unless asked for otherwise (API reference, ListDeliveryStreams).
const PAGE_DEFAULT: usize = 10;

impl Serve<op::CreateDeliveryStream> for Firehose {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::CreateDeliveryStreamInput,
    ) -> Result<shapes::CreateDeliveryStreamOutput, Fault> {
        let name = name_of(call, &input.delivery_stream_name);
        let place = Place { region: &call.region };
        let new = destinations::create(place, &input)?;
        let kind = sources::kind(&input);
        let source = sources::read(&input, &kind)?;
        let key = input.delivery_stream_encryption_configuration_input.as_ref();
        let key = key.map(|key| encryption::key(place, &kind, key)).transpose()?;
        let encryption = match key {
            None => EncryptionRow::default(),
            Some(key) => EncryptionRow {
                enabled: true,
                key_type: Some(key.key_type),
                key_arn: key.key_arn,
                changed_ms: vec![self.delivery.now().0],
            },
        };
        let new = NewDeliveryStream {
            source,
            destination: new.destination,
            secrets: new.secrets,
            tags: tags::read(input.tags.unwrap_or_default())?,
            encryption,
        };
        let stream = self.delivery.create(name, new).await.map_err(to_fault)?;
        Ok(shapes::CreateDeliveryStreamOutput { delivery_stream_arn: Some(stream.name.arn()) })
    }
}

impl Serve<op::UpdateDestination> for Firehose {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::UpdateDestinationInput,
    ) -> Result<shapes::UpdateDestinationOutput, Fault> {
        let stream = self.stream(call, &input)?;
        let place = Place { region: &call.region };
        let expected = (&*input.current_delivery_stream_version_id, &*input.destination_id);
        self.delivery
            .update_destination(&stream, expected, |state| {
                destinations::update(place, &input, &state.destination, &state.row.secrets)
                    .map_err(Refusal)
            })
            .await?;
        Ok(shapes::UpdateDestinationOutput {})
    }
}

/// Why an update is refused: the engine's reasons in AWS's words, or AWS's own.
struct Refusal(Fault);

impl From<delivery::Error> for Refusal {
    fn from(error: delivery::Error) -> Self {
        Refusal(to_fault(error))
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        refusal.0
    }
}

impl Serve<op::DeleteDeliveryStream> for Firehose {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::DeleteDeliveryStreamInput,
    ) -> Result<shapes::DeleteDeliveryStreamOutput, Fault> {
        // `AllowForceDelete` is about grants of KMS that cannot be retired: there are none here.
        let stream = self.stream(call, &input)?;
        self.delivery.delete(&stream).await.map_err(to_fault)?;
        Ok(shapes::DeleteDeliveryStreamOutput {})
    }
}

impl Serve<op::DescribeDeliveryStream> for Firehose {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::DescribeDeliveryStreamInput,
    ) -> Result<shapes::DescribeDeliveryStreamOutput, Fault> {
        let stream = self.stream(call, &input)?;
        let after = input.exclusive_start_destination_id.as_deref();
        let mut delivery_stream_description = describe::stream(&self.delivery, &stream, after);
        // A delivery stream whose deliveries have ended meanwhile has nothing to warn of.
        if let Ok(status) = self.delivery.status(&stream).await {
            delivery_stream_description.failure_description = describe::warning(&status);
        }
        Ok(shapes::DescribeDeliveryStreamOutput { delivery_stream_description })
    }
}

impl Serve<op::ListDeliveryStreams> for Firehose {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::ListDeliveryStreamsInput,
    ) -> Result<shapes::ListDeliveryStreamsOutput, Fault> {
        let after = input.exclusive_start_delivery_stream_name.unwrap_or_default();
        let limit = input.limit.map_or(PAGE_DEFAULT, |limit| limit as usize);
        let streams = self.delivery.list(&world_of(call), &after, usize::MAX);
        let mut wanted = streams.iter().filter(|stream| {
            let wanted = input.delivery_stream_type.as_ref();
            wanted.is_none_or(|wanted| *wanted == sources::kind_of(&stream.state().row.source))
        });
        let delivery_stream_names =
            wanted.by_ref().take(limit).map(|stream| stream.name.to_string()).collect();
        let has_more_delivery_streams = wanted.next().is_some();
        Ok(shapes::ListDeliveryStreamsOutput { delivery_stream_names, has_more_delivery_streams })
    }
}
