"""Splits and merges: nothing is lost, nothing is out of order, and a reader finds its way."""

import threading

import pytest

from rig import clients, streams
from rig.waiting import until

ZERO, ONE, TWO = (f"shardId-{n:012}" for n in range(3))
MIDDLE = streams.SPACE // 2


def _split(kinesis, name, shard, at):
    kinesis.split_shard(StreamName=name, ShardToSplit=shard, NewStartingHashKey=str(at))
    streams.await_active(kinesis, name)


def _merge(kinesis, name, shard, adjacent):
    kinesis.merge_shards(StreamName=name, ShardToMerge=shard, AdjacentShardToMerge=adjacent)
    streams.await_active(kinesis, name)


def test_a_split(kinesis):
    name = streams.create(kinesis)
    _split(kinesis, name, ZERO, MIDDLE)
    parent, low, high = streams.shards_of(kinesis, name)
    assert not streams.is_open(parent)
    numbers = parent["SequenceNumberRange"]
    assert int(numbers["StartingSequenceNumber"]) < int(numbers["EndingSequenceNumber"])
    for child, expected in ((low, (0, MIDDLE - 1)), (high, (MIDDLE, streams.SPACE - 1))):
        assert streams.is_open(child)
        assert child["ParentShardId"] == ZERO
        assert "AdjacentParentShardId" not in child
        assert streams.range_of(child) == expected
        starts = int(child["SequenceNumberRange"]["StartingSequenceNumber"])
        assert starts > int(numbers["EndingSequenceNumber"])


def test_a_merge(kinesis):
    name = streams.create(kinesis, shards=2)
    _merge(kinesis, name, ZERO, ONE)
    zero, one, child = streams.shards_of(kinesis, name)
    assert not streams.is_open(zero) and not streams.is_open(one)
    assert child["ParentShardId"] == ZERO
    assert child["AdjacentParentShardId"] == ONE
    assert streams.range_of(child) == (0, streams.SPACE - 1)
    assert kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"][
        "OpenShardCount"
    ] == 1


def test_the_end_of_a_split_shard_names_its_children(kinesis):
    name = streams.create(kinesis)
    kinesis.put_record(StreamName=name, Data=b"a", PartitionKey="k")
    at_the_tip = streams.iterator(kinesis, name, ZERO, "LATEST")
    _split(kinesis, name, ZERO, MIDDLE)
    records, last = streams.read_from(kinesis, streams.iterator(kinesis, name, ZERO))
    assert [record["Data"] for record in records] == [b"a"]
    assert "NextShardIterator" not in last
    children = sorted(last["ChildShards"], key=lambda child: child["ShardId"])
    assert [child["ShardId"] for child in children] == [ONE, TWO]
    assert all(child["ParentShards"] == [ZERO] for child in children)
    ranges = [streams.range_of(child) for child in children]
    assert ranges == [(0, MIDDLE - 1), (MIDDLE, streams.SPACE - 1)]
    assert last["MillisBehindLatest"] == 0
    tip = kinesis.get_records(ShardIterator=at_the_tip)
    assert "NextShardIterator" not in tip and len(tip["ChildShards"]) == 2


def test_the_end_of_merged_shards_names_their_child(kinesis):
    name = streams.create(kinesis, shards=2)
    _merge(kinesis, name, ZERO, ONE)
    for shard in (ZERO, ONE):
        _, last = streams.read_from(kinesis, streams.iterator(kinesis, name, shard))
        assert "NextShardIterator" not in last
        [child] = last["ChildShards"]
        assert child["ShardId"] == TWO
        assert sorted(child["ParentShards"]) == [ZERO, ONE]
        assert streams.range_of(child) == (0, streams.SPACE - 1)


def test_an_open_shard_has_no_children(kinesis):
    name = streams.create(kinesis)
    page = kinesis.get_records(ShardIterator=streams.iterator(kinesis, name, ZERO))
    assert "NextShardIterator" in page and "ChildShards" not in page


def test_new_records_go_to_the_children(kinesis):
    name = streams.create(kinesis)
    before = kinesis.put_record(StreamName=name, Data=b"x", PartitionKey="k")
    _split(kinesis, name, ZERO, MIDDLE)
    after = kinesis.put_record(StreamName=name, Data=b"y", PartitionKey="k")
    owner = ONE if streams.hash_key("k") < MIDDLE else TWO
    assert (before["ShardId"], after["ShardId"]) == (ZERO, owner)
    assert int(after["SequenceNumber"]) > int(before["SequenceNumber"])


@pytest.fixture()
def under_load(server, kinesis):
    """A stream that a writer fills while the test reshards it."""
    writer = Writer(clients.client(server.endpoint), streams.create(kinesis, shards=2))
    writer.start()
    yield writer
    writer.stop()


class Writer(threading.Thread):
    """Puts numbered records of 40 keys, batch by batch, and remembers what was acknowledged."""

    def __init__(self, client, name):
        super().__init__(daemon=True)
        self.client, self.name = client, name
        self.acknowledged, self.failure = [], None
        self._stopping = threading.Event()

    def run(self):
        number = 0
        try:
            while not self._stopping.is_set():
                entries = []
                for _ in range(40):
                    key = f"key-{number % 40}"
                    entries.append({"Data": f"{key}/{number // 40}".encode(), "PartitionKey": key})
                    number += 1
                results = streams.put_all(self.client, self.name, entries)
                self.acknowledged += list(zip(entries, results))
        except Exception as error:  # noqa: BLE001 - told to the test's own thread
            self.failure = error

    def stop(self):
        self._stopping.set()
        self.join(30)
        assert self.failure is None, self.failure

    def await_more(self):
        """Some more records must have been acknowledged."""
        before = len(self.acknowledged)
        until(
            lambda: self.failure or len(self.acknowledged) > before + 200,
            what="more acknowledged records",
        )


def _read_lineage(kinesis, name) -> list:
    """As KCL does: every shard to its end, children after all of their parents."""
    waiting = kinesis.list_shards(StreamName=name, ShardFilter={"Type": "AT_TRIM_HORIZON"})["Shards"]
    parents = {shard["ShardId"]: [] for shard in waiting}
    order, records = [], []
    while len(order) < len(parents):
        ready = [s for s, above in parents.items() if s not in order and set(above) <= set(order)]
        assert ready, "a shard whose parents are never read"
        for shard in ready:
            got, last = streams.read_from(kinesis, streams.iterator(kinesis, name, shard))
            records += got
            order.append(shard)
            for child in last.get("ChildShards", []):
                parents[child["ShardId"]] = child["ParentShards"]
    return records


def test_order_by_key_survives_splits_and_merges_under_load(kinesis, under_load):
    name = under_load.name
    for round_number in range(4):
        under_load.await_more()
        shards = [s for s in streams.shards_of(kinesis, name) if streams.is_open(s)]
        shards.sort(key=streams.range_of)
        if round_number % 2 == 0:
            low, high = streams.range_of(shards[0])
            _split(kinesis, name, shards[0]["ShardId"], (low + high) // 2)
        else:
            _merge(kinesis, name, shards[0]["ShardId"], shards[1]["ShardId"])
    under_load.await_more()
    under_load.stop()

    records = _read_lineage(kinesis, name)
    by_key = {}
    for record in records:
        key, _, number = record["Data"].decode().partition("/")
        assert record["PartitionKey"] == key
        by_key.setdefault(key, []).append((int(number), int(record["SequenceNumber"])))
    assert len(records) == len(under_load.acknowledged)
    for key, seen in by_key.items():
        assert [number for number, _ in seen] == list(range(len(seen))), key
        assert streams.is_rising(sequence for _, sequence in seen), key


def test_every_acknowledgement_names_the_shard_that_holds_it(kinesis, under_load):
    name = under_load.name
    under_load.await_more()
    _split(kinesis, name, ONE, streams.SPACE // 4 * 3)
    under_load.await_more()
    under_load.stop()
    held = {}
    for shard in streams.shards_of(kinesis, name):
        for record in streams.read_shard(kinesis, name, shard["ShardId"]):
            held[record["SequenceNumber"]] = (shard["ShardId"], record["Data"])
    for entry, result in under_load.acknowledged:
        assert held[result["SequenceNumber"]] == (result["ShardId"], entry["Data"])
