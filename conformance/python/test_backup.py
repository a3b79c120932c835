"""`levada backup` and `levada restore`: of a busy server, by the bytes that change, whole or not at all."""

import json
import os
import shutil
import signal
import subprocess
import threading

import pytest

from rig import clients, streams
from rig.command import run
from rig.server import Server, binary, environment
from rig.waiting import until

SECONDS = 120
NAME = "kept"
WRITERS = 3


def done(*arguments):
    ran = run(*arguments, "--json")
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


class Writer(threading.Thread):
    """Puts records until it is told to stop; remembers what was acknowledged."""

    def __init__(self, endpoint, label):
        super().__init__(daemon=True)
        self.client = clients.client(endpoint)
        self.label = label
        self.acknowledged = []
        self.stopped = threading.Event()
        self.failure = None

    def run(self):
        try:
            number = 0
            while not self.stopped.is_set():
                entries = [
                    {"Data": f"{self.label}/{number}/{n}/".encode() + os.urandom(3000),
                     "PartitionKey": f"{number}-{n}"}
                    for n in range(40)
                ]
                answer = self.client.put_records(StreamName=NAME, Records=entries)
                assert answer["FailedRecordCount"] == 0
                self.acknowledged += [
                    (result["ShardId"], result["SequenceNumber"], entry["Data"])
                    for entry, result in zip(entries, answer["Records"])
                ]
                number += 1
        except Exception as failure:  # noqa: BLE001 - told to the test
            self.failure = failure


def _contents(client):
    found = {}
    for shard in streams.shards_of(client, NAME):
        records = streams.read_shard(client, NAME, shard["ShardId"])
        assert streams.is_rising([record["SequenceNumber"] for record in records])
        for record in records:
            found[record["SequenceNumber"]] = (shard["ShardId"], record["Data"])
    return found


def test_a_backup_of_a_busy_server_has_everything_acknowledged_before_it(tmp_path):
    data, place = tmp_path / "data", tmp_path / "backups"
    server = Server(data).start()
    client = clients.client(server.endpoint)
    streams.create(client, shards=3, name=NAME)
    arn = client.describe_stream_summary(StreamName=NAME)["StreamDescriptionSummary"]["StreamARN"]
    client.register_stream_consumer(StreamARN=arn, ConsumerName="app")
    writers = [Writer(server.endpoint, f"w{n}") for n in range(WRITERS)]
    for writer in writers:
        writer.start()
    before = {}
    for _ in range(3):
        until(lambda: all(len(w.acknowledged) > 400 * (len(before) + 1) for w in writers),
              seconds=60, what="writers at work")
        acknowledged = [record for writer in writers for record in list(writer.acknowledged)]
        made = done("backup", place, "--data", data)
        assert made["in_use"]
        before[made["point"]] = acknowledged
    counts = [len(writer.acknowledged) for writer in writers]
    until(lambda: all(len(w.acknowledged) > c for w, c in zip(writers, counts)),
          what="writers that were not stopped")
    for writer in writers:
        writer.stopped.set()
        writer.join(30)
        assert writer.failure is None
    last = client.put_record(StreamName=NAME, Data=b"last", PartitionKey="0")
    everything = [int(n) for w in writers for _, n, _ in w.acknowledged]
    server.stop()

    for point, acknowledged in before.items():
        target = tmp_path / f"restored-{point}"
        restored = done("restore", place, "--data", target, "--point", point)
        assert restored["point"] == point and restored["damaged"] == []
        assert run("doctor", "--data", target).returncode == 0
        server = Server(target).start()
        client = clients.client(server.endpoint)
        found = _contents(client)
        lost = [number for shard, number, kept in acknowledged if found.get(number) != (shard, kept)]
        assert not lost, f"{len(lost)} of {len(acknowledged)}"
        [consumer] = client.list_stream_consumers(StreamARN=arn)["Consumers"]
        assert consumer["ConsumerName"] == "app"
        # What clients have checkpointed since is never given again.
        for key in range(20):
            placed = client.put_record(StreamName=NAME, Data=b"new", PartitionKey=str(key))
            assert placed["SequenceNumber"] not in found
            if placed["ShardId"] == last["ShardId"]:
                assert int(placed["SequenceNumber"]) > int(last["SequenceNumber"])
            assert int(placed["SequenceNumber"]) not in everything
        server.stop()


@pytest.fixture()
def stopped(tmp_path):
    """A folder with segments, and what it holds."""
    data = tmp_path / "data"
    server = Server(data).start()
    client = clients.client(server.endpoint)
    streams.create(client, shards=1, name=NAME)
    for _ in range(12):
        entries = [{"Data": os.urandom(20_000), "PartitionKey": str(n)} for n in range(100)]
        client.put_records(StreamName=NAME, Records=entries)
    until(lambda: any((data / "segments").iterdir()), what="a flush", seconds=30)
    held = _contents(client)
    server.stop()
    return data, held


def test_a_second_backup_copies_only_what_is_new(stopped, tmp_path):
    data, held = stopped
    place = tmp_path / "backups"
    first = done("backup", place, "--data", data)
    assert not first["in_use"] and first["copied_bytes"] == first["segment_bytes"] > 20_000_000
    again = done("backup", place, "--data", data)
    assert again["copied_segments"] == 0 and again["point"] == first["point"] + 1
    server = Server(data).start()
    client = clients.client(server.endpoint)
    client.put_record(StreamName=NAME, Data=b"more", PartitionKey="k")
    more = done("backup", place, "--data", data)
    assert more["copied_bytes"] < first["copied_bytes"] / 10
    server.stop()
    used = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    assert used < first["segment_bytes"] * 1.2
    kept = done("backup", place, "--data", data, "--keep", 1)
    assert kept["removed"] == 3
    assert len(list((place / "points").iterdir())) == 1
    checked = done("restore", place, "--check")
    assert checked["point"] == kept["point"]
    target = tmp_path / "target"
    done("restore", place, "--data", target)
    server = Server(target).start()
    assert held.items() <= _contents(clients.client(server.endpoint)).items()
    server.stop()


def test_linked_segments_take_no_room(stopped, tmp_path):
    data, held = stopped
    place = tmp_path / "backups"
    done("backup", place, "--data", data, "--link")
    [segment] = (data / "segments").iterdir()
    assert segment.stat().st_nlink == 2
    shutil.rmtree(data)
    done("restore", place, "--data", data)
    server = Server(data).start()
    assert _contents(clients.client(server.endpoint)) == held
    server.stop()


def test_an_interrupted_backup_leaves_nothing_half(stopped, tmp_path):
    data, _ = stopped
    place = tmp_path / "backups"
    interrupted = 0
    for delay in (0.01, 0.03, 0.05, 0.1):
        ran = subprocess.Popen(
            [binary(), "backup", str(place), "--data", str(data)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
        )
        # The moment is the point: any will do.
        killer = threading.Timer(delay, ran.send_signal, [signal.SIGKILL])
        killer.start()
        ran.communicate(timeout=SECONDS)
        killer.join()
        interrupted += ran.returncode != 0
        points = list((place / "points").glob("*[0-9a-f]")) if place.exists() else []
        checked = run("restore", place, "--check")
        assert (checked.returncode == 0) == bool(points), checked.stderr
    assert interrupted
    done("backup", place, "--data", data)
    done("restore", place, "--check")


def test_a_damaged_backup_is_refused_before_anything_is_written(stopped, tmp_path):
    data, _ = stopped
    place, target = tmp_path / "backups", tmp_path / "target"
    done("backup", place, "--data", data)
    [segment] = (place / "segments").iterdir()
    whole = segment.read_bytes()
    middle = len(whole) // 2
    segment.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1:])
    refused = run("restore", place, "--data", target)
    assert refused.returncode == 1 and "the backup is damaged: segment" in refused.stderr
    assert "help:" in refused.stderr and not target.exists()
    segment.write_bytes(whole)
    refused = run("restore", place, "--data", data)
    assert refused.returncode == 1 and "is not empty" in refused.stderr
    done("restore", place, "--data", target)
    missing = run("restore", tmp_path / "nothing", "--data", tmp_path / "x")
    assert missing.returncode == 1 and "no such backup" in missing.stderr


def test_damage_in_the_folder_is_told_and_kept_apart(stopped, tmp_path):
    data, held = stopped
    place, target = tmp_path / "backups", tmp_path / "target"
    [segment] = (data / "segments").iterdir()
    with segment.open("r+b") as file:
        file.seek(segment.stat().st_size // 2)
        file.write(b"\xff\x00\xff\x00")
    made = run("backup", place, "--data", data, "--json")
    assert made.returncode == 1 and len(json.loads(made.stdout)["damaged"]) == 1, made.stderr
    restored = run("restore", place, "--data", target, "--json")
    [name] = json.loads(restored.stdout)["damaged"]
    server = Server(target).start()
    assert name in run("status", "--data", target, "--brief").stdout
    server.stop()
    assert run("doctor", "--data", target, "--repair", "--accept-loss", name).returncode == 0
    server = Server(target).start()
    assert server.is_ready()
    left = _contents(clients.client(server.endpoint))
    assert left and left.items() < held.items()
    server.stop()
