"""An acknowledged record survives kill -9: there once, in order, untorn; and numbers are not reused."""

import hashlib
import os
import random
import threading

import pytest

from rig import clients, streams
from rig.server import Server

ROUNDS = 10
WRITERS = 4
# Each seed is a folder of its own, so that what is read after a kill stays small.
SEEDS = range(20261124, 20261134 if os.environ.get("LEVADA_LONG") else 20261125)
NAME = "survivor"


class Writer(threading.Thread):
    """Puts records until the server dies under it; remembers what was acknowledged."""

    def __init__(self, endpoint, label):
        super().__init__(daemon=True)
        self.client = clients.client(endpoint, read_timeout=20)
        self.label = label
        self.chance = random.Random(label)
        self.acknowledged = []

    def run(self):
        try:
            for number in range(10**9):
                entries = [self._entry(number, n) for n in range(self.chance.randrange(1, 20))]
                answer = self.client.put_records(StreamName=NAME, Records=entries)
                assert answer["FailedRecordCount"] == 0
                self.acknowledged += [
                    (result["ShardId"], int(result["SequenceNumber"]), entry["Data"])
                    for entry, result in zip(entries, answer["Records"])
                ]
        except Exception:  # noqa: BLE001 - the server was killed; what was not answered may be lost
            return

    def _entry(self, number, index):
        body = self.chance.randbytes(self.chance.choice([10, 200, 5_000]))
        data = f"{self.label}/{number}/{index}/".encode() + body
        return {"Data": data + hashlib.md5(data).digest(), "PartitionKey": f"k{number}-{index}"}


@pytest.fixture()
def data(tmp_path):
    return tmp_path / "data"


def _write_until_killed(server, label, seconds, meanwhile=lambda: None):
    writers = [Writer(server.endpoint, f"{label}.{n}") for n in range(WRITERS)]
    for writer in writers:
        writer.start()
    # The moment is the point: any will do, and the seed says which.
    killer = threading.Timer(seconds, server.kill)
    killer.start()
    meanwhile()
    killer.join()
    for writer in writers:
        writer.join(30)
        assert not writer.is_alive()
    return [record for writer in writers for record in writer.acknowledged]


def _contents(client):
    """Every shard's records; nothing torn, nothing twice, in order."""
    found = {}
    for shard in streams.shards_of(client, NAME):
        records = streams.read_shard(client, NAME, shard["ShardId"])
        numbers = [record["SequenceNumber"] for record in records]
        assert streams.is_rising(numbers), shard["ShardId"]
        for record in records:
            data = record["Data"]
            assert hashlib.md5(data[:-16]).digest() == data[-16:], "a torn record"
            found[int(record["SequenceNumber"])] = (shard["ShardId"], data)
    datas = [data for _, data in found.values()]
    assert len(set(datas)) == len(datas), "a record is there twice"
    return found


def _assert_kept(found, acknowledged):
    lost = [number for shard, number, data in acknowledged if found.get(number) != (shard, data)]
    assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged records are not there"


@pytest.mark.parametrize("seed", SEEDS)
def test_acknowledged_records_survive_kill_9(data, seed):
    chance = random.Random(seed)
    server = Server(data).start()
    streams.create(clients.client(server.endpoint), shards=3, name=NAME)
    acknowledged, before = [], {}
    for number in range(ROUNDS):
        fresh = _write_until_killed(server, f"round-{number}", chance.uniform(0.02, 0.6))
        assert not {n for _, n, _ in fresh} & before.keys(), "a sequence number was used twice"
        acknowledged += fresh
        server = Server(data).start()
        found = _contents(clients.client(server.endpoint))
        _assert_kept(found, acknowledged)
        for key, value in before.items():
            assert found[key] == value, "a record that was there is another now"
        before = found
    assert acknowledged
    server.stop()


@pytest.mark.parametrize("seed", SEEDS)
def test_splits_and_merges_survive_kill_9(data, seed):
    chance = random.Random(f"reshard-{seed}")
    server = Server(data).start()
    streams.create(clients.client(server.endpoint), shards=2, name=NAME)
    acknowledged = []
    for number in range(ROUNDS):
        client = clients.client(server.endpoint)
        acknowledged += _write_until_killed(
            server,
            f"round-{number}",
            chance.uniform(0.05, 0.5),
            meanwhile=lambda: _reshard_until_killed(client, chance),
        )
        server = Server(data).start()
        client = clients.client(server.endpoint)
        _assert_whole(streams.shards_of(client, NAME))
        _assert_kept(_contents(client), acknowledged)
    server.stop()


def _reshard_until_killed(client, chance):
    """Splits when there are few shards, merges when there are many."""
    try:
        while True:
            shards = [s for s in streams.shards_of(client, NAME) if streams.is_open(s)]
            shards.sort(key=streams.range_of)
            at = chance.randrange(len(shards))
            if len(shards) < 5:
                low, high = streams.range_of(shards[at])
                client.split_shard(
                    StreamName=NAME,
                    ShardToSplit=shards[at]["ShardId"],
                    NewStartingHashKey=str((low + high) // 2),
                )
            else:
                at = min(at, len(shards) - 2)
                client.merge_shards(
                    StreamName=NAME,
                    ShardToMerge=shards[at]["ShardId"],
                    AdjacentShardToMerge=shards[at + 1]["ShardId"],
                )
    except Exception:  # noqa: BLE001 - the server was killed
        return


def _assert_whole(shards):
    """Open shards cover the space once, and every child has its parents closed."""
    ranges = sorted(streams.range_of(shard) for shard in shards if streams.is_open(shard))
    assert ranges[0][0] == 0 and ranges[-1][1] == streams.SPACE - 1
    assert all(below[1] + 1 == above[0] for below, above in zip(ranges, ranges[1:]))
    by_id = {shard["ShardId"]: shard for shard in shards}
    for shard in shards:
        for parent in (shard.get("ParentShardId"), shard.get("AdjacentParentShardId")):
            assert parent is None or not streams.is_open(by_id[parent])


def test_streams_and_consumers_survive_kill_9(data):
    server = Server(data).start()
    client = clients.client(server.endpoint)
    name = streams.create(client, shards=2)
    arn = client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
    client.register_stream_consumer(StreamARN=arn, ConsumerName="app")
    deleted = streams.create(client)
    client.delete_stream(StreamName=deleted)
    before = client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    position = streams.iterator(client, name, "shardId-000000000000")
    server.kill()

    server = Server(data).start()
    client = clients.client(server.endpoint)
    assert client.list_streams()["StreamNames"] == [name]
    after = client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert after == before
    [consumer] = client.list_stream_consumers(StreamARN=arn)["Consumers"]
    assert consumer["ConsumerName"] == "app"
    # An iterator that was given out goes on after the restart.
    assert client.get_records(ShardIterator=position)["Records"] == []
    server.stop()


def test_a_clean_stop_keeps_everything(data):
    server = Server(data).start()
    client = clients.client(server.endpoint)
    streams.create(client, shards=1, name=NAME)
    placed = client.put_record(StreamName=NAME, Data=b"x", PartitionKey="k")
    server.stop()
    server = Server(data).start()
    client = clients.client(server.endpoint)
    [record] = streams.read_shard(client, NAME, "shardId-000000000000")
    assert record["SequenceNumber"] == placed["SequenceNumber"]
    again = client.put_record(StreamName=NAME, Data=b"y", PartitionKey="k")
    assert int(again["SequenceNumber"]) > int(placed["SequenceNumber"])
    server.stop()
