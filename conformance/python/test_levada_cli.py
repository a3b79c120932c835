"""The binary's own words: data on stdout, talk on stderr, and exit codes."""

import json
import signal
import subprocess

import pytest

from rig import clients, streams
from rig.command import run
from rig.server import KEY_ID, Server, binary, environment
from rig.waiting import until

SECONDS = 30


@pytest.fixture(scope="module")
def stream(kinesis):
    kinesis.create_stream(StreamName="cli", ShardCount=2)
    kinesis.get_waiter("stream_exists").wait(StreamName="cli")
    return "cli"


def test_ready_in_one_line(server):
    assert server.ready["ready_ms"] >= 0
    assert server.ready["endpoint"].startswith("http://127.0.0.1:")
    assert server.ready["data"] == str(server.data)
    assert server.is_ready()
    assert (server.data / "endpoint").read_text().strip() == server.endpoint


def test_env_prints_only_lines_to_evaluate(server):
    ran = run("env", "--data", server.data, "--region", "eu-north-1")
    assert ran.returncode == 0, ran.stderr
    script = f'eval "{ran.stdout}"; echo "$AWS_ENDPOINT_URL_KINESIS $AWS_ACCESS_KEY_ID $AWS_REGION"'
    said = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert said.split() == [server.endpoint, KEY_ID, "eu-north-1"]
    assert "AWS_ENDPOINT_URL=" not in ran.stdout
    everything = run("env", "--data", server.data, "--all").stdout
    assert f"export AWS_ENDPOINT_URL={server.endpoint}" in everything


def test_put_and_tail(server, stream):
    put = run("put", stream, "one", "two", "--key", "k", "--data", server.data)
    assert put.returncode == 0, put.stderr
    piped = run("put", stream, "--key", "k", "--data", server.data, given="three\nfour\n")
    assert piped.returncode == 0, piped.stderr
    assert len(put.stdout.splitlines()) == len(piped.stdout.splitlines()) == 2
    shard, number = put.stdout.splitlines()[0].split()
    assert shard.startswith("shardId-") and number.startswith("49")
    tail = run("tail", stream, "--from", "trim-horizon", "--no-follow", "--data", server.data)
    assert tail.returncode == 0, tail.stderr
    assert tail.stdout == "one\ntwo\nthree\nfour\n"


def test_tail_as_json(server, stream):
    run("put", stream, "as json", "--key", "j", "--data", server.data)
    arguments = ["--from", "trim-horizon", "--no-follow", "--json", "--data", server.data]
    tail = run("tail", stream, *arguments)
    lines = [json.loads(line) for line in tail.stdout.splitlines()]
    assert ("j", "as json") in [(line["partition_key"], line["data"]) for line in lines]


def test_tail_follows_until_interrupted(server, stream):
    arguments = [binary(), "tail", stream, "--from", "latest", "--data", str(server.data)]
    tail = subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )
    try:
        # It may not have found its place yet, so words are put until one of them arrives.
        reader = iter(tail.stdout.readline, "")
        for number in range(50):
            run("put", stream, f"follow-{number}", "--data", server.data)
            if number >= 5:
                break
        assert next(reader).startswith("follow-")
        tail.send_signal(signal.SIGINT)
        assert tail.wait(SECONDS) == 0
    finally:
        tail.kill()
        tail.wait()


def test_tail_keeps_each_keys_order_through_a_merge(server, kinesis):
    """A child is shown after all of its parents, however many pages one of them has."""
    name = streams.create(kinesis, shards=2)
    upper = str(streams.SPACE - 1)

    def put(first, count):
        numbers = range(first, first + count)
        entries = [
            {"Data": b"%d" % n, "PartitionKey": "k", "ExplicitHashKey": upper} for n in numbers
        ]
        streams.put_all(kinesis, name, entries)

    put(0, 25_000)
    kinesis.merge_shards(
        StreamName=name,
        ShardToMerge="shardId-000000000000",
        AdjacentShardToMerge="shardId-000000000001",
    )
    streams.await_active(kinesis, name)
    put(25_000, 10)
    tail = run("tail", name, "--from", "trim-horizon", "--no-follow", "--data", server.data)
    assert tail.returncode == 0, tail.stderr
    assert tail.stdout.split() == [str(n) for n in range(25_010)]


def test_status(server, stream):
    ran = run("status", "--data", server.data)
    assert ran.returncode == 0, ran.stderr
    assert stream in ran.stdout
    told = json.loads(run("status", "--json", "--data", server.data).stdout)
    assert told["ready"] is True
    [row] = [row for row in told["streams"] if row["name"] == stream]
    assert (row["status"], row["open_shards"]) == ("ACTIVE", 2)


def test_an_unknown_flag_gets_a_hint(server):
    ran = run("serve", "--dta", server.data)
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert "--data" in ran.stderr


def test_an_unknown_command_gets_a_hint():
    ran = run("srve")
    assert ran.returncode == 2
    assert "serve" in ran.stderr


@pytest.mark.parametrize("command", ["env", "status"])
def test_no_server_is_exit_code_three(tmp_path, command):
    ran = run(command, "--data", tmp_path / "nothing")
    assert ran.returncode == 3, ran.stderr
    assert ran.stdout == "" or command == "status"
    assert "help:" in ran.stderr


def test_a_missing_stream_is_exit_code_one(server):
    ran = run("put", "nowhere", "x", "--data", server.data)
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert "not found" in ran.stderr


def test_an_address_in_use_says_so(server, tmp_path):
    ran = run("serve", "--data", tmp_path / "other", "--listen", "%s:%d" % server.address)
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert "error:" in ran.stderr


def test_a_folder_is_served_once(server):
    ran = run("serve", "--data", server.data, "--listen", "127.0.0.1:0")
    assert ran.returncode == 1
    assert "error:" in ran.stderr


def test_a_key_is_made_and_kept(tmp_path):
    data = tmp_path / "data"
    nothing = {"LEVADA_ROOT_ACCESS_KEY_ID": "", "LEVADA_ROOT_SECRET_ACCESS_KEY": ""}
    seen = []
    for _ in range(2):
        server = Server(data, **nothing).start()
        assert (data / "root-key").stat().st_mode & 0o777 == 0o600
        exports = run("env", "--data", data, **nothing).stdout
        variables = dict(
            line.removeprefix("export ").split("=", 1)
            for line in exports.splitlines()
            if line.startswith("export ")
        )
        key_id, secret = variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"]
        client = clients.client(server.endpoint, key_id=key_id, secret=secret.strip("'"))
        client.list_streams()
        seen.append((key_id, secret))
        server.stop()
    assert seen[0] == seen[1]


def test_in_memory_leaves_nothing(tmp_path):
    data = tmp_path / "data"
    server = Server(data, "--in-memory").start()
    client = clients.client(server.endpoint)
    client.create_stream(StreamName="gone", ShardCount=1)
    client.put_record(StreamName="gone", Data=b"x", PartitionKey="k")
    server.stop()
    assert not data.exists() or not any(data.iterdir())


def test_without_signatures(tmp_path):
    server = Server(tmp_path / "data", "--auth", "none").start()
    anyone = clients.client(server.endpoint, key_id="AKIANOBODYKNOWSTHIS1", secret="x" * 40)
    assert anyone.list_streams()["StreamNames"] == []
    server.stop()
    assert "not checked" in server.tail_of_log()


def test_states_take_their_time(tmp_path):
    server = Server(tmp_path / "data", "--state-delay", "400ms").start()
    client = clients.client(server.endpoint)
    client.create_stream(StreamName="slow", ShardCount=1)

    def status():
        summary = client.describe_stream_summary(StreamName="slow")
        return summary["StreamDescriptionSummary"]["StreamStatus"]

    assert status() == "CREATING"
    until(lambda: status() == "ACTIVE", what="ACTIVE")
    client.split_shard(
        StreamName="slow", ShardToSplit="shardId-000000000000", NewStartingHashKey="1000"
    )
    assert status() == "UPDATING"
    until(lambda: status() == "ACTIVE", what="ACTIVE")
    client.delete_stream(StreamName="slow")
    assert status() == "DELETING"
    until(lambda: client.list_streams()["StreamNames"] == [], what="the stream gone")
    server.stop()
