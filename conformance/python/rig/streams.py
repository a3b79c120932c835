"""Streams as the tests think of them, computed independently of the server."""

import hashlib
import itertools
import time

from rig.waiting import until

SPACE = 2**128
_numbers = itertools.count(1)


def fresh_name(prefix="stream"):
    return f"{prefix}-{next(_numbers)}"


def hash_key(partition_key: str) -> int:
    """Where a partition key lies."""
    return int.from_bytes(hashlib.md5(partition_key.encode()).digest(), "big")


def even_ranges(count: int) -> list:
    """The ranges of a new stream's shards."""
    width = SPACE // count
    starts = [width * index for index in range(count)]
    return list(zip(starts, [start - 1 for start in starts[1:]] + [SPACE - 1]))


def range_of(shard) -> tuple:
    found = shard["HashKeyRange"]
    return int(found["StartingHashKey"]), int(found["EndingHashKey"])


def is_open(shard) -> bool:
    return "EndingSequenceNumber" not in shard["SequenceNumberRange"]


def create(client, shards=1, name=None) -> str:
    """A provisioned stream, ACTIVE."""
    name = name or fresh_name()
    client.create_stream(StreamName=name, ShardCount=shards)
    await_active(client, name)
    return name


def await_active(client, name):
    def is_active():
        summary = client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
        return summary["StreamStatus"] == "ACTIVE" and summary

    return until(is_active, what=f"{name} ACTIVE")


def shards_of(client, name) -> list:
    shards, more = [], {"StreamName": name}
    while True:
        page = client.list_shards(**more)
        shards += page["Shards"]
        if "NextToken" not in page:
            return shards
        more = {"NextToken": page["NextToken"]}


def shard_for(shards, key: int) -> str:
    """The open shard that owns a hash key."""
    owners = [s for s in shards if is_open(s) and range_of(s)[0] <= key <= range_of(s)[1]]
    assert len(owners) == 1, owners
    return owners[0]["ShardId"]


def iterator(client, name, shard, kind="TRIM_HORIZON", **more) -> str:
    answer = client.get_shard_iterator(
        StreamName=name, ShardId=shard, ShardIteratorType=kind, **more
    )
    return answer["ShardIterator"]


def read_from(client, position, limit=10_000, enough=None, seconds=30) -> tuple:
    """Records from an iterator to the tip, the end of the shard, or until there are enough.

    Returns the records and the last answer.
    """
    records, deadline = [], time.monotonic() + seconds
    while True:
        page = client.get_records(ShardIterator=position, Limit=limit)
        records += page["Records"]
        position = page.get("NextShardIterator")
        satisfied = page["MillisBehindLatest"] == 0 if enough is None else len(records) >= enough
        if position is None or (satisfied and (enough is not None or not page["Records"])):
            return records, page
        assert time.monotonic() < deadline, f"{len(records)} records and no end"


def read_shard(client, name, shard, **more) -> list:
    """Everything in a shard."""
    return read_from(client, iterator(client, name, shard), **more)[0]


def put_all(client, name, entries) -> list:
    """Puts entries 500 at a time; the results in the entries' order."""
    results = []
    for start in range(0, len(entries), 500):
        answer = client.put_records(StreamName=name, Records=entries[start : start + 500])
        assert answer["FailedRecordCount"] == 0, answer
        results += answer["Records"]
    return results


def is_rising(numbers) -> bool:
    numbers = [int(number) for number in numbers]
    return all(a < b for a, b in zip(numbers, numbers[1:]))
