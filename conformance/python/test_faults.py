"""Injected faults as SDKs meet them: refused, retried, late, cut off, resharded under their feet."""

import json
import time

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from rig import clients, streams
from rig.command import run
from rig.server import ACCOUNT, REGION, Server

SECONDS = 30
THROTTLED = "ProvisionedThroughputExceededException"


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    started = Server(tmp_path_factory.mktemp("faults") / "data", "--dev").start()
    yield started
    started.stop()


@pytest.fixture
def plain(dev):
    """A client that retries nothing, and no fault left over afterwards."""
    yield clients.client(dev.endpoint)
    assert run("fault", "remove", "--all", "--data", dev.data).returncode == 0


@pytest.fixture
def stream(plain):
    return streams.create(plain, shards=2)


def add(server, *arguments):
    added = run("fault", "add", *arguments, "--json", "--data", server.data)
    assert added.returncode == 0, added.stderr
    return json.loads(added.stdout)


def listed(server):
    shown = run("fault", "list", "--json", "--data", server.data)
    assert shown.returncode == 0, shown.stderr
    return json.loads(shown.stdout)["Faults"]


def refused(call, **input):
    with pytest.raises(ClientError) as error:
        call(**input)
    response = error.value.response
    status = response["ResponseMetadata"]["HTTPStatusCode"]
    return response["Error"]["Code"], response["Error"]["Message"], status


def put(client, name, key="k", data=b"x"):
    return client.put_record(StreamName=name, PartitionKey=key, Data=data)


def entries(count):
    return [{"Data": f"{n}".encode(), "PartitionKey": f"key-{n}"} for n in range(count)]


def test_a_throttle_in_awss_words(dev, plain, stream):
    add(dev, "--operation", "PutRecord", "--stream", stream, "--error", THROTTLED)
    under = f"in stream {stream} under account {ACCOUNT}."
    said = refused(put, client=plain, name=stream)
    assert said == (THROTTLED, f"Rate exceeded for shard shardId-000000000000 {under}", 400)
    # Other operations and streams go on.
    plain.put_records(StreamName=stream, Records=entries(3))
    put(plain, streams.create(plain))
    assert streams.read_shard(plain, stream, "shardId-000000000000", limit=10) is not None
    [fault] = listed(dev)
    assert (fault["Matched"], fault["Struck"]) == (1, 1)


def test_an_sdk_retries_until_it_is_through(dev, plain, stream):
    added = add(dev, "--operation", "PutRecords", "--stream", stream, "--error", THROTTLED,
                "--times", "3")
    patient = clients.client(dev.endpoint, retries={"mode": "standard", "total_max_attempts": 5})
    answer = patient.put_records(StreamName=stream, Records=entries(10))
    assert answer["FailedRecordCount"] == 0
    assert answer["ResponseMetadata"]["RetryAttempts"] == 3
    [fault] = listed(dev)
    assert (fault["Id"], fault["Struck"], fault["LeftMillis"]) == (added["Id"], 3, 0)


def test_an_internal_failure_is_retried_too(dev, plain, stream):
    add(dev, "--operation", "PutRecord", "--error", "InternalFailure", "--times", "1")
    code, _, status = refused(put, client=plain, name=stream)
    assert (code, status) == ("InternalFailure", 500)
    add(dev, "--operation", "PutRecord", "--error", "InternalFailure", "--times", "2")
    patient = clients.client(dev.endpoint, retries={"mode": "standard", "total_max_attempts": 5})
    assert put(patient, stream)["ResponseMetadata"]["RetryAttempts"] == 2


def test_records_fail_one_by_one(dev, plain, stream):
    add(dev, "--operation", "PutRecords", "--stream", stream, "--error", THROTTLED,
        "--per-record", "--rate", "0.5", "--seed", "11")
    answer = plain.put_records(StreamName=stream, Records=entries(200))
    results = answer["Records"]
    failed = [result for result in results if "ErrorCode" in result]
    assert answer["FailedRecordCount"] == len(failed) and 60 < len(failed) < 140
    for result in results:
        if "ErrorCode" not in result:
            continue
        assert result["ErrorCode"] == THROTTLED and "SequenceNumber" not in result
        assert result["ErrorMessage"].startswith("Rate exceeded for shard shardId-00000000000")
        assert result["ErrorMessage"].endswith(f"in stream {stream} under account {ACCOUNT}.")
    # Exactly the others are there.
    wanted = {f"{n}".encode() for n, result in enumerate(results) if "ErrorCode" not in result}
    shards = [shard["ShardId"] for shard in streams.shards_of(plain, stream)]
    kept = [record["Data"] for shard in shards for record in streams.read_shard(plain, stream, shard)]
    assert sorted(kept) == sorted(wanted)


def test_all_records_fail(dev, plain, stream):
    add(dev, "--operation", "PutRecords", "--error", "InternalFailure", "--per-record")
    answer = plain.put_records(StreamName=stream, Records=entries(3))
    assert answer["FailedRecordCount"] == 3
    assert {result["ErrorMessage"] for result in answer["Records"]} == {"Internal Service Failure"}


def test_one_shard_is_hot(dev, plain, stream):
    hot = "shardId-000000000001"
    add(dev, "--stream", stream, "--shard", hot, "--error", THROTTLED)
    shards = streams.shards_of(plain, stream)
    answer = plain.put_records(StreamName=stream, Records=entries(50))
    for entry, result in zip(entries(50), answer["Records"]):
        is_hot = streams.shard_for(shards, streams.hash_key(entry["PartitionKey"])) == hot
        assert is_hot == ("ErrorCode" in result)
    assert 0 < answer["FailedRecordCount"] < 50
    cold = streams.iterator(plain, stream, "shardId-000000000000")
    plain.get_records(ShardIterator=cold)
    code, message, _ = refused(
        plain.get_shard_iterator, StreamName=stream, ShardId=hot, ShardIteratorType="LATEST"
    )
    assert code == THROTTLED and hot in message


def test_a_reader_is_throttled_by_its_iterators_stream(dev, plain, stream):
    position = streams.iterator(plain, stream, "shardId-000000000000")
    other = streams.iterator(plain, streams.create(plain), "shardId-000000000000")
    add(dev, "--operation", "GetRecords", "--stream", stream, "--error", THROTTLED)
    assert refused(plain.get_records, ShardIterator=position)[0] == THROTTLED
    plain.get_records(ShardIterator=other)


def test_a_shard_of_a_reader_is_throttled(dev, plain, stream):
    position = streams.iterator(plain, stream, "shardId-000000000001")
    other = streams.iterator(plain, stream, "shardId-000000000000")
    add(dev, "--operation", "GetRecords", "--stream", stream, "--shard", "shardId-000000000001",
        "--error", THROTTLED)
    assert "shardId-000000000001" in refused(plain.get_records, ShardIterator=position)[1]
    plain.get_records(ShardIterator=other)


def test_the_same_seed_strikes_the_same_calls(dev, plain, stream):
    def series():
        add(dev, "--operation", "PutRecord", "--stream", stream, "--rate", "0.4", "--seed", "5",
            "--error", "InternalFailure")
        struck = []
        for _ in range(30):
            try:
                put(plain, stream)
                struck.append(False)
            except ClientError:
                struck.append(True)
        run("fault", "remove", "--all", "--data", dev.data)
        return struck

    first = series()
    assert first == series() and 3 < sum(first) < 27


def test_latency(dev, plain, stream):
    add(dev, "--operation", "DescribeStreamSummary", "--latency", "400ms", "--times", "1")
    started = time.monotonic()
    plain.describe_stream_summary(StreamName=stream)
    assert time.monotonic() - started >= 0.4
    started = time.monotonic()
    plain.describe_stream_summary(StreamName=stream)
    assert time.monotonic() - started < 0.4


def test_no_answer_though_the_record_is_there(dev, plain, stream):
    add(dev, "--operation", "PutRecord", "--stream", stream, "--abort", "--after", "--times", "1")
    with pytest.raises(ConnectionClosedError):
        put(plain, stream, data=b"once")
    patient = clients.client(dev.endpoint, retries={"mode": "standard", "total_max_attempts": 5})
    add(dev, "--operation", "PutRecord", "--stream", stream, "--abort", "--after", "--times", "1")
    assert put(patient, stream, data=b"twice")["ResponseMetadata"]["RetryAttempts"] == 1
    shards = [shard["ShardId"] for shard in streams.shards_of(plain, stream)]
    kept = [record["Data"] for shard in shards for record in streams.read_shard(plain, stream, shard)]
    assert sorted(kept) == [b"once", b"twice", b"twice"]


def test_no_answer_and_no_record(dev, plain, stream):
    add(dev, "--operation", "PutRecord", "--abort", "--times", "1")
    with pytest.raises(ConnectionClosedError):
        put(plain, stream)
    for shard in streams.shards_of(plain, stream):
        assert streams.read_shard(plain, stream, shard["ShardId"]) == []


@pytest.mark.parametrize("how, open_shards", [("split", 3), ("merge", 1), ("4", 4)])
def test_a_reshard_at_the_moment_of_a_put(dev, plain, stream, how, open_shards):
    add(dev, "--operation", "PutRecords", "--stream", stream, "--reshard", how, "--times", "1")
    answer = plain.put_records(StreamName=stream, Records=entries(50))
    assert answer["FailedRecordCount"] == 0
    shards = streams.shards_of(plain, stream)
    assert sum(map(streams.is_open, shards)) == open_shards
    open_ids = {shard["ShardId"] for shard in shards if streams.is_open(shard)}
    assert {result["ShardId"] for result in answer["Records"]} <= open_ids


def test_a_reshard_under_an_iterator(dev, plain, stream):
    put(plain, stream, key="key-1", data=b"before")
    home = streams.shard_for(streams.shards_of(plain, stream), streams.hash_key("key-1"))
    position = streams.iterator(plain, stream, home)
    add(dev, "--operation", "GetRecords", "--stream", stream, "--shard", home, "--reshard", "split",
        "--times", "1")
    records, last = streams.read_from(plain, position)
    assert [record["Data"] for record in records] == [b"before"]
    assert len(last["ChildShards"]) == 2


def test_any_error_with_words_of_its_own(dev, plain, stream):
    add(dev, "--operation", "ListShards", "--error", "OddException", "--message", "how odd")
    assert refused(plain.list_shards, StreamName=stream) == ("OddException", "how odd", 400)


def test_it_ends_after_its_time(dev, plain, stream):
    add(dev, "--operation", "PutRecord", "--error", "InternalFailure", "--for", "1ms")
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if listed(dev)[0]["LeftMillis"] == 0:
            break
    put(plain, stream)


def test_another_region_notices_nothing(dev, plain, stream):
    add(dev, "--error", "InternalFailure", "--region", "eu-west-1")
    plain.list_streams()
    abroad = clients.client(dev.endpoint, region="eu-west-1")
    assert refused(abroad.list_streams)[0] == "InternalFailure"
    assert listed(dev)[0]["Region"] == "eu-west-1" != REGION


def test_one_is_removed(dev, plain, stream):
    first = add(dev, "--operation", "PutRecord", "--error", "InternalFailure")["Id"]
    second = add(dev, "--operation", "PutRecords", "--error", "InternalFailure")["Id"]
    assert run("fault", "remove", first, "--data", dev.data).returncode == 0
    assert [fault["Id"] for fault in listed(dev)] == [second]
    put(plain, stream)
    gone = run("fault", "remove", first, "--data", dev.data)
    assert gone.returncode == 1 and f"there is no fault {first}".lower() in gone.stderr.lower()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--error", "InternalFailure", "--rate", "1.5"],
        ["--error", "InternalFailure", "--rate", "NaN"],
        ["--error", "InternalFailure", "--operation", "PutEverything"],
        ["--error", "NobodyKnowsException"],
        ["--error", "InternalFailure", "--abort"],
        ["--error", "InternalFailure", "--shard", "shardId-000000000000"],
        ["--error", "InternalFailure", "--per-record", "--operation", "GetRecords"],
        ["--reshard", "double", "--stream", "s"],
        ["--reshard", "split"],
        ["--latency", "1h"],
        ["--error", "InternalFailure", "--times", "0"],
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(dev, plain, arguments):
    answer = run("fault", "add", *arguments, "--data", dev.data)
    assert answer.returncode == 2 and answer.stderr.startswith("error: "), answer.stderr
    assert listed(dev) == []


def test_an_ordinary_server_takes_none(server):
    answer = run("fault", "add", "--error", "InternalFailure", "--data", server.data)
    assert answer.returncode == 1
    assert "takes no injected faults" in answer.stderr and "help: " in answer.stderr


def test_a_flag_allows_them_on_an_ordinary_folder(tmp_path):
    first = Server(tmp_path / "data").start()
    first.stop()
    staging = Server(tmp_path / "data", "--faults").start()
    client = clients.client(staging.endpoint)
    add(staging, "--operation", "ListStreams", "--error", "ServiceUnavailable", "--times", "1")
    assert refused(client.list_streams)[::2] == ("ServiceUnavailable", 503)
    client.list_streams()
    staging.stop()
