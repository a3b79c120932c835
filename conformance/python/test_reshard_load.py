"""Eight writers and a reader that follows the tree, while the stream goes from 1 shard to 8 to 2, again
and again: per-key order is kept, every acknowledged record is read once, no write is refused."""

import os
import random

import pytest

from rig import clients, lineage, streams
from rig.server import Server
from rig.waiting import until

IS_LONG = bool(os.environ.get("LEVADA_LONG"))
CHANGES = 1_000 if IS_LONG else 100
KILLS = 40 if IS_LONG else 8
SEEDS = range(20261124, 20261124 + (3 if IS_LONG else 1))
WRITERS = 8
NAME = "rivers"


class Load:
    """The threads on a stream, started."""

    def __init__(self, endpoint, seed):
        self.target = lineage.Target(endpoint)
        streams.create(self.target.client(), shards=1, name=NAME)
        self.reader = lineage.TreeReader(self.target, NAME)
        self.writers = [lineage.Writer(self.target, NAME, n) for n in range(WRITERS)]
        self.resharder = lineage.Resharder(self.target, NAME, (8, 2), seed)
        for worker in (self.reader, *self.writers, self.resharder):
            worker.start()

    def is_whole(self):
        """Nothing has broken yet."""
        for worker in (self.reader, *self.writers, self.resharder):
            if worker.broken:
                raise worker.broken
        return True

    def finish(self):
        """Stops everything, the reader when it has read everything; how many records that were."""
        self.resharder.finish()
        for writer in self.writers:
            writer.finish()
        self.reader.caught_up.clear()
        until(lambda: self.is_whole() and self.reader.has_caught_up(), seconds=60, what="the tip")
        self.reader.finish()
        return lineage.judge(self.writers, self.reader)


@pytest.mark.parametrize("seed", SEEDS)
def test_resharding_under_load(tmp_path, seed):
    server = Server(tmp_path / "data").start()
    load = Load(server.endpoint, seed)
    until(
        lambda: load.is_whole() and load.resharder.changes >= CHANGES,
        seconds=60 + CHANGES,
        what=f"{CHANGES} changes",
    )
    records = load.finish()
    assert all(worker.outages == 0 for worker in (*load.writers, load.reader, load.resharder))
    shards = len(load.reader.seen)
    assert records > 100 * WRITERS and shards > 2 * CHANGES, (records, shards)
    print(f"{records} records through {shards} shards in {load.resharder.changes} changes")
    server.stop()


@pytest.mark.parametrize("seed", SEEDS)
def test_resharding_under_load_survives_kill_9(tmp_path, seed):
    chance = random.Random(seed)
    data = tmp_path / "data"
    server = Server(data).start()
    load = Load(server.endpoint, seed)
    for _ in range(KILLS):
        done, more = load.resharder.changes, chance.randrange(1, 4)
        until(lambda: load.is_whole() and load.resharder.changes >= done + more, seconds=60)
        server.kill()
        server = Server(data).start()
        load.target.endpoint = server.endpoint
    done = load.resharder.changes
    until(lambda: load.is_whole() and load.resharder.changes > done, seconds=60)
    records = load.finish()
    print(f"{records} records through {len(load.reader.seen)} shards and {KILLS} kills")
    summary = clients.client(server.endpoint).describe_stream_summary(StreamName=NAME)
    assert summary["StreamDescriptionSummary"]["StreamStatus"] in ("ACTIVE", "UPDATING")
    server.stop()
