"""Records: where they go, in which order they come back, and that they all do."""

import random

import pytest

from rig import streams

COUNT = 10_000
SHARDS = 4


@pytest.fixture(scope="module")
def filled(kinesis):
    """10,000 records over four shards: many keys, every seventh with a hash key of its own."""
    name = streams.create(kinesis, shards=SHARDS)
    chance = random.Random(7)
    entries = []
    for number in range(COUNT):
        key = f"key-{chance.randrange(500)}"
        entry = {"Data": f"{number}:{key}".encode(), "PartitionKey": key}
        if number % 7 == 0:
            entry["ExplicitHashKey"] = str(chance.randrange(streams.SPACE))
        entries.append(entry)
    results = streams.put_all(kinesis, name, entries)
    return {"name": name, "entries": entries, "results": results}


@pytest.fixture(scope="module")
def contents(kinesis, filled):
    """What every shard holds."""
    name = filled["name"]
    shards = streams.shards_of(kinesis, name)
    return {s["ShardId"]: streams.read_shard(kinesis, name, s["ShardId"]) for s in shards}


def _position(entry) -> int:
    explicit = entry.get("ExplicitHashKey")
    return int(explicit) if explicit else streams.hash_key(entry["PartitionKey"])


def test_records_go_where_their_hash_key_lies(kinesis, filled):
    shards = streams.shards_of(kinesis, filled["name"])
    for entry, result in zip(filled["entries"], filled["results"]):
        assert result["ShardId"] == streams.shard_for(shards, _position(entry))


def test_everything_comes_back_once(filled, contents):
    put = sorted(entry["Data"] for entry in filled["entries"])
    assert sorted(record["Data"] for records in contents.values() for record in records) == put


def test_records_come_back_in_the_order_they_were_put(filled, contents):
    expected = {shard: [] for shard in contents}
    for entry, result in zip(filled["entries"], filled["results"]):
        expected[result["ShardId"]].append(
            (result["SequenceNumber"], entry["Data"], entry["PartitionKey"])
        )
    for shard, records in contents.items():
        got = [(r["SequenceNumber"], r["Data"], r["PartitionKey"]) for r in records]
        assert got == expected[shard]


def test_sequence_numbers_rise_and_look_like_awss(contents):
    for records in contents.values():
        numbers = [record["SequenceNumber"] for record in records]
        assert streams.is_rising(numbers)
        assert all(len(number) == 56 and number.startswith("49") for number in numbers)


def test_arrival_times_never_fall(contents):
    for records in contents.values():
        times = [record["ApproximateArrivalTimestamp"] for record in records]
        assert times == sorted(times)


def test_a_limit_is_kept_and_pages_join(kinesis, filled, contents):
    shard, expected = next(iter(contents.items()))
    position = streams.iterator(kinesis, filled["name"], shard)
    first = kinesis.get_records(ShardIterator=position, Limit=100)
    assert len(first["Records"]) == 100
    assert first["MillisBehindLatest"] >= 0
    assert first["NextShardIterator"] != position
    rest, last = streams.read_from(kinesis, first["NextShardIterator"], limit=999)
    assert [r["SequenceNumber"] for r in first["Records"] + rest] == [
        r["SequenceNumber"] for r in expected
    ]
    assert last["MillisBehindLatest"] == 0


def test_every_answer_has_another_iterator(kinesis):
    name = streams.create(kinesis)
    position = streams.iterator(kinesis, name, "shardId-000000000000")
    seen = {position}
    for _ in range(3):
        position = kinesis.get_records(ShardIterator=position)["NextShardIterator"]
        assert position not in seen
        seen.add(position)


def test_an_iterator_may_be_read_again(kinesis, filled, contents):
    shard, expected = next(iter(contents.items()))
    position = streams.iterator(kinesis, filled["name"], shard)
    for _ in range(2):
        page = kinesis.get_records(ShardIterator=position, Limit=3)
        assert [r["Data"] for r in page["Records"]] == [r["Data"] for r in expected[:3]]


def test_one_record(kinesis):
    name = streams.create(kinesis)
    data = bytes(range(256)) * 4
    placed = kinesis.put_record(StreamName=name, Data=data, PartitionKey="schlüssel")
    assert placed["ShardId"] == "shardId-000000000000"
    assert "EncryptionType" not in placed
    [record] = streams.read_shard(kinesis, name, placed["ShardId"])
    assert record["Data"] == data
    assert record["PartitionKey"] == "schlüssel"
    assert record["SequenceNumber"] == placed["SequenceNumber"]
    assert "EncryptionType" not in record


def test_empty_and_largest_records(kinesis):
    name = streams.create(kinesis)
    largest = b"x" * (1024 * 1024 - 1)
    for data in (b"", largest):
        kinesis.put_record(StreamName=name, Data=data, PartitionKey="k")
    records = streams.read_shard(kinesis, name, "shardId-000000000000")
    assert [len(record["Data"]) for record in records] == [0, len(largest)]
    with pytest.raises(kinesis.exceptions.ClientError):
        kinesis.put_record(StreamName=name, Data=largest + b"xx", PartitionKey="k")


def test_a_big_answer_stops_at_ten_mebibytes(kinesis):
    name = streams.create(kinesis)
    for _ in range(4):
        entries = [{"Data": b"y" * 900_000, "PartitionKey": "k"} for _ in range(5)]
        streams.put_all(kinesis, name, entries)
    position = streams.iterator(kinesis, name, "shardId-000000000000")
    page = kinesis.get_records(ShardIterator=position)
    got = sum(len(record["Data"]) for record in page["Records"])
    assert 0 < got <= 10 * 1024 * 1024
    rest, _ = streams.read_from(kinesis, page["NextShardIterator"])
    assert len(page["Records"]) + len(rest) == 20


def test_ordering_by_sequence_number(kinesis):
    name = streams.create(kinesis)
    previous, numbers = None, []
    for number in range(5):
        more = {"SequenceNumberForOrdering": previous} if previous else {}
        placed = kinesis.put_record(
            StreamName=name, Data=str(number).encode(), PartitionKey="k", **more
        )
        previous = placed["SequenceNumber"]
        numbers.append(previous)
    assert streams.is_rising(numbers)


def test_by_arn(kinesis):
    name = streams.create(kinesis)
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    arn = summary["StreamARN"]
    kinesis.put_record(StreamARN=arn, Data=b"one", PartitionKey="k")
    kinesis.put_records(StreamARN=arn, Records=[{"Data": b"two", "PartitionKey": "k"}])
    position = kinesis.get_shard_iterator(
        StreamARN=arn, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    page = kinesis.get_records(ShardIterator=position, StreamARN=arn)
    assert [record["Data"] for record in page["Records"]] == [b"one", b"two"]


def test_a_dry_run_says_so_and_does_nothing(kinesis):
    name = streams.create(kinesis)
    attempts = [
        lambda: kinesis.put_record(StreamName=name, Data=b"x", PartitionKey="k", DryRun=True),
        lambda: kinesis.put_records(
            StreamName=name, Records=[{"Data": b"x", "PartitionKey": "k"}], DryRun=True
        ),
    ]
    for attempt in attempts:
        with pytest.raises(kinesis.exceptions.ClientError) as caught:
            attempt()
        assert caught.value.response["Error"]["Code"] == "DryRunOperationException"
    assert streams.read_shard(kinesis, name, "shardId-000000000000") == []
