//! Shard iterators.

use ::streams::Start;
use ::streams::shard::parse_shard_id;
use model::kinesis::{op, shapes};
use stdx::UnixMillis;
use wire::{Call, Fault, Serve, Timestamp};

use super::Kinesis;
use super::faults::{dry_run, invalid_argument, shard_missing, shard_not_found, to_fault};

impl Serve<op::GetShardIterator> for Kinesis {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::GetShardIteratorInput,
    ) -> Result<shapes::GetShardIteratorOutput, Fault> {
        let name = self.stream_name(call, &input)?;
        let shard = parse_shard_id(&input.shard_id)
            .ok_or_else(|| shard_not_found(&name, &input.shard_id))?;
        // AWS speaks of the shard here even when it is the stream that is missing.
        let stream =
            self.streams.stream_with_data(&name).map_err(|_| shard_missing(&name, shard))?;
        if stream.state().shards.get(shard).is_none() {
            return Err(shard_missing(&name, shard));
        }
        self.befall_shard(call, "GetShardIterator", &stream.name, shard).await?;
        let start = read_start(
            &input.shard_iterator_type,
            input.starting_sequence_number,
            input.timestamp,
        )?;
        let rehearsal = input.dry_run == Some(true);
        let cursor = self.streams.iterator(&stream, shard, &start, rehearsal).await;
        let cursor = cursor.map_err(to_fault)?;
        if rehearsal {
            return Err(dry_run());
        }
        let shard_iterator = Some(self.seal_cursor(&stream.name, &cursor));
        Ok(shapes::GetShardIteratorOutput { shard_iterator })
    }
}

/// Reads a starting position; the type, the number and the time must fit each other.
pub(super) fn read_start(
    kind: &shapes::ShardIteratorType,
    number: Option<String>,
    time: Option<Timestamp>,
) -> Result<Start, Fault> {
    use shapes::ShardIteratorType as Type;
    match (kind, number) {
        (Type::AtSequenceNumber, Some(number)) => Ok(Start::At(number)),
        (Type::AfterSequenceNumber, Some(number)) => Ok(Start::After(number)),
        (Type::TrimHorizon, None) => Ok(Start::TrimHorizon),
        (Type::Latest, None) => Ok(Start::Latest),
        (Type::AtTimestamp, None) => match time {
            Some(time) => Ok(Start::Time(UnixMillis(time.millis()))),
            None => Err(invalid_argument(
                "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no timestamp parameter.",
            )),
        },
        (kind, number) => {
            let has = if number.is_some() { "also a" } else { "no" };
            Err(invalid_argument(format!(
                "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified {kind} and {has} StartingSequenceNumber."
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shapes::ShardIteratorType as Type;

    #[test]
    fn type_and_number_must_fit() {
        let start = |kind, number: Option<&str>| read_start(&kind, number.map(str::to_owned), None);
        assert_eq!(start(Type::Latest, None), Ok(Start::Latest));
        assert_eq!(start(Type::AtSequenceNumber, Some("1")), Ok(Start::At("1".to_owned())));
        let message = |refused: Result<Start, Fault>| {
            refused.unwrap_err().message.unwrap_or_default().into_owned()
        };
        assert!(
            message(start(Type::Latest, Some("1")))
                .ends_with("Request specified LATEST and also a StartingSequenceNumber.")
        );
        assert!(
            message(start(Type::AfterSequenceNumber, None)).ends_with(
                "Request specified AFTER_SEQUENCE_NUMBER and no StartingSequenceNumber."
            )
        );
        assert!(message(start(Type::AtTimestamp, None)).contains("timestampInMillis"));
    }
}
