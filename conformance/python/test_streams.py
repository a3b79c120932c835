"""Streams: made, described, listed, deleted."""

import datetime

import pytest

from rig import clients, streams
from rig.server import ACCOUNT, REGION


def test_a_provisioned_stream(kinesis):
    name = streams.create(kinesis, shards=3)
    description = kinesis.describe_stream(StreamName=name)["StreamDescription"]
    assert description["StreamARN"] == f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{name}"
    assert description["StreamName"] == name
    assert description["StreamStatus"] == "ACTIVE"
    assert description["StreamModeDetails"] == {"StreamMode": "PROVISIONED"}
    assert description["RetentionPeriodHours"] == 24
    assert description["EnhancedMonitoring"] == [{"ShardLevelMetrics": []}]
    assert description["HasMoreShards"] is False
    age = datetime.datetime.now(datetime.timezone.utc) - description["StreamCreationTimestamp"]
    assert abs(age.total_seconds()) < 60
    shards = description["Shards"]
    assert [shard["ShardId"] for shard in shards] == [f"shardId-{n:012}" for n in range(3)]
    assert [streams.range_of(shard) for shard in shards] == streams.even_ranges(3)
    assert all(streams.is_open(shard) for shard in shards)
    assert all("ParentShardId" not in shard for shard in shards)


@pytest.mark.parametrize("count", [1, 2, 7, 16])
def test_shards_share_the_space_of_hash_keys(kinesis, count):
    name = streams.create(kinesis, shards=count)
    ranges = [streams.range_of(shard) for shard in streams.shards_of(kinesis, name)]
    assert ranges == streams.even_ranges(count)


def test_a_summary(kinesis):
    name = streams.create(kinesis, shards=2)
    answer = kinesis.describe_stream_summary(StreamName=name)
    summary = answer["StreamDescriptionSummary"]
    assert summary["OpenShardCount"] == 2
    assert summary["ConsumerCount"] == 0
    assert summary["StreamModeDetails"] == {"StreamMode": "PROVISIONED"}
    by_arn = kinesis.describe_stream_summary(StreamARN=summary["StreamARN"])
    assert by_arn["StreamDescriptionSummary"] == summary


def test_an_on_demand_stream_has_four_shards(kinesis):
    name = streams.fresh_name()
    kinesis.create_stream(StreamName=name, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    summary = streams.await_active(kinesis, name)
    assert summary["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}
    assert summary["OpenShardCount"] == 4


def test_the_waiters_agree(kinesis):
    name = streams.fresh_name()
    kinesis.create_stream(StreamName=name, ShardCount=1)
    quickly = {"Delay": 1, "MaxAttempts": 10}
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig=quickly)
    kinesis.delete_stream(StreamName=name)
    kinesis.get_waiter("stream_not_exists").wait(StreamName=name, WaiterConfig=quickly)


def test_shards_are_described_by_pages(kinesis):
    name = streams.create(kinesis, shards=5)
    first = kinesis.describe_stream(StreamName=name, Limit=2)["StreamDescription"]
    assert first["HasMoreShards"] is True
    assert len(first["Shards"]) == 2
    last = first["Shards"][-1]["ShardId"]
    rest = kinesis.describe_stream(StreamName=name, ExclusiveStartShardId=last)
    shards = first["Shards"] + rest["StreamDescription"]["Shards"]
    assert [shard["ShardId"] for shard in shards] == [f"shardId-{n:012}" for n in range(5)]
    pages = kinesis.get_paginator("describe_stream").paginate(StreamName=name, Limit=2)
    assert sum(len(page["StreamDescription"]["Shards"]) for page in pages) == 5


def test_streams_are_listed_by_pages(server):
    # A region is a world of its own, so this one holds exactly what the test puts there.
    alone = clients.client(server.endpoint, region="eu-west-3")
    names = sorted(streams.create(alone, name=f"listed-{n:02}") for n in range(7))
    seen, more = [], {}
    for _ in range(10):
        page = alone.list_streams(Limit=3, **more)
        assert [summary["StreamName"] for summary in page["StreamSummaries"]] == page["StreamNames"]
        seen += page["StreamNames"]
        if not page["HasMoreStreams"]:
            break
        more = {"NextToken": page["NextToken"]}
    assert seen == names
    assert alone.list_streams(ExclusiveStartStreamName="listed-04")["StreamNames"] == names[5:]
    summary = alone.list_streams(Limit=1)["StreamSummaries"][0]
    assert summary["StreamARN"] == f"arn:aws:kinesis:eu-west-3:{ACCOUNT}:stream/listed-00"
    assert summary["StreamStatus"] == "ACTIVE"


def test_a_region_is_a_world_of_its_own(server, kinesis):
    name = streams.create(kinesis, shards=1)
    elsewhere = clients.client(server.endpoint, region="ap-southeast-2")
    assert elsewhere.list_streams()["StreamNames"] == []
    with pytest.raises(elsewhere.exceptions.ResourceNotFoundException):
        elsewhere.describe_stream_summary(StreamName=name)


def test_a_deleted_stream_is_gone_and_its_name_is_free(kinesis):
    name = streams.create(kinesis, shards=2)
    kinesis.put_record(StreamName=name, Data=b"old", PartitionKey="k")
    kinesis.delete_stream(StreamName=name)
    assert name not in kinesis.list_streams(Limit=10_000)["StreamNames"]
    with pytest.raises(kinesis.exceptions.ResourceNotFoundException):
        kinesis.put_record(StreamName=name, Data=b"lost", PartitionKey="k")
    streams.create(kinesis, shards=1, name=name)
    shards = streams.shards_of(kinesis, name)
    assert len(shards) == 1
    assert streams.read_shard(kinesis, name, shards[0]["ShardId"]) == []
