//! Shards: listed, split, merged.

use std::sync::Arc;

use ::streams::shard::parse_shard_id;
use ::streams::{Error, HashKey, ShardFilter, Status, Stream, StreamName};
use model::kinesis::{NamesStream, StreamAddress, op, shapes};
use stdx::UnixMillis;
use wire::{Call, Fault, Serve};

use super::Kinesis;
use super::faults::{invalid_argument, invalid_token, shard_not_found, stream_not_found, to_fault};
use super::shapes as shape;
use super::tokens::ListToken;

/// Shards in an answer unless asked for otherwise (API reference, ListShards).
const PAGE_DEFAULT: usize = 1000;
const LISTING: &str = "ListShards";

impl Serve<op::ListShards> for Kinesis {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::ListShardsInput,
    ) -> Result<shapes::ListShardsOutput, Fault> {
        let listing = self.begin_or_resume(call, &input)?;
        let state = listing.stream.state();
        let limit = input.max_results.map_or(PAGE_DEFAULT, |limit| limit as usize);
        let shown = if state.row.status == Status::Creating {
            Vec::new()
        } else {
            state.list_shards(listing.filter, self.streams.now())
        };
        let mut left = shown.iter().filter(|shard| Some(shard.index) > listing.after);
        let page: Vec<_> = left.by_ref().take(limit).collect();
        let next_token = page.last().filter(|_| left.next().is_some()).map(|last| {
            let (filter, time) = name_filter(listing.filter);
            let token = ListToken {
                generation: listing.stream.generation,
                after: last.index.to_string(),
                filter: filter.map(|filter| filter.as_str().to_owned()),
                time_ms: time.map(|time| time.0),
                ..ListToken::default()
            };
            self.seal_list(call, LISTING, token)
        });
        let shards = Some(page.iter().map(|shard| shape::shard(shard)).collect());
        Ok(shapes::ListShardsOutput { shards, next_token })
    }
}

/// What a listing shows, and from where on.
struct Listing {
    stream: Arc<Stream>,
    filter: ShardFilter,
    after: Option<u32>,
}

impl Kinesis {
    fn begin_or_resume(
        &self,
        call: &Call,
        input: &shapes::ListShardsInput,
    ) -> Result<Listing, Fault> {
        let StreamAddress { stream_name: name, stream_arn: arn, stream_id } =
            input.stream_address();
        match (&input.next_token, name.or(arn)) {
            (None, None) if stream_id.is_none() => {
                Err(invalid_argument("Either NextToken or StreamName should be provided."))
            }
            (Some(_), Some(_)) => {
                // aws/aws-cli issue 9635 shows that AWS tells the two apart.
                let named = if name.is_some() { "StreamName" } else { "StreamARN" };
                Err(not_together(named))
            }
            // awslabs/amazon-kinesis-scaling-utils pull request 82.
            (Some(_), None) if input.exclusive_start_shard_id.is_some() => {
                Err(not_together("ExclusiveStartShardId"))
            }
            (Some(token), None) => self.resume_listing(call, token),
            (None, _) => {
                let stream = self.stream(call, input)?;
                let created = stream.state().created().seconds();
                let asked = input.stream_creation_timestamp;
                if asked.is_some_and(|asked| asked.millis() / 1000 != created) {
                    return Err(stream_not_found(&stream.name));
                }
                let filter = read_filter(&stream, input.shard_filter.as_ref())?;
                let after = match &input.exclusive_start_shard_id {
                    Some(id) => {
                        Some(parse_shard_id(id).ok_or_else(|| shard_not_found(&stream.name, id))?)
                    }
                    None => None,
                };
                Ok(Listing { stream, filter, after })
            }
        }
    }

    fn resume_listing(&self, call: &Call, token: &str) -> Result<Listing, Fault> {
        let token = self.open_list(call, LISTING, token)?;
        let stream = self.streams.stream_of_generation(token.generation);
        let stream = stream.ok_or_else(invalid_token)?;
        let after = token.after.parse().map_err(|_| invalid_token())?;
        let filter = token.filter.map(|filter| shapes::ShardFilter {
            r#type: shapes::ShardFilterType::from(filter.as_str()),
            shard_id: Some(token.after),
            timestamp: token.time_ms.map(wire::Timestamp::from_millis),
        });
        let filter = read_filter(&stream, filter.as_ref())?;
        Ok(Listing { stream, filter, after: Some(after) })
    }
}

fn not_together(named: &str) -> Fault {
    invalid_argument(format!("NextToken and {named} cannot be provided together."))
}

fn read_filter(
    stream: &Stream,
    filter: Option<&shapes::ShardFilter>,
) -> Result<ShardFilter, Fault> {
    let Some(filter) = filter else { return Ok(ShardFilter::All) };
    let time = || match filter.timestamp {
        Some(time) => Ok(UnixMillis(time.millis())),
        None => Err(invalid_argument(format!(
            "Timestamp must be provided for shard filter type {}.",
            filter.r#type
        ))),
    };
    match filter.r#type {
        shapes::ShardFilterType::AfterShardId => {
            let id = filter.shard_id.as_deref().ok_or_else(|| {
                invalid_argument("ShardId must be provided for shard filter type AFTER_SHARD_ID.")
            })?;
            let after = parse_shard_id(id).ok_or_else(|| shard_not_found(&stream.name, id))?;
            Ok(ShardFilter::After(after))
        }
        shapes::ShardFilterType::AtTrimHorizon => Ok(ShardFilter::AtTrimHorizon),
        shapes::ShardFilterType::FromTrimHorizon => Ok(ShardFilter::FromTrimHorizon),
        shapes::ShardFilterType::AtLatest => Ok(ShardFilter::AtLatest),
        shapes::ShardFilterType::AtTimestamp => Ok(ShardFilter::At(time()?)),
        shapes::ShardFilterType::FromTimestamp => Ok(ShardFilter::From(time()?)),
        // Validation has refused it already.
        shapes::ShardFilterType::Unknown(_) => Ok(ShardFilter::All),
    }
}

fn name_filter(filter: ShardFilter) -> (Option<shapes::ShardFilterType>, Option<UnixMillis>) {
    match filter {
        ShardFilter::All => (None, None),
        ShardFilter::After(_) => (Some(shapes::ShardFilterType::AfterShardId), None),
        ShardFilter::AtTrimHorizon => (Some(shapes::ShardFilterType::AtTrimHorizon), None),
        ShardFilter::FromTrimHorizon => (Some(shapes::ShardFilterType::FromTrimHorizon), None),
        ShardFilter::AtLatest => (Some(shapes::ShardFilterType::AtLatest), None),
        ShardFilter::At(time) => (Some(shapes::ShardFilterType::AtTimestamp), Some(time)),
        ShardFilter::From(time) => (Some(shapes::ShardFilterType::FromTimestamp), Some(time)),
    }
}

impl Serve<op::SplitShard> for Kinesis {
    async fn serve(&self, call: &Call, input: shapes::SplitShardInput) -> Result<(), Fault> {
        let name = self.stream_name(call, &input)?;
        let shard = read_shard_id(&name, &input.shard_to_split)?;
        let stream = self.streams.stream(&name).map_err(to_fault)?;
        // A key beyond the space lies beyond every shard's end, which is what AWS says of it too.
        let given = input.new_starting_hash_key;
        let at = HashKey::parse(&given).unwrap_or(HashKey(u128::MAX));
        self.streams.split(&stream, shard, at).await.map_err(|error| {
            to_fault(match error {
                Error::SplitPoint { stream, shard, range, .. } => {
                    Error::SplitPoint { stream, shard, key: given, range }
                }
                other => other,
            })
        })
    }
}

impl Serve<op::MergeShards> for Kinesis {
    async fn serve(&self, call: &Call, input: shapes::MergeShardsInput) -> Result<(), Fault> {
        let name = self.stream_name(call, &input)?;
        let shard = read_shard_id(&name, &input.shard_to_merge)?;
        let adjacent = read_shard_id(&name, &input.adjacent_shard_to_merge)?;
        let stream = self.streams.stream(&name).map_err(to_fault)?;
        self.streams.merge(&stream, shard, adjacent).await.map_err(to_fault)
    }
}

impl Serve<op::UpdateShardCount> for Kinesis {
    async fn serve(
        &self,
        call: &Call,
        input: shapes::UpdateShardCountInput,
    ) -> Result<shapes::UpdateShardCountOutput, Fault> {
        let stream = self.stream(call, &input)?;
        let target = input.target_shard_count.unsigned_abs();
        let current = self.streams.scale(&stream, target).await.map_err(to_fault)?;
        Ok(shapes::UpdateShardCountOutput {
            stream_name: Some(stream.name.to_string()),
            current_shard_count: Some(current as i32),
            target_shard_count: Some(input.target_shard_count),
            stream_arn: Some(stream.name.arn()),
        })
    }
}

/// An id that cannot be read is refused before the stream is looked for (kinesalite's recorded
/// behaviour).
fn read_shard_id(stream: &StreamName, id: &str) -> Result<u32, Fault> {
    parse_shard_id(id).ok_or_else(|| shard_not_found(stream, id))
}
