"""`levada top`: one picture as JSON or text, and a live one on a terminal."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time

import pytest

from rig import clients, fan_out, streams
from rig.command import run
from rig.server import REGION, Server, binary, environment

SECONDS = 30


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """A server with a writer, a reader and a subscriber that never rest."""
    server = Server(tmp_path_factory.mktemp("top") / "data").start()
    client = clients.client(server.endpoint)
    name = streams.create(client, name="busy")
    streams.create(client, name="unused")
    stop = threading.Event()

    def write():
        own = clients.client(server.endpoint)
        while not stop.is_set():
            entries = [{"PartitionKey": "key", "Data": b"x" * 97} for _ in range(50)]
            own.put_records(StreamName=name, Records=entries)

    def read():
        own = clients.client(server.endpoint)
        position = streams.iterator(own, name, "shardId-000000000000", "LATEST")
        while not stop.is_set():
            position = own.get_records(ShardIterator=position)["NextShardIterator"]
            try:
                own.put_record(StreamName="nobody", PartitionKey="k", Data=b"x")
            except own.exceptions.ResourceNotFoundException:
                pass

    def subscribe():
        own = clients.client(server.endpoint)
        arn = fan_out.register(own, name, "watcher")
        events = fan_out.subscribe(own, arn, "shardId-000000000000", "LATEST")
        for _ in fan_out.events_of(events):
            if stop.is_set():
                break
        events.close()

    threads = [threading.Thread(target=work) for work in (write, read, subscribe)]
    for thread in threads:
        thread.start()
    yield server
    stop.set()
    for thread in threads:
        thread.join(SECONDS)
    server.stop()


def look(server, *flags):
    ran = run("top", "--interval", "1s", *flags, "--data", server.data)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    return ran.stdout


def test_one_picture_as_json(busy):
    report = json.loads(look(busy, "--once", "--json"))
    assert report["endpoint"] == busy.endpoint and report["region"] == REGION
    assert 0.9 < report["interval_seconds"] < 10
    assert report["uptime_seconds"] > 0 and report["resident_bytes"] > 1_000_000
    [stream] = report["streams"]
    assert stream["name"] == "busy"
    assert stream["in_records"] > 0
    assert stream["in_bytes"] == pytest.approx(stream["in_records"] * 100)
    # The reader and the subscriber both read all of it.
    assert stream["out_records"] > stream["in_records"]
    assert (stream["throttled"], stream["failed"]) == (0, 0)
    assert stream["iterator_age_ms"] >= 0
    [consumer] = stream["consumers"]
    assert consumer["name"] == "watcher" and consumer["records"] > 0
    assert consumer["behind_ms"] >= 0
    operations = {operation["name"]: operation for operation in report["operations"]}
    puts = operations["PutRecords"]
    assert puts["calls"] > 0 and puts["errors"] == 0
    assert 0 < puts["p50_ms"] <= puts["p99_ms"]
    failing = operations["PutRecord"]
    assert failing["errors"] == failing["calls"] > 0
    assert report["calls"] >= puts["calls"] + failing["calls"]
    assert report["errors"] >= failing["errors"]


def test_off_a_terminal_there_is_one_picture(busy):
    picture = look(busy)
    assert "\x1b" not in picture
    lines = picture.splitlines()
    assert lines[0].startswith(busy.endpoint)
    [row] = [line for line in lines if line.startswith("busy ")]
    assert re.search(r"[\d.]+k? +[\d.]+ [KM]iB", row)
    assert any(line.startswith("  ↳ watcher ") for line in lines)
    assert any(line.startswith("PutRecords ") for line in lines)


def test_a_stream_nobody_used_is_not_shown(busy):
    assert "unused" not in look(busy, "--once", "--json")


def test_another_region_has_its_own_streams(busy):
    report = json.loads(look(busy, "--once", "--json", "--region", "eu-west-1"))
    assert report["streams"] == [] and report["operations"] != []


def test_live_on_a_terminal_until_interrupted(busy):
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 12, 120, 0, 0))
    arguments = [binary(), "top", "--interval", "200ms", "--data", str(busy.data)]
    top = subprocess.Popen(
        arguments, stdin=slave, stdout=slave, stderr=subprocess.PIPE, env=environment()
    )
    os.close(slave)
    seen = b""
    deadline = time.monotonic() + SECONDS
    while seen.count(b"\x1b[H") < 3:
        assert time.monotonic() < deadline, seen
        if select.select([master], [], [], 0.2)[0]:
            seen += os.read(master, 65536)
    top.send_signal(signal.SIGINT)
    while top.poll() is None or select.select([master], [], [], 0)[0]:
        assert time.monotonic() < deadline, seen
        try:
            if select.select([master], [], [], 0.2)[0]:
                seen += os.read(master, 65536)
        except OSError:
            break
    assert top.wait(SECONDS) == 0, top.stderr.read()
    top.stderr.close()
    os.close(master)
    text = seen.decode()
    assert text.startswith("\x1b[?1049h") and text.endswith("\x1b[?25h\x1b[?1049l")
    pictures = text.split("\x1b[H")[1:]
    assert all("busy" in picture for picture in pictures)
    # No picture is taller than the screen.
    assert all(picture.count("\n") < 12 for picture in pictures)


def test_nobody_to_watch(tmp_path):
    ran = run("top", "--once", "--data", tmp_path)
    assert ran.returncode in (1, 3) and ran.stderr.startswith("error: ")
    refused = run("top", "--interval", "1ms", "--data", tmp_path)
    assert refused.returncode == 2
