"""The bucket lane on a real store: nothing acknowledged is lost by kill -9, and one owner at a time."""

import json
import os
import random
import urllib.error

import pytest

from rig import clients, seaweedfs, streams
from rig.command import run
from rig.server import Server
from rig.waiting import until
from test_durability import NAME, _assert_kept, _contents, _write_until_killed

SEED = 20261124
ROUNDS = 20 if os.environ.get("LEVADA_LONG") else 4


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    weed, reason = seaweedfs.program()
    if weed is None:
        pytest.skip(reason)
    store = seaweedfs.SeaweedFS(tmp_path_factory.mktemp("bucket") / "seaweedfs", weed).start()
    yield store
    store.stop()


def start(bucket, tmp_path, prefix):
    url = f"s3://{seaweedfs.BUCKET}/{prefix}"
    server = Server(tmp_path / "unused", "--bucket", url, **bucket.variables())
    return server.start()


def test_acknowledged_records_survive_kill_9(bucket, tmp_path):
    chance = random.Random(SEED)
    server = start(bucket, tmp_path, "kill")
    streams.create(clients.client(server.endpoint), shards=3, name=NAME)
    acknowledged, before = [], {}
    for number in range(ROUNDS):
        fresh = _write_until_killed(server, f"round-{number}", chance.uniform(0.3, 1.5))
        assert not {n for _, n, _ in fresh} & before.keys(), "a sequence number was used twice"
        acknowledged += fresh
        server = start(bucket, tmp_path, "kill")
        found = _contents(clients.client(server.endpoint))
        _assert_kept(found, acknowledged)
        for key, value in before.items():
            assert found[key] == value, "a record that was there is another now"
        before = found
    assert acknowledged
    print(f"{len(acknowledged)} records acknowledged over {ROUNDS} kills")
    server.stop()
    keys = bucket.keys("kill/")
    assert sum(key.startswith("kill/claim/") for key in keys) == ROUNDS + 1
    assert not [key for key in keys if "/probe/" in key]


def test_a_clean_stop_keeps_everything_and_needs_no_folder(bucket, tmp_path):
    server = start(bucket, tmp_path, "clean")
    client = clients.client(server.endpoint)
    streams.create(client, shards=1, name=NAME)
    placed = client.put_record(StreamName=NAME, Data=b"x", PartitionKey="k")
    position = streams.iterator(client, NAME, "shardId-000000000000")
    server.stop()
    assert not (tmp_path / "unused").exists()
    server = start(bucket, tmp_path, "clean")
    client = clients.client(server.endpoint)
    [record] = streams.read_shard(client, NAME, "shardId-000000000000")
    assert record["SequenceNumber"] == placed["SequenceNumber"]
    # The key that seals iterators is in the bucket too.
    assert len(client.get_records(ShardIterator=position)["Records"]) == 1
    server.stop()


def test_a_second_server_takes_over_and_the_first_acknowledges_nothing(bucket, tmp_path):
    first = start(bucket, tmp_path, "two")
    client = clients.client(first.endpoint)
    streams.create(client, shards=1, name=NAME)
    placed = [client.put_record(StreamName=NAME, Data=b"first", PartitionKey="k")]
    second = start(bucket, tmp_path, "two")
    with pytest.raises(Exception, match="500|503|InternalFailure|Unavailable"):
        client.put_record(StreamName=NAME, Data=b"late", PartitionKey="k")
    with pytest.raises(urllib.error.HTTPError) as refused:
        first.is_ready()
    assert b"taken the bucket over" in refused.value.read()
    client = clients.client(second.endpoint)
    placed.append(client.put_record(StreamName=NAME, Data=b"second", PartitionKey="k"))
    records = streams.read_shard(client, NAME, "shardId-000000000000")
    assert [record["SequenceNumber"] for record in records] == [p["SequenceNumber"] for p in placed]
    first.kill()
    second.stop()


def test_a_backup_into_a_bucket_is_incremental_and_restores_elsewhere(bucket, tmp_path):
    data, place = tmp_path / "data", f"s3://{seaweedfs.BUCKET}/backups"
    reach = bucket.variables()
    server = Server(data).start()
    client = clients.client(server.endpoint)
    streams.create(client, shards=2, name=NAME)

    def held_by(client):
        return {
            (shard["ShardId"], record["SequenceNumber"]): record["Data"]
            for shard in streams.shards_of(client, NAME)
            for record in streams.read_shard(client, NAME, shard["ShardId"])
        }

    def put(label, count, size):
        entries = [
            {"Data": f"{label}/{n}/".encode() + os.urandom(size), "PartitionKey": f"{label}-{n}"}
            for n in range(count)
        ]
        for start in range(0, count, 100):
            streams.put_all(client, NAME, entries[start : start + 100])

    def done(*arguments):
        ran = run(*arguments, "--json", **reach)
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    # Enough for a segment of several parts.
    put("first", 900, 30_000)
    until(lambda: any((data / "segments").iterdir()), what="a flush", seconds=60)
    put("ring", 20, 1_000)
    first_held = held_by(client)
    first = done("backup", place, "--data", data)
    assert first["in_use"] and first["copied_bytes"] > 20_000_000 and first["lane_bytes"] > 0
    objects = bucket.client().list_objects_v2(Bucket=seaweedfs.BUCKET, Prefix="backups/segments/")
    assert {item["Size"] for item in objects["Contents"]} and objects["KeyCount"] == first["segments"]

    put("second", 30, 1_000)
    second_held = held_by(client)
    second = done("backup", place, "--data", data)
    assert second["point"] == first["point"] + 1
    assert second["copied_bytes"] < first["copied_bytes"] / 10, "what is there is not copied again"
    server.stop()

    assert done("restore", place, "--check")["point"] == second["point"]
    for point, held in [(second["point"], second_held), (first["point"], first_held)]:
        target = tmp_path / f"restored-{point}"
        assert done("restore", place, "--data", target, "--point", point)["damaged"] == []
        assert run("doctor", "--data", target).returncode == 0
        restored = Server(target).start()
        assert held_by(clients.client(restored.endpoint)) == held
        restored.stop()

    # A part that is missing is told before anything is written.
    gone = objects["Contents"][0]["Key"]
    bucket.client().delete_object(Bucket=seaweedfs.BUCKET, Key=gone)
    refused = run("restore", place, "--data", tmp_path / "nothing", **reach)
    assert refused.returncode != 0 and "help:" in refused.stderr
    assert not (tmp_path / "nothing").exists() or not any((tmp_path / "nothing").iterdir())
