"""UpdateShardCount: as many open shards as asked for, evenly, by AWS's own steps."""

import pytest

from rig import clients, streams
from rig.server import Server


def _scale(kinesis, name, target):
    answer = kinesis.update_shard_count(
        StreamName=name, TargetShardCount=target, ScalingType="UNIFORM_SCALING"
    )
    streams.await_active(kinesis, name)
    return answer


# Open and closed shards afterwards, as AWS was seen to leave them.
@pytest.mark.parametrize(
    "before, after, total",
    [(2, 4, 6), (4, 5, 15), (10, 13, 37), (4, 2, 6), (5, 3, 7), (10, 5, 15)],
)
def test_the_steps_are_awss(kinesis, before, after, total):
    name = streams.create(kinesis, shards=before)
    answer = _scale(kinesis, name, after)
    assert answer["StreamName"] == name
    assert (answer["CurrentShardCount"], answer["TargetShardCount"]) == (before, after)
    shards = streams.shards_of(kinesis, name)
    ranges = sorted(streams.range_of(shard) for shard in shards if streams.is_open(shard))
    assert len(ranges) == after
    assert ranges[0][0] == 0 and ranges[-1][1] == streams.SPACE - 1
    assert all(below[1] + 1 == above[0] for below, above in zip(ranges, ranges[1:]))
    assert len(shards) == total


def test_doubling_and_halving_stay_even(kinesis):
    name = streams.create(kinesis, shards=2)
    for target in (4, 8, 4):
        _scale(kinesis, name, target)
        shards = [s for s in streams.shards_of(kinesis, name) if streams.is_open(s)]
        assert sorted(streams.range_of(shard) for shard in shards) == streams.even_ranges(target)


def test_records_survive_scaling(kinesis):
    name = streams.create(kinesis, shards=2)
    entries = [{"Data": str(n).encode(), "PartitionKey": f"k{n}"} for n in range(100)]
    streams.put_all(kinesis, name, entries)
    _scale(kinesis, name, 3)
    streams.put_all(kinesis, name, entries)
    records = []
    for shard in streams.shards_of(kinesis, name):
        records += streams.read_shard(kinesis, name, shard["ShardId"])
    assert sorted(record["Data"] for record in records) == sorted(
        entry["Data"] for entry in entries + entries
    )


@pytest.mark.parametrize("target", [9, 1])
def test_steps_have_no_limit_unless_asked_for(kinesis, target):
    name = streams.create(kinesis, shards=4)
    _scale(kinesis, name, target)
    shards = streams.shards_of(kinesis, name)
    assert sum(streams.is_open(shard) for shard in shards) == target


def test_awss_limits_on_steps(tmp_path):
    server = Server(tmp_path / "data", "--limits", "aws").start()
    client = clients.client(server.endpoint)
    name = streams.create(client, shards=4)
    for target in (9, 1):
        with pytest.raises(client.exceptions.ClientError) as caught:
            _scale(client, name, target)
        refusal = caught.value.response["Error"]["Code"]
        assert refusal in ("LimitExceededException", "InvalidArgumentException")
        assert len(streams.shards_of(client, name)) == 4
    server.stop()
