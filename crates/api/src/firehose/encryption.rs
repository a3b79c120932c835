//! Encryption of what has been put.

use delivery::EncryptionKey;
use model::firehose::{op, shapes};
use wire::{Call, Fault, Serve};

use super::Firehose;
use super::destinations::Place;
use super::faults::{invalid_argument, to_fault};
use super::sources;

const AWS_OWNED: &str = "AWS_OWNED_CMK";

impl Serve<op::StartDeliveryStreamEncryption> for Firehose {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::StartDeliveryStreamEncryptionInput,
    ) -> Result<shapes::StartDeliveryStreamEncryptionOutput, Fault> {
        let stream = self.stream(call, &input)?;
        let kind = sources::kind_of(&stream.state().row.source);
        let place = Place { region: &call.region };
        let key = match &input.delivery_stream_encryption_configuration_input {
            Some(given) => key(place, &kind, given)?,
            None => {
                check_kind(&kind)?;
                EncryptionKey { key_type: AWS_OWNED.to_owned(), key_arn: None }
            }
        };
        self.delivery.encrypt(&stream, Some(key)).await.map_err(to_fault)?;
        Ok(shapes::StartDeliveryStreamEncryptionOutput {})
    }
}

impl Serve<op::StopDeliveryStreamEncryption> for Firehose {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::StopDeliveryStreamEncryptionInput,
    ) -> Result<shapes::StopDeliveryStreamEncryptionOutput, Fault> {
        let stream = self.stream(call, &input)?;
        check_kind(&sources::kind_of(&stream.state().row.source))?;
        self.delivery.encrypt(&stream, None).await.map_err(to_fault)?;
        Ok(shapes::StopDeliveryStreamEncryptionOutput {})
    }
}

/// The key that a request names. The words are AWS's, as badmintoncryer/cdk-preflight recorded them.
pub(super) fn key(
    place: Place<'_>,
    kind: &shapes::DeliveryStreamType,
    given: &shapes::DeliveryStreamEncryptionConfigurationInput,
) -> Result<EncryptionKey, Fault> {
    check_kind(kind)?;
    let is_owned = given.key_type == shapes::KeyType::AwsOwnedCmk;
    match &given.key_arn {
        Some(_) if is_owned => {
            Err(invalid_argument("KeyARN cannot be specified when KeyType is AWS_OWNED_CMK"))
        }
        None if !is_owned => {
            Err(invalid_argument("KeyARN has to be specified when KeyType is CUSTOMER_MANAGED_CMK"))
        }
        Some(arn) if region_of(arn) != Some(place.region) => Err(invalid_argument(
            "Cross-region keys are not allowed for SSE. Please provide CMKs in the same region as firehose",
        )),
        key_arn => {
            Ok(EncryptionKey { key_type: given.key_type.to_string(), key_arn: key_arn.clone() })
        }
    }
}

/// The region of an ARN.
pub(super) fn region_of(arn: &str) -> Option<&str> {
    arn.split(':').nth(3)
}

fn check_kind(kind: &shapes::DeliveryStreamType) -> Result<(), Fault> {
    use shapes::DeliveryStreamType as Kind;
    if matches!(kind, Kind::DirectPut | Kind::DatabaseAsSource) {
        return Ok(());
    }
    Err(invalid_argument(
        "Server side encryption from firehose is only allowed for direct put delivery streams and database as a source delivery streams",
    ))
}
