"""The virtual clock: what ages by it, what does not, and who may move it."""

import json
import subprocess

import pytest

from rig import clients, streams
from rig.server import Server, binary, environment

SECONDS = 30


def run(*arguments, **variables):
    return subprocess.run(
        [binary(), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env=environment(**variables),
    )


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    """A server in development mode, on a folder of its own."""
    started = Server(tmp_path_factory.mktemp("clock") / "data", "--dev").start()
    yield started
    started.stop()


@pytest.fixture
def aged(dev):
    return clients.client(dev.endpoint)


def read_clock(server):
    shown = run("clock", "--json", "--data", server.data)
    assert shown.returncode == 0, shown.stderr
    return json.loads(shown.stdout)


def move(server, by):
    moved = run("clock", by, "--data", server.data)
    assert moved.returncode == 0, moved.stderr
    return moved.stdout


def test_it_is_shown_and_moved(dev):
    before = read_clock(dev)
    assert before["movable"] is True
    said = move(dev, "+1h30m")
    assert "ahead" in said
    after = read_clock(dev)
    assert after["shift_seconds"] == before["shift_seconds"] + 5400
    assert after["service"] > after["wall"]


def test_an_iterator_expires(dev, aged):
    name = streams.create(aged)
    position = streams.iterator(aged, name, "shardId-000000000000")
    assert aged.get_records(ShardIterator=position)["Records"] == []
    move(dev, "+301s")
    with pytest.raises(aged.exceptions.ExpiredIteratorException) as refused:
        aged.get_records(ShardIterator=position)
    message = refused.value.response["Error"]["Message"]
    assert message.startswith("Iterator expired. The iterator was created at time ")
    assert message.endswith(
        " UTC 2026 which is further in the future than the tolerated delay of 300000 milliseconds."
    ), message


def test_backwards_is_refused(dev):
    before = read_clock(dev)["shift_seconds"]
    refused = run("clock", "-1h", "--data", dev.data)
    assert refused.returncode == 2
    assert "the clock only moves ahead" in refused.stderr
    assert read_clock(dev)["shift_seconds"] == before


def test_an_ordinary_server_refuses(server):
    shown = run("clock", "--data", server.data)
    assert shown.returncode == 0 and "the world's time" in shown.stdout
    refused = run("clock", "+1h", "--data", server.data)
    assert refused.returncode == 1
    assert "not in development mode" in refused.stderr and "help: " in refused.stderr
    assert read_clock(server) | {"service": "", "wall": ""} == {
        "service": "",
        "wall": "",
        "shift_seconds": 0.0,
        "movable": False,
    }
