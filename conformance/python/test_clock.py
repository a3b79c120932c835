"""The virtual clock: what ages by it, what does not, and who may move it."""

import datetime
import json
import re

import pytest

from rig import clients, fan_out, streams
from rig.command import move_clock, run
from rig.server import ACCOUNT, Server
from rig.waiting import until

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


def test_it_is_shown_and_moved(dev):
    before = read_clock(dev)
    assert before["movable"] is True
    said = move_clock(dev, "+1h30m")
    assert "ahead" in said
    after = read_clock(dev)
    assert after["shift_seconds"] == before["shift_seconds"] + 5400
    assert after["service"] > after["wall"]


def test_an_iterator_expires(dev, aged):
    name = streams.create(aged)
    position = streams.iterator(aged, name, "shardId-000000000000")
    assert aged.get_records(ShardIterator=position)["Records"] == []
    move_clock(dev, "+299s")
    fresh = aged.get_records(ShardIterator=position)["NextShardIterator"]
    move_clock(dev, "+30s")
    with pytest.raises(aged.exceptions.ExpiredIteratorException) as refused:
        aged.get_records(ShardIterator=position)
    message = refused.value.response["Error"]["Message"]
    time = r"[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d UTC \d{4}"
    said = re.fullmatch(
        rf"Iterator expired\. The iterator was created at time ({time}) while right now it is "
        rf"({time}) which is further in the future than the tolerated delay of 300000 "
        r"milliseconds\.",
        message,
    )
    assert said, message
    form = "%a %b %d %H:%M:%S %Z %Y"
    created, now = (datetime.datetime.strptime(text, form) for text in said.groups())
    assert 300 <= (now - created).total_seconds() <= 400
    assert aged.get_records(ShardIterator=fresh)["Records"] == []


def test_a_next_token_expires(dev, aged):
    name = streams.create(aged, shards=3)
    page = aged.list_shards(StreamName=name, MaxResults=1)
    assert len(aged.list_shards(NextToken=page["NextToken"])["Shards"]) == 2
    move_clock(dev, "+301s")
    with pytest.raises(aged.exceptions.ExpiredNextTokenException):
        aged.list_shards(NextToken=page["NextToken"])


def test_records_outlive_their_retention_by_nothing(dev, aged):
    name = streams.create(aged)
    shard = "shardId-000000000000"
    aged.put_record(StreamName=name, PartitionKey="k", Data=b"old")
    move_clock(dev, "+23h")
    aged.put_record(StreamName=name, PartitionKey="k", Data=b"young")
    assert [r["Data"] for r in streams.read_shard(aged, name, shard)] == [b"old", b"young"]
    move_clock(dev, "+2h")
    kept = streams.read_shard(aged, name, shard)
    assert [record["Data"] for record in kept] == [b"young"]
    # It is dated by the moved clock.
    service = datetime.datetime.fromisoformat(read_clock(dev)["service"])
    age = service - kept[0]["ApproximateArrivalTimestamp"]
    assert 7200 <= age.total_seconds() < 7260


def test_a_closed_shard_goes_with_its_records(dev, aged):
    name = streams.create(aged)
    shard, middle = "shardId-000000000000", str(2**127)
    aged.split_shard(StreamName=name, ShardToSplit=shard, NewStartingHashKey=middle)
    streams.await_active(aged, name)
    assert len(streams.shards_of(aged, name)) == 3
    move_clock(dev, "+25h")

    # The move wakes whoever trims; nobody waits a minute for it.
    def is_gone():
        return [s["ShardId"][-1] for s in streams.shards_of(aged, name)] == ["1", "2"]

    until(is_gone, what="the closed shard's end")


def test_a_stream_is_older_than_it_is(dev, aged):
    name = streams.create(aged)
    first = streams.await_active(aged, name)["StreamCreationTimestamp"]
    move_clock(dev, "+1d")
    again = streams.create(aged)
    later = streams.await_active(aged, again)["StreamCreationTimestamp"]
    assert (later - first).total_seconds() >= 86_400


def test_a_subscription_lives_five_minutes(dev, aged):
    name = streams.create(aged)
    arn = fan_out.register(aged, name, "aged")
    subscription = fan_out.subscribe(aged, arn, "shardId-000000000000", "LATEST")
    events = fan_out.events_of(subscription)
    aged.put_record(StreamName=name, PartitionKey="k", Data=b"x")
    assert next(events)["Records"]
    # Within its first five seconds nobody takes it over, by the service's clock.
    with pytest.raises(aged.exceptions.ResourceInUseException):
        aged.subscribe_to_shard(
            ConsumerARN=arn, ShardId="shardId-000000000000", StartingPosition={"Type": "LATEST"}
        )
    move_clock(dev, "+301s")
    assert list(events) == []


def test_a_subscription_is_taken_over_after_five_seconds(dev, aged):
    name = streams.create(aged)
    arn = fan_out.register(aged, name, "taken")
    start = {"Type": "LATEST"}
    shard = "shardId-000000000000"
    first = aged.subscribe_to_shard(ConsumerARN=arn, ShardId=shard, StartingPosition=start)
    move_clock(dev, "+6s")
    second = aged.subscribe_to_shard(ConsumerARN=arn, ShardId=shard, StartingPosition=start)
    assert list(first["EventStream"]) == []
    second["EventStream"].close()


def test_signatures_and_identity_stay_with_the_world(dev, aged):
    move_clock(dev, "+10d")
    assert aged.list_streams()["StreamNames"] is not None
    sts = clients.boto3.client(
        "sts",
        endpoint_url=dev.endpoint,
        region_name="us-east-1",
        aws_access_key_id=clients.KEY_ID,
        aws_secret_access_key=clients.SECRET,
    )
    assert sts.get_caller_identity()["Account"] == ACCOUNT


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


def test_a_delayed_state_comes_at_once(tmp_path):
    slow = Server(tmp_path / "data", "--dev", "--state-delay", "60m").start()
    client = clients.client(slow.endpoint)
    client.create_stream(StreamName="slow", ShardCount=1)

    def status():
        summary = client.describe_stream_summary(StreamName="slow")
        return summary["StreamDescriptionSummary"]["StreamStatus"]

    assert status() == "CREATING"
    move_clock(slow, "+59m")
    assert status() == "CREATING"
    move_clock(slow, "+1m")
    until(lambda: status() == "ACTIVE", what="ACTIVE")
    client.delete_stream(StreamName="slow")
    assert status() == "DELETING"
    move_clock(slow, "+1h")
    until(lambda: client.list_streams()["StreamNames"] == [], what="its end")
    slow.stop()


def test_the_clock_outlives_a_restart(tmp_path):
    before = Server(tmp_path / "data", "--dev").start()
    client = clients.client(before.endpoint)
    name = streams.create(client)
    move_clock(before, "+5h")
    first = client.put_record(StreamName=name, PartitionKey="k", Data=b"1")["SequenceNumber"]
    before.kill()
    after = Server(tmp_path / "data", "--dev").start()
    assert read_clock(after)["shift_seconds"] == 5 * 3600
    client = clients.client(after.endpoint)
    second = client.put_record(StreamName=name, PartitionKey="k", Data=b"2")["SequenceNumber"]
    assert int(first) < int(second)
    records = streams.read_shard(client, name, "shardId-000000000000")
    times = [record["ApproximateArrivalTimestamp"] for record in records]
    assert len(times) == 2 and times == sorted(times)
    after.stop()


def start_failing(folder, *flags):
    return run("serve", "--data", folder, "--listen", "127.0.0.1:0", *flags)


def test_an_ordinary_folder_is_never_aged(tmp_path):
    ordinary = Server(tmp_path / "data").start()
    ordinary.stop()
    refused = start_failing(tmp_path / "data", "--dev")
    assert refused.returncode == 1 and refused.stdout == ""
    assert refused.stderr.startswith("error: the data folder was not made for development")
    assert "help: name a new folder with --data" in refused.stderr
    # Nothing has happened to it.
    ordinary = Server(tmp_path / "data").start()
    ordinary.stop()


def test_a_development_folder_stays_one(tmp_path):
    Server(tmp_path / "data", "--dev").start().stop()
    refused = start_failing(tmp_path / "data")
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: the data folder was made for development")
    assert "help: add --dev" in refused.stderr
    Server(tmp_path / "data", "--dev").start().stop()


def test_memory_can_be_aged(tmp_path):
    memory = Server(tmp_path / "data", "--dev", "--in-memory").start()
    moved = run("clock", "+25h", "--json", "--endpoint", memory.endpoint)
    assert moved.returncode == 0, moved.stderr
    assert json.loads(moved.stdout)["shift_seconds"] == 25 * 3600
    memory.stop()


@pytest.mark.parametrize("by", ["25", "+1w", "soon", "+99999d", ""])
def test_what_is_no_duration_is_a_usage_error(dev, by):
    before = read_clock(dev)["shift_seconds"]
    refused = run("clock", by, "--data", dev.data)
    assert refused.returncode == 2, refused.stderr
    assert read_clock(dev)["shift_seconds"] == before
