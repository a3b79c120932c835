"""Space on the disk: it follows what streams keep, and reads of what is left go on meanwhile."""

import os

import pytest

from rig import clients, streams
from rig.command import move_clock
from rig.server import Server
from rig.waiting import until

SHARD = "shardId-000000000000"
MIB = 1024 * 1024
PUT_BYTES = 8 * MIB


@pytest.fixture
def dev(tmp_path):
    started = Server(tmp_path / "data", "--dev").start()
    yield started
    started.stop()


def flushed_bytes(server):
    segments = server.data / "segments"
    return sum(path.stat().st_size for path in segments.iterdir())


def put_much(client, name):
    """Records that do not shrink."""
    for _ in range(PUT_BYTES // (2 * MIB)):
        entries = [{"PartitionKey": "k", "Data": os.urandom(MIB // 2)} for _ in range(4)]
        assert client.put_records(StreamName=name, Records=entries)["FailedRecordCount"] == 0


def test_what_has_outlived_its_retention_gives_its_space_back(dev):
    client = clients.client(dev.endpoint)
    name, other = streams.create(client), streams.create(client)
    put_much(client, name)
    until(lambda: flushed_bytes(dev) > PUT_BYTES, seconds=40, what="the flush")
    move_clock(dev, "+23h")
    client.put_record(StreamName=other, PartitionKey="k", Data=b"kept")
    assert len(streams.read_shard(client, name, SHARD)) == 16

    move_clock(dev, "+2h")
    assert streams.read_shard(client, name, SHARD) == []
    until(lambda: flushed_bytes(dev) < PUT_BYTES // 4, seconds=90, what="the space")
    assert [r["Data"] for r in streams.read_shard(client, other, SHARD)] == [b"kept"]


def test_a_deleted_stream_gives_its_space_back(dev):
    client = clients.client(dev.endpoint)
    name, other = streams.create(client), streams.create(client)
    client.put_record(StreamName=other, PartitionKey="k", Data=b"kept")
    put_much(client, name)
    until(lambda: flushed_bytes(dev) > PUT_BYTES, seconds=40, what="the flush")
    client.delete_stream(StreamName=name)
    until(lambda: flushed_bytes(dev) < PUT_BYTES // 4, seconds=90, what="the space")
    dev.kill()
    dev.start()
    again = clients.client(dev.endpoint)
    assert [r["Data"] for r in streams.read_shard(again, other, SHARD)] == [b"kept"]
