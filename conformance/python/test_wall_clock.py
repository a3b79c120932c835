"""The wall clock jumps by hours under a running server: arrivals stay in order, nothing is trimmed by a clock
that nobody believes, readiness says so, and all is well when the wall is right again."""

import datetime
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from rig import clients, streams
from rig.server import Server
from rig.waiting import until

NAME = "ticks"
LIBRARY = "faketime/libfaketimeMT.so.1"
HOUR = datetime.timedelta(hours=1)


def _library():
    for place in ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib"):
        if (Path(place) / LIBRARY).exists():
            return Path(place) / LIBRARY
    return None


class Wall:
    """The wall clock of a server, hours from the true one. Monotonic time stays the kernel's."""

    def __init__(self, folder):
        self.file = folder / "wall"
        self.set(0)

    def set(self, hours):
        # Replaced whole: the server may be reading it.
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{hours * 3600:+d}\n")
        fresh.rename(self.file)

    def variables(self):
        return {
            "LD_PRELOAD": str(_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }


@pytest.fixture()
def wall(tmp_path):
    if _library() is None:
        pytest.skip(f"no {LIBRARY} (Debian's package faketime)")
    return Wall(tmp_path)


def _ready(server):
    try:
        with urllib.request.urlopen(f"{server.endpoint}/health/ready", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def _start(tmp_path, wall):
    # A signature is dated by its client's clock, which stays where it is.
    return Server(tmp_path / "data", "--auth", "none", **wall.variables()).start()


def _put(client, count=20):
    return [
        client.put_record(StreamName=NAME, Data=str(n).encode(), PartitionKey="k")["SequenceNumber"]
        for n in range(count)
    ]


def _arrivals(client):
    records = streams.read_shard(client, NAME, "shardId-000000000000")
    arrivals = [record["ApproximateArrivalTimestamp"] for record in records]
    assert arrivals == sorted(arrivals)
    assert streams.is_rising([record["SequenceNumber"] for record in records])
    return [record["SequenceNumber"] for record in records], arrivals


@pytest.mark.parametrize("hours", [5, -5, 30, -30, 9_000])
def test_a_jump_of_the_wall_is_not_followed_and_said(tmp_path, wall, hours):
    server = _start(tmp_path, wall)
    client = clients.client(server.endpoint)
    streams.create(client, name=NAME)
    put = _put(client)
    assert _ready(server)[0] == 200
    position = streams.iterator(client, NAME, "shardId-000000000000")

    wall.set(hours)
    until(lambda: _ready(server)[0] == 503, what="readiness that says so")
    assert "clock" in _ready(server)[1].lower(), _ready(server)[1]
    put += _put(client)
    numbers, arrivals = _arrivals(client)
    # Thirty hours are more than the retention: what a wall says that nobody believes trims nothing.
    assert numbers == put
    assert arrivals[-1] - arrivals[0] < HOUR / 6
    # Iterators live by the service's clock, too.
    assert len(client.get_records(ShardIterator=position)["Records"]) == len(put)

    wall.set(0)
    until(lambda: _ready(server)[0] == 200, what="readiness on a wall that is right again")
    put += _put(client)
    numbers, arrivals = _arrivals(client)
    assert numbers == put
    assert arrivals[-1] - arrivals[0] < HOUR / 6
    server.stop()


@pytest.mark.parametrize("hours", [5, -5])
def test_a_process_that_starts_with_another_time_of_day_keeps_the_order(tmp_path, wall, hours):
    server = _start(tmp_path, wall)
    client = clients.client(server.endpoint)
    streams.create(client, name=NAME)
    put = _put(client)
    server.stop()
    for jump in (hours, 0):
        wall.set(jump)
        server = _start(tmp_path, wall)
        client = clients.client(server.endpoint)
        put += _put(client)
        numbers, _ = _arrivals(client)
        assert numbers == put
        assert _ready(server)[0] == 200
        # A change of shards orders lineages by the service's clock, whichever that is.
        open_shards = [s for s in streams.shards_of(client, NAME) if streams.is_open(s)]
        assert open_shards
        server.stop()
    assert "panicked" not in server.log.read_text(errors="replace")
