"""The bucket lane on Ceph, three copies of everything behind two gateways: what holds on SeaweedFS holds there too."""

import os
import random
import urllib.error

import pytest

from rig import ceph, clients, streams, waiting
from rig.server import Server
from test_durability import NAME, Writer, _assert_kept, _contents, _write_until_killed

SEED = 20261124
ROUNDS = 10
START_SECONDS = 600
LOSS_SECONDS = 20

pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("LEVADA_LONG"), reason="Ceph is started only in a long run (--long)"
    ),
    # The first test waits for the packages and for the cluster.
    pytest.mark.timeout(START_SECONDS),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    reason = ceph.missing()
    if reason:
        pytest.skip(reason)
    started = ceph.Ceph(tmp_path_factory.mktemp("bucket") / "ceph").start()
    yield started
    started.stop()


def serve(store, tmp_path, prefix, gateway=0):
    url = f"s3://{ceph.BUCKET}/{prefix}"
    return Server(tmp_path / "unused", "--bucket", url, **store.variables(gateway))


def test_acknowledged_records_survive_kill_9(store, tmp_path):
    chance = random.Random(SEED)
    server = serve(store, tmp_path, "kill").start()
    streams.create(clients.client(server.endpoint), shards=3, name=NAME)
    acknowledged, before = [], {}
    for number in range(ROUNDS):
        fresh = _write_until_killed(server, f"round-{number}", chance.uniform(0.5, 2.0))
        assert not {n for _, n, _ in fresh} & before.keys(), "a sequence number was used twice"
        acknowledged += fresh
        # What was put through one gateway is read through the other.
        server = serve(store, tmp_path, "kill", gateway=(number + 1) % ceph.GATEWAYS).start()
        found = _contents(clients.client(server.endpoint))
        _assert_kept(found, acknowledged)
        for key, value in before.items():
            assert found[key] == value, "a record that was there is another now"
        before = found
    assert acknowledged
    print(f"{len(acknowledged)} records acknowledged over {ROUNDS} kills")
    server.stop()
    keys = store.keys("kill/")
    assert sum(key.startswith("kill/claim/") for key in keys) == ROUNDS + 1
    assert not [key for key in keys if "/probe/" in key]


def test_a_second_server_takes_over_and_the_first_acknowledges_nothing(store, tmp_path):
    first = serve(store, tmp_path, "two", gateway=0).start()
    client = clients.client(first.endpoint)
    streams.create(client, shards=1, name=NAME)
    placed = [client.put_record(StreamName=NAME, Data=b"first", PartitionKey="k")]
    second = serve(store, tmp_path, "two", gateway=1).start()
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


# The last of them: the cluster has a copy less from here on.
def test_a_lost_copy_of_the_store_loses_nothing_and_stops_nothing(store, tmp_path):
    server = serve(store, tmp_path, "copy").start()
    streams.create(clients.client(server.endpoint), shards=3, name=NAME)
    early, late = [Writer(server.endpoint, label) for label in ("early", "late")]

    def lose_a_copy():
        early.start()
        waiting.until(lambda: early.acknowledged, LOSS_SECONDS, what="the first record")
        store.kill_osd(ceph.OSDS - 1)
        late.start()
        waiting.until(lambda: late.acknowledged, LOSS_SECONDS, what="a record after the loss")

    acknowledged = _write_until_killed(server, "copy", LOSS_SECONDS, meanwhile=lose_a_copy)
    for writer in (early, late):
        writer.join(30)
        assert not writer.is_alive()
        acknowledged += writer.acknowledged
    server = serve(store, tmp_path, "copy", gateway=1).start()
    _assert_kept(_contents(clients.client(server.endpoint)), acknowledged)
    server.stop()
