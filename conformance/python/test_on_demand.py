"""Capacity on demand: modes, warmth, records that the service distributes, and shards that follow."""

from collections import Counter

import pytest

from rig import clients, streams
from rig.command import move_clock
from rig.refusals import refusal
from rig.server import ACCOUNT, Server
from rig.waiting import until

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    """A server whose clock can be moved, and which says for a while that it is changing."""
    started = Server(
        tmp_path_factory.mktemp("on-demand") / "data", "--dev", "--state-delay", "300ms"
    ).start()
    yield started
    started.stop()


@pytest.fixture
def slow(dev):
    return clients.client(dev.endpoint)


def create(client, **more):
    """An on-demand stream, ACTIVE; its name and ARN."""
    name = streams.fresh_name()
    mode = {"StreamModeDetails": {"StreamMode": "ON_DEMAND"}}
    client.create_stream(StreamName=name, **mode, **more)
    return name, streams.await_active(client, name)["StreamARN"]


def summary(client, name):
    return client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]


def test_a_new_stream_has_four_shards(kinesis):
    name, _ = create(kinesis)
    described = summary(kinesis, name)
    assert described["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}
    assert described["OpenShardCount"] == 4
    assert described["RecordDistributionStrategy"] == "USER_PARTITION_KEY"


def test_shards_are_not_the_callers_business(kinesis):
    name, _ = create(kinesis)
    said = (
        "ValidationException",
        f"Request is invalid. Stream {name} under account {ACCOUNT} is in On-Demand mode.",
    )
    first, second = [shard["ShardId"] for shard in streams.shards_of(kinesis, name)][:2]
    attempts = [
        (kinesis.split_shard, {"ShardToSplit": first, "NewStartingHashKey": "10"}),
        (kinesis.merge_shards, {"ShardToMerge": first, "AdjacentShardToMerge": second}),
        (
            kinesis.update_shard_count,
            {"TargetShardCount": 8, "ScalingType": "UNIFORM_SCALING"},
        ),
    ]
    for call, given in attempts:
        assert refusal(call, StreamName=name, **given) == said
    assert len(streams.shards_of(kinesis, name)) == 4


def test_a_mode_is_changed_and_the_shards_stay(slow):
    name = streams.create(slow, shards=3)
    arn = summary(slow, name)["StreamARN"]
    slow.update_stream_mode(StreamARN=arn, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    assert summary(slow, name)["StreamStatus"] == "UPDATING"
    busy = refusal(
        slow.update_stream_mode, StreamARN=arn, StreamModeDetails={"StreamMode": "PROVISIONED"}
    )
    assert busy == (
        "ResourceInUseException",
        f"Stream {name} under account {ACCOUNT} not ACTIVE, instead in state UPDATING",
    )
    slow.put_record(StreamName=name, Data=b"x", PartitionKey="k")
    described = streams.await_active(slow, name)
    assert described["StreamModeDetails"]["StreamMode"] == "ON_DEMAND"
    assert described["OpenShardCount"] == 3
    slow.update_stream_mode(StreamARN=arn, StreamModeDetails={"StreamMode": "PROVISIONED"})
    described = streams.await_active(slow, name)
    assert "RecordDistributionStrategy" not in described
    slow.update_shard_count(StreamName=name, TargetShardCount=2, ScalingType="UNIFORM_SCALING")
    assert streams.await_active(slow, name)["OpenShardCount"] == 2


def test_a_missing_stream_has_no_mode(kinesis):
    arn = f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/nobody"
    said = ("ResourceNotFoundException", f"Stream nobody under account {ACCOUNT} not found.")
    on_demand = {"StreamMode": "ON_DEMAND"}
    assert refusal(kinesis.update_stream_mode, StreamARN=arn, StreamModeDetails=on_demand) == said
    strategy = kinesis.update_stream_record_distribution_strategy
    assert refusal(strategy, StreamARN=arn, RecordDistributionStrategy="AUTO") == said


def test_provisioned_streams_have_neither_warmth_nor_distribution(kinesis):
    name = streams.create(kinesis)
    arn = summary(kinesis, name)["StreamARN"]
    warm = refusal(kinesis.update_stream_warm_throughput, StreamARN=arn, WarmThroughputMiBps=8)
    assert warm[0] == "ValidationException"
    strategy = kinesis.update_stream_record_distribution_strategy
    code, _ = refusal(strategy, StreamARN=arn, RecordDistributionStrategy="AUTO")
    assert code == "InvalidArgumentException"
    given = {"StreamModeDetails": {"StreamMode": "PROVISIONED"}, "WarmThroughputMiBps": 8}
    code, _ = refusal(kinesis.update_stream_mode, StreamARN=arn, **given)
    assert code == "InvalidArgumentException"


def test_warmth_opens_shards_for_an_account_that_committed(slow):
    name, arn = create(slow)
    warm = slow.update_stream_warm_throughput
    code, message = refusal(warm, StreamARN=arn, WarmThroughputMiBps=12)
    assert code == "ValidationException" and "MinimumThroughputBillingCommitment" in message
    code, _ = refusal(
        slow.create_stream,
        StreamName="cold",
        StreamModeDetails={"StreamMode": "ON_DEMAND"},
        WarmThroughputMiBps=12,
    )
    assert code == "ValidationException"
    slow.update_account_settings(MinimumThroughputBillingCommitment={"Status": "ENABLED"})
    answer = warm(StreamARN=arn, WarmThroughputMiBps=12)
    assert (answer["StreamARN"], answer["StreamName"]) == (arn, name)
    assert answer["WarmThroughput"] == {"TargetMiBps": 12, "CurrentMiBps": 4}
    assert summary(slow, name)["StreamStatus"] == "UPDATING"
    described = streams.await_active(slow, name)
    assert described["OpenShardCount"] == 12
    assert described["WarmThroughput"] == {"TargetMiBps": 12, "CurrentMiBps": 12}
    # The same or less gives up what nobody needs.
    warm(StreamName=name, WarmThroughputMiBps=6)
    described = streams.await_active(slow, name)
    assert described["OpenShardCount"] == 6
    code, _ = refusal(warm, StreamARN=arn, WarmThroughputMiBps=10_241)
    assert code == "LimitExceededException"
    code, _ = refusal(warm, StreamARN=arn, WarmThroughputMiBps=-1)
    assert code == "ValidationException"
    begun, _ = create(slow, WarmThroughputMiBps=7)
    assert summary(slow, begun)["OpenShardCount"] == 7


def test_the_service_distributes_records(kinesis):
    name, arn = create(kinesis)
    keyless = {"Data": b"keyless"}
    code, _ = refusal(kinesis.put_record, StreamName=name, **keyless)
    assert code == "InvalidArgumentException"
    kinesis.update_stream_record_distribution_strategy(
        StreamARN=arn, RecordDistributionStrategy="AUTO"
    )
    described = summary(kinesis, name)
    assert described["RecordDistributionStrategy"] == "AUTO"
    assert described["StreamStatus"] == "ACTIVE", "it takes effect at once"
    kinesis.put_record(StreamName=name, **keyless)
    # Keys and hints are ignored: one key alone reaches every shard.
    entries = [{"Data": b"x", "PartitionKey": "same", "ExplicitHashKey": "0"}] * 200
    answer = kinesis.put_records(StreamName=name, Records=entries + [keyless] * 200)
    assert answer["FailedRecordCount"] == 0
    by_shard = Counter(record["ShardId"] for record in answer["Records"])
    assert len(by_shard) == 4 and min(by_shard.values()) > 50, by_shard
    read = [
        record
        for shard in streams.shards_of(kinesis, name)
        for record in streams.read_shard(kinesis, name, shard["ShardId"])
    ]
    assert Counter(record["Data"] for record in read) == {b"keyless": 201, b"x": 200}
    kinesis.update_stream_record_distribution_strategy(
        StreamARN=arn, RecordDistributionStrategy="USER_PARTITION_KEY"
    )
    code, _ = refusal(kinesis.put_records, StreamName=name, Records=[keyless])
    assert code == "InvalidArgumentException"


def test_a_stream_can_begin_with_distribution(kinesis):
    name, _ = create(kinesis, RecordDistributionStrategy="AUTO")
    kinesis.put_records(StreamName=name, Records=[{"Data": b"x"}])


def test_traffic_makes_a_stream_grow(slow, dev):
    name, _ = create(slow)
    entries = [{"Data": b"x" * (MIB // 2), "PartitionKey": str(n)} for n in range(16)]

    def has_grown():
        # Eight MiB in much less than the ten seconds of a look, which the clock cuts short.
        streams.put_all(slow, name, entries)
        move_clock(dev, "+10s")
        return summary(slow, name)["OpenShardCount"] > 4

    until(has_grown, seconds=60, what="more shards")
    described = streams.await_active(slow, name)
    before = described["OpenShardCount"]
    everything = []
    for shard in streams.shards_of(slow, name):
        everything += streams.read_shard(slow, name, shard["ShardId"], seconds=60)
    assert len(everything) % len(entries) == 0 and everything, "nothing is lost or doubled"
    move_clock(dev, "+10s")
    assert summary(slow, name)["OpenShardCount"] >= before

    def has_shrunk():
        move_clock(dev, "+10s")
        return summary(slow, name)["OpenShardCount"] == 4

    move_clock(dev, f"+{31 * 24}h")
    until(has_shrunk, seconds=60, what="a month without traffic")
