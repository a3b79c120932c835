"""A disk without room, and a folder at its limit: records are refused with an error that SDKs retry,
reads and deletions go on, nothing acknowledged is lost, and service resumes without a restart."""

import os
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError

from rig import clients, streams
from rig.server import Server

MIB = 1024 * 1024
DATA = os.urandom(200_000)
RESUME_SECONDS = 60


@pytest.fixture()
def small_disk(tmp_path):
    """A file system of 160 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a small disk takes root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def page(server, path):
    """A page's status and text."""
    try:
        with urllib.request.urlopen(f"{server.endpoint}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def fill(client, name, most=4_000):
    """Puts until it is refused; what was acknowledged, and the refusal."""
    acknowledged = []
    for number in range(most):
        data = number.to_bytes(4, "big") + DATA
        try:
            answer = client.put_record(StreamName=name, Data=data, PartitionKey=str(number))
        except ClientError as error:
            return acknowledged, error
        acknowledged.append((int(answer["SequenceNumber"]), number))
    raise AssertionError(f"{most} records and still room")


def assert_retryable(error):
    """SDKs retry what is a server's fault."""
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] in (500, 503)
    assert error.response["Error"]["Code"] == "InternalFailure"


def assert_kept(client, name, acknowledged):
    [shard] = streams.shards_of(client, name)
    found = streams.read_shard(client, name, shard["ShardId"])
    assert all(record["Data"][4:] == DATA for record in found)
    numbers = {int(r["SequenceNumber"]): int.from_bytes(r["Data"][:4], "big") for r in found}
    lost = [number for number, own in acknowledged if numbers.get(number) != own]
    assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged records are not there"


def await_service(client, name):
    """Puts until it is taken again."""
    deadline = time.monotonic() + RESUME_SECONDS
    while True:
        try:
            return client.put_record(StreamName=name, Data=b"back", PartitionKey="k")
        except ClientError:
            assert time.monotonic() < deadline, "service does not resume"
            time.sleep(0.1)


def impatient(server):
    return clients.client(server.endpoint)


def test_a_full_disk_refuses_records_until_there_is_room(small_disk):
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(48 * MIB))
    server = Server(small_disk / "data").start()
    client = impatient(server)
    name = streams.create(client)
    acknowledged, error = fill(client, name)
    assert acknowledged
    assert_retryable(error)
    status, text = page(server, "/health/ready")
    assert (status, "disk is full" in text) == (503, True), text
    assert "levada_data_room_full 1" in page(server, "/metrics")[1]
    assert_kept(client, name, acknowledged)

    ballast.unlink()
    await_service(client, name)
    assert page(server, "/health/ready")[0] == 200
    assert_kept_but_last(client, name, acknowledged)

    more, error = fill(client, name)
    assert_retryable(error)
    server.kill()
    # A start needs room for a manifest, and has it in the reserve's place.
    server = Server(small_disk / "data").start()
    client = impatient(server)
    acknowledged += more
    assert_kept_but_last(client, name, acknowledged)
    client.delete_stream(StreamName=name)
    other = streams.create(client)
    await_service(client, other)
    assert page(server, "/health/ready")[0] == 200
    server.stop()


def assert_kept_but_last(client, name, acknowledged):
    """The same where the word that service is back is among the records."""
    [shard] = streams.shards_of(client, name)
    found = streams.read_shard(client, name, shard["ShardId"])
    numbers = {int(record["SequenceNumber"]) for record in found}
    assert {number for number, _ in acknowledged} <= numbers


def test_a_folder_takes_no_more_than_it_may(tmp_path):
    most = 128 * MIB
    server = Server(tmp_path / "data", "--data-max", "128MiB").start()
    client = impatient(server)
    name = streams.create(client)
    acknowledged, error = fill(client, name)
    assert_retryable(error)
    taken = sum(f.stat().st_blocks * 512 for f in server.data.rglob("*") if f.is_file())
    assert taken <= most, f"{taken} bytes"
    assert len(acknowledged) * len(DATA) > most // 4
    status, text = page(server, "/health/ready")
    assert (status, "--data-max" in text) == (503, True), text
    metrics = page(server, "/metrics")[1]
    assert f"levada_data_max_bytes {most}" in metrics and "levada_data_room_low 1" in metrics
    assert "no room for data soon" in server.log.read_text()
    assert_kept(client, name, acknowledged)

    client.delete_stream(StreamName=name)
    other = streams.create(client)
    await_service(client, other)
    assert page(server, "/health/ready")[0] == 200
    server.stop()
