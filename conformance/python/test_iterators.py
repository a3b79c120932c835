"""The five places where reading can begin."""

import datetime

import pytest

from rig import streams
from rig.waiting import until

SHARD = "shardId-000000000000"


@pytest.fixture(scope="module")
def filled(kinesis):
    """Three records, then, at least 20 ms later, three more."""
    name = streams.create(kinesis)
    placed = [_put(kinesis, name, f"early-{n}") for n in range(3)]
    arrived = streams.read_shard(kinesis, name, SHARD)[-1]["ApproximateArrivalTimestamp"]
    later = arrived + datetime.timedelta(milliseconds=20)
    until(lambda: datetime.datetime.now(later.tzinfo) > later, every=0.005)
    placed += [_put(kinesis, name, f"late-{n}") for n in range(3)]
    return {"name": name, "placed": placed}


def _put(kinesis, name, text):
    return kinesis.put_record(StreamName=name, Data=text.encode(), PartitionKey="k")[
        "SequenceNumber"
    ]


def _read(kinesis, filled, kind, **more):
    position = streams.iterator(kinesis, filled["name"], SHARD, kind, **more)
    records, page = streams.read_from(kinesis, position)
    assert page["MillisBehindLatest"] == 0
    return [record["SequenceNumber"] for record in records]


def test_trim_horizon(kinesis, filled):
    assert _read(kinesis, filled, "TRIM_HORIZON") == filled["placed"]


@pytest.mark.parametrize("index", range(6))
def test_at_sequence_number(kinesis, filled, index):
    start = filled["placed"][index]
    got = _read(kinesis, filled, "AT_SEQUENCE_NUMBER", StartingSequenceNumber=start)
    assert got == filled["placed"][index:]


@pytest.mark.parametrize("index", range(6))
def test_after_sequence_number(kinesis, filled, index):
    start = filled["placed"][index]
    got = _read(kinesis, filled, "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=start)
    assert got == filled["placed"][index + 1 :]


def test_latest_shows_only_what_comes(kinesis):
    name = streams.create(kinesis)
    _put(kinesis, name, "before")
    position = streams.iterator(kinesis, name, SHARD, "LATEST")
    page = kinesis.get_records(ShardIterator=position)
    assert page["Records"] == []
    assert page["MillisBehindLatest"] == 0
    number = _put(kinesis, name, "after")
    records, _ = streams.read_from(kinesis, page["NextShardIterator"], enough=1)
    assert [record["SequenceNumber"] for record in records] == [number]
    records, _ = streams.read_from(kinesis, position, enough=1)
    assert [record["SequenceNumber"] for record in records] == [number]


def test_at_timestamp(kinesis, filled):
    records = streams.read_shard(kinesis, filled["name"], SHARD)
    times = [record["ApproximateArrivalTimestamp"] for record in records]
    for time in times:
        expected = [r["SequenceNumber"] for r, t in zip(records, times) if t >= time]
        assert _read(kinesis, filled, "AT_TIMESTAMP", Timestamp=time) == expected
    between = times[2] + datetime.timedelta(milliseconds=5)
    assert _read(kinesis, filled, "AT_TIMESTAMP", Timestamp=between) == filled["placed"][3:]
    long_ago = times[0] - datetime.timedelta(days=300)
    assert _read(kinesis, filled, "AT_TIMESTAMP", Timestamp=long_ago) == filled["placed"]


def test_the_shards_start_is_a_place(kinesis, filled):
    [shard] = streams.shards_of(kinesis, filled["name"])
    start = shard["SequenceNumberRange"]["StartingSequenceNumber"]
    for kind in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"):
        got = _read(kinesis, filled, kind, StartingSequenceNumber=start)
        assert got == filled["placed"], kind


def test_a_quoted_iterator_is_taken(kinesis, filled):
    position = streams.iterator(kinesis, filled["name"], SHARD)
    records = kinesis.get_records(ShardIterator=f'"{position}"')["Records"]
    assert len(records) == 6


def test_a_short_shard_id_is_taken(kinesis, filled):
    for shard in ("shardId-0", "0"):
        position = streams.iterator(kinesis, filled["name"], shard)
        assert len(kinesis.get_records(ShardIterator=position)["Records"]) == 6


def test_millis_behind_latest_tells_how_far(kinesis):
    name = streams.create(kinesis)
    for number in range(3):
        _put(kinesis, name, f"{number}")
    position = streams.iterator(kinesis, name, SHARD)

    def behind():
        return kinesis.get_records(ShardIterator=position, Limit=1)["MillisBehindLatest"]

    until(lambda: behind() >= 30, what="the reader 30 ms behind")
    _, last = streams.read_from(kinesis, position)
    assert last["MillisBehindLatest"] == 0


def test_new_records_are_seen_at_the_tip(kinesis):
    name = streams.create(kinesis)
    position = streams.iterator(kinesis, name, SHARD)
    got = []
    for number in range(20):
        _put(kinesis, name, f"{number}")
        page = kinesis.get_records(ShardIterator=position)
        position = page["NextShardIterator"]
        got += [record["Data"].decode() for record in page["Records"]]
    assert got == [str(number) for number in range(20)]


def test_an_iterator_outlives_its_stream_if_another_takes_the_name(kinesis):
    name = streams.create(kinesis, shards=2)
    _put(kinesis, name, "old")
    zero, one = (
        streams.iterator(kinesis, name, f"shardId-{n:012}", "LATEST") for n in range(2)
    )
    kinesis.delete_stream(StreamName=name)
    gone = kinesis.exceptions.ResourceNotFoundException
    with pytest.raises(gone, match="Shard shardId-000000000000 in stream .* does not exist"):
        kinesis.get_records(ShardIterator=zero)
    streams.create(kinesis, name=name)
    with pytest.raises(gone, match="Shard shardId-000000000001 in stream .* does not exist"):
        kinesis.get_records(ShardIterator=one)
    _put(kinesis, name, "new")
    [record] = kinesis.get_records(ShardIterator=zero)["Records"]
    assert record["Data"] == b"new"
