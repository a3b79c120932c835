"""ListShards: its filters and its pages."""

import datetime

import pytest

from rig import streams
from rig.waiting import until


@pytest.fixture(scope="module")
def history(kinesis):
    """A stream of two shards: 0 is split into 2 and 3, then 1 and 3 are merged into 4."""
    name = streams.create(kinesis, shards=2)
    before = _service_time(kinesis, name)
    middle = streams.even_ranges(4)[1][0]
    kinesis.split_shard(
        StreamName=name, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(middle)
    )
    streams.await_active(kinesis, name)
    between = _service_time(kinesis, name)
    kinesis.merge_shards(
        StreamName=name,
        ShardToMerge="shardId-000000000003",
        AdjacentShardToMerge="shardId-000000000001",
    )
    streams.await_active(kinesis, name)
    return {"name": name, "before": before, "between": between}


def _service_time(kinesis, name):
    """A time that lies after everything that has happened, and before everything that follows."""
    placed = kinesis.put_record(StreamName=name, Data=b"clock", PartitionKey="clock")
    position = streams.iterator(
        kinesis,
        name,
        placed["ShardId"],
        "AT_SEQUENCE_NUMBER",
        StartingSequenceNumber=placed["SequenceNumber"],
    )
    [record] = kinesis.get_records(ShardIterator=position)["Records"]
    moment = record["ApproximateArrivalTimestamp"] + datetime.timedelta(milliseconds=50)
    until(lambda: datetime.datetime.now(moment.tzinfo) > moment + datetime.timedelta(milliseconds=50))
    return moment


def _listed(kinesis, name, **shard_filter):
    shards = kinesis.list_shards(StreamName=name, ShardFilter=shard_filter)["Shards"]
    return [int(shard["ShardId"].removeprefix("shardId-")) for shard in shards]


def test_everything_is_listed_without_a_filter(kinesis, history):
    shards = streams.shards_of(kinesis, history["name"])
    assert [shard["ShardId"] for shard in shards] == [f"shardId-{n:012}" for n in range(5)]
    parents = [(s.get("ParentShardId"), s.get("AdjacentParentShardId")) for s in shards]
    zero, one, three = (f"shardId-{n:012}" for n in (0, 1, 3))
    assert parents[:4] == [(None, None), (None, None), (zero, None), (zero, None)]
    assert parents[4] == (three, one)
    assert [streams.is_open(shard) for shard in shards] == [False, False, True, False, True]


def test_at_latest_lists_open_shards(kinesis, history):
    assert _listed(kinesis, history["name"], Type="AT_LATEST") == [2, 4]


def test_at_trim_horizon_lists_the_roots(kinesis, history):
    assert _listed(kinesis, history["name"], Type="AT_TRIM_HORIZON") == [0, 1]


def test_from_trim_horizon_lists_everything(kinesis, history):
    assert _listed(kinesis, history["name"], Type="FROM_TRIM_HORIZON") == [0, 1, 2, 3, 4]


def test_at_timestamp_lists_what_was_open_then(kinesis, history):
    name = history["name"]
    assert _listed(kinesis, name, Type="AT_TIMESTAMP", Timestamp=history["before"]) == [0, 1]
    assert _listed(kinesis, name, Type="AT_TIMESTAMP", Timestamp=history["between"]) == [1, 2, 3]


def test_from_timestamp_lists_what_was_open_then_or_later(kinesis, history):
    name = history["name"]
    since_before = _listed(kinesis, name, Type="FROM_TIMESTAMP", Timestamp=history["before"])
    assert since_before == [0, 1, 2, 3, 4]
    since_between = _listed(kinesis, name, Type="FROM_TIMESTAMP", Timestamp=history["between"])
    assert since_between == [1, 2, 3, 4]


def test_after_a_shard_id(kinesis, history):
    name = history["name"]
    after = _listed(kinesis, name, Type="AFTER_SHARD_ID", ShardId="shardId-000000000002")
    assert after == [3, 4]
    answer = kinesis.list_shards(StreamName=name, ExclusiveStartShardId="shardId-000000000002")
    assert [shard["ShardId"][-1] for shard in answer["Shards"]] == ["3", "4"]


def test_pages_keep_their_filter(kinesis, history):
    name = history["name"]
    first = kinesis.list_shards(
        StreamName=name, MaxResults=1, ShardFilter={"Type": "AT_LATEST"}
    )
    assert [shard["ShardId"][-1] for shard in first["Shards"]] == ["2"]
    second = kinesis.list_shards(NextToken=first["NextToken"])
    assert [shard["ShardId"][-1] for shard in second["Shards"]] == ["4"]
    assert "NextToken" not in second


def test_pages_of_many_shards(kinesis):
    name = streams.create(kinesis, shards=25)
    sizes, more = [], {"StreamName": name}
    while more:
        page = kinesis.list_shards(MaxResults=10, **more)
        sizes.append(len(page["Shards"]))
        more = {"NextToken": page["NextToken"]} if "NextToken" in page else None
    assert sizes == [10, 10, 5]


def test_a_token_stands_alone(kinesis):
    """As in AWS, where boto3's own paginator breaks on it (boto/botocore issue 2009)."""
    name = streams.create(kinesis, shards=3)
    token = kinesis.list_shards(StreamName=name, MaxResults=1)["NextToken"]
    arn = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
    more = {"StreamName": name, "StreamARN": arn, "ExclusiveStartShardId": "shardId-000000000000"}
    for member, value in more.items():
        words = f"NextToken and {member} cannot be provided together."
        with pytest.raises(kinesis.exceptions.InvalidArgumentException, match=words):
            kinesis.list_shards(NextToken=token, **{member: value})
    with pytest.raises(kinesis.exceptions.InvalidArgumentException):
        kinesis.list_shards(NextToken="not a token")
    with pytest.raises(kinesis.exceptions.InvalidArgumentException):
        kinesis.list_shards()
