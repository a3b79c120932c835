"""`levada doctor`: every byte is looked at, what was acknowledged is never cut, and losses are accepted by name."""

import json
import random

import pytest

from rig import clients, streams
from rig.command import run
from rig.server import Server
from rig.waiting import until

NAME = "patient"
RECORDS = 3_000


def doctor(data, *flags):
    """The report, and whether the exit code says that all is well."""
    ran = run("doctor", "--data", data, "--json", *flags)
    assert ran.returncode in (0, 1), ran.stderr
    report = json.loads(ran.stdout)
    assert report["sound"] == (ran.returncode == 0), ran.stderr
    return report


def _put(client, count, label="r"):
    for start in range(0, count, 500):
        entries = [
            {"Data": f"{label}-{n}".encode() * 20, "PartitionKey": f"k{n}"}
            for n in range(start, min(start + 500, count))
        ]
        assert client.put_records(StreamName=NAME, Records=entries)["FailedRecordCount"] == 0


def _records(client):
    found = []
    for shard in streams.shards_of(client, NAME):
        found += streams.read_shard(client, NAME, shard["ShardId"])
    return {record["SequenceNumber"]: record["Data"] for record in found}


@pytest.fixture()
def folder(tmp_path):
    """A folder with a segment, records that only the ring has, and what it holds."""
    data = tmp_path / "data"
    server = Server(data).start()
    client = clients.client(server.endpoint)
    streams.create(client, shards=2, name=NAME)
    _put(client, RECORDS)
    until(lambda: any((data / "segments").iterdir()), what="a flush", seconds=30)
    _put(client, 200, label="late")
    held = _records(client)
    server.stop()
    return data, held


def _flip(path, at, mask=0x10):
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ mask]))


def test_a_whole_folder_is_sound(folder):
    data, held = folder
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*") if path.is_file()}
    report = doctor(data)
    assert report["findings"] == [] and not report["in_use"]
    assert report["checked"]["streams"] == 1 and report["checked"]["shards"] == 2
    assert report["checked"]["records"] >= len(held)
    after = {path: path.stat().st_mtime_ns for path in data.rglob("*") if path.is_file()}
    assert after == before, "looking changes nothing"
    said = run("doctor", "--data", data)
    assert said.returncode == 0 and "sound" in said.stdout


def test_a_running_folder_is_looked_at(tmp_path):
    data = tmp_path / "data"
    server = Server(data).start()
    client = clients.client(server.endpoint)
    streams.create(client, shards=1, name=NAME)
    _put(client, 1000)
    report = doctor(data)
    assert report["sound"] and report["in_use"]
    assert report["checked"]["records"] >= 1000
    refused = run("doctor", "--data", data, "--repair")
    assert refused.returncode == 1 and "in use by another process" in refused.stderr
    assert "help:" in refused.stderr
    server.stop()


def test_every_flipped_bit_of_a_segment_is_named(folder):
    data, _ = folder
    chance = random.Random(20261124)
    [segment] = (data / "segments").iterdir()
    size = segment.stat().st_size
    for at in [0, 40, size - 1] + [chance.randrange(size) for _ in range(12)]:
        _flip(segment, at)
        report = doctor(data)
        assert not report["sound"], at
        assert any(segment.name in finding["place"] for finding in report["findings"]), at
        _flip(segment, at)
    assert doctor(data)["sound"]


def test_damage_is_kept_and_named_until_its_loss_is_accepted(folder):
    data, held = folder
    [segment] = (data / "segments").iterdir()
    _flip(segment, segment.stat().st_size // 2)
    [finding] = [own for own in doctor(data)["findings"] if own["kind"] == "damaged"]
    name = finding["name"]
    repaired = doctor(data, "--repair")
    assert [own["name"] for own in repaired["findings"]] == [name], "nothing is cut away"

    server = Server(data).start()
    assert name in run("status", "--data", data, "--brief").stdout
    server.stop()

    wrong = run("doctor", "--data", data, "--repair", "--accept-loss", "everything")
    assert wrong.returncode == 2 and "help:" in wrong.stderr
    accepted = doctor(data, "--repair", "--accept-loss", name)
    assert accepted["sound"]
    assert [own["kind"] for own in accepted["findings"]] == ["accepted"]

    server = Server(data).start()
    assert server.is_ready()
    client = clients.client(server.endpoint)
    left = _records(client)
    assert left.items() <= held.items() and 0 < len(held) - len(left) < len(held)
    _put(client, 10, label="after")
    server.stop()
    assert doctor(data)["sound"]


def test_an_unfinished_write_is_cut_by_a_repair(tmp_path):
    data = tmp_path / "data"
    server = Server(data).start()
    client = clients.client(server.endpoint)
    streams.create(client, shards=1, name=NAME)
    _put(client, 500)
    server.kill()
    (data / "segments" / "00000000000000ff").write_bytes(b"half")
    report = doctor(data)
    assert report["sound"]
    assert {own["kind"] for own in report["findings"]} == {"unacknowledged"}
    assert doctor(data, "--repair")["findings"] == []
    server = Server(data).start()
    assert len(_records(clients.client(server.endpoint))) == 500
    server.stop()


def test_what_is_no_data_folder_is_refused(tmp_path):
    missing = run("doctor", "--data", tmp_path / "nothing")
    assert missing.returncode == 1 and "help:" in missing.stderr
    assert not (tmp_path / "nothing").exists()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("mine")
    foreign = run("doctor", "--data", tmp_path / "other")
    assert foreign.returncode == 1 and "not levada's" in foreign.stderr
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["file"]
